package migrate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/migrate/run"
	"github.com/dbctl/dbctl/internal/state"
)

// cut runs up in a process that is killed right before its first request whose text begins with what, or, with sent, right after
// the server did it.
func (w *world) cut(what string, sent bool, o Options) {
	w.T.Helper()
	w.cutIn((*Migrator).Up, what, sent, o)
}

func (w *world) cutIn(command func(*Migrator, context.Context) error, what string, sent bool, o Options) {
	w.T.Helper()
	healthy := w.srv
	g := newGrave(-1, sent)
	g.what = what
	w.through(g)
	m := w.migrator(o)
	w.T.Cleanup(func() { close(g.end) })
	done := make(chan error, 1)
	go func() { done <- command(m, w.T.Context()) }()
	select {
	case <-g.dead:
	case err := <-done:
		w.T.Fatalf("%q was never sent: %v", what, err)
	}
	w.srv = healthy
	w.die()
}

func (w *world) recover(how, reason string) error {
	w.T.Helper()
	return w.migrator(Options{LockWait: 10 * time.Minute}).Recover(w.T.Context(), how, reason)
}

const three = "CREATE TABLE b (x INT);\nUSE {{ database }};\nALTER TABLE a ADD COLUMN y INT;\nUPDATE a SET y = 7;\nCREATE TABLE c AS SELECT * FROM a;\n"

func TestNextCommandFindsAnUnfinishedRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	w.must(w.up())
	w.Migration(2, three)
	before := w.look()
	w.cut("CREATE TABLE c AS", true, Options{})
	if got, want := w.states(), "1 applied, 2 interrupted"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := w.migrator(Options{}).Accept(t.Context(), []int64{1}, "why"); err == nil || !strings.Contains(err.Error(), "finished first") {
		t.Errorf("accept: got %v, want it refused until the run is finished", err)
	}
	w.must(w.recover(RollBack, ""))
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("after recover (-want +got):\n%s", diff)
	}
	w.must(w.recover(RollBack, ""))
	if !strings.Contains(w.said(), "nothing is unfinished") {
		t.Errorf("got %q", w.said())
	}
	w.cut("UPDATE a SET", false, Options{})
	w.must(w.migrator(Options{LockWait: 10 * time.Minute}).Up(t.Context()))
	if got, want := w.states(), "1 applied, 2 applied"; got != want {
		t.Errorf("got %q, want %q: up puts it back and goes on", got, want)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what string
		sent bool
	}{
		{"ALTER TABLE a ADD COLUMN y", false},
		{"ALTER TABLE a ADD COLUMN y", true},
		{"UPDATE a SET", true}, // without its COMMIT
		{"COMMIT", true},
		{"CREATE TABLE c AS", true},
	} {
		t.Run(fmt.Sprintf("%s %v", c.what, c.sent), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Migration(1, "CREATE TABLE a (x INT);\n")
			w.must(w.up())
			w.SQL(t, "INSERT INTO a VALUES (1), (2)")
			w.Migration(2, three)
			w.Migration(3, "CREATE TABLE d (x INT);\n")
			w.cut(c.what, c.sent, Options{})
			w.must(w.recover(Resume, ""))
			if got, want := w.states(), "1 applied, 2 applied, 3 pending"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if got := fmt.Sprint(w.SQL(t, "SELECT x, y FROM c ORDER BY 1")); got != "[[1 7] [2 7]]" {
				t.Errorf("got rows %s, want each statement to have run once", got)
			}
		})
	}
}

func TestResumeThatFailsIsPutBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	w.must(w.up())
	before := w.look()
	w.Migration(2, "CREATE TABLE b (x INT);\nALTER TABLE a ADD COLUMN y INT;\nINSERT INTO nowhere VALUES (1);\n")
	w.cut("ALTER TABLE a ADD", true, Options{})
	err := w.recover(Resume, "")
	var run *RunError
	if !errors.As(err, &run) || run.ExitCode() != 1 || run.Statement != 3 {
		t.Fatalf("got %v, want the third statement to fail, and a clean rollback\n%s", err, w.said())
	}
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("the savepoint of the first run does not hold (-want +got):\n%s", diff)
	}
	if got, want := w.states(), "1 applied, 2 rolled_back"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A CREATE of what is there fails, and leaves that as it is, also where a kill hides how it ended.
func TestCreateOfWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, sent := range []bool{false, true} {
		t.Run(fmt.Sprint(sent), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			const dictionary = "CREATE DICTIONARY d (a STRING, s STRING) PRIMARY KEY a SOURCE(redis(host='127.0.0.1' port='%d'))"
			w.SQL(t, fmt.Sprintf(dictionary, 6379))
			w.Migration(1, "CREATE VIEW v AS SELECT 1 AS x;\n"+fmt.Sprintf(dictionary, 6380)+";\n")
			w.cut("CREATE DICTIONARY", sent, Options{})
			w.must(w.recover("", ""))
			rows := w.SQL(t, "SELECT count(*)::STRING || ' ' || any(source) FROM system.dictionaries WHERE database = '"+w.Database+"'")
			if got := fmt.Sprint(rows); w.states() != "1 rolled_back" || !strings.Contains(got, "1 ") || !strings.Contains(got, "6379") {
				t.Errorf("got %s and %s, want the dictionary as it was", w.states(), got)
			}
		})
	}
}

func TestAPersonsWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\n")
	w.Migration(2, "CREATE TABLE b AS SELECT 1 AS x;\nCREATE TABLE c AS SELECT 1 AS x;\n")
	w.cut("CREATE TABLE c", false, Options{})
	var p *PlanError
	if err := w.recover(MarkApplied, ""); !errors.As(err, &p) || p.ExitCode() != 2 {
		t.Errorf("got %v, want a reason asked for", err)
	}
	w.SQL(t, "CREATE TABLE c (x INT)")
	w.must(w.recover(MarkApplied, "made c by hand"))
	if got, want := w.states(), "1 applied, 2 applied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.must(w.up())
	w.Migration(3, "CREATE TABLE d AS SELECT 1 AS x;\nCREATE TABLE e AS SELECT 1 AS x;\n")
	w.cut("CREATE TABLE e", false, Options{})
	w.SQL(t, "DROP TABLE d")
	w.must(w.recover(MarkRolledBack, "dropped d by hand"))
	if got, want := w.states(), "1 applied, 2 applied, 3 rolled_back"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.must(w.up())
}

// TestAPersonsWordOnAWayDown: the version is then as the whole command leaves it, or as it was before; what was applied is still known.
func TestAPersonsWordOnAWayDown(t *testing.T) {
	t.Parallel()
	down := func(m *Migrator, ctx context.Context) error { return m.Down(ctx, 0, true) }
	for what, c := range map[string]struct {
		command func(*Migrator, context.Context) error
		cut     string
		how     string
		want    string
	}{
		"down, done":     {down, "DROP TABLE b", MarkApplied, "1 pending"},
		"down, not done": {down, "DROP TABLE b", MarkRolledBack, "1 applied"},
		"redo, done":     {(*Migrator).Redo, "CREATE TABLE b", MarkApplied, "1 applied"},
		"redo, not done": {(*Migrator).Redo, "CREATE TABLE b", MarkRolledBack, "1 applied"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Migration(1, "CREATE TABLE a (x INT);\nCREATE TABLE b AS SELECT 1 AS x;\n--down\nDROP TABLE b;\nDROP TABLE a;\n")
			w.must(w.up())
			w.cutIn(c.command, c.cut, false, Options{})
			w.must(w.recover(c.how, "I looked"))
			if got := w.states(); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
			if c.want == "1 pending" {
				return
			}
			was, err := w.migrator(Options{}).Applied(t.Context(), 1)
			w.must(err)
			if !strings.Contains(was.Up, "CREATE TABLE b") || !strings.Contains(was.Down, "DROP TABLE b") {
				t.Errorf("got %+v, want what was applied", was)
			}
		})
	}
}

