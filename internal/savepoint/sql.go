package savepoint

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// name is a table's or view's name with its database: they, and streams, share one namespace.
type name struct{ db, table string }

func (n name) String() string         { return n.db + "." + n.table }
func (n name) sql() string            { return sqltext.Ident(n.db) + "." + sqltext.Ident(n.table) }
func (n name) sibling(t string) name  { return name{n.db, t} }
func (n name) object() sqltext.Object { return tableObject(n) }

func tableObject(n name) sqltext.Object {
	return sqltext.Object{Kind: sqltext.Table, Database: n.db, Name: n.table}
}

// The names under which a restore puts aside what is in the way, by table or database id: a later restore finds them there.
const (
	parkedPrefix = "__dbctl_p_"    // under a wrong name, or to be dropped
	raisedPrefix = "__dbctl_u_"    // brought up by UNDROP on the way to another: to be dropped again, as it was found
	fencedPrefix = "__dbctl_f_"    // away from writers while its content is moved
	keptPrefix   = "__dbctl_keep_" // rows of others, to be put back
)

func parkedName(id string) string { return parkedPrefix + id }
func raisedName(id string) string { return raisedPrefix + id }
func fencedName(id string) string { return fencedPrefix + id }
func keptName(id string) string   { return keptPrefix + id }

// isAside reports whether a name is one of ours.
func isAside(s string) bool {
	return strings.HasPrefix(s, parkedPrefix) || strings.HasPrefix(s, raisedPrefix) || strings.HasPrefix(s, fencedPrefix) || strings.HasPrefix(s, keptPrefix)
}

// query runs a SELECT of text columns; NULL reads as "".
func query(ctx context.Context, c Conn, sql string) ([][]string, error) {
	res, err := c.Query(ctx, databend.Statement{SQL: sql})
	if err != nil {
		return nil, err
	}
	out := make([][]string, len(res.Rows))
	for i, row := range res.Rows {
		out[i] = make([]string, len(row))
		for k, v := range row {
			out[i][k] = v.String
		}
	}
	return out, nil
}

// refused reports whether err is the server's own word that a statement failed: it did nothing then.
func refused(err error) bool {
	e, ok := errors.AsType[*databend.Error](err)
	return ok && e.Code != 0
}

// message is what the server said, without the words around it.
func message(err error) string {
	if e, ok := errors.AsType[*databend.Error](err); ok {
		return e.Message
	}
	return err.Error()
}

// list writes ('a', 'b').
func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = sqltext.Quote(n)
	}
	return "(" + strings.Join(quoted, ", ") + ")"
}

// either writes (col='a' or col='b'): an IN list of more than three names is not pushed down to the system tables.
func either(col string, names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = col + " = " + sqltext.Quote(n)
	}
	return "(" + strings.Join(parts, " or ") + ")"
}

// width is the number of columns of the catalogue union.
const width = 11

// branch writes one SELECT of the catalogue union: kind, then cols as text, filled up to width.
func branch(kind string, cols []string, from string) string {
	out := make([]string, 0, width)
	out = append(out, sqltext.Quote(kind))
	for _, c := range cols {
		if c == "" {
			out = append(out, "''")
			continue
		}
		out = append(out, fmt.Sprintf("coalesce(to_string(%s), '')", c))
	}
	for len(out) < width {
		out = append(out, "''")
	}
	return "select " + strings.Join(out, ", ") + from
}
