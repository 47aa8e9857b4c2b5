package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state/journal"
)

func planCommand() *command {
	return &command{
		name:  "plan",
		short: "what `migrate up` and `load --all` would do, in one screen",
		long: `
Each pending migration with what it makes and changes (-v: each statement, its class and how it would be undone); each load
with how many files are new, changed or failed (-v: each file, and why). What can be proved without running is proved: the server
reads each statement, names must be there or be made before, secrets need values, and loads must fit the tables as they will be.
Nothing is written, not even dbctl's own tables.`,
		exits: []ending{
			{exit.Done, "shown"},
			{exit.Failed, "`migrate up` or a load would be refused or fail: what is named must be mended first"},
			exitBadUsage,
			{exit.Check, "--check: something is pending or changed, or a load not ready"},
			{exit.Partly, "an earlier run is still to be recovered: a person's turn"},
			exitNoServer, exitReadSignal,
		},
		bind: func(a *app, f *pflag.FlagSet) runner {
			check := f.Bool("check", false, "exit 3 when something is pending or changed")
			return func(ctx context.Context, args []string) error {
				var totals planTotals
				t := newTally(totals.explained(a.ui.Event), a.inPlan)
				planned := func(p plan.Plan) { totals.show(p, a.ui.Event) }
				up := func(ctx context.Context, m *migrate.Migrator) error { return m.Up(ctx) }
				return a.both(ctx, planned, t.sink, up, func(p *project.Project, loader *load.Loader, looked, listed error) error {
					err := errors.Join(looked, listed)
					if a.verbose {
						err = errors.Join(err, a.planFiles(ctx, t, p, loader))
					}
					if p.MigrationMistakes() == nil {
						a.ui.Event(totals.summary(t))
					}
					if *check {
						err = errors.Join(err, t.found())
					}
					return err
				})
			}
		},
	}
}

// inPlan says what plan shows: a person without -v sees migrations by name, and the totals last.
func (a *app) inPlan(e event.Event) bool {
	if m, ok := e.(event.Migration); ok && m.State == journal.Unsupported {
		return false // it stands among the others
	}
	if a.json || a.verbose {
		return true
	}
	switch e := e.(type) {
	case event.Statement:
		return false
	case event.Summary:
		return e.Command != "migrate up"
	}
	return true
}

// planTotals counts what the pending migrations do.
type planTotals struct {
	migrations, create, alter, drop, write, irreversible int64

	tables  map[string]string // the version that makes a table which is pending
	waiting int64             // loads into those
}

// explained is a sink that says of a load without a table which pending migration makes it. Migrations are shown before loads.
func (t *planTotals) explained(next event.Sink) event.Sink {
	return func(e event.Event) {
		if l, ok := e.(event.LoadState); ok && l.NoTable && t.tables[l.Table] != "" {
			t.waiting++
			l.Reason = fmt.Sprintf("version %s makes its table; its files are counted then", t.tables[l.Table])
			e = l
		}
		next(e)
	}
}

// show names each pending migration and what it does, and each that is left out, in their order, and counts.
func (t *planTotals) show(p plan.Plan, sink event.Sink) {
	*t = planTotals{tables: map[string]string{}}
	skipped := p.Skipped
	leftOut := func(before int64) {
		for len(skipped) > 0 && skipped[0].Version < before {
			s := skipped[0]
			sink(event.Migration{Version: s.Version, Name: s.Name, State: journal.Unsupported, Reason: s.Reason})
			skipped = skipped[1:]
		}
	}
	defer leftOut(math.MaxInt64)
	for _, s := range p.Steps {
		leftOut(s.Version)
		if len(skipped) > 0 && skipped[0].Version == s.Version { // refused, and only read
			continue
		}
		t.migrations++
		var does deeds
		for _, st := range s.Statements {
			if st.Effect.Class == effect.Irreversible {
				t.irreversible++
			}
			for i, w := range st.Effect.Writes {
				if w.Kind == sqltext.Table {
					switch w.Verb {
					case effect.Create, effect.CreateNew, effect.Replace, effect.Undrop, effect.RenameIn:
						t.tables[w.Display()] = fmt.Sprint(s.Version)
					case effect.Drop, effect.RenameOut:
						delete(t.tables, w.Display())
					case effect.Alter, effect.Swap, effect.WriteData:
					}
				}
				if word := t.count(w.Verb, i == 0); word != "" {
					does.add(word, w.Word()+" "+w.Display())
				}
			}
		}
		sink(event.Migration{Version: s.Version, Name: s.Name, State: event.Pending, Reason: does.String()})
	}
}

// deeds are what a migration does, an object after the other.
type deeds []*deed

type deed struct {
	verbs  []string
	object string
}

func (d *deeds) add(verb, object string) {
	at := slices.IndexFunc(*d, func(x *deed) bool { return x.object == object })
	if at < 0 {
		at = len(*d)
		*d = append(*d, &deed{object: object})
	}
	if x := (*d)[at]; !slices.Contains(x.verbs, verb) {
		x.verbs = append(x.verbs, verb)
	}
}

