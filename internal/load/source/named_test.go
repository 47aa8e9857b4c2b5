package source

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
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
	} {
		sql := "COPY INTO t FROM " + tt.from + " FILE_FORMAT = (TYPE = CSV)"
		c, err := copytext.Parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		j, err := New(project.Load{Name: "x", Copy: c, Statement: project.Statement{SQL: sql}}, "p", "d")
		if err != nil {
			t.Fatalf("%s: %v", tt.from, err)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(j.Files)), " "); got != tt.names {
			t.Errorf("%s: got %s, want %s", tt.from, got, tt.names)
		}
	}
}

// A --path is a glob over the whole path, or over the file's name where it has no slash; what a hint says of one file is about that file.
func TestGlobs(t *testing.T) {
	t.Parallel()
	paths := []string{"a.csv", "p/a.csv", "p/q/b.csv", "p/a[1].csv", "p/a1.csv", "x{1,2}.csv", "p/2024/c.csv", `p/b\c*.csv`}
	for glob, want := range map[string]string{
		"a.csv": "a.csv p/a.csv", "/a.csv": "a.csv", "p/*.csv": `p/a.csv p/a[1].csv p/a1.csv p/b\c*.csv`, "p/**/b.csv": "p/q/b.csv", "*1*": "p/a[1].csv p/a1.csv x{1,2}.csv",
		"p/{q/b,2024/c}.csv": "p/q/b.csv p/2024/c.csv", "{a,b}.csv": "a.csv p/a.csv p/q/b.csv", "p/q/": "p/q/b.csv", "p/a[0-9].csv": "p/a1.csv",
	} {
		re, err := Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range paths {
			if re.MatchString(p) {
				if !strings.HasPrefix(p, FolderOf(glob)) {
					t.Errorf("%s: %s is not below %s", glob, p, FolderOf(glob))
				}
				got = append(got, p)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", glob, got, want)
		}
	}
	for _, one := range paths {
		glob := fault.Exactly(one)
		re, err := Glob(glob)
		for _, p := range paths {
			if err != nil || re.MatchString(p) != (p == one) || !OneFile(glob) || !strings.HasPrefix(one, FolderOf(glob)) {
				t.Errorf("%s, for %s: %v, matches %s: %v", glob, one, err, p, re.MatchString(p))
			}
		}
	}
	if _, err := Glob("p/{a,b"); err == nil || OneFile("p/*") || OneFile("p/") || OneFile("p/{a,b}") {
		t.Errorf("got %v; a pattern is taken for a name", err)
	}
}

// TestOwnTimeout: what --timeout ended tells nothing about an object store, and what a store says is put into words once.
func TestOwnTimeout(t *testing.T) {
	t.Parallel()
	const sql = "COPY INTO t FROM @st/a/ FILE_FORMAT = (TYPE = CSV)"
	c, err := copytext.Parse(sql)
	if err != nil {
		t.Fatal(err)
	}
	j, err := New(project.Load{Name: "t", Copy: c, Statement: project.Statement{SQL: sql}}, "p", "db")
	if err != nil {
		t.Fatal(err)
	}
	ended := &databend.Error{Kind: databend.KindTimeout, Code: 1043, Message: "timed out; the server ended the statement"}
	if got := j.Placed(ended); got != error(ended) {
		t.Errorf("got %v, want %v", got, ended)
	}
	refused := j.Placed(&databend.Error{Code: 4000, Message: "connection params invalid: expected [region], got [token]"})
	if again := j.Placed(refused); again != refused || !strings.Contains(refused.Error(), "does not take: token") {
		t.Errorf("got %v, want %v", again, refused)
	}
}
