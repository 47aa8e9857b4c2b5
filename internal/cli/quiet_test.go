package cli

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/exit"
)

// TestOfflineRunsNothing: help, completion and the commands that need no server start no program and open no connection, whatever the
// project's files name, and on TAB nothing that a shell would read is listed.
func TestOfflineRunsNothing(t *testing.T) {
	dir := t.TempDir()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	reached := make(chan struct{}, 1)
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
			reached <- struct{}{}
		}
	}()
	_, port, _ := net.SplitHostPort(server.Addr().String())
	marker := filepath.Join(dir, "ran")
	program := "#!/bin/sh\necho \"$0 $*\" >> " + marker + "\n"
	for _, name := range []string{"git", "python3", "python3.12", "uv", "sh", "secret-tool"} {
		write(t, dir, "bin/"+name, program)
		if err := os.Chmod(filepath.Join(dir, "bin", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Join(dir, "bin"))
	write(t, dir, "dbctl.yaml", `project: p
default_env: e
secrets:
  KEY: { command: [secret-tool, KEY] }
  DATABEND_PASSWORD: { command: [secret-tool, PASSWORD] }
environments:
  e: { host: 127.0.0.1, port: `+port+`, tls: false, user: u, password: DATABEND_PASSWORD }
  local: { engine: embedded }
`)
	write(t, dir, "migrations/00001_a.sql", "-- +goose Up\nCREATE TABLE t (a INT);\nSELECT {{ secret \"KEY\" }};\n-- +goose Down\nDROP TABLE t;\n")
	write(t, dir, "migrations/00002_$(touch X)\x1b[2J.sql.bak", "")
	write(t, dir, "loads/l.sql", "COPY INTO t FROM @s/p/ FILE_FORMAT = (TYPE = PARQUET);\n")
	write(t, dir, "loads/$(touch X).sql.bak", "")

	run := func(args ...string) string {
		var out, errs bytes.Buffer
		code := Main(Process{
			Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Dir: dir,
			Getenv: func(string) (string, bool) { return "", false }, IsTerminal: func(any) bool { return true },
		})
		if made, err := os.ReadFile(marker); err == nil {
			t.Fatalf("%v started %s", args, made)
		}
		select {
		case <-reached:
			t.Fatalf("%v opened a connection", args)
		default:
		}
		if code != 0 {
			t.Errorf("%v: exit %d: %s", args, code, errs.String())
		}
		return out.String()
	}
	// A daemon's record that came with the folder, and speaks of a port of others.
	write(t, dir, ".dbctl/dev.json", `{"pid":1,"port":`+port+`,"control_port":`+port+`,"s3_port":`+port+`,"user":"u","password":"p","echo":"e"}`)
	// What each command needs for its work; those that are not here ask a server, or the engine.
	offline := map[string][]string{
		"init": {"new"}, "show": {"1"}, "lint": nil, "migrate create": {"x"}, "version": nil, "completion": {"bash"}, "help": nil, "__complete": {"--", ""},
	}
	online := []string{
		"plan", "status", "sql", "migrate up", "migrate down", "migrate redo", "migrate status", "migrate recover", "migrate baseline",
		"migrate accept", "migrate restore", "load", "load create", "dev start", "dev stop", "dev status", "dev dsn", "dev daemon", "doctor", "unlock",
	}
	for _, c := range commands() {
		args, off := offline[c.name]
		switch {
		case c.bind == nil:
			continue
		case !off && !slices.Contains(online, c.name):
			t.Errorf("%s: is it offline?", c.name)
		case off:
			for _, flags := range [][]string{nil, {"-e", "local"}, {"--json"}} {
				run(slices.Concat(flags, strings.Fields(c.name), args)...)
				_ = os.RemoveAll(filepath.Join(dir, "new"))
			}
		}
		if !c.hidden {
			run(append(strings.Fields(c.name), "--help")...)
			run(append([]string{"help"}, strings.Fields(c.name)...)...)
			run(append(append([]string{"__complete", "--"}, strings.Fields(c.name)...), "")...)
			run(append(append([]string{"__complete", "--"}, strings.Fields(c.name)...), "-")...)
		}
	}
	for _, args := range [][]string{
		{"completion", "zsh"},
		{"completion", "fish"},
		{"__complete", "--", "-e", ""},
		{"__complete", "--", "load", ""},
		{"__complete", "--", "migrate", "up", ""},
		{"show", "l"},
		{"show", "l", "-e", "local"},
	} {
		run(args...)
	}

	// What a shell would read, and what a terminal would obey, is no candidate.
	for _, name := range []string{"$(touch X)", "a b", "`x`", "a;b", "-x", "a\x1b[2J"} {
		write(t, dir, "loads/"+name+".sql", "x")
	}
	write(t, dir, "migrations/00007_$(touch X)\x1b[2J.sql", "x")
	got := run("__complete", "--", "load", "") + run("__complete", "--", "migrate", "up", "")
	if strings.ContainsAny(got, "$`;\x1b") || strings.Contains(got, "-x") || !strings.Contains(got, "l\tload\n") || !strings.Contains(got, "7\t\n") {
		t.Errorf("candidates: %q", got)
	}
}

// TestHostileRepository: git runs nothing that a folder's repository names, neither a bare one within a folder, nor a monitor, nor a filter.
func TestHostileRepository(t *testing.T) {
	t.Parallel()
	const commit = "mkdir r && cd r && git init -q . && echo '* filter=x' > .gitattributes && echo a > a && git add -A && git -c user.name=u -c user.email=e commit -qm x && "
	for name, prepare := range map[string]string{
		"bare":                   "mkdir r && cd r && git init -q --bare . && git config core.bare false && git config core.worktree .",
		"monitor":                "mkdir r && cd r && git init -q .",
		"filter":                 commit + "echo b > a && git config filter.x.clean 'touch ../ran; cat'",
		"filter of the worktree": commit + "echo b > a && git config extensions.worktreeConfig true && git config --worktree filter.x.clean 'touch ../ran; cat'",
		"filter of a file":       commit + "echo b > a && printf '[filter \"x\"]\\n clean = touch ../ran; cat\\n' > .git/more && git config include.path more",
		"missing objects": commit + "git config remote.o.url file://$PWD && git config remote.o.promisor true && git config extensions.partialClone o && " +
			"git config remote.o.uploadpack 'touch ../ran;' && t=$(git rev-parse HEAD^{tree}) && rm -f .git/objects/$(echo $t | cut -c1-2)/$(echo $t | cut -c3-)",
	} {
		dir := t.TempDir()
		shellRun(t, dir, prepare+" && git config core.fsmonitor 'touch ../ran; echo' && git config diff.external 'touch ../ran'")
		a := testApp(&bytes.Buffer{}, &bytes.Buffer{})
		a.actor(t.Context(), filepath.Join(dir, "r"))
		if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
			t.Errorf("%s: git ran what the repository names", name)
		}
	}
}