// String is "create table a, alter and write table b, 3 more".
func (d deeds) String() string {
	const most = 3
	var words []string
	for i, x := range d {
		if i == most {
			words = append(words, event.Count(len(d)-most)+" more")
			break
		}
		words = append(words, event.And(x.verbs)+" "+x.object)
	}
	return strings.Join(words, ", ")
}

// count counts a statement once, by what it does to the first object that it writes, and gives the word for what it does to any.
func (t *planTotals) count(v effect.Verb, first bool) string {
	n, word := &t.alter, "alter"
	switch v {
	case effect.Create, effect.CreateNew, effect.Undrop:
		n, word = &t.create, "create"
	case effect.Replace:
		n, word = &t.create, "create or replace"
	case effect.Drop:
		n, word = &t.drop, "drop"
	case effect.WriteData:
		n, word = &t.write, "write"
	case effect.RenameIn:
		return ""
	case effect.RenameOut:
		word = "rename"
	case effect.Alter, effect.Swap:
	}
	if first {
		*n++
	}
	return word
}

// summary is the last line: "3 migrations: 2 create, 1 alter, 0 irreversible · loads: 14 new files, 3.1 MB".
func (t *planTotals) summary(loads *tally) event.Summary {
	text := "nothing is pending"
	if t.migrations > 0 {
		parts := []string{}
		for _, p := range []struct {
			n    int64
			word string
		}{{t.create, "create"}, {t.alter, "alter"}, {t.drop, "drop"}, {t.write, "write rows"}} {
			if p.n > 0 {
				parts = append(parts, event.Count(p.n)+" "+p.word)
			}
		}
		text = event.Plural(t.migrations, "migration") + ": " + strings.Join(append(parts, event.Count(t.irreversible)+" irreversible"), ", ")
	}
	if loads.loads > 0 {
		text += fmt.Sprintf(" · loads: %s", event.Plural(loads.files[event.New], "new file"))
		if loads.newBytes > 0 {
			text += ", " + event.Bytes(loads.newBytes)
		}
		if t.waiting > 0 {
			text += fmt.Sprintf(", %s waiting for a table", event.Plural(t.waiting, "load"))
		}
	}
	return event.Summary{Command: "plan", Text: text, Counts: map[string]int64{
		"migrations": t.migrations, "create": t.create, "alter": t.alter, "drop": t.drop, "write": t.write, "irreversible": t.irreversible,
		"new_files": loads.files[event.New], "new_bytes": loads.newBytes,
	}}
}

// planFiles says of each load that is ready what would become of each file. What would stop the load is said, and left to --check.
func (a *app) planFiles(ctx context.Context, t *tally, p *project.Project, loader *load.Loader) error {
	var loads []project.Load
	for _, l := range p.Loads {
		if slices.Contains(t.asked, l.Name) {
			loads = append(loads, l)
		}
	}
	return eachLoad(ctx, loads, func(l project.Load) error {
		_, err := loader.Plan(ctx, l, load.Options{Verbose: true})
		if e, ok := errors.AsType[*load.Error](err); ok && e.Exit == exit.Check {
			a.note(event.Warn, e.Error())
			return nil
		}
		return err
	})
}

// both looks at the migrations and the loads of a project, beside each other: neither needs what the other learns. What there is to
// say of the loads is said after what there is to say of the migrations; then comes f, with what went wrong with the ones and with the
// others. Broken loads are left out, and all migrations where one of them is broken; the mistakes come last.
func (a *app) both(ctx context.Context, planned func(plan.Plan), sink event.Sink, migrations func(context.Context,
	*migrate.Migrator) error, f func(p *project.Project, l *load.Loader, looked, listed error) error,
) error {
	var mistakes error
	w, err := a.open(ctx, access{ahead: true, check: func(p *project.Project) error { mistakes = p.Mistakes(); return nil }})
	if err != nil {
		return errors.Join(mistakes, err)
	}
	defer w.close()
	m, err := a.newMigrator(w, runFlags{dryRun: true, planned: planned}, sink)
	if err != nil {
		return err
	}
	defer m.Close()
	later := &holdBack{sink: sink}
	loader, err := a.newLoader(ctx, w, later.take)
	if err != nil {
		return err
	}
	defer loader.Close()
	var listed error
	var listing sync.WaitGroup
	listing.Go(crash.Caught(func() { listed = loader.List(ctx, w.project.Loads) }))
	var looked error
	if w.project.MigrationMistakes() == nil { // one that cannot be read would look like one that is missing
		looked = migrations(ctx, m)
	}
	later.release()
	listing.Wait()
	if err := w.server.Ready(); err != nil {
		return errors.Join(mistakes, err)
	}
	return errors.Join(f(w.project, loader, looked, listed), mistakes)
}

// holdBack keeps events back until it is released.
type holdBack struct {
	sink event.Sink

	mu   sync.Mutex
	held []event.Event
	free bool
}

func (h *holdBack) take(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.free {
		h.sink(e)
	} else {
		h.held = append(h.held, e)
	}
}

func (h *holdBack) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.held {
		h.sink(e)
	}
	h.held, h.free = nil, true
}
