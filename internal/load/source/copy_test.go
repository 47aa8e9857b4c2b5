package source

import (
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// What the server says of a COPY is about a text that was put together anew: its place is found in the load's file.
func TestPlaceInTheFile(t *testing.T) {
	t.Parallel()
	const sql = "COPY INTO t (id)\nFROM (SELECT id + 'é' FROM @s/p/ x)\nFILES = ('a') ON_ERROR = CONTINUE -- as it is\nFILE_FORMAT = (TYPE = CSV,\n " +
		"SKIP_HEADR = 1) MAX_FILES = 9 SIZE_LIMIT = 2"
	c, err := copytext.Parse(sql)
	if err != nil {
		t.Fatal(err)
	}
	found := -1
	j, err := New(project.Load{Name: "x", Copy: c, Statement: project.Statement{SQL: sql, At: func(offset int) sqltext.Place {
		found = offset
		return sqltext.Place{}
	}}}, "p", "d")
	if err != nil {
		t.Fatal(err)
	}
	for _, send := range []Send{{Files: []string{"p/a"}}, {Max: 3, Force: true}} {
		sent := j.SQL(send)
		for _, word := range []string{"COPY", "id + ", "ON_ERROR", "CONTINUE", "FILE_FORMAT", "TYPE", "SKIP_HEADR", "1)", "SIZE_LIMIT", "2"} {
			at := strings.LastIndex(sent, word)
			if j.PlaceIn(sent)(at); !strings.HasPrefix(sql[found:], word) {
				t.Errorf("%s of %s is found at %.20q", word, sent, sql[found:])
			}
		}
		if j.PlaceIn(sent)(strings.Index(sent, "@s")); !strings.HasPrefix(sql[found:], "@s/p/") {
			t.Errorf("the location is found at %.20q", sql[found:])
		}
	}
}
