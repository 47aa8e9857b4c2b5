package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/preflight"
	"github.com/dbctl/dbctl/internal/project"
)

func migrateGroup() *command {
	return &command{name: "migrate", short: "bring the schema in step with migrations/, and take it back"}
}

// recoverCommandLine is what puts an interrupted run of migrations right.
const recoverCommandLine = "dbctl migrate recover"

// runFlags are the flags of up, down and redo.
type runFlags struct {
	dryRun bool

	// planned makes a dry run prove that what it shows can work, and is told the plan before. Optional.
	planned func(plan.Plan)
	plan    migrate.PlanOptions
}

func (rf *runFlags) bind(a *app, f *pflag.FlagSet, up bool) {
	f.BoolVar(&rf.dryRun, "dry-run", false, "only show what would run, each statement's class and how it would be undone")
	f.BoolVar(&rf.plan.Atomic, "atomic", false, "one savepoint for the whole run: all of it or nothing")
	f.BoolVar(&rf.plan.AllowIrreversible, "allow-irreversible", false, "run statements that nothing can undo")
	if up {
		f.BoolVar(&rf.plan.SkipUnsupported, "skip-unsupported", false, "leave out what this warehouse lacks the feature or licence for")
		f.BoolVar(&rf.plan.AllowOutOfOrder, "allow-out-of-order", false, "apply versions older than the newest applied one")
	}
	a.bindYes(f)
}

// runExits are the codes of a command that runs migrations.
func runExits(done string) []ending {
	return []ending{
		{exit.Done, done},
		{exit.Failed, "failed or refused, and nothing of it was left behind; earlier migrations of the run stay, and are listed"},
		exitBadUsage,
		{exit.Partly, "something could not be put back, or an earlier run is still to be recovered: a person's turn"},
		exitOtherRun, exitNoServer, exitOnSignal, exitOnTerm,
	}
}

// migrations is what a command on migrations needs: those files whole.
func migrations(writes bool) access {
	return access{writes: writes, ahead: true, check: (*project.Project).MigrationMistakes}
}

// migrator opens the project's server, calls f, and closes it again.
func (a *app) migrator(
	ctx context.Context, acc access, rf runFlags, sink event.Sink, f func(*migrate.Migrator, *project.Project) error,
) error {
	w, err := a.open(ctx, acc)
	if err != nil {
		return err
	}
	defer w.close()
	m, err := a.newMigrator(w, rf, sink)
	if err != nil {
		return err
	}
	defer m.Close()
	return f(m, w.project)
}

func (a *app) newMigrator(w *warehouse, rf runFlags, sink event.Sink) (*migrate.Migrator, error) {
	ttl, err := a.lockTTL()
	if err != nil {
		return nil, err
	}
	opts := migrate.Options{
		Project: w.project, Server: w.server, Secrets: w.secrets.Resolve, Sink: sink, Actor: w.actor, Run: a.run,
		PlanOptions: rf.plan, DryRun: rf.dryRun, Verbose: a.verbose, LockWait: a.lockWait.d, LockTTL: ttl,
	}
	if rf.planned != nil {
		opts.Prove = func(ctx context.Context, p plan.Plan) error {
			rf.planned(p)
			if p.Unfinished {
				return nil
			}
			return preflight.Check(ctx, preflight.Input{Project: w.project, Steps: p.Steps, Server: w.server, Secrets: w.secrets.Resolve})
		}
	}
	opts.SkipUnsupported = opts.SkipUnsupported || w.project.Env.SkipUnsupported
	return migrate.New(opts), nil
}

// lockTTL is how long a lock outlives its owner's last word: 0, the default, but for the proofs, which cannot wait so long.
func (a *app) lockTTL() (time.Duration, error) {
	var ttl positive
	if v, _ := a.Getenv("DBCTL_LOCK_TTL"); v != "" {
		if err := ttl.Set(v); err != nil {
			return 0, usageError(fmt.Sprintf("DBCTL_LOCK_TTL=%q: %v", v, err), "`unset DBCTL_LOCK_TTL`")
		}
	}
	return ttl.d, nil
}

// versionArg reads a migration's version.
func versionArg(s string) (int64, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		return 0, usageError(fmt.Sprintf("%q is no version", s),
			"a version is the number that a migration's file name begins with: `dbctl migrate status` lists them")
	}
	return v, nil
}
