package cli

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
)

func restoreCommand() *command {
	return &command{
		name:  "migrate restore",
		args:  "VERSION",
		try:   "3",
		short: "write back the file of an applied migration from the journal",
		long: `
For a file that was deleted, or that is only on somebody else's machine. It comes back as it was when it was applied or accepted, with
its headers, comments and templates. A file that is there is never overwritten.`,
		exits: []ending{
			{exit.Done, "the file was written; its path is shown"},
			{exit.Failed, "the journal cannot give it, or the file could not be written"},
			{exit.Usage, "wrong usage, nothing of this version is applied, or a file of it is there"},
			exitNoServer, exitReadSignal,
		},
		complete: "version",
		bind: func(a *app, _ *pflag.FlagSet) runner {
			return func(ctx context.Context, args []string) error {
				version, err := versionArg(args[0])
				if err != nil {
					return err
				}
				return a.restore(ctx, version)
			}
		},
	}
}

func (a *app) restore(ctx context.Context, version int64) error {
	return a.onApplied(ctx, version, func(was migrate.AppliedMigration, p *project.Project) error {
		if m := p.Migration(version); m != nil {
			return usageError(m.Path+" is there: it is not overwritten",
				fmt.Sprintf("`dbctl show %d --diff` compares it with what was applied; move it away to have the other", version))
		}
		text, err := was.File()
		if err != nil {
			return err
		}
		file, err := project.RestoreMigration(p.Dir, version, was.Name, text)
		if err != nil {
			return err
		}
		a.ui.Record("created", file, map[string]string{"path": file})
		return nil
	})
}

// onApplied calls f with a migration as it was applied. Broken files are no matter.
func (a *app) onApplied(ctx context.Context, version int64, f func(migrate.AppliedMigration, *project.Project) error) error {
	return a.migrator(ctx, access{check: anyProject}, runFlags{}, a.ui.Event, func(m *migrate.Migrator, p *project.Project) error {
		was, err := m.Applied(ctx, version)
		if err != nil {
			return err
		}
		return f(was, p)
	})
}
