package databend_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

func connect(t *testing.T, cfg databend.Config) *databend.Server {
	t.Helper()
	srv, err := databend.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return srv
}

func session(t *testing.T, srv *databend.Server, settings map[string]string) *databend.Session {
	t.Helper()
	s := srv.Session(settings)
	t.Cleanup(s.Close)
	return s
}

func exec(t *testing.T, s *databend.Session, sql string) databend.Result {
	t.Helper()
	res, err := s.Exec(t.Context(), databend.Statement{SQL: sql})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return res
}

// table returns the rows as text, NULL for null.
func table(t *testing.T, s *databend.Session, sql string) [][]string {
	t.Helper()
	res, err := s.Query(t.Context(), databend.Statement{SQL: sql})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var out [][]string
	for _, row := range res.Rows {
		var line []string
		for _, v := range row {
			if !v.Valid {
				v.String = "NULL"
			}
			line = append(line, v.String)
		}
		out = append(out, line)
	}
	return out
}

func wantRows(t *testing.T, got [][]string, want ...[]string) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("rows (-got +want):\n%s", diff)
	}
}

func asError(t *testing.T, err error) *databend.Error {
	t.Helper()
	e, ok := errors.AsType[*databend.Error](err)
	if !ok {
		t.Fatalf("got %v, want a *databend.Error", err)
	}
	return e
}

func TestSessionsDoNotLeak(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	cfg := env.Config
	cfg.Settings = map[string]string{"week_start": "0"}
	srv := connect(t, cfg)
	a, b := session(t, srv, nil), session(t, srv, map[string]string{"max_threads": "3"})
	const where = "SELECT current_database(), (SELECT value FROM system.settings WHERE name = 'week_start'), (SELECT value FROM system.settings WHERE name = 'max_threads') = '3'"
	exec(t, a, "USE default")
	exec(t, a, "SET week_start = 1")
	wantRows(t, table(t, a, where), []string{"default", "1", "0"})
	wantRows(t, table(t, b, where), []string{env.Database, "0", "1"})
	a.Close()
	wantRows(t, table(t, session(t, srv, nil), where), []string{env.Database, "0", "0"})

	cfg.Settings = map[string]string{"no_such_setting": "1"} // of the DSN: it may be a slip of the pen
	if _, err := databend.Connect(t.Context(), cfg); !databend.IsCode(err, 2801) {
		t.Errorf("got %v, want 2801", err)
	}
}

func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	cfg := env.Config
	cfg.Database = env.StateDB
	_, err := databend.Connect(t.Context(), cfg)
	if e := asError(t, err); e.Code != 1003 || e.Kind != "UnknownDatabase" || !strings.Contains(e.Advice, "CREATE DATABASE") {
		t.Errorf("got %#v, want 1003 with a hint", e)
	}
	cfg.MayLackDatabase = func() bool { return true }
	srv := connect(t, cfg)
	if got := srv.Requests(); got != 1 {
		t.Errorf("got %d requests, want 1", got)
	}
	before := session(t, srv, nil)
	exec(t, before, "CREATE DATABASE "+env.StateDB)
	wantRows(t, table(t, session(t, srv, nil), "SELECT current_database()"), []string{env.StateDB})

	cfg = env.Config
	cfg.Password = secret.New("wrong-" + cfg.Password.Reveal())
	_, err = databend.Connect(t.Context(), cfg)
	if e := asError(t, err); e.Kind != databend.KindAuth || e.Advice == "" {
		t.Errorf("got %#v, want Authentication with a hint", e)
	}
}

func TestValuesAreTheServersText(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := env.Session(t)
	res, err := s.Query(t.Context(), databend.Statement{SQL: `SELECT true, NULL, 1.50::DECIMAL(10, 4), to_timestamp('2024-01-02 03:04:05.678'), to_date('2024-01-02'),
		[1, NULL], {'k': 1}, parse_json('{"a": "ü"}'), 'line
two', to_binary('ab')`})
	if err != nil {
		t.Fatal(err)
	}
	want := databend.Row{
		{String: "1", Valid: true},
		{},
		{String: "1.5000", Valid: true},
		{String: "2024-01-02 03:04:05.678000", Valid: true},
		{String: "2024-01-02", Valid: true},
		{String: "[1,NULL]", Valid: true},
		{String: `{'k':1}`, Valid: true},
		{String: `{"a":"ü"}`, Valid: true},
		{String: "line\ntwo", Valid: true},
		{String: "6162", Valid: true},
	}
	want[6].String = res.Rows[0][6].String // {'k':1} or {"k":1}: the server's own
	if diff := cmp.Diff(res.Rows, []databend.Row{want}); diff != "" {
		t.Errorf("rows (-got +want):\n%s", diff)
	}
	if len(res.Columns) != 10 || res.Types[4] != "Date" {
		t.Errorf("got columns %q, types %q", res.Columns, res.Types)
	}
}

func TestSecretsArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	cfg := env.Config
	cfg.Scrub = secret.NewScrubber()
	s := session(t, connect(t, cfg), nil)
	for _, value := range []string{
		"simple-value", `it's "quoted" and \ slashed\`, "'; DROP DATABASE " + env.Database + "; --", "two\nlines\r\n", "100% {{ secret \"A\" }} %41", "$$ü漢$$", "tab\there",
	} {
		res, err := s.Query(t.Context(), databend.Statement{
			SQL: "SELECT {{ secret \"A\" }}, 'pre {{ secret \"A\" }} post'", Secrets: secret.Set{"A": secret.New(value)},
		})
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		if got, want := res.Rows[0], (databend.Row{{String: value, Valid: true}, {String: "pre " + value + " post", Valid: true}}); !cmp.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	_, err := s.Exec(t.Context(), databend.Statement{SQL: "SELECT {{ secret \"GONE\" }}"})
	if e := asError(t, err); e.Kind != "MissingSecret" || !strings.Contains(e.Message, "GONE") {
		t.Errorf("got %#v, want the missing secret's name", e)
	}

	// A syntax error quotes the whole statement; neither the value nor a hand-written key may come back.
	_, err = s.Exec(t.Context(), databend.Statement{
		SQL:     "CREATE CONNECTION c STORAGE_TYPE = 's3'\n  ACCESS_KEY_ID = 'HANDWRITTENKEY'\n  SECRET_ACCESS_KEY = {{ secret \"A\" }} SELECT",
		Secrets: secret.Set{"A": secret.New("the'very\\secret")}, Place: sqltext.Place{File: "m.sql", Line: 5, Column: 1},
	})
	e := asError(t, err)
	all := fmt.Sprintf("%+v|%v|%s", *e, e, e.Caret)
	for _, leak := range []string{"the'very", `the\'very`, "very", "HANDWRITTEN"} {
		if strings.Contains(all, leak) {
			t.Errorf("got %q in %s", leak, all)
		}
	}
	if e.Code != 1005 || e.Line != 7 || e.Column != len(`  SECRET_ACCESS_KEY = {{ secret "A" }} `)+1 {
		t.Errorf("got %s, want m.sql:7:%d", e.Error(), len(`  SECRET_ACCESS_KEY = {{ secret "A" }} `)+1)
	}
}

// TestEchoedSecrets: the server repeats a secret in part, in another case or on one line. No piece of it comes back.
func TestEchoedSecrets(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	cfg := env.Config
	cfg.Scrub = secret.NewScrubber()
	s := session(t, connect(t, cfg), nil)
	for _, tt := range []struct {
		sql, value string
		leaks      []string
	}{
		{"SELECT to_date({{ secret \"A\" }})", "Tr0ub4dor-and-more-of-it", []string{"Tr0ub4"}},
		{"SELECT to_timestamp({{ secret \"A\" }})", "Tr0ub4dor-and-more-of-it", []string{"Tr0ub4"}},
		{"SELECT {{ secret \"A\" }}::INT", "Tr0ub4dor-and-more-of-it", []string{"Tr0ub4"}},
		{"CREATE STAGE s URL = '{{ secret \"A\" }}://bucket/'", "MixedCaseSecretValue", []string{"mixedc", "MixedC"}},
		{"SELECT * FROM '{{ secret \"A\" }}://bucket/x' (FILE_FORMAT => 'parquet')", "MixedCaseSecretValue", []string{"mixedc", "MixedC"}},
		{"COPY INTO t FROM 's3://b/' CONNECTION = (ACCESS_KEY_ID = {{ secret \"A\" }} UNKNOWN_KEY = 'x') FILE_FORMAT = (TYPE = parquet)", "first line of it\nsecond line of it", []string{"first line", "second line"}},
		{"SELECT parse_json({{ secret \"A\" }})", "{\"a\": \n  broken-secret-json", []string{"broken", "secret-json"}},
		{"SELECT 1 FROM t WHERE {{ secret \"A\" }} FROMM x", "two  words\tof a secret", []string{"words"}},
	} {
		_, err := s.Exec(t.Context(), databend.Statement{SQL: tt.sql, Secrets: secret.Set{"A": secret.New(tt.value)}, Place: sqltext.Place{File: "m.sql", Line: 1, Column: 1}})
		if err == nil {
			t.Errorf("%s: no error, so it proves nothing", tt.sql)
			continue
		}
		all := fmt.Sprintf("%+v|%v|%v", *asError(t, err), err, errors.Unwrap(err))
		for _, leak := range tt.leaks {
			if strings.Contains(all, leak) {
				t.Errorf("%s: %q is in %s", tt.sql, leak, all)
			}
		}
	}
}

