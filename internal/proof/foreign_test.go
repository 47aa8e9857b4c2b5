package proof

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// TestProofForeign lets another session change an object in the middle of a migration that fails: what it did is kept and named,
// and the exit code is 4.
func TestProofForeign(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		up      []string // the foreign statements run before the last of these; behind it stands one that fails
		foreign []string
		query   string // after
		want    string
		names   string // the report names it
	}{
		{
			"alter",
			[]string{"ALTER TABLE b ADD COLUMN k INT", "UPDATE b SET k = 1 WHERE true"},
			[]string{"ALTER TABLE b ADD COLUMN theirs STRING DEFAULT 'x'"},
			"SELECT DISTINCT theirs FROM b", "[[x]]", "b",
		},
		{
			"update",
			[]string{"ALTER TABLE b DROP COLUMN id", "CREATE TABLE c (x INT)"},
			[]string{"UPDATE b SET v = 'theirs' WHERE v = 'b'"},
			"SELECT count(*) FROM b WHERE v = 'theirs'", "[[2]]", "b",
		},
		{
			"rename",
			[]string{"ALTER TABLE b ADD COLUMN k INT", "CREATE TABLE c (x INT)"},
			[]string{"ALTER TABLE b RENAME TO theirs"},
			"SELECT count(*) FROM theirs", "[[3]]", "b",
		},
		{
			"drop",
			[]string{"ALTER TABLE b ADD COLUMN k INT", "CREATE TABLE c (x INT)"},
			[]string{"DROP TABLE b"},
			"SELECT count(*) FROM system.tables WHERE database='{db}' AND name='b'", "[[0]]", "b",
		},
		{
			"create",
			[]string{"DROP TABLE b", "CREATE TABLE c (x INT)"},
			[]string{"CREATE TABLE b (theirs INT)", "INSERT INTO b VALUES (5)"},
			"SELECT theirs FROM b", "[[5]]", "b",
		},
		{
			"insert into what we made",
			[]string{"CREATE TABLE c (x INT)", "CREATE TABLE d (x INT)"},
			[]string{"INSERT INTO c VALUES (6)"},
			"SELECT count(*) FROM {theirs}", "[[1]]", "c",
		},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			outcome := "kept, named, exit 4"
			defer results.outcome(t, "foreign "+c.name, &outcome)
			w := newWorld(t)
			w.sql(base...)
			w.migration(1, append(slices.Clone(c.up), failing), nil)
			last, done := c.up[len(c.up)-1], false
			run := w.start(func(_ int, sql string) fault {
				if !done && strings.TrimSuffix(strings.TrimSpace(sql), ";") == last {
					done = true
					w.sql(c.foreign...)
				}
				return none
			}, nil, "migrate", "up").wait()
			if run.exit != 4 || !strings.Contains(run.out.String(), w.Database+"."+c.names) {
				t.Fatalf("want exit 4 with %s named: %s\n%s", c.names, run, run.asked())
			}
			query := c.query
			if strings.Contains(query, "{theirs}") {
				// It stands under its name, or beside it under another one that the report names.
				table := ""
				for _, r := range w.sql("SELECT name FROM system.tables WHERE database='{db}'") {
					if (r[0] == c.names || strings.HasPrefix(r[0], "__dbctl")) && strings.Contains(run.out.String(), r[0]) {
						table = r[0]
					}
				}
				query = strings.ReplaceAll(query, "{theirs}", "`"+table+"`")
			}
			if got := fmt.Sprint(w.sql(query)); got != c.want {
				t.Fatalf("%s: got %s, want %s\n%s\n%s", c.query, got, c.want, run, run.asked())
			}
			// A person's turn: everything else refuses until then.
			w.must(4, "migrate", "up")
			w.must(0, "migrate", "recover", "--mark-rolled-back", "--reason", "looked at it")
			if st := w.states(); st[1] == "applied" || st[1] == "partial" || st[1] == "interrupted" {
				t.Fatalf("got state %q after a person's word", st[1])
			}
		})
	}
}

// writer inserts into a table from another session until it is stopped, and remembers what was acknowledged.
type writer struct {
	stop  atomic.Bool
	done  sync.WaitGroup
	acked []int
}

func (w *world) writer(table string) *writer {
	x := &writer{}
	x.done.Go(func() {
		for i := 1000; !x.stop.Load(); i++ {
			if code, _ := w.Err(w.T, fmt.Sprintf("INSERT INTO %s (id) VALUES (%d)", table, i)); code == 0 {
				x.acked = append(x.acked, i)
			}
		}
	})
	return x
}

func (x *writer) end() []int {
	x.stop.Store(true)
	x.done.Wait()
	return x.acked
}

