package project

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// within runs Open, which must end soon, and returns its *Error.
func within(t *testing.T, o Options) *Error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := Open(o)
		done <- err
	}()
	select {
	case err := <-done:
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("got %v, want an *Error", err)
		}
		return e
	case <-time.After(2 * time.Minute):
		t.Fatal("Open does not end")
		return nil
	}
}

// TestManyMistakes: a file of nothing but mistakes takes a time that grows with its length.
func TestManyMistakes(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"-- dbctl: a\n", "-- dbctl:\n"} {
		within(t, Options{Dir: folder(t, files{"migrations/1_a.sql": "-- +goose Up\n" + strings.Repeat(line, 100_000)})})
	}
}

// TestHostileFiles: a project whose files are links to the machine's own, pipes, devices or larger than sensible is refused by name, at
// once, and nothing of what they hold is shown.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "shadow")
	if err := os.WriteFile(outside, []byte("-- +goose Up\nroot:$6$hash {{ var \"x\" }}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(to string) func(string) error { return func(path string) error { return os.Symlink(to, path) } }
	for name, test := range map[string]struct {
		make func(path string) error
		want string
	}{
		"a link to a file outside": {link(outside), errOutside.Error()},
		"a link to /proc":          {link("/proc/self/environ"), errOutside.Error()},
		"a link to a device":       {link("/dev/zero"), errOutside.Error()},
		"a relative link out":      {link("../../../../../../../../etc/passwd"), errOutside.Error()},
		"a FIFO":                   {func(path string) error { return syscall.Mkfifo(path, 0o600) }, errNotRegular.Error()},
		"a sparse file": {func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40))
		}, "larger than"},
	} {
		for _, path := range []string{"migrations/1_a.sql", "loads/l.sql", "loads/deep/l.sql", ConfigFile} {
			t.Run(name+"/"+path, func(t *testing.T) {
				t.Parallel()
				dir := folder(t, files{"migrations/x": "", "loads/deep/x": ""})
				full := filepath.Join(dir, path)
				_ = os.Remove(full)
				if err := test.make(full); err != nil {
					t.Fatal(err)
				}
				e := within(t, Options{Dir: dir})
				if !strings.HasSuffix(e.File, path) || !strings.Contains(e.Msg, test.want) || strings.Contains(e.Error()+e.Caret, "root:") {
					t.Errorf("got %v, caret %q", e, e.Caret)
				}
			})
		}
	}
	for _, path := range []string{"migrations", "loads"} {
		dir := folder(t, nil)
		if err := os.Symlink("/proc/self", filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
		if p, err := Open(Options{Dir: dir}); err == nil && len(p.Migrations)+len(p.Loads) > 0 {
			t.Errorf("%s is a link out: it was read", path)
		}
	}
	for name, make := range map[string]func(path string) error{"FIFO": func(path string) error { return syscall.Mkfifo(path, 0o600) }, "device": link("/dev/zero")} {
		dir := folder(t, files{ConfigFile: "project: p\nenvironments: { e: { host: h, env_file: .env } }\n"})
		if err := make(filepath.Join(dir, ".env")); err != nil {
			t.Fatal(err)
		}
		if e := within(t, Options{Dir: dir, Env: "e"}); !strings.Contains(e.Msg, "no regular file") {
			t.Errorf("env_file as a %s: got %v", name, e)
		}
	}
}

// TestCreateStaysInside: a folder that is a link out of the project gets no file of ours, and a file that is one is left alone.
func TestCreateStaysInside(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	dir := folder(t, nil)
	if err := errors.Join(os.Symlink(elsewhere, filepath.Join(dir, MigrationsDir)), os.Symlink(filepath.Join(elsewhere, "x"), filepath.Join(dir, "x"))); err != nil {
		t.Fatal(err)
	}
	_, migration := CreateMigration(dir, "a", "", false, time.Now())
	_, restored := RestoreMigration(dir, 1, "a", "text")
	for what, err := range map[string]error{"migration": migration, "restored": restored, "file": CreateFile(dir, "x", "text"), "above": CreateFile(dir, "../x", "text")} {
		if err == nil {
			t.Errorf("%s: it was written", what)
		}
	}
	if made, err := os.ReadDir(elsewhere); err != nil || len(made) > 0 {
		t.Errorf("made %v, %v", made, err)
	}
	if err := CreateFile(dir, "deep/er/x", "text"); err != nil {
		t.Error(err)
	}
}

