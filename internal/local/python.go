package local

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

//go:embed requirements.txt
var requirements []byte

// The wheels exist for these versions of CPython; older ones would get another engine, newer ones none.
var pythonMinors = []string{"3.12", "3.13", "3.14"}

// PythonError is returned when no Python that can run the engine was found.
type PythonError struct {
	Tried []string // candidate: what came of it
}

func (e *PythonError) Error() string {
	if len(e.Tried) == 0 {
		return "find Python 3.12 or newer for the embedded engine: none on this machine"
	}
	return "find Python 3.12 or newer for the embedded engine: tried " + strings.Join(e.Tried, "; ")
}

// Hint says what to install.
func (e *PythonError) Hint() string {
	switch runtime.GOOS {
	case "darwin":
		return "brew install python@3.13, or brew install uv; or set DBCTL_PYTHON to a Python's path"
	case "linux":
		return "install python3.12 with its venv module, or uv (pip install uv); or set DBCTL_PYTHON to a Python's path"
	default:
		return "the embedded engine runs on Linux (glibc) and macOS; use -e with an environment that names a server"
	}
}

// environment returns the Python of an environment that has the engine, making it when there is none: once per user and per
// version of the requirements, under a lock. One that was begun and not finished is made again.
func environment(ctx context.Context, o Options) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "python-"+shortHash(requirements))
	python, done := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "done")
	ready := func() bool {
		_, errDone := os.Stat(done)
		_, errPython := os.Stat(python) // a link: broken when the Python it was made from is gone
		return errDone == nil && errPython == nil
	}
	if ready() {
		return python, nil
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	unlock, err := lockFile(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("lock the Python environment: %w", err)
	}
	defer unlock()
	if ready() {
		return python, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("remove a half-made Python environment: %w", err)
	}
	if err := makeEnvironment(ctx, dir, o); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return python, os.WriteFile(done, []byte(time.Now().UTC().Format(time.RFC3339)+"\n"), 0o600)
}