// TestProofWriters lets another session insert in a loop while migrations of random statements fail. No acknowledged row is lost.
func TestProofWriters(t *testing.T) {
	t.Parallel()
	const rowsBefore = 3
	pool := []string{
		"ALTER TABLE %s ADD COLUMN k INT", "UPDATE %s SET d = 7 WHERE id < 1000", "INSERT INTO %s (id) SELECT id + 500 FROM %s WHERE id < 500",
		"ALTER TABLE %s DROP COLUMN d", "DELETE FROM %s WHERE id = 2", "TRUNCATE TABLE %s", "ALTER TABLE %s COMMENT = 'changed'",
		"CREATE OR REPLACE TABLE %s (id INT, d INT)", "ALTER TABLE %s MODIFY COLUMN d STRING", "INSERT OVERWRITE %s (id, d) SELECT 1, 1",
		"DROP TABLE %s", "ALTER TABLE %s RENAME TO %s_away",
	}
	lanes := 2
	if full {
		lanes = 4
	}
	for lane := range lanes {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			rnd := random(t)
			for round := range databendtest.Rounds(t, 3, 125) {
				table := fmt.Sprintf("t%d", round)
				w.sql("CREATE TABLE " + table + " (id INT, d INT)")
				written := rnd.IntN(4) > 0
				if written {
					w.sql("INSERT INTO " + table + " VALUES (1, 1), (2, 2), (2, 2)")
				}
				var up []string
				gone, noD := false, false // what the next statement would not find
				for n := 1 + rnd.IntN(3); len(up) < n && !gone; {
					s := strings.ReplaceAll(pool[rnd.IntN(len(pool))], "%s", table)
					if noD && (strings.Contains(s, " d ") || strings.HasSuffix(s, " d") || strings.Contains(s, "OVERWRITE")) || slices.Contains(up, s) {
						continue
					}
					gone = strings.HasPrefix(s, "DROP") || strings.HasSuffix(s, "_away")
					noD = noD || strings.HasSuffix(s, "DROP COLUMN d")
					up = append(up, s)
				}
				w.migration(1, append(up, failing), nil)
				other := w.writer(table)
				run := w.dbctl("migrate", "up")
				acked := other.end()
				w.checkWriter(table, written, rowsBefore, up, acked, run)
			}
		})
	}
}

// checkWriter wants every acknowledged row once: in the table, or, with exit 4, in what the report names.
func (w *world) checkWriter(table string, written bool, rowsBefore int, up []string, acked []int, run *process) {
	w.T.Helper()
	fail := func(format string, args ...any) {
		w.T.Helper()
		w.T.Fatalf("%s\nmigration: %s\n%s\nit asked:\n%s", fmt.Sprintf(format, args...), strings.Join(up, "; "), run, run.asked())
	}
	if run.exit != 1 && run.exit != 4 {
		fail("want exit 1 or 4")
	}
	var tables []string
	for _, r := range w.sql("SELECT name FROM system.tables WHERE database='{db}' AND (name = '" + table + "' OR name = '" + table + "_away' OR name LIKE '\\\\_\\\\_dbctl%')") {
		tables = append(tables, r[0])
		if r[0] != table && (run.exit == 1 || !strings.Contains(run.out.String(), r[0])) {
			fail("%s is left behind, and not named", r[0])
		}
	}
	found := map[string]int{}
	for _, n := range tables {
		for _, r := range w.sql("SELECT id FROM `" + n + "`") {
			found[r[0]]++
		}
	}
	where := "kept"
	if run.exit == 4 && slices.ContainsFunc(acked, func(id int) bool { return found[fmt.Sprint(id)] == 0 }) {
		// The migration's own statements deleted rows of others from a table that had to be left, or put aside, as it was: they are
		// in its history.
		where = "some in the history of a table that is left and named"
		w.past(tables, found)
	}
	for _, id := range acked {
		if n := found[fmt.Sprint(id)]; n != 1 {
			fail("row %d was acknowledged and is there %d times (%d acknowledged; tables %v)", id, n, len(acked), tables)
		}
	}
	if run.exit == 1 {
		want := len(acked)
		if written {
			want += rowsBefore
		}
		if got := w.sql("SELECT count(*), count(d) FROM " + table)[0]; got[0] != fmt.Sprint(want) || got[1] != fmt.Sprint(want-len(acked)) {
			fail("got %s rows, %s of them ours, want %d and %d", got[0], got[1], want, want-len(acked))
		}
		if left := w.Litter(); len(left) > 0 {
			fail("left behind: %q", left)
		}
		results.add("foreign writer", "rolled back")
	} else {
		w.must(0, "migrate", "recover", "--mark-rolled-back", "--reason", "a round of the proof")
		for _, n := range tables {
			w.sql("DROP TABLE `" + n + "`")
		}
		results.add("foreign writer", "kept, exit 4")
	}
	results.add("foreign writer, acknowledged rows", where)
}

// past adds to found what stands only in earlier snapshots of the tables, once.
func (w *world) past(tables []string, found map[string]int) {
	w.T.Helper()
	earlier := map[string]bool{}
	for _, n := range tables {
		for _, s := range w.sql("SELECT snapshot_id FROM fuse_snapshot('{db}', '" + n + "')") {
			for _, r := range w.sql("SELECT id FROM `" + n + "` AT (SNAPSHOT => '" + s[0] + "')") {
				earlier[r[0]] = true
			}
		}
	}
	for id := range earlier {
		if found[id] == 0 {
			found[id] = 1
		}
	}
}
