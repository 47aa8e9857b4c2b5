package load

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/golden"
	"github.com/dbctl/dbctl/internal/load/inspect"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// TestReference holds docs/loads.md to the code.
func TestReference(t *testing.T) {
	t.Parallel()
	golden.Check(t, "../../docs/loads.md", reference())
}

//go:embed howto.md
var howTo string

// reference is docs/loads.md: the states of files, the rules and the headers as the code has them, and how-tos.
func reference() string {
	var b strings.Builder
	table := func(head string, rows ...[]string) {
		columns := strings.Split(head, "|")
		b.WriteString("| " + strings.Join(columns, " | ") + " |\n|" + strings.Repeat("---|", len(columns)) + "\n")
		for _, r := range rows {
			b.WriteString("| " + strings.Join(r, " | ") + " |\n")
		}
		b.WriteString("\n")
	}
	b.WriteString("# Loads\n\nThe tables of this page are written from the code itself (`go test ./internal/load -run TestReference " +
		"-update`).\n\n" +
		"A load is a file `loads/NAME.sql` with one COPY INTO, and DML behind it if you like. A file is loaded once: the ledger remembers " +
		"it for ever, by its\n" +
		"URL and the table's id, with its size and etag.\n\n## The states of a file\n\n")
	var states [][]string
	for _, s := range plan.States {
		states = append(states, []string{"`" + string(s.State) + "`", s.Means, s.Does})
	}
	table("state|meaning|what a load does", states...)
	b.WriteString("## The rules\n\nDatabend lets these through in silence. A file that breaks a rule of `fail` is a bad file, `warn` " +
		"loads it and says so.\n" +
		"`-- dbctl: rule=NAME:off|warn|fail \"why\"` changes what a rule does in a load; `--validate` runs all but those that are off.\n\n")
	var rules [][]string
	for _, r := range inspect.Reference() {
		rules = append(rules, []string{"`" + r.Name + "`", r.Level, r.Finds})
	}
	table("rule|in a run|what it finds", rules...)
	b.WriteString("## The headers\n\nEach is a line `-- dbctl: …` above the COPY.\n\n")
	var headers [][]string
	for _, h := range project.LoadHeaders {
		headers = append(headers, []string{"`" + strings.ReplaceAll(h.Form, "|", `\|`) + "`", h.Means})
	}
	table("header|meaning", headers...)
	b.WriteString(howTo)
	return b.String()
}
