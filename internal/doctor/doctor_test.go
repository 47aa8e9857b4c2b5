package doctor

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// TestNeeds is which privileges a project takes, by what its statements write, and what a rollback of them takes.
func TestNeeds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ up, want string }{
		{"CREATE TABLE t (a INT)", "CREATE on shop.*"},
		{"CREATE TABLE t (a INT); INSERT INTO t VALUES (1)", "CREATE on shop.*, INSERT on shop.*"},
		{"ALTER TABLE t ADD COLUMN b INT", "ALTER on *.*, ALTER on shop.*, CREATE on shop.*, DROP on shop.*"},
		{"ALTER TABLE t COMMENT = 'x'", "ALTER on shop.*"},
		{"INSERT INTO other.t VALUES (1)", "ALTER on *.*, CREATE on other.*, DROP on other.*, INSERT on other.*"},
		{"UPDATE t SET a = 1", "ALTER on *.*, CREATE on shop.*, DROP on shop.*, UPDATE on shop.*"},
		{"DELETE FROM t WHERE a = 1", "ALTER on *.*, CREATE on shop.*, DELETE on shop.*, DROP on shop.*"},
		{"TRUNCATE TABLE t", "ALTER on *.*, CREATE on shop.*, DELETE on shop.*, DROP on shop.*"},
		{"INSERT OVERWRITE t SELECT a FROM other.s", "ALTER on *.*, CREATE on shop.*, DELETE on shop.*, DROP on shop.*, INSERT on shop.*, SELECT on other.*"},
		{"REPLACE INTO t ON (a) VALUES (1)", "ALTER on *.*, CREATE on shop.*, DELETE on shop.*, DROP on shop.*, INSERT on shop.*"},
		{
			"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
			"ALTER on *.*, CREATE on shop.*, DELETE on shop.*, DROP on shop.*, INSERT on shop.*, SELECT on shop.*, UPDATE on shop.*",
		},
		{"CREATE OR REPLACE TABLE t (a INT)", "CREATE on shop.*, DROP on shop.*, GRANT on *.*"},
		{"DROP TABLE t", "DROP on shop.*, GRANT on *.*"},
		{"UNDROP TABLE t", "DROP on shop.*"},
		{"RENAME TABLE t TO other.u", "ALTER on shop.*, CREATE on other.*, DROP on shop.*"},
		{"USE other; CREATE VIEW v AS SELECT a FROM t", "CREATE on other.*, SELECT on other.*"},
		{"CREATE STAGE s", "SUPER on *.*"},
		{"DROP FUNCTION f", "DROP on *.*, GRANT on *.*, SUPER on *.*"},
		{"CREATE DATABASE d", "CREATE DATABASE on *.*"},
		{"DROP DATABASE d", "DROP on *.*, GRANT on *.*"},
		{"ALTER DATABASE d RENAME TO e", "ALTER on *.*"},
		{"SET GLOBAL timezone = 'UTC'", "SUPER on *.*"},
		{"SELECT 1", ""},
		{"SELECT nextval(s)", ""},
		{"CREATE ROLE r; GRANT ROLE r TO USER u; DROP USER u", "CREATE ROLE on *.*, CREATE USER on *.*, DROP ROLE on *.*, DROP USER on *.*, GRANT on *.*"},
	} {
		m := project.Migration{}
		for text := range strings.SplitSeq(tt.up, "; ") {
			m.Up.Statements = append(m.Up.Statements, project.Statement{SQL: text})
		}
		d := &doctor{Patient: Patient{Scope: state.Scope{StateDatabase: "dbctl"}, Project: &project.Project{
			Env: project.Environment{Database: "shop"}, Migrations: []project.Migration{m},
		}}}
		var got []string
		for _, n := range d.needs() {
			if n.Database != "dbctl" {
				got = append(got, n.String())
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.up, diff)
		}
	}
	load := project.Load{
		Copy: copytext.Copy{Table: "t"}, LoadHeader: project.LoadHeader{OnChanged: "replace"},
		After: []project.Statement{{SQL: "INSERT INTO days SELECT day FROM other.t"}},
	}
	d := &doctor{Patient: Patient{Scope: state.Scope{StateDatabase: "dbctl"}, Project: &project.Project{
		Env: project.Environment{Database: "shop"}, Loads: []project.Load{load},
	}}}
	var got []string
	for _, n := range d.needs() {
		got = append(got, n.String())
	}
	want := "CREATE on dbctl.*, DELETE on shop.*, INSERT on dbctl.*, INSERT on shop.*, SELECT on dbctl.*, SELECT on other.*, SELECT on shop.*"
	if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
		t.Errorf("a load (-want +got)\n%s", diff)
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
		if detail, hint := plainly(errors.New(tt.says), "s", "@s/"); !strings.Contains(detail, tt.means) || hint == "" {
			t.Errorf("%s: %q, hint %q", tt.says, detail, hint)
		}
	}
}
