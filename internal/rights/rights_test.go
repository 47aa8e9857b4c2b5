package rights

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
)

// TestGrants is what an administrator is asked to run: one statement for each object, to a role.
func TestGrants(t *testing.T) {
	t.Parallel()
	missing := []Need{{"ALTER", "my shop"}, {"SUPER", ""}, {"CREATE", "my shop"}, {"CREATE DATABASE", ""}}
	const both = "GRANT ALTER, CREATE ON `my shop`.* TO ROLE `%[1]s`; GRANT SUPER, CREATE DATABASE ON *.* TO ROLE `%[1]s`"
	for _, test := range []struct{ role, want string }{
		{"loader", fmt.Sprintf(both, "loader")},
		{"public", "CREATE ROLE IF NOT EXISTS dbctl; " + fmt.Sprintf(both, "dbctl") + "; GRANT ROLE dbctl TO USER 'kim'@'%'"},
	} {
		if got := Grants(missing, test.role, "'kim'@'%'"); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.role, got, test.want)
		}
	}
}

// TestHeld reads what SHOW GRANTS says.
func TestHeld(t *testing.T) {
	t.Parallel()
	row := func(privileges, name, on string) databend.Row {
		var row databend.Row
		for _, v := range []string{privileges, name, "GRANT " + privileges + " ON " + on + " TO ROLE `r`"} {
			row = append(row, sql.NullString{String: v, Valid: true})
		}
		return row
	}
	h := HeldBy(databend.Result{Columns: []string{"privileges", "object_name", "grants"}, Rows: []databend.Row{ // as the engine gives them
		row("CREATE,SELECT,INSERT", "shop", "'default'.'shop'.*"), row("OWNERSHIP", "mine", "'default'.'mine'.*"),
		row("ALTER", "default.shop.t", "'default'.'shop'.'t'"), row("SUPER", "*.*", "*.*"), row("Read", "other", "STAGE other"),
		row("DROP", "a.b", "'default'.'a.b'.*"),
	}})
	for _, tt := range []struct {
		need Need
		held bool
	}{
		{Need{"CREATE", "shop"}, true},
		{Need{"ALTER", "shop"}, false}, // of one table only
		{Need{"DROP", "mine"}, true},
		{Need{"SUPER", ""}, true},
		{Need{"CREATE DATABASE", ""}, false},
		{Need{"INSERT", "other"}, false},
		{Need{"INSERT", "shop"}, true},
		{Need{"DROP", "a.b"}, true},
	} {
		if h.Has(tt.need) != tt.held {
			t.Errorf("%s: %v", tt.need, !tt.held)
		}
	}
}
