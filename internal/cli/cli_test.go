package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
)

// result is what a command line left behind.
type result struct {
	code        int
	out, errors string
}

// dbctl runs a command line in this process, off a terminal.
func dbctl(env map[string]string, dir string, args ...string) result {
	var out, errs bytes.Buffer
	code := Main(Process{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Dir: dir,
		Getenv:     func(k string) (string, bool) { v, ok := env[k]; return v, ok },
		IsTerminal: func(any) bool { return false },
	})
	return result{code, out.String(), errs.String()}
}

// TestLostOutput: a command whose output is its work fails where the output does not arrive; a reader that went away wanted no more.
func TestLostOutput(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{syscall.ENOSPC: 1, syscall.EPIPE: 0} {
		var errs bytes.Buffer
		code := Main(Process{
			Args: []string{"version"}, Stdin: strings.NewReader(""), Stdout: refusingWriter{err}, Stderr: &errs,
			Getenv: func(string) (string, bool) { return "", false }, IsTerminal: func(any) bool { return false },
		})
		if code != want || (want == 1) != strings.Contains(errs.String(), "the output is not whole: "+err.Error()) {
			t.Errorf("%v: exit %d, want %d; %q", err, code, want, errs.String())
		}
	}
}

type refusingWriter struct{ error }

func (w refusingWriter) Write([]byte) (int, error) { return 0, w.error }

// TestHelp: each command's help goes to stdout, by -h and by `help`, wherever -h stands, and ends in its own exit codes.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, c := range append(commands(), &command{name: ""}) {
		words := strings.Fields(c.name)
		got := dbctl(nil, t.TempDir(), append(words, "-h")...)
		if got.code != 0 || got.errors != "" {
			t.Errorf("%s -h: exit %d, stderr %q", c.name, got.code, got.errors)
		}
		again := dbctl(nil, t.TempDir(), append([]string{"help"}, words...)...)
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("help %s differs from %[1]s -h:\n%s", c.name, diff)
		}
		_, exits, ok := strings.Cut(got.out, "\nEXIT STATUS\n")
		if !ok {
			t.Errorf("%s: help does not end in EXIT STATUS:\n%s", c.name, got.out)
		}
		for _, line := range strings.Split(strings.TrimSuffix(exits, "\n"), "\n") {
			if !regexp.MustCompile(`^( {2,4}\d{1,3}  | {7})\S`).MatchString(line) {
				t.Errorf("%s: %q is no exit code", c.name, line)
			}
		}
		if !strings.Contains(exits, "    0  ") || !strings.Contains(exits, "    2  ") && !c.hidden {
			t.Errorf("%s: exit codes 0 and 2 are missing:\n%s", c.name, exits)
		}
		for _, line := range strings.Split(got.out, "\n") {
			if len([]rune(line)) > helpWidth {
				t.Errorf("%s: help has a line of %d characters: %s", c.name, len([]rune(line)), line)
			}
		}
	}
}

// TestNoCommand: dbctl alone is its help, and --version is version.
func TestNoCommand(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"-q"}} {
		if got := dbctl(nil, t.TempDir(), args...); got.code != 0 || got.errors != "" || !strings.HasPrefix(got.out, "dbctl brings a Databend warehouse") {
			t.Errorf("dbctl %v: got %+v, want its help", args, got)
		}
	}
	if got, want := dbctl(nil, t.TempDir(), "--version"), dbctl(nil, t.TempDir(), "version"); got != want || got.code != 0 || !strings.HasPrefix(got.out, "dbctl ") {
		t.Errorf("--version: got %+v, want that of version, %+v", got, want)
	}
}

// TestNoProject: every command says the same of a folder that is no project.
func TestNoProject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := dbctl(nil, dir, "show", "1")
	for _, args := range []string{"migrate create x", "status", "load --all", "doctor"} {
		got := dbctl(nil, dir, strings.Fields(args)...)
		if !strings.Contains(got.errors, "there is no dbctl.yaml here\nhint: go to a project") || got.errors != want.errors || got.code != 2 {
			t.Errorf("dbctl %s: got %+v, want %+v", args, got, want)
		}
	}
}

