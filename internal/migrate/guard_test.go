package migrate

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/secret"
)

// TestSecretsOfTheWayBack asks for the secrets that a rollback would need before the first write, too.
func TestSecretsOfTheWayBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.Database + "_k"
	t.Cleanup(func() { w.SQL(t, "DROP CONNECTION IF EXISTS "+k) })
	w.secret["KEY"] = "first-key"
	w.Migration(1, "CREATE CONNECTION "+k+" STORAGE_TYPE='s3' ACCESS_KEY_ID='AK' SECRET_ACCESS_KEY={{ secret \"KEY\" }};\n")
	w.must(w.up())
	show := func() string { return fmt.Sprint(w.SQL(t, "DESC CONNECTION "+k)) }
	before := show()
	delete(w.secret, "KEY")
	const fail = "INSERT INTO nowhere VALUES (1);\n"
	w.Migration(2, "CREATE TABLE a (x INT);\nDROP CONNECTION "+k+";\n"+fail)
	var missing *secret.MissingError
	if err := w.up(); !errors.As(err, &missing) || len(missing.Names) != 1 || !strings.Contains(w.said(), "KEY") {
		t.Errorf("got %v, want KEY asked for\n%s", err, w.said())
	}
	if w.tables() != "" || show() != before {
		t.Errorf("got tables %q and %s, want nothing written", w.tables(), show())
	}
	w.secret["KEY"] = "first-key"
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || show() != before {
		t.Errorf("got %v and %s, want a clean rollback to %s\n%s", err, show(), before, w.said())
	}
	delete(w.secret, "KEY")
	w.Migration(2, "-- dbctl: allow=irreversible \"nobody has the key any more\"\n--up\nDROP CONNECTION "+k+";\n")
	w.must(w.up())
}

// TestSecretInACapturedText: somebody wrote a secret into a comment. What would have to keep it is refused before its first write, also
// where it came to be there while the run was under way; nothing in the state database holds it, the marks neither.
func TestSecretInACapturedText(t *testing.T) {
	t.Parallel()
	const value = "hunter2-and-somewhat-more"
	w := newWorld(t)
	cfg := w.Config
	cfg.Scrub = secret.NewScrubber()
	cfg.Scrub.Add(secret.New(value))
	nowhere := func() {
		t.Helper()
		rows := fmt.Sprint(w.SQL(t, "SELECT * FROM "+w.StateDB+".journal"),
			w.SQL(t, "SELECT name, comment FROM system.tables_with_history WHERE database='"+w.StateDB+"'"))
		if !strings.Contains(rows, "begin") || !strings.Contains(rows, "mark") || strings.Contains(rows, value) {
			t.Errorf("the state database holds the value, or nothing: %s", rows)
		}
	}
	w.connect(cfg)
	w.Migration(1, "CREATE TABLE a (x INT); CREATE TABLE b (x INT); CREATE TABLE kept (x INT);\n")
	w.must(w.up())
	w.SQL(t, "COMMENT ON TABLE a IS 'the key is "+value+"'")
	w.Migration(2, "ALTER TABLE b ADD COLUMN y INT;\nCOMMENT ON TABLE a IS 'ours';\n")
	var refused *PlanError
	if err := w.up(); !errors.As(err, &refused) || !strings.Contains(err.Error(), "a (a comment") || strings.Contains(err.Error(), value) {
		t.Errorf("got %v", err)
	}
	if got := fmt.Sprint(w.SQL(t, "SELECT count(*) FROM system.columns WHERE `table`='b' AND database='"+w.Database+"'")); got != "[[1]]" {
		t.Errorf("b was altered: %s", got)
	}
	nowhere()

	// While the run is under way.
	w.SQL(t, "COMMENT ON TABLE a IS 'harmless'")
	once := sync.OnceFunc(func() { w.SQL(t, "COMMENT ON TABLE a IS 'the key is "+value+"'") })
	cfg.Transport = behind{"ADD COLUMN y", once}
	w.connect(cfg)
	if err := w.up(); err == nil || !strings.Contains(err.Error(), "a (a comment") || strings.Contains(err.Error(), value) {
		t.Errorf("got %v\n%s", err, w.said())
	}
	if got := fmt.Sprint(w.SQL(t, "SELECT comment FROM system.tables WHERE name='a' AND database='"+w.Database+"'")); !strings.Contains(got, value) {
		t.Errorf("a was not left alone: %s", got)
	}
	nowhere()
}

