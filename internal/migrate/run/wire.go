package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// Env is what the runs of one process share.
type Env struct {
	Project *project.Project
	Server  *databend.Server
	Store   *state.Store
	// Secrets returns the values of the named secrets. It is called after the plan and before the first write, with all that the run
	// and its way back need, and again when a recovery must define something anew.
	Secrets  plan.Secrets
	Sink     event.Sink
	Actor    state.Actor
	ID       string        // of the run
	LockWait time.Duration // 0: do not wait
	LockTTL  time.Duration // 0: lock.DefaultTTL
}

// Note tells something beside the results.
func (e *Env) Note(level event.Level, format string, args ...any) {
	e.Sink.Note(level, format, args...)
}

// Capture reads the state of objects, of the indexed ones also which indexes are ASYNC.
func (e *Env) Capture(ctx context.Context, objects []sqltext.Object, indexed ...sqltext.Object) (Reading, error) {
	return e.look(ctx, catalog.Capture, objects, indexed)
}

// CaptureNew is Capture where no table of objects is likely to be there.
func (e *Env) CaptureNew(ctx context.Context, objects []sqltext.Object, indexed ...sqltext.Object) (Reading, error) {
	return e.look(ctx, catalog.CaptureNew, objects, indexed)
}

type capture func(context.Context, catalog.Conn, []sqltext.Object, ...sqltext.Object) (catalog.State, error)

func (e *Env) look(ctx context.Context, c capture, objects, indexed []sqltext.Object) (Reading, error) {
	if len(objects) == 0 {
		return Reading{At: time.Now()}, nil
	}
	asked := time.Now()
	s, err := c(ctx, e.Store.Conn(), objects, indexed...)
	if err != nil {
		return Reading{}, fmt.Errorf("read what is there: %w", err)
	}
	return Reading{State: s, asked: asked, At: time.Now()}, nil
}

// keepable refuses a state that the journal could keep in part only: without the values of secrets that stand in it.
func (e *Env) keepable(s catalog.State) error {
	for _, o := range s.Objects {
		text, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		if e.Store.CleanJSON(string(text)) != string(text) {
			return plan.HoldsSecret(o.Object)
		}
	}
	return nil
}

// Reading is a state, and when it was asked for and came by the local clock.
type Reading struct {
	catalog.State
	asked, At time.Time
}

// wire is how a run speaks with the server: under its lock, whose table carries the marks; over a session of its own for the
// migrations' statements; with query ids that all begin alike, so that what is still under way can be found.
type wire struct {
	*Env
	lock   *state.Lock
	marks  *databend.Session // the lock's
	work   *databend.Session // the migrations' own statements; nil: to be opened
	prefix string            // of query ids
	sent   atomic.Int64      // query ids given
	looks  []look            // at the server's clock
}

// look is one look at the server's clock, and when it was asked for and its answer came by the local one.
type look struct{ server, asked, local time.Time }

// acquire takes the lock, with a session of its own for the marks.
func acquire(ctx context.Context, env *Env, h state.History, writes []string) (*wire, error) {
	marks := env.Server.Session(nil)
	lock, err := env.Store.Acquire(ctx, state.LockOptions{
		TTL: env.LockTTL, Wait: env.LockWait, Run: env.ID, Actor: env.Actor, Session: marks, Writes: writes,
		Note: func(text string) { env.Note(event.Warn, "%s", text) },
	}, h)
	if err != nil {
		marks.Close()
		return nil, err
	}
	return &wire{Env: env, lock: lock, marks: marks, prefix: databend.NewID()[:24], looks: []look{{server: h.Now, local: h.Read}}}, nil
}

// release ends the run's sessions and gives the lock back, also when ctx has ended. That it cannot changes nothing of what the run did.
func (w *wire) release(ctx context.Context) {
	w.dropWork()
	w.NoteHeld(w.lock, w.lock.Release(context.WithoutCancel(ctx)))
	w.marks.Close()
}

// NoteHeld tells that a lock could not be given back.
func (e *Env) NoteHeld(lock *state.Lock, err error) {
	if err != nil {
		e.Note(event.Warn, "%s", lock.Unreleased(err))
	}
}

// openWork opens the session of the migrations' own statements, with the settings that a run relies on.
func (w *wire) openWork() {
	if w.work == nil {
		w.work = w.Server.Session(databend.MigrationSettings(fmt.Sprintf("dbctl %s/%s", w.Project.Name, w.ID)))
	}
}

