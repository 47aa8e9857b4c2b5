package catalog

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Name is a table's or view's name with its database: they, and streams, share one namespace.
type Name struct{ DB, Table string }

func (n Name) String() string        { return n.DB + "." + n.Table }
func (n Name) SQL() string           { return sqltext.Ident(n.DB) + "." + sqltext.Ident(n.Table) }
func (n Name) Sibling(t string) Name { return Name{n.DB, t} }
func (n Name) Object() sqltext.Object {
	return sqltext.Object{Kind: sqltext.Table, Database: n.DB, Name: n.Table}
}

// NameOf is the name of a table, view or stream.
func NameOf(o sqltext.Object) Name { return Name{o.Database, o.Name} }

// Query are the rows of a statement that writes nothing.
func Query(ctx context.Context, c Conn, sql string) ([]databend.Row, error) {
	res, err := c.Query(ctx, databend.Statement{SQL: sql, Reads: true})
	return res.Rows, err
}

// atOnce is how many questions are one request. The server's time grows with the square of it: 0.2 s for 50, 17 s for 600.
const atOnce = 50

// Union are the rows of many SELECTs, whose number no request has to bear.
func Union(ctx context.Context, c Conn, parts []string) ([]databend.Row, error) {
	var out []databend.Row
	for some := range slices.Chunk(parts, atOnce) {
		rows, err := Query(ctx, c, strings.Join(some, " union all "))
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// Absent reports whether err is the server's word that an object is not there. Whatever else it refuses, for want of a right for one,
// says nothing of that.
func Absent(err error) bool {
	return databend.IsCode(err, databend.CodeUnknownDatabase, databend.CodeUnknownTable, databend.CodeUnknownUser, databend.CodeUnknownRole,
		databend.CodeUnknownStage, databend.CodeNoProcedure, databend.CodeUnknownDatamask, databend.CodeUnknownRowPolicy)
}

// impossible reports whether err says that the server has no objects of the kind: it lacks a licence, a service, or the statement itself.
func impossible(err error) bool {
	return databend.IsCode(err, databend.CodeNoLicence, databend.CodeNoTasks, databend.CodeUnimplemented) ||
		databend.IsCode(err, databend.CodeUnwind) && strings.Contains(databend.Message(err), "not yet implemented")
}

// Either writes (col='a' or col='b') for a few names: an IN list of more than three is not pushed down to the system tables. For many it
// writes that all the same: the server takes ten times as long over the ORs of 50 names as over a whole table.
func Either(col string, names []string) string {
	if len(names) >= inFilter {
		return col + " in (" + sqltext.Literals(names) + ")"
	}
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = col + " = " + sqltext.Quote(n)
	}
	return "(" + strings.Join(parts, " or ") + ")"
}

// micros is a time as the text of its microseconds, which no setting of a session writes in another way.
func micros(column string) string { return asText("to_int64(" + column + ")") }

// width is the number of columns of the catalogue union.
const width = 13

// asText writes a column of another type as text. What is text stands as it is: a cast of each column is a fifth of the time that the
// server takes for the catalogue union.
func asText(column string) string { return "to_string(" + column + ")" }

// branch writes one SELECT of the catalogue union: kind, then cols, each text or NULL, filled up to width.
func branch(kind string, cols []string, from string) string {
	out := append(make([]string, 0, width), sqltext.Quote(kind))
	out = append(out, cols...)
	for len(out) < width {
		out = append(out, "''")
	}
	return "select " + strings.Join(out, ", ") + from
}

// readsFrom reports whether a query reads a table of the database, by its qualified name. One that cannot be read may.
func readsFrom(query, database string) bool {
	words, err := sqltext.ReadWords(query)
	return err != nil || words.ReadsFrom(database)
}

// Behind reports whether a number is lower than another, both as text.
func Behind(a, b string) bool {
	x, errA := strconv.ParseInt(a, 10, 64)
	y, errB := strconv.ParseInt(b, 10, 64)
	return errA == nil && errB == nil && x < y
}
