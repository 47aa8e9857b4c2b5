package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
)

// aDayLater takes the dropped tables of the state database out of the engine's history, as Databend does after 24 hours.
func (w *world) aDayLater() {
	w.T.Helper()
	for i, r := range w.SQL(w.T, "SELECT name FROM system.tables_with_history WHERE database='"+w.StateDB+"' AND dropped_on IS NOT NULL") {
		w.SQL(w.T, "UNDROP TABLE "+w.StateDB+".`"+r[0]+"`", fmt.Sprintf("ALTER TABLE %s.`%s` RENAME TO old_%d", w.StateDB, r[0], i))
	}
}

// TestTheLastMarkOutlivesHistory lets days pass before an unfinished run is put back, after whatever took its claim away: how far it came
// is still known.
func TestTheLastMarkOutlivesHistory(t *testing.T) {
	t.Parallel()
	for what, between := range map[string]func(*world){
		"a person unlocked it": func(w *world) {
			_, _, err := w.migrator(Options{}).store.Unlock(t.Context(), false)
			w.must(err)
		},
		"who took it over was killed before the journal had its mark": func(w *world) {
			w.cut("SELECT current_query_id", false, Options{LockWait: 10 * time.Minute})
		},
		"who took it over was killed right behind that": func(w *world) {
			w.cut("INSERT INTO `"+w.StateDB, true, Options{LockWait: 10 * time.Minute})
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
			w.must(w.up())
			w.Migration(2, three)
			before := w.look()
			w.cut("CREATE TABLE c AS", true, Options{})
			between(w)
			w.aDayLater()
			w.must(w.recover(RollBack, ""))
			if diff := cmp.Diff(before, w.look()); diff != "" {
				t.Errorf("after recover (-want +got):\n%s\n%s", diff, w.said())
			}
			if l := w.Litter(); slices.ContainsFunc(l, func(name string) bool { return !strings.HasPrefix(name, "old_") }) {
				t.Errorf("left %s", l)
			}
		})
	}
}

// TestTheLastMarkOfARunThatWasNotPutBack: the rollback itself failed, and the run gave its lock back in peace.
func TestTheLastMarkOfARunThatWasNotPutBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	w.must(w.up())
	w.Migration(2, "ALTER TABLE a ADD COLUMN y INT;\nCREATE TABLE b (x INT);\nINSERT INTO nowhere VALUES (1);\n")
	before := w.look()
	healthy := w.srv
	cfg := w.Config
	var failed atomic.Bool
	cfg.Transport = refusing(func(text string) int {
		if strings.Contains(text, "INSERT INTO nowhere") {
			failed.Store(true)
		}
		if failed.Load() && strings.Contains(text, "tables_with_history") {
			return databend.CodeUnknownTable
		}
		return 0
	})
	w.connect(cfg)
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 4 || !strings.Contains(err.Error(), "not put back yet") {
		t.Fatalf("got %v, want the rollback to fail\n%s", err, w.said())
	}
	cfg.Transport = refusing(func(text string) int {
		if strings.Contains(text, "'takeover'") {
			return databend.CodeUnknownTable
		}
		return 0
	})
	w.connect(cfg)
	for what, err := range map[string]error{"recover": w.recover(RollBack, ""), "up": w.up()} {
		if !errors.As(err, &run) || run.ExitCode() != 4 || !strings.Contains(err.Error(), "not put back yet") {
			t.Errorf("%s: got %v, want exit 4 as long as it is not put back", what, err)
		}
	}
	w.srv = healthy
	w.aDayLater()
	w.must(w.recover(RollBack, ""))
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("after recover (-want +got):\n%s\n%s", diff, w.said())
	}
}

// TestNoMarkIsNotNothing: of a run whose claim is nowhere it is not said that nothing of it ran.
func TestNoMarkIsNotNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	w.must(w.up())
	w.Migration(2, three)
	w.cut("CREATE TABLE c AS", true, Options{})
	for _, r := range w.SQL(t, "SELECT name FROM system.tables WHERE database='"+w.StateDB+"' AND left(name,4)='run_'") {
		w.SQL(t, "DROP TABLE "+w.StateDB+".`"+r[0]+"`")
	}
	w.aDayLater()
	for what, err := range map[string]error{"recover": w.recover(RollBack, ""), "up": w.up(), "resume": w.recover(Resume, "")} {
		var refused *PlanError
		if !errors.As(err, &refused) || refused.ExitCode() != 4 || !strings.Contains(refused.Msg, "how far it came") || refused.Hint() == "" {
			t.Errorf("%s: got %v, want it refused with exit 4", what, err)
		}
	}
	w.SQL(t, "ALTER TABLE a DROP COLUMN y", "DROP TABLE b", "DROP TABLE c")
	w.must(w.recover(MarkRolledBack, "mended by hand"))
	if got, want := w.states(), "1 applied, 2 rolled_back"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
