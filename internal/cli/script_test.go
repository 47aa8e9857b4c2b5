package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/golden"
)

// The scripts are the specification of the command line. They run dbctl in this process, off a terminal, in a folder of their own
// with the variables of the script and no others. Beside testscript's own verbs there are:
//
//	dbctl ARGS...      runs it; `!` before it when it must fail
//	from FILE ARGS...  likewise, with the file as its stdin
//	exits N            the exit code of the last dbctl
//	nosecret           no secret value stands in its output, nor in any file of the folder but .env
//	sql STATEMENT      runs a statement on the script's server, `!` before it when it must fail
//	rows QUERY ROW...  the query's rows, columns parted by a blank, are these
//	unload PATH QUERY  writes the query's rows as a Parquet file to PATH of the bucket's prefix
//	put PATH FILE      puts a file of the folder there
//	cut TEXT ARGS...   runs dbctl as a process, which is killed (-9) while the server has a statement that begins with this text
//	says FILE          what the last dbctl said, on both streams, is the file, but for what differs from run to run; a line `…` stands
//	                   for any lines. With -update the file is written
//
// $DB and $STATEDB name its databases, $BUCKET and $PREFIX its place in the object store, and $DSN is the server with its password.
// In every file of a script @DB@, @STATEDB@, @BUCKET@, @PREFIX@, @ENDPOINT@, @HOST@, @PORT@ and @USER@ are the server's.

// secretVariables are what nosecret looks for.
var secretVariables = []string{"TEST_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}

// defaultProject is dbctl.yaml of a script that has none of its own.
const defaultProject = `project: scripts
default_env: test
vars: { bucket: "@BUCKET@", prefix: "@PREFIX@", s3_endpoint: "@ENDPOINT@" }
environments:
  test: { dsn: "databend://@USER@@@HOST@:@PORT@/@DB@?sslmode=disable", password: TEST_PASSWORD, state_database: @STATEDB@ }
`

// TestMain makes this test binary the daemon of a local engine when it is started as one: package local runs its own executable.
func TestMain(m *testing.M) {
	if os.Args[0] != "dbctl" {
		os.Exit(m.Run())
	}
	os.Exit(Main(Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.LookupEnv, Signals: Signals(),
		IsTerminal: func(any) bool { return false },
	}))
}

// TestOffline runs the scripts that need no server.
func TestOffline(t *testing.T) {
	t.Parallel()
	for _, f := range scripts(t, "testdata/offline") {
		testscript.Run(t, testscript.Params{Files: []string{f}, Cmds: scriptVerbs(), UpdateScripts: golden.Update(), RequireExplicitExec: true})
	}
}

func scripts(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts of %s: %v, %v", dir, files, err)
	}
	return files
}

// TestScript runs the scripts that do, each with a database, a state database and a prefix of its own.
func TestScript(t *testing.T) {
	t.Parallel()
	for _, f := range scripts(t, "testdata/script") {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			t.Parallel()
			env := databendtest.New(t)
			testscript.Run(t, testscript.Params{
				Files: []string{f}, Cmds: serverVerbs(t, f, env), UpdateScripts: golden.Update(), RequireExplicitExec: true,
				Condition: func(c string) (bool, error) {
					if c != "embedded" { // without it nothing can be cut
						return false, fmt.Errorf("no condition %s", c)
					}
					return env.Embedded, nil
				},
				Setup: func(e *testscript.Env) error { return setup(e, env) },
			})
		})
	}
}

// setup gives a script its project, its server's names and the secrets.
func setup(e *testscript.Env, env *databendtest.Env) error {
	e.Setenv("DSN", env.DSN(""))
	e.Setenv("DB", env.Database)
	e.Setenv("STATEDB", env.StateDB)
	e.Setenv("BUCKET", env.Bucket)
	e.Setenv("PREFIX", env.Prefix)
	e.Setenv("TEST_PASSWORD", env.Config.Password.Reveal())
	e.Setenv("AWS_ACCESS_KEY_ID", env.S3.Key)
	e.Setenv("AWS_SECRET_ACCESS_KEY", env.S3.Secret.Reveal())
	config := filepath.Join(e.WorkDir, "dbctl.yaml")
	if _, err := os.Stat(config); os.IsNotExist(err) {
		if err := os.WriteFile(config, []byte(defaultProject), 0o644); err != nil {
			return err
		}
	}
	names := strings.NewReplacer(
		"@DB@", env.Database, "@STATEDB@", env.StateDB, "@BUCKET@", env.Bucket, "@PREFIX@", env.Prefix, "@ENDPOINT@", env.S3.Endpoint,
		"@HOST@", env.Config.Host, "@PORT@", strconv.Itoa(env.Config.Port), "@USER@", env.Config.User,
	)
	return filepath.WalkDir(e.WorkDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(names.Replace(string(text))), 0o644)
	})
}

// scriptCommands are the scripts' own.
type scriptCommands map[string]func(ts *testscript.TestScript, neg bool, args []string)

// scriptVerbs are those that need no server.
func scriptVerbs() scriptCommands {
	code := -1
	return scriptCommands{
		"dbctl": func(ts *testscript.TestScript, neg bool, args []string) {
			code = runScripted(ts, "", args)
			if (code != 0) != neg {
				ts.Fatalf("exit %d", code)
			}
		},
		"from": func(ts *testscript.TestScript, neg bool, args []string) {
			code = runScripted(ts, ts.ReadFile(args[0]), args[1:])
			if (code != 0) != neg {
				ts.Fatalf("exit %d", code)
			}
		},
		"exits": func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) != 1 || neg {
				ts.Fatalf("usage: exits N")
			}
			if got := strconv.Itoa(code); got != args[0] {
				ts.Fatalf("exit %s, want %s", got, args[0])
			}
		},
		"nosecret": func(ts *testscript.TestScript, neg bool, args []string) { noSecret(ts) },
	}
}