// TestFlagsAnywhere: a flag of a command may stand before its name, and its value is not taken for a verb.
func TestFlagsAnywhere(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ args, name, rest string }{
		{"--dry-run migrate up 3", "migrate up", "3"},
		{"migrate --reason up accept 3", "migrate accept", "3"},
		{"--path load load videos --limit 3", "load", "videos"},
		{"load -- --all", "load", "--all"},
		{"-e plan plan", "plan", ""},
	} {
		a := &app{Process: Process{Args: strings.Fields(tc.args), Getenv: func(string) (string, bool) { return "", false }}}
		if _, err := a.parse(); err != nil {
			t.Errorf("%s: %v", tc.args, err)
			continue
		}
		if a.cmd.name != tc.name || strings.Join(a.rest, " ") != tc.rest {
			t.Errorf("%s: got %q with %q, want %q with %q", tc.args, a.cmd.name, a.rest, tc.name, tc.rest)
		}
	}
}

// TestFlagsAgree: whether a flag takes a value must not depend on the command, or none could stand before its name.
func TestFlagsAgree(t *testing.T) {
	t.Parallel()
	all := allFlags()
	for _, c := range commands() {
		if c.bind == nil {
			continue
		}
		own := newFlagSet()
		c.bind(&app{}, own)
		own.VisitAll(func(f *pflag.Flag) {
			if other := all.Lookup(f.Name); (other.NoOptDefVal == "") != (f.NoOptDefVal == "") || other.Shorthand != f.Shorthand {
				t.Errorf("%s --%s: it takes a value here or elsewhere, or has another short name", c.name, f.Name)
			}
		})
	}
}