// TestDefinitionsThatAreNoMore refuses what dbctl's own definition would not put back as it is: somebody altered the object since, or
// its keys stood in a file that has others now.
func TestDefinitionsThatAreNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, k := w.Database+"_s", w.Database+"_k"
	t.Cleanup(func() {
		w.SQL(t, "DROP STAGE IF EXISTS "+s, "DROP STAGE IF EXISTS "+s+"i", "DROP CONNECTION IF EXISTS "+k)
	})
	connection := func(key string) string {
		return "CREATE CONNECTION " + k + " STORAGE_TYPE='s3' ACCESS_KEY_ID='" + key + "' SECRET_ACCESS_KEY='secret-" + key + "';\n"
	}
	w.Migration(1, fmt.Sprintf("CREATE STAGE %s URL='s3://%s/%s' CONNECTION=(ENDPOINT_URL='%s' ACCESS_KEY_ID='%s' SECRET_ACCESS_KEY='%s' REGION='us-east-1') FILE_FORMAT=(TYPE=CSV);\n",
		s, w.Bucket, w.Prefix, w.S3.Endpoint, w.S3.Key, w.S3.Secret.Reveal()))
	w.Migration(2, connection("first"))
	w.must(w.up())
	const fail = "INSERT INTO nowhere VALUES (1);\n"
	try := func(what, text, want string) {
		t.Helper()
		w.Migration(3, text+fail)
		err := w.up()
		var p *PlanError
		var run *RunError
		switch {
		case want != "" && (!errors.As(err, &p) || p.Kind != plan.Irreversible || !strings.Contains(p.Msg, want)):
			t.Errorf("%s: got %v, want it refused: %s", what, err, want)
		case want == "" && (!errors.As(err, &run) || run.ExitCode() != 1):
			t.Errorf("%s: got %v, want a clean rollback\n%s", what, err, w.said())
		}
	}
	try("a stage as we made it", "ALTER STAGE "+s+" SET FILE_FORMAT=(TYPE=NDJSON);\n", "")
	w.SQL(t, "CREATE STAGE "+s+"i")
	try("the format of an internal stage", "ALTER STAGE "+s+"i SET FILE_FORMAT=(TYPE=NDJSON);\n", "keeps its own files")
	try("a connection as we made it", "DROP CONNECTION "+k+";\n", "")
	w.SQL(t, "ALTER STAGE "+s+" SET FILE_FORMAT=(TYPE=ORC)")
	try("a stage that a person altered", "ALTER STAGE "+s+" SET FILE_FORMAT=(TYPE=NDJSON);\n", "was changed since")
	w.Migration(2, connection("second"))
	w.must(w.migrator(Options{}).Accept(t.Context(), []int64{2}, "the key was rotated by hand"))
	try("a key that was edited and accepted", "DROP CONNECTION "+k+";\n", "stood in its file")
}

// TestTwoSettings puts back the first of two settings when the server refuses the second.
func TestTwoSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	t.Cleanup(func() { w.SQL(t, "UNSET GLOBAL max_storage_io_requests", "UNSET GLOBAL week_start") })
	look := func() string {
		return fmt.Sprint(w.SQL(t, "SELECT name, value, level FROM system.settings WHERE name IN ('max_storage_io_requests', 'parquet_rowgroup_hint_bytes') ORDER BY 1"))
	}
	before := look()
	w.Migration(1, "SET GLOBAL (parquet_rowgroup_hint_bytes, max_storage_io_requests) = (77, 'many');\n")
	err := w.up()
	var run *RunError
	if !errors.As(err, &run) || run.ExitCode() != 1 {
		t.Errorf("got %v, want exit 1\n%s", err, w.said())
	}
	if after := look(); after != before {
		t.Errorf("got %s, want %s\n%s", after, before, w.said())
	}
}

