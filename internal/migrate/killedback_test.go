package migrate

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// undoing is a world with a migration that fails behind a statement with which it shares a mark; what was there before is in before.
func undoing(t *testing.T, statement string) (w *world, before map[string]string) {
	w = newWorld(t)
	w.Migration(1, "CREATE TABLE b (x INT) COMMENT = 'b';\nCREATE TABLE d (x INT);\nINSERT INTO d VALUES (1);\n")
	w.must(w.up())
	w.Migration(2, statement+";\n"+failing+" CLUSTER BY (nowhere);\n")
	return w, w.owned()
}

const failing = "CREATE TABLE n (x INT)"

// owned is look, with the owners.
func (w *world) owned() map[string]string {
	w.T.Helper()
	out := w.look()
	for _, r := range w.SQL(w.T, "SELECT name, owner FROM system.tables WHERE database='"+w.Database+"'") {
		out[r[0]] += "\nowner " + r[1]
	}
	return out
}

// TestKilledRollback kills a rollback right after each thing that it writes: the next command goes on with it. What the rollback has
// undone shows no more that the migration did it. One rollback is that of the run itself, the other that of recover.
func TestKilledRollback(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"DROP TABLE d", "CREATE OR REPLACE TABLE d (y INT)", "ALTER TABLE b RENAME TO c", "ALTER TABLE d ADD COLUMN y INT", "CREATE TABLE m (x INT)",
	} {
		for _, by := range []string{"run", "recover"} {
			t.Run(by+" "+statement, func(t *testing.T) {
				t.Parallel()
				for n := 0; ; n++ {
					w, before := undoing(t, statement)
					command, from := (*Migrator).Up, failing
					if by == "recover" {
						w.cut(failing, false, Options{})
						command, from = func(m *Migrator, ctx context.Context) error { return m.Recover(ctx, RollBack, "") }, ""
					}
					wrote, killed := w.cutRollback(command, from, n)
					if !killed {
						break
					}
					if err := w.recover(Resume, ""); n == 0 && (err == nil || !strings.Contains(err.Error(), "put back already")) {
						t.Errorf("resume: got %v, want it refused", err)
					}
					w.must(w.recover(RollBack, ""))
					if diff := cmp.Diff(before, w.owned()); diff != "" {
						t.Errorf("killed after %s (-want +got):\n%s\n%s", wrote, diff, w.said())
					}
					if left := w.Litter(); len(left) > 0 {
						t.Errorf("killed after %s: left %q", wrote, left)
					}
					if !databendtest.Full() {
						break
					}
				}
			})
		}
	}
}

// TestResumedRunIsKilled wants the rows that the run before wrote to be ours still when the run that resumes it is cut off as well.
func TestResumedRunIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n")
	w.must(w.up())
	w.Migration(2, "INSERT INTO a VALUES (9);\nDELETE FROM a WHERE x = 1;\nALTER TABLE a ADD COLUMN y INT;\nCREATE TABLE c (x INT);\n")
	before := w.look()
	w.cut("ALTER TABLE a ADD", false, Options{})
	w.cutIn(func(m *Migrator, ctx context.Context) error { return m.Recover(ctx, Resume, "") }, "CREATE TABLE c", false, Options{LockWait: time.Minute})
	w.must(w.recover(RollBack, ""))
	if diff := cmp.Diff(before, w.look()); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, w.said())
	}
}

// writing matches what a rollback writes.
var writing = regexp.MustCompile(`"sql":"((?:ALTER|UNDROP|DROP|CREATE|GRANT|REVOKE) [A-Z]+ [^.]*\.[^ "]*)`)

// cutRollback runs a command in a process that is killed right after what its rollback, behind the request that begins with from, writes
// as the n-th, from 0; wrote is that. killed is false when it writes fewer things.
func (w *world) cutRollback(command func(*Migrator, context.Context) error, from string, n int) (wrote string, killed bool) {
	w.T.Helper()
	healthy, g := w.srv, newGrave(0, false)
	behind, seen := from == "", 0
	g.hook = func(text string) {
		if m := writing.FindStringSubmatch(text); behind && m != nil && !strings.Contains(text, w.StateDB) {
			if seen++; seen == n+1 {
				g.at, wrote = g.count+1, m[1]
			}
		}
		behind = behind || strings.Contains(text, `"sql":"`+from)
	}
	w.through(g)
	m := w.migrator(Options{LockWait: 10 * time.Minute})
	w.T.Cleanup(func() { close(g.end) })
	done := make(chan error, 1)
	go func() { done <- command(m, w.T.Context()) }()
	defer func() { w.srv = healthy }()
	select {
	case <-g.dead:
		w.die()
		return wrote, true
	case <-done:
		return "", false
	}
}
