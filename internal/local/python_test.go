package local

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakePython writes a program that answers as a Python does when it is probed and makes environments, so that nothing is fetched.
// Each environment it makes adds a line to "made" beside it; a file "fail" beside it makes its pip fail.
func fakePython(t *testing.T, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python")
	script := `#!/bin/sh
here=` + filepath.Dir(path) + `
case "$*" in
*"-c "*) echo "` + version + ` cpython gil pip ` + path + `";;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo made >> "$here/made";;
"-m pip "*) [ ! -e "$here/fail" ] || { echo "no network today" >&2; exit 1; };;
*) exit 127;;
esac
`
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// bare leaves the test without uv and without any Python of this machine, and with a cache of its own.
func bare(t *testing.T) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("PYENV_ROOT", t.TempDir())
	t.Setenv("PATH", "/usr/bin:/bin")
}

func made(t *testing.T, python string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(python), "made"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

func TestEnvironmentIsMadeOnce(t *testing.T) {
	bare(t)
	python := fakePython(t, "3.13")
	var said bytes.Buffer
	var mu sync.Mutex
	o := Options{Python: python, Progress: writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return said.Write(p)
	})}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := environment(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := made(t, python); n != 1 {
		t.Errorf("made %d times", n)
	}
	if text := said.String(); strings.Count(text, "once per machine") != 1 || !strings.Contains(text, "made in ") {
		t.Errorf("progress: %q", text)
	}

	// One without its mark is half-made, one whose Python is gone is of no use.
	env, err := environment(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(filepath.Dir(env))
	for i, path := range []string{filepath.Join(dir, "done"), env} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := environment(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if n := made(t, python); n != 2+i {
			t.Errorf("without %s: made %d times", filepath.Base(path), n)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestEnvironmentThatFailsLeavesNothing(t *testing.T) {
	bare(t)
	python := fakePython(t, "3.12")
	fail := filepath.Join(filepath.Dir(python), "fail")
	if err := os.WriteFile(fail, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := environment(t.Context(), Options{Python: python})
	if err == nil || !strings.Contains(err.Error(), "no network today") {
		t.Fatalf("error: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "dbctl", "python-*[0-9a-f]"))
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.Remove(fail); err != nil {
		t.Fatal(err)
	}
	if _, err := environment(t.Context(), Options{Python: python}); err != nil {
		t.Errorf("the next time: %v", err)
	}
}

func TestFindPython(t *testing.T) {
	bare(t)
	dir := t.TempDir()
	shim := func(name, script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// The first names on PATH are a shim that runs nothing, as pyenv's are, and one that is too old.
	shim("python3.12", "#!/bin/sh\nexit 127\n")
	shim("python3.13", "#!/bin/sh\necho 3.11 cpython gil pip x\n")
	good := fakePython(t, "3.14")
	t.Setenv("PATH", dir)
	pyenv := filepath.Join(os.Getenv("PYENV_ROOT"), "versions", "3.14.2", "bin")
	if err := os.MkdirAll(pyenv, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(good, filepath.Join(pyenv, "python")); err != nil {
		t.Fatal(err)
	}
	if got := pythonCandidates(); len(got) < 3 || got[0] != filepath.Join(dir, "python3.12") {
		t.Fatalf("candidates: %v", got)
	}
	for _, tt := range []struct{ chosen, want, why string }{
		{filepath.Join(dir, "python3.12"), "", "does not run"},
		{filepath.Join(dir, "python3.13"), "", "is 3.11"},
		{filepath.Join(pyenv, "python"), good, ""},
	} {
		got, err := findPython(t.Context(), tt.chosen, false)
		if got != tt.want || tt.why != "" && !strings.Contains(err.Error(), tt.why) {
			t.Errorf("findPython(%s) = %s, %v", tt.chosen, got, err)
		}
		if missing := (*PythonError)(nil); tt.why != "" && (!errors.As(err, &missing) || !strings.Contains(missing.Hint(), "DBCTL_PYTHON")) {
			t.Errorf("findPython(%s): no hint in %v", tt.chosen, err)
		}
	}
	for _, tt := range []struct {
		line   string
		haveUV bool
		why    string
	}{
		{"3.12 pypy gil pip x", false, "standard"},
		{"3.13 cpython free pip x", false, "standard"},
		{"3.12 cpython gil nopip x", false, "venv"},
		{"3.12 cpython gil nopip x", true, ""},
		{"hello", false, "no Python"},
	} {
		shim("candidate", "#!/bin/sh\necho "+tt.line+"\n")
		if _, why := probePython(t.Context(), filepath.Join(dir, "candidate"), tt.haveUV); (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("%q with uv %v: %q, want %q", tt.line, tt.haveUV, why, tt.why)
		}
	}
}
