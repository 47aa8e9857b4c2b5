package plan

import (
	"context"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
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
	return source.New(ld, l.Scope.Project, l.Scope.Database)
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
	var p *Plan
	for try := 0; p == nil; try++ {
		var err error
		// Another command that ends takes the load's own stage away: the next try makes it again.
		if p, err = l.look(ctx, j, o); err != nil && !(j.Own() && source.UnknownStage(err) && try < Replans) {
			return nil, fault.Wrap(j.Name, "plan", j.Placed(err))
		}
	}
	return p, l.finish(ctx, p, o)
}

// Plans looks at the files of many loads at once, in as many requests as one takes. Where something is wrong with one of them, or it needs
// a look of its own, there is no plan for it.
func (l *Planner) Plans(ctx context.Context, loads []*source.Load, o Want) (map[*source.Load]*Plan, error) {
	places, err := l.places(ctx, loads...)
	if err != nil || o.Path != "" {
		return nil, ctx.Err()
	}
	var plans []*Plan
	for i, j := range loads {
		if places[i].err == nil && places[i].tableID != "" && o.check(j) == nil {
			plans = append(plans, l.newPlan(j, places[i], o))
		}
	}
	if l.recent(ctx, o.Full, plans...) != nil || l.files(ctx, plans, true) != nil {
		return nil, ctx.Err() // of one of them: its own plan says whose
	}
	out := map[*source.Load]*Plan{}
	for _, p := range plans {
		if l.finish(ctx, p, o) == nil {
			out[p.Job] = p
		}
	}
	return out, ctx.Err()
}

// check refuses options that the load cannot do.
func (o Want) check(j *source.Load) error {
	switch {
	case o.Force && o.Path == "":
		return fault.Errorf(j.Name, exit.Usage, "dbctl load "+j.Name+" --force --path GLOB", "--force needs --path: the files to load again")
	case o.Reload && o.Path == "":
		return fault.Errorf(j.Name, exit.Usage, "dbctl load "+j.Name+" --reload --path GLOB",
			"--reload needs --path: the files to load again")
	case o.Reload || j.OnChanged == "replace": // by the header, which must be right before it is needed
		return j.MayReplace()
	}
	return nil
}

// finish decides about what was seen.
func (l *Planner) finish(ctx context.Context, p *Plan, o Want) (err error) {
	if o.Path == "" && !p.Windowed() {
		p.absent = slices.Sorted(maps.Keys(p.unseen))
	}
	if p.TableRows > 0 && !p.Known {
		if p.Known, err = l.knows(ctx, p); err != nil {
			return fault.Wrap(p.Load, "read the ledger", err)
		}
	}
	if err := l.retries(ctx, p, o.Options); err != nil {
		return err
	}
	if o.Vanished {
		if err := l.Moved(ctx, p); err != nil {
			return err
		}
	}
	p.order(o.Order)
	return p.Decide(o)
}

// look sees the load's files where it happens.
func (l *Planner) look(ctx context.Context, j *source.Load, o Want) (*Plan, error) {
	places, err := l.places(ctx, j)
	if err != nil {
		return nil, err
	}
	if err := places[0].err; err != nil {
		return nil, err
	}
	p := l.newPlan(j, places[0], o)
	if p.TableID == "" {
		return nil, j.NoTable()
	}
	if o.Path != "" {
		if p.scope.glob, err = source.Glob(o.Path); err != nil {
			return nil, fault.Errorf(j.Name, exit.Usage, "", "--path: %v", err)
		}
	} else if err := l.recent(ctx, o.Full, p); err != nil {
		return nil, err
	}
	if err := l.files(ctx, []*Plan{p}, true); err != nil {
		return nil, err
	}
	return p, nil
}