// TestMarksStayShort runs many statements under one savepoint: the mark that is written with each grows by less than 200 bytes a statement,
// and a process that is killed at the end is still put back whole.
func TestMarksStayShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE a (x INT) COMMENT='before'", "INSERT INTO a VALUES (1)")
	var text strings.Builder
	for i := range 50 {
		fmt.Fprintf(&text, "ALTER TABLE a COMMENT = 'note %d';\n", i)
	}
	w.Migration(1, text.String()+"CREATE TABLE z AS SELECT 1 AS x;\n")
	before := w.look()
	healthy := w.srv
	g := newGrave(-1, false)
	g.what = "CREATE TABLE z"
	longest := 0
	g.hook = func(text string) {
		if strings.Contains(text, "run_") && strings.Contains(text, "ALTER TABLE") {
			longest = max(longest, len(text))
		}
	}
	w.through(g)
	m := w.migrator(Options{})
	t.Cleanup(func() { close(g.end) })
	go func() { _ = m.Up(t.Context()) }()
	<-g.dead
	w.srv = healthy
	w.die()
	g.mu.Lock() // the heart of the dead still beats
	most := longest
	g.mu.Unlock()
	const limit = 12 << 10 // also where a slow machine gives each statement a mark of its own
	if most == 0 || most > limit {
		t.Errorf("the longest mark has %d bytes, want at most %d", most, limit)
	}
	w.must(w.recover(RollBack, ""))
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("after recover (-want +got):\n%s", diff)
	}
}

// TestMissingDatabase lets a person drop the environment's database after a run was cut off: recover says what it cannot put back, takes
// a person's word, and works as soon as the database is back.
func TestMissingDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.Config
	cfg.MayLackDatabase = func() bool { return true }
	w.connect(cfg)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n--down\nDROP TABLE a;\n")
	w.must(w.up())
	before := w.look()
	w.Migration(2, "ALTER TABLE a ADD COLUMN y INT;\nCREATE TABLE b AS SELECT 1 AS x;\n")
	w.cut("CREATE TABLE b", false, Options{})
	w.connect(cfg)
	other := w.Session(t)
	sql := func(text string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), databend.Statement{SQL: text}); err != nil {
			t.Fatal(err)
		}
	}
	sql("DROP DATABASE " + w.Database)
	err := w.recover(RollBack, "")
	var run *RunError
	if !errors.As(err, &run) || run.ExitCode() != 4 {
		t.Errorf("recover without the database: got %v, want exit 4\n%s", err, w.said())
	}
	sql("UNDROP DATABASE " + w.Database)
	w.must(w.recover(RollBack, ""))
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("after recover (-want +got):\n%s", diff)
	}
	sql("DROP DATABASE " + w.Database)
	if err := w.migrator(Options{}).Down(t.Context(), 0, true); !errors.As(err, &run) || run.ExitCode() != 1 || !strings.Contains(run.Hint(), "UNDROP DATABASE") {
		t.Errorf("down without the database: got %v, want exit 1 and a way out", err)
	}
	sql("UNDROP DATABASE " + w.Database)
	w.must(w.migrator(Options{}).Down(t.Context(), 0, true))
}

