package cli

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
)

func acceptCommand() *command {
	return &command{
		name:  "migrate accept",
		args:  "VERSION...",
		try:   "3",
		short: "record edited files' new checksums, with --reason",
		long: `
An applied file that was edited stops every run, since nobody can tell what the database has of it. This is your word that the
new text means the same, or that the database was brought in step by hand.`,
		exits:    wordExits,
		complete: "version",
		bind: func(a *app, f *pflag.FlagSet) runner {
			reason := f.String("reason", "", "`WHY`, kept in the journal; required")
			a.bindYes(f)
			return func(ctx context.Context, args []string) error {
				versions := make([]int64, len(args))
				for i, arg := range args {
					var err error
					if versions[i], err = versionArg(arg); err != nil {
						return err
					}
				}
				if strings.TrimSpace(*reason) == "" {
					return usageError("migrate accept: a person's word needs a reason", a.line(args, "--reason", "only a comment was changed"))
				}
				return a.migrator(ctx, migrations(true), runFlags{}, a.ui.Event, func(m *migrate.Migrator, _ *project.Project) error {
					return m.Accept(ctx, versions, *reason)
				})
			}
		},
	}
}
