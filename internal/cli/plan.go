package cli

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
)

func planCommand() *command {
	return &command{
		name:  "plan",
		short: "what `migrate up` and `load --all` would do, in one screen",
		long: `
Each pending statement with what it writes, its class and how it would be undone; each load with how many files are new,
changed or failed (-v: each file, and why). Nothing is written, not even dbctl's own tables.`,
		exits: []exit{
			{exitDone, "shown"},
			{exitFailed, "`migrate up` would be refused: what is named must be mended first"},
			exitBadUsage,
			{exitCheck, "--check: something is pending or changed, or a load not ready"},
			{exitPartly, "an earlier run is still to be recovered: a person's turn"},
			exitNoServer, exitReadSignal,
		},
		bind: func(a *app, f *pflag.FlagSet) func(context.Context, []string) error {
			check := f.Bool("check", false, "exit 3 when something is pending or changed")
			return func(ctx context.Context, args []string) error {
				if err := a.exactArgs(args, 0, 0); err != nil {
					return err
				}
				t := newTally(a.ui.Event, func(event.Event) bool { return true })
				return a.both(ctx, t.sink, (*migrate.Migrator).Up, func(p *project.Project, loader *load.Loader, err error) error {
					if a.verbose {
						err = errors.Join(err, a.planFiles(ctx, t, p, loader))
					}
					if *check {
						err = errors.Join(err, t.found())
					}
					return err
				})
			}
		},
	}
}

// planFiles says of each load that is ready what would become of each file. What would stop the load is said, and left to --check.
func (a *app) planFiles(ctx context.Context, t *tally, p *project.Project, loader *load.Loader) error {
	var loads []project.Load
	for _, l := range p.Loads {
		if slices.Contains(t.asked, l.Name) {
			loads = append(loads, l)
		}
	}
	return eachLoad(ctx, loads, func(l project.Load) error {
		_, err := loader.Plan(ctx, l, load.Options{Verbose: true})
		if e, ok := errors.AsType[*load.Error](err); ok && e.Exit == exitCheck {
			a.note("warn", e.Error())
			return nil
		}
		return err
	})
}

// both looks at the migrations and the loads of a project, beside each other: neither needs what the other learns. What there is to
// say of the loads is said after what there is to say of the migrations; then comes f, with what went wrong.
func (a *app) both(ctx context.Context, sink event.Sink, migrations func(*migrate.Migrator, context.Context) error, f func(*project.Project, *load.Loader, error) error) error {
	w, err := a.open(ctx, access{})
	if err != nil {
		return err
	}
	defer w.close()
	m, err := a.newMigrator(ctx, w, runFlags{dryRun: true}, sink)
	if err != nil {
		return err
	}
	defer m.Close()
	later := &holdBack{sink: sink}
	loader, err := a.newLoader(ctx, w, later.take)
	if err != nil {
		return err
	}
	defer loader.Close()
	var listed error
	var listing sync.WaitGroup
	listing.Go(func() { listed = loader.List(ctx, w.project.Loads) })
	planned := migrations(m, ctx)
	later.release()
	listing.Wait()
	return f(w.project, loader, errors.Join(planned, listed))
}

// holdBack keeps events back until it is released.
type holdBack struct {
	sink event.Sink

	mu   sync.Mutex
	held []event.Event
	free bool
}

func (h *holdBack) take(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.free {
		h.sink(e)
	} else {
		h.held = append(h.held, e)
	}
}

func (h *holdBack) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.held {
		h.sink(e)
	}
	h.held, h.free = nil, true
}
