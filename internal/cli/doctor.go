package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/doctor"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/local"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
)

func doctorCommand() *command {
	return &command{
		name:  "doctor",
		short: "connection, rights, features, secrets, stages, late loads, locks: a line each, the mend below",
		long: `
Looks at all that the project needs, and goes on after a failure. Nothing of the project is written.
The rights are those that the project's own statements take, and a rollback of them; each stage is listed as the server reaches it;
a load with expect-every= fails when its last file came longer ago. Whatever fails, a late load too, ends with 1;
in dbctl load --check and dbctl status --check a late load ends with 3.`,
		exits: []ending{
			{exit.Done, "all is well"},
			{exit.Failed, "something is not: the line below says what mends it"},
			exitBadUsage, exitReadSignal,
		},
		bind: func(a *app, _ *pflag.FlagSet) runner {
			return func(ctx context.Context, args []string) error {
				return a.doctor(ctx)
			}
		},
	}
}

func (a *app) doctor(ctx context.Context) error {
	opts, _, err := a.projectOptions(false)
	if err != nil {
		return err
	}
	opts.Partial = true
	p, err := a.openBeforeEngine(opts)
	if err != nil {
		return err
	}
	bad := 0
	for _, err := range exit.Each(p.Mistakes()) {
		if err != nil {
			f := failure(err)
			a.ui.Event(event.Check{Name: "files", Detail: f.Message, Hint: f.Hint})
			bad++
		}
	}
	if p.Env.Embedded {
		bad += a.localChecks(ctx)
	}
	patient := doctor.Patient{Project: p, Secrets: secret.NewResolver(p.Sources, p.Getenv, p.Dir, a.scrub).Resolve}
	w, err := a.open(ctx, access{check: anyProject})
	if err == nil {
		defer w.close()
		patient = doctor.Patient{Project: w.project, Secrets: w.secrets.Resolve, Server: w.server, Scope: w.scope()}
		if slices.ContainsFunc(w.project.Loads, expects) {
			patient.Expecting = func(ctx context.Context) ([]event.LoadState, error) { return a.expecting(ctx, w) }
		}
	} else if _, missing := errors.AsType[*secret.MissingError](err); exit.Of(err) == exit.Usage && !missing { // which doctor is there to say
		return err
	}
	patient.Unreached = err
	if bad += doctor.Run(ctx, patient, a.ui.Event); bad == 0 {
		a.ui.Event(event.Summary{Command: "doctor", Text: "all is well", Counts: map[string]int64{"failed": 0}})
		return nil
	}
	a.ui.Event(event.Summary{
		Command: "doctor", Text: event.Plural(bad, "check") + " failed",
		Counts: map[string]int64{"failed": int64(bad)},
	})
	return errFound
}

// expects reports whether a load says how often a file comes.
func expects(l project.Load) bool { return l.ExpectEvery > 0 }

// expecting lists the loads that expect files, as `load --list` does.
func (a *app) expecting(ctx context.Context, w *warehouse) (states []event.LoadState, err error) {
	loader, err := a.newLoader(ctx, w, func(e event.Event) {
		if s, ok := e.(event.LoadState); ok {
			states = append(states, s)
		}
	})
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	err = loader.List(ctx, slices.DeleteFunc(slices.Clone(w.project.Loads), func(l project.Load) bool { return !expects(l) }))
	return states, err
}

// localChecks looks at what a local engine needs of this machine.
func (a *app) localChecks(ctx context.Context) (bad int) {
	chosen, _ := a.Getenv("DBCTL_PYTHON")
	check := event.Check{Name: "python", OK: true}
	path, err := local.Python(ctx, chosen)
	if check.Detail = path; err != nil {
		check = event.Check{Name: "python", Detail: err.Error(), Hint: failure(err).Hint}
		bad++
	}
	a.ui.Event(check)

	const least = 1 << 30
	check = event.Check{Name: "disk", OK: true}
	switch free, err := local.Free(os.TempDir()); {
	case err != nil:
		check.Detail = "how much is free in " + os.TempDir() + " is not known"
	case free < least:
		check = event.Check{
			Name: "disk", Detail: fmt.Sprintf("%s has %s left; a local engine writes its data there", os.TempDir(), event.Bytes(free)),
			Hint: "make room, or: export TMPDIR=/a/larger/folder",
		}
		bad++
	default:
		check.Detail = fmt.Sprintf("%s free in %s", event.Bytes(free), os.TempDir())
	}
	a.ui.Event(check)
	return bad
}