func TestEngineErrors(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := env.Session(t)
	for _, tt := range []struct {
		sql          string
		code         int
		kind         databend.Kind
		line, column int
		caret        string
	}{
		{"SELECT 1,\n  2 FROM nowhere", 1025, "UnknownTable", 2, 10, "  2 FROM nowhere\n         ^"},
		{"SELECT 'ü', 'ü' FROMM t", 1005, "SyntaxException", 1, 23, "SELECT 'ü', 'ü' FROMM t\n                      ^"},
		{"SELECT b FROM (SELECT 1 AS a)", 1065, "SemanticError", 1, 8, "SELECT b FROM (SELECT 1 AS a)\n       ^"},
		{"LIST @nostage", 2501, "UnknownStage", 1, 7, "LIST @nostage\n      ^"},
		{"USE nodb", 1003, "UnknownDatabase", 1, 5, "USE nodb\n    ^"},
		{"CREATE STREAM s ON TABLE t", 1402, "LicenseKeyInvalid", 1, 1, ""},
		{"SET no_such = 1", 2801, "UnknownVariable", 1, 1, ""},
		{"CREATE STAGE s URL = 's3://b/' CONNECTION = (CONNECTION_NAME = 'nocon')", 4000, "StorageOther", 1, 1, ""},
	} {
		if tt.code == 1402 && !env.Embedded {
			continue
		}
		_, err := s.Exec(t.Context(), databend.Statement{SQL: tt.sql, Place: sqltext.Place{File: "f.sql", Line: 1, Column: 1}})
		e := asError(t, err)
		got := []any{e.Code, e.Kind, e.File, e.Line, e.Column, e.Caret, e.SQL, e.Advice != "" || e.Code == 1065, len(e.QueryID)}
		want := []any{tt.code, tt.kind, "f.sql", tt.line, tt.column, tt.caret, tt.sql, true, 32}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s: %v (-got +want):\n%s", tt.sql, e, diff)
		}
		if strings.Contains(e.Message, "\n") || strings.Contains(e.Message, "-->") || strings.Contains(e.Message, "Backtrace") || strings.HasPrefix(e.Message, "error") {
			t.Errorf("got message %q", e.Message)
		}
	}
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	srv := connect(t, env.Config)
	a, b := session(t, srv, nil), session(t, srv, nil)
	exec(t, a, "CREATE TABLE t (a INT)")
	for _, end := range []string{"COMMIT", "ROLLBACK"} {
		exec(t, a, "BEGIN")
		if got := exec(t, a, "INSERT INTO t VALUES (1), (2)").Affected; got != 2 {
			t.Errorf("got %d rows, want 2", got)
		}
		before := table(t, b, "SELECT count(*) FROM t")
		exec(t, a, end)
		after := table(t, b, "SELECT count(*) FROM t")
		if (before[0][0] != after[0][0]) != (end == "COMMIT") {
			t.Errorf("%s: from %s rows to %s", end, before, after)
		}
	}
	exec(t, a, "CREATE TABLE s (a INT, b INT)")
	exec(t, a, "INSERT INTO s VALUES (1, 10), (5, 50)")
	if got := exec(t, a, "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET t.a = s.b WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)").Affected; got != 2 {
		t.Errorf("got %d rows by MERGE, want 1 inserted and 1 updated", got)
	}
}