// TestPartial lets somebody else change a table in the middle of a migration that fails: it is kept and named, every later command is
// refused, and recover ends it once it is mended.
func TestPartial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	w.must(w.up())
	w.Migration(2, "ALTER TABLE a ADD COLUMN y INT;\nINSERT INTO nowhere VALUES (1);\n")
	var once sync.Once
	g := newGrave(0, false)
	g.hook = func(text string) {
		if strings.Contains(text, `"sql":"INSERT INTO nowhere`) {
			once.Do(func() { w.SQL(t, "UPDATE a SET x = 5 WHERE true") })
		}
	}
	w.through(g)
	err := w.up()
	var run *RunError
	if !errors.As(err, &run) || run.ExitCode() != 4 || !slices.ContainsFunc(run.Outcomes, func(o event.Rollback) bool { return o.Outcome == "kept" && strings.Contains(o.Object, ".a") }) {
		t.Fatalf("got %v with %+v, want exit 4 and table a kept", err, run)
	}
	if got := fmt.Sprint(w.SQL(t, "SELECT x FROM a")); got != "[[5]]" {
		t.Errorf("got rows %s, want what the other session wrote", got)
	}
	if got, want := w.states(), "1 applied, 2 partial"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var p *PlanError
	if err := w.up(); !errors.As(err, &p) || p.ExitCode() != 4 {
		t.Errorf("up: got %v, want it refused with exit 4", err)
	}
	if err := w.migrator(Options{DryRun: true}).Up(t.Context()); !errors.As(err, &p) || p.ExitCode() != 4 {
		t.Errorf("up --dry-run: got %v, want what up itself says", err)
	}
	if err := w.recover(RollBack, ""); !errors.As(err, &run) || run.ExitCode() != 4 {
		t.Errorf("recover: got %v, want still exit 4", err)
	}
	w.SQL(t, "ALTER TABLE a DROP COLUMN y")
	w.must(w.recover(MarkRolledBack, "dropped y by hand"))
	if got, want := w.states(), "1 applied, 2 rolled_back"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAtomicAndRedo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n--down\nDROP TABLE a;\n")
	w.must(w.up())
	before := w.look()
	w.Migration(2, "ALTER TABLE a ADD COLUMN y INT;\n")
	w.Migration(3, "UPDATE a SET y = 1;\nCREATE TABLE b (x INT);\nINSERT INTO nowhere VALUES (1);\n")
	var run *RunError
	if err := w.migrator(Options{PlanOptions: PlanOptions{Atomic: true}}).Up(t.Context()); !errors.As(err, &run) || run.ExitCode() != 1 || len(run.Applied) != 0 {
		t.Fatalf("got %v, want a clean rollback of the whole run", err)
	}
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("after an atomic run (-want +got):\n%s", diff)
	}
	if got, want := w.states(), "1 applied, 2 rolled_back, 3 rolled_back"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.RemoveMigration(2)
	w.RemoveMigration(3)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO nowhere VALUES (1);\n--down\nDROP TABLE a;\n")
	if err := w.migrator(Options{}).Redo(t.Context()); !errors.As(err, &run) || run.ExitCode() != 1 {
		t.Fatalf("got %v, want a clean rollback", err)
	}
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("after a failed redo (-want +got):\n%s", diff)
	}
	if got := w.states(); got != "1 edited" {
		t.Errorf("got %q: a failed redo leaves the version applied, with the text as it was", got)
	}
}

func TestDownFromTheJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\n--down\nDROP TABLE a;\n")
	w.Migration(2, "CREATE TABLE b (x INT);\n--down\nDROP TABLE b;\n")
	w.must(w.up())
	w.RemoveMigration(2)
	w.must(w.migrator(Options{}).Down(t.Context(), 1, false))
	if got, want := w.tables(), "a"; got != want {
		t.Errorf("got tables %q, want %q", got, want)
	}
}

