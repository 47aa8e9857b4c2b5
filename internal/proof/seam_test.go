package proof

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seam is a migration over a table that a load fills. Two files are loaded before it, one comes with it, and a load runs behind it: no
// file may be loaded twice, and none be passed over in silence.
type seam struct {
	name     string
	up, down []string
	setup    []string // before the first load
	fails    bool     // a statement that fails comes behind up
	plan     string   // what `plan` says of the ledger
	// want is what the load behind it takes, and lacks the ids that the migration itself took away.
	loads   []string
	lacks   []string
	refused string // the load asks a person instead, and says so
	say     string // the load says so of files that it does not take
	only    bool   // no round of down
}

var carried = "goes along, 2 loaded files"

var seams = []seam{
	{name: "replaced as select", up: []string{"CREATE OR REPLACE TABLE t CLUSTER BY (id) AS SELECT * FROM t"}, down: []string{"CREATE OR REPLACE TABLE t AS SELECT * FROM t"}, plan: carried},
	{
		name: "renamed, made, filled", up: []string{"ALTER TABLE t RENAME TO old", "CREATE TABLE t (id BIGINT, name STRING, src STRING)", "INSERT INTO t SELECT * FROM old", "DROP TABLE old"},
		down: []string{"RENAME TABLE t TO was", "CREATE TABLE t (id INT, name STRING, src STRING)", "INSERT INTO t SELECT * FROM was", "DROP TABLE was"}, plan: carried,
	},
	{
		name: "a new one renamed", up: []string{"CREATE TABLE n AS SELECT * FROM t", "DROP TABLE t", "ALTER TABLE n RENAME TO t"},
		down: []string{"DROP TABLE t", "UNDROP TABLE t"}, plan: carried,
	},
	{
		name: "swapped", up: []string{"CREATE TABLE n AS SELECT * FROM t", "ALTER TABLE t SWAP WITH n"},
		down: []string{"ALTER TABLE t SWAP WITH n", "DROP TABLE n"}, plan: carried,
	},
	{
		name: "emptied and filled again", up: []string{"CREATE TABLE n AS SELECT * FROM t", "TRUNCATE TABLE t", "INSERT INTO t SELECT * FROM n", "DROP TABLE n"},
		down: []string{"CREATE TABLE n LIKE t", "INSERT INTO n SELECT * FROM t", "TRUNCATE TABLE t", "INSERT INTO t SELECT * FROM n", "DROP TABLE n"}, plan: carried,
	},
	{name: "fewer rows", up: []string{"CREATE OR REPLACE TABLE t AS SELECT * FROM t WHERE id <> 11"}, plan: carried, lacks: []string{"11"}, only: true},
	{
		name: "a join", setup: []string{"CREATE TABLE u (id INT)", "INSERT INTO u VALUES (10), (11), (12), (20), (21)"},
		up: []string{"CREATE OR REPLACE TABLE t AS SELECT t.* FROM t JOIN u ON t.id = u.id"}, plan: carried, lacks: []string{"22"}, only: true,
	},
	{
		name: "views in between", setup: []string{"CREATE VIEW v AS SELECT * FROM t", "CREATE VIEW vv AS SELECT * FROM v"},
		up: []string{"CREATE OR REPLACE TABLE t AS SELECT * FROM vv"}, down: []string{"CREATE VIEW mine AS SELECT * FROM v", "CREATE OR REPLACE TABLE t AS SELECT * FROM mine", "DROP VIEW mine"}, plan: carried,
	},
	{
		name: "other forms of queries", only: true, plan: carried,
		up: []string{"CREATE TABLE n AS WITH a AS (FROM t), t AS (SELECT a.* FROM a) FROM t", "DROP TABLE t", "ALTER TABLE n RENAME TO t"},
	},
	{name: "dropped and undropped", up: []string{"DROP TABLE t", "UNDROP TABLE t"}, down: []string{"DROP TABLE t", "UNDROP TABLE t"}},
	{name: "changed in place", up: []string{"ALTER TABLE t ADD COLUMN c INT", "UPDATE t SET c = 1 WHERE id > 0"}, down: []string{"ALTER TABLE t DROP COLUMN c"}},
	{
		name: "made anew", up: []string{"CREATE OR REPLACE TABLE t (id INT, name STRING, src STRING)"}, only: true,
		plan: "comes back empty: the next load takes its 2 loaded files again", loads: []string{"0001", "0002", "0003"},
	},
	{
		name: "truncated", up: []string{"TRUNCATE TABLE t"}, only: true, plan: "is emptied", say: "gone", loads: []string{"0003"}, lacks: []string{"10", "11", "12", "20", "21", "22"},
	},
	{
		name: "filled from elsewhere", setup: []string{"CREATE TABLE u (id INT, name STRING, src STRING)", "INSERT INTO u VALUES (1, 'x', 'y')"}, only: true,
		up: []string{"CREATE OR REPLACE TABLE t AS SELECT * FROM u"}, plan: "becomes another table", refused: "the ledger does not know",
	},
	{
		name: "filled from nothing", only: true, up: []string{"CREATE OR REPLACE TABLE t (id INT, name STRING, src STRING)", "INSERT INTO t VALUES (1, 'x', 'y')"},
		plan: "becomes another table", refused: "the ledger does not know",
	},

	// Undone: the rows are back, and the files they are from are known.
	{name: "a truncate undone", up: []string{"TRUNCATE TABLE t"}, fails: true},
	{name: "a truncate of a renamed one undone", up: []string{"ALTER TABLE t RENAME TO x", "TRUNCATE TABLE x"}, fails: true},
	{name: "dropped with its history, undone", up: []string{"DROP TABLE t ALL", "CREATE TABLE t (a INT)"}, fails: true},
	{name: "a rebuild undone", up: []string{"CREATE OR REPLACE TABLE t AS SELECT * FROM t", "INSERT INTO t SELECT * FROM t"}, fails: true},
	{name: "a rename and a rebuild undone", up: []string{"ALTER TABLE t RENAME TO old", "CREATE TABLE t AS SELECT * FROM old", "TRUNCATE TABLE old"}, fails: true},
	{name: "everything undone", up: []string{"DELETE FROM t WHERE id > 0", "INSERT OVERWRITE t SELECT * FROM t", "TRUNCATE TABLE t", "CREATE OR REPLACE TABLE t (a INT)", "DROP TABLE t"}, fails: true},
}

