package project

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// TestNoRoom: a file that cannot be written is not left empty, where the next try would find it and the project would be broken by it.
func TestNoRoom(t *testing.T) {
	if dir := os.Getenv("DBCTL_TEST_NO_ROOM"); dir != "" { // in the process below, which may write no byte into a file
		_, err := RestoreMigration(dir, 1, "x", "-- +goose Up\n")
		fmt.Println("said:", err)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -f 0; exec "$0" -test.run='^TestNoRoom$'`, os.Args[0])
	cmd.Env = append(os.Environ(), "DBCTL_TEST_NO_ROOM="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "said: write migrations/00001_x.sql: ") {
		t.Fatalf("%v: %s", err, out)
	}
	if left, err := os.ReadDir(filepath.Join(dir, MigrationsDir)); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// files is a project's folder: content by path.
type files map[string]string

const (
	devConfig = `project: p
default_env: dev
vars: { bucket: b1, dim: 768 }
environments:
  dev: { host: localhost, user: u, database: db }
`
	upDown  = "-- +goose Up\nCREATE TABLE t (a INT);\n-- +goose Down\nDROP TABLE t;\n"
	copySQL = "COPY INTO t (a, b) FROM (SELECT a::INT, b::STRING FROM @s/p/) FILE_FORMAT = (TYPE = 'PARQUET');\n"
)

// folder writes files, on top of a config, into a new folder.
func folder(t testing.TB, more files) string {
	t.Helper()
	dir := t.TempDir()
	all := files{ConfigFile: devConfig}
	maps.Copy(all, more)
	for path, content := range all {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func env(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func open(t testing.TB, more files) *Project {
	t.Helper()
	p, err := Open(Options{Dir: folder(t, more)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOpen(t *testing.T) {
	t.Parallel()
	p := open(t, files{
		"migrations/20260101000000_later.sql": upDown,
		"migrations/00002_second.sql":         "-- +goose Up\n",
		"migrations/1_first_of_all.sql": "\ufeff-- dbctl: allow=irreversible \"old data goes\"\r\n-- dbctl: adopt \"made by hand\"\r\n-- +goose Up\r\n" +
			"-- a comment\r\nCREATE CONNECTION c STORAGE_TYPE = 's3' SECRET_ACCESS_KEY = {{ secret \"KEY\" }} ACCESS_KEY_ID = '{{ secret \"ID\" }}';\r\n" +
			"\tUSE {{ ident database }}; SELECT {{ env_name | quote }}, {{ warehouse | quote }}, {{ var \"dim\" }}, {{ var \"no\" \"d\" }}{{ if has \"no\" }}, 1{{ end }}\r\n",
		"migrations/README.md":           "text",
		"migrations/.00003_x.sql.swp":    "x",
		"migrations/.hidden.sql":         "x",
		"migrations/old/00001_first.sql": "not read",
		"migrations/helpers.go":          "package x",
		"migrations/00004_x_test.go":     "package x",
		"migrations/00004_x.sql.bak":     "x",
		"loads/videos.sql":               "-- dbctl: filename-column=a\n-- dbctl: on-changed=replace\n-- dbctl: rule=time-range:off \"known\"\n-- dbctl: optional=b\n" + copySQL,
		"loads/daily/deep/events.sql":    "-- dbctl: window=capture_date=%Y-%m-%d 7d\n-- dbctl: empty=ok\n-- dbctl: pattern=.*[.]parquet\n" + copySQL,
		"loads/.hidden/x.sql":            "x",
		"loads/notes.txt":                "x",
	})
	type row struct {
		version int64
		name    string
		path    string
		down    bool
		up      int
		secrets string
	}
	var got []row
	for _, m := range p.Migrations {
		got = append(got, row{m.Version, m.Name, m.Path, m.HasDown, len(m.Up.Statements), strings.Join(m.Up.Secrets, ",")})
	}
	want := []row{
		{1, "first_of_all", "migrations/1_first_of_all.sql", false, 3, "ID,KEY"},
		{2, "second", "migrations/00002_second.sql", false, 0, ""},
		{20260101000000, "later", "migrations/20260101000000_later.sql", true, 1, ""},
	}
	if d := cmp.Diff(got, want, cmp.AllowUnexported(row{})); d != "" {
		t.Errorf("migrations: got, want: %s", d)
	}
	if p.Migration(3) != nil || p.Migration(2).Name != "second" || p.Migration(20260101000000).Name != "later" || p.Migration(0) != nil {
		t.Error("Migration finds the wrong one")
	}
	first := p.Migrations[0]
	statements := []string{}
	for _, s := range first.Up.Statements {
		statements = append(statements, fmt.Sprintf("%d:%d %s", s.Line, s.Column, s.SQL))
	}
	if d := cmp.Diff(statements, []string{
		`5:1 CREATE CONNECTION c STORAGE_TYPE = 's3' SECRET_ACCESS_KEY = {{ secret "KEY" }} ACCESS_KEY_ID = '{{ secret "ID" }}'`,
		"6:2 USE `db`",
		"6:28 SELECT 'dev', 'default', 768, d",
	}); d != "" {
		t.Errorf("statements: got, want: %s", d)
	}
	if len(first.Headers) != 2 || first.Headers[0].Value != "irreversible" || first.Headers[0].Why != "old data goes" {
		t.Errorf("headers: got %+v", first.Headers)
	}
	if len(p.Loads) != 2 || p.Loads[0].Name != "daily/deep/events" || p.Loads[1].Name != "videos" {
		t.Fatalf("loads: got %+v", p.Loads)
	}
	if d := cmp.Diff(p.Loads[0].LoadHeader, LoadHeader{Window: Window{"capture_date=%Y-%m-%d", 7 * 24 * time.Hour}, EmptyOK: true, Pattern: ".*[.]parquet"}); d != "" {
		t.Errorf("events: got, want: %s", d)
	}
	videos := p.Loads[1]
	if d := cmp.Diff(videos.LoadHeader, LoadHeader{
		FilenameColumn: "a", OnChanged: "replace", Optional: []string{"b"}, Rules: map[string]string{"time-range": "off"},
	}); d != "" {
		t.Errorf("videos: got, want: %s", d)
	}
	if videos.Statement.Line != 5 || videos.Copy.Stage != "s" || videos.Copy.Path != "p/" || videos.Path != "loads/videos.sql" {
		t.Errorf("videos: got %+v", videos)
	}
}

// TestOpenEnvironment checks what an environment becomes.
func TestOpenEnvironment(t *testing.T) {
	t.Parallel()
	const yaml = `
project: city-drive.2
default_env: local
vars: &v { bucket: b1, dim: 0768, on: true, pi: 3.140, quoted: "a b", from: { env: FROM }, other: { env: OTHER } }
secrets:
  AWS: { file: keys/aws }
  VAULT: { command: [vault, kv, get], json: data.key }
environments:
  local: { engine: embedded, data: ./sample, skip_unsupported: true }
  base: &base
    host: db.example.com
    port: 8000
    tls: false
    user: dbctl
    password: DB_PASSWORD
    role: loader
    tenant: tn
    lock_wait: 10s
    connect_timeout: 2m
    vars: { bucket: b2 }
    secrets: { AWS: { env: OTHER_AWS } }
    env_file: env/base
  child:
    <<: *base
    user: child
    vars: { <<: *v, bucket: b3 }
  prod: { dsn: "databend://ann@[::1]:443/city?warehouse=w1&role=r1&sslmode=disable", access_token: TOKEN, role: r2, protected: true, state_database: st }
  file: { dsn: "databend://h", access_token_file: token, database: d }
  tuned: { dsn: "databend://h/d?access_token_file=token&connect_timeout=5s&max_threads=2" }
`
	dir := folder(t, files{ConfigFile: yaml, "env/base": "\ufeffFROM='file $x'\r\nOTHER=\"a\nb\"\nBOTH=file\n", "e2": "FROM=flag\n"})
	data := []Data{{Place: sqltext.Place{File: ConfigFile, Line: 9, Column: 30}, Folder: filepath.Join(dir, "sample")}}
	process := map[string]string{"BOTH": "process", "EMPTY": ""}
	vars := func(more ...string) map[string]string {
		m := map[string]string{"bucket": "b1", "dim": "0768", "on": "true", "pi": "3.140", "quoted": "a b"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	for name, test := range map[string]struct {
		o    Options
		want Environment
	}{
		"default": {Options{}, Environment{
			Name: "local", Embedded: true, Engine: "env-local", Data: data, SkipUnsupported: true, Database: "default", StateDatabase: "dbctl", Vars: vars(),
		}},
		"local vars and --var": {
			Options{LocalVars: map[string]string{"bucket": "lb", "s3_endpoint": "http://x"}, Vars: map[string]string{"bucket": "flag", "dim": ""}},
			Environment{
				Name: "local", Embedded: true, Engine: "env-local", Data: data, SkipUnsupported: true, Database: "default", StateDatabase: "dbctl",
				Vars: vars("bucket", "flag", "s3_endpoint", "http://x", "dim", ""),
			},
		},
		"base": {Options{Env: "base"}, Environment{
			Name: "base", Host: "db.example.com", Port: 8000, Plain: true, User: "dbctl", Password: "DB_PASSWORD", Role: "loader", Tenant: "tn", Database: "default",
			StateDatabase: "dbctl", LockWait: 10 * time.Second, ConnectTimeout: 2 * time.Minute,
			Vars: vars("bucket", "b2", "from", "file $x", "other", "a\nb"),
		}},
		"merged, --env-file": {Options{Env: "child", EnvFile: filepath.Join(dir, "e2")}, Environment{
			Name: "child", Host: "db.example.com", Port: 8000, Plain: true, User: "child", Password: "DB_PASSWORD", Role: "loader", Tenant: "tn", Database: "default",
			StateDatabase: "dbctl", LockWait: 10 * time.Second, ConnectTimeout: 2 * time.Minute, Vars: vars("bucket", "b3", "from", "flag"),
		}},
		"dsn": {Options{Env: "prod"}, Environment{
			Name: "prod", Host: "::1", Port: 443, Plain: true, User: "ann",
			Database: "city", Warehouse: "w1", Role: "r2", AccessToken: "TOKEN", Protected: true, StateDatabase: "st", Vars: vars(),
		}},
		"token file": {Options{Env: "file"}, Environment{
			Name: "file", Host: "h", Database: "d", AccessTokenFile: filepath.Join(dir, "token"), StateDatabase: "dbctl", Vars: vars(),
		}},
		"all in the dsn": {Options{Env: "tuned"}, Environment{
			Name: "tuned", Host: "h", Database: "d", AccessTokenFile: filepath.Join(dir, "token"), ConnectTimeout: 5 * time.Second,
			Settings: map[string]string{"max_threads": "2"}, StateDatabase: "dbctl", Vars: vars(),
		}},
		"--dsn": {Options{Env: "prod", DSNGiven: true, Database: "other", Warehouse: "w9"}, Environment{
			Name: "prod", Database: "other", Warehouse: "w9", Protected: true, StateDatabase: "st", Vars: vars(),
		}},
		"--dsn and an embedded default": {Options{DSNGiven: true}, Environment{
			Name: "local", SkipUnsupported: true, Database: "default", StateDatabase: "dbctl", Vars: vars(),
		}},
	} {
		test.o.Dir, test.o.Getenv = dir, env(process)
		p, err := Open(test.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(p.Env, test.want); d != "" {
			t.Errorf("%s: got, want: %s", name, d)
		}
	}

	p, err := Open(Options{Dir: dir, Env: "base", Getenv: env(process)})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p.Sources, map[string]secret.Source{"AWS": {Env: "OTHER_AWS"}, "VAULT": {Command: []string{"vault", "kv", "get"}, JSON: "data.key"}}); d != "" {
		t.Errorf("sources: got, want: %s", d)
	}
	if d := cmp.Diff(p.Environments, []string{"local", "base", "child", "prod", "file", "tuned"}); d != "" {
		t.Errorf("environments: got, want: %s", d)
	}
	for name, want := range map[string]string{"BOTH": "process true", "FROM": "file $x true", "EMPTY": " true", "NONE": " false"} {
		value, ok := p.Getenv(name)
		if got := fmt.Sprint(value, " ", ok); got != want {
			t.Errorf("Getenv(%s): got %s, want %s", name, got, want)
		}
	}
	if _, ok := os.LookupEnv("OTHER"); ok {
		t.Error("the env file came into the process's environment")
	}
	bare := folder(t, files{ConfigFile: "project: p\nenvironments: { e: { role: r } }"})
	if p, err = Open(Options{Dir: bare, NoEnv: true}); err != nil || p.Env.Name != "" || p.Env.Database != "default" {
		t.Errorf("NoEnv: got %+v, %v", p, err)
	}
	if p, err = Open(Options{Dir: bare, NoEnv: true, Env: "e"}); err != nil || p.Env.Role != "r" {
		t.Errorf("NoEnv with -e: got %+v, %v", p, err)
	}
	if p, err = Open(Options{Dir: bare, DSNGiven: true, Database: "d"}); err != nil || p.Env.Database != "d" {
		t.Errorf("--dsn: got %+v, %v", p, err)
	}
}

// TestChecksums holds what is a change of a section and what is not.
func TestChecksums(t *testing.T) {
	t.Parallel()
	section := func(content, bucket string) Migration {
		p, err := Open(Options{Dir: folder(t, files{"migrations/1_a.sql": content}), Vars: map[string]string{"bucket": bucket}})
		if err != nil {
			t.Fatal(err)
		}
		return p.Migrations[0]
	}
	const text = "-- head\n-- +goose Up\nSELECT '{{ var \"bucket\" }}';\n-- +goose Down\nSELECT 2;\n"
	base := section(text, "b")
	for name, m := range map[string]Migration{
		"CRLF": section(strings.ReplaceAll(text, "\n", "\r\n"), "b"),
		"BOM":  section("\ufeff"+text, "b"),
		"head": section("-- another\n"+text, "b"),
	} {
		if m.Up.Checksum != base.Up.Checksum || m.Up.ExpandedChecksum != base.Up.ExpandedChecksum || m.Down.Checksum != base.Down.Checksum {
			t.Errorf("%s changes a checksum", name)
		}
	}
	if m := section(text, "c"); m.Up.Checksum != base.Up.Checksum || m.Up.ExpandedChecksum == base.Up.ExpandedChecksum {
		t.Error("a var must change the expanded checksum alone")
	}
	if m := section(strings.Replace(text, "SELECT 2", "SELECT 3", 1), "b"); m.Up.Checksum != base.Up.Checksum || m.Down.Checksum == base.Down.Checksum {
		t.Error("an edit of Down must change the checksum of Down alone")
	}
	if m := section(strings.Replace(text, "SELECT '", "SELECT  '", 1), "b"); m.Up.Checksum == base.Up.Checksum {
		t.Error("an edit of Up must change its checksum")
	}
	// The form is a contract: it is stored in journals. The digest is sha256sum's of "a\nb\n".
	if got, want := checksum("\ufeffa\r\nb\n"), "v1:911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTaskSQL checks what {{ load "…" }} makes of a COPY.
func TestTaskSQL(t *testing.T) {
	t.Parallel()
	const parquet = `'([^_./][^/]*/)*[^_./][^/]*[.](?i:parquet)'`
	for sql, want := range map[string]string{
		"COPY INTO t FROM @s/p/ FILE_FORMAT = (TYPE = 'PARQUET');":               "COPY INTO `db`.t FROM @s/p/ FILE_FORMAT = (TYPE = 'PARQUET')\nPATTERN = " + parquet,
		"copy into other.`T t` from @s FILE_FORMAT=(type=parquet)":               "copy into other.`T t` from @s FILE_FORMAT=(type=parquet)\nPATTERN = " + parquet,
		"COPY INTO t FROM @s/p/ FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1) -- c": "COPY INTO `db`.t FROM @s/p/ FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1)\nPATTERN = '([^_./][^/]*/)*[^_./][^/]*[.](?i:csv([.](gz|zst|bz2|xz))?)'",
		"COPY INTO t FROM @s/p/v FILE_FORMAT = (TYPE = PARQUET)":                 "COPY INTO `db`.t FROM @s/p/v FILE_FORMAT = (TYPE = PARQUET)\nPATTERN = '[^/]*(/[^_./][^/]*)*[.](?i:parquet)'",
		"COPY INTO t FROM @s/p/":                                                          "COPY INTO `db`.t FROM @s/p/\nPATTERN = '([^_./][^/]*/)*[^_./][^/]*[.](?i:parquet|orc|avro|(csv|tsv|ndjson|jsonl|json)([.](gz|zst|bz2|xz))?)'",
		"COPY INTO t FROM @s/p/ FILE_FORMAT = (FORMAT_NAME = 'f')":                        "COPY INTO `db`.t FROM @s/p/ FILE_FORMAT = (FORMAT_NAME = 'f')\nPATTERN = '([^_./][^/]*/)*[^_./][^/]*'",
		"COPY INTO t FROM @s/p/ PATTERN = '.*x' FILE_FORMAT = (TYPE = PARQUET)":           "COPY INTO `db`.t FROM @s/p/ PATTERN = '.*x' FILE_FORMAT = (TYPE = PARQUET)",
		"COPY INTO t FROM @s/p/ FILES = ('a') FILE_FORMAT = (TYPE = PARQUET)":             "COPY INTO `db`.t FROM @s/p/ FILES = ('a') FILE_FORMAT = (TYPE = PARQUET)",
		"COPY INTO t FROM @s/p/a.parquet FILE_FORMAT = (TYPE = PARQUET)":                  "COPY INTO `db`.t FROM @s/p/a.parquet FILE_FORMAT = (TYPE = PARQUET)",
		"-- dbctl: pattern='.*[.]pq'\nCOPY INTO t FROM @s/p/":                             "COPY INTO `db`.t FROM @s/p/\nPATTERN = '.*[.]pq'",
		"-- dbctl: pattern=.*it's[.]parquet\nCOPY INTO t FROM @s/p/":                      "COPY INTO `db`.t FROM @s/p/\nPATTERN = '.*it\\'s[.]parquet'",
		"COPY INTO t (a) FROM (SELECT a::INT FROM @s/p/) FILE_FORMAT = (TYPE = PARQUET);": "COPY INTO `db`.t (a) FROM (SELECT a::INT FROM @s/p/) FILE_FORMAT = (TYPE = PARQUET)\nPATTERN = " + parquet,
	} {
		p := open(t, files{
			"loads/l.sql":        sql,
			"migrations/1_t.sql": "-- +goose Up\nCREATE TASK k SCHEDULE = 1 MINUTE AS\n{{ load \"l\" }};\n",
		})
		if got := p.Loads[0].taskSQL("db"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", sql, got, want)
		}
		if got := p.Migrations[0].Up.Statements[0].SQL; got != "CREATE TASK k SCHEDULE = 1 MINUTE AS\n"+want {
			t.Errorf("%s: the task is %s", sql, got)
		}
	}
}

func TestCreateMigration(t *testing.T) {
	t.Parallel()
	dir := folder(t, nil)
	now := time.Date(2026, 11, 22, 17, 25, 3, 0, time.FixedZone("CET", 3600))
	for _, test := range []struct {
		name       string
		sequential bool
		want       string
	}{
		{"First  table!", true, "migrations/00001_first_table.sql"},
		{"second", true, "migrations/00002_second.sql"},
		{"now", false, "migrations/20261122162503_now.sql"},
		{"same second", false, "migrations/20261122162504_same_second.sql"},
		{"Größe-2", true, "migrations/20261122162505_größe_2.sql"},
	} {
		got, err := CreateMigration(dir, test.name, "", test.sequential, now)
		if err != nil || got != test.want {
			t.Errorf("%s: got %s, %v, want %s", test.name, got, err, test.want)
		}
	}
	if _, err := CreateMigration(dir, "!?", "", false, now); err == nil {
		t.Error("a name without letters was taken")
	}
	p, err := Open(Options{Dir: dir})
	if err != nil || len(p.Migrations) != 5 || !p.Migrations[0].HasDown {
		t.Errorf("what create wrote does not open: %v", err)
	}
}
