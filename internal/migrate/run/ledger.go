package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/lineage"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
)

// The ledger knows a table by its id. A migration that rebuilds a table from its own rows leaves another table under the name, in which
// the rows of loaded files are all the same: the run lets what the ledger knows of the former table hold for the new one, at the end of
// the step and under its savepoint. Undone, the former table is back under its name, and what the ledger knows of it was never touched.
// A table that comes back without its rows takes nothing along but which files are quarantined: the next load loads the others again. What
// is made of a loaded table's rows in one run may be put in its place in a later one: the ledger notes whose rows it has.

// carry is a table that a step leaves under its name, and the ids of those whose ledger holds for it. One that the step emptied, and filled
// with its own rows again, is its own.
type carry struct {
	table    sqltext.Object
	from     []state.LedgerSource
	refilled bool
}

// fill is a table that a step puts rows of others into, by their ids; "" says that it lost the rows it had.
type fill struct {
	table sqltext.Object
	of    []string
}

// LedgerMoves is what a plan does to the ledger: what each step carries, and for people what becomes of the files.
type LedgerMoves struct {
	carries [][]carry // by step
	fills   [][]fill
	// copied are the tables whose rows go into others. No load writes them meanwhile: nobody would know which of its files went along.
	copied []sqltext.Object
	// behind are, by the place of a COPY, the ids of other tables whose rows are in its table by then: their files are in it too.
	behind   map[sqltext.Place][]string
	Notes    []string
	Warnings []string
}

// warehouse is what is there as the run begins.
type warehouse map[sqltext.Object]catalog.ObjectState

func (c warehouse) Exists(o sqltext.Object) bool { return c[o].Exists }

func (c warehouse) View(o sqltext.Object) ([]sqltext.Object, bool) {
	if s := c[o]; s.Query != "" {
		return effect.Analyze("CREATE VIEW v AS "+s.Query, o.Database).Sources, true
	}
	return nil, false
}

func (c warehouse) learn(s catalog.State) {
	for _, o := range s.Objects {
		c[o.Object] = o
	}
}

// fills reports whether a statement puts rows of tables into a table.
func fills(st plan.Statement) bool {
	return len(st.Effect.Sources) > 0 && st.Effect.Changes(effect.Rows)
}

// replaces reports whether a statement takes a table away from its name, or its rows, or some of them that the engine holds for loaded.
func replaces(st plan.Statement) bool {
	return slices.ContainsFunc(st.Effect.Writes, func(w effect.Write) bool {
		return w.Does.Has(effect.TakesRows) || w.Forgets || w.GoesBack ||
			(w.Kind == sqltext.Table || w.Kind == sqltext.Database) && w.Verb != effect.Create && w.Verb != effect.CreateNew &&
				w.Verb != effect.Alter && w.Verb != effect.WriteData
	})
}

// holdings is what the ledger has for tables, by their ids.
type holdings struct {
	files, quarantined map[string]int64
	copied             map[string]bool    // a COPY of the run is into it
	called             map[[2]string]bool // id, name
	origins            map[string][]state.Origin
}

func (e *Env) holdings(ctx context.Context, ids, names []string) (holdings, error) {
	slices.Sort(ids)
	held, origins, err := e.Store.Holdings(ctx, slices.Compact(ids), names)
	x := holdings{map[string]int64{}, map[string]int64{}, map[string]bool{}, map[[2]string]bool{}, map[string][]state.Origin{}}
	for _, h := range held {
		x.files[h.TableID], x.called[[2]string{h.TableID, h.Target}] = max(x.files[h.TableID], h.Files), true
		x.quarantined[h.TableID] += h.Quarantined
	}
	for _, o := range origins {
		x.origins[o.TableID] = append(x.origins[o.TableID], o)
	}
	return x, err
}