// serverVerbs are all, for a script that has a server.
func serverVerbs(t *testing.T, file string, env *databendtest.Env) scriptCommands {
	v, session := scriptVerbs(), env.Session(t)
	v["says"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) != 1 || neg {
			ts.Fatalf("usage: says FILE")
		}
		says(ts, file, args[0], env)
	}
	v["cut"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) < 2 || neg {
			ts.Fatalf("usage: cut TEXT ARGS...")
		}
		cutOff(t, ts, env, args[0], args[1:])
	}
	v["sql"] = func(ts *testscript.TestScript, neg bool, args []string) {
		_, err := session.Exec(context.Background(), databend.Statement{SQL: strings.Join(args, " ")})
		if (err != nil) != neg {
			ts.Fatalf("%v", err)
		}
	}
	v["rows"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) == 0 || neg {
			ts.Fatalf("usage: rows QUERY ROW...")
		}
		res, err := session.Query(context.Background(), databend.Statement{SQL: args[0]})
		ts.Check(err)
		got := []string{}
		for _, r := range res.Rows {
			cells := make([]string, len(r))
			for i, c := range r {
				if cells[i] = c.String; !c.Valid {
					cells[i] = "NULL"
				}
			}
			got = append(got, strings.Join(cells, " "))
		}
		if !slices.Equal(got, args[1:]) {
			ts.Fatalf("rows of %s:\ngot  %q\nwant %q", args[0], got, args[1:])
		}
	}
	v["unload"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) != 2 || neg {
			ts.Fatalf("usage: unload PATH QUERY")
		}
		// A path that ends in a name of ours needs SINGLE and the raw path.
		_, err := session.Exec(context.Background(), databend.Statement{SQL: fmt.Sprintf(
			"COPY INTO 's3://%s/%s%s' CONNECTION = (ENDPOINT_URL = '%s' REGION = 'us-east-1' ACCESS_KEY_ID = '%s' SECRET_ACCESS_KEY = '%s') "+
				"FROM (%s) FILE_FORMAT = (TYPE = PARQUET) SINGLE = TRUE USE_RAW_PATH = TRUE OVERWRITE = TRUE",
			env.Bucket, env.Prefix, args[0], env.S3.Endpoint, env.S3.Key, env.S3.Secret.Reveal(), args[1])})
		ts.Check(err)
	}
	v["put"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) != 2 || neg {
			ts.Fatalf("usage: put PATH FILE")
		}
		ts.Check(env.S3.Put(context.Background(), env.Bucket, env.Prefix+args[0], []byte(ts.ReadFile(args[1]))))
	}
	return v
}

// cutOff runs dbctl as a process and kills it while the server has a statement that begins with text.
func cutOff(t *testing.T, ts *testscript.TestScript, env *databendtest.Env, text string, args []string) {
	env.Fault(t, databendtest.Fault{Action: "hold", Match: "^" + regexp.QuoteMeta(text), Hold: 10})
	self, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(self, args...)
	cmd.Args[0], cmd.Dir = "dbctl", ts.MkAbs(".")
	for _, name := range append([]string{"PATH", "HOME"}, secretVariables...) {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	sent := func() (n int) {
		for _, r := range env.Log(t) {
			if strings.HasPrefix(r.SQL, text) {
				n++
			}
		}
		return n
	}
	before := sent()
	ts.Check(cmd.Start())
	for sent() == before {
		time.Sleep(20 * time.Millisecond)
	}
	ts.Check(cmd.Process.Kill())
	_ = cmd.Wait()
}

// says compares what the last dbctl said with a file of the script, which -update writes.
func says(ts *testscript.TestScript, script, name string, env *databendtest.Env) {
	got := ""
	for line := range strings.Lines(ts.ReadFile("stderr") + ts.ReadFile("stdout")) {
		if !progress.MatchString(line) {
			got += line
		}
	}
	if want := ts.ReadFile(name); same(strings.Split(strings.TrimSpace(got), "\n"), strings.Split(strings.TrimSpace(want), "\n")) {
		return
	}
	if !golden.Update() {
		ts.Fatalf("it said:\n%s", got)
	}
	a, err := txtar.ParseFile(script)
	ts.Check(err)
	names := strings.NewReplacer(env.StateDB, "@STATEDB@", env.Database, "@DB@")
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(names.Replace(got))
		}
	}
	ts.Check(os.WriteFile(script, txtar.Format(a), 0o644))
}

// runScripted runs dbctl for a script.
func runScripted(ts *testscript.TestScript, stdin string, args []string) int {
	return Main(Process{
		Args: args, Stdin: strings.NewReader(stdin), Stdout: ts.Stdout(), Stderr: ts.Stderr(), Dir: ts.MkAbs("."),
		Getenv:     func(k string) (string, bool) { v := ts.Getenv(k); return v, v != "" },
		IsTerminal: func(any) bool { return false },
	})
}

func noSecret(ts *testscript.TestScript) {
	texts := map[string]string{"stdout": ts.ReadFile("stdout"), "stderr": ts.ReadFile("stderr")}
	ts.Check(filepath.WalkDir(ts.Getenv("WORK"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == ".env" {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	}))
	for _, name := range secretVariables {
		value := ts.Getenv(name)
		if value == "" {
			continue
		}
		for where, text := range texts {
			if bytes.Contains([]byte(text), []byte(value)) {
				ts.Fatalf("the value of %s stands in %s", name, where)
			}
		}
	}
}