// TestMistakes: what cannot be read is exit 2 with a hint, on stderr, and as one JSON line on stdout with --json.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args string
		env  map[string]string
		want string // stderr
	}{
		{args: "dev", want: "dbctl: dev: no command given\nhint: `dbctl help dev` lists the commands\n"},
		{args: "shwo 3", want: "dbctl: unknown command \"shwo\"\nhint: did you mean `dbctl show`?\n"},
		{args: "dev strat", want: "dbctl: unknown command \"dev strat\"\nhint: did you mean `dbctl dev start`?\n"},
		{args: "start", want: "dbctl: unknown command \"start\"\nhint: did you mean `dbctl dev start`?\n"},
		{args: "migrate rollback", want: "dbctl: unknown command \"migrate rollback\"\nhint: did you mean `dbctl migrate down`?\n"},
		{args: "apply", want: "dbctl: unknown command \"apply\"\nhint: did you mean `dbctl migrate up`?\n"},
		{args: "frobnicate", want: "dbctl: unknown command \"frobnicate\"\nhint: `dbctl help` lists the commands\n"},
		{args: "help shwo", want: "dbctl: unknown command \"shwo\"\nhint: did you mean `dbctl show`?\n"},
		{args: "show --jsno 3", want: "dbctl: unknown flag: --jsno\nhint: did you mean --json?\n"},
		{args: "--envfile x show", want: "dbctl: unknown flag: --envfile\nhint: did you mean --env-file?\n"},
		{args: "show -x 3", want: "dbctl: unknown shorthand flag: 'x' in -x\nhint: `dbctl help show` lists the flags\n"},
		{args: "show", want: "dbctl: show: an argument is missing\nhint: `dbctl show 3`\n"},
		{args: "migrate accept", want: "dbctl: migrate accept: an argument is missing\nhint: `dbctl migrate accept 3`\n"},
		{args: "migrate accept 2 -e prod", want: "dbctl: migrate accept: a person's word needs a reason\nhint: `dbctl -e prod migrate accept 2 --reason 'only a comment was changed'`\n"},
		{args: "migrate recover --mark-applied", want: "dbctl: migrate recover: a person's word needs a reason\nhint: `dbctl migrate recover --mark-applied --reason 'I looked, and it is so'`\n"},
		{args: "-e prod migrate accept", want: "dbctl: migrate accept: an argument is missing\nhint: `dbctl -e prod migrate accept 3`\n"},
		{args: "load", want: "dbctl: load: which one?\nhint: `dbctl load videos`, or `dbctl load --all`\n"},
		{args: "load --history", want: "dbctl: load: which one?\nhint: `dbctl load videos --history`, or `dbctl load --history --all`\n"},
		{args: "load a --force", want: "dbctl: load: --force loads files twice, so it must be told which\nhint: `dbctl load a --force --path GLOB`\n"},
		{args: "load a --reload", want: "dbctl: load: --reload replaces rows, so it must be told of which files\nhint: `dbctl load a --reload --path GLOB`\n"},
		{args: "load a --limt 3", want: "dbctl: unknown flag: --limt\nhint: did you mean --limit?\n"},
		{args: "load a --limit x", want: "dbctl: --limit \"x\": want a whole number\nhint: `dbctl help load` lists the flags\n"},
		{args: "load a --every 5", want: "dbctl: --every \"5\": want a time like 90s, 10m or 1h30m\nhint: `dbctl help load` lists the flags\n"},
		{args: "load a --mark new", want: "dbctl: load: --mark is a person's word, and needs a reason\nhint: `dbctl load a --mark new --reason 'why it is so'`\n"},
		{
			args: "load create my:trips --from @lake/x/",
			want: "dbctl: load create: the name \"my:trips\" is not one of letters, digits and . _ / -\n" +
				"hint: `dbctl load create trips --from @lake/x/`\n",
		},
		{
			args: "load create a/../b --from @lake/x/",
			want: "dbctl: load create: the name \"a/../b\" has a part that is empty or begins with a dot\n" +
				"hint: `dbctl load create trips --from @lake/x/`\n",
		},
		{
			args: "--dsn databend://u:hunter2@h/x load a --mark new",
			want: "dbctl: load: --mark is a person's word, and needs a reason\n" +
				"hint: `dbctl --dsn DSN load a --mark new --reason 'why it is so'`\n",
		},
		{args: "-- lint", want: "dbctl: -- stands in front of the command\nhint: `dbctl help` lists the commands\n"},
		{args: "migrate -- up", want: "dbctl: migrate -- stands in front of the command\nhint: `dbctl help migrate` lists the commands\n"},
		{args: "load a --path= --mark new --reason x", want: "dbctl: --path is empty\nhint: " + emptyHint + "\n"},
		{args: "load '' --dry-run", want: "dbctl: load: argument 1 is empty\nhint: " + emptyHint + "\n"},
		{args: "init ''", want: "dbctl: init: argument 1 is empty\nhint: " + emptyHint + "\n"},
		{args: "lint --base ''", want: "dbctl: --base is empty\nhint: " + emptyHint + "\n"},
		{args: "-e '' status", want: "dbctl: --env is empty\nhint: " + emptyHint + "\n"},
		{args: "show 1 2", want: "dbctl: show: unexpected argument \"2\"\nhint: `dbctl show 1`\n"},
		{args: "version -e", want: "dbctl: flag needs an argument: 'e' in -e\nhint: `dbctl help version` lists the flags\n"},
		{args: "--color=blue version", want: "dbctl: --color \"blue\": want auto, always or never\nhint: `dbctl help version` lists the flags\n"},
		{args: "version --timeout -3s", want: "dbctl: --timeout \"-3s\": want a time like 90s, 10m or 1h30m\nhint: `dbctl help version` lists the flags\n"},
		{args: "version --var x", want: "dbctl: --var \"x\": want NAME=VALUE\nhint: `dbctl help version` lists the flags\n"},
		{
			args: "version", env: map[string]string{"DBCTL_LOCK_WAIT": "soon"},
			want: "dbctl: DBCTL_LOCK_WAIT=\"soon\": want a time like 90s, 10m or 1h30m\nhint: `unset DBCTL_LOCK_WAIT`, or give it a value that --lock-wait takes\n",
		},
		{args: "completion tcsh", want: "dbctl: there is no completion for \"tcsh\"\nhint: `dbctl completion bash`, zsh or fish\n"},
	} {
		words := strings.Fields(tc.args)
		for i, w := range words {
			if w == "''" {
				words[i] = ""
			}
		}
		got := dbctl(tc.env, t.TempDir(), words...)
		if diff := cmp.Diff(result{2, "", tc.want}, got, cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.args, diff)
		}
		if tc.args == "" {
			continue
		}
		asJSON := dbctl(tc.env, t.TempDir(), append([]string{"--json"}, words...)...)
		var line struct {
			Type, Message, Hint string
			Exit                int
		}
		if err := json.Unmarshal([]byte(asJSON.out), &line); err != nil || asJSON.errors != "" || asJSON.code != 2 {
			t.Errorf("%q --json: exit %d, stderr %q, stdout %q", tc.args, asJSON.code, asJSON.errors, asJSON.out)
		}
		if got := fmt.Sprintf("dbctl: %s\nhint: %s\n", line.Message, line.Hint); line.Type != "error" || line.Exit != 2 || got != tc.want {
			t.Errorf("%q --json: got %q of type %q, exit %d; want %q", tc.args, got, line.Type, line.Exit, tc.want)
		}
	}
}