func TestRedefine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.Database + "_c"
	t.Cleanup(func() { w.SQL(t, "DROP CONNECTION IF EXISTS "+conn) })
	create := func(id string) string {
		return fmt.Sprintf("CREATE CONNECTION %s STORAGE_TYPE='s3' ACCESS_KEY_ID='%s' SECRET_ACCESS_KEY={{ secret \"KEY\" }};\n", conn, id)
	}
	show := func() string {
		return fmt.Sprint(w.SQL(t, "DESC CONNECTION "+conn))
	}
	w.secret["KEY"] = "first-key"
	w.Migration(1, create("AKfirst"))
	w.must(w.up())
	first := show()
	w.Migration(2, strings.Replace(create("AKsecond"), "CREATE", "CREATE OR REPLACE", 1)+"INSERT INTO nowhere VALUES (1);\n")
	err := w.up()
	var run *RunError
	if !errors.As(err, &run) || run.ExitCode() != 1 || !strings.Contains(fmt.Sprint(run.Outcomes), "secrets as of now") {
		t.Fatalf("got %v, %+v, want it put back from the journal, and said so", err, run)
	}
	if got := show(); got != first {
		t.Errorf("got %s, want %s", got, first)
	}

	// One that is not ours.
	other := newWorld(t)
	other.secret["KEY"] = "k"
	other.Migration(1, strings.Replace(create("AKother"), "CREATE", "CREATE OR REPLACE", 1))
	var p *PlanError
	if err := other.up(); !errors.As(err, &p) || p.Kind != plan.Adopt || show() != first {
		t.Fatalf("got %v, want it refused", err)
	}
	other.Migration(1, "-- dbctl: adopt \"it is\"\n--up\n"+strings.Replace(create("AKother"), "CREATE", "CREATE OR REPLACE", 1))
	other.must(other.up())
	other.Migration(2, "DROP CONNECTION "+w.Database+"_d;\n")
	w.SQL(t, "CREATE CONNECTION "+w.Database+"_d STORAGE_TYPE='s3' ACCESS_KEY_ID='a' SECRET_ACCESS_KEY='b'")
	t.Cleanup(func() { w.SQL(t, "DROP CONNECTION IF EXISTS "+w.Database+"_d") })
	if err := other.up(); !errors.As(err, &p) || p.Kind != plan.Irreversible {
		t.Errorf("got %v, want it refused: it could not be put back", err)
	}
}

// A definition that names a file format or a connection makes what it made only while that is as it was.
func TestRedefineNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f, s := w.Database+"_f", w.Database+"_s"
	t.Cleanup(func() { w.SQL(t, "DROP STAGE IF EXISTS "+s, "DROP FILE FORMAT IF EXISTS "+f) })
	w.secret["KEY"] = "first-key"
	stage := func(rest string) string {
		return fmt.Sprintf("CREATE OR REPLACE STAGE %s URL='s3://b/a/' CONNECTION=(ACCESS_KEY_ID='AK' SECRET_ACCESS_KEY={{ secret \"KEY\" }})%s;\n", s, rest)
	}
	w.Migration(1, "CREATE FILE FORMAT "+f+" TYPE=CSV;\n"+stage(" FILE_FORMAT=(FORMAT_NAME='"+f+"')"))
	w.must(w.up())
	const fail = "INSERT INTO nowhere VALUES (1);\n"
	want := func(at int, word string) {
		t.Helper()
		var p *PlanError
		err := w.up()
		if word == "" {
			var run *RunError
			if !errors.As(err, &run) || run.ExitCode() != 1 {
				t.Errorf("got %v, want it put back", err)
			}
		} else if !errors.As(err, &p) || p.Kind != plan.Irreversible || p.Version != int64(at) || !strings.Contains(p.Msg, word) {
			t.Errorf("got %v, want version %d refused: %s", err, at, word)
		}
	}
	w.Migration(2, "DROP FILE FORMAT "+f+";\n"+stage("")+fail)
	want(2, "")
	w.Migration(2, "CREATE OR REPLACE FILE FORMAT "+f+" TYPE=TSV;\n"+stage(" FILE_FORMAT=(FORMAT_NAME='"+f+"')")+fail)
	want(2, "")
	w.Migration(2, stage("")+fail)
	want(2, "")
	w.SQL(t, "CREATE OR REPLACE FILE FORMAT "+f+" TYPE=TSV")
	want(2, "was changed since")
	w.SQL(t, "DROP FILE FORMAT "+f)
	want(2, "is not there any more")
	w.SQL(t, "CREATE FILE FORMAT "+f+" TYPE=CSV")
	want(2, "")
	both := "CREATE OR REPLACE FILE FORMAT " + f + " TYPE=CSV;\n" + stage(" FILE_FORMAT=(FORMAT_NAME='"+f+"')")
	w.Migration(2, both) // as keys are rotated, the first time
	w.must(w.up())
	w.Migration(3, both+fail)
	want(3, "")
	w.Migration(3, "CREATE OR REPLACE FILE FORMAT "+f+" TYPE=NDJSON;\n")
	w.Migration(4, stage("")+fail)
	want(4, "another migration changed since")
	w.RemoveMigration(4)
	w.must(w.up())
	w.Migration(4, stage("")+fail)
	want(4, "another migration changed since")
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\n")
	w.Migration(2, "INSERT INTO a VALUES (1);\n")
	var all sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		o := Options{Project: w.project(), Server: w.srv, LockWait: time.Duration(i%2) * time.Minute}
		m := New(o)
		t.Cleanup(m.Close)
		all.Go(func() { errs[i] = m.Up(t.Context()) })
	}
	all.Wait()
	for i, err := range errs {
		var held *state.HeldError
		if err != nil && !(errors.As(err, &held) && i != 1) {
			t.Errorf("run %d: got %v", i, err)
		}
	}
	if got := fmt.Sprint(w.SQL(t, "SELECT x FROM a")); got != "[[1]]" {
		t.Errorf("got rows %s, want the insert once", got)
	}
}

