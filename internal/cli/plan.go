package cli

import (
	"context"
	"errors"
	"slices"

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
				return a.both(ctx, t.sink, func(m *migrate.Migrator, p *project.Project, loader *load.Loader) error {
					err := errors.Join(m.Up(ctx), loader.List(ctx, p.Loads))
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

// both opens the project's server for a command that only looks at migrations and loads.
func (a *app) both(ctx context.Context, sink event.Sink, f func(*migrate.Migrator, *project.Project, *load.Loader) error) error {
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
	loader, err := a.newLoader(ctx, w, sink)
	if err != nil {
		return err
	}
	defer loader.Close()
	return f(m, w.project, loader)
}
