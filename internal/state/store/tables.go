package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// The tables' names in the state database.
const (
	JournalTable = "journal"
	LedgerTable  = "ledger"
)

// Column is one column of a table; none is NULL.
type Column struct{ Name, Type string }

// The columns of both tables: every row has an event id; readers drop repeats, so a write whose answer was lost is simply sent again.
// Journal is append-only: who ran what when, and what is needed to put an unfinished run back.
var Journal = []Column{
	{"event_id", "STRING"},
	{"project", "STRING"},
	{"database", "STRING"},
	{"run", "STRING"},
	{"subject", "STRING"},
	{"token", "BIGINT"},
	{"seq", "BIGINT"},
	{"event", "STRING"},
	{"version", "BIGINT"},
	{"name", "STRING"},
	{"direction", "STRING"},
	{"up_sum", "STRING"},
	{"down_sum", "STRING"},
	{"up_expanded_sum", "STRING"},
	{"down_expanded_sum", "STRING"},
	{"up_text", "STRING"},
	{"down_text", "STRING"},
	{"statements", "BIGINT"},
	{"before", "STRING"},
	{"after", "STRING"},
	{"detail", "STRING"},
	{"at", "TIMESTAMP"},
	{"took_ms", "BIGINT"},
	{"reason", "STRING"},
	{"query_ids", "STRING"},
	{"actor", "STRING"},
	{"role", "STRING"},
	{"os_user", "STRING"},
	{"host", "STRING"},
	{"git_commit", "STRING"},
	{"git_dirty", "BOOLEAN"},
	{"label", "STRING"},
	{"flags", "STRING"},
	{"dbctl_version", "STRING"},
	{"server_version", "STRING"},
}

// Ledger is append-only: one fact about one file a row.
var Ledger = []Column{
	{"event_id", "STRING"},
	{"project", "STRING"},
	{"database", "STRING"},
	{"run", "STRING"},
	{"at", "TIMESTAMP"},
	{"took_ms", "BIGINT"},
	{"target", "STRING"},
	{"table_id", "STRING"},
	{"stage", "STRING"},
	{"stage_url", "STRING"},
	{"path", "STRING"},
	{"size", "BIGINT"},
	{"etag", "STRING"},
	{"mtime", "STRING"},
	{"row_count", "BIGINT"},
	{"state", "STRING"},
	{"source", "STRING"},
	{"load_name", "STRING"},
	{"checksum", "STRING"},
	{"query_id", "STRING"},
	{"error", "STRING"},
	{"reason", "STRING"},
}

// Ensure makes the state database and its tables where they are missing, and runs more statements behind that, in one request. The
// schema row is written with the first run.
func (d *DB) Ensure(ctx context.Context, more ...string) error {
	create := func(name string, columns []Column) string {
		var list []string
		for _, c := range columns {
			list = append(list, sqltext.Ident(c.Name)+" "+c.Type+" NOT NULL")
		}
		return "CREATE TABLE IF NOT EXISTS " + d.Name(name) + " (" + strings.Join(list, ", ") + ")"
	}
	all := append([]string{
		"CREATE DATABASE IF NOT EXISTS " + sqltext.Ident(d.scope.StateDatabase), create(JournalTable, Journal), create(LedgerTable, Ledger),
	}, more...)
	err := Again(ctx, func() error { return d.Script(ctx, all...) })
	if databend.IsCode(err, databend.CodePermissionDenied) {
		// An administrator may have made the database: CREATE DATABASE takes a privilege on the whole account, also where it is there.
		if rest := Again(ctx, func() error { return d.Script(ctx, all[1:]...) }); !Missing(rest) {
			err = rest
		}
	}
	if err != nil {
		return fmt.Errorf("make the state tables in %s: %w", d.scope.StateDatabase, err)
	}
	return nil
}

// Insert is INSERT INTO table of tuples, in one statement, all or none: none when condition does not hold.
type Insert struct {
	Table     string
	Into      []string   // all columns; the first is in the tuples, and differs in each
	Exprs     []string   // for each of them the server's expression, or "" when it is in the tuples
	Tuples    [][]string // literals
	Condition string     // may be empty
}

// SQL is the statement.
func (in Insert) SQL() string {
	var into, list, from []string
	var varying []int // of a tuple; what all have in common is said once: the server plans each literal
	at := 0           // in a tuple
	for i, c := range in.Into {
		id := sqltext.Ident(c)
		into = append(into, id)
		if in.Exprs[i] != "" {
			list = append(list, in.Exprs[i])
			continue
		}
		first := in.Tuples[0][at]
		if i > 0 && !slices.ContainsFunc(in.Tuples, func(t []string) bool { return t[at] != first }) {
			list = append(list, first)
		} else {
			list, from, varying = append(list, id), append(from, id), append(varying, at)
		}
		at++
	}
	rows := make([]string, len(in.Tuples))
	for i, t := range in.Tuples {
		values := make([]string, len(varying))
		for j, at := range varying {
			values[j] = t[at]
		}
		rows[i] = "(" + strings.Join(values, ",") + ")"
	}
	text := "INSERT INTO " + in.Table + " (" + strings.Join(into, ",") + ") SELECT " + strings.Join(list, ",") +
		" FROM (VALUES " + strings.Join(rows, ",") + ") AS v(" + strings.Join(from, ",") + ")"
	if in.Condition != "" {
		text += " WHERE " + in.Condition
	}
	return text
}

// Tuple is what the fields point to, as literals.
func Tuple(fields ...any) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		switch v := f.(type) {
		case *string:
			out[i] = sqltext.Literal(*v)
		case *int64:
			out[i] = strconv.FormatInt(*v, 10)
		case *bool:
			out[i] = strconv.FormatBool(*v)
		}
	}
	return out
}

// Missing reports whether err says that the state database or a table of it does not exist.
func Missing(err error) bool {
	return databend.IsCode(err, databend.CodeUnknownDatabase, databend.CodeUnknownTable)
}

// patience is how long a server that is not there is waited for: as long as it takes to start anew.
const patience = 30 * time.Second

// Write runs a statement that writes rows, and once more where its outcome is not known: rows with one event_id are one row.
func (d *DB) Write(ctx context.Context, text string) (res databend.Result, err error) {
	err = Again(ctx, func() error {
		res, err = d.conn.Exec(ctx, databend.Statement{SQL: text})
		return err
	})
	return res, err
}

// Again calls f until its outcome is known: at most four times where that is not, and as long as patience lasts where nothing was done.
func Again(ctx context.Context, f func() error) error {
	until, lost := time.Now().Add(patience), 0
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, 2*time.Second) {
		err := f()
		switch {
		case ctx.Err() != nil:
			return err
		case databend.IsUnknownOutcome(err) && lost < 3:
			lost++
		case databend.IsAsleep(err) && time.Now().Before(until):
		default:
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
}
