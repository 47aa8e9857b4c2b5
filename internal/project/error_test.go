package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/exit"
)

// TestOpenErrors holds each mistake's file, line and column, its words and its hint.
func TestOpenErrors(t *testing.T) {
	t.Parallel()
	up := func(sql string) files { return files{"migrations/1_a.sql": "-- +goose Up\n" + sql} }
	load := func(sql string) files { return files{"loads/l.sql": sql} }
	yaml := func(text string) files { return files{ConfigFile: text} }
	envs := func(text string) files {
		return files{ConfigFile: "project: p\ndefault_env: e\nenvironments:\n  e:\n    " + text + "\n"}
	}
	for _, test := range []struct {
		name  string
		files files
		o     Options
		want  string // of the error
		hint  string // a part of the hint
	}{
		// dbctl.yaml
		{"unknown key", yaml("project: p\nenvironmnets: {}\n"), Options{}, "dbctl.yaml:2:1: unknown key environmnets in dbctl.yaml", "did you mean environments?"},
		{"unknown key, flow", yaml("project: p\nenvironments:\n  dev: { host: h, pasword: x }\n"), Options{}, "dbctl.yaml:3:19: unknown key pasword in environment dev", "did you mean password?"},
		{"unknown key, far", yaml("project: p\nzzzzzzz: 1\n"), Options{}, "dbctl.yaml:2:1: unknown key zzzzzzz in dbctl.yaml", "it may hold project, default_env"},
		{"unknown key of a source", yaml("project: p\nsecrets:\n  A: { fiel: x }\n"), Options{}, "dbctl.yaml:3:8: unknown key fiel in secret A", "did you mean file?"},
		{"unknown key of a var", yaml("project: p\nvars:\n  a: { evn: x }\n"), Options{}, "dbctl.yaml:3:8: unknown key evn in var a", "did you mean env?"},
		{"unknown key, merged", yaml("project: p\nenvironments:\n  a: &a { hots: h }\n  b: { <<: *a }\n"), Options{}, "dbctl.yaml:3:11: unknown key hots in environment a", "did you mean host?"},
		{"value for a key", yaml("project: p\nenvironments:\n  e:\n    password=hunter2: x\n"), Options{}, "dbctl.yaml:4:5: unknown key … in environment e", "dsn"},
		{"value for a name", yaml("project: p\nsecrets:\n  \"PASSWORD hunter2\": { file: x }\n"), Options{}, "dbctl.yaml:3:3: secret … is not a name", ""},
		{"BOM, CRLF, letters", yaml("\ufeffproject: p\r\n# é\r\nenvironments:\r\n  äö: { user: 'üü', hots: 1 }\r\n"), Options{}, "dbctl.yaml:4:21: unknown key hots in environment äö", "host"},
		{"key twice", yaml("project: p\nproject: q\n"), Options{}, `dbctl.yaml:2:1: YAML: mapping key "project" already defined at [1:1]`, "a key stands once"},
		{"syntax", yaml("project: p\nvars: { a: [hunter2\n"), Options{}, "dbctl.yaml:2:12: YAML: sequence end token ']' not found", ""},
		{"indentation", yaml("project: p\n vars: { a: 1 }\n"), Options{}, "dbctl.yaml:1:10: YAML: mapping value is not allowed in this context", ""},
		{"tab", yaml("project: p\nvars:\n\ta: 1\n"), Options{}, "dbctl.yaml:3:1: YAML: a tab stands where a line is indented", ""},
		{"two documents", yaml("project: p\n---\nproject: q\n"), Options{}, "dbctl.yaml:3:8: second YAML document", "one document"},
		{"a list", yaml("- a\n"), Options{}, "dbctl.yaml:1:1: dbctl.yaml is not a mapping", "key: value"},
		{"empty", yaml(""), Options{}, "dbctl.yaml:1:1: no project name", "project: citydrive"},
		{"only a comment", yaml("# nothing\n"), Options{}, "dbctl.yaml:1:1: no project name", "project: citydrive"},
		{"no project", yaml("default_env: a\nenvironments: { a: { host: h } }\n"), Options{}, "dbctl.yaml:1:1: no project name", "project: citydrive"},
		{"project is null", yaml("project:\n"), Options{}, "dbctl.yaml:1:1: project is not a text", ""},
		{"project is no name", yaml("project: a/b\n"), Options{}, "dbctl.yaml:1:1: the value of project is not a name", "letters"},
		{"alias without end", yaml("project: p\nvars: &a\n  x: *a\n"), Options{}, "dbctl.yaml:3:3: unknown key x in var x", ""},
		{"merge without end", yaml("project: p\nvars: &a\n  <<: *a\n"), Options{}, "dbctl.yaml:3:7: merge keys have no end", ""},
		{"alias of nothing", yaml("project: p\nvars: *a\n"), Options{}, "dbctl.yaml:2:7: alias without an anchor", ""},
		{"var without value", yaml("project: p\nvars:\n  a:\n"), Options{}, "dbctl.yaml:3:3: var a has no value", "{ env: NAME }"},
		{"var is a list", yaml("project: p\nvars:\n  a: [1]\n"), Options{}, "dbctl.yaml:3:6: var a is a list, and a var is one value", "write name: value"},
		{"var with a template", yaml("project: p\nvars:\n  a: 'x {{ secret \"K\" }}'\n"), Options{}, "dbctl.yaml:3:3: var a holds {{", "plain values"},
		{"var is no name", yaml("project: p\nvars: { a-b: 1 }\n"), Options{}, "dbctl.yaml:2:9: var a-b is not a name", ""},
		{"var from a secret", yaml("project: p\nvars: { k: { env: KEY } }\nsecrets: { S: { env: KEY } }\n"), Options{}, "dbctl.yaml:2:9: var k takes its value from the secret S", `{{ secret "S" }}`},
		{
			"var from a template's secret",
			files{"dbctl.yaml": "project: p\nvars: { k: { env: KEY } }\nenvironments: { e: { host: h } }\n", "migrations/1_c.sql": "-- +goose Up\nCREATE CONNECTION c STORAGE_TYPE = 's3' SECRET_ACCESS_KEY = {{ secret \"KEY\" }};\n"},
			Options{Env: "e"},
			"dbctl.yaml:2:9: var k takes its value from the secret KEY", "",
		},
		{"var from the password", envs("{ host: h, password: PW, vars: { k: { env: PW } } }"), Options{}, "dbctl.yaml:5:38: var k takes its value from the secret PW", ""},
		{"secret in clear", yaml("project: p\nsecrets:\n  KEY: hunter2\n"), Options{}, "dbctl.yaml:3:3: secret KEY says a value: no value may stand in this file", "{ file: path }"},
		{"secret of nothing", yaml("project: p\nsecrets:\n  KEY: { json: a }\n"), Options{}, "dbctl.yaml:3:3: secret KEY has not exactly one of env, file and command", ""},
		{"secret of two", yaml("project: p\nsecrets:\n  KEY: { file: a, env: b }\n"), Options{}, "dbctl.yaml:3:3: secret KEY has not exactly one of env, file and command", ""},
		{"json of env", yaml("project: p\nsecrets:\n  KEY: { env: a, json: b }\n"), Options{}, "dbctl.yaml:3:3: secret KEY has json: with env:", ""},
		{"command is a text", yaml("project: p\nsecrets:\n  KEY: { command: vault get }\n"), Options{}, "dbctl.yaml:3:10: command is not a list", "[first, second]"},
		{"unknown default", yaml("project: p\ndefault_env: prdo\nenvironments: { prod: { host: h } }\n"), Options{}, "dbctl.yaml:2:1: default_env names the unknown environment prdo", "did you mean prod?"},
		{"unknown environment", nil, Options{Env: "dve"}, "dbctl.yaml: unknown environment dve", "did you mean -e dev? there are dev"},
		{"unknown environment, none", yaml("project: p\n"), Options{Env: "x"}, "dbctl.yaml: unknown environment x", "add one below environments:"},
		{"no environment named", yaml("project: p\nenvironments: { a: { host: h }, b: { host: h } }\n"), Options{}, "dbctl.yaml: no environment is named, and there is no default_env", "-e ENV: there are a, b"},
		{"password in clear", envs("password: hunter-2"), Options{}, "dbctl.yaml:5:5: password is not the name of a secret", "password: DATABEND_PASSWORD"},
		{"password in the dsn", envs(`dsn: "databend://u:hunter2@h/d"`), Options{}, "dbctl.yaml:5:5: dsn holds a password", "password: DATABEND_PASSWORD"},
		{"empty password in the dsn", envs(`dsn: "databend://u:@h/d"`), Options{}, "dbctl.yaml:5:5: dsn holds a password", ""},
		{"token in the dsn", envs(`dsn: "databend://u@h/d?access_token=hunter2"`), Options{}, "dbctl.yaml:5:5: dsn holds access_token", "access_token: DATABEND_ACCESS_TOKEN"},
		{"broken dsn", envs(`dsn: "databend://u:hunter2%zz@h/d"`), Options{}, "dbctl.yaml:5:5: dsn holds a password", ""},
		{"broken port in the dsn", envs(`dsn: "databend://u@h:0/d"`), Options{}, "dbctl.yaml:5:5: read the DSN: its host, port, database or parameters " +
			"cannot be read; write an IPv6 address in brackets, and @ / ? # % in other places than the password as %40 %2F %3F %23 %25", ""},
		{"parameter of the dsn", envs(`dsn: "databend://u@h/d?timeout=5s"`), Options{}, "dbctl.yaml:5:5: read the DSN: parameter timeout is not taken: use --timeout, which ends a statement on the server", ""},
		{"another dsn", envs(`dsn: "mysql://u@h/d"`), Options{}, "dbctl.yaml:5:5: read the DSN: its scheme must be databend (or databend+http for plain HTTP)", "databend://user@host"},
		{"dsn and host", envs(`{ dsn: "databend://h", host: h }`), Options{}, "dbctl.yaml:5:28: host stands beside dsn", ""},
		{"two databases", envs(`{ dsn: "databend://h/a", database: b }`), Options{}, "dbctl.yaml:5:30: database differs from that of the dsn", ""},
		{"embedded with host", envs("{ engine: embedded, host: h }"), Options{}, "dbctl.yaml:5:25: host does not go with engine: embedded", ""},
		{"other engine", envs("engine: docker"), Options{}, "dbctl.yaml:5:5: engine is not embedded", ""},
		{"data of a server", envs("{ host: h, data: x }"), Options{}, "dbctl.yaml:5:16: data goes with engine: embedded only", ""},
		{"password and token", envs("{ host: h, password: A, access_token: B }"), Options{}, "dbctl.yaml:5:16: password stands beside an access token", ""},
		{"two tokens", envs("{ host: h, access_token_file: a, access_token: B }"), Options{}, "dbctl.yaml:5:16: access_token_file stands beside access_token", ""},
		{"no server", envs("role: r"), Options{}, "dbctl.yaml:4:3: environment e says no server", "dsn"},
		{"not a bool", envs("protected: maybe"), Options{}, "dbctl.yaml:5:5: protected is not true or false", "protected: true"},
		{"not a duration", envs("lock_wait: 5"), Options{}, "dbctl.yaml:5:5: lock_wait is not a duration", "90s"},
		{"negative duration", envs("lock_wait: -5s"), Options{}, "dbctl.yaml:5:5: lock_wait is not a duration", ""},
		{"not a host", envs("host: 'u:hunter2@h'"), Options{}, "dbctl.yaml:5:5: host is not the name or the address of a machine", "port:"},
		{"a host's path", envs("host: h/hunter2"), Options{}, "dbctl.yaml:5:5: host is not the name or the address of a machine", "port:"},
		{"a password in a user", envs("host: h\n    user: u:hunter2"), Options{}, "dbctl.yaml:6:5: user holds a colon", "password:"},
		{"not a port", envs("port: 99999"), Options{}, "dbctl.yaml:5:5: port is not a port number", ""},
		{"environment is no mapping", yaml("project: p\nenvironments:\n  e: hunter2\n"), Options{}, "dbctl.yaml:3:6: environment e is not a mapping", ""},
		{"var of the environment", files{ConfigFile: "project: p\ndefault_env: e\nvars: { a: { env: A } }\nenvironments: { e: { host: h } }\n"}, Options{Getenv: env(map[string]string{"A": "{{"})}, "dbctl.yaml:3:9: the environment variable A of var a holds {{", ""},
		{"--var", nil, Options{Vars: map[string]string{"a": "{{ secret \"X\" }}"}}, "--var a holds {{", ""},
		{"--var name", nil, Options{Vars: map[string]string{"a b": "1"}}, "--var a b is not a name", "NAME=VALUE"},
		{"env file", files{ConfigFile: strings.Replace(devConfig, "host:", "env_file: ef, host:", 1), "ef": "A=1\nB='two\nlines'\nhunter2 'x\n"}, Options{}, "ef:4: this is no NAME=value line", "NAME=value"},
		{"--env-file", nil, Options{EnvFile: "/nowhere/ef"}, "/nowhere/ef: the env file does not exist", ""},

		// file names
		{"two files, one version", files{"migrations/00002_a.sql": upDown, "migrations/2_b.sql": upDown}, Options{}, "migrations/2_b.sql: version 2 is that of migrations/00002_a.sql too", "next number"},
		{"version 0", files{"migrations/00000_a.sql": upDown}, Options{}, "migrations/00000_a.sql: version 0 is none: versions start at 1", "NUMBER_name.sql"},
		{"two of golang-migrate", files{"migrations/2_a.up.sql": upDown, "migrations/2_a.down.sql": upDown}, Options{}, "migrations/2_a.up.sql: version 2 is that of migrations/2_a.down.sql too", "put both into one file"},
		{"a dash", files{"migrations/2-b.sql": upDown}, Options{}, "migrations/2-b.sql: the file name does not start with a number and _", ""},
		{"no number", files{"migrations/a_b.sql": upDown}, Options{}, "migrations/a_b.sql: the file name does not start with a number and _", ""},
		{"neither", files{"migrations/views.sql": upDown}, Options{}, "migrations/views.sql: the file name does not start with a number and _", ""},
		{"sign", files{"migrations/+1_b.sql": upDown}, Options{}, "migrations/+1_b.sql: the file name does not start with a number and _", ""},
		{"no name", files{"migrations/1.sql": upDown}, Options{}, "migrations/1.sql: the file name has no name after a number and _", ""},
		{"empty name", files{"migrations/1_.sql": upDown}, Options{}, "migrations/1_.sql: the file name has no name after a number and _", ""},
		{"too large", files{"migrations/99999999999999999999_a.sql": upDown}, Options{}, "migrations/99999999999999999999_a.sql: the version is too large", ""},
		{"extension", files{"migrations/1_a.SQL": upDown}, Options{}, "migrations/1_a.SQL: the extension is .SQL", ".sql"},
		{"Go migration", files{"migrations/1_a.go": "package m"}, Options{}, "migrations/1_a.go: a migration in Go cannot be run", ""},
		{"load's name", files{"loads/a b.sql": copySQL}, Options{}, "loads/a b.sql: the file's name is not one of letters, digits and . _ / -", "rename it"},
		{"load's extension", files{"loads/a.Sql": copySQL}, Options{}, "loads/a.Sql: the extension is .Sql", ""},

		// text and annotations
		{"UTF-16", files{"migrations/1_a.sql": "\xff\xfe-\x00-\x00"}, Options{}, "migrations/1_a.sql:1:1: text is UTF-16", "UTF-8"},
		{"UTF-16 YAML", files{ConfigFile: "\xff\xfep\x00r\x00"}, Options{}, "dbctl.yaml:1:1: text is UTF-16", "UTF-8"},
		{"Latin-1 YAML", files{ConfigFile: "project: p # caf\xe9\n"}, Options{}, "dbctl.yaml:1:17: text is not UTF-8", "UTF-8"},
		{"a var as a function", files{"migrations/1_a.sql": "-- +goose Up\nSELECT '{{ bucket }}';\n"}, Options{}, "migrations/1_a.sql:2:12: template: function \"bucket\" not defined", `write {{ var "bucket" }}`},
		{"brackets", up(`SELECT '{{ var("a") }}';`), Options{}, "migrations/1_a.sql:2:15: template: unexpected \"(\" in operand", `{{ var "name" }}`},
		{"single quotes", up(`SELECT "{{ var 'abc' }}";`), Options{}, "migrations/1_a.sql:2:9: template: malformed character constant: 'abc'", "double quotes"},
		{"curly quotes", up(`SELECT '{{ var “a” }}';`), Options{}, "migrations/1_a.sql:2:9: template: unrecognized character in action: U+201C '“'", "double quotes"},
		{"three braces", up(`SELECT '{{{ var "a" }}}';`), Options{}, "migrations/1_a.sql:2:9: template: unexpected \"{\" in command", `{{ var "name" }}`},
		{"a var of no name", up(`SELECT '{{ var }}';`), Options{}, "migrations/1_a.sql:2:12: template: wrong number of args for var: want at least 1 got 0", `{{ var "name" }}`},
		{"an end of nothing", up(`SELECT 1 {{ end }};`), Options{}, "migrations/1_a.sql:2:10: template: unexpected {{end}}", "{{ if }}"},
		{"two defaults", up(`SELECT '{{ var "bucket" "x" "y" }}';`), Options{}, `migrations/1_a.sql:2:12: var "bucket" has more than one default`, `{{ var "bucket" "default" }}`},
		{"half an action", up(`SELECT '{{ var "a" }';`), Options{}, "migrations/1_a.sql:2:9: template: {{ is not closed", "an action ends with }}"},
		{"an action into the next", up(`SELECT '{{ var "a" }}', {{ secret "a", '{{ secret "b" }}';`), Options{}, "migrations/1_a.sql:2:25: template: {{ is not closed", "an action ends with }}"},
		{"an action to the end", load("COPY INTO t FROM @s/{{ var\n\"bucket\" FILE_FORMAT = (TYPE = CSV);\n"), Options{}, "loads/l.sql:1:21: template: {{ is not closed", "an action ends with }}"},
		{"not UTF-8", up("SELECT 'a\xff';"), Options{}, "migrations/1_a.sql:2:10: text is not UTF-8", "UTF-8"},
		{"NUL", up("SELECT 1\x00;"), Options{}, "migrations/1_a.sql:2:9: NUL byte", ""},
		{"no annotation", files{"migrations/1_a.sql": "SELECT 1;\n"}, Options{}, "migrations/1_a.sql:1:1: no -- +goose Up", "-- +goose Up"},
		{"ENVSUB", up("-- +goose ENVSUB ON\n"), Options{}, "migrations/1_a.sql:2:1: -- +goose ENVSUB ON is not supported", "{{ var"},
		{"unclosed string", up("SELECT 1;\nSELECT 'a;\n"), Options{}, "migrations/1_a.sql:3:8: string is not closed", ""},
		{"unclosed after a template", up("SELECT {{ var \"bucket\" | quote }},\n 1, {{ if true }}'b{{ end }};\n"), Options{}, "migrations/1_a.sql:3:18: string is not closed", ""},

		// headers
		{"unknown header", files{"migrations/1_a.sql": "-- dbctl: alow=irreversible \"x\"\n" + upDown}, Options{}, "migrations/1_a.sql:1:1: unknown header alow", "did you mean allow?"},
		{"header of a load", up("-- dbctl: optional=a\n"), Options{}, "migrations/1_a.sql:2:1: unknown header optional", "a header of a load"},
		{"allow what", up("-- dbctl: allow=ireversible \"x\"\n"), Options{}, "migrations/1_a.sql:2:1: allow=ireversible allows nothing", "did you mean irreversible?"},
		{"allow without why", up("-- dbctl: allow=out-of-order\n"), Options{}, "migrations/1_a.sql:2:1: allow says no reason", `allow=out-of-order "why"`},
		{"adopt without why", up("-- dbctl: adopt\n"), Options{}, "migrations/1_a.sql:2:1: adopt says no reason", `adopt "why"`},
		{"adopt a thing", up("-- dbctl: adopt=c \"x\"\n"), Options{}, "migrations/1_a.sql:2:1: adopt takes no value", ""},
		{"header of a migration", load("-- dbctl: adopt \"x\"\n" + copySQL), Options{}, "loads/l.sql:1:1: unknown header adopt", "a header of a migration"},
		{"unknown header of a load", load(copySQL + "-- dbctl: windows=7d\n"), Options{}, "loads/l.sql:2:1: unknown header windows", "did you mean window?"},
		{"window without length", load("-- dbctl: window=a=%Y-%m-%d\n" + copySQL), Options{}, "loads/l.sql:1:1: window=a=%Y-%m-%d has no length", ""},
		{"window's length", load("-- dbctl: window=a=%Y 7x\n" + copySQL), Options{}, "loads/l.sql:1:1: window=a=%Y 7x does not end in a length such as 7d", ""},
		{"window's verb", load("-- dbctl: window=a=%Y%q 7d\n" + copySQL), Options{}, "loads/l.sql:1:1: window=a=%Y%q 7d has a % that is not followed by Y, m, d or H", ""},
		{"window's date", load("-- dbctl: window=a=b 7d\n" + copySQL), Options{}, "loads/l.sql:1:1: window=a=b 7d has no date", ""},
		{"window below no folder", load("-- dbctl: window=a=%Y 7d\nCOPY INTO t FROM @s/p FILE_FORMAT = (TYPE = PARQUET);\n"), Options{}, "loads/l.sql:1:1: window=a=%Y 7d is about folders below the location, which does not end in /", "write @s/p/ in the COPY"},
		{"window of too many folders", load("-- dbctl: window=%Y%H 42d\n" + copySQL), Options{}, "loads/l.sql:1:1: window=%Y%H 42d is about more than 1000 folders", ""},
		{"on-changed", load("-- dbctl: on-changed=replce\n" + copySQL), Options{}, "loads/l.sql:1:1: on-changed=replce is unknown", "did you mean replace?"},
		{"replace without column", load("-- dbctl: on-changed=replace\n" + copySQL), Options{}, "loads/l.sql:1:1: on-changed=replace needs filename-column=", "METADATA$FILENAME"},
		{"filename-column", load("-- dbctl: filename-column=c\n" + copySQL), Options{}, "loads/l.sql:1:1: the COPY fills no column c", ""},
		{"filename-column in quotes", load("-- dbctl: filename-column=\"a b\"\n" + copySQL), Options{}, "loads/l.sql:1:1: filename-column= has a reason and no value: quotes hold the reason", "in backquotes"},
		{"filename-column in backquotes", load("-- dbctl: filename-column=`a b`\n" + copySQL), Options{}, "loads/l.sql:1:1: the COPY fills no column a b", ""},
		{"two in filename-column", load("-- dbctl: filename-column=a,b\n" + copySQL), Options{}, "loads/l.sql:1:1: filename-column= names more than one column", ""},
		{"optional", load("-- dbctl: optional=a,c\n" + copySQL), Options{}, `loads/l.sql:1:1: the SELECT reads no column "c"`, ""},
		{
			"optional field", load("-- dbctl: optional=a\nCOPY INTO t FROM (SELECT $1::INT FROM @st) FILE_FORMAT = (TYPE = CSV)"),
			Options{},
			`loads/l.sql:1:1: the SELECT reads no column "a"`, "a field by its number, or a key of $1, is NULL where a row lacks it, without optional=",
		},
		{"optional name", load("-- dbctl: optional=a, `x, y`\n" + copySQL), Options{}, `loads/l.sql:1:1: the SELECT reads no column "x, y"`, ""},
		{"rule's level", load("-- dbctl: rule=a:on \"x\"\n" + copySQL), Options{}, "loads/l.sql:1:1: rule a is neither off nor warn nor fail", "off|warn|fail"},
		{"rule's why", load("-- dbctl: rule=a:off\n" + copySQL), Options{}, "loads/l.sql:1:1: rule a says no reason", ""},
		{"rule twice", load("-- dbctl: rule=fraction:off \"x\"\n-- dbctl: rule=fraction:warn \"x\"\n" + copySQL), Options{}, "loads/l.sql:2:1: header rule fraction stands twice", ""},
		{"no such rule", load("-- dbctl: rule=fractions:off \"x\"\n" + copySQL), Options{}, "loads/l.sql:1:1: there is no rule fractions", "did you mean fraction?"},
		{"empty", load("-- dbctl: empty=yes\n" + copySQL), Options{}, "loads/l.sql:1:1: empty=yes is unknown", "empty=ok"},
		{"no pattern", load("-- dbctl: pattern='*.parquet'\nCOPY INTO t FROM @s/;"), Options{}, "loads/l.sql:1:1: pattern= is no regular expression: missing argument to repetition operator: `*`", ""},
		{"open pattern", load("-- dbctl: pattern='.*\nCOPY INTO t FROM @s/;"), Options{}, "loads/l.sql:1:1: pattern= is not closed with a quote", ""},
		{"two patterns", load("-- dbctl: pattern=x\nCOPY INTO t FROM @s/ PATTERN = 'y';"), Options{}, "loads/l.sql:1:1: pattern= stands beside PATTERN in the COPY", ""},

		// loads
		{"no statement", load("-- nothing\n"), Options{}, "loads/l.sql:1:1: there is no statement", "one COPY INTO"},
		{
			"a SELECT behind a COPY", load(copySQL + "\n  SELECT 1;"),
			Options{},
			"loads/l.sql:3:3: behind its COPY a load takes DML only, which runs in the COPY's transaction: this is SELECT", "belong in a migration",
		},
		{"a length of time that is none", load("-- dbctl: expect-every=soon\n" + copySQL), Options{}, "loads/l.sql:1:1: expect-every=soon is no length of time", "expect-every=24h"},
		{
			"a task of a load with statements behind its COPY",
			files{
				"loads/l.sql":        copySQL + " DELETE FROM t WHERE a IS NULL;",
				"migrations/1_t.sql": "-- +goose Up\nCREATE TASK k SCHEDULE = 1 MINUTE AS\n{{ load \"l\" }};\n",
			},
			Options{},
			"migrations/1_t.sql:3:4: load \"l\" has statements behind its COPY, which a task would not run", "--every",
		},
		{
			"DDL behind a COPY", load(copySQL + "\n  TRUNCATE TABLE t;"),
			Options{},
			"loads/l.sql:3:3: behind its COPY a load takes DML only, which runs in the COPY's transaction: this is TRUNCATE TABLE", "belong in a migration",
		},
		{"an option twice", load("COPY INTO t FROM @s/ FORCE = FALSE FORCE = TRUE;"), Options{}, "loads/l.sql:1:36: FORCE stands twice, and the engine takes the last", ""},
		{
			"a named format with options", load("COPY INTO t FROM @s/\nFILE_FORMAT = (FORMAT_NAME = 'csv' SKIP_HEADER = 1);"),
			Options{},
			"loads/l.sql:2:1: the engine passes over the options beside FORMAT_NAME", "write FORMAT_NAME alone",
		},
		{"no COPY", load("-- c\nINSERT INTO t VALUES (1);"), Options{}, "loads/l.sql:2:1: not a COPY INTO", "COPY INTO"},
		{"unload", load("COPY INTO @s FROM t;"), Options{}, "loads/l.sql:1:11: COPY INTO a location unloads; a load is a COPY INTO a table", ""},

		// templates
		{"unknown var", up("SELECT\n  '{{ var \"bukcet\" }}';"), Options{}, `migrations/1_a.sql:3:7: no var "bukcet"`, "did you mean bucket?"},
		{"unknown var, none near", up("SELECT 'ü', {{ var \"zzzzzz\" }};"), Options{}, `migrations/1_a.sql:2:16: no var "zzzzzz"`, "--var zzzzzz="},
		{"unset var", files{ConfigFile: strings.Replace(devConfig, "dim: 768", "reg: { env: REG }", 1), "migrations/1_a.sql": "-- +goose Up\nSELECT {{ var \"reg\" }};\n"}, Options{}, `migrations/1_a.sql:2:11: var "reg" has no value: the environment variable REG is not set`, "export REG=…"},
		{"two defaults", up("SELECT {{ var \"x\" 1 2 }};"), Options{}, `migrations/1_a.sql:2:11: var "x" has more than one default`, ""},
		{"field", up("SELECT {{ .bucket }};"), Options{}, `migrations/1_a.sql:2:11: template: map has no entry for key "bucket"`, `{{ var "name" }}`},
		{"unknown function", up("SELECT 1,\n  2, {{ secrt \"A\" }};"), Options{}, `migrations/1_a.sql:3:9: template: function "secrt" not defined`, "did you mean secret?"},
		{"unclosed action", up("SELECT 1,\n  {{ var \"a\" ;\n"), Options{}, `migrations/1_a.sql:3:3: template: {{ is not closed`, ""},
		{"unclosed if", up("{{ if true }}SELECT 1;\n"), Options{}, "migrations/1_a.sql:3:1: template: unexpected EOF", "{{ end }}"},
		{"in Down", files{"migrations/1_a.sql": "-- +goose Up\nSELECT 1;\n\n-- +goose Down\n\nSELECT {{ var \"x\" }};\n"}, Options{}, `migrations/1_a.sql:6:11: no var "x"`, ""},
		{"in a load", load("\n" + strings.Replace(copySQL, "@s/p/", "@s/{{ var \"x\" }}/", 1)), Options{}, `loads/l.sql:2:62: no var "x"`, ""},
		{"secret's value as name", up("SELECT {{ secret \"hunter-2\" }};"), Options{}, `migrations/1_a.sql:2:11: secret "hunter-2" is not a name`, ""},
		{"unknown load", files{"loads/videos.sql": copySQL, "migrations/1_a.sql": "-- +goose Up\nCREATE TASK t SCHEDULE = 1 MINUTE AS {{ load \"vidoes\" }};\n"}, Options{}, `migrations/1_a.sql:2:41: no load "vidoes"`, "did you mean videos?"},
		{"load in a load", load("{{ load \"l\" }}"), Options{}, "loads/l.sql:1:4: load inside a load", ""},
		{"default with a template", up("SELECT {{ var \"x\" \"{{\" }};"), Options{}, `migrations/1_a.sql:2:11: the default of var "x" holds {{`, ""},

		// secrets where they may not stand
		{"secret in a comment", up("SELECT 1\n-- {{ secret \"A\" }}\n;"), Options{}, `migrations/1_a.sql:3:4: secret "A" inside a comment`, ""},
		{"secret in a task", up("CREATE TASK t SCHEDULE = 1 MINUTE AS\n  SELECT {{ secret \"A\" }};"), Options{}, `migrations/1_a.sql:3:10: secret "A" inside a task's body`, "in clear"},
		{"secret of a load in a task", files{"loads/l.sql": "COPY INTO t (a) FROM (SELECT {{ secret \"A\" }} FROM @s/)", "migrations/1_a.sql": "-- +goose Up\nSELECT 1;\nCREATE TASK t SCHEDULE = 1 MINUTE AS\n {{ load \"l\" }};\n"}, Options{}, `migrations/1_a.sql:4:2: secret "A" inside a task's body`, "in clear"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, test.files)
			test.o.Dir = dir
			_, err := Open(test.o)
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v, want an *Error", err)
			}
			got := strings.ReplaceAll(e.Error(), dir+"/", "")
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if !strings.Contains(e.Advice, test.hint) {
				t.Errorf("hint: got %q, want a part %q", e.Advice, test.hint)
			}
			if all := fmt.Sprintf("%+v %s", *e, e); strings.Contains(all, "hunter2") {
				t.Errorf("the error quotes what may be a secret: %s", all)
			}
		})
	}
}

