package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/state/journal"
)

func TestUpDownRedo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nCREATE VIEW v AS SELECT x FROM a;\n--down\nDROP VIEW v;\nDROP TABLE a;\n")
	w.Migration(2, "ALTER TABLE a ADD COLUMN y INT;\nINSERT INTO a VALUES (1, {{ var \"width\" }});\n--down\nALTER TABLE a DROP COLUMN y;\n")
	w.must(w.up())
	if got, want := w.states(), "1 applied, 2 applied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.must(w.up())
	if got, want := w.said(), "summary nothing is pending"; got != want {
		t.Errorf("second up: got %q, want %q", got, want)
	}
	w.must(w.migrator(Options{}).Redo(t.Context()))
	if got := fmt.Sprint(w.SQL(t, "SELECT * FROM a")); got != "[[1 NULL] [1 3]]" && got != "[[1 3] [1 NULL]]" {
		t.Errorf("after redo: got %s", got)
	}
	w.must(w.migrator(Options{}).Down(t.Context(), 0, true))
	if got, want := w.states(), "1 applied, 2 pending"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.must(w.up())
	w.must(w.migrator(Options{}).Down(t.Context(), 0, false))
	if got, want := w.states(), "1 pending, 2 pending"; got != want || w.tables() != "" {
		t.Errorf("got %q with tables %q, want %q and none", got, w.tables(), want)
	}
	if left := w.Litter(); len(left) > 0 {
		t.Errorf("left in the state database: %q", left)
	}
}

func TestFailingStatementLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT, y INT COMMENT 'why');\nINSERT INTO a VALUES (1, 2);\n")
	w.must(w.up())
	before := w.SQL(t, "SELECT name, table_id::STRING, comment FROM system.tables WHERE database='"+w.Database+"' ORDER BY 1")
	w.Migration(2, "CREATE TABLE b (x INT);\n")
	w.Migration(3, "ALTER TABLE a DROP COLUMN y;\nCREATE OR REPLACE TABLE a AS SELECT 7 AS z;\nCREATE VIEW v AS SELECT * FROM a;\n\nINSERT INTO\n  nowhere VALUES (1);\n")
	err := w.up()
	var run *RunError
	if !errors.As(err, &run) || run.ExitCode() != 1 || run.Version != 3 || run.Statement != 4 || fmt.Sprint(run.Applied) != "[2]" {
		t.Fatalf("got %#v (%v), want a RunError of version 3, statement 4, exit 1, after 2\n%s", run, err, w.said())
	}
	var d *databend.Error
	if !errors.As(err, &d) || d.Code != 1025 || d.File != "migrations/00003_m3.sql" || d.Line != 6 && d.Line != 7 {
		t.Errorf("got %+v, want code 1025 with its place in the file", d)
	}
	if got, want := w.states(), "1 applied, 2 applied, 3 rolled_back"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.SQL(t, "DROP TABLE b")
	after := w.SQL(t, "SELECT name, table_id::STRING, comment FROM system.tables WHERE database='"+w.Database+"' ORDER BY 1")
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("got tables %v, want %v", after, before)
	}
	if got := fmt.Sprint(w.SQL(t, "SELECT x, y FROM a")); got != "[[1 2]]" {
		t.Errorf("got rows %s, want those before", got)
	}
	if left := w.Litter(); len(left) > 0 {
		t.Errorf("left in the state database: %q", left)
	}
	// It runs again once it is mended.
	w.Migration(3, "ALTER TABLE a DROP COLUMN y;\n")
	w.must(w.up())
	if got, want := w.states(), "1 applied, 2 applied, 3 applied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRefusals is refused of each kind once, and nothing runs; the table of all that files and journal alone refuse is in package plan.