// TestLoadThatGivesWay: a load and a migration that begin at once each see the other's claim. The load gives its lock back, and the
// migration goes on, also where it waits for no lock; a load that keeps its lock ends it.
func TestLoadThatGivesWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\n")
	w.must(w.up())
	for i, gives := range []bool{false, true} {
		w.Migration(i+2, fmt.Sprintf("ALTER TABLE a ADD COLUMN y%d INT;\n", i))
		l, err := w.migrator(Options{}).store.AcquireTable(t.Context(), w.Database, "a", state.LockOptions{Run: databend.NewID()})
		w.must(err)
		claims := "SELECT count() FROM system.tables WHERE database = '" + w.StateDB + "' AND left(name, 4) = 'run_'"
		var load sync.WaitGroup
		ended := make(chan struct{})
		load.Go(func() {
			for w.SQL(t, claims)[0][0] == "0" {
				select {
				case <-ended:
					return
				default:
				}
				if err := l.Beat(t.Context()); err != nil { // it has just begun
					t.Error(err)
					return
				}
			}
			time.Sleep(300 * time.Millisecond)
			if gives {
				if err := l.Release(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		err = w.up()
		close(ended)
		load.Wait()
		var held *state.HeldError
		switch {
		case gives:
			w.must(err)
		case !errors.As(err, &held):
			t.Errorf("got %v, want it held by the load", err)
		default:
			w.must(l.Release(t.Context()))
		}
		w.must(w.up())
	}
}

// TestOneStatementRanOrNot kills a process, or loses an answer, right before and right after the only statement of a migration: it
// must be found out whether it ran.
func TestOneStatementRanOrNot(t *testing.T) {
	t.Parallel()
	for i, statement := range []string{
		"CREATE OR REPLACE TABLE a AS SELECT 5 AS x", "CREATE OR REPLACE VIEW v AS SELECT 5 AS x", "DROP TABLE a", "ALTER TABLE a RENAME TO b",
		"ALTER TABLE a ADD COLUMN y INT", "ALTER TABLE empty DROP COLUMN y", "ALTER TABLE empty COMMENT = 'new'", "CREATE TABLE IF NOT EXISTS a (z INT)",
		"ALTER TABLE a RENAME COLUMN x TO z", "ALTER TABLE a MODIFY COLUMN x STRING", "ALTER TABLE empty CLUSTER BY (x)", "CREATE TABLE IF NOT EXISTS n (z INT)",
	} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			for _, sent := range []bool{false, true} {
				if !databendtest.Full() && sent != (i%2 == 0) {
					continue
				}
				w := newWorld(t)
				w.SQL(t, "CREATE TABLE a (x INT)", "INSERT INTO a VALUES (1)", "CREATE TABLE empty (x INT, y INT)", "CREATE VIEW v AS SELECT x FROM a")
				looks := map[bool]map[string]string{false: w.look()}
				w.Migration(1, statement+";\n")
				w.cut(statement, sent, Options{})
				w.must(w.recover(RollBack, ""))
				ran := w.states() == "1 applied"
				if ran != sent && !strings.Contains(statement, "IF NOT EXISTS a") {
					t.Errorf("sent %v: the journal says that it ran: %v", sent, ran)
				}
				w.must(w.up())
				looks[true] = w.look()
				if got := w.states(); got != "1 applied" {
					t.Errorf("sent %v: got %q after going on", sent, got)
				}
				if !strings.Contains(statement, "IF NOT EXISTS a") && cmp.Equal(looks[false], looks[true]) {
					t.Errorf("sent %v: it did not run", sent)
				}
			}
		})
	}
}

