package migrate

import (
	"fmt"
	"testing"
	"time"
)

// requests counts those of f in a connection of its own, the Connect included. The lock lives for long, so that no heartbeat, which
// a slow machine gives time for, is counted.
func (w *world) requests(f func(m *Migrator) error) int64 {
	w.T.Helper()
	was := w.srv
	defer func() { w.srv = was }()
	w.connect(w.Config)
	w.must(f(w.migrator(Options{LockTTL: time.Hour})))
	return w.srv.Requests()
}

func (w *world) countUp() int64 {
	w.T.Helper()
	return w.requests(func(m *Migrator) error { return m.Up(w.T.Context()) })
}

func TestRequestBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	atMost := func(what string, got, want int64) {
		t.Helper()
		t.Logf("%s: %d requests", what, got)
		if got > want {
			t.Errorf("%s: got %d requests, want at most %d", what, got, want)
		}
	}
	nothing := func(what string) {
		t.Helper()
		atMost("no-op up after "+what, w.countUp(), 3)
		atMost("status after "+what, w.requests(func(m *Migrator) error {
			_, err := m.Status(t.Context())
			return err
		}), 3)
	}
	w.Migration(1, "CREATE TABLE a (x INT);\n")
	atMost("first use, 1 statement", w.countUp(), 16+2)
	nothing("1")
	for v := 2; v <= 10; v++ {
		w.Migration(v, fmt.Sprintf("CREATE TABLE t%d (x INT);\n", v))
	}
	atMost("9 plain CREATEs", w.countUp(), 12+9+1)
	nothing("10")
	w.Migration(11, "CREATE VIEW v1 AS SELECT 1 AS x;\nCREATE OR REPLACE VIEW v2 AS SELECT 2 AS x;\nCREATE TABLE u AS SELECT 1 AS x;\n")
	atMost("3 statements, no plain CREATEs", w.countUp(), 12+6+2)
	w.SQL(t, "INSERT INTO a VALUES (1)")
	w.Migration(12, "ALTER TABLE a ADD COLUMN y INT;\n")
	atMost("ALTER of a table that holds data", w.countUp(), 12+2+2+1)
	w.Migration(13, "UPDATE a SET y = 1;\n")
	atMost("DML", w.countUp(), 12+2+2+4)
	w.Migration(14, "ALTER TABLE t2 ADD COLUMN y INT;\n")
	atMost("ALTER of a never-written table", w.countUp(), 12+2+2+1+3)
	const slow = 4 // beside other tests a reading grows older than two seconds, and is asked for again
	w.Migration(15, "INSERT INTO a VALUES (2, 2);\nSELECT * FROM nowhere;\n")
	failed := func() int64 {
		return w.requests(func(m *Migrator) error {
			if err := m.Up(t.Context()); err == nil {
				t.Error("the migration did not fail")
			}
			return nil
		})
	}
	n := failed()
	for i := 0; i < 2 && n > 27; i++ { // the restore looks again while other tests' statements may write
		n = failed()
	}
	atMost("DML and a failure", n, 27+slow)
	w.Migration(15, "INSERT INTO a VALUES (2, 2);\nCREATE TABLE b AS SELECT 1 AS x;\n")
	w.cut("CREATE TABLE b", false, Options{})
	atMost("a person's word", w.requests(func(m *Migrator) error { return m.Recover(t.Context(), MarkRolledBack, "for the test") }), 18+slow)
}
