package plan

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/state"
)

// A Planner makes plans.
type Planner struct {
	*session.Sessions
	Scope state.Scope
	// Secrets resolves those of a load that makes a stage of its own.
	Secrets func(ctx context.Context, names []string) (secret.Set, error)

	checked bool // the state tables' schema is one that we know
}

// Source makes a load ready whose text is sql, as if it stood in its file.
func (l *Planner) Source(ld project.Load, sql string) (*source.Load, error) {
	var err error
	if ld.Copy, err = copytext.Parse(sql); err != nil {
		return nil, err
	}
	ld.Statement, ld.Expanded = project.Statement{SQL: sql, Place: sqltext.Place{File: ld.Path, Line: 1, Column: 1}}, sql
	if ld.Secrets, err = sqltext.SecretNames(sql); err != nil {
		return nil, err
	}
	return l.Ready(ld)
}

// Ready makes a load ready. It refuses one that writes what dbctl itself keeps: without the ledger's rows files are loaded twice.
func (l *Planner) Ready(ld project.Load) (*source.Load, error) {
	j, err := source.New(ld, l.Scope.Project, l.Scope.Database)
	if err != nil {
		return nil, err
	}
	refuse := func(table string, at sqltext.Place) error {
		return fault.Errorf(ld.Name, exit.Usage, "load into a table of your own",
			"table %s is in dbctl's state database, with the ledger of what is loaded", table).Placed(at)
	}
	if state.Owns(l.Scope, j.Database, j.Table) {
		return nil, refuse(j.Target, j.Statement.PlaceOf(j.Copy.TableSpan[0]))
	}
	for st, e := range project.Effects(j.After, l.Scope.Database) {
		for _, w := range e.Writes {
			if w.Kind == sqltext.Table && state.Owns(l.Scope, w.Database, w.Name) {
				return nil, refuse(w.Database+"."+w.Name, st.Place)
			}
		}
	}
	return j, nil
}

// Want is what a plan is made for.
type Want struct {
	Options
	Vanished bool            // count what is no longer in the stage: a run has no use for it
	Settled  map[string]bool // paths that this run has loaded or found bad: not planned again
	Denied   int             // of those: the store does not give them, and --limit does not count them
}

// Plan asks the server and decides. It does not refuse: Refusal does.
func (l *Planner) Plan(ctx context.Context, j *source.Load, o Want) (*Plan, error) {
	if err := o.check(j); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		k, err := l.look(ctx, j, o)
		switch {
		case err == nil:
			return k.Plan, l.finish(ctx, k)
		case try >= Remakes || !j.Dropped(err):
			return nil, fault.Wrap(j.Name, "plan", j.Placed(err))
		}
	}
}

// Plans looks at the files of many loads at once, in as many requests as one takes. Where something is wrong with one of them, or it needs
// a look of its own, there is no plan for it.
func (l *Planner) Plans(ctx context.Context, loads []*source.Load, o Want) (map[*source.Load]*Plan, error) {
	places, err := l.places(ctx, loads...)
	if err != nil || o.Path != "" {
		return nil, ctx.Err()
	}
	var looks []*look
	for i, j := range loads {
		if places[i].err == nil && places[i].tableID != "" && o.check(j) == nil {
			looks = append(looks, newLook(j, places[i], o))
		}
	}
	if l.window(ctx, looks) != nil || l.see(ctx, looks) != nil {
		return nil, ctx.Err() // of one of them: its own plan says whose
	}
	out := map[*source.Load]*Plan{}
	for _, k := range looks {
		if l.finish(ctx, k) == nil {
			out[k.Job] = k.Plan
		}
	}
	return out, ctx.Err()
}

// check refuses options that the load cannot do.
func (o Want) check(j *source.Load) error {
	if o.Reload || j.OnChanged == "replace" { // by the header, which must be right before it is needed
		return j.MayReplace()
	}
	return nil
}

// look sees the load's files where it happens.
func (l *Planner) look(ctx context.Context, j *source.Load, o Want) (*look, error) {
	places, err := l.places(ctx, j)
	if err != nil {
		return nil, err
	}
	if err := places[0].err; err != nil {
		return nil, err
	}
	k := newLook(j, places[0], o)
	if k.TableID == "" {
		return nil, j.NoTable()
	}
	if o.Path != "" {
		if k.scope.glob, err = source.Glob(o.Path); err != nil {
			return nil, fault.Errorf(j.Name, exit.Usage, "", "--path: %v", err)
		}
		if folder := source.FolderOf(o.Path); strings.HasPrefix(folder, j.Prefix) {
			k.scope.folders = []string{folder}
		}
	} else if err := l.window(ctx, []*look{k}); err != nil {
		return nil, err
	}
	return k, l.see(ctx, []*look{k})
}

// finish decides about what was seen.
func (l *Planner) finish(ctx context.Context, k *look) error {
	if k.want.Path == "" && !k.Windowed() {
		k.absent = slices.Sorted(maps.Keys(k.tally.unseen))
	}
	if err := l.account(ctx, k.Plan); err != nil {
		return err
	}
	if err := l.retries(ctx, k.Plan, k.want.Options); err != nil {
		return err
	}
	if k.want.Vanished {
		if err := l.Moved(ctx, k.Plan); err != nil {
			return err
		}
	}
	k.order(k.want.Order)
	return k.Decide(k.want)
}

// account asks whether the ledger knows where the rows of a table are from of which it knows none of the files listed here: another load
// fills it. Where a person's word was needed for that one, it is for this one too.
func (l *Planner) account(ctx context.Context, p *Plan) (err error) {
	if p.TableRows > 0 && !p.Known && p.scope.place.ledgerRows > 0 {
		all := p.scope.files()
		all.Folders = []string{p.Job.Prefix}
		p.Known, err = l.Store.Accounts(ctx, l.Work, all)
	}
	return fault.Wrap(p.Load, "read the ledger", err)
}
