// Package lock lets one run at a time migrate a database, and one load at a time fill a table, whoever dies on the way.
//
//	lock_…         one per project and database for migrations, one per target table for loads; held while it has this name,
//	               free while it ends in _free (migrations.go, loads.go)
//	run_<run>      the claim of one migration run: its comment is who runs, heartbeat and write-ahead mark (claim.go, lock.go)
//	lock_claim_…   that of a run that was cut off or could not be put back, taken from it and kept until the journal has its end
//	lock_stale_…   a lock that was taken from an owner who was gone, kept until the next such case (takeover.go)
//
// A load marks on its lock's own table. Age is by the server's clock.
package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/store"
)

// Lock is a lock that we hold, with the table whose comment is claim, heartbeat and mark. The heart beats until Release.
type Lock struct {
	db    *store.DB
	marks store.Session
	name  string // of the lock
	what  string
	run   string
	table string // whose comment is the claim: run_<run>, or the lock of a target table
	id    string // table id of a table lock
	ttl   time.Duration
	begun bool // the state tables exist
	made  bool // the run's table exists

	fenced []string // runs from which the claim was taken
	// Unended says that the journal has the run's begin, or may have it, and not its end: who recovers it needs its last mark.
	Unended bool

	mu        sync.Mutex // guards what follows, and that one mark is sent at a time
	claim     Claim
	confirmed time.Time // when the last mark that succeeded was sent
	robbed    bool
	lost      chan struct{}
	stop      chan struct{}
	beating   sync.WaitGroup
}

func newLock(db *store.DB, o Options, name, what string) *Lock {
	ttl := o.TTL
	if ttl <= 0 {
		ttl = defaultTTL
	}
	l := &Lock{
		db: db, marks: o.Session, name: name, what: what, run: o.Run, ttl: ttl,
		lost: make(chan struct{}), stop: make(chan struct{}),
		claim: Claim{Lock: name, What: what, Run: o.Run, Phase: phaseWaiting, Owner: self(o.Actor), TTLMS: ttl.Milliseconds()},
	}
	if o.Owner != nil {
		l.claim.Owner = *o.Owner
	}
	if l.marks == nil {
		l.marks = db.Conn()
	}
	return l
}

// Fence guards a statement of the owner's transaction.
func (l *Lock) Fence() *Fence {
	return &Fence{Database: l.db.Scope().StateDatabase, Table: l.table, TableID: l.id, Token: l.claim.Token}
}

// Run is the id of the run or load that holds it.
func (l *Lock) Run() string { return l.run }

// Claim is our claim, for a row that keeps it.
func (l *Lock) Claim() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claim.Comment()
}

// TTL is the lock's: a statement may be sent within a third of it after a mark.
func (l *Lock) TTL() time.Duration { return l.ttl }

// Lost is closed when the lock was found to be taken over.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Mark writes mark, as JSON, ahead of what it describes: durable once Mark returned. It returns ErrRobbed when the lock was
// taken over.
func (l *Lock) Mark(ctx context.Context, mark any) error {
	b, err := json.Marshal(mark)
	if err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claim.Mark = json.RawMessage(l.db.CleanJSON(string(b)))
	return l.send(ctx)
}

// Beat says that we are alive.
func (l *Lock) Beat(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.send(ctx)
}

// Fresh returns nil when a statement may be sent now: the last mark or heartbeat that succeeded is younger than TTL/3, or a new
// one succeeds. Call it right before each statement that writes.
func (l *Lock) Fresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.robbed {
		return ErrRobbed
	}
	// A mark whose answer came late says nothing about now: the owner may have been stopped while it waited.
	for range 10 {
		if sooner(l.confirmed, l.ttl/3) {
			return nil
		}
		if err := l.send(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("mark: ten answers in a row came later than a third of the lease of %s", l.ttl)
}

// SendBy is until when a statement that Fresh let pass may be sent: a third of the TTL later than that. The process may be stopped
// between the two, and another takes the lock over once the TTL is past.
func (l *Lock) SendBy() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.confirmed.Add(l.ttl * 2 / 3)
}

// send writes the claim as it is; l.mu is held.
func (l *Lock) send(ctx context.Context) error {
	if l.robbed {
		return ErrRobbed
	}
	l.claim.Beat++
	l.claim.Phase = phaseHolding
	text := "ALTER TABLE " + l.db.Name(l.table) + " COMMENT=" + sqltext.Literal(l.claim.Comment())
	for try := 0; ; try++ {
		var sent time.Time
		err := store.Again(ctx, func() error {
			if err := l.stillOurs(ctx); err != nil { // also where the server was waited for
				return err
			}
			sent = time.Now()
			_, err := l.marks.Exec(ctx, databend.Statement{SQL: text})
			return err
		})
		switch {
		case err == nil:
			l.confirmed = sent
			return nil
		case errors.Is(err, ErrRobbed):
			return err
		case databend.IsCode(err, databend.CodeUnknownTable, databend.CodeUnknownDatabase):
			return l.giveUp()
		case databend.IsCode(err, databend.CodeVersionMismatch) && try < 5:
			// Another change of the same table at the same time. Whoever takes over drops it: then the next try says so.
		default:
			return fmt.Errorf("mark: %w", err)
		}
	}
}

// stillOurs looks whether the lock of a target table still is ours when it may have been taken over: a mark on it would succeed
// on the new owner's table, which has the same name. A run's own table has a name of its own.
func (l *Lock) stillOurs(ctx context.Context) error {
	if l.id == "" || sooner(l.confirmed, l.ttl*2/3) {
		return nil
	}
	res, err := l.marks.Query(ctx, databend.Statement{SQL: "SELECT " + l.Fence().SQL(), Reads: true})
	if err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	if len(res.Rows) == 1 && res.Rows[0].Bool(0) {
		return nil
	}
	return l.giveUp()
}

func (l *Lock) giveUp() error {
	l.robbed = true
	close(l.lost)
	return ErrRobbed
}

// sooner reports whether less than d passed since t, also by the wall clock, which goes on while the machine sleeps.
func sooner(t time.Time, d time.Duration) bool {
	now := time.Now()
	return now.Sub(t) < d && now.Round(0).Sub(t.Round(0)) < d
}

// StopHeart ends the heartbeat, as SIGSTOP does: for tests of what comes of that.
func (l *Lock) StopHeart() {
	close(l.stop)
	l.beating.Wait()
	l.stop = make(chan struct{})
}

// start starts the heart.
func (l *Lock) start() {
	l.beating.Go(crash.Caught(func() {
		tick := time.NewTicker(l.ttl / 3)
		defer tick.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
			ctx, cancel := context.WithTimeout(context.Background(), l.ttl)
			// What fails here is found again by Fresh, or tried at the next tick.
			_ = l.Beat(ctx)
			cancel()
		}
	}))
}
