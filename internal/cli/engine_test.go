package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/project"
)

// TestLocalStoreSeesAllStatements: a bucket is made, and a secret is known as a key of the local store, in whatever statement of a project
// it stands; one that stands anywhere else too is no key.
func TestLocalStoreSeesAllStatements(t *testing.T) {
	t.Parallel()
	read := func(bucket, secret string) project.Statement {
		from := `'s3://` + bucket + `/x.csv' (CONNECTION => (SECRET_ACCESS_KEY => {{ secret "` + secret + `" }}))`
		return project.Statement{SQL: "INSERT INTO t SELECT * FROM " + from}
	}
	p := &project.Project{
		Env:        project.Environment{Vars: map[string]string{"bucket": "own"}},
		Migrations: []project.Migration{{}},
		Loads: []project.Load{{
			Statement: project.Statement{SQL: `COPY INTO t FROM 's3://copied/' CONNECTION = (SECRET_ACCESS_KEY = {{ secret "COPY" }})`},
			After:     []project.Statement{read("behind", "AFTER"), read("behind", "TWICE"), {SQL: `INSERT INTO t VALUES ({{ secret "TWICE" }})`}},
		}},
	}
	p.Migrations[0].Up.Statements = []project.Statement{read("up", "UP")}
	p.Migrations[0].Down.Statements = []project.Statement{read("down", "DOWN")}
	if d := cmp.Diff([]string{"behind", "copied", "down", "own", "up"}, buckets(p)); d != "" {
		t.Errorf("buckets (-want +got)\n%s", d)
	}
	more := []project.Statement{read("typed", "SQL")}
	if d := cmp.Diff([]string{"AFTER", "COPY", "DOWN", "SQL", "UP"}, storeSecrets(p, "http://h:1", more...)); d != "" {
		t.Errorf("keys (-want +got)\n%s", d)
	}
}
