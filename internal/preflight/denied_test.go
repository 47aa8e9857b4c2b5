package preflight

import (
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// Of what the user may not see nobody says that it is not there.
func TestStagesThatMayNotBeListed(t *testing.T) {
	t.Parallel()
	const sql = "COPY INTO t FROM @lake/x/ FILE_FORMAT = (TYPE = CSV)"
	copied, err := copytext.Parse(sql)
	if err != nil {
		t.Fatal(err)
	}
	for denied, want := range map[bool]int{false: 1, true: 0} {
		c := &checker{in: Input{Project: &project.Project{}}, database: "d"}
		c.warehouse.reads(nil)
		c.warehouse.denied[sqltext.Stage] = denied
		c.warehouse.put(&schema.Object{Object: sqltext.Object{Kind: sqltext.Table, Database: "d", Name: "t"}})
		st := project.Statement{SQL: sql, At: func(int) sqltext.Place { return sqltext.Place{} }}
		c.load(c.warehouse.schema(), &project.Load{Statement: st, Copy: copied})
		if len(c.wrong) != want {
			t.Errorf("denied %v: got %q, want %d", denied, c.wrong, want)
		}
	}
	if misread(&databend.Error{Code: databend.CodePermissionDenied}) {
		t.Error("who may not run a statement may have it read")
	}
}
