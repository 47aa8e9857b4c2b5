package cli

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
)

// statusExits are the codes of the commands that only look.
var statusExits = []ending{
	{exit.Done, "shown"},
	{exit.Failed, "the server refused"},
	exitBadUsage,
	{exit.Check, "--check: something is pending or changed, or, of status, a load is not ready; unsupported versions do not count"},
	exitNoServer, exitReadSignal,
}

func statusCommand() *command {
	return &command{
		name:  "status",
		short: "migrations and loads, a line each",
		exits: statusExits,
		bind: func(a *app, f *pflag.FlagSet) runner {
			check := f.Bool("check", false, "exit 3 when something is pending or changed")
			return func(ctx context.Context, args []string) error {
				t := newTally(a.ui.Event, func(e event.Event) bool { _, note := e.(event.Note); return note })
				return a.both(ctx, nil, t.sink, show, func(p *project.Project, _ *load.Loader, looked, listed error) error {
					if looked == nil && p.MigrationMistakes() == nil {
						a.ui.Record("summary", t.migrationLine(), event.Summary{Command: "status", Text: t.migrationLine(), Counts: byName(t.migrations)})
					}
					if listed == nil {
						a.ui.Record("summary", t.loadLine(), event.Summary{Command: "status", Text: t.loadLine(), Counts: byName(t.files)})
					}
					if *check && looked == nil && listed == nil {
						return t.found()
					}
					return errors.Join(looked, listed)
				})
			}
		},
	}
}

func migrateStatusCommand() *command {
	return &command{
		name:  "migrate status",
		short: "every migration and its state",
		long: `
applied; pending; unsupported (left out: this warehouse lacks the feature); rolled_back (the last attempt failed, nothing is
left of it); partial (a person's turn); interrupted (an unfinished run); edited (the file is not what was applied);
stale (a variable or a load that it uses changed since); missing (applied, and the file is gone); ahead (applied, and newer
than every file here).`,
		exits: statusExits,
		bind: func(a *app, f *pflag.FlagSet) runner {
			check := f.Bool("check", false, "exit 3 when something is pending or changed")
			return func(ctx context.Context, args []string) error {
				t := newTally(a.ui.Event, func(event.Event) bool { return true })
				return a.migrator(ctx, migrations(false), runFlags{}, t.sink, func(m *migrate.Migrator, _ *project.Project) error {
					err := show(ctx, m)
					if err == nil && *check {
						err = t.found()
					}
					return err
				})
			}
		},
	}
}

// show tells the state of every migration.
func show(ctx context.Context, m *migrate.Migrator) error {
	st, err := m.Status(ctx)
	if err == nil {
		m.Show(st)
	}
	return err
}
