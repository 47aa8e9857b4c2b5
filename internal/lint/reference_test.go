package lint

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/dbctl/dbctl/internal/golden"
	"github.com/dbctl/dbctl/internal/project"
)

// TestReference holds docs/lint.md to the rules.
func TestReference(t *testing.T) {
	t.Parallel()
	golden.Check(t, "../../docs/lint.md", markdown())
}

// markdown is docs/lint.md, as the rules have it.
func markdown() string {
	var b strings.Builder
	b.WriteString(`# The rules of dbctl lint

This page is written from the rules themselves (` + "`go test ./internal/lint -update`" + `).

` + "`dbctl lint`" + ` reads the whole project and finds everything at once; it asks no server and needs no secret. It
exits with 1 when there is an error, with 0 when there are only warnings (` + "`--strict`" + `: 1).
` + "`--format json|sarif|github`" + ` writes for programs,
` + "`--base REF`" + ` compares the versions with those of another git commit.

A rule is silenced where it is wrong, with a reason:

` + "```sql" + `
DROP TABLE staging_orders; -- dbctl: lint-ignore=drop-table "filled anew every night"

-- dbctl: lint-ignore=empty-table,narrow-column "rows until 2020 are wrong anyway"
DELETE FROM orders;
` + "```" + `

On the first or last line of a statement, or on a line of its own above it, it silences the rules in that statement; above
` + "`-- +goose Up`" + `, or above the COPY of a load, in the file. One that silences nothing is found itself.

| rule | level | finds |
|---|---|---|
`)
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](#%[1]s) | %s | %s |\n", r.Name, r.Level, r.Short)
	}
	for _, r := range rules {
		fmt.Fprintf(&b, "\n## %s\n\n%s: %s.\n\n%s\n", r.Name, sentence(string(r.Level))[:len(r.Level)], r.Short, r.Why)
		if x := exampleOf(r.Name); x.bad != "" {
			fmt.Fprintf(&b, "\nFound:\n\n```sql\n%s\n```\n\nNot found:\n\n```sql\n%s\n```\n", x.bad, x.good)
		} else {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", x.shown)
		}
	}
	return b.String()
}

// example is what a rule finds and what it does not; or, of one that takes more than files to run, what is shown of it.
type example struct{ bad, good, shown string }

var examples = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	a, err := txtar.ParseFile("testdata/examples.txtar")
	if err != nil {
		panic(err)
	}
	for _, f := range a.Files {
		all[f.Name] = strings.TrimSpace(string(f.Data))
	}
	return all
})

func exampleOf(rule string) example {
	return example{examples()[rule+"/found"], examples()[rule+"/not-found"], examples()[rule+"/shown"]}
}

// exampleFiles takes an example apart. It holds the files of a project, each below a line "-- migrations/….sql" or "-- loads/….sql";
// without such a line it is one migration. A migration without annotations is its Up section, and its Down section is empty.
func exampleFiles(example string) map[string]string {
	files := map[string]string{}
	name := project.MigrationsDir + "/00001_example.sql"
	for line := range strings.Lines(example + "\n") {
		if file, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(file, ".sql") &&
			strings.Contains(file, "/") {
			name = file
			continue
		}
		files[name] += line
	}
	for name, text := range files {
		if !strings.HasPrefix(name, project.MigrationsDir+"/") {
			continue
		}
		if !strings.Contains(text, "-- +goose Up") {
			header, rest := "", text
			for strings.HasPrefix(rest, "-- dbctl: allow") {
				line, after, _ := strings.Cut(rest, "\n")
				header, rest = header+line+"\n", after
			}
			text = header + "-- +goose Up\n" + rest
			if !strings.Contains(text, "-- +goose Down") {
				text += "-- +goose Down\n"
			}
		}
		files[name] = text
	}
	return files
}
