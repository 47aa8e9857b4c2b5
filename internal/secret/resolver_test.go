package secret

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func env(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

// reveal returns the values of a set.
func reveal(s Set) map[string]string {
	m := map[string]string{}
	for k, v := range s {
		m[k] = v.Reveal()
	}
	return m
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "plain", "from file\n")
	write(t, dir, "crlf", "from file\r\n")
	write(t, dir, "two", "keeps one\n\n")
	write(t, dir, "doc.json", `{"data": {"key": "from json", "n": 12345678901234567890, "a.b": "dotted", "list": ["x", {"y": "deep"}]}}`)
	scrub := NewScrubber()
	r := NewResolver(map[string]Source{
		"RENAMED": {Env: "OTHER"},
		"PLAIN":   {File: "plain"},
		"ABS":     {File: filepath.Join(dir, "plain")},
		"CRLF":    {File: "crlf"},
		"TWO":     {File: "two"},
		"KEY":     {File: "doc.json", JSON: "data.key"},
		"N":       {File: "doc.json", JSON: "data.n"},
		"DOTTED":  {File: "doc.json", JSON: "data.a.b"},
		"DEEP":    {File: "doc.json", JSON: "data.list.1.y"},
		"COMMAND": {Command: []string{"printf", "%s\n", "a $HOME 'b'; c"}},
	}, env(map[string]string{"BARE": "from env\n", "OTHER": "renamed"}), dir, scrub)
	r.Override("ENGINE", New("overridden"))
	got, err := r.Resolve(t.Context(), []string{"BARE", "RENAMED", "PLAIN", "ABS", "CRLF", "TWO", "KEY", "N", "DOTTED", "DEEP", "COMMAND", "ENGINE", "BARE"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"BARE": "from env\n", "RENAMED": "renamed", "PLAIN": "from file", "ABS": "from file", "CRLF": "from file", "TWO": "keeps one\n",
		"KEY": "from json", "N": "12345678901234567890", "DOTTED": "dotted", "DEEP": "deep",
		"COMMAND": "a $HOME 'b'; c", "ENGINE": "overridden",
	}
	if d := cmp.Diff(reveal(got), want); d != "" {
		t.Errorf("got, want: %s", d)
	}
	for name, v := range want {
		if out := scrub.String("x " + v + " y"); strings.Contains(out, v) {
			t.Errorf("%s is not known to the scrubber: %s", name, out)
		}
	}
}

func TestResolveRunsACommandOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "get", "#!/bin/sh\necho run >>runs\necho '{\"a\": \"first\", \"b\": \"second\"}'\n")
	write(t, dir, "fail", "#!/bin/sh\necho run >>fails\nexit 3\n")
	r := NewResolver(map[string]Source{
		"A": {Command: []string{"./get"}, JSON: "a"},
		"B": {Command: []string{"./get"}, JSON: "b"},
		"C": {Command: []string{"./fail"}},
	}, env(nil), dir, nil)
	for range 2 {
		got, err := r.Resolve(t.Context(), []string{"A", "B"})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(reveal(got), map[string]string{"A": "first", "B": "second"}); d != "" {
			t.Errorf("got, want: %s", d)
		}
		if _, err := r.Resolve(t.Context(), []string{"C"}); err == nil {
			t.Error("a failing command gave a value")
		}
	}
	for _, f := range []string{"runs", "fails"} {
		if runs, err := os.ReadFile(filepath.Join(dir, f)); err != nil || string(runs) != "run\n" {
			t.Errorf("%s: got %q, %v", f, runs, err)
		}
	}
}

func TestResolveNamesAllThatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "empty", "\n")
	write(t, dir, "doc.json", `{"data": {"key": "topsecret"}, "list": ["topsecret"]}`)
	write(t, dir, "broken.json", `{"data": topsecret}`)
	write(t, dir, "leak", "#!/bin/sh\necho topsecret\necho first >&2\necho 'denied for topsecret' >&2\nexit 2\n")
	write(t, dir, "big", strings.Repeat("x", maxOutput+1))
	r := NewResolver(map[string]Source{
		"B_FILE":    {File: "nowhere"},
		"C_EMPTY":   {File: "empty"},
		"D_PATH":    {File: "doc.json", JSON: "data.no"},
		"E_OBJECT":  {File: "doc.json", JSON: "data"},
		"F_LIST":    {File: "doc.json", JSON: "list.1"},
		"G_BROKEN":  {File: "broken.json", JSON: "data"},
		"H_COMMAND": {Command: []string{"./leak"}},
		"I_PROGRAM": {Command: []string{"dbctl-no-such-program"}},
		"J_BIG":     {File: "big"},
		"K_DIR":     {File: "."},
		"L_HERE":    {Command: []string{"./no-such-file"}},
		"M_VALUE":   {Env: "Hunter2Secret"},
	}, env(map[string]string{"A_EMPTY": "", "THERE": "x"}), dir, NewScrubber())
	names := []string{"THERE", "A_UNSET", "A_EMPTY"}
	for name := range r.sources {
		names = append(names, name)
	}
	_, err := r.Resolve(t.Context(), names)
	missing, ok := errors.AsType[*MissingError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	want := []string{
		"A_EMPTY (the environment variable A_EMPTY gives an empty value)",
		"A_UNSET (the environment variable A_UNSET is not set)",
		"B_FILE (the file nowhere does not exist)",
		"C_EMPTY (the file empty gives an empty value)",
		`D_PATH (the file doc.json: the JSON has no "no" on the way to data.no)`,
		"E_OBJECT (the file doc.json: the JSON at data is not a text or number)",
		`F_LIST (the file doc.json: the JSON has a list of 1 where list.1 says "1")`,
		"G_BROKEN (the file broken.json: the value is not JSON)",
		"H_COMMAND (the command ./leak failed: exit status 2: denied for [redacted])",
		"I_PROGRAM (the command dbctl-no-such-program is not in PATH)",
		"J_BIG (the file big is larger than 64 KiB)",
		"K_DIR (the file .: is a directory)",
		"L_HERE (the command ./no-such-file failed: no such file or directory)",
		"M_VALUE (the environment variable that its env: names is not set)",
	}
	if d := cmp.Diff(missing.Names, want); d != "" {
		t.Errorf("got, want: %s", d)
	}
	if strings.Contains(err.Error()+missing.Hint(), "topsecret") || strings.Contains(err.Error()+missing.Hint(), "Hunter2") {
		t.Errorf("the error leaks: %v", err)
	}
	if want := "export A_EMPTY=… A_UNSET=…, or put"; !strings.HasPrefix(missing.Hint(), want) {
		t.Errorf("hint: got %q", missing.Hint())
	}
	if !slices.ContainsFunc(missing.Names, func(s string) bool { return strings.Contains(err.Error(), s) }) {
		t.Errorf("the text names nothing: %v", err)
	}
	_, err = r.Resolve(t.Context(), []string{"B_FILE"})
	if missing, ok = errors.AsType[*MissingError](err); !ok || !strings.Contains(missing.Hint(), "dbctl.yaml") {
		t.Errorf("got %v", err)
	}
}

func TestResolveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := NewResolver(map[string]Source{"A": {Command: []string{"sleep", "600"}}}, env(nil), t.TempDir(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := r.Resolve(ctx, []string{"A"})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Minute {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
	if len(r.output)+len(r.absent) != 0 {
		t.Error("an interrupted command is remembered as failed")
	}
}