// files looks at the files of plans. keep is whether their Files get what is to be named.
func (l *Planner) files(ctx context.Context, plans []*Plan, keep bool) error {
	both, ctx := errgroup.WithContext(ctx)
	flashed := make(chan struct{})
	both.Go(crash.Caught(func() error {
		defer close(flashed)
		if err := l.leftEmpty(ctx, plans); err != nil || !keep {
			return err
		}
		return l.flashedBack(ctx, plans)
	}))
	both.Go(crash.Caught(func() error {
		return l.lists(ctx, plans, func(p *Plan, s seen) {
			<-flashed
			p.take(s, keep)
		})
	}))
	if err := both.Wait(); err != nil {
		return err
	}
	for _, p := range plans {
		p.clear()
		if p.scope.force {
			p.forced()
		}
		p.vanish()
		p.move()
	}
	return nil
}

// known asks what the ledger has for loaded or failed, listed or not, where a plan wants to know what has vanished.
func (l *Planner) known(ctx context.Context, plans []*Plan) error {
	var named, sums bool
	for _, p := range plans {
		named, sums = named || p.scope.verbose, sums || p.scope.sums
	}
	parts := l.questions(plans, func(q scope) bool { return q.vanished },
		func(q scope, i int) []string { return []string{q.known(i, l.Store)} }, knownTogether(named, sums))
	if len(parts) == 0 {
		return nil
	}
	_, err := l.Words.Each(ctx, databend.Statement{SQL: strings.Join(parts, "\nUNION ALL ")}, func(r databend.Row) error {
		p := plans[session.Number(r[0].String)]
		p.ledgerKnown += session.Number(r[2].String)
		p.knownRows += session.Number(r[3].String)
		p.lastWord = max(p.lastWord, session.Number(r[4].String))
		p.lastLoaded = max(p.lastLoaded, session.Number(r[5].String))
		if path := r[1].String; path != "" && session.Number(r[2].String) > 0 {
			p.words = append(p.words, path)
		}
		return nil
	})
	return err
}

// newPlan is a plan that knows its place and has seen no file.
func (l *Planner) newPlan(j *source.Load, at place, o Want) *Plan {
	p := &Plan{
		Load: j.Name, Table: j.Target, TableID: at.tableID, TableRows: at.rows, Stage: j.StageName(), StageURL: at.url, Job: j,
		scope: scope{
			job: j, place: at, prefixes: []string{j.Prefix}, verbose: o.Verbose || o.Reload, force: o.Force,
			vanished: o.Vanished || o.Verbose,
		},
	}
	return p.fresh()
}

// fresh is p as it was before it saw a file.
func (p *Plan) fresh() *Plan {
	return &Plan{
		Load: p.Load, Table: p.Table, TableID: p.TableID, TableRows: p.TableRows, Stage: p.Stage, StageURL: p.StageURL,
		Counts: map[State]Count{}, Job: p.Job, Loss: ledger.Loss{Table: p.Table, TableID: p.TableID},
		listedNames: map[string]bool{}, left: map[object]string{}, unseen: maps.Clone(p.Job.Files), scope: p.scope,
	}
}

// tells reports whether a word of this state says what the table's rows are, or are not, from.
func tells(st string) bool {
	return st == ledger.FileLoaded || st == ledger.FileNew || st == ledger.FileEmptied
}

// knows asks whether the ledger knows where the rows of a table are from of which it knows none of the files listed here: another load
// fills it. Where a person's word was needed for that one, it is for this one too.
func (l *Planner) knows(ctx context.Context, p *Plan) (bool, error) {
	if p.scope.place.ledgerRows == 0 {
		return false, nil
	}
	id, s := sqltext.Ident, sqltext.Quote
	res, err := l.Work.Query(ctx, databend.Statement{SQL: "SELECT count_if(" + p.scope.here() +
		p.scope.named(" AND ", p.scope.belowHere()) + "), " +
		"count_if(" + id(ledger.ColSource) + "=" + s(ledger.SourceAdopted) + "), count(*)" + AboutTable(l.Store, p.TableID) +
		" AND " + id(ledger.ColState) + " IN (" + sqltext.Literals([]string{ledger.FileLoaded, ledger.FileNew, ledger.FileEmptied}) + ")"})
	if err != nil || len(res.Rows) != 1 {
		return false, err
	}
	own, adopted, all := session.Number(res.Rows[0][0].String), session.Number(res.Rows[0][1].String), session.Number(res.Rows[0][2].String)
	return own > 0 || all > 0 && adopted == 0, nil
}