// sources are the tables whose ledger is about rows of the one with this id, by what it was filled with before a moment: those that
// were loaded under the name, and copies of them, into which others were loaded since.
func (x holdings) sources(id string, before int64, name string) (out []state.LedgerSource) {
	var from []state.Origin
	for _, o := range x.origins[id] { // in the order of time
		switch {
		case o.Until >= before:
		case o.Of == "":
			from = slices.DeleteFunc(from, func(was state.Origin) bool { return was.Until < o.Until })
		default:
			from = append(from, o)
		}
	}
	for _, o := range from {
		of := x.sources(o.Of, o.Until, name)
		if x.files[o.Of] > 0 && (x.called[[2]string{o.Of, name}] || len(of) > 0) {
			out = append(out, state.LedgerSource{ID: o.Of, Until: o.Until})
		}
		out = append(out, of...)
	}
	return out
}

// FollowLedger works out what the steps do to the ledger of the tables that they find. A plan in which no table is filled from others
// and none is replaced costs nothing here.
func (e *Env) FollowLedger(
	ctx context.Context, h state.History, steps []plan.Step, before catalog.State, dryRun bool,
) (LedgerMoves, error) {
	some := func(is func(plan.Statement) bool) bool {
		return slices.ContainsFunc(steps, func(s plan.Step) bool { return slices.ContainsFunc(s.Statements, is) })
	}
	copies := func(st plan.Statement) bool { return st.Effect.Copy }
	if !some(replaces) && !some(fills) || !h.Exists && !some(copies) {
		return LedgerMoves{}, nil
	}
	was := warehouse{}
	was.learn(before)
	if err := e.findSources(ctx, steps, was); err != nil {
		return LedgerMoves{}, err
	}
	t := traceOf(was, steps, dryRun)
	x, err := e.holdings(ctx, t.ids, t.rebuilt)
	if err != nil {
		return LedgerMoves{}, err
	}
	for _, e := range plan.Effects(steps) { // the run itself may load files into what it found
		for _, w := range e.Writes {
			if id := was[w.Object].ID; e.Copy && id != "" {
				x.called[[2]string{id, w.Display()}], x.copied[id] = true, true
			}
		}
	}
	out, carried := t.moves(steps, x)
	out.behind = t.copies
	out.Notes = ledgerNotes(t.Lineage, was, x.files, carried)
	out.Warnings, err = e.doubled(ctx, t.Lineage, was, x)
	for _, o := range t.Tables() {
		if n := x.files[was[t.Former(o)].ID]; n > 0 && t.At(o).Hidden {
			out.Warnings = append(out.Warnings, fmt.Sprintf("table %s goes back by FLASHBACK and is changed behind that: of its %s, those "+
				"whose rows went are still held for loaded, and no load notices it. dbctl load NAME --mark new --path GLOB --reason WHY "+
				"takes them again", o.Display(), event.Plural(n, "loaded file")))
		}
	}
	return out, err
}

// trace is where the rows of tables are behind each step.
type trace struct {
	*lineage.Lineage
	was     warehouse
	behind  []map[sqltext.Object]lineage.Find // each step
	rebuilt []string                          // names of tables that are left with rows of others
	ids     []string                          // of the tables that the ledger is asked about; a dry run asks about each
	copies  map[sqltext.Place][]string        // see LedgerMoves.behind
}

func traceOf(was warehouse, steps []plan.Step, dryRun bool) trace {
	t := trace{Lineage: lineage.New(was), was: was, copies: map[sqltext.Place][]string{}}
	for _, s := range steps {
		for _, st := range s.Statements {
			if st.Effect.Copy {
				into := t.At(st.Effect.Writes[0].Object)
				for _, r := range into.Rows {
					if id := was[r].ID; r != into.Was && id != "" {
						t.copies[st.Place] = append(t.copies[st.Place], id)
					}
				}
			}
			t.Apply(st.Effect)
		}
		behind := map[sqltext.Object]lineage.Find{}
		for _, o := range t.Tables() {
			f, former := t.At(o), t.former(o)
			behind[o] = f
			rebuilt := f.There && (!f.Same && (former.Exists || len(f.Rows) > 0) || f.Refilled || f.Same && f.Copies())
			if rebuilt {
				t.rebuilt = append(t.rebuilt, o.Display())
				for _, r := range f.Rows {
					t.ids = append(t.ids, was[r].ID)
				}
			}
			if f.Lost() {
				t.ids = append(t.ids, was[f.Was].ID)
			}
			if former.Exists && (rebuilt || dryRun || f.Hidden) {
				t.ids = append(t.ids, former.ID)
			}
		}
		t.behind = append(t.behind, behind)
	}
	return t
}