// loaded makes t with a load of two files.
func (s seam) loaded(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	p := &loadPlan{first: files(1, 2), args: []string{"load", "t"}}
	p.prepare(w)
	w.sql(s.setup...)
	up := s.up
	if s.fails {
		up = append(slices.Clone(up), failing)
	}
	w.migration(1, up, s.down)
	return w
}

// behind puts a file and loads: each of the ids once, but those that the migration took away.
func (s seam) behind(w *world, n int) {
	w.T.Helper()
	w.put(files(n, 1))
	if s.refused != "" {
		if run := w.must(3, "load", "t"); !strings.Contains(run.out.String(), s.refused) {
			w.T.Fatalf("it does not say %q: %s", s.refused, run)
		}
		return
	}
	run := w.must(0, "load", "t")
	var want []string
	for i := 1; i <= n; i++ {
		for k := range 3 {
			if id := fmt.Sprint(i*10 + k); !slices.Contains(s.lacks, id) {
				want = append(want, id)
			}
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, w.rows()); diff != "" {
		w.T.Fatalf("rows (-want +got):\n%s\nafter %s\nwhich asked:\n%s", diff, run, run.asked())
	}
	for _, name := range s.loads {
		if !strings.Contains(run.out.String(), name) {
			w.T.Fatalf("it does not load %s: %s", name, run)
		}
	}
	if !strings.Contains(run.out.String(), s.say) {
		w.T.Fatalf("it does not say %q: %s", s.say, run)
	}
}

// TestProofSeam runs migrations over loaded tables up, down and again, with a load behind each.
func TestProofSeam(t *testing.T) {
	t.Parallel()
	for _, s := range seams {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			outcome := "each file once"
			defer results.outcome(t, "seam of migrations and loads", &outcome)
			w := s.loaded(t)
			if s.plan != "" {
				if run := w.dbctl("migrate", "up", "--dry-run"); run.exit != 0 || !strings.Contains(run.out.String(), s.plan) {
					t.Fatalf("the plan does not say %q: %s", s.plan, run)
				}
			}
			if s.fails {
				w.must(1, "migrate", "up")
				s.behind(w, 3)
				return
			}
			w.must(0, "migrate", "up")
			s.behind(w, 3)
			if s.only || s.down == nil {
				return
			}
			w.must(0, "migrate", "down")
			s.behind(w, 4)
			w.must(0, "migrate", "up", "--atomic")
			s.behind(w, 5)
			w.must(0, "migrate", "redo")
			s.behind(w, 6)
		})
	}
}

