package proof

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// applied wants version to have been applied exactly once, with its row in counted.
func (w *world) applied(version int, after ...*process) {
	w.T.Helper()
	row := w.sql(fmt.Sprintf("SELECT (SELECT count(*) FROM counted WHERE v = %d), (SELECT count(DISTINCT event_id) FROM %s.journal WHERE event = 'applied' AND version = %[1]d)", version, w.StateDB))[0]
	if row[0] != "1" || row[1] != "1" {
		var ran strings.Builder
		for _, p := range after {
			fmt.Fprintf(&ran, "%s%s", p, p.asked())
		}
		w.T.Fatalf("version %d: its row is there %s times, it is recorded %s times; want once\n%s", version, row[0], row[1], ran.String())
	}
}

// TestProofTwoAtOnce starts two `up` at once, round after round.
func TestProofTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sql("CREATE TABLE counted (v INT)")
	rnd := random(t)
	for round := range databendtest.Rounds(t, 6, 200) {
		round++
		w.migration(round, []string{fmt.Sprintf("CREATE TABLE r%d (x INT)", round), fmt.Sprintf("INSERT INTO counted VALUES (%d)", round), fmt.Sprintf("ALTER TABLE r%d ADD COLUMN y INT", round)}, nil)
		args := []string{"migrate", "up"}
		waits := round%2 == 0
		if waits {
			args = append(args, "--lock-wait", "10m")
		}
		a := w.start(nil, nil, args...)
		time.Sleep(time.Duration(rnd.IntN(120)) * time.Millisecond)
		b := w.start(nil, nil, args...)
		a.wait()
		b.wait()
		exits := []int{a.exit, b.exit}
		slices.Sort(exits)
		outcome := ""
		switch {
		case exits[0] == 0 && exits[1] == 0:
			outcome = "both ended well"
		case exits[0] == 0 && exits[1] == 5 && !waits:
			outcome = "the other exits 5"
		default:
			t.Fatalf("round %d: %s\n%s\nthe other: %s\n%s", round, a, a.asked(), b, b.asked())
		}
		w.applied(round, a, b)
		if left := w.Litter(); len(left) > 0 {
			t.Fatalf("round %d: left behind: %q\n%s\n%s", round, left, a, b)
		}
		row := "two up at once"
		if waits {
			row += ", waiting"
		}
		results.add(row, outcome)
	}
}

// TestProofKilledWhileAnotherWaits kills the owner of the lock while another waits for it: that one takes over at once. It came when the
// owner had the lock alone, or when the journal had the owner's begin: then what it has read of the journal has not moved since.
func TestProofKilledWhileAnotherWaits(t *testing.T) {
	t.Parallel()
	rnd := random(t)
	for round := range databendtest.Rounds(t, 2, 60) {
		k := 12 + rnd.IntN(14)
		t.Run(fmt.Sprintf("%02d/%02d", round, k), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.sql("CREATE TABLE counted (v INT)")
			for v := 1; v <= 3; v++ {
				w.migration(v, []string{fmt.Sprintf("CREATE TABLE r%d (x INT)", v), fmt.Sprintf("INSERT INTO counted VALUES (%d)", v), fmt.Sprintf("ALTER TABLE r%d ADD COLUMN y INT", v)}, nil)
			}
			holds, reached := make(chan struct{}), make(chan struct{})
			a := w.start(func(n int, _ string) fault {
				switch n {
				case 6 + 4*(round%2): // the fifth takes the lock, the seventh is the begin
					close(holds)
				case k:
					close(reached)
					return killAnswered
				}
				return none
			}, nil, "migrate", "up")
			select {
			case <-holds:
			case <-a.proxy.exited:
			}
			b := w.start(nil, nil, "migrate", "up", "--lock-wait", "10m")
			a.wait()
			if b.wait(); b.exit != 0 {
				t.Fatalf("want exit 0: %s\n%s", b, b.asked())
			}
			select {
			case <-reached:
			default:
				t.Fatalf("request %d never came: nobody was killed\n%s\n%s", k, a, a.asked())
			}
			for v := 1; v <= 3; v++ {
				w.applied(v, a, b)
			}
			if left := w.Litter(); len(left) > 0 {
				t.Fatalf("left behind: %q\n%s\n%s", left, a, b)
			}
			results.add("owner killed while another waits", "the other applied all")
		})
	}
}

// harmless are the requests that an owner may still make after its lock was taken over: it looks, it ends its transaction, and it
// marks its own run's table, which is gone.
var harmless = regexp.MustCompile("(?is)^[\\s(]*(SELECT|SHOW|BEGIN|ROLLBACK|KILL|DESC)|^ALTER TABLE \\S*\\.`?run_\\w+`? COMMENT")

