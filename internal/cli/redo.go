package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
)

func redoCommand() *command {
	return &command{
		name:     "migrate redo",
		short:    "the newest applied migration down and up again, under one savepoint",
		exits:    runExits("taken down and up again; or nothing was applied"),
		recovers: recoverCommandLine,
		bind: func(a *app, f *pflag.FlagSet) runner {
			var rf runFlags
			rf.bind(a, f, true)
			return func(ctx context.Context, args []string) error {
				return a.migrator(ctx, migrations(!rf.dryRun), rf, a.ui.Event, func(m *migrate.Migrator, _ *project.Project) error {
					return m.Redo(ctx)
				})
			}
		},
	}
}
