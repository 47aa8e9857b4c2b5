package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
)

func upCommand() *command {
	return &command{
		name:  "migrate up",
		args:  "[VERSION]",
		short: "apply what is pending, up to VERSION; roll back a migration that fails",
		long: `
Before the first statement the state of all objects that will be written is captured. When a statement fails, or the run is
interrupted, they are put back and checked. Everything that can be refused is refused before the first write.`,
		exits:    runExits("everything that was pending is applied; or nothing was pending"),
		complete: "version",
		recovers: recoverCommandLine,
		bind: func(a *app, f *pflag.FlagSet) runner {
			var rf runFlags
			rf.bind(a, f, true)
			return func(ctx context.Context, args []string) error {
				if len(args) == 1 {
					to, err := versionArg(args[0])
					if err != nil {
						return err
					}
					if to == 0 { // which is "all" to a plan
						return usageError("there is no migration 0", "without VERSION everything that is pending is applied")
					}
					rf.plan.To = to
				}
				return a.migrator(ctx, migrations(!rf.dryRun), rf, a.ui.Event, func(m *migrate.Migrator, _ *project.Project) error {
					return m.Up(ctx)
				})
			}
		},
	}
}
