package source

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// The files of a load by HTTP are those that its text names: in the URL, as the engine writes it out, or in FILES below it.
func TestFilesByHTTP(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ from, names string }{
		{"'https://h/a.csv'", "a.csv"},
		{"'HTTP://h:80/d/a%20b.csv'", "d/a b.csv"},
		{"'https://h/a_200{6,7, 8}.csv'", "a_2006.csv a_2007.csv a_2008.csv"},
		{"'https://h/{a,b}/[1-3].csv'", "a/1.csv a/2.csv a/3.csv b/1.csv b/2.csv b/3.csv"},
		{"'https://h/[009-011].csv'", "009.csv 010.csv 011.csv"},
		{"'https://h/[c-e]'", "c d e"},
		{"'https://h/d/' FILES = ('a.csv', 'b/c.csv')", "d/a.csv d/b/c.csv"},
		{"'https://h/d/'", "nothing is listed"},
		{"'https://h'", "nothing is listed"},
		{"'https://h/a.csv' FILES = ('a.csv')", "nothing is listed"},
		{"'https://h/d/' FILES = ('a.csv') PATTERN = '.*'", "needs a listing"},
		{"'https://h/[1-x].csv'", "no span"},
		{"'https://h/[1-99999].csv'", "more than 15000 files"},
		{"'https://h/{a.csv'", "not closed"},
	} {
		sql := "COPY INTO t FROM " + tt.from + " FILE_FORMAT = (TYPE = CSV)"
		c, err := copytext.Parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		j, err := New(project.Load{Name: "x", Copy: c, Statement: project.Statement{SQL: sql}}, "p", "d")
		if err != nil {
			if !strings.Contains(err.Error(), tt.names) {
				t.Errorf("%s: got %v, want %s", tt.from, err, tt.names)
			}
			continue
		}
		if got := strings.Join(slices.Sorted(maps.Keys(j.Files)), " "); got != tt.names {
			t.Errorf("%s: got %s, want %s", tt.from, got, tt.names)
		}
	}
}