func TestCopyGivesARowPerFile(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := env.Session(t)
	env.Put(t, "in/a.csv", []byte("1\n2\n"))
	env.Put(t, "in/b.csv", []byte("3\n"))
	exec(t, s, "CREATE TABLE t (a INT)")
	_, err := s.Exec(t.Context(), databend.Statement{
		SQL: fmt.Sprintf("CREATE STAGE st_%s URL = 's3://%s/%s' CONNECTION = (ENDPOINT_URL = '%s' ACCESS_KEY_ID = {{ secret \"ID\" }} SECRET_ACCESS_KEY = {{ secret \"KEY\" }})",
			env.Database, env.Bucket, env.Prefix, env.S3.Endpoint),
		Secrets: secret.Set{"ID": secret.New(env.S3.Key), "KEY": env.S3.Secret},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { env.SQL(t, "DROP STAGE IF EXISTS st_"+env.Database) })
	copyInto := "COPY INTO t FROM @st_" + env.Database + "/in/ FILE_FORMAT = (TYPE = CSV)"
	res, err := s.Query(t.Context(), databend.Statement{SQL: copyInto})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(res.Columns, []string{"File", "Rows_loaded", "Errors_seen", "First_error", "First_error_line"}); diff != "" || len(res.Rows) != 2 || res.Rows[0][3].Valid {
		t.Errorf("got %d rows %v (-got +want):\n%s", len(res.Rows), res.Rows, diff)
	}
	if rows := table(t, s, copyInto); len(rows) != 0 {
		t.Errorf("got %v, want no row for files that are loaded", rows)
	}
}

func TestHugeResultsAreStreamed(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := env.Session(t)
	sum, rows := 0, 0
	res, err := s.Each(t.Context(), databend.Statement{SQL: "SELECT number FROM numbers(100000)"}, func(r databend.Row) error {
		n, err := strconv.Atoi(r[0].String)
		sum, rows = sum+n, rows+1
		return err
	})
	if err != nil || rows != 100000 || sum != 100000*99999/2 || res.Rows != nil {
		t.Errorf("got %d rows with sum %d, %v", rows, sum, err)
	}
	if res := exec(t, s, "SELECT number FROM numbers(30000)"); res.Rows != nil || len(res.Columns) != 1 {
		t.Errorf("got %d rows kept by Exec", len(res.Rows))
	}
}

// What the network does to one statement, with the real engine behind it: it never runs twice, and success is never invented.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault   databendtest.Fault
		unknown bool
		rows    string
	}{
		{databendtest.Fault{Action: "drop_after"}, false, "1"},
		{databendtest.Fault{Action: "drop_before"}, true, "0"},
		{databendtest.Fault{Action: "html"}, true, "0"},
		{databendtest.Fault{Action: "empty"}, true, "0"},
		{databendtest.Fault{Action: "status", Status: 502}, true, "0"},
		{databendtest.Fault{Action: "status", Status: 503}, true, "0"},
		{databendtest.Fault{Action: "status", Status: 520}, true, "0"},
	} {
		t.Run(fmt.Sprint(tt.fault.Action, tt.fault.Status), func(t *testing.T) {
			t.Parallel()
			env := databendtest.New(t)
			srv := connect(t, env.Config)
			s := session(t, srv, nil)
			exec(t, s, "CREATE TABLE t (a INT)")
			tt.fault.Match = "INSERT INTO " + env.Database
			tt.fault.Times = 10
			env.Fault(t, tt.fault)
			id := databend.NewID()
			res, err := s.Exec(t.Context(), databend.Statement{SQL: "INSERT INTO " + env.Database + ".t VALUES (1)", ID: id})
			if databend.IsUnknownOutcome(err) != tt.unknown || err != nil != tt.unknown {
				t.Errorf("got %v, want unknown: %v", err, tt.unknown)
			}
			if err == nil && res.Affected != 1 {
				t.Errorf("got %d rows, want 1", res.Affected)
			}
			wantRows(t, table(t, session(t, srv, nil), "SELECT count(*) FROM t"), []string{tt.rows})
			posts := 0
			for _, r := range env.Log(t) {
				if r.ID == id {
					posts++
				}
			}
			if posts != 1 {
				t.Errorf("the id was sent %d times", posts)
			}
			if running, err := srv.Running(t.Context(), id); err != nil || running {
				t.Errorf("got running %v, %v", running, err)
			}
		})
	}
}

