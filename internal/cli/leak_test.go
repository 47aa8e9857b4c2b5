package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/ui"
)

// leakKinds are secrets of every sort that breaks a naive scrubber.
var leakKinds = map[string]string{
	"long":          "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	"mixed case":    "Tr0ub4dor-And-Three",
	"several lines": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQDXa0vL\n-----END PRIVATE KEY-----\n",
	"JSON":          `{"client_id": "svc-4711", "private_key": "hush-hush-value"}`,
	"JWT":           "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkYmN0bCJ9.c2lnbmF0dXJlLW9mLWl0",
	"quotes":        `it's a "quoted" \ value's end`,
	"white space":   "two  words\tand   more of them",
	"a keyword":     "applied",
	"a JSON key":    "type",
	"a number":      "2026",
}

// leaks are the texts that would tell a value; none for one that is a word or a number of ours, which stands in any output.
func leaks(value string) []string {
	if len(value) < 10 {
		return nil
	}
	js, _ := json.Marshal(value)
	all := []string{
		value, value[:8], strings.ToLower(value), strings.ToUpper(value), strings.Join(strings.Fields(value), " "), strings.ReplaceAll(value, "'", "''"),
		strings.ReplaceAll(value, `"`, `\"`), strings.ReplaceAll(value, `"`, `""`), strings.TrimSpace(value),
		string(js[1 : len(js)-1]), url.QueryEscape(value), url.PathEscape(value), base64.StdEncoding.EncodeToString([]byte(value)), hex.EncodeToString([]byte(value)),
	}
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= 10 {
			all = append(all, line)
		}
	}
	return all
}

// TestLeaks runs every command that shows something of a run in which secrets are everywhere, also where people and others put them,
// and looks for them on every way out: stdout, stderr, as text and as JSON, the journal, the ledger, and the files of the project.
// In short it takes some kinds in one world, in full each kind in a world of its own too.
func TestLeaks(t *testing.T) {
	t.Parallel()
	t.Run("several", func(t *testing.T) {
		t.Parallel()
		leakWorld(t, leakKinds["several lines"], leakKinds["mixed case"], leakKinds["a JSON key"])
	})
	for kind, value := range leakKinds {
		if databendtest.Full() {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				leakWorld(t, value)
			})
		}
	}
}

// TestPanicTellsNoSecret: a mistake of dbctl itself, in whichever goroutine, is told as any other error is, by a command that may have
// written by exit code 4. Not beside other tests: who is told of a panic is one for the process.
func TestPanicTellsNoSecret(t *testing.T) {
	const value = "Tr0ub4dor-And-Three"
	dir := t.TempDir()
	write(t, dir, "dbctl.yaml", "project: p\nenvironments: { e: { host: h } }\n")
	write(t, dir, "migrations/00001_a.sql", "-- +goose Up\nSELECT {{ secret \"KEY\" }};\n-- +goose Down\n")
	write(t, dir, "migrations/00002_b.sql", "-- +goose Up\nSELECT {{ secret \"LATER\" }};\n-- +goose Down\n")
	for args, want := range map[string]int{"lint": 1, "migrate up -e e": 4, "lint --json": 1} {
		var out bytes.Buffer
		code := Main(Process{
			Args: strings.Fields(args), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Dir: dir, IsTerminal: func(any) bool { return false },
			Getenv: func(name string) (string, bool) {
				if name == "LATER" {
					panic("no index for \x1b[2J" + value)
				}
				return value, name == "KEY"
			},
		})
		if got := out.String(); code != want || strings.Contains(got, value) || strings.Contains(got, "\x1b") || !strings.Contains(got, "leak_test.go") ||
			!strings.Contains(got, "[redacted]") {
			t.Errorf("%s: exit %d\n%s", args, code, got)
		}
	}
	var errs bytes.Buffer
	a := testApp(io.Discard, &errs)
	a.cmd, a.scrub = find("load"), secret.NewScrubber()
	a.scrub.Add(secret.New(value))
	a.ui = ui.New(ui.Options{Out: io.Discard, Err: &errs, Clean: a.scrub.String})
	code := a.underSignals(func(ctx context.Context) error {
		var beside errgroup.Group
		beside.Go(crash.Caught(func() error { panic(errors.New("no index for " + value)) }))
		return beside.Wait()
	})
	if got := errs.String(); code != exit.Partly || strings.Contains(got, value) || !strings.Contains(got, "leak_test.go") ||
		!strings.Contains(got, "no index for [redacted]") || !strings.Contains(got, "hint: `dbctl load") {
		t.Errorf("beside the command's own goroutine: exit %d\n%s", code, got)
	}
}

// everyCommand are the names of all commands that help lists.
func everyCommand() []string {
	var names []string
	for _, c := range commands() {
		if c.bind != nil && !c.hidden {
			names = append(names, c.name)
		}
	}
	return names
}