// TestGroupOfSoleStatements kills a process at every statement of migrations of one statement each that share marks. Another
// session changes something meanwhile: that is not taken for theirs.
func TestGroupOfSoleStatements(t *testing.T) {
	t.Parallel()
	statements := []string{
		"ALTER TABLE a RENAME TO b", "CREATE TABLE c (x INT)", "ALTER TABLE c ADD COLUMN y INT", "CREATE OR REPLACE VIEW v AS SELECT 2 AS x",
		"ALTER TABLE d ADD COLUMN y INT", "CREATE OR REPLACE TABLE e AS SELECT 3 AS x", "ALTER TABLE d COMMENT = 'd'", "DROP TABLE g",
		"ALTER TABLE d DROP COLUMN w", "ALTER TABLE c RENAME TO k", "CREATE TABLE h (x INT)",
	}
	for i, statement := range statements {
		for _, sent := range []bool{false, true} {
			if !databendtest.Full() && sent != (i%2 == 0) {
				continue
			}
			t.Run(fmt.Sprintf("%s %v", statement, sent), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.SQL(t, "CREATE VIEW v AS SELECT 1 AS x")
				for _, n := range []string{"a", "d", "e", "g"} {
					w.SQL(t, "CREATE TABLE "+n+" (x INT, w INT)")
				}
				for j, s := range statements {
					w.Migration(j+1, s+";\n")
				}
				w.cut(statement, sent, Options{})
				foreign := 0
				if i < 4 && !sent {
					// Objects that later migrations of the group make or change.
					w.SQL(t, "CREATE TABLE h (x INT)", "ALTER TABLE d ADD COLUMN other INT")
					foreign = 1
				}
				w.must(w.recover(RollBack, ""))
				applied := strings.Count(w.states(), " applied")
				want := i
				if sent {
					want++
				}
				if applied != want {
					t.Errorf("got %d versions applied, want %d", applied, want)
				}
				if foreign > 0 {
					w.SQL(t, "DROP TABLE h")
				}
				w.must(w.up())
				if got := w.tables(); got != "b d e h k v" {
					t.Errorf("got tables %q after going on", got)
				}
				if got := fmt.Sprint(w.SQL(t, "SELECT name FROM system.columns WHERE database=currentdatabase() AND `table` IN ('d', 'k') AND name IN ('w', 'y') ORDER BY 1")); got != "[[y] [y]]" {
					t.Errorf("got columns %s", got)
				}
			})
		}
	}
}

// TestPartialKeepsWhatWasFinished lets another session change a table while the third migration fails: what the run had finished before
// stays applied, whoever ends the run.
func TestPartialKeepsWhatWasFinished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\n")
	w.Migration(2, "CREATE TABLE b (x INT);\n")
	w.Migration(3, "ALTER TABLE a ADD COLUMN y INT;\nINSERT INTO nowhere VALUES (1);\n")
	g := newGrave(0, false)
	once := sync.OnceFunc(func() { w.SQL(t, "ALTER TABLE a ADD COLUMN z INT") })
	g.hook = func(text string) {
		if strings.Contains(text, `"sql":"INSERT INTO nowhere`) {
			once()
		}
	}
	healthy := w.srv
	w.through(g)
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 4 {
		t.Fatalf("got %v, want exit 4\n%s", err, w.said())
	}
	w.srv = healthy
	if got := w.states(); got != "1 applied, 2 applied, 3 partial" {
		t.Errorf("got %q", got)
	}
	if err := w.recover(RollBack, ""); !errors.As(err, &run) || run.ExitCode() != 4 {
		t.Fatalf("got %v, want exit 4 again", err)
	}
	w.must(w.recover(MarkRolledBack, "mended"))
	if got := w.states(); got != "1 applied, 2 applied, 3 rolled_back" {
		t.Errorf("got %q after a person's word", got)
	}
}

// TestLateOutcome lets the last INSERT of a killed run come when another has begun to take it over: what it said of its outcome is void,
// and said again.
func TestLateOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\n")
	w.Migration(2, "CREATE TABLE b (x INT);\n")
	w.Migration(3, "CREATE TABLE c (x INT);\nINSERT INTO nowhere VALUES (1);\n")
	w.cut("INSERT INTO nowhere", false, Options{})
	m := w.migrator(Options{LockWait: 10 * time.Minute})
	h, err := m.store.History(t.Context())
	w.must(err)
	left, ok := unfinished(h)
	if !ok {
		t.Fatal("nothing is unfinished")
	}
	w.SQL(t, "CREATE TABLE late AS SELECT * FROM "+w.StateDB+".journal WHERE event='plan' AND version<3",
		"UPDATE late SET event='applied', event_id=concat('late', event_id), seq=seq+100", "INSERT INTO "+w.StateDB+".journal SELECT * FROM late", "DROP TABLE late")
	w.must(run.PutBack(t.Context(), m.env, h, left))
	if got := w.states(); got != "1 applied, 2 applied, 3 rolled_back" {
		t.Errorf("got %q", got)
	}
}

