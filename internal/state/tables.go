package state

import (
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

const (
	journalTable = "journal"
	ledgerTable  = "ledger"
)

// name is table's qualified name in the state database, quoted.
func (s *Store) name(table string) string {
	return sqltext.Ident(s.scope.StateDatabase) + "." + sqltext.Ident(table)
}

// insertSQL is INSERT INTO name (columns) of values, tuples of all columns but at, which takes the server's now(). With a fence
// it inserts all of them or, once the fence is broken, none.
func insertSQL(name string, columns, values []string, fence *Fence) string {
	into, from := make([]string, len(columns)), make([]string, 0, len(columns))
	for i, c := range columns {
		into[i] = sqltext.Ident(c)
	}
	list := make([]string, len(columns))
	for i, c := range into {
		list[i] = c
		if columns[i] == ColAt {
			list[i] = "now()"
			continue
		}
		from = append(from, c)
	}
	text := "INSERT INTO " + name + " (" + strings.Join(into, ",") + ") SELECT " + strings.Join(list, ",") +
		" FROM (VALUES " + strings.Join(values, ",") + ") AS v(" + strings.Join(from, ",") + ")"
	if fence != nil {
		text += " WHERE " + fence.condition()
	}
	return text
}

// condition holds while the fence's table still is the lock's.
func (f *Fence) condition() string {
	c := "EXISTS (SELECT 1 FROM system.tables WHERE database=" + sqltext.Quote(f.Database) + " AND name=" + sqltext.Quote(f.Table)
	if f.TableID != "" {
		c += " AND table_id=" + f.TableID
	}
	if f.Token != "" {
		c += " AND position(" + sqltext.Quote(f.Token) + " IN comment)>0"
	}
	return c + ")"
}

// missing reports whether err says that the state database or a table of it does not exist.
func missing(err error) bool { return databend.IsCode(err, 1003, 1025, 1119) }

func number(v sql.NullString) int64 {
	n, _ := strconv.ParseInt(v.String, 10, 64)
	return n
}

// micros reads the server's to_unix_timestamp_micros; 0 and NULL are the zero time.
func micros(v sql.NullString) time.Time {
	if n := number(v); n != 0 {
		return time.UnixMicro(n).UTC()
	}
	return time.Time{}
}