// TestProofSeamKilled ends dbctl at each statement of a rebuild, and behind the last; a recovery puts it back or goes on.
func TestProofSeamKilled(t *testing.T) {
	t.Parallel()
	var chosen []seam
	for _, s := range seams {
		if !s.only && !s.fails {
			chosen = append(chosen, s)
		}
	}
	if !full {
		n := random(t).IntN(len(chosen))
		chosen = chosen[n : n+1]
	}
	for _, s := range chosen {
		for _, how := range [][]string{{"migrate", "recover"}, {"migrate", "recover", "--resume"}, {"migrate", "up"}} {
			for k := range s.up {
				name := fmt.Sprintf("%s/%s/%d", s.name, how[len(how)-1], k)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					outcome := "each file once"
					defer results.outcome(t, "seam, killed", &outcome)
					w := s.loaded(t)
					run := w.start(func(_ int, sql string) fault {
						if strings.TrimSuffix(strings.TrimSpace(sql), ";") == s.up[k] {
							return killAnswered
						}
						return none
					}, nil, "migrate", "up").wait()
					if run.exit != -1 {
						t.Fatalf("not killed: %s", run)
					}
					if back := w.dbctl(how...); back.exit == 4 && strings.Contains(back.out.String(), "cannot be resumed") {
						w.must(0, "migrate", "recover")
					} else if back.exit != 0 {
						t.Fatalf("want exit 0: %s\n%s", back, back.asked())
					}
					s.behind(w, 3)
					w.must(0, "migrate", "up")
					s.behind(w, 4)
				})
			}
		}
	}
}

// TestLoadBesideAnUnfinishedMigration: what a killed migration took from a table, or put in its place, is no news about its files; and
// from a table that it copies nothing may be missing in the copy. The load names the recovery, and asks for no word about them.
func TestLoadBesideAnUnfinishedMigration(t *testing.T) {
	t.Parallel()
	for _, s := range []seam{
		{name: "emptied", up: []string{"TRUNCATE TABLE t", "CREATE TABLE x (a INT)"}},
		{name: "rebuilt", up: []string{"CREATE OR REPLACE TABLE t AS SELECT * FROM t", "CREATE TABLE x (a INT)"}},
		{name: "copied", up: []string{"CREATE TABLE n AS SELECT * FROM t", "CREATE TABLE x (a INT)"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := s.loaded(t)
			run := w.start(func(_ int, sql string) fault {
				if strings.HasPrefix(sql, s.up[0]) {
					return killAnswered
				}
				return none
			}, nil, "migrate", "up").wait()
			if run.exit != -1 {
				t.Fatalf("not killed: %s", run)
			}
			w.put(files(3, 1)) // a load of nothing new would have nothing to refuse
			asks := [][]string{{"load", "t"}, {"load", "t", "--mark", "new", "--reason", "pasted"}}
			if s.name != "copied" { // of which the files that are there say the truth
				asks = append(asks, []string{"load", "t", "--dry-run"})
			}
			for _, args := range asks {
				out := w.must(5, args...).out.String()
				if !strings.Contains(out, "hint: dbctl migrate recover\n") || strings.Contains(out, "--mark") {
					t.Errorf("dbctl %s: want the recovery and no mark in\n%s", strings.Join(args, " "), out)
				}
			}
			w.must(0, "migrate", "recover")
			s.behind(w, 3)
		})
	}
}

