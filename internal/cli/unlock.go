package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/state"
)

func unlockCommand() *command {
	return &command{
		name:  "unlock",
		short: "release a lock whose owner is gone",
		long: `
A run takes a dead owner's lock over by itself: this is for a look at the locks, and for the owner that only seems alive.
What an unlocked run left unfinished is put back by ` + "`dbctl migrate recover`" + `.`,
		exits: []ending{
			{exit.Done, "no lock is held any more"},
			{exit.Failed, "the server refused"},
			exitBadUsage,
			{exit.Locked, "an owner is alive, and --force was not given"},
			exitNoServer, exitReadSignal,
		},
		bind: func(a *app, f *pflag.FlagSet) runner {
			force := f.Bool("force", false, "release it although its owner seems alive")
			a.bindYes(f)
			return func(ctx context.Context, args []string) error {
				w, err := a.open(ctx, access{writes: true, check: anyProject})
				if err != nil {
					return err
				}
				defer w.close()
				session := w.server.Session(nil)
				defer session.Close()
				return a.unlock(ctx, state.Open(session, w.scope()), *force)
			}
		},
	}
}

// lockLine is a lock as programs are told it.
type lockLine struct {
	What     string `json:"what"`
	Owner    string `json:"owner"`
	AgeMS    int64  `json:"age_ms"` // since its owner was last heard of
	Released bool   `json:"released"`
	Reason   string `json:"reason,omitempty"`
}

func (a *app) unlock(ctx context.Context, store *state.Store, force bool) error {
	released, left, err := store.Unlock(ctx, force)
	for _, l := range released {
		a.showLock(l, true)
	}
	for _, l := range left {
		a.showLock(l, false)
	}
	switch {
	case err != nil:
		return err
	case len(left) > 0:
		return &mistake{
			fmt.Sprintf("%d of %d locks are held by an owner that seems alive", len(left), len(left)+len(released)),
			"wait for it, or `dbctl unlock --force`", exit.Locked,
		}
	case len(released) == 0:
		a.ui.Event(event.Summary{Command: "unlock", Text: "no lock is held"})
	}
	return nil
}

func (a *app) showLock(l state.LockInfo, released bool) {
	text := fmt.Sprintf("held     %s by %s, last heard of %s ago", l.What, l.Owner, l.Age.Round(time.Second))
	if released {
		text = fmt.Sprintf("released %s of %s", l.What, l.Owner)
		if l.Why != "" {
			text += ": " + l.Why
		}
	}
	a.ui.Record("lock", text, lockLine{What: l.What, Owner: l.Owner, AgeMS: l.Age.Milliseconds(), Released: released, Reason: l.Why})
}
