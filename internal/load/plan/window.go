package plan

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// fullEvery is how often a load with a window looks at everything all the same, for what came late or was overwritten.
const fullEvery = 7 * 24 * time.Hour

// window is `window=capture_date=%Y-%m-%d 7d`: a run lists only the partitions of the last days (or hours, where the format has
// %H), since listing years of them costs more than loading one.
type window struct {
	format string
	span   time.Duration
	step   time.Duration
}

func ParseWindow(ld project.Load) (window, error) {
	wrong := func(what string) (window, error) {
		return window{}, fault.Errorf(ld.Name, exit.Usage, "-- dbctl: window=capture_date=%Y-%m-%d 7d", "cannot read window=%s: %s",
			ld.Window, what)
	}
	format, span, err := project.ParseWindow(strings.TrimSpace(ld.Window))
	if err != nil {
		return window{}, fault.Errorf(ld.Name, exit.Usage, "-- dbctl: window=capture_date=%Y-%m-%d 7d", "%v", err)
	}
	w := window{format: format, span: span, step: 24 * time.Hour}
	if strings.Contains(w.format, "%H") {
		w.step = time.Hour
	}
	if p := ld.Copy.Path; p != "" && !strings.HasSuffix(p, "/") {
		return wrong("the partitions are folders below the location, which must end in /")
	}
	if w.span/w.step > 1000 {
		return wrong("more than 1000 partitions")
	}
	return w, nil
}

// Prefixes are the partitions below base from the one of the span ago until one step from now, for clocks ahead of ours.
func (w window) Prefixes(base string, now time.Time) []string {
	var out []string
	for t := now.UTC().Add(-w.span).Truncate(w.step); !t.After(now.Add(w.step)); t = t.Add(w.step) {
		p := base + strings.NewReplacer("%Y", t.Format("2006"), "%m", t.Format("01"), "%d", t.Format("02"), "%H",
			t.Format("15")).Replace(w.format)
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// window makes looks of loads with a window look at its last partitions only, unless a full pass is due or asked for; for a list at all, to
// count what lies outside.
func (l *Planner) window(ctx context.Context, looks []*look) error {
	windows, names := map[*look]window{}, []string(nil)
	for _, k := range looks {
		if k.Job.Window == "" {
			continue
		}
		w, err := ParseWindow(k.Job.Load)
		if err != nil {
			return err
		}
		if k.Ledger() && !k.want.Full {
			windows[k], names = w, append(names, k.Load)
		}
	}
	if len(windows) == 0 {
		return nil
	}
	passes, err := l.Store.Passes(ctx, l.Work, names, fullEvery)
	for k, w := range windows {
		if passes[ledger.Pass{Load: k.Load, TableID: k.TableID, Place: k.StageURL, Prefix: k.Job.Prefix}] {
			if k.scope.recent = w.Prefixes(k.Job.Prefix, k.scope.place.at); !k.sums {
				k.scope.folders = k.scope.recent
			}
		}
	}
	return fault.Wrap(looks[0].Load, "read the ledger", err)
}
