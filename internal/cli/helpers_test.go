package cli

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/ui"
)

// testApp is an app as Main makes it, off a terminal.
func testApp(out, errs io.Writer) *app {
	return &app{
		Process: Process{Stdout: out, Stderr: errs, Getenv: func(string) (string, bool) { return "", false }},
		scrub:   secret.NewScrubber(),
		ui:      ui.New(ui.Options{Out: out, Err: errs}),
	}
}

// write makes a file below dir.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shellRun runs a script of the shell in dir.
func shellRun(t *testing.T, dir, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