// What is refused by what the warehouse shows is here.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(2, "CREATE TABLE a (x INT);\n")
	w.Migration(4, "CREATE TABLE b (x INT);\n")
	w.must(w.up())
	check := func(what, kind string, err error) {
		t.Helper()
		var p *PlanError
		if !errors.As(err, &p) || p.Kind != kind || p.Hint() == "" {
			t.Errorf("%s: got %v, want a PlanError %s with a hint", what, err, kind)
		}
	}
	w.Migration(3, "CREATE TABLE c (x INT);\n")
	check("an older file", plan.OutOfOrder, w.up())
	w.Migration(3, "-- dbctl: allow=out-of-order \"it is\"\n--up\nCREATE TABLE c (x INT);\n")
	w.must(w.up())
	w.Migration(2, "CREATE TABLE a (x BIGINT);\n")
	check("an edit", plan.Edited, w.up())
	if got, want := w.states(), "2 edited, 3 applied, 4 applied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	check("accept without a reason", plan.Edited, w.migrator(Options{}).Accept(t.Context(), []int64{2}, ""))
	w.must(w.migrator(Options{}).Accept(t.Context(), []int64{2}, "a comment"))
	w.must(w.up())
	w.RemoveMigration(3)
	check("a hole", plan.Missing, w.up())
	if got, want := w.states(), "2 applied, 3 missing, 4 applied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.Migration(3, "-- dbctl: allow=out-of-order \"it is\"\n--up\nCREATE TABLE c (x INT);\n")
	w.RemoveMigration(4)
	w.must(w.up())
	if got, want := w.states(), "2 applied, 3 applied, 4 ahead"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.Migration(4, "CREATE TABLE b (x INT);\n")
	const first = "CREATE TABLE ran (x INT);\n"
	for _, tt := range []struct{ sql, kind string }{
		{"BEGIN;\nINSERT INTO a VALUES (1);\nTRUNCATE TABLE a;\nCOMMIT", plan.Transaction},
		{"SET enable_auto_analyze = 1", plan.Setting},
		{"USE " + w.StateDB + ";\nDROP TABLE ledger", plan.Own},
		{"EXECUTE IMMEDIATE 'SELECT 1'", plan.Irreversible},
		{"ALTER TABLE a SET TAG k = 'v'", plan.Irreversible},
		{"ALTER TABLE a RENAME TO z; ALTER TABLE z SET TAG k = 'v'", plan.Irreversible},
		// The licence comes first.
		{"ALTER TABLE a MODIFY COLUMN x UNSET MASKING POLICY", plan.Unsupported},
		{"ALTER TABLE a RENAME TO z; ALTER TABLE z DROP ALL ROW ACCESS POLICIES", plan.Unsupported},
	} {
		w.Migration(5, first+tt.sql+";\n")
		check(tt.sql, tt.kind, w.up())
	}
	w.Migration(5, "CREATE TABLE z (x INT);\nALTER TABLE z SET TAG k = 'v';\n")
	w.must(w.migrator(Options{DryRun: true}).Up(t.Context())) // the table goes, and its tag with it
	w.Migration(5, "DROP TABLE b;\n")
	w.must(w.up())
	check("no Down section", plan.NoDown, w.migrator(Options{}).Down(t.Context(), 0, true))
	check("an unknown version", plan.NoVersion, w.migrator(Options{PlanOptions: PlanOptions{To: 99}}).Up(t.Context()))
	if got := w.tables(); got != "a c" {
		t.Errorf("got tables %q: something ran", got)
	}
}

