package plan

import (
	"context"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// fullEvery is how often a load with a window looks at everything all the same, for what came late or was overwritten.
const fullEvery = 7 * 24 * time.Hour

// window makes looks of loads with a window look at its last partitions only, unless a full pass is due or asked for; for a list at all, to
// count what lies outside.
func (l *Planner) window(ctx context.Context, looks []*look) error {
	windowed := slices.DeleteFunc(slices.Clone(looks), func(k *look) bool {
		return k.Job.Window.Span == 0 || !k.Ledger() || k.want.Full
	})
	if len(windowed) == 0 {
		return nil
	}
	names := make([]string, len(windowed))
	for i, k := range windowed {
		names[i] = k.Load
	}
	passes, err := l.Store.Passes(ctx, l.Work, names, fullEvery)
	for _, k := range windowed {
		if passes[ledger.Pass{Load: k.Load, TableID: k.TableID, Place: k.StageURL, Prefix: k.Job.Prefix}] {
			if k.scope.recent = k.Job.Window.Folders(k.Job.Prefix, k.scope.place.at); !k.sums {
				k.scope.folders = k.scope.recent
			}
		}
	}
	return fault.Wrap(looks[0].Load, "read the ledger", err)
}
