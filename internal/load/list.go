package load

import (
	"context"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
)

// List emits a LoadState for each load: its files by state, its rows and its last run. It is one query for all of them; where one
// of them cannot be asked (its table is not there yet), one for each.
func (l *Loader) List(ctx context.Context, loads []project.Load) error {
	if len(loads) == 0 {
		return nil
	}
	plans := make([]*Plan, len(loads))
	reasons := make([]string, len(loads))
	var parts []string
	for i, ld := range loads {
		j, err := newJob(ld, l.cfg.Scope.Database)
		if err != nil {
			return err
		}
		q := planQuery{job: j, prefixes: []string{j.prefix}, scope: l.store.LedgerScope(""), ledger: l.store.LedgerName(), vanished: true}
		plans[i] = &Plan{Load: ld.Name, Table: j.target, Counts: map[State]Count{}, job: j, query: q}
		parts = append(parts, "SELECT "+itoa(i)+", * FROM (\n"+q.sql()+")")
	}
	_, err := l.work.Each(ctx, databend.Statement{SQL: strings.Join(parts, "\nUNION ALL ")}, func(r databend.Row) error {
		plans[number(r[0].String)].read(r[1:], false)
		return nil
	})
	if err != nil {
		for i, p := range plans {
			p.Counts, p.Files = map[State]Count{}, nil
			one, err := l.plan(ctx, p.job, Options{vanished: true})
			if err != nil {
				reasons[i] = err.Error()
				continue
			}
			plans[i] = one
		}
	}
	for i, p := range plans {
		p.settle()
		e := event.LoadState{Load: p.Load, Table: p.Table, Counts: map[string]int64{}, Rows: p.knownRows, Reason: reasons[i]}
		for s, c := range p.Counts {
			e.Counts[string(s)] = c.Files
		}
		if p.lastWord > 0 {
			at := time.UnixMicro(p.lastWord).UTC()
			e.LastRun = &at
		}
		if err := p.refusal(Options{}); e.Reason == "" && err != nil {
			e.Reason = err.Error()
		}
		l.cfg.Sink(e)
	}
	return nil
}