// TestProofRobbed stops an owner (SIGSTOP) for longer than its lock lives, lets another take over, and wakes it up.
func TestProofRobbed(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	env := []string{"DBCTL_LOCK_TTL=" + ttl.String()}
	setup := func(t *testing.T) *world {
		w := newWorld(t)
		w.sql(base...)
		w.sql("CREATE TABLE counted (v INT)")
		w.migration(1, []string{"CREATE TABLE r1 (x INT)", "INSERT INTO counted VALUES (1)"}, nil)
		w.migration(2, []string{"ALTER TABLE a DROP COLUMN n", "UPDATE b SET v = 'r' WHERE id = 1", "INSERT INTO counted VALUES (2)", "CREATE OR REPLACE TABLE e (x INT)"}, nil)
		return w
	}
	w := setup(t)
	requests := len(w.must(0, "migrate", "up").proxy.log())
	rnd := random(t)
	points := make([]int, 0, requests)
	for k := 1; k <= requests; k++ {
		points = append(points, k)
	}
	if !full {
		rnd.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		points = points[:3]
	}
	for _, k := range points {
		t.Run(fmt.Sprintf("%03d", k), func(t *testing.T) {
			t.Parallel()
			outcome := ""
			defer results.outcome(t, "stopped past the lease", &outcome)
			w := setup(t)
			stopped := make(chan struct{})
			owner := w.start(func(n int, _ string) fault {
				if n == k {
					close(stopped)
					return pause
				}
				return none
			}, env, "migrate", "up")
			select {
			case <-stopped:
			case <-owner.proxy.exited:
				owner.wait()
				outcome = "ended before"
				return
			}
			time.Sleep(ttl + 500*time.Millisecond)
			thief := w.start(nil, env, "migrate", "up", "--lock-wait", "10m").wait()
			asleep := len(owner.proxy.log()) // what was under way at the same moment was sent before
			owner.proxy.signal(syscall.SIGCONT)
			owner.wait()
			if thief.exit != 0 {
				t.Fatalf("the one who takes over: %s\n%s", thief, thief.asked())
			}
			for v := 1; v <= 2; v++ {
				w.applied(v, owner, thief)
			}
			if got := fmt.Sprint(w.sql("SELECT count(*) FROM a")[0], w.sql("SELECT v FROM b WHERE id = 1")); got != "[3] [[r] [r]]" {
				t.Fatalf("got rows %s\nowner: %s\n%s\nthief: %s", got, owner, owner.asked(), thief)
			}
			outcome = "had ended its work"
			if owner.exit != 0 {
				outcome = "robbed, sent nothing"
				begun := false
				for i, r := range owner.proxy.log() {
					// What the journal's begin fences off, and what is asked on the way to the lock, needs no care.
					begun = begun || r.forwarded && i < asleep && strings.HasPrefix(r.sql, "INSERT INTO `"+w.StateDB+"`.`journal`")
					if begun && i >= asleep && !harmless.MatchString(r.sql) {
						t.Fatalf("request %d after the lock was lost at %d (of %d): %s\nowner: %s\n%s\nthief: %s\n%s", i+1, k, asleep, r.sql, owner, owner.asked(), thief, thief.asked())
					}
				}
			}
			w.swept()
		})
	}
}

// TestProofLongStatement runs a statement of many lives of the lock: it keeps its lease.
func TestProofLongStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sql("CREATE TABLE counted (v INT)")
	w.migration(1, []string{"INSERT INTO counted SELECT length('{db}') - length('{db}') + 1", "CREATE TABLE r (x INT)"}, nil)
	w.Fault(t, databendtest.Fault{Action: "hold", Match: "^INSERT INTO counted .*" + w.Database, Hold: 15})
	env := []string{"DBCTL_LOCK_TTL=5s"} // a busy machine must find the time to beat in
	runs := make(chan struct{})
	owner := w.start(func(_ int, sql string) fault {
		if strings.HasPrefix(sql, "INSERT INTO counted") {
			close(runs)
		}
		return none
	}, env, "migrate", "up")
	select {
	case <-runs:
	case <-owner.proxy.exited:
		t.Fatalf("it ended: %s\n%s", owner.wait(), owner.asked())
	}
	time.Sleep(7 * time.Second)
	if other := w.start(nil, env, "migrate", "up").wait(); other.exit != 5 {
		t.Errorf("want exit 5: %s\n%s", other, other.asked())
	}
	if owner.wait(); owner.exit != 0 {
		t.Fatalf("want exit 0: %s\n%s", owner, owner.asked())
	}
	w.applied(1, owner)
	results.add("statement of many leases", "kept its lock")
}