// TestGlobals: global flags hold before and after the verbs, later ones win, and variables fill in what no flag says.
func TestGlobals(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"DBCTL_ENV": "fromenv", "DBCTL_DSN": "databend://h/d", "DBCTL_ENV_FILE": "f", "DBCTL_TIMEOUT": "3s", "DBCTL_LOCK_WAIT": "2m", "DBCTL_COLOR": "always",
	}
	for _, tc := range []struct {
		args string
		env  map[string]string
		want globals
	}{
		{"version", nil, globals{}},
		{"-e prod version -q", nil, globals{env: "prod", quiet: true}},
		{"version -e prod", nil, globals{env: "prod"}},
		{"-e a dev -C x status -e b --json", nil, globals{env: "b", dir: "x", json: true}},
		{"--var a=1 version --var b=2=3 --var c=", nil, globals{vars: map[string]string{"a": "1", "b": "2=3", "c": ""}}},
		{"-qe prod --check plan", nil, globals{env: "prod", quiet: true}},
		{"migrate --reason because -e prod accept 3", nil, globals{env: "prod"}},
		{"--json", nil, globals{json: true}},
		{"--var a=1 version --var a=2", nil, globals{vars: map[string]string{"a": "2"}}},
		{"version", env, globals{env: "fromenv", dsn: "databend://h/d", envFile: "f", timeout: positive{3e9, true}, lockWait: positive{120e9, true}, color: "always"}},
		{"version -e flag --timeout 0 --color never --lock-wait=1s", env, globals{
			env: "flag", dsn: "databend://h/d", envFile: "f", timeout: positive{0, true}, lockWait: positive{1e9, true}, color: "never",
		}},
		{"version -v", map[string]string{"DBCTL_ENV": ""}, globals{verbose: true}},
	} {
		a := &app{Process: Process{Args: strings.Fields(tc.args), Getenv: func(k string) (string, bool) { v, ok := tc.env[k]; return v, ok }}}
		if _, err := a.parse(); err != nil {
			t.Errorf("%s: %v", tc.args, err)
			continue
		}
		if diff := cmp.Diff(tc.want, a.globals, cmp.AllowUnexported(globals{}, positive{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.args, diff)
		}
	}
}

type coded exit.Code

func (c coded) Error() string       { return fmt.Sprint("code ", int(c)) }
func (c coded) ExitCode() exit.Code { return exit.Code(c) }

func TestExitCode(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error { return fmt.Errorf("doing: %w", err) }
	for _, tc := range []struct {
		err  error
		want exit.Code
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{wrap(&project.Error{Msg: "m"}), 2},
		{wrap(&secret.MissingError{Names: []string{"A"}}), 2},
		{wrap(&databend.Error{Kind: databend.KindUnreachable}), 6},
		{wrap(&databend.Error{Kind: databend.KindAuth}), 1},
		{wrap(&databend.Error{Kind: "UnknownTable", Code: 1025}), 1},
		{wrap(coded(5)), 5},
		{usageError("x", ""), 2},
		{errors.Join(coded(3), coded(1)), 1},
		{errors.Join(coded(1), wrap(coded(4)), coded(3)), 4},
		{errors.Join(coded(3), &databend.Error{Kind: databend.KindUnreachable}), 3},
		{errors.Join(coded(130), coded(130)), 1},
		{&afterSignal{context.Canceled, 130}, 130},
		{&afterSignal{wrap(coded(1)), 143}, 143},
		{&afterSignal{wrap(coded(4)), 143}, 4},
	} {
		if got := exit.Of(tc.err); got != tc.want {
			t.Errorf("%v: got %d, want %d", tc.err, got, tc.want)
		}
	}
}

