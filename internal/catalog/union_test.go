package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
)

// parrot answers each SELECT of a union with its text, and notes how many one request has.
type parrot []int

func (p *parrot) Query(_ context.Context, st databend.Statement) (res databend.Result, _ error) {
	parts := strings.Split(st.SQL, " union all ")
	*p = append(*p, len(parts))
	for _, s := range parts {
		res.Rows = append(res.Rows, databend.Row{sql.NullString{String: s, Valid: true}})
	}
	return res, nil
}

func TestUnionOfMany(t *testing.T) {
	parts := make([]string, 2*atOnce+1)
	for i := range parts {
		parts[i] = fmt.Sprintf("select %d", i)
	}
	var p parrot
	rows, err := Union(t.Context(), &p, parts)
	if err != nil || len(rows) != len(parts) || rows[atOnce][0].String != parts[atOnce] {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if got := fmt.Sprint(p); got != fmt.Sprintf("[%d %[1]d 1]", atOnce) {
		t.Errorf("requests of %s SELECTs", got)
	}
}