// TestLinksInside: links that stay inside the project are followed, as a mounted ConfigMap has them.
func TestLinksInside(t *testing.T) {
	t.Parallel()
	dir := folder(t, files{"real/..1/a.sql": upDown})
	err := errors.Join(
		os.Symlink("..1", filepath.Join(dir, "real/..data")), os.Mkdir(filepath.Join(dir, "migrations"), 0o777),
		os.Symlink("../real/..data/a.sql", filepath.Join(dir, "migrations/1_a.sql")),
	)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(Options{Dir: dir})
	if err != nil || len(p.Migrations) != 1 {
		t.Errorf("got %v", err)
	}
}

// TestBombs: texts that ask for more time or memory than a machine has end in an error.
func TestBombs(t *testing.T) {
	t.Parallel()
	many := strings.Repeat
	for name, text := range map[string]string{
		"a range without output":  `{{ range 2000000000 }}{{ end }}`,
		"a range with text":       `{{ range 2000000000 }}x{{ end }}`,
		"nested ranges":           `{{ range 100000 }}{{ range 100000 }}{{ if false }}{{ end }}{{ end }}{{ end }}`,
		"a template calls itself": `{{ define "a" }}{{ template "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`,
		"printf doubles":          `{{ $x := "xxxxxxxx" }}{{ range 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`,
		"print doubles":           `{{ $x := "xxxxxxxx" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}`,
		"quote doubles":           `{{ $x := "''" }}{{ range 60 }}{{ $x = quote $x }}{{ end }}`,
		"js doubles":              `{{ $x := "\\\\\\\\" }}{{ range 60 }}{{ $x = js $x }}{{ end }}`,
		"wide numbers":            `{{ $x := "" }}{{ range 100000 }}{{ $x = printf "%0999999d" 1 }}{{ end }}`,
		"round brackets":          "SELECT " + many("(", 600_000),
		"balanced brackets":       "SELECT " + many("(", 600_000) + "1" + many(")", 600_000),
		"square brackets":         "SELECT " + many("[", 600_000),
		"brackets of a template":  "{{ " + many("(", 600_000),
		"open ifs":                many("{{ if 1 }}", 50_000),
		"ifs that end":            many("{{ if 1 }}", 600_000) + many("{{ end }}", 600_000), // took the stack, and with it the process
		"settings":                many("SETTINGS (", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, files{"migrations/1_a.sql": "-- +goose Up\n" + text})
			within(t, Options{Dir: dir})
		})
	}
	for name, text := range map[string]string{
		"flow lists": many("[", 300_000), "flow mappings": many("{a: ", 100_000), "lists on a line": "\n " + many("- ", 200_000), "keys on a line": many("? ", 200_000),
		"anchors": "\n  a: &a [x,x,x,x,x,x,x,x,x]\n  b: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n  c: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n  d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\n",
		"comment": "# " + many("x", maxConfig),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			within(t, Options{Dir: folder(t, files{ConfigFile: "project: p\nvars: " + text})})
		})
	}
}

// TestIdentRefuses what no identifier may hold.
func TestIdentRefuses(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"nothing": "", "a line break": "a\nb", "an escape": "a\x1b[2J", "too much": strings.Repeat("x", 256)} {
		dir := folder(t, files{"migrations/1_a.sql": "-- +goose Up\nDROP TABLE {{ ident (var \"n\") }};\n"})
		if e := within(t, Options{Dir: dir, Vars: map[string]string{"n": value}}); !strings.Contains(e.Msg, "ident of") || e.Line != 2 {
			t.Errorf("%s: got %v", name, e)
		}
	}
}