// TestGrantsThatAreNoMore refuses what takes from a role or user what nobody can grant it again: the server leaves what was dropped among
// what it was granted, and shows a procedure by its number. What the migration itself drops, or adds to, is no hindrance.
func TestGrantsThatAreNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.Database
	has, gone, user, more := db+"_has", db+"_gone", db+"_user", db+"_more"
	w.SQL(t, "CREATE ROLE "+has, "CREATE ROLE "+gone, "CREATE ROLE "+more, "CREATE USER "+user+" IDENTIFIED BY 'Secret_1'",
		"GRANT ROLE "+gone+" TO ROLE "+has, "GRANT ROLE "+gone+" TO "+user, "GRANT ROLE "+more+" TO ROLE "+has)
	t.Cleanup(func() {
		w.SQL(t, "DROP ROLE IF EXISTS "+gone, "DROP ROLE IF EXISTS "+has, "DROP ROLE IF EXISTS "+more, "DROP USER IF EXISTS "+user)
		for _, s := range []string{"_f", "_s", "_q", "_c", "_p"} {
			w.SQL(t, "DROP ROLE IF EXISTS "+db+s)
		}
		w.SQL(t, "DROP PROCEDURE IF EXISTS "+db+"_p(INT)")
	})
	look := func() string {
		return fmt.Sprint(w.SQL(t, "SELECT name, roles FROM (SELECT name, inherited_roles_name AS roles FROM system.roles UNION ALL "+
			"SELECT name, roles FROM system.users) WHERE left(name, "+fmt.Sprint(len(db))+") = '"+db+"' ORDER BY name"))
	}
	const fail = "INSERT INTO nowhere VALUES (1);\n"
	refused := func(text, want string) {
		t.Helper()
		before := look()
		w.Migration(1, "CREATE TABLE before_it (x INT);\n"+text+";\n"+fail)
		var p *PlanError
		if err := w.up(); !errors.As(err, &p) || p.Kind != plan.Irreversible || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it refused: %s", text, err, want)
		}
		if got := look(); got != before || w.tables() != "" {
			t.Errorf("%s: got %s and tables %q, want nothing written: %s", text, got, w.tables(), before)
		}
	}
	rolledBack := func(text string) {
		t.Helper()
		before := look()
		w.Migration(1, text+fail)
		var run *RunError
		if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || look() != before {
			t.Errorf("%s: got %v and %s, want a clean rollback to %s\n%s", text, err, look(), before, w.said())
		}
	}
	rolledBack("DROP ROLE " + gone + ";\nREVOKE ROLE " + gone + " FROM ROLE " + has + ";\nREVOKE ROLE " + gone + " FROM " + user + ";\nDROP ROLE " + has + ";\n")
	w.SQL(t, "DROP ROLE "+gone)
	refused("REVOKE ROLE "+gone+" FROM ROLE "+has, "role "+gone+" is no more")
	refused("REVOKE ROLE "+gone+" FROM "+user, "role "+gone+" is no more")
	refused("DROP ROLE "+has, "cannot be undone: role "+has+" was granted what nobody can be granted again: role "+gone)
	rolledBack("REVOKE ROLE " + more + " FROM ROLE " + has + ";\nGRANT SELECT ON *.* TO ROLE " + has + ";\nGRANT ROLE " + more + " TO " + user + ";\n")

	for suffix, x := range map[string]struct{ create, grant, drop, want string }{
		"_f": {"FUNCTION %s AS (a) -> a", "USAGE ON UDF %s", "FUNCTION %s", "function %s"},
		"_s": {"STAGE %s", "READ ON STAGE %s", "STAGE %s", "stage %s"},
		"_q": {"SEQUENCE %s", "ACCESS SEQUENCE ON SEQUENCE %s", "SEQUENCE %s", "sequence %s"},
		"_c": {
			"CONNECTION %s STORAGE_TYPE='s3' ACCESS_KEY_ID='a' SECRET_ACCESS_KEY='b'", "ACCESS CONNECTION ON CONNECTION %s",
			"CONNECTION %s", "connection %s",
		},
		"_p": {"PROCEDURE %s(x INT) RETURNS INT NOT NULL LANGUAGE SQL AS $$ BEGIN RETURN x; END; $$", "ACCESS PROCEDURE ON PROCEDURE %s(INT)", "", "procedure "},
	} {
		name := db + suffix
		put := func(s string) string { return strings.ReplaceAll(s, "%s", name) }
		w.SQL(t, put("CREATE ROLE %s"), "CREATE "+put(x.create), "GRANT "+put(x.grant)+put(" TO ROLE %s"))
		if x.drop != "" {
			w.SQL(t, "DROP "+put(x.drop))
		}
		refused(put("DROP ROLE %s"), put("role %s was granted what nobody can be granted again: "+x.want))
	}

	// It is dropped by the migration before, in the same run.
	w.SQL(t, "CREATE ROLE "+gone)
	w.Migration(1, "DROP ROLE "+gone+";\n")
	w.Migration(2, "CREATE TABLE a (x INT);\nREVOKE ROLE "+gone+" FROM ROLE "+has+";\n"+fail)
	var p *PlanError
	if err := w.up(); !errors.As(err, &p) || p.Kind != plan.Irreversible || w.tables() != "" || !strings.Contains(look(), gone+", "+more) {
		t.Errorf("got %v, tables %q, roles %s, want it refused right before its statement\n%s", err, w.tables(), look(), w.said())
	}
}