// former is the table that the run found under a name, whatever the name is by now.
func (t trace) former(o sqltext.Object) catalog.ObjectState { return t.was[t.Former(o)] }

// moves are what each step does to the ledger, and the tables whose ledger goes along.
func (t trace) moves(steps []plan.Step, x holdings) (LedgerMoves, map[sqltext.Object]bool) {
	out := LedgerMoves{carries: make([][]carry, len(steps)), fills: make([][]fill, len(steps))}
	carried := map[sqltext.Object]bool{}
	for i := range steps {
		for _, o := range t.Tables() {
			f := t.behind[i][o]
			again := i > 0 && alike(t.behind[i-1][o], f)
			if !f.There || f.Same && !f.Refilled && !f.Copies() && !f.Lost() || again && !touches(steps[i], o) {
				continue
			}
			c := t.carry(o, f, x)
			carried[o] = c.from != nil
			if former := t.former(o); !f.Same && former.Exists && x.quarantined[former.ID] > 0 &&
				!slices.ContainsFunc(c.from, func(s state.LedgerSource) bool { return s.ID == former.ID }) {
				c.from = append(c.from, state.LedgerSource{ID: former.ID, Quiet: true})
			}
			if c.from != nil {
				out.carries[i] = append(out.carries[i], c)
			}
			if of := t.fill(f, c, x); of != nil && (!again || changesRows(steps[i], o)) {
				out.fills[i] = append(out.fills[i], fill{o, of})
			}
			for _, r := range f.Rows {
				if r != f.Was && !slices.Contains(out.copied, r) {
					out.copied = append(out.copied, r)
				}
			}
		}
	}
	return out, carried
}

// carry is whose ledger holds for a table that a step leaves so. One that stays as it was has its own.
func (t trace) carry(o sqltext.Object, f lineage.Find, x holdings) carry {
	c := carry{table: o, refilled: f.Refilled}
	if f.Same && !f.Refilled {
		return c
	}
	for _, r := range f.Rows {
		id := t.was[r].ID
		var of []state.LedgerSource
		if !f.Refilled {
			of = x.sources(id, math.MaxInt64, o.Display())
		}
		called := r == t.Former(o) || x.called[[2]string{id, o.Display()}] || len(of) > 0
		if (x.files[id] > 0 || x.copied[id]) && (r == f.Was) == f.Refilled && called {
			c.from = append(c.from, state.LedgerSource{ID: id})
		}
		c.from = append(c.from, of...)
	}
	return c
}

// fill is whose rows a step put into a table, of those that it does not carry: a later run may put that in the place of one of them.
func (t trace) fill(f lineage.Find, c carry, x holdings) (of []string) {
	if f.Lost() && len(x.origins[t.was[f.Was].ID]) > 0 {
		of = append(of, "")
	}
	for _, r := range f.Rows {
		id := t.was[r].ID
		carried := slices.ContainsFunc(c.from, func(s state.LedgerSource) bool { return s.ID == id && !s.Quiet })
		if r != f.Was && !carried && (x.files[id] > 0 || len(x.origins[id]) > 0) {
			of = append(of, id)
		}
	}
	return of
}

