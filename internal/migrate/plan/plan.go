// Package plan says what a run will do, as a value, and refuses before the first write what must not run.
//
//	plan.go        files × journal → Plan: order, holes, edits, consent (offline)
//	step.go        a section: its statements, what they do, what cannot be run safely at all (offline)
//	capability.go  what the server lacks
//	verdict.go     what only the warehouse shows: what cannot be put back as it is now, what is not ours
//	definition.go  dbctl's own earlier definitions of what the engine does not show
//
// Nothing writes through a Plan: each of these returns a new one.
package plan

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// Options are the choices that decide what runs.
type Options struct {
	To                int64 // up: the newest version to apply; 0: all
	AllowIrreversible bool
	AllowOutOfOrder   bool
	SkipUnsupported   bool
	Atomic            bool // one savepoint for the whole run
}

// Plan is what a run will do, as a value: a dry run prints it, a run executes the very same one.
type Plan struct {
	Command string       // up, down, redo
	Steps   []Step       // in order
	Skipped []Skip       // by consent
	Notes   []event.Note // edited Down sections, stale and ahead versions
	Atomic  bool         // one savepoint for all steps
	// WayBack are the secrets of the definitions that a rollback would define objects by again.
	WayBack []string

	Unfinished bool // another run, alive or cut off, stands before it: what is there now is not what the plan starts from
}

// Skip is a version that is left out because the server lacks what it needs.
type Skip struct {
	Step
	Reason  string
	Refused int  // the statement that the server refused when it ran, from 1; 0: none was tried
	Known   bool // the journal says so already
}