// TestLostAnswer loses the answer of a migration's only statement without killing the process: it asks, and goes on.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if !w.Embedded {
		t.Skip("only the embedded engine loses answers on demand")
	}
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	w.must(w.up())
	w.Migration(2, "ALTER TABLE a ADD COLUMN y INT;\n")
	w.Migration(3, "CREATE OR REPLACE VIEW v AS SELECT y FROM a;\n")
	w.Fault(t, databendtest.Fault{Action: "drop_after", Match: "^ALTER TABLE a ADD"})
	w.Fault(t, databendtest.Fault{Action: "html", Match: "^CREATE OR REPLACE VIEW"})
	err := w.up()
	if err != nil {
		// The answer that was no answer came before the statement ran: it did not, and nothing is left.
		var run *RunError
		if !errors.As(err, &run) || run.Left || w.states() != "1 applied, 2 applied, 3 rolled_back" {
			t.Fatalf("got %v, %q", err, w.states())
		}
		w.must(w.up())
	}
	if got := w.states(); got != "1 applied, 2 applied, 3 applied" {
		t.Errorf("got %q", got)
	}
}

// A gateway that is busy for a moment costs a moment: nothing is given up for it, neither a run nor its rollback.
func TestBusyGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	w.must(w.up())
	w.Migration(2, "ALTER TABLE a ADD COLUMN y INT;\nDROP TABLE a;\nSELECT nothing FROM nowhere;\n")
	for _, match := range []string{"^ALTER TABLE `%s`", "^INSERT INTO `%s`.`journal`", "^SELECT .*`%s`.`journal`"} {
		for skip := range 3 {
			match := fmt.Sprintf(match, w.StateDB)
			w.Fault(t, databendtest.Fault{Action: "status", Status: http.StatusTooManyRequests, Match: match, Skip: skip, Times: 2})
		}
	}
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.Left || databend.IsAsleep(err) || w.states() != "1 applied, 2 rolled_back" {
		t.Errorf("got %v, %q", err, w.states())
	}
}

// TestAnothersNameBehindAKill lets another session make a table under the name that the last statement of a killed run freed: that the
// statement ran is seen all the same, and neither table is lost.
func TestAnothersNameBehindAKill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ours, at, states string
		code             int
	}{
		{"DROP TABLE d", "DROP TABLE d", "1 applied, 2 applied", 0},
		{"ALTER TABLE d RENAME TO e", "ALTER TABLE d", "1 applied, 2 applied", 0},
		{"CREATE TABLE n (x INT);\nDROP TABLE d", "DROP TABLE d", "1 applied, 2 partial", 4},
		{"ALTER TABLE d RENAME TO e;\nCREATE TABLE n (x INT)", "ALTER TABLE d", "1 applied, 2 partial", 4},
	} {
		t.Run(c.ours, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Migration(1, "CREATE TABLE d (x INT);\nINSERT INTO d VALUES (1);\n")
			w.must(w.up())
			w.Migration(2, c.ours+";\n")
			w.cut(c.at, true, Options{})
			w.SQL(t, "CREATE TABLE d (q INT)", "INSERT INTO d VALUES (7)")
			err := w.recover(RollBack, "")
			said := w.said()
			var run *RunError
			if c.code == 0 && err != nil || c.code != 0 && (!errors.As(err, &run) || int(run.ExitCode()) != c.code) {
				t.Errorf("got %v, want exit %d\n%s", err, c.code, said)
			}
			if got := w.states(); got != c.states {
				t.Errorf("got %q, want %q", got, c.states)
			}
			if got := fmt.Sprint(w.SQL(t, "SELECT q FROM d")); got != "[[7]]" {
				t.Errorf("got rows %s of the other session's table", got)
			}
			if c.code != 0 && !strings.Contains(said, "another session made a table under this name") {
				t.Errorf("got %s, want it named", said)
			}
		})
	}
}
