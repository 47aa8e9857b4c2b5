package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
)

func downCommand() *command {
	return &command{
		name:  "migrate down",
		args:  "[VERSION]",
		short: "run Down sections, newest applied first: one, or back to VERSION (0 for all)",
		long: `
Under the same protection as up. Without VERSION the newest applied migration alone is taken back; with it everything newer
than VERSION, which stays.`,
		exits:    runExits("taken back; or nothing was applied"),
		complete: "version",
		recovers: recoverCommandLine,
		bind: func(a *app, f *pflag.FlagSet) runner {
			var rf runFlags
			rf.bind(a, f, false)
			return func(ctx context.Context, args []string) error {
				var to int64
				if len(args) == 1 {
					var err error
					if to, err = versionArg(args[0]); err != nil {
						return err
					}
				}
				return a.migrator(ctx, migrations(!rf.dryRun), rf, a.ui.Event, func(m *migrate.Migrator, _ *project.Project) error {
					return m.Down(ctx, to, len(args) == 0)
				})
			}
		},
	}
}