// leakWorld runs the commands in a project whose secrets LEAK0, LEAK1, … have these values.
func leakWorld(t *testing.T, values ...string) {
	w := databendtest.New(t).Project(t, "leaks")
	stage := "s_" + w.Database // stages belong to the account
	t.Cleanup(func() { w.SQL(t, "DROP STAGE IF EXISTS "+stage) })
	var makes, drops strings.Builder
	var secrets, texts, told []string
	for i, value := range values {
		name, connection := fmt.Sprintf("LEAK%d", i), fmt.Sprintf("leak%d_%s", i, w.Database)
		secret := fmt.Sprintf("{{ secret %q }}", name)
		fmt.Fprintf(&makes, "CREATE OR REPLACE CONNECTION %s STORAGE_TYPE = 's3' ACCESS_KEY_ID = %s SECRET_ACCESS_KEY = 'x%sy';\n", connection, secret, secret)
		fmt.Fprintf(&drops, "DROP CONNECTION %s;\n", connection)
		oneLine := strings.ReplaceAll(value, "\n", " ")
		secrets, texts, told = append(secrets, secret), append(texts, oneLine), append(told, leaks(value)...)
		w.Variables[name], w.Variables[fmt.Sprintf("KEY_OF_OTHERS%d", i)] = value, value
		w.Put(t, fmt.Sprintf("x/bad%d.csv", i), []byte(oneLine+"\n"))
	}
	w.Variables["DBCTL_LABEL"] = "build " + strings.Join(texts, " and ")
	w.Write("migrations/00001_a.sql", "-- +goose Up\n"+makes.String()+"CREATE TABLE t (a INT);\n-- +goose Down\nDROP TABLE t;\n"+drops.String())
	w.Write("migrations/00002_b.sql", "-- +goose Up\nALTER TABLE t ADD COLUMN b INT;\n"+
		"SELECT to_date(concat("+strings.Join(secrets, ", ' ', ")+"));\n-- +goose Down\nSELECT 1;\n")
	w.Write("loads/l.sql", "COPY INTO t (a) FROM (SELECT $1::INT FROM @"+stage+"/) FILE_FORMAT = (TYPE = CSV);\n")
	w.Write("loads/carry.sql",
		"COPY INTO t (a) FROM (SELECT lower(concat("+strings.Join(secrets, ", ' ', ")+", $1)) FROM @"+stage+"/) FILE_FORMAT = (TYPE = CSV);\n")
	w.SQL(t, "CREATE TABLE theirs (a INT)", w.StageSQL(stage, "x/", "CSV"))
	w.Put(t, "x/good.csv", []byte("1\n"))
	var all bytes.Buffer
	run := func(args ...string) {
		got := dbctl(w.Variables, w.Dir, args...)
		fmt.Fprintf(&all, "$ %s\n%s%s\n", args[0], got.out, got.errors)
		for line := range strings.Lines(got.out) {
			if args[len(args)-1] == "--json" && !json.Valid([]byte(line)) {
				t.Errorf("%s: no JSON: %s", args, line)
			}
		}
		for _, l := range told {
			if strings.Contains(got.out, l) || strings.Contains(got.errors, l) {
				t.Errorf("%v shows %q:\n%s%s", args, l, got.out, got.errors)
			}
		}
	}
	commands := [][]string{
		{"plan", "-v"},
		{"show", "1"},
		{"migrate", "up", "-v"},
		{"migrate", "up", "--json"},
		{"migrate", "status"},
		{"status"},
		{"migrate", "up", "--dry-run"},
		{"load", "l", "--plan"},
		{"load", "l"},
		{"load", "l", "--json"},
		{"load", "l", "--preview", "3"},
		{"load", "carry", "--preview", "1"},
		{"load", "carry", "--preview", "1", "--json"},
		{"load", "carry"},
		{"load", "l", "--validate"},
		{"load", "l", "--mark", "new", "--reason", "because of " + strings.Join(texts, " and ")},
		{"load", "--list"},
		{"migrate", "down"},
		{"migrate", "up", "1", "--json"},
		{"migrate", "redo"},
		{"lint"},
		{"doctor"},
		{"show", "2"},
		{"status", "--json"},
		{"migrate", "status", "--json"},
		{"plan", "--json"},
		{"lint", "--json"},
		{"doctor", "--json"},
		{"show", "1", "--applied"},
		{"show", "2", "--diff"},
		{"load", "l", "--history"},
		{"load", "--all", "--json"},
		{"load", "carry", "--check"},
		{"migrate", "accept", "1", "--reason", "because of " + strings.Join(texts, " and ")},
		{"migrate", "baseline", "2", "--json"},
		{"migrate", "recover"},
		{"migrate", "restore", "1"},
		{"unlock"},
		{"load", "create", "made", "--from", "@" + stage + "/x/"},
	}
	for i, secret := range secrets {
		carried := fmt.Sprintf("SELECT %s, upper(%[1]s), left(%[1]s, 12), [%[1]s], (%[1]s, 1), json_object('a', %[1]s)", secret)
		commands = append(commands, []string{"sql", "SELECT to_date('" + strings.ReplaceAll(texts[i], "'", "''") + "')"},
			[]string{"sql", "SELECT to_date('" + texts[i] + "')"}, []string{"sql", carried}, []string{"sql", carried, "--json"}, []string{"sql", "--csv", carried})
	}
	for _, args := range commands {
		run(args...)
	}
	for _, c := range everyCommand() { // those that are not here read no secret and no server
		ran := slices.ContainsFunc(commands, func(args []string) bool { return strings.HasPrefix(strings.Join(args, " ")+" ", c+" ") })
		if !ran && !slices.Contains([]string{"init", "migrate create", "version", "completion", "help"}, c) && !strings.HasPrefix(c, "dev ") {
			t.Errorf("%s is not run: what does it show?", c)
		}
	}
	for _, table := range []string{"journal", "ledger"} {
		rows := w.SQL(t, "SELECT * FROM "+w.StateDB+"."+table)
		if len(rows) == 0 {
			t.Errorf("the %s is empty: nothing is proved", table)
		}
		for _, l := range told {
			if text := fmt.Sprintf("%q", rows); strings.Contains(text, l) {
				t.Errorf("the %s holds %q", table, l)
			}
		}
	}
	err := filepath.WalkDir(w.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, l := range told {
			if strings.Contains(string(text), l) {
				t.Errorf("%s holds %q", path, l)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if !strings.Contains(all.String(), "rolled_back") || !strings.Contains(all.String(), "applied") && len(told) > 0 {
		t.Errorf("nothing ran, so nothing is proved:\n%s", all.String())
	}
}