func makeEnvironment(ctx context.Context, dir string, o Options) error {
	say := func(format string, args ...any) {
		if o.Progress != nil {
			fmt.Fprintf(o.Progress, format+"\n", args...)
		}
	}
	uv, _ := exec.LookPath("uv")
	base, err := findPython(ctx, o.Python, uv != "")
	if missing := (*PythonError)(nil); errors.As(err, &missing) && uv != "" && o.Python == "" {
		say("no Python 3.12 or newer here: uv installs one")
		if base, err = uvPython(ctx, uv); err != nil && ctx.Err() == nil {
			missing.Tried = append(missing.Tried, err.Error())
			err = missing
		}
	}
	if err != nil {
		return err
	}
	say("making the embedded engine's Python environment, once per machine (450 MB, up to a minute)")
	start := time.Now()
	list := dir + ".txt"
	if err := writeFile(list, requirements, 0o600); err != nil {
		return fmt.Errorf("write requirements: %w", err)
	}
	defer os.Remove(list)
	python := filepath.Join(dir, "bin", "python")
	var steps [][]string
	if uv != "" {
		steps = [][]string{
			{uv, "venv", "--quiet", "--no-project", "--python", base, dir},
			{uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--only-binary", ":all:", "-r", list},
		}
	} else {
		steps = [][]string{
			{base, "-m", "venv", dir},
			{
				python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir",
				"--require-hashes", "--only-binary=:all:", "-r", list,
			},
		}
	}
	for _, args := range steps {
		if err := runQuietly(ctx, args); err != nil {
			return fmt.Errorf("make the embedded engine's Python environment: %w", err)
		}
	}
	say("made in %s", time.Since(start).Round(time.Second))
	return nil
}

// findPython returns the path of a Python that fits. Each candidate is run: a name on PATH may be a shim that only exits 127.
// ensurepip is needed to make an environment without uv; Debian leaves it out of its python3 package.
func findPython(ctx context.Context, chosen string, haveUV bool) (string, error) {
	candidates := pythonCandidates()
	if chosen != "" {
		candidates = []string{chosen}
	}
	missing := &PythonError{}
	for _, c := range candidates {
		path, why := probePython(ctx, c, haveUV)
		if why == "" {
			return path, nil
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		missing.Tried = append(missing.Tried, c+": "+why)
	}
	return "", missing
}

const probeScript = `import sys, sysconfig
try:
    import ensurepip, venv
    pip = "pip"
except ImportError:
    pip = "nopip"
gil = "free" if sysconfig.get_config_var("Py_GIL_DISABLED") else "gil"
print("%d.%d" % sys.version_info[:2], sys.implementation.name, gil, pip, sys.executable)`

// probePython runs a candidate and returns its own path, or why it does not fit.
func probePython(ctx context.Context, candidate string, haveUV bool) (path, why string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, candidate, "-E", "-s", "-c", probeScript).Output()
	if err != nil {
		return "", "does not run (" + err.Error() + ")"
	}
	f := strings.SplitN(strings.TrimSpace(string(out)), " ", 5)
	switch {
	case len(f) != 5:
		return "", "is no Python"
	case !slices.Contains(pythonMinors, f[0]):
		return "", "is " + f[0]
	case f[1] != "cpython" || f[2] == "free":
		return "", "is not a standard CPython build"
	case f[3] != "pip" && !haveUV:
		return "", "has no venv module"
	}
	return f[4], ""
}

// pythonCandidates lists where a Python may be, the newest tested version first, each file once.
func pythonCandidates() []string {
	var all []string
	names := make([]string, 0, len(pythonMinors)+2)
	for _, v := range pythonMinors {
		names = append(names, "python"+v)
	}
	names = append(names, "python3", "python")
	dirs := filepath.SplitList(os.Getenv("PATH"))
	dirs = append(dirs, "/usr/local/bin", "/opt/homebrew/bin", "/usr/bin")
	for _, n := range names {
		for _, d := range dirs {
			all = append(all, filepath.Join(d, n))
		}
	}
	home, _ := os.UserHomeDir()
	pyenv := cmp.Or(os.Getenv("PYENV_ROOT"), filepath.Join(home, ".pyenv"))
	data := cmp.Or(os.Getenv("XDG_DATA_HOME"), filepath.Join(home, ".local", "share"))
	for _, v := range pythonMinors {
		for _, pattern := range []string{
			filepath.Join(pyenv, "versions", v+"*", "bin", "python"),
			filepath.Join(data, "uv", "python", "cpython-"+v+"*", "bin", "python3"),
			"/opt/homebrew/opt/python@" + v + "/bin/python" + v,
			"/usr/local/opt/python@" + v + "/bin/python" + v,
			"/Library/Frameworks/Python.framework/Versions/" + v + "/bin/python" + v,
		} {
			found, _ := filepath.Glob(pattern)
			all = append(all, found...)
		}
	}
	var out []string
	for _, p := range all {
		if info, err := os.Stat(p); err != nil || info.IsDir() || slices.Contains(out, p) {
			continue
		}
		out = append(out, p)
	}
	return out
}

// uvPython lets uv install a Python and returns its path. Asked for a version range, uv would query every name on PATH and fail on
// a shim that exits 127; its own ones it finds by name.
func uvPython(ctx context.Context, uv string) (string, error) {
	if err := runQuietly(ctx, []string{uv, "python", "install", "3.12"}); err != nil {
		return "", fmt.Errorf("install Python with uv: %w", err)
	}
	out, err := exec.CommandContext(ctx, uv, "python", "find", "--managed-python", "3.12").Output()
	if err != nil {
		return "", fmt.Errorf("find uv's Python: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// runQuietly runs a command; its output is told only when it fails.
func runQuietly(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	out := &tail{}
	cmd.Stdout, cmd.Stderr = io.Writer(out), io.Writer(out)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w%s", strings.Join(args[:2], " "), err, out.lines())
	}
	return nil
}

// cacheDir is dbctl's folder in the user's cache.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for the engine: %w: set one of them", err)
	}
	return filepath.Join(dir, "dbctl"), nil
}

func shortHash(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Python finds the Python that a local engine would run in: chosen, or the first that fits.
func Python(ctx context.Context, chosen string) (string, error) {
	_, err := exec.LookPath("uv")
	return findPython(ctx, chosen, err == nil)
}
