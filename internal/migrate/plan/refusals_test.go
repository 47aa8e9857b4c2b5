package plan

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/golden"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// TestRefusals holds testdata/refusals.txt, the table of what is refused from the files and the journal alone: before a server is asked
// for anything but the journal, and so before the first write. Each block is a command, the files that differ from those that were
// applied, the exit code, and all that is said. -update writes what is said.
func TestRefusals(t *testing.T) {
	t.Parallel()
	golden.Table(t, "testdata/refusals.txt", func(given []string) string { return refusal(t, given) })
}

// applied are the migrations that the journal has, at the head of the table.
var applied = map[string]string{
	"2": "CREATE TABLE a (x INT);\n-- +goose Down\nDROP TABLE a;\n",
	"4": "CREATE TABLE b (x INT);\n",
}

// fileLine is a migration's version and its text, "gone" for none; ⏎ stands for a new line.
var fileLine = regexp.MustCompile(`^(\d+): (.*)$`)

// refusal is what a command says that is the first of the lines, where the others are files.
func refusal(t *testing.T, lines []string) string {
	t.Helper()
	command, env := strings.TrimPrefix(lines[0], "dbctl "), "own"
	if rest, ok := strings.CutPrefix(command, "-e shared "); ok {
		command, env = rest, "shared"
	}
	was, now := opened(t, env, applied), maps.Clone(applied)
	for _, line := range lines[1:] {
		m := fileLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("%q is no file", line)
		}
		now[m[1]] = strings.ReplaceAll(m[2], "⏎", "\n") + "\n"
		if m[2] == "gone" {
			delete(now, m[1])
		}
	}
	p, h, texts := opened(t, env, now), state.History{Exists: true, Versions: map[int64]state.Version{}}, Texts{}
	for i := range was.Migrations {
		m := &was.Migrations[i]
		h.Versions[m.Version] = state.Version{Version: m.Version, Name: m.Name, State: journal.Applied, Sums: SumsOf(m)}
		texts[m.Version] = state.AppliedText{Up: m.Up.Expanded, Down: m.Down.Expanded}
	}
	var err error
	var version int64
	command = strings.TrimPrefix(command, "migrate ")
	if verb, number, ok := strings.Cut(command, " "); ok {
		command = verb
		if _, err := fmt.Sscan(number, &version); err != nil {
			t.Fatalf("%s: %v", lines[0], err)
		}
	}
	var made Plan
	switch command {
	case Up:
		made, err = ToApply(p, h, texts, Options{To: version})
		err = errors.Join(err, made.Consent(Options{}))
	case Down:
		made, err = ToTakeBack(p, h, version, -1, texts, Options{})
	case Redo:
		made, err = ToRedo(p, h, texts, Options{})
	default:
		t.Fatalf("%q is no command", lines[0])
	}
	said := fmt.Sprintf("exit %d", exit.Of(err))
	for _, note := range made.Notes {
		said += fmt.Sprintf("\n%s: %s", note.Level, note.Text)
	}
	if err == nil {
		return said
	}
	for _, err := range exit.Each(err) {
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Hint() == "" {
			t.Errorf("%s: %v has no kind or no hint", lines, err)
			continue
		}
		said += fmt.Sprintf("\n%s: %s\nhint: %s", e.Kind, e, e.Hint())
	}
	return said
}

// opened is a project with migrations of these texts.
func opened(t *testing.T, env string, migrations map[string]string) *project.Project {
	t.Helper()
	dir := t.TempDir()
	write := func(path, text string) {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, project.MigrationsDir), 0o700); err != nil {
		t.Fatal(err)
	}
	write(project.ConfigFile, "project: p\nenvironments:\n  own: { host: h, database: city, state_database: dbctl }\n"+
		"  shared: { host: h, database: city, state_database: city }\n")
	for version, text := range migrations {
		up, header := text, ""
		if strings.HasPrefix(text, "-- dbctl:") {
			header, up, _ = strings.Cut(text, "\n")
			header += "\n"
		}
		write(project.MigrationsDir+"/"+version+"_m.sql", header+"-- +goose Up\n"+up)
	}
	p, err := project.Open(project.Options{Dir: dir, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