// Secrets are the names of all secrets that the steps need, or their way back, sorted.
func (p Plan) Secrets() []string {
	out := slices.Clone(p.WayBack)
	for _, s := range p.Steps {
		out = append(out, s.Secrets...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ToApply compares the folder with the journal: what is pending, in order. It refuses, with every reason in one error, holes,
// edits, and what is out of order. Nothing is asked of a server. Consent is the next question.
func ToApply(p *project.Project, h state.History, was Texts, o Options) (Plan, error) {
	plan := Plan{Command: Up, Atomic: o.Atomic}
	var errs []error
	notes, problems := Compare(p, h, was, nil)
	plan.Notes = notes
	errs = append(errs, problems...)
	newest := newestApplied(h)
	if o.To != 0 && p.Migration(o.To) == nil {
		return plan, NoSuchVersion(o.To)
	}
	for i := range p.Migrations {
		m := &p.Migrations[i]
		if o.To != 0 && m.Version > o.To {
			break
		}
		v := h.Versions[m.Version]
		if v.State == journal.Applied {
			continue
		}
		step, err := NewStep(m, event.Up, p.Env)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if m.Version < newest && v.State != journal.Unsupported && !o.AllowOutOfOrder && !step.Consents.OutOfOrder {
			errs = append(errs, &Error{
				Kind: OutOfOrder, Version: m.Version, Place: sqltext.Place{File: m.Path},
				Msg: fmt.Sprintf("version %d is older than %d, which is applied", m.Version, newest),
				hint: "give the file a newer version, or allow it: dbctl migrate up --allow-out-of-order, or in the file: -- dbctl: " +
					"allow=out-of-order \"why\"",
			})
		}
		plan.Steps = append(plan.Steps, step)
	}
	return plan, errors.Join(errs...)
}

// Consent refuses what cannot be undone, unless the file or the command consents. It is asked once it is known what can run.
func (p Plan) Consent(o Options) error { return errors.Join(irreversible(p.Steps, o)...) }

// ToTakeBack is the Down sections of what is applied and newer than to, in the reverse order of application; steps < 0 means all,
// otherwise that many.
func ToTakeBack(p *project.Project, h state.History, to int64, steps int, was Texts, o Options) (Plan, error) {
	plan := Plan{Command: Down, Atomic: o.Atomic}
	var errs []error
	if v, journaled := h.Versions[to]; to != 0 && v.State != journal.Applied {
		if !journaled && p.Migration(to) == nil {
			return plan, NoSuchVersion(to)
		}
		return plan, &Error{Kind: NoVersion, Version: to, Msg: fmt.Sprintf("version %d is not applied", to), hint: "dbctl migrate status"}
	}
	for _, v := range appliedNewestFirst(h) {
		if v.Version <= to || steps == 0 {
			break
		}
		steps--
		step, err := downStep(p, v, was)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		plan.Steps = append(plan.Steps, step)
		if shared := sharedDrops(step); v.Adopted && len(shared) > 0 {
			plan.Notes = append(plan.Notes, event.Note{Level: event.Warn, Text: fmt.Sprintf(
				"version %d %s was recorded by a baseline, and did not make what its Down drops: %s; whoever else uses it loses it",
				v.Version, v.Name, event.Some(shared, 5))})
		}
	}
	errs = append(errs, irreversible(plan.Steps, o)...)
	return plan, errors.Join(errs...)
}

// sharedDrops are the objects of the whole account that a step drops.
func sharedDrops(s Step) (names []string) {
	for _, st := range s.Statements {
		for _, w := range st.Effect.Writes {
			if w.Verb == effect.Drop && w.AccountWide() {
				names = append(names, w.Object.String())
			}
		}
	}
	return names
}

// ToRedo takes the newest applied version down and up again, as its file is now.
func ToRedo(p *project.Project, h state.History, was Texts, o Options) (Plan, error) {
	plan := Plan{Command: Redo, Atomic: true}
	applied := appliedNewestFirst(h)
	if len(applied) == 0 {
		return plan, nil
	}
	v := applied[0]
	m := p.Migration(v.Version)
	if m == nil {
		return plan, missingError(v)
	}
	down, err := downStep(p, v, was)
	up, err2 := NewStep(m, event.Up, p.Env)
	if err := errors.Join(err, err2); err != nil {
		return plan, err
	}
	plan.Steps = []Step{down, up}
	return plan, errors.Join(irreversible(plan.Steps, o)...)
}

// Texts are those of applied versions as the journal has them.
type Texts map[int64]state.AppliedText

// Doubtful are the applied versions of which the journal's texts are wanted: their files are gone, or another text than was applied.
func Doubtful(p *project.Project, h state.History) []int64 {
	var out []int64
	for _, v := range appliedNewestFirst(h) {
		if m := p.Migration(v.Version); m == nil || !rendersAlike(m, v) {
			out = append(out, v.Version)
		}
	}
	return out
}

// rendersAlike reports whether a file's Up is what was applied: as it is written, or once its templates are expanded.
func rendersAlike(m *project.Migration, v state.Version) bool {
	return m.Up.Checksum == v.Sums.UpSum || m.Up.ExpandedChecksum == v.Sums.UpExpandedSum
}

// sameStatements reports whether a file's Up is what was applied, but for comments and white space.
func (t Texts) sameStatements(m *project.Migration, v state.Version) bool {
	was, known := t[v.Version]
	return known && sqltext.SameWords(sqltext.Mask(m.Up.Expanded), was.Up)
}

// downStep undoes what was applied: by the file's Down while its Up is the applied one, else by the journal's.
func downStep(p *project.Project, v state.Version, texts Texts) (Step, error) {
	m := p.Migration(v.Version)
	if m == nil || !rendersAlike(m, v) && !texts.sameStatements(m, v) {
		was, known := texts[v.Version]
		switch {
		case !known:
			return Step{}, missingError(v)
		case v.Sums.DownSum == "":
			return Step{}, &Error{
				Kind: NoDown, Version: v.Version,
				Msg: fmt.Sprintf("version %d %s was applied from a file without a -- +goose Down section", v.Version, v.Name),
				hint: fmt.Sprintf("write one into the file, and say that it undoes what was applied: "+
					"dbctl migrate accept %d --reason \"why\"", v.Version),
			}
		}
		return storedStep(v, was, p.Env)
	}
	if !m.HasDown {
		return Step{}, &Error{
			Kind: NoDown, Version: v.Version, Place: sqltext.Place{File: m.Path}, Msg: "there is no -- +goose Down section",
			hint: "write one; an empty section says that there is nothing to do",
		}
	}
	return NewStep(m, event.Down, p.Env)
}

func newestApplied(h state.History) int64 {
	newest := int64(0)
	for _, v := range h.Versions {
		if v.State == journal.Applied {
			newest = max(newest, v.Version)
		}
	}
	return newest
}

// appliedNewestFirst sorts by version: goose's order, whatever the order of application was.
func appliedNewestFirst(h state.History) []state.Version {
	var out []state.Version
	for _, v := range h.Versions {
		if v.State == journal.Applied {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b state.Version) int { return cmp.Compare(b.Version, a.Version) })
	return out
}

// Compare finds what is edited, stale, missing or ahead. state is told each such version with its state, when not nil.
func Compare(
	p *project.Project, h state.History, was Texts, tell func(version int64, state event.MigrationState, reason string),
) (notes []event.Note, problems []error) {
	if tell == nil {
		tell = func(int64, event.MigrationState, string) {}
	}
	newest := int64(math.MinInt64)
	if n := len(p.Migrations); n > 0 {
		newest = p.Migrations[n-1].Version
	}
	applied := appliedNewestFirst(h)
	slices.Reverse(applied)
	for _, v := range applied {
		m := p.Migration(v.Version)
		switch {
		case m == nil && v.Version > newest:
			tell(v.Version, event.Ahead, "applied, and newer than every file here")
			notes = append(notes, event.Note{
				Level: "warn",
				Text: fmt.Sprintf("version %d %s is applied, and newer than every file here: is this an older copy of the project?",
					v.Version, v.Name),
			})
		case m == nil:
			tell(v.Version, event.Missing, "applied, and its file is gone")
			problems = append(problems, missingError(v))
		case m.Up.Checksum != v.Sums.UpSum && m.Up.ExpandedChecksum == v.Sums.UpExpandedSum:
			notes = append(notes, event.Note{
				Level: event.Info,
				Text:  m.Path + " was edited since it was applied, and renders to the same text: that is no edit",
			})
		case m.Up.Checksum != v.Sums.UpSum && was.sameStatements(m, v):
			notes = append(notes, event.Note{
				Level: event.Info,
				Text:  m.Path + " was edited since it was applied, in comments and white space alone: that is no edit",
			})
		case m.Up.Checksum != v.Sums.UpSum:
			tell(v.Version, event.Edited, "the file's Up section was edited after it was applied")
			problems = append(problems, &Error{
				Kind: Edited, Version: v.Version, Place: sqltext.Place{File: m.Path}, Msg: "was edited after it was applied",
				hint: editedHint(v.Version, v.Version == applied[len(applied)-1].Version),
			})
		case m.Up.ExpandedChecksum != v.Sums.UpExpandedSum:
			tell(v.Version, event.Stale, "what its templates say changed since it was applied: a var, or a load")
			notes = append(notes, event.Note{
				Level: event.Warn,
				Text: fmt.Sprintf("%s is stale: what its templates say changed since it was applied "+
					"(a var, or a load): `dbctl show %d --diff` shows what; "+
					"write a new migration, or, where the warehouse is right: `dbctl migrate accept %[2]d --reason \"why\"`", m.Path, v.Version),
			})
		case m.Down.Checksum != v.Sums.DownSum:
			notes = append(notes, event.Note{Level: event.Info, Text: m.Path +
				": its Down section changed since it was applied; going down runs what the file says now"})
		}
	}
	return notes, problems
}

// editedHint leads out of an edit. redo is told of the newest version alone: of an older one it would take down another.
func editedHint(version int64, newest bool) string {
	again := ""
	if newest {
		again = "bring up the new text with `dbctl migrate redo`, "
	}
	return fmt.Sprintf("`dbctl show %[1]d --diff` shows what; put it back and write a new migration, "+
		"%[2]sor, where the warehouse is as the file says: `dbctl migrate accept %[1]d --reason \"why\"`", version, again)
}

func missingError(v state.Version) error {
	return &Error{
		Kind: Missing, Version: v.Version, Msg: fmt.Sprintf("version %d %s is applied, but its file is missing", v.Version, v.Name),
		hint: fmt.Sprintf("`dbctl migrate restore %d` writes it back from the journal", v.Version),
	}
}

// irreversible refuses what cannot be undone, unless the file or the command consents.
func irreversible(steps []Step, o Options) []error {
	if o.AllowIrreversible {
		return nil
	}
	var errs []error
	for _, s := range steps {
		if s.Consents.Irreversible {
			continue
		}
		for _, st := range s.Statements {
			if st.Effect.Class == effect.Irreversible || st.Effect.Unknown {
				errs = append(errs, irreversibleError(s, st, st.Effect.Reason))
			}
		}
	}
	return errs
}

func irreversibleError(s Step, st Statement, reason string) error {
	hint := "consent in the file: -- dbctl: allow=irreversible \"why\", or for this run: --allow-irreversible"
	if st.Effect.Unknown && !st.Effect.Script {
		hint = "check its spelling; or " + hint
	}
	return &Error{
		Kind: Irreversible, Version: s.Version, Place: st.Place,
		Msg:  fmt.Sprintf("%s cannot be undone: %s", cmp.Or(st.Effect.Kind, "this statement"), cmp.Or(reason, "its effect is unknown")),
		hint: hint,
	}
}
