package state

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// LedgerTable is the ledger's name in the state database.
const LedgerTable = "ledger"

const journalTable = "journal"

// EnsureTables makes the state database and its tables where they are missing: three requests. The schema row is written with
// the first Begin.
func (s *Store) EnsureTables(ctx context.Context) error {
	var journal, ledger []string
	for _, c := range journalColumns {
		journal = append(journal, sqltext.Ident(c.name)+" "+c.typ+" NOT NULL")
	}
	for _, c := range ledgerColumns {
		ledger = append(ledger, sqltext.Ident(c.name)+" "+c.typ+" NOT NULL")
	}
	for _, text := range []string{
		"CREATE DATABASE IF NOT EXISTS " + sqltext.Ident(s.scope.StateDatabase),
		"CREATE TABLE IF NOT EXISTS " + s.name(journalTable) + " (" + strings.Join(journal, ", ") + ")",
		"CREATE TABLE IF NOT EXISTS " + s.LedgerName() + " (" + strings.Join(ledger, ", ") + ")",
	} {
		if err := again(ctx, func() error {
			_, err := s.db.Exec(ctx, databend.Statement{SQL: text})
			return err
		}); err != nil {
			return fmt.Errorf("make the state tables in %s: %w", s.scope.StateDatabase, err)
		}
	}
	return nil
}

// name is table's qualified name in the state database, quoted.
func (s *Store) name(table string) string {
	return sqltext.Ident(s.scope.StateDatabase) + "." + sqltext.Ident(table)
}

// insert is INSERT INTO table of tuples, in one statement, all or none: none when condition does not hold.
type insert struct {
	table     string
	into      []string   // all columns; the first is in the tuples, and differs in each
	exprs     []string   // for each of them the server's expression, or "" when it is in the tuples
	tuples    [][]string // literals
	condition string     // may be empty
}

func (in insert) sql() string {
	var into, list, from []string
	var varying []int // of a tuple; what all have in common is said once: the server plans each literal
	at := 0           // in a tuple
	for i, c := range in.into {
		id := sqltext.Ident(c)
		into = append(into, id)
		if in.exprs[i] != "" {
			list = append(list, in.exprs[i])
			continue
		}
		first := in.tuples[0][at]
		if i > 0 && !slices.ContainsFunc(in.tuples, func(t []string) bool { return t[at] != first }) {
			list = append(list, first)
		} else {
			list, from, varying = append(list, id), append(from, id), append(varying, at)
		}
		at++
	}
	rows := make([]string, len(in.tuples))
	for i, t := range in.tuples {
		values := make([]string, len(varying))
		for j, at := range varying {
			values[j] = t[at]
		}
		rows[i] = "(" + strings.Join(values, ",") + ")"
	}
	text := "INSERT INTO " + in.table + " (" + strings.Join(into, ",") + ") SELECT " + strings.Join(list, ",") +
		" FROM (VALUES " + strings.Join(rows, ",") + ") AS v(" + strings.Join(from, ",") + ")"
	if in.condition != "" {
		text += " WHERE " + in.condition
	}
	return text
}

// tuple is what the fields point to, as literals.
func tuple(fields ...any) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		switch v := f.(type) {
		case *string:
			out[i] = literal(*v)
		case *int64:
			out[i] = strconv.FormatInt(*v, 10)
		case *bool:
			out[i] = strconv.FormatBool(*v)
		}
	}
	return out
}

// literal is s as a string literal in which no placeholder for a secret can be seen: journal and marks hold SQL text with
// placeholders, which must arrive as they are.
func literal(s string) string { return strings.ReplaceAll(sqltext.Quote(s), "{{", `{\x7b`) }

// missing reports whether err says that the state database or a table of it does not exist.
func missing(err error) bool {
	return databend.IsCode(err, databend.CodeUnknownDatabase, databend.CodeUnknownTable)
}

// scan reads one value as text into what field points to.
func scan(v sql.NullString, field any) {
	switch p := field.(type) {
	case *string:
		*p = v.String
	case *int64:
		*p = number(v)
	case *bool:
		*p = v.String == "1" || v.String == "true"
	case *time.Time:
		*p = micros(v)
	}
}

func number(v sql.NullString) int64 {
	n, _ := strconv.ParseInt(v.String, 10, 64)
	return n
}

// micros reads the server's to_int64(timestamp); 0 and NULL are the zero time.
func micros(v sql.NullString) time.Time {
	if n := number(v); n != 0 {
		return time.UnixMicro(n).UTC()
	}
	return time.Time{}
}