func TestOpenWithoutConfig(t *testing.T) {
	t.Parallel()
	_, err := Open(Options{Dir: t.TempDir()})
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Advice, "-C DIR") {
		t.Errorf("got %v", err)
	}
}

// TestOpenUnreadable gives files that the system does not let us read: still an *Error, which names the file once.
func TestOpenUnreadable(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"migrations/1_a.sql", "loads/l.sql", "loads/deep/l.sql"} {
		dir := folder(t, files{path + ".txt": ""})
		if err := os.Symlink("nowhere", filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{Dir: dir})
		if e, ok := errors.AsType[*Error](err); !ok || e.Error() != path+": cannot be read: no such file or directory" {
			t.Errorf("%s: got %v", path, err)
		}
	}
	for path, want := range map[string]string{ConfigFile: "dbctl.yaml: cannot be read: it is no regular file", MigrationsDir: "migrations: cannot be read: not a directory"} {
		dir := folder(t, nil)
		if path == ConfigFile {
			if err := errors.Join(os.Remove(filepath.Join(dir, path)), os.Mkdir(filepath.Join(dir, path), 0o777)); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(filepath.Join(dir, path), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{Dir: dir})
		if e, ok := errors.AsType[*Error](err); !ok || strings.ReplaceAll(e.Error(), dir+"/", "") != want {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestCaret(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"\tSELECT 'ü', {{ var \"x\" }};\n":    "\tSELECT 'ü', {{ var \"x\" }};\n\t               ^",
		"SELECT 1,\r\n  {{ var \"x\" }};\r\n": "  {{ var \"x\" }};\n     ^",
		"CREATE CONNECTION c STORAGE_TYPE = 's3' SECRET_ACCESS_KEY = 'hunter2' REGION = {{ var \"x\" }};\n": "",
	} {
		_, err := Open(Options{Dir: folder(t, files{"migrations/1_a.sql": "-- +goose Up\n" + sql})})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Caret != want {
			t.Errorf("%q:\ngot\n%s\nwant\n%s", sql, e.Caret, want)
		}
	}
}

// TestEveryMistake: all mistakes of dbctl.yaml are told at once, and all of each file; what is whole can be used.
func TestEveryMistake(t *testing.T) {
	t.Parallel()
	dir := folder(t, files{ConfigFile: "project: p\nvars:\n  a-b: 1\n  c: [x, y]\nenvironments:\n  e: { hots: h, protected: yes please }\n  f: { host: h, port: many }\n"})
	_, err := Open(Options{Dir: dir, Env: "f"})
	var got []string
	for _, e := range exit.Each(err) {
		got = append(got, e.Error())
	}
	if want := []string{
		"dbctl.yaml:3:3: var a-b is not a name",
		"dbctl.yaml:4:6: var c is a list, and a var is one value",
		"dbctl.yaml:6:8: unknown key hots in environment e",
		"dbctl.yaml:6:17: protected is not true or false",
		"dbctl.yaml:7:17: port is not a port number",
	}; !slices.Equal(got, want) {
		t.Errorf("dbctl.yaml:\ngot  %q\nwant %q", got, want)
	}

	dir = folder(t, files{
		ConfigFile:           "project: p\nenvironments: { e: { host: h } }\n",
		"loads/bad.sql":      "-- dbctl: colour=red\n-- dbctl: empty=maybe\nDROP TABLE t",
		"loads/good.sql":     "COPY INTO t FROM @s/",
		"migrations/1_a.sql": "-- dbctl: allow=all \"x\"\n-- +goose Up\nSELECT {{ var \"nope\" }};\n-- +goose Down\nSELECT {{ var \"neither\" }};\n",
		"migrations/2_b.sql": "-- +goose Up\nSELECT 1;\n",
		"migrations/2_c.sql": "-- +goose Up\nSELECT 1;\n",
		"migrations/3_d.sql": "-- +goose Up\nCREATE TASK x SCHEDULE = 1 MINUTE AS {{ load \"bad\" }};\n",
		"migrations/4_e.sql": "-- dbctl: adopt it\n-- dbctl: Allow=irreversible \"x\"\n-- dbctl: allow=\n-- dbctl: allow-irreversible \"x\"\n" +
			"-- +goose Up\nSELECT {{ var \"a\" }}, {{ if eq (var \"b\") \"c\" }}{{ end }}, {{ var \"a\" }};\nSELECT {{ var \"d\" }};\n",
		"loads/worse.sql": "-- dbctl: filename_column=c\n -- dbctl: empty=ok\nCOPY INTO t FROM @s/{{ var \"a\" }}/",
	})
	_, err = Open(Options{Dir: dir, Env: "e"})
	got = nil
	for _, each := range exit.Each(err) {
		e, _ := errors.AsType[*Error](each)
		hint, _, _ := strings.Cut(e.Advice, "?")
		got = append(got, e.Error()+" | "+hint)
	}
	const addA = "add it below vars: in dbctl.yaml, or say --var "
	if want := []string{
		"loads/bad.sql:1:1: unknown header colour | there are filename-column, optional, pattern, window, on-changed, rule, empty, expect-every, lint-ignore",
		"loads/bad.sql:2:1: empty=maybe is unknown | write -- dbctl: empty=ok",
		"loads/bad.sql:3:1: not a COPY INTO | write COPY INTO table FROM @stage/path/ …",
		"loads/worse.sql:1:1: unknown header filename_column | did you mean filename-column",
		"loads/worse.sql:2:2: -- dbctl: does not start in column 1 | put it on a line of its own",
		"loads/worse.sql:3:24: no var \"a\" | " + addA + "a=…",
		"migrations/2_c.sql: version 2 is that of migrations/2_b.sql too | give one of them the next number; one that is applied somewhere keeps its own",
		"migrations/1_a.sql:1:1: allow=all allows nothing | it may be irreversible or out-of-order",
		"migrations/1_a.sql:3:11: no var \"nope\" | " + addA + "nope=…",
		"migrations/1_a.sql:5:11: no var \"neither\" | " + addA + "neither=…",
		"migrations/3_d.sql:2:41: load \"bad\" has mistakes of its own | mend loads/bad.sql first",
		"migrations/4_e.sql:1:1: what follows adopt is not a quoted reason | write -- dbctl: key=value \"why\"",
		"migrations/4_e.sql:2:1: unknown header Allow | did you mean allow",
		"migrations/4_e.sql:3:1: allow= without a value | write -- dbctl: key=value \"why\"",
		"migrations/4_e.sql:4:1: unknown header allow-irreversible | did you mean allow=irreversible",
		"migrations/4_e.sql:6:11: no var \"a\" | " + addA + "a=…",
		"migrations/4_e.sql:6:33: no var \"b\" | " + addA + "b=…",
		"migrations/4_e.sql:7:11: no var \"d\" | " + addA + "d=…",
	}; !slices.Equal(got, want) {
		t.Errorf("files:\ngot\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	p, err := Open(Options{Dir: dir, Env: "e", Partial: true})
	if err != nil || len(p.Loads) != 1 || len(p.Migrations) != 0 || len(exit.Each(p.MigrationMistakes())) != 12 {
		t.Errorf("partly: got %d loads, %d migrations, %v, %v", len(p.Loads), len(p.Migrations), p.MigrationMistakes(), err)
	}
}

// TestUnknownVar: a --var that nothing asks for changes nothing, and is a mistake.
func TestUnknownVar(t *testing.T) {
	t.Parallel()
	dir := folder(t, files{
		ConfigFile:           "project: p\nvars: { bucket: b }\nenvironments: { e: { host: h } }\n",
		"migrations/1_a.sql": "-- +goose Up\nSELECT '{{ var \"only_here\" \"x\" }}{{ if has \"asked\" }}y{{ end }}';\n",
	})
	for name, want := range map[string]string{
		"bucket": "", "only_here": "", "asked": "",
		"bukcet": "did you mean --var bucket=v?", "zzz": "there are asked, bucket, only_here",
	} {
		_, err := Open(Options{Dir: dir, Env: "e", Vars: map[string]string{name: "v"}})
		hint := ""
		if e, ok := errors.AsType[*Error](err); ok {
			hint = e.Advice
		}
		if hint != want {
			t.Errorf("--var %s: got %v with hint %q, want %q", name, err, hint, want)
		}
	}
}

func TestAFileForAProject(t *testing.T) {
	t.Parallel()
	dir := folder(t, files{ConfigFile: "project: p\n"})
	for _, of := range []string{ConfigFile, ConfigFile + "/x"} {
		_, err := Open(Options{Dir: filepath.Join(dir, of), NoEnv: true})
		if e, ok := errors.AsType[*Error](err); !ok || e.Advice != "-C DIR names a project's folder" {
			t.Errorf("%s: got %v", of, err)
		}
	}
}

func TestEnvFiles(t *testing.T) {
	t.Parallel()
	dir := folder(t, files{
		ConfigFile: "project: p\nenvironments:\n  two: { host: h, env_file: [a, b] }\n  gone: { host: h, env_file: nowhere }\n",
		"a":        "X=pa$WORD1x\nY=a\n", "b": "Y=b\n",
	})
	p, err := Open(Options{Dir: dir, Env: "two"})
	if err != nil {
		t.Fatal(err)
	}
	x, _ := p.Getenv("X")
	if y, _ := p.Getenv("Y"); x != "pa$WORD1x" || y != "b" {
		t.Errorf("got X=%s Y=%s", x, y)
	}
	if _, err := Open(Options{Dir: dir, Env: "gone"}); err == nil || !strings.HasPrefix(err.Error(), "dbctl.yaml:4:20: the env file ") {
		t.Errorf("a missing file: got %v", err)
	}
}