// doubled warns of tables that get the rows of another one into which files were loaded that were loaded into them too.
func (e *Env) doubled(ctx context.Context, l *lineage.Lineage, all warehouse, x holdings) (out []string, err error) {
	for _, o := range l.Tables() {
		f := l.At(o)
		var ids, names []string
		for _, r := range f.Rows {
			if id := all[r].ID; x.files[id] > 0 {
				ids, names = append(ids, id), append(names, r.Display())
			}
		}
		if !f.There || len(ids) < 2 {
			continue
		}
		n, elsewhere, err := e.Store.Shared(ctx, ids, all[l.Former(o)].ID)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		text := fmt.Sprintf("table %s gets the rows of %s: the ledger has %s loaded into more than one of them, "+
			"whose rows are there twice then", o.Display(), strings.Join(names, " and "), event.Plural(n, "file"))
		if elsewhere > 0 && slices.Contains(ids, all[l.Former(o)].ID) {
			text += fmt.Sprintf("; and %s not loaded into it, which its load brings once more, unless dbctl load NAME --mark loaded "+
				"--path GLOB --reason WHY says that they are there", event.Plural(elsewhere, "file"))
		}
		out = append(out, text)
	}
	return out, nil
}

// findSources looks up the tables and views that the steps read and do not write, and what those views read.
func (e *Env) findSources(ctx context.Context, steps []plan.Step, was warehouse) error {
	var next []sqltext.Object
	for _, x := range plan.Effects(steps) {
		next = append(next, x.Sources...)
	}
	for _, o := range was {
		query, _ := was.View(o.Object)
		next = append(next, query...)
	}
	for {
		var asked []sqltext.Object
		for _, o := range next {
			if _, known := was[o]; !known {
				was[o] = catalog.ObjectState{Object: o}
				asked = append(asked, o)
			}
		}
		if len(asked) == 0 {
			return nil
		}
		now, err := e.Capture(ctx, asked)
		if err != nil {
			return err
		}
		was.learn(now.State)
		next = nil
		for _, o := range asked {
			query, _ := was.View(o)
			next = append(next, query...)
		}
	}
}

func alike(a, b lineage.Find) bool {
	return a.Was == b.Was && a.There == b.There && a.Refilled == b.Refilled && slices.Equal(a.Rows, b.Rows)
}

// changesRows reports whether a statement of a step puts rows into the table, or takes its rows away.
func changesRows(s plan.Step, o sqltext.Object) bool {
	return slices.ContainsFunc(s.Statements, func(st plan.Statement) bool {
		return slices.ContainsFunc(st.Effect.Writes, func(w effect.Write) bool { return w.Object == o && w.Changes(effect.Rows) })
	})
}

// touches reports whether a step writes the table, or moves databases.
func touches(s plan.Step, o sqltext.Object) bool {
	return slices.ContainsFunc(written(s.Statements...), func(w sqltext.Object) bool { return w == o || w.Kind == sqltext.Database })
}

// ledgerNotes say what becomes of the files of the tables that the run found.
func ledgerNotes(l *lineage.Lineage, all warehouse, files map[string]int64, carried map[sqltext.Object]bool) []string {
	var out []string
	for _, o := range l.Tables() {
		was, f := all[l.Former(o)], l.At(o)
		n := files[was.ID]
		if !was.Exists || n == 0 || !f.There {
			continue
		}
		many := event.Plural(n, "loaded file")
		var becomes string
		switch {
		case carried[o]:
			becomes = "is rebuilt from its own rows: its ledger goes along, " + many
		case !f.Same && len(f.Rows) == 0 && !f.Filled:
			becomes = "comes back empty: the next load takes its " + many + " again"
		case !f.Same && files[all[f.Was].ID] > 0:
			becomes = "becomes what " + f.Was.String() + " was, with its ledger: " + event.Plural(files[all[f.Was].ID], "loaded file")
		case !f.Same:
			becomes = "becomes another table, with other rows: the ledger does not know from which of its " + many
		case !slices.Contains(f.Rows, l.Former(o)):
			becomes = "is emptied: the next load takes none of its " + many + " again; dbctl load NAME --mark new makes it"
		default:
			continue
		}
		out = append(out, o.String()+" "+becomes)
	}
	return out
}