// TestLoadNames: a load's name is one word for every shell, and no pattern.
func TestLoadNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"$(touch X)", "a;b", "a`b`", "a b", "a*", "-a", "a'b", `a"b`, "a\nb", "é", "a&b", "a|b", "a>b", "~a", "a$b", "a#b", "a!b", "a\x1b[2J"} {
		e := within(t, Options{Dir: folder(t, files{"loads/" + name + ".sql": copySQL})})
		if !strings.Contains(e.Msg, "name") || e.Advice == "" {
			t.Errorf("%q: got %v", name, e)
		}
	}
	open(t, files{"loads/daily/A-z_0.9.sql": copySQL})
}

// TestNoSecretInErrors: a value that somebody wrote into a file is in no error, whether it is known from the environment, or cannot be
// known yet because a file or a command has it; neither is one that stands where its name belongs.
func TestNoSecretInErrors(t *testing.T) {
	t.Parallel()
	const value = "Hunter2Secret"
	getenv := env(map[string]string{"KEY": value})
	broken := "-- +goose Up\nSELECT {{ secret \"KEY\" }};\nSELECT '" + value + "', {{ var \"x\" }};\n"
	for name, test := range map[string]struct {
		files files
		want  string
	}{
		"from the environment": {files{"migrations/1_a.sql": broken}, `migrations/1_a.sql:3:28: no var "x"`},
		"of another file":      {files{"loads/a.sql": strings.Replace(copySQL, "b::STRING", "{{ secret `KEY` }}", 1), "migrations/1_a.sql": strings.Replace(broken, "secret", "env_name", 1)}, "migrations"},
		"from a file": {
			files{ConfigFile: "project: p\nsecrets: { KEY: { file: k } }\nenvironments: { e: { host: h } }\n", "k": value, "migrations/1_a.sql": broken}, "migrations/1_a.sql:3:28",
		},
		"from a command": {
			files{ConfigFile: "project: p\nsecrets: { KEY: { command: [cat, k] } }\nenvironments: { e: { host: h } }\n", "k": value, "migrations/1_a.sql": broken}, "migrations/1_a.sql:3:28",
		},
		"as a password's name":     {files{ConfigFile: "project: p\nenvironments:\n  e:\n    host: h\n    password: " + value + "\n"}, "dbctl.yaml:5:5: password names no environment variable"},
		"as a token's name":        {files{ConfigFile: "project: p\nenvironments:\n  e:\n    host: h\n    access_token: " + value + "\n"}, "dbctl.yaml:5:5: access_token names no environment variable"},
		"as a short word in upper": {files{ConfigFile: "project: p\nenvironments:\n  e:\n    host: h\n    password: HUNTER2\n"}, "dbctl.yaml:5:5: password names no"},
	} {
		scrub := secret.NewScrubber()
		o := Options{Dir: folder(t, test.files), Getenv: getenv, Scrub: scrub}
		if strings.Contains(test.files[ConfigFile], "environments") {
			o.Env = "e"
		}
		e := within(t, o)
		shown := scrub.String(e.Error() + "\n" + e.Caret + "\n" + e.Advice)
		if strings.Contains(shown, value) || strings.Contains(shown, "HUNTER2") || !strings.HasPrefix(e.Error(), test.want) {
			t.Errorf("%s: got %s", name, shown)
		}
	}
}

// TestPositions: a place is found by characters, also behind a BOM and where a block of bytes ends within a character, and at once on a
// line that is as long as the file.
func TestPositions(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "é\nüx", bom + "aé\nb", strings.Repeat("é", 1000), "x" + strings.Repeat("é", 1000) + "\n" + strings.Repeat("東", 500)} {
		s := &source{text: text}
		for offset := range len(text) + 1 {
			if offset < len(text) && !utf8.RuneStart(text[offset]) {
				continue
			}
			want := sqltext.PosAt(text, offset)
			if got := s.position(offset); got != want {
				t.Fatalf("%.20q at %d: got %v, want %v", text, offset, got, want)
			}
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := &source{text: strings.Repeat("x", 4<<20)}
		for offset := 0; offset < len(s.text); offset += 4 {
			s.position(offset)
		}
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Error("the positions on one long line take a time that grows with the square of its length")
	}
}
