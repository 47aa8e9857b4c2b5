package plan

import (
	"context"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Column is one of the target table's.
type Column struct {
	Name, Typ      string
	Nullable, Dflt bool
}

// Columns asks for the table's columns, which come in their order.
func Columns(ctx context.Context, session *databend.Session, j *source.Load) ([]Column, error) {
	s := sqltext.Quote
	res, err := session.Query(ctx, databend.Statement{SQL: "SELECT name, data_type, is_nullable, default_kind FROM system.columns " +
		"WHERE database=" + s(j.Database) + " AND `table`=" + s(j.Table), Reads: true})
	if err != nil {
		return nil, fault.Wrap(j.Name, "read the columns of "+j.Target, err)
	}
	out := make([]Column, len(res.Rows))
	for i, row := range res.Rows {
		out[i] = Column{row[0].String, writable(row[1].String), row[2].String == "YES", row[3].String != ""}
	}
	return out, nil
}

// writable is a type as a cast takes it: system.columns spells two otherwise (tried on 1.2.895).
func writable(typ string) string {
	return unnamed.ReplaceAllString(strings.ReplaceAll(typ, "TIMESTAMPTZ", "TIMESTAMP_TZ"), "$1")
}

// unnamed is a field of TUPLE(1 INT32, 2 STRING).
var unnamed = regexp.MustCompile(`([(,]\s*)\d+ `)
