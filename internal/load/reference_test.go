package load

import (
	_ "embed"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/golden"
	"github.com/dbctl/dbctl/internal/load/inspect"
)

// TestReference holds docs/loads.md to the code.
func TestReference(t *testing.T) {
	t.Parallel()
	golden.Check(t, "../../docs/loads.md", reference())
}

// states are the states of a file for the reference: what each means, and what a load does with such a file.
var states = []struct {
	State       event.FileState
	Means, Does string
}{
	{event.New, "never loaded into this table", "loads it"},
	{event.Loaded, "loaded, and Databend still remembers it", "nothing"},
	{event.Expired, "loaded; Databend has forgotten it, the ledger has not", "nothing"},
	{
		event.Changed, "overwritten since it was loaded",
		"loads the others, then stops with 3. `--on-changed skip` leaves it, `replace` puts the new rows in place of the old ones",
	},
	{event.Unfinished, "0 bytes: an upload under way", "leaves it, and says so"},
	{
		event.Failed, "was bad, and nothing has changed since",
		"names it again (exit 4); tries it when the file, the load's text or the table changes, or with `--retry-failed`",
	},
	{event.Emptied, "loaded, and its rows are gone from the table (TRUNCATE, FLASHBACK, …)", "nothing, and says so: `--mark new` loads it again"},
	{event.Quarantined, "a person said `--mark quarantined`", "nothing; says so when it was overwritten since: `--mark new` lets the next load take it"},
	{
		event.Vanished, "loaded, and no longer at its place",
		"nothing; of a ledger of 100,000 rows and more, `load --list` and `-v` count them, a plan does not",
	},
	{event.Ignored, "hidden, `_SUCCESS`, or not matched by the pattern", "nothing"},
}

// loadHeaders are the headers of a load for the reference.
var loadHeaders = []struct{ Form, Means string }{
	{"filename-column=src", "the column that the COPY fills with `METADATA$FILENAME`: by it a file's rows are found, for " +
		"`--on-changed replace` and `--reload`; a name with a blank in it stands in backquotes"},
	{"optional=a,b", "columns that a file may lack: NULL in their place; a name with a blank or a comma in it stands in backquotes"},
	{"pattern='.*[.]parquet'", "which files below the location are the load's; without it and PATTERN, the visible files of the " +
		"format's extension"},
	{"window=capture_date=%Y-%m-%d 7d", "list only the partitions of that time back (in UTC), and everything once a week or with `--full`"},
	{"on-changed=fail|skip|replace", "what to do with an overwritten file"},
	{`rule=NAME:off|warn|fail "why"`, "what a rule does in this load"},
	{"expect-every=24h", "the load is late when its last file was loaded longer ago (h, d, w): `load --list` says so, `--check` exits with 3"},
	{"empty=ok", "a location without a file is no error (nor is it for a COPY with `PURGE = true`)"},
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
	var told [][]string
	for _, s := range states {
		told = append(told, []string{"`" + string(s.State) + "`", s.Means, s.Does})
	}
	table("state|meaning|what a load does", told...)
	b.WriteString("## The rules\n\nDatabend lets these through in silence. A file that breaks a rule of `fail` is a bad file, `warn` " +
		"loads it and says so.\n" +
		"`-- dbctl: rule=NAME:off|warn|fail \"why\"` changes what a rule does in a load; `--validate` runs all but those that are off.\n\n")
	var rules [][]string
	for _, r := range inspect.Rules {
		name := "`" + r.Name + "`"
		if i := slices.IndexFunc(rules, func(told []string) bool { return told[0] == name }); i >= 0 {
			if rules[i][2] != r.Finds {
				rules[i][2] += "; " + r.Finds
			}
			continue
		}
		rules = append(rules, []string{name, r.Run, r.Finds})
	}
	table("rule|in a run|what it finds", rules...)
	b.WriteString("## The headers\n\nEach is a line `-- dbctl: …` above the COPY.\n\n")
	var headers [][]string
	for _, h := range loadHeaders {
		headers = append(headers, []string{"`" + strings.ReplaceAll(h.Form, "|", `\|`) + "`", h.Means})
	}
	table("header|meaning", headers...)
	b.WriteString(howTo)
	return b.String()
}
