package doctor

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/state"
)

func TestOlder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		version string
		older   bool
	}{
		{"Databend Query v1.2.895-nightly-363a49c1dd(rust-1.94)", false},
		{"Databend Query v1.2.1000", false},
		{"Databend Query v1.2.99-x", true},
		{"Databend Query v1.3.0", false},
		{"something else", false},
	} {
		if got := older(number(tt.version), oldest); got != tt.older {
			t.Errorf("%s: older %v", tt.version, got)
		}
	}
}

// TestNeeds is which privileges a project takes, by what its statements write.
func TestNeeds(t *testing.T) {
	t.Parallel()
	d := &doctor{Patient: Patient{Scope: state.Scope{StateDatabase: "dbctl"}, Project: &project.Project{
		Env: project.Environment{Database: "shop"},
		Migrations: []project.Migration{{Up: project.Section{Statements: []project.Statement{
			{SQL: "CREATE TABLE t (a INT)"},
			{SQL: "ALTER TABLE t ADD COLUMN b INT"},
			{SQL: "INSERT INTO other.t VALUES (1)"},
			{SQL: "CREATE STAGE s"},
			{SQL: "CREATE DATABASE d"},
			{SQL: "SELECT 1"},
			{SQL: "GRANT ROLE r TO USER u"},
		}}}},
		Loads: []project.Load{{Copy: copytext.Copy{Table: "t"}}},
	}}}
	var got []string
	for _, n := range d.needs() {
		got = append(got, n.String())
	}
	want := "ALTER on shop.*, CREATE DATABASE on *.*, CREATE on shop.*, GRANT on *.*, INSERT on dbctl.*, INSERT on other.*, INSERT on " +
		"shop.*, " +
		"SELECT on dbctl.*, SELECT on shop.*, SUPER on *.*"
	if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestGrants is what an administrator is asked to run: one statement for each object, to a role.
func TestGrants(t *testing.T) {
	t.Parallel()
	missing := []need{{"ALTER", "my shop"}, {"SUPER", ""}, {"CREATE", "my shop"}, {"CREATE DATABASE", ""}}
	const both = "GRANT ALTER, CREATE ON `my shop`.* TO ROLE `%[1]s`; GRANT SUPER, CREATE DATABASE ON *.* TO ROLE `%[1]s`"
	for _, test := range []struct{ role, want string }{
		{"loader", fmt.Sprintf(both, "loader")},
		{"public", "CREATE ROLE IF NOT EXISTS dbctl; " + fmt.Sprintf(both, "dbctl") + "; GRANT ROLE dbctl TO USER 'kim'@'%'"},
	} {
		if got := grants(missing, test.role, "'kim'@'%'"); got != test.want {
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
	h := heldBy(databend.Result{Columns: []string{"privileges", "object_name", "grants"}, Rows: []databend.Row{ // as the engine gives them
		row("CREATE,SELECT,INSERT", "shop", "'default'.'shop'.*"), row("OWNERSHIP", "mine", "'default'.'mine'.*"),
		row("ALTER", "default.shop.t", "'default'.'shop'.'t'"), row("SUPER", "*.*", "*.*"), row("Read", "other", "STAGE other"),
		row("DROP", "a.b", "'default'.'a.b'.*"),
	}})
	for _, tt := range []struct {
		need need
		held bool
	}{
		{need{"CREATE", "shop"}, true},
		{need{"ALTER", "shop"}, false}, // of one table only
		{need{"DROP", "mine"}, true},
		{need{"SUPER", ""}, true},
		{need{"CREATE DATABASE", ""}, false},
		{need{"INSERT", "other"}, false},
		{need{"INSERT", "shop"}, true},
		{need{"DROP", "a.b"}, true},
	} {
		if h.has(tt.need) != tt.held {
			t.Errorf("%s: %v", tt.need, !tt.held)
		}
	}
}

// TestPlainly says what an object store's refusal means.
func TestPlainly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ says, means string }{
		{"PermissionDenied at list, context: { status: 403, … code: SignatureDoesNotMatch }", "refuses the keys"},
		{"Unexpected (persistent) at List … NoSuchBucket", "no such bucket"},
		{"PermanentRedirect: the bucket you are attempting to access must be addressed using the specified endpoint", "another region"},
		{"Unexpected (persistent) at list => dial tcp 127.0.0.1:1: connect: connection refused Context: uri: http://127.0.0.1:1/b", "cannot be reached"},
		{"send http request: Connection refused (os error 111)", "cannot be reached"},
		{"dial tcp: lookup s3.nowhere.example: no such host", "host name is not known"},
		{"status: 403, code: RequestTimeTooSkewed, message: The difference between the request time and the server's time is too large", "clocks"},
		{"something new", "something new"},
	} {
		if detail, hint := plainly(errors.New(tt.says), "@s/"); !strings.Contains(detail, tt.means) || hint == "" {
			t.Errorf("%s: %q, hint %q", tt.says, detail, hint)
		}
	}
}