// A server tells how a session has become only once: with the answer that was lost. What is sent next does what it would have done.
func TestLostSession(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before []string
		lost   string
		after  []string
		look   string
		want   string
	}{
		"BEGIN":    {nil, "BEGIN", []string{"INSERT INTO t VALUES (1)", "ROLLBACK"}, "SELECT count(*) FROM t", "0"},
		"COMMIT":   {[]string{"BEGIN", "INSERT INTO t VALUES (1)"}, "COMMIT", []string{"INSERT INTO t VALUES (2)"}, "SELECT sum(a) FROM t", "3"},
		"ROLLBACK": {[]string{"BEGIN", "INSERT INTO t VALUES (1)"}, "ROLLBACK", []string{"INSERT INTO t VALUES (2)"}, "SELECT sum(a) FROM t", "2"},
		"USE":      {nil, "USE default", nil, "SELECT current_database()", "default"},
		"SET":      {nil, "SET week_start = 0", nil, "SELECT value FROM system.settings WHERE name = 'week_start'", "0"},
		"a DDL that ends a transaction": {
			[]string{"BEGIN", "INSERT INTO t VALUES (1)"}, "CREATE TABLE u (a INT)", []string{"INSERT INTO t VALUES (2)"}, "SELECT sum(a) FROM t", "3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := databendtest.New(t)
			s := session(t, connect(t, env.Config), nil)
			exec(t, s, "CREATE TABLE t (a INT)")
			for _, sql := range tt.before {
				exec(t, s, sql)
			}
			env.Fault(t, databendtest.Fault{Action: "drop_after", Match: "/\\* " + env.Database})
			if _, err := s.Exec(t.Context(), databend.Statement{SQL: tt.lost + " /* " + env.Database + " */"}); err != nil {
				t.Fatal(err)
			}
			for _, sql := range tt.after {
				exec(t, s, sql)
			}
			wantRows(t, table(t, s, tt.look), []string{tt.want})
		})
	}
}

func TestCancelOnTheEngine(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	srv := connect(t, env.Config)
	s := session(t, srv, nil)
	exec(t, s, "CREATE TABLE t (a INT)")
	env.Fault(t, databendtest.Fault{Action: "hold", Match: "INSERT INTO " + env.Database, Hold: 300})

	// Not begun: it is killed, and nothing is written.
	id := databend.NewID()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for running := false; !running && ctx.Err() == nil; {
			running, _ = srv.Running(ctx, id)
		}
		cancel()
	}()
	_, err := s.Exec(ctx, databend.Statement{SQL: "INSERT INTO " + env.Database + ".t VALUES (1)", ID: id})
	if e := asError(t, err); e.Kind != databend.KindCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	wantRows(t, table(t, s, "SELECT count(*) FROM t"), []string{"0"})

	// Running: the embedded engine cannot end a write, which is as a KILL that comes too late. The outcome is what happened.
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	res, err := s.Exec(ctx, databend.Statement{
		SQL:      "INSERT INTO t SELECT number FROM numbers(3) WHERE sleep(2) = 0",
		Progress: func(databend.Progress) { cancel() },
	})
	if env.Embedded && (err != nil || res.Affected != 3 || ctx.Err() == nil) {
		t.Errorf("got %d rows, %v; want the 3 rows that were written", res.Affected, err)
	}
}

func TestSettleOnTheEngine(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	exec(t, env.Session(t), "CREATE TABLE t (a INT)")
	env.Fault(t, databendtest.Fault{Action: "hold", Match: "INSERT INTO " + env.Database, Hold: 300})
	id := databend.NewID()
	victim := session(t, connect(t, env.Config), nil)
	result := make(chan error, 1)
	go func() {
		_, err := victim.Exec(context.WithoutCancel(t.Context()), databend.Statement{SQL: "INSERT INTO " + env.Database + ".t VALUES (1)", ID: id})
		result <- err
	}()
	other := connect(t, env.Config)
	for running := false; !running; {
		var err error
		if running, err = other.Running(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Settle(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !databend.IsCode(err, 1043) {
		t.Errorf("got %v, want 1043", err)
	}
	wantRows(t, table(t, victim, "SELECT count(*) FROM t"), []string{"0"})
}
