package plan

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// fullEvery is how often a load with a window looks at everything all the same, for what came late or was overwritten.
const fullEvery = 7 * 24 * time.Hour

// FullPass is the reason of the ledger row that a full pass writes.
const FullPass = "full pass"

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

// recent makes the query of a load with a window list only its last partitions, unless a full pass is due or asked for.
func (l *Planner) recent(ctx context.Context, full bool, plans ...*Plan) error {
	windows, names := map[*Plan]window{}, []string(nil)
	for _, p := range plans {
		if p.Job.Window == "" {
			continue
		}
		w, err := ParseWindow(p.Job.Load)
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
	id := sqltext.Ident
	res, err := l.Work.Query(ctx, databend.Statement{SQL: strings.NewReplacer(
		"{LOAD}", id(ledger.ColLoad), "{ID}", id(ledger.ColTableID), "{URL}", id(ledger.ColStageURL), "{PATH}", id(ledger.ColPath),
		"{REASON}", id(ledger.ColReason), "{STATE}", id(ledger.ColState), "{AT}", id(ledger.ColAt), "{LEDGER}", l.Store.LedgerName(),
		"{SCOPE}", l.Store.LedgerScope(), "{NAMES}", sqltext.Literals(names), "{HOURS}", strconv.Itoa(int(fullEvery.Hours())),
		"{FULL}", sqltext.Quote(FullPass),
	).Replace(`
SELECT DISTINCT {LOAD}, {ID}, {URL}, {PATH} FROM {LEDGER}
WHERE {SCOPE} AND {LOAD} IN ({NAMES}) AND {REASON} = {FULL} AND {STATE} = 'begin' AND {AT} > date_sub(hour, {HOURS}, now())`)})
	if err != nil {
		return fault.Wrap(plans[0].Load, "read the ledger", err)
	}
	for _, row := range res.Rows {
		for _, p := range plans {
			if w, ok := windows[p]; ok && p.Load == row[0].String && p.TableID == row[1].String && p.StageURL == row[2].String &&
				p.Job.Prefix == row[3].String {
				p.scope.prefixes = w.Prefixes(p.Job.Prefix, time.Now())
			}
		}
	}
	return nil
}