// TestSeamOverSeveralRuns: what one run makes of a loaded table's rows, a later run puts in its place. Between them a file is loaded, and
// one is quarantined.
func TestSeamOverSeveralRuns(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name   string
		runs   [][]string
		twice  []string // ids that the statements themselves double
		warned string   // the last migration says so
	}{
		{name: "made, then renamed", runs: [][]string{{"CREATE TABLE n AS SELECT * FROM t"}, {"DROP TABLE t", "ALTER TABLE n RENAME TO t"}}},
		{name: "made, then swapped", runs: [][]string{{"CREATE TABLE m AS SELECT * FROM t", "CREATE TABLE n AS SELECT * FROM m"}, {"ALTER TABLE t SWAP WITH n"}}},
		{name: "made, filled, then swapped", runs: [][]string{
			{"CREATE TABLE n LIKE t"}, {"INSERT INTO n SELECT * FROM t"}, {"ALTER TABLE t SWAP WITH n"},
		}},
		{name: "made, then read", runs: [][]string{{"CREATE TABLE n AS SELECT * FROM t"}, {"CREATE OR REPLACE TABLE t AS SELECT * FROM n"}}},
		{name: "made empty", runs: [][]string{{"CREATE TABLE x (a INT)"}, {"CREATE OR REPLACE TABLE t (id INT, name STRING, src STRING)"}}},
		{
			name: "renamed and loaded, then filled", runs: [][]string{{"ALTER TABLE t RENAME TO old", "CREATE TABLE t LIKE old"}, {"INSERT INTO t SELECT * FROM old"}},
			twice: []string{"10", "11", "12"}, warned: "the ledger has 1 file loaded into more than one of them",
		},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			(&loadPlan{first: files(1, 1), args: []string{"load", "t"}}).prepare(w)
			w.put([]file{{"0002", 20, 0}}) // bad, and given up
			w.must(0, "load", "t", "--mark", "quarantined", "--path", "in/0002.parquet", "--reason", "bad")
			for i, statements := range s.runs {
				w.migration(i+1, statements, nil)
				if run := w.must(0, "migrate", "up"); i == 1 && !strings.Contains(run.out.String(), s.warned) {
					t.Fatalf("it does not say %q: %s", s.warned, run)
				}
				w.put(files(3+i, 1))
				w.must(0, "load", "t")
			}
			var want []string
			for _, f := range []int{10, 30, 40, 50}[:len(s.runs)+1] {
				for k := range 3 {
					want = append(want, fmt.Sprint(f+k))
				}
			}
			want = append(want, s.twice...)
			slices.Sort(want)
			if diff := cmp.Diff(want, w.rows()); diff != "" {
				t.Fatalf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSeamOfTwoLoadedTables: each has its own ledger, which goes where it goes.
func TestSeamOfTwoLoadedTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	(&loadPlan{first: files(1, 2), args: []string{"load", "t"}}).prepare(w)
	w.loadOf("u")
	w.put(files(3, 1))
	w.must(0, "load", "u")
	w.migration(1, []string{"INSERT INTO t SELECT * FROM u"}, nil)
	if out := w.must(0, "migrate", "up", "--dry-run").out.String(); !strings.Contains(out, "; and 1 file not loaded into it") {
		t.Errorf("it does not say that a load brings the third once more: %s", out)
	}
	w.migration(1, []string{"ALTER TABLE t SWAP WITH u"}, nil)
	out := w.must(0, "migrate", "up", "--dry-run").out.String()
	for _, want := range []string{
		"table {db}.t becomes what table {db}.u was, with its ledger: 3 loaded files\n",
		"table {db}.u becomes what table {db}.t was, with its ledger: 2 loaded files\n",
	} {
		if !strings.Contains(out, w.text(want)) {
			t.Errorf("want %q in %s", w.text(want), out)
		}
	}
	w.must(0, "migrate", "up")
	for load, want := range map[string]string{"t": "0 new (0 B), 3 loaded", "u": "1 file, 3 rows loaded"} {
		if out := w.must(0, "load", load).out.String(); !strings.Contains(out, want) {
			t.Errorf("load %s: want %q in %s", load, want, out)
		}
	}
}

// TestSeamOfACopyThatIsGone: a table was filled with the rows of a loaded one, and no longer has them when it takes its place. The load
// asks; it passes no file over.
func TestSeamOfACopyThatIsGone(t *testing.T) {
	t.Parallel()
	other := "INSERT INTO n SELECT 99, 'other', 'x'"
	for _, s := range []struct {
		name string
		runs [][]string // their statements; "-- next" begins another migration
		exit []int      // of the runs; 0 where it ends
	}{
		{name: "emptied", runs: [][]string{{"CREATE TABLE n AS SELECT * FROM t"}, {"TRUNCATE TABLE n", other}, {"ALTER TABLE t SWAP WITH n"}}},
		{name: "overwritten", runs: [][]string{{"CREATE TABLE n LIKE t"}, {"INSERT INTO n SELECT * FROM t"}, {"INSERT OVERWRITE n SELECT 99, 'other', 'x'"}, {"ALTER TABLE t SWAP WITH n"}}},
		{name: "put back", runs: [][]string{{"CREATE TABLE n LIKE t"}, {"INSERT INTO n SELECT * FROM t", "-- next", "SELECT nope"}, {other}, {"ALTER TABLE t SWAP WITH n"}}, exit: []int{0, 1}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			(&loadPlan{first: files(1, 1), args: []string{"load", "t"}}).prepare(w)
			version := 0
			for i, statements := range s.runs {
				exit := 0
				if i < len(s.exit) {
					exit = s.exit[i]
				}
				first := version + 1
				for part := range strings.SplitSeq(strings.Join(statements, "\n"), "\n-- next\n") {
					version++
					w.migration(version, strings.Split(part, "\n"), nil)
				}
				w.must(exit, "migrate", "up", "--atomic")
				for v := first; exit != 0 && v <= version; v++ {
					w.migration(v, []string{"SELECT 1"}, nil)
				}
			}
			if out := w.must(3, "load", "t").out.String(); !strings.Contains(out, "the ledger does not know") {
				t.Errorf("got %s", out)
			}
		})
	}
}

