package blame

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// TestGrantsOnRenamed is what a grantee was given by statements that renamed the table before: under its first name, too.
func TestGrantsOnRenamed(t *testing.T) {
	t.Parallel()
	table := func(name string) catalog.ObjectState {
		return catalog.ObjectState{Object: catalog.Name{DB: "db", Table: name}.Object(), Exists: true, ID: name}
	}
	before := catalog.State{Objects: []catalog.ObjectState{table("a"), table("y")}}
	for _, tt := range []struct {
		before []string
		want   []string
	}{
		{nil, []string{"db.y"}},
		{[]string{"RENAME TABLE y TO z", "RENAME TABLE a TO y"}, []string{"db.y", "db.a"}},
		{[]string{"DROP TABLE y", "RENAME TABLE a TO x, x TO y"}, []string{"db.y", "db.a"}},
		{[]string{"RENAME TABLE a TO x", "ALTER TABLE x RENAME TO y"}, []string{"db.y", "db.a"}},
		{[]string{"ALTER TABLE a SWAP WITH y"}, []string{"db.y", "db.a"}},
		{[]string{"ALTER TABLE y SWAP WITH a"}, []string{"db.y", "db.a"}},
		{[]string{"RENAME TABLE a TO y", "RENAME TABLE y TO z", "CREATE TABLE y (a INT)"}, []string{"db.y"}},
		{[]string{"RENAME TABLE y TO z"}, []string{"db.y"}},
		{[]string{"ALTER DATABASE db RENAME TO e", "ALTER DATABASE e RENAME TO db"}, []string{"db.y"}},
		{[]string{"ALTER DATABASE db RENAME TO e", "ALTER DATABASE f RENAME TO db"}, []string{"db.y", "f.y"}},
	} {
		var reached []Reached
		for _, sql := range append(tt.before, "GRANT SELECT ON y TO ROLE r") {
			reached = append(reached, Reached{Effect: effect.Analyze(sql, "db")})
		}
		var got []string
		for _, g := range New(before, reached).Grants(sqltext.Object{Kind: sqltext.Grant, Name: "ROLE r"}) {
			got = append(got, g.On)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v (-want +got)\n%s", tt.before, diff)
		}
	}
}
