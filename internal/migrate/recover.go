package migrate

import (
	"context"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/migrate/run"
)

// The ways of Recover.
const (
	RollBack       = ""                 // put it back
	Resume         = "resume"           // go on with the interrupted migration
	MarkApplied    = "mark-applied"     // a person says that it is as after it
	MarkRolledBack = "mark-rolled-back" // a person says that it is as before it
)

// Recover finishes an unfinished run: of a process that was killed, or that could not put everything back. how is RollBack, Resume,
// MarkApplied or MarkRolledBack, the last two with a reason.
func (m *Migrator) Recover(ctx context.Context, how, reason string) error {
	h, err := m.store.History(ctx)
	if err != nil {
		return err
	}
	left, ok := unfinished(h)
	if !ok && h.Claimed {
		// A run may be at its beginning.
		if err := run.TakeLock(ctx, m.env, h); err != nil {
			return err
		}
		if h, err = m.store.History(ctx); err != nil {
			return err
		}
		left, ok = unfinished(h)
	}
	if !ok {
		m.o.Sink(event.Summary{Command: "migrate recover", Text: "nothing is unfinished"})
		return nil
	}
	switch how {
	case RollBack:
		return run.PutBack(ctx, m.env, h, left)
	case Resume:
		return run.Resume(ctx, m.env, h, left)
	}
	if reason == "" {
		return plan.NeedsReason(plan.Unfinished, 0, "a person's word")
	}
	return run.TakeWord(ctx, m.env, h, left, how == MarkApplied, reason)
}