// A copy of a loaded table is loaded itself before its rows take the table's place: what it got of its own goes along too.
func TestSeamOfALoadedCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	(&loadPlan{first: files(1, 1), args: []string{"load", "t"}}).prepare(w)
	w.migration(1, []string{"CREATE TABLE n AS SELECT * FROM t"}, nil)
	w.must(0, "migrate", "up")
	w.loadOf("n")
	w.must(0, "load", "n", "--mark", "loaded", "--path", "in/0001.parquet", "--reason", "copied")
	w.put(files(2, 1))
	w.must(0, "load", "n")
	w.migration(2, []string{"CREATE OR REPLACE TABLE t AS SELECT * FROM n"}, nil)
	w.must(0, "migrate", "up")
	w.put(files(3, 1))
	w.must(0, "load", "t")
	if diff := cmp.Diff([]string{"10", "11", "12", "20", "21", "22", "30", "31", "32"}, w.rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// A migration puts another table's rows in a loaded table's place, and a person says that the files are in it. By the ledger not all are.
func TestMarkOfATableFilledFromAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	(&loadPlan{first: files(1, 1), args: []string{"load", "t"}}).prepare(w)
	w.loadOf("u")
	w.must(0, "load", "u")
	w.put(files(2, 1))
	w.must(0, "load", "t")
	w.migration(1, []string{"CREATE OR REPLACE TABLE t AS SELECT * FROM u"}, nil)
	w.must(0, "migrate", "up")
	w.must(3, "load", "t")
	out := w.must(0, "load", "t", "--mark", "loaded", "--reason", "why").out.String()
	hint := "load t --mark new --path in/0002.parquet --reason why"
	if !strings.Contains(out, "by the ledger 1 file is not loaded into those: in/0002.parquet\n") || !strings.Contains(out, hint) {
		t.Errorf("got %s", out)
	}
	w.must(0, strings.Fields(hint)...)
	w.must(0, "load", "t")
	if diff := cmp.Diff([]string{"10", "11", "12", "20", "21", "22"}, w.rows()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// loadOf makes a table like t, and a load of the same files.
func (w *world) loadOf(table string) {
	w.T.Helper()
	w.sql("CREATE TABLE IF NOT EXISTS " + table + " LIKE t")
	w.Write("loads/"+table+".sql", w.text(strings.NewReplacer("INTO t", "INTO "+table, "{place}", "@{stage}/in/").Replace(loadText)))
}

// A table that one run empties and a later one fills again: no hint may lead to rows that are there twice.
func TestHintOfAnEmptiedTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	(&loadPlan{first: files(1, 2), args: []string{"load", "t"}}).prepare(w)
	w.migration(1, []string{"CREATE TABLE n AS SELECT * FROM t", "TRUNCATE TABLE t"}, nil)
	w.must(0, "migrate", "up")
	if out := w.must(0, "load", "t").out.String(); !strings.Contains(out, "hint: `dbctl load t --mark new --reason why` makes them new again") {
		t.Errorf("empty: %s", out)
	}
	w.migration(2, []string{"INSERT INTO t SELECT * FROM n"}, nil)
	w.must(0, "migrate", "up")
	if out := w.must(0, "load", "t").out.String(); !strings.Contains(out, "6 rows in ") || !strings.Contains(out, "--mark loaded --path GLOB") {
		t.Errorf("filled again: %s", out)
	}
	w.must(0, "load", "t", "--mark", "loaded", "--path", "in/*", "--reason", "the migration put them back")
	if out := w.must(0, "load", "t").out.String(); strings.Contains(out, "gone") || len(w.rows()) != 6 {
		t.Errorf("marked: %s, %v", out, w.rows())
	}
}
