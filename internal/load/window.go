package load

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// fullEvery is how often a load with a window looks at everything all the same, for what came late or was overwritten.
const fullEvery = 7 * 24 * time.Hour

// fullPass is the reason of the ledger row that a full pass writes.
const fullPass = "full pass"

// window is `window=capture_date=%Y-%m-%d 7d`: a run lists only the partitions of the last days (or hours, where the format has
// %H), since listing years of them costs more than loading one.
type window struct {
	format string
	span   time.Duration
	step   time.Duration
}

func parseWindow(ld project.Load) (window, error) {
	wrong := func(what string) (window, error) {
		return window{}, errorf(ld.Name, exitUsage, "-- dbctl: window=capture_date=%Y-%m-%d 7d", "cannot read window=%s: %s", ld.Window, what)
	}
	format, span, err := project.ParseWindow(strings.TrimSpace(ld.Window))
	if err != nil {
		return window{}, errorf(ld.Name, exitUsage, "-- dbctl: window=capture_date=%Y-%m-%d 7d", "%v", err)
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

// prefixes are the partitions below base from the one of the span ago until one step from now, for clocks ahead of ours.
func (w window) prefixes(base string, now time.Time) []string {
	var out []string
	for t := now.UTC().Add(-w.span).Truncate(w.step); !t.After(now.Add(w.step)); t = t.Add(w.step) {
		p := base + strings.NewReplacer("%Y", t.Format("2006"), "%m", t.Format("01"), "%d", t.Format("02"), "%H", t.Format("15")).Replace(w.format)
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// recent makes the query of a load with a window list only its last partitions, unless a full pass is due or asked for.
func (l *Loader) recent(ctx context.Context, full bool, plans ...*Plan) error {
	windows, names := map[*Plan]window{}, []string(nil)
	for _, p := range plans {
		if p.job.Window == "" {
			continue
		}
		w, err := parseWindow(p.job.Load)
		if err != nil {
			return err
		}
		if p.scope.place.ledger && !full {
			windows[p], names = w, append(names, p.Load)
		}
	}
	if len(windows) == 0 {
		return nil
	}
	id, s := sqltext.Ident, sqltext.Quote
	res, err := l.work.Query(ctx, databend.Statement{SQL: fmt.Sprintf("SELECT DISTINCT %s, %s, %s, %s FROM %s WHERE %s AND %s IN (%s) AND %s=%s AND %s=%s AND %s>date_sub(hour, %d, now())", id(state.ColLoad), id(state.ColTableID), id(state.ColStageURL), id(state.ColPath),
		l.store.LedgerName(), l.store.LedgerScope(), id(state.ColLoad), quoted(names), id(state.ColReason), s(fullPass), id(state.ColState), s(state.FileBegin), id(state.ColAt), int(fullEvery.Hours()))})
	if err != nil {
		return wrap(plans[0].Load, "read the ledger", err)
	}
	for _, row := range res.Rows {
		for _, p := range plans {
			if w, ok := windows[p]; ok && p.Load == row[0].String && p.TableID == row[1].String && p.StageURL == row[2].String && p.job.prefix == row[3].String {
				p.scope.prefixes = w.prefixes(p.job.prefix, time.Now())
			}
		}
	}
	return nil
}

// passed writes that everything was looked at, once a week: the one row that a run with nothing to do writes.
func (r *run) passed(ctx context.Context) error {
	if r.j.Window == "" || r.o.Path != "" || r.o.Limit > 0 || r.plan.windowed() {
		return nil
	}
	if !r.plan.scope.place.ledger && r.lock == nil { // nothing was ever loaded, and no table is there to say so
		return nil
	}
	row := r.row(File{Path: r.j.prefix}, state.FileBegin)
	row.Reason = fullPass
	return wrap(r.j.Name, "", r.l.store.AppendLedger(ctx, []state.LedgerRow{row}, nil))
}