// dropWork throws that session away: a USE, a SET or a transaction of it is not inherited.
func (w *wire) dropWork() {
	if w.work != nil {
		w.work.Close()
		w.work = nil
	}
}

// newID is the next query id.
func (w *wire) newID() string {
	return fmt.Sprintf("%s%08x", w.prefix, w.sent.Add(1))
}

// send sends one statement of a migration. The lock must have been found to be Fresh.
func (w *wire) send(ctx context.Context, st plan.Statement, secrets secret.Set) (databend.Result, error) {
	stmt := databend.Statement{
		SQL: st.SQL, Secrets: secrets, ID: w.newID(), Place: st.Place, At: st.At, SendBy: w.lock.SendBy(),
	}
	if st.Effect.Copy { // what it loaded stands in its rows
		return w.work.Query(ctx, stmt)
	}
	return w.work.Exec(ctx, stmt)
}

// own sends one statement of ours over the migrations' session.
func (w *wire) own(ctx context.Context, text string) (databend.Result, error) {
	return w.work.Query(ctx, databend.Statement{SQL: text, ID: w.newID()})
}

// clock is the server's clock, as far as it is certain: it is not earlier than that, the zero time while it is not known. Of several
// looks at it the one counts whose answer came the quickest: a table that was made right before a mark must not seem to be younger
// than the mark.
func (w *wire) clock() time.Time {
	now := w.Server.Now()
	for _, l := range w.looks {
		if at := l.server.Add(time.Since(l.local)).UTC(); !l.server.IsZero() && at.After(now) {
			now = at
		}
	}
	return now
}

// saw notes the clock of a reading.
func (w *wire) saw(r Reading) {
	if at := r.State.At; !at.IsZero() {
		w.looks = append(w.looks[:1:1], look{at, r.asked, r.At})
	}
}

// skew is how far the clocks of a server's nodes may be apart.
const skew = 100 * time.Millisecond

// atLatest is a server's time that is not earlier than now, zero while none is known.
func (w *wire) atLatest() time.Time {
	var out time.Time
	for _, l := range w.looks {
		if at := l.server.Add(time.Since(l.asked) + skew).UTC(); !l.asked.IsZero() && (out.IsZero() || at.Before(out)) {
			out = at
		}
	}
	return out
}

// guarded is the Store's session, which sends nothing any more once the lock was taken over. Its query ids are the run's: who finds
// this run cut off ends what is still under way of its restore, too.
func (w *wire) guarded() savepoint.Conn { return &guarded{w, w.Store.Conn()} }

type guarded struct {
	w       *wire
	session savepoint.Conn
}

func (g *guarded) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if err := g.w.lock.Fresh(ctx); err != nil {
		return databend.Result{}, err
	}
	st.ID = g.w.newID()
	return g.session.Query(ctx, st)
}

func (g *guarded) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if err := g.w.lock.Fresh(ctx); err != nil {
		return databend.Result{}, err
	}
	st.ID, st.SendBy = g.w.newID(), g.w.lock.SendBy()
	return g.session.Exec(ctx, st)
}

// refused reports whether err is the server's own word that a statement failed, or that it was never sent. That the server did not hear
// from its catalogue says nothing of what that did.
func refused(err error) bool {
	e, ok := errors.AsType[*databend.Error](err)
	if !ok {
		return false
	}
	switch e.Kind {
	case databend.KindUnknown, databend.KindCanceled, databend.KindTimeout:
		return false
	case databend.KindUnreachable, databend.KindAuth:
		return true
	}
	return e.Code != 0 && e.Code != databend.CodeMetaService
}

// passing reports whether err may be gone at the next try: the server was not heard, or somebody changed a table meanwhile.
func passing(err error) bool {
	e, ok := errors.AsType[*databend.Error](err)
	return ok && (e.Code == 0 || e.Code == databend.CodeVersionMismatch || e.Code == databend.CodeConflict)
}

// patience is how long a rollback waits for the end of a statement that still runs, and how long it tries again while the server is
// not heard.
const patience = 2 * time.Minute

// patiently tries until it succeeds, fails for good, or patience is over.
func (w *wire) patiently(ctx context.Context, what string, try func() error) error {
	until, said := time.Now().Add(patience), time.Time{}
	for {
		err := try()
		if err == nil || errors.Is(err, state.ErrRobbed) || time.Now().After(until) || !passing(err) {
			return err
		}
		if time.Since(said) > patience/4 {
			said = time.Now()
			w.Note(event.Warn, "%s, trying for %s more: %s", what, time.Until(until).Round(time.Second), err)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
