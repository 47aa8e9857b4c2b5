package cli

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
)

// wordExits are the codes of a command that writes a person's word into the journal.
var wordExits = []ending{
	{exit.Done, "it stands in the journal"},
	{exit.Failed, "refused, and nothing was written"},
	exitBadUsage,
	{exit.Partly, "an earlier run is still to be recovered, and nothing was written"},
	exitOtherRun, exitNoServer, exitReadSignal,
}

func baselineCommand() *command {
	return &command{
		name:  "migrate baseline",
		args:  "VERSION",
		try:   "3",
		short: "adopt an existing database: record as applied without running",
		long: `
Records every version up to VERSION as applied, on your word that the database looks as if they had run.`,
		exits:    wordExits,
		complete: "version",
		bind: func(a *app, f *pflag.FlagSet) runner {
			reason := f.String("reason", "", "`WHY`, kept in the journal")
			a.bindYes(f)
			return func(ctx context.Context, args []string) error {
				version, err := versionArg(args[0])
				if err != nil {
					return err
				}
				return a.migrator(ctx, migrations(true), runFlags{}, a.ui.Event, func(m *migrate.Migrator, _ *project.Project) error {
					return m.Baseline(ctx, version, *reason)
				})
			}
		},
	}
}
