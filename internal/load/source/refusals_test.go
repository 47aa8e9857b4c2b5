package source

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/golden"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/project"
)

// TestRefusals holds testdata/refusals.txt, the table of what a load is refused for by its text alone, before a server is asked. Each
// block is a command and loads/videos.sql, the exit code, and all that is said. -update writes what is said.
func TestRefusals(t *testing.T) {
	t.Parallel()
	golden.Table(t, "testdata/refusals.txt", func(given []string) string {
		dir := t.TempDir()
		for path, text := range map[string]string{
			project.ConfigFile: "project: p\ndefault_env: e\nenvironments: { e: { host: h, database: city } }\n",
			"loads/videos.sql": strings.ReplaceAll(strings.Join(given[1:], ""), "⏎", "\n"),
		} {
			path = filepath.Join(dir, path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		p, err := project.Open(project.Options{Dir: dir})
		if err != nil {
			t.Fatalf("%s: %v", given, err)
		}
		j, err := New(p.Loads[0], p.Name, p.Env.Database)
		if err == nil && strings.HasSuffix(given[0], " --on-changed replace") {
			err = j.MayReplace()
		}
		said := fmt.Sprintf("exit %d", exit.Of(err))
		if e, ok := errors.AsType[*fault.Error](err); ok {
			said += fmt.Sprintf("\n%s\nhint: %s", e, e.Hint())
		} else if err != nil {
			t.Errorf("%s: got %v, want a *fault.Error", given, err)
		}
		return said
	})
}