func TestStaleIsAWarning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x VECTOR({{ var \"width\" }}));\n")
	w.must(w.up())
	w.vars = map[string]string{"width": "4"}
	w.must(w.up())
	if !strings.Contains(w.said(), "warn migrations/00001_m1.sql is stale") {
		t.Errorf("got %q, want a warning", w.said())
	}
	if got, want := w.states(), "1 stale"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nDROP TABLE a;\n")
	w.must(w.migrator(Options{DryRun: true}).Up(t.Context()))
	if got, want := w.said(), "statement 1.1 exact CREATE TABLE\nstatement 1.2 exact DROP TABLE\nsummary 1 migration would run, nothing was changed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if rows := w.SQL(t, "SELECT name FROM system.databases WHERE name='"+w.StateDB+"'"); len(rows) != 0 || w.tables() != "" {
		t.Errorf("the dry run wrote something")
	}
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if !w.Embedded {
		t.Skip("this server may have streams and tasks")
	}
	w.Migration(1, "CREATE TABLE a (x INT);\n")
	w.Migration(2, "CREATE STREAM s ON TABLE a;\n--down\nDROP STREAM s;\n")
	w.Migration(3, "CREATE VIEW v AS SELECT * FROM s;\n")
	w.Migration(4, "CREATE TABLE b (x INT);\n")
	err := w.up()
	var p *PlanError
	if !errors.As(err, &p) || p.Kind != plan.Unsupported || p.Version != 2 || w.tables() != "" {
		t.Fatalf("got %v, want version 2 refused before anything ran", err)
	}
	skip := Options{PlanOptions: PlanOptions{SkipUnsupported: true}}
	w.must(w.migrator(skip).Up(t.Context()))
	if got, want := w.states(), "1 applied, 2 unsupported, 3 unsupported, 4 applied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	before := len(w.SQL(t, "SELECT event_id FROM "+w.StateDB+".journal"))
	w.must(w.migrator(skip).Up(t.Context()))
	if !strings.Contains(w.said(), "unsupported the server has no streams, which need an Enterprise licence (1402)") || !strings.Contains(w.said(), "needs table") {
		t.Errorf("got %q, want the reasons", w.said())
	}
	if after := len(w.SQL(t, "SELECT event_id FROM "+w.StateDB+".journal")); after != before {
		t.Errorf("a no-op up wrote %d rows", after-before)
	}
	w.Migration(5, "CREATE STREAM t ON TABLE a AT (NOWHERE => 1);\n")
	if err := w.migrator(skip).Up(t.Context()); !databend.IsCode(err, 1005) || !strings.Contains(err.Error(), "00005_m5.sql:2") {
		t.Errorf("got %v, want the syntax error with its place", err)
	}
}

// TestSkipUnsupportedSkipsWhatTheServerTurnsDown: what a statement needs may be known only when it runs. By consent, its migration is put
// back and left out, what needs it as well, and the next run does not try it again.
func TestSkipUnsupportedSkipsWhatTheServerTurnsDown(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"a clustering": "CREATE TABLE c (x INT, y INT) CLUSTER BY HILBERT(x, y)",
		"a warehouse":  "CREATE WAREHOUSE dbctl_w WITH warehouse_size = 2",
		"a service":    "INSERT INTO made SELECT count(*) FROM system.task_history",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if !w.Embedded {
				t.Skip("this server may have a licence")
			}
			w.Migration(1, "CREATE TABLE a (x INT);\n")
			w.Migration(2, "CREATE TABLE made (x INT);\n"+sql+";\n")
			w.Migration(3, "INSERT INTO made VALUES (1);\n")
			w.Migration(4, "CREATE TABLE b (x INT);\n")
			consent := Options{PlanOptions: PlanOptions{SkipUnsupported: true, AllowIrreversible: true}}
			if err := w.migrator(Options{PlanOptions: PlanOptions{AllowIrreversible: true}}).Up(t.Context()); !databend.IsCode(err, databend.CodeNoLicence, databend.CodeNoTasks) {
				t.Fatalf("got %v, want the server's refusal", err)
			}
			for range 2 {
				w.must(w.migrator(consent).Up(t.Context()))
				if got, want := w.states(), "1 applied, 2 unsupported, 3 unsupported, 4 applied"; got != want || w.tables() != "a b" {
					t.Errorf("got %q with the tables %s, want %q", got, w.tables(), want)
				}
			}
			if strings.Contains(w.said(), "rolled_back") {
				t.Errorf("the second run tried it again: %s", w.said())
			}
			w.Migration(2, "CREATE TABLE made (x INT);\n")
			w.must(w.migrator(consent).Up(t.Context()))
			if got, want := w.states(), "1 applied, 2 applied, 3 applied, 4 applied"; got != want {
				t.Errorf("mended: got %q, want %q", got, want)
			}
		})
	}
}