// carryLedger carries what step i carries. It is done before the next mark, by which the step counts as finished.
func (w *wire) carryLedger(ctx context.Context, moves LedgerMoves, p plan.Plan, i int) error {
	if i >= len(moves.carries) {
		return nil
	}
	why := "migration " + p.Steps[i].String()
	for _, f := range moves.fills[i] {
		note := state.FillNote{Table: f.table, Of: f.of, Run: w.ID, Version: p.Steps[i].Version, Reason: why + " filled the table"}
		if err := cmp.Or(w.Store.FillLedger(ctx, note, w.lock.Fence()), w.lock.Fresh(ctx)); err != nil {
			return err
		}
	}
	for _, c := range moves.carries[i] {
		var n int64
		var err error
		if c.refilled {
			n, err = w.Store.RestoreLedger(ctx, []string{c.from[0].ID}, w.ID, why+" filled the table again with its own rows", w.lock.Fence())
		} else {
			n, err = w.Store.CarryLedger(ctx, c.from, c.table, w.ID, why+" rebuilt the table", w.lock.Fence())
		}
		if err == nil {
			err = w.lock.Fresh(ctx)
		}
		if err != nil {
			return err
		}
		switch {
		case n > 0 && c.from[0].Quiet:
			w.Note(event.Info, "table %s: %s quarantined", c.table.Display(), event.Number(n, "file stays", "files stay"))
		case n > 0:
			w.Note(event.Info, "table %s keeps its ledger: %s", c.table.Display(), event.Plural(n, "file"))
		}
	}
	return nil
}

// carry reports whether step i has something to tell the ledger: then it needs a savepoint, although it may be a single statement.
func (m LedgerMoves) carry(i int) bool {
	return i < len(m.carries) && len(m.carries[i])+len(m.fills[i]) > 0
}

// tellRestored lets the ledger know of tables whose rows a rollback brought back after the engine was made to forget which files they
// are from: a load would take the files for emptied.
func (w *wire) tellRestored(ctx context.Context, p plan.Plan, save Savepoint, report savepoint.Report) error {
	was := warehouse{}
	was.learn(save.Base)
	l := lineage.New(was)
	var ids []string
	for _, x := range save.all() {
		e := at(p.Steps, x.Place).Effect
		for _, x := range e.Writes {
			if o := l.At(x.Object).Was; x.Forgets && was[o].Exists && !kept(report, o) {
				ids = append(ids, was[o].ID)
			}
		}
		l.Apply(e)
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := w.Store.RestoreLedger(ctx, ids, w.ID, "its rows are back: the migration that removed them was rolled back", w.lock.Fence())
	return errors.Join(err, w.lock.Fresh(ctx))
}

// kept reports whether the rollback left an object as it was.
func kept(report savepoint.Report, o sqltext.Object) bool {
	return slices.ContainsFunc(report.Outcomes, func(x savepoint.Outcome) bool {
		return x.Object == o && (x.Result == savepoint.Kept || x.Result == savepoint.Differs)
	})
}

// tellLedger tells the ledger what a person says of the interrupted step: that it is done, or that all is as before it.
func (x *recovery) tellLedger(ctx context.Context, h state.History, applied bool) error {
	ctx = context.WithoutCancel(ctx)
	if !applied {
		var report savepoint.Report
		for _, o := range x.save.Base.Objects {
			if o.Kind == sqltext.Table && o.Exists {
				report.Uncopied = append(report.Uncopied, o.ID)
			}
		}
		return x.undone(ctx, x.plan, x.save, report)
	}
	moves, err := x.FollowLedger(ctx, h, x.plan.Steps, x.before, false)
	if err != nil {
		return err
	}
	return x.carryLedger(ctx, moves, x.plan, x.next.Step)
}