// TestSignals: the first ends the context, the second is answered while something is put back, the third leaves at once and says
// what recovers; without anything to put back the second leaves, and the first while only files were read.
func TestSignals(t *testing.T) {
	t.Parallel()
	type run struct {
		recovers string
		signals  []os.Signal
		ends     func(context.Context) error
		reads    bool // files only
	}
	hang := func(context.Context) error { select {} }
	polite := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, tc := range map[string]struct {
		run
		code exit.Code
		want []string
	}{
		"interrupted": {run{"dbctl migrate recover", []os.Signal{os.Interrupt}, polite, false}, 130, []string{"put back", "dbctl: interrupted"}},
		"terminated":  {run{"", []os.Signal{syscall.SIGTERM}, polite, false}, 143, []string{"stopping"}},
		"hung up":     {run{"dbctl migrate recover", []os.Signal{syscall.SIGHUP}, polite, false}, 129, []string{"put back"}},
		"impatient": {
			run{"dbctl migrate recover", []os.Signal{os.Interrupt, os.Interrupt, syscall.SIGTERM}, hang, false},
			143,
			[]string{"still putting back", "left at once", "hint: `dbctl migrate recover`"},
		},
		"nothing to put back": {run{"", []os.Signal{os.Interrupt, os.Interrupt}, hang, false}, 130, []string{"left at once"}},
		"reading files":       {run{"dbctl migrate recover", []os.Signal{os.Interrupt}, hang, true}, 130, []string{"dbctl: interrupted"}},
		"partly":              {run{"", []os.Signal{os.Interrupt}, func(ctx context.Context) error { <-ctx.Done(); return coded(4) }, false}, 4, []string{"code 4"}},
		"too late":            {run{"", []os.Signal{os.Interrupt}, func(ctx context.Context) error { <-ctx.Done(); return nil }, false}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := make(chan os.Signal, 3)
			for _, s := range tc.signals {
				ch <- s
			}
			var errs bytes.Buffer
			a := testApp(io.Discard, &errs)
			a.Signals, a.cmd = ch, &command{name: "x", recovers: tc.recovers}
			a.reaches.Store(!tc.reads)
			code := a.underSignals(tc.ends)
			a.ui.Close()
			if code != tc.code {
				t.Errorf("exit: got %d, want %d\n%s", code, tc.code, errs.String())
			}
			for _, w := range tc.want {
				if !strings.Contains(errs.String(), w) {
					t.Errorf("stderr has no %q:\n%s", w, errs.String())
				}
			}
		})
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, f := range []string{"migrations/00001_first.sql", "migrations/20250102030405_second.sql", "migrations/notes.md", "loads/videos.sql", "loads/daily/events.sql"} {
		write(t, dir, f, "")
	}
	for _, tc := range []struct {
		words string // "|" between them
		want  []string
	}{
		{"sh", []string{"show"}},
		{"dev|st", []string{"start", "stop", "status"}},
		{"-e|prod|dev|sta", []string{"start", "status"}},
		{"show|", []string{"1", "20250102030405", "daily/events", "videos"}},
		{"show|vi", []string{"videos"}},
		{"show|--js", []string{"--json"}},
		{"--lo", []string{"--lock-wait"}},
		{"version|--color|a", []string{"auto", "always"}},
		{"load|", []string{"create", "daily/events", "videos"}},
		{"load|videos|", []string{"daily/events", "videos"}},
		{"load|--order|", []string{"oldest", "newest"}},
		{"load|videos|--mark|", []string{"loaded", "new", "quarantined"}},
		{"completion|", []string{"bash", "zsh", "fish"}},
		{"-C|", nil},
		{"nonsense|xyz", nil},
	} {
		got := dbctl(nil, dir, append([]string{"__complete", "--"}, strings.Split(tc.words, "|")...)...)
		var values []string
		for _, l := range strings.Split(strings.TrimSuffix(got.out, "\n"), "\n") {
			if v, _, _ := strings.Cut(l, "\t"); v != "" {
				values = append(values, v)
			}
		}
		if diff := cmp.Diff(tc.want, values); diff != "" || got.code != 0 {
			t.Errorf("%s: exit %d (-want +got):\n%s", tc.words, got.code, diff)
		}
	}
}

// TestInstallable: a project's CI installs this dbctl and no later one.
func TestInstallable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		b    build
		want string
	}{
		{build{Version: "v1.2.3", Commit: "abc"}, "v1.2.3"},
		{build{Version: "v0.0.0-20261128123456-abcdef012345+dirty"}, "v0.0.0-20261128123456-abcdef012345"},
		{build{Version: "devel", Commit: "abc"}, "abc"},
		{build{Version: "devel"}, "latest"},
	} {
		if got := tc.b.installable(); got != tc.want {
			t.Errorf("%+v: got %s, want %s", tc.b, got, tc.want)
		}
	}
}

// What the file system refuses has a way out: a newcomer's folder may be another's, or read-only.
func TestHintOfAFolder(t *testing.T) {
	t.Parallel()
	for _, why := range []error{fs.ErrPermission, syscall.EACCES, syscall.EROFS} {
		if f := failure(fmt.Errorf("make .dbctl: %w", &fs.PathError{Op: "mkdir", Path: ".dbctl", Err: why})); f.Hint == "" {
			t.Errorf("%s: got no hint", f.Message)
		}
	}
}