// TestSkipUnsupportedSkipsWhatNeedsALicence: whatever the feature, a version that needs it is refused before anything runs, and left
// out by consent.
func TestSkipUnsupportedSkipsWhatNeedsALicence(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"masking policy":      "CREATE MASKING POLICY dbctl_m AS (v STRING) RETURNS STRING -> '*'",
		"masked column":       "ALTER TABLE a MODIFY COLUMN x UNSET MASKING POLICY",
		"row access policy":   "CREATE ROW ACCESS POLICY dbctl_r AS (v INT) RETURNS BOOLEAN -> true",
		"computed column":     "CREATE TABLE c (x INT, y BIGINT AS (x + 1) STORED)",
		"virtual column":      "REFRESH VIRTUAL COLUMN FOR a",
		"vacuum":              "VACUUM TABLE a",
		"workload group":      "CREATE WORKLOAD GROUP dbctl_g WITH cpu_quota = '30%'",
		"tag of a table":      "ALTER TABLE a CREATE TAG v1",
		"notification":        "CREATE NOTIFICATION INTEGRATION dbctl_n TYPE = WEBHOOK ENABLED = TRUE WEBHOOK = (url = 'http://x')",
		"attached table":      "ATTACH TABLE att 's3://bucket/1/2/' CONNECTION = (ACCESS_KEY_ID = 'a' SECRET_ACCESS_KEY = 'b')",
		"inside a task":       "CREATE TASK dbctl_t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS VACUUM TABLE a",
		"beside another verb": "INSERT INTO a VALUES (1); VACUUM TABLE a",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if !w.Embedded {
				t.Skip("this server may have a licence")
			}
			w.Migration(1, "CREATE TABLE a (x INT);\n")
			w.Migration(2, sql+";\n")
			w.Migration(3, "CREATE TABLE b (x INT);\n")
			var p *PlanError
			if err := w.up(); !errors.As(err, &p) || p.Kind != plan.Unsupported || p.Version != 2 || w.tables() != "" {
				t.Fatalf("got %v, want version 2 refused before anything ran", err)
			}
			w.must(w.migrator(Options{PlanOptions: PlanOptions{SkipUnsupported: true}}).Up(t.Context()))
			if got, want := w.states(), "1 applied, 2 unsupported, 3 applied"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestSecretsAreAskedForBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\n")
	w.Migration(2, fmt.Sprintf("CREATE OR REPLACE CONNECTION %s_c STORAGE_TYPE='s3' ACCESS_KEY_ID={{ secret \"ID\" }} SECRET_ACCESS_KEY={{ secret \"KEY\" }};\n", w.Database))
	t.Cleanup(func() { w.SQL(t, "DROP CONNECTION IF EXISTS "+w.Database+"_c") })
	if err := w.up(); err == nil || !strings.Contains(err.Error(), "ID") || w.tables() != "" {
		t.Fatalf("got %v, want both secrets missed before anything ran", err)
	}
	w.secret = map[string]string{"ID": "id", "KEY": "it's \\ {{ a }} secret"}
	w.must(w.up())
	if got, want := w.states(), "1 applied, 2 applied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, r := range w.SQL(t, "SELECT up_text || before || after || detail FROM "+w.StateDB+".journal") {
		if strings.Contains(r[0], "a }} secret") {
			t.Errorf("the journal has the secret: %s", r[0])
		}
	}
}

func TestInterruptIsPutBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nCREATE TABLE b AS SELECT sleep(0.2) AS s FROM numbers(20);\nCREATE TABLE c (x INT);\n")
	ctx, cancel := context.WithCancel(t.Context())
	m := w.migrator(Options{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for ctx.Err() == nil && len(w.SQL(t, "SELECT name FROM system.tables WHERE database='"+w.Database+"' AND name='a'")) == 0 {
		}
		cancel()
	})
	err := m.Up(ctx)
	cancel()
	watch.Wait()
	var run *RunError
	if !errors.As(err, &run) || run.ExitCode() != 130 || run.Left {
		t.Fatalf("got %v, want an interrupted run that was put back\n%s", err, w.said())
	}
	if got := w.tables(); got != "" {
		t.Errorf("got tables %q, want none", got)
	}
	if got, want := w.states(), "1 rolled_back"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\n--down\nDROP TABLE a;\n")
	w.Migration(2, "CREATE TABLE b (x INT);\n")
	w.SQL(t, "CREATE TABLE a (x INT)")
	w.must(w.migrator(Options{}).Baseline(t.Context(), 1, "it is there"))
	w.must(w.up())
	if got, want := w.states(), "1 applied, 2 applied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	h, err := w.migrator(Options{}).store.History(t.Context())
	w.must(err)
	if h.Versions[1].Reason != "it is there" {
		t.Errorf("got reason %q", h.Versions[1].Reason)
	}
	if h.Versions[1].State != journal.Applied {
		t.Errorf("got %q", h.Versions[1].State)
	}
}

// TestQueryIDs: the journal has the query ids of a migration's own statements, those of one that failed too.
func TestQueryIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	w.Migration(2, "INSERT INTO a VALUES (2);\nINSERT INTO nowhere VALUES (1);\n")
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.Version != 2 {
		t.Fatalf("got %v, want version 2 to fail", err)
	}
	sent := map[string]string{}
	for _, q := range w.Log(t) {
		sent[q.ID] = q.SQL
	}
	got := map[string][]string{}
	for _, row := range w.SQL(t, "SELECT event, query_ids FROM "+w.StateDB+".journal WHERE query_ids<>''") {
		for _, id := range strings.Split(row[1], ",") {
			got[row[0]] = append(got[row[0]], sent[id])
		}
	}
	want := map[string][]string{
		journal.EventApplied:    {"CREATE TABLE a (x INT)", "INSERT INTO a VALUES (1)"},
		journal.EventRolledBack: {"INSERT INTO a VALUES (2)", "INSERT INTO nowhere VALUES (1)"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statements by the journal's query ids (-want +got):\n%s", diff)
	}
}

// TestLockThatIsNotGivenBack: what was done stays done, and is said to be.
func TestLockThatIsNotGivenBack(t *testing.T) {
	t.Parallel()
	for want, command := range map[string]func(*Migrator) error{
		"1 migration applied": func(m *Migrator) error { return m.Up(t.Context()) },
		"accepted: the same":  func(m *Migrator) error { return m.Accept(t.Context(), []int64{1}, "the same") },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Migration(1, "CREATE TABLE a (x INT);\n")
			w.must(w.up())
			w.Migration(1, "CREATE TABLE a (x INT);\n\n")
			w.Migration(2, "CREATE TABLE b (x INT);\n")
			w.Fault(t, databendtest.Fault{Action: "drop_before", Match: "DROP TABLE IF EXISTS `" + w.StateDB + "`.`run_", Times: 1000})
			if err := command(w.migrator(Options{})); err != nil {
				t.Errorf("got %v, want what was done to be called so", err)
			}
			if got := w.said(); !strings.Contains(got, want) || !strings.Contains(got, "could not be given back") {
				t.Errorf("got %q, want %q, and that the lock was not given back", got, want)
			}
		})
	}
}

// TestAcceptAllOrNone refuses one of two versions: the other is not accepted.
func TestAcceptAllOrNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\n")
	w.must(w.up())
	w.Migration(1, "CREATE TABLE a (x INT NULL);\n")
	w.Migration(2, "CREATE TABLE b (x INT);\n")
	if err := w.migrator(Options{}).Accept(t.Context(), []int64{1, 2}, "the same"); err == nil || !strings.Contains(err.Error(), "not applied") {
		t.Errorf("got %v, want version 2 refused", err)
	}
	if got := w.states(); got != "1 edited, 2 pending" {
		t.Errorf("got %q, want nothing accepted", got)
	}
}
