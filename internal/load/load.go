// Package load brings a table in step with the files of a stage: it plans, copies, records and validates.
//
// A load is one COPY INTO of loads/. Databend remembers the files that a COPY loaded for 24 hours, by table and path only; it
// never notices a file that was overwritten, and takes an empty file for loaded. The ledger (package state) remembers for ever,
// with size and etag. A plan is the join of three lists, read beside each other: what is there (LIST_STAGE), what the engine remembers
// (copy_history) and what the ledger knows. Each file is in exactly one State.
//
// A run takes the lock of the target table, and for each batch of at most 15,000 files sends one transaction: COPY, the ledger's rows,
// COMMIT. The first COPY starts while the lock is taken; without the lock it ends in a ROLLBACK. Either both are there or neither is, wherever it was killed. The table is known
// by its id, before, during and after: a table that was replaced under a load is another table.
//
// Nothing here prints: what there is to say goes to an event.Sink.
package load

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/state"
)

// Config is what a Loader works with. All fields but Secrets, LockWait and Sink are required.
type Config struct {
	Server   *databend.Server
	Scope    state.Scope
	Actor    state.Actor
	Run      string // the run's id, in every ledger row
	Sink     event.Sink
	LockWait time.Duration
	// Secrets resolves the secrets that the loads about to be sent name: once, after the plan, before the first write.
	Secrets func(ctx context.Context, names []string) (secret.Set, error)
}

// Options are the flags of `dbctl load`.
type Options struct {
	Path        string // --path: glob of the path below the stage root; "" all
	Limit       int    // --limit: at most so many files; 0 all
	Order       string // --order: "oldest", "newest" first by the object's time; "" as the stage lists them
	Force       bool   // --force: load the files of Path whatever the ledger says
	OnChanged   string // --on-changed fail, skip, replace; "" what the load's header says, else fail
	RetryFailed bool   // --retry-failed
	Atomic      bool   // --atomic: all files of the load or none
	Full        bool   // look at every file, also outside the load's window
	Verbose     bool   // an event for every file, also for those with nothing to do
}

// A Loader runs loads, one after another. What it asks the server at the same time needs a session each.
type Loader struct {
	cfg   Config
	work  *databend.Session // for the COPYs, and what the engine remembers of them
	look  *databend.Session // for what is in the stages
	words *databend.Session // for what the ledger knows of files
	store *state.Store      // over side
	side  *databend.Session // never used but through store

	checked bool // the state tables' schema is one that we know
}

// Open opens the sessions. Close ends them.
func Open(ctx context.Context, cfg Config) (*Loader, error) {
	if cfg.Sink == nil {
		cfg.Sink = func(event.Event) {}
	}
	var mu sync.Mutex // the lock is taken beside the first COPY, and both have something to say
	sink := cfg.Sink
	cfg.Sink = func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		sink(e)
	}
	l := &Loader{cfg: cfg}
	aside := l.settings()
	// The ledger is written a row or two at a time, for years: its blocks are to be joined, whatever the server's default.
	aside["enable_compact_after_write"] = "1"
	var opening errgroup.Group
	for _, s := range []struct {
		at       **databend.Session
		settings map[string]string
	}{{&l.work, l.settings()}, {&l.look, nil}, {&l.words, l.settings()}, {&l.side, aside}} {
		opening.Go(func() (err error) {
			*s.at, err = cfg.Server.Session(ctx, s.settings)
			return err
		})
	}
	if err := opening.Wait(); err != nil {
		_ = l.Close()
		return nil, err
	}
	l.store = state.Open(l.side, cfg.Scope)
	return l, nil
}

// settings are those of every session of a load: what is shown of a geometry has its SRID.
func (l *Loader) settings() map[string]string {
	return map[string]string{"geometry_output_format": "EWKT", "query_tag": "dbctl " + l.cfg.Scope.Project + "/" + l.cfg.Run}
}

// Close ends the sessions.
func (l *Loader) Close() error {
	var errs []error
	for _, s := range []*databend.Session{l.work, l.look, l.words, l.side} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
