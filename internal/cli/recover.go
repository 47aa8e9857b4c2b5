package cli

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/project"
)

func recoverCommand() *command {
	return &command{
		name:  "migrate recover",
		short: "finish an interrupted run: roll it back, or --resume, --mark-applied, --mark-rolled-back",
		long: `
A run that was killed, or that could not put everything back, is found by any later command. Up, down and redo put it back
first; this is for doing only that, for going on with it, and for a person's word after the warehouse was mended by hand.`,
		exits: []ending{
			{exit.Done, "nothing is unfinished any more"},
			{exit.Failed, "failed or refused; the run is still unfinished"},
			exitBadUsage,
			{exit.Partly, "something could not be put back and is named: mend it, then --mark-rolled-back or --mark-applied"},
			exitOtherRun, exitNoServer, exitOnSignal, exitOnTerm,
		},
		recovers: recoverCommandLine,
		bind: func(a *app, f *pflag.FlagSet) runner {
			resume := f.Bool("resume", false, "go on at the statement that is really next")
			applied := f.Bool("mark-applied", false, "your word that the warehouse is as after the migration (needs --reason)")
			rolledBack := f.Bool("mark-rolled-back", false, "your word that the warehouse is as before it (needs --reason)")
			reason := f.String("reason", "", "`WHY`, kept in the journal")
			a.bindYes(f)
			return func(ctx context.Context, args []string) error {
				how, err := a.recoverHow(*resume, *applied, *rolledBack, *reason)
				if err != nil {
					return err
				}
				return a.migrator(ctx, migrations(true), runFlags{}, a.ui.Event, func(m *migrate.Migrator, _ *project.Project) error {
					return m.Recover(ctx, how, *reason)
				})
			}
		},
	}
}

func (a *app) recoverHow(resume, applied, rolledBack bool, reason string) (string, error) {
	how, chosen := migrate.RollBack, 0
	for _, c := range []struct {
		on  bool
		how string
	}{{resume, migrate.Resume}, {applied, migrate.MarkApplied}, {rolledBack, migrate.MarkRolledBack}} {
		if c.on {
			how = c.how
			chosen++
		}
	}
	word := applied || rolledBack
	switch {
	case chosen > 1:
		return "", usageError("migrate recover: --resume, --mark-applied and --mark-rolled-back contradict each other", a.line(nil))
	case word && strings.TrimSpace(reason) == "":
		return "", usageError("migrate recover: a person's word needs a reason", a.line(nil, "--"+how, "--reason", "I looked, and it is so"))
	case !word && reason != "":
		return "", usageError("migrate recover: --reason goes with --mark-applied or --mark-rolled-back", a.line(nil))
	}
	return how, nil
}
