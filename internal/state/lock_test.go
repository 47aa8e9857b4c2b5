package state

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/journal"
	"github.com/dbctl/dbctl/internal/state/lock"
)

// far is a process on another machine, of which nothing is known.
var far = lock.Owner{User: "bob", Host: "far", Boot: "other", PIDNS: "x", PID: 1, Start: "1"}

func TestLockHasOneWinner(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	const contenders, rounds = 3, 12
	stores := make([]*Store, contenders)
	for i := range stores {
		stores[i] = open(t, env)
	}
	for range rounds {
		won := make(chan *Lock, contenders)
		var all sync.WaitGroup
		for _, s := range stores {
			all.Go(func() {
				h, err := s.History(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				l, err := s.Acquire(t.Context(), LockOptions{Run: databend.NewID(), Actor: Actor{OSUser: "ann", Host: "h"}}, h)
				var held *HeldError
				switch {
				case err == nil:
					won <- l
				case !errors.As(err, &held) || !strings.Contains(held.Owner, "ann@h") || held.ExitCode() != 5:
					t.Errorf("got %v, want a HeldError with the owner's name", err)
				}
			})
		}
		all.Wait()
		close(won)
		if n := len(won); n != 1 {
			t.Fatalf("%d of %d contenders got the lock", n, contenders)
		}
		for l := range won {
			release(t, l)
		}
	}
	left := env.SQL(t, "SELECT name FROM system.tables WHERE database='"+env.StateDB+"' AND name NOT IN ('journal','ledger')")
	if len(left) != 1 || !strings.HasSuffix(left[0][0], "_free") {
		t.Errorf("got %v, want the free lock alone", left)
	}
}

func TestLockCosts(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	srv, err := databend.Connect(t.Context(), env.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	session := srv.Session(nil)
	s := Open(session, Scope{Project: "p", Database: env.Database, StateDatabase: env.StateDB})
	for i := range 2 { // of which the first makes the state's tables
		const want = 1 + 2 // a script, and beside each other the claim's end and the lock's
		h := history(t, s)
		from := srv.Requests()
		l, err := s.Acquire(t.Context(), LockOptions{Run: databend.NewID(), TTL: time.Hour}, h) // so that no heartbeat is counted
		if err != nil {
			t.Fatal(err)
		}
		release(t, l)
		if got := srv.Requests() - from; got != want {
			t.Errorf("cycle %d: got %d requests, want %d", i, got, want)
		}
	}
	for i, want := range []int64{1 + 1 + 1 + 1, 1 + 1 + 1} { // a look, the lock (what was seen a moment ago is not looked at), the claims, the end
		o := LockOptions{Run: databend.NewID(), TTL: time.Hour}
		if i > 0 {
			if o.Seen, err = s.SeeLocks(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		from := srv.Requests()
		l, err := s.AcquireTable(t.Context(), env.Database, "videos", o)
		if err != nil {
			t.Fatal(err)
		}
		release(t, l)
		if got := srv.Requests() - from; got != want {
			t.Errorf("a load's cycle %d: got %d requests, want %d", i, got, want)
		}
	}
}

func TestWaitForLock(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	a, b := open(t, env), open(t, env)
	first := hold(t, a, LockOptions{})
	waiting := make(chan struct{})
	go func() {
		<-waiting
		_ = first.Release(t.Context())
	}()
	var once sync.Once
	second := hold(t, b, LockOptions{Wait: 10 * time.Minute, Note: func(string) { once.Do(func() { close(waiting) }) }})
	release(t, second)
}

func TestAbandonedLockIsTakenOver(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	a, b := open(t, env), open(t, env)
	ttl := 5 * time.Second // a busy machine must find the time to beat in
	owner := hold(t, a, LockOptions{TTL: ttl, Owner: &far})
	if err := owner.Begin(t.Context(), history(t, a), Row{Event: journal.EventBegin, Name: "up"}, Row{Event: journal.EventPlan, Version: 3, Direction: "up"}); err != nil {
		t.Fatal(err)
	}
	if err := owner.Mark(t.Context(), map[string]int{"version": 3}); err != nil {
		t.Fatal(err)
	}
	// It beats for longer than its TTL: it stays the owner.
	for start := time.Now(); time.Since(start) < ttl+ttl/3; {
		if _, err := b.Acquire(t.Context(), LockOptions{Run: databend.NewID()}, history(t, b)); !isHeld(err) {
			t.Fatalf("got %v, want a HeldError while the owner beats", err)
		}
	}
	owner.StopHeart()
	var notes []string
	thief := hold(t, b, LockOptions{Wait: 10 * time.Minute, Note: func(s string) { notes = append(notes, s) }})
	if all := strings.Join(notes, "\n"); !strings.Contains(all, "taking over from bob@far") || !strings.Contains(all, "longer than its time to live") {
		t.Errorf("got notes %q, want them to say from whom and why", notes)
	}

	// The robbed owner wakes up.
	if err := owner.Fresh(t.Context()); !errors.Is(err, ErrRobbed) {
		t.Errorf("Fresh: got %v, want ErrRobbed", err)
	}
	if err := owner.Mark(t.Context(), 1); !errors.Is(err, ErrRobbed) {
		t.Errorf("Mark: got %v, want ErrRobbed", err)
	}
	if err := owner.Append(t.Context(), Row{Event: journal.EventEnd}); !errors.Is(err, ErrRobbed) {
		t.Errorf("Append: got %v, want ErrRobbed", err)
	}
	select {
	case <-owner.Lost():
	default:
		t.Error("Lost is not closed")
	}
	release(t, owner)
	if err := thief.Fresh(t.Context()); err != nil {
		t.Errorf("the thief's lock was hurt by the robbed owner's release: %v", err)
	}

	h := history(t, b)
	if len(h.Unfinished) != 1 || h.Unfinished[0].Alive {
		t.Fatalf("got %+v, want the owner's run, dead", h.Unfinished)
	}
	rec, err := b.Record(t.Context(), owner.Run(), nil)
	if err != nil || string(rec.Mark) != `{"version":3}` || len(rec.Rows) != 2 {
		t.Errorf("got mark %s of %d rows, %v, want the last mark, from the dropped table", rec.Mark, len(rec.Rows), err)
	}
	release(t, thief)
}

func isHeld(err error) bool {
	var held *HeldError
	return errors.As(err, &held)
}

func TestLockOfAProcessThatIsGone(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	a, b := open(t, env), open(t, env)
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	process := lock.Process(child.Process.Pid)
	if process.Boot == "" || process.Start == "" {
		t.Skip("no /proc here")
	}
	owner := hold(t, a, LockOptions{Owner: &process, TTL: time.Hour})
	owner.StopHeart()
	if _, err := b.Acquire(t.Context(), LockOptions{Run: databend.NewID()}, history(t, b)); !isHeld(err) {
		t.Fatalf("got %v, want a HeldError while the process lives", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	start := time.Now()
	release(t, hold(t, b, LockOptions{}))
	if took := time.Since(start); took > time.Hour/2 {
		t.Errorf("take-over took %s, want at once", took)
	}
}

func TestUnlock(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	a, b := open(t, env), open(t, env)
	owner := hold(t, a, LockOptions{Actor: Actor{OSUser: "ann", Host: "h"}})
	load, err := a.AcquireTable(t.Context(), env.Database, "x", LockOptions{Run: databend.NewID(), Actor: Actor{OSUser: "eve", Host: "h"}})
	if err != nil {
		t.Fatal(err)
	}
	released, left, err := b.Unlock(t.Context(), false)
	if err != nil || len(released) != 0 || len(left) != 2 || !strings.Contains(left[0].Owner, "eve@h") || !strings.Contains(left[1].Owner, "ann@h") {
		t.Fatalf("got %+v, %+v, %v, want both left: their owners live", released, left, err)
	}
	released, left, err = b.Unlock(t.Context(), true)
	if err != nil || len(released) != 2 || len(left) != 0 {
		t.Fatalf("got %+v, %+v, %v, want both released", released, left, err)
	}
	if err := owner.Mark(t.Context(), 1); !errors.Is(err, ErrRobbed) {
		t.Errorf("got %v, want ErrRobbed", err)
	}
	if err := a.AppendLedger(t.Context(), []LedgerRow{{Path: "p"}}, load.Fence()); !errors.Is(err, ErrRobbed) {
		t.Errorf("got %v, want ErrRobbed", err)
	}
	release(t, hold(t, b, LockOptions{}))
	release(t, owner)
	release(t, load)
}

func TestTableLock(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	a, b, c := open(t, env), open(t, env), open(t, env)
	take := func(s *Store, o LockOptions) (*lock.Lock, error) {
		o.Run = databend.NewID()
		o.Actor = Actor{OSUser: "ann", Host: "h"}
		return s.AcquireTable(t.Context(), env.Database, "videos", o)
	}
	must := func(l *lock.Lock, err error) *lock.Lock {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	history := func() string {
		return fmt.Sprint(env.SQL(t, "SELECT count(*) FROM system.tables_with_history WHERE database='"+env.StateDB+"'"))
	}

	// Years of loads leave nothing.
	release(t, must(take(a, LockOptions{})))
	before := history()
	for range 5 {
		release(t, must(take(b, LockOptions{})))
	}
	if after := history(); after != before {
		t.Errorf("got %s tables ever, want %s as after the first load", after, before)
	}

	// One winner.
	for range 8 {
		won := make(chan *lock.Lock, 2)
		var both sync.WaitGroup
		for _, s := range []*Store{a, b} {
			both.Go(func() {
				l, err := take(s, LockOptions{})
				if err == nil {
					won <- l
				} else if !isHeld(err) {
					t.Error(err)
				}
			})
		}
		both.Wait()
		close(won)
		if len(won) > 1 {
			t.Fatal("both loads got the lock")
		}
		for l := range won {
			release(t, l)
		}
	}

	// A dead owner, and its fence.
	owner := must(take(a, LockOptions{TTL: time.Second, Owner: &far}))
	owner.StopHeart()
	if err := a.AppendLedger(t.Context(), []LedgerRow{{Path: "1"}}, owner.Fence()); err != nil {
		t.Fatal(err)
	}
	thief := must(take(b, LockOptions{Wait: 10 * time.Minute}))
	if err := a.AppendLedger(t.Context(), []LedgerRow{{Path: "2"}}, owner.Fence()); !errors.Is(err, ErrRobbed) {
		t.Errorf("got %v, want ErrRobbed", err)
	}
	if err := owner.Fresh(t.Context()); !errors.Is(err, ErrRobbed) {
		t.Errorf("got %v, want ErrRobbed", err)
	}
	release(t, owner)
	if err := b.AppendLedger(t.Context(), []LedgerRow{{Path: "3"}}, thief.Fence()); err != nil {
		t.Errorf("the thief's lock was hurt: %v", err)
	}

	// A migration that will write the table sees the load, and the load the migration.
	target := env.Database + ".videos"
	table := func(name string) sqltext.Object {
		return sqltext.Object{Kind: sqltext.Table, Database: env.Database, Name: name}
	}
	h, err := c.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	up, err := c.Acquire(t.Context(), LockOptions{Run: databend.NewID(), Writes: []string{target}}, h)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := up.HeldTables(t.Context(), LockOptions{}, []sqltext.Object{table("videos"), table("other")}); err != nil || held == nil {
		t.Errorf("got %v, %v, want the load seen", held, err)
	}
	release(t, thief)
	if held, err := up.HeldTables(t.Context(), LockOptions{}, []sqltext.Object{table("videos")}); err != nil || held != nil {
		t.Errorf("got %v, %v, want no load", held, err)
	}
	if _, err := take(a, LockOptions{}); !isHeld(err) {
		t.Errorf("got %v, want the table refused while a migration writes it", err)
	}
	other, err := b.AcquireTable(t.Context(), env.Database, "other", LockOptions{Run: databend.NewID()})
	if err != nil {
		t.Fatal(err)
	}
	release(t, other)
	release(t, up)
	release(t, must(take(a, LockOptions{})))
}

// TestLockThatIsTakenInVain: what is asked beside the taking of a lock fails. The lock is free again for this process's next load.
func TestLockThatIsTakenInVain(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := open(t, env)
	for range 2 { // the first makes the lock's table, the second finds it free
		o := LockOptions{Run: databend.NewID(), Beside: func(context.Context) error { return errors.New("no plan") }}
		if _, err := s.AcquireTable(t.Context(), env.Database, "videos", o); err == nil || err.Error() != "no plan" {
			t.Fatalf("got %v, want what failed beside it", err)
		}
		l, err := s.AcquireTable(t.Context(), env.Database, "videos", LockOptions{Run: databend.NewID()})
		if err != nil {
			t.Fatalf("got %v, want the lock to be free", err)
		}
		release(t, l)
	}
}