// TestUnencryptedIsSaid: a connection that others on the way can read is said, but for one to this machine.
func TestUnencryptedIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "dbctl.yaml", `project: p
environments:
  far: { host: 192.0.2.1, user: u, tls: false, connect_timeout: 1ms }
  near: { host: 127.0.0.1, port: 1, user: u, tls: false, connect_timeout: 1ms }
  safe: { host: 192.0.2.1, user: u, connect_timeout: 1ms }
`)
	for args, want := range map[string]bool{
		"-e far status": true, "-e near status": false, "-e safe status": false, "--dsn databend://u:p@192.0.2.1/d?sslmode=disable -e safe status": true,
	} {
		var out, errs bytes.Buffer
		Main(Process{
			Args: strings.Fields(args), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Dir: dir,
			Getenv: func(string) (string, bool) { return "", false }, IsTerminal: func(any) bool { return false },
		})
		if said := strings.Contains(errs.String(), "is not encrypted"); said != want || !strings.Contains(errs.String(), "dbctl: ") {
			t.Errorf("%s: said %v: %s", args, said, errs.String())
		}
	}
}

func TestProtectedBy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "dbctl.yaml", `project: p
default_env: dev
environments:
  prod: { dsn: "databend://u@db.example.com:443/d", protected: true }
  here: { host: 127.0.0.1, port: 8000, protected: true, tls: false }
  dev: { host: dev.example.com, connect_timeout: 100ms }
`)
	for dsn, want := range map[string]string{
		"databend://x:y@db.example.com/other": "prod", "databend://x:y@DB.example.com:8443/d": "prod", "databend://x:y@dev.example.com/d": "",
		"databend://x:y@127.0.0.1:8000/d?sslmode=disable": "here", "databend://x:y@127.0.0.1:9000/d?sslmode=disable": "",
		"databend://x:y@localhost:8000/d?sslmode=disable": "here", "databend://x:y@[::1]:8000/d?sslmode=disable": "here",
		"databend://x:y@db.example.com.:443/d": "prod",
	} {
		for _, args := range [][]string{{"migrate", "up"}, {"sql", "SELECT 1; DROP TABLE t"}} {
			var out, errs bytes.Buffer
			code := Main(Process{
				Args: append(args, "--dsn", dsn), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Dir: dir,
				Getenv: func(name string) (string, bool) {
					return map[string]string{"DBCTL_TIMEOUT": "1s"}[name], name == "DBCTL_TIMEOUT"
				}, IsTerminal: func(any) bool { return false },
			})
			asked := strings.Contains(errs.String(), `environment "`+want+`" is protected`)
			if want != "" && (code != int(exit.Usage) || !asked) || want == "" && strings.Contains(errs.String(), "is protected") {
				t.Errorf("%s %s: exit %d, %s", args[0], dsn, code, errs.String())
			}
		}
	}
}
