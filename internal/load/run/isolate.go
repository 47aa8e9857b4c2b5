package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/inspect"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// isolate loads what can be loaded of a batch that the engine refused, and finds out why the rest cannot. It returns how many
// files gave no row.
func (r *run) isolate(ctx context.Context, b batch, cause *copyError) (int, error) {
	files := event.Plural(len(b.files), "file")
	r.cfg.Sink.Note(event.Detail, "load %s: the engine refused %s (%v); looking for the culprits", r.j.Name, files, cause.error)
	r.phase("looking for bad files")
	defer r.phase("")
	groups := []inspect.Group{{Files: b.files}}
	if fault.OtherSchemas(cause) || fault.MissingColumn.MatchString(cause.Error()) {
		var err error
		if groups, err = r.inspect.Groups(ctx, b.files); err != nil {
			return 0, err
		}
	}
	left, from := 0, len(r.inspect.Bad)
	for _, g := range groups {
		n, err := r.loadGroup(ctx, b, g)
		if err != nil {
			return 0, err
		}
		left += n
	}
	if left == 0 {
		if err := cmp.Or(r.misnamed(ctx, from), r.outgrown(ctx, from, len(b.files), cause)); err != nil {
			return 0, err
		}
	}
	return left, r.recordBad(ctx)
}

// misnamed is the error of a load whose text names a column that is in none of its files, and acquits those, which are r.bad[from:]: with
// this text nothing was ever loaded.
func (r *run) misnamed(ctx context.Context, from int) error {
	bad := r.inspect.Bad[from:]
	if len(bad) == 0 || r.res.Files > 0 ||
		slices.ContainsFunc(bad, func(b inspect.BadFile) bool { return b.Lacks == nil || b.Column != bad[0].Column }) {
		return nil
	}
	if once, err := r.Store.LoadedWith(ctx, r.plan.TableID, r.j.Checksum); once || err != nil {
		return fault.Wrap(r.j.Name, "read the ledger", err)
	}
	n, column, cause := len(bad), bad[0].Column, bad[0].Lacks
	r.inspect.Bad = r.inspect.Bad[:from]
	return &fault.Error{
		Load: r.j.Name, Exit: exit.Failed, Msg: fmt.Sprintf("none of %s has the column %s", event.Plural(n, "file"),
			column), Err: cause,
		Advice: fmt.Sprintf("mend its name in %s, or put `-- dbctl: optional=%s` into it for NULLs in its place", r.j.Path, column),
	}
}

// outgrown is the error of a load by position whose table got or lost a column: all of its files are of another width, and so is now one
// that this load has loaded, with whatever text. It acquits them.
func (r *run) outgrown(ctx context.Context, from, files int, cause *copyError) error {
	width := fault.OtherWidth.FindStringSubmatch(cause.Error())
	bad := r.inspect.Bad[from:]
	if width == nil || len(bad) < files || len(r.j.Copy.Columns) > 0 {
		return nil
	}
	odd := func(err error) bool { return fault.OtherWidth.MatchString(err.Error()) }
	last, err := r.Store.LastLoaded(ctx, r.plan.TableID, r.plan.StageURL, r.j.Name)
	if err != nil || last == "" {
		return fault.Wrap(r.j.Name, "read the ledger", err)
	}
	old := plan.File{Path: last}
	if so, err := r.inspect.Everywhere(ctx, []plan.File{old}, nil, odd); !so || err != nil {
		return fault.Wrap(r.j.Name, "look at "+old.Path, err)
	}
	columns, err := plan.Columns(ctx, r.Work, r.j)
	if err != nil {
		return err
	}
	r.inspect.Bad = r.inspect.Bad[:from]
	n, _ := strconv.Atoi(width[1]) // digits
	advice := "say what becomes of the files' columns in " + r.j.Path + ": COPY INTO " + r.j.Table + " (…) FROM (SELECT $1, … FROM …)"
	if n < len(columns) {
		names := make([]string, n)
		for i := range names {
			names[i] = sqltext.Ident(columns[i].Name)
		}
		advice = fmt.Sprintf("name the files' columns in %s: COPY INTO %s (%s)", r.j.Path, r.j.Table, strings.Join(names, ", "))
	}
	return fault.Errorf(r.j.Name, exit.Failed, advice,
		"the columns of %s do not fit its files any more: it has %s now, the files have %s, also those that were loaded, and the COPY names none",
		r.j.Target, width[2], width[1])
}

// loadGroup loads a group, taking out bad files until the rest loads.
func (r *run) loadGroup(ctx context.Context, b batch, g inspect.Group) (int, error) {
	before, odd, passed := len(r.inspect.Bad), 0, 0 // passed: files of others that gave no row
	mistake := func(err error) bool {
		return fault.TextMistake.MatchString(err.Error()) || databend.IsCode(err, databend.CodeBadCompression)
	}
	for len(g.Files) > 0 {
		part, err := r.obeyed(ctx, batch{
			files: g.Files,
			Send:  source.Send{Files: plan.Paths(g.Files), Force: b.Send.Force, Missing: g.Missing}, replace: b.replace,
		})
		if g.Files = part.files; err != nil || len(g.Files) == 0 {
			return passed, err
		}
		left, err := r.transaction(ctx, part)
		var refused *copyError
		if !errors.As(err, &refused) {
			return passed + left, err
		}
		if m := fault.MissingColumn.FindStringSubmatch(refused.Error()); m != nil {
			lack, have, err := r.inspect.Lacking(ctx, g.Files, m[1])
			if err != nil {
				return 0, err
			}
			if r.j.MayLack(m[1]) && !slices.Contains(g.Missing, m[1]) {
				missing := append(slices.Clone(g.Missing), m[1])
				if len(have) == 0 {
					g.Missing = missing
					continue
				}
				n, err := r.loadGroup(ctx, b, inspect.Group{Files: lack, Missing: missing})
				if passed += n; err != nil {
					return 0, err
				}
				lack = nil
			}
			for _, f := range lack {
				r.inspect.Condemn(f, inspect.Finding{Why: "the file has no column " + m[1], Column: m[1], Lacks: refused.error})
			}
			g.Files = have
			continue
		}
		groups, err := r.inspect.Apart(ctx, g, refused)
		for _, apart := range groups {
			n, err := r.loadGroup(ctx, b, apart)
			if passed += n; err != nil {
				return 0, err
			}
		}
		if err != nil || groups != nil {
			return passed, err
		}
		bad, err := r.inspect.Culprits(ctx, part.files, part.Send.Missing, refused.error)
		if err != nil {
			return 0, err
		}
		g.Files = r.inspect.Without(g.Files, bad)
		if mistake(refused) {
			odd++
		}
		if odd == inspect.Alike && len(g.Files) > 0 {
			all, err := r.inspect.Everywhere(ctx, g.Files, part.Send.Missing, mistake)
			if err != nil {
				return 0, err
			}
			if all {
				r.inspect.Bad = r.inspect.Bad[:before]
				return 0, inspect.AlikeError(r.j, refused.error)
			}
		}
	}
	return passed, nil
}

// outOfReach condemns a file that the store lists and did not give, twice: forbidden, archived, or of a name that cannot be asked
// for (control characters, "//"). Without that one such file would stop every load of its folder. It reports whether it did; where
// the store gives none of the first files, they are not to blame.
func (r *run) outOfReach(err error) bool {
	files := r.plan.Planned()
	name := fault.Named(err, plan.Paths(files))
	absent := databend.IsCode(err, databend.CodeStorageNotFound, databend.CodeStorageDenied)
	if !absent || name == "" || r.res.Files == 0 && len(r.inspect.Bad) >= inspect.Alike {
		return false
	}
	if r.denied == nil {
		r.denied = map[string]int{}
	}
	if r.denied[name]++; r.denied[name] < 2 {
		return false
	}
	f := files[slices.IndexFunc(files, func(f plan.File) bool { return f.Path == name })]
	r.inspect.Condemn(f, inspect.NotGiven(err))
	return true
}

// settled reports whether a file is loaded, left out or bad.
func (r *run) settled(path string) bool {
	return r.done[path] || slices.ContainsFunc(r.inspect.Bad, func(b inspect.BadFile) bool { return b.Path == path })
}

// forgive drops what was found, and not yet recorded, in files that somebody else loaded or took away meanwhile.
func (r *run) forgive() {
	open := map[string]bool{}
	for i := range r.plan.Files {
		switch f := &r.plan.Files[i]; f.State {
		case event.New, event.Changed, event.Failed:
			open[f.Path] = true
		}
	}
	bad := r.inspect.Bad
	r.inspect.Bad = append(bad[:r.told:r.told], slices.DeleteFunc(slices.Clone(bad[r.told:]),
		func(b inspect.BadFile) bool { return !open[b.Path] })...)
}

// recordBad writes what was found into the ledger and tells of it: each file once.
func (r *run) recordBad(ctx context.Context) error {
	if r.told == len(r.inspect.Bad) {
		return nil
	}
	basis, err := r.planner.Basis(ctx, r.j)
	if err != nil {
		return err
	}
	var rows []state.LedgerRow
	for _, b := range r.inspect.Bad[r.told:] {
		row := r.row(b.File, ledger.FileFailed)
		row.Error, row.Checksum, row.Rows = b.Why, basis, b.Rows // those of an earlier version stay
		if b.Held {
			row.Source = ledger.SourceHeld
		}
		if !b.Passing {
			rows = append(rows, row)
		}
	}
	if err := r.Store.AppendLedger(ctx, rows, r.lock.Fence()); err != nil {
		return err
	}
	for _, b := range r.inspect.Bad[r.told:] {
		r.cfg.Sink(r.badEvent(b))
	}
	r.told = len(r.inspect.Bad)
	return nil
}

func (r *run) badEvent(b inspect.BadFile) event.File {
	return event.File{
		Load: r.j.Name, Table: r.j.Target, Path: b.Path, Before: b.State, Outcome: event.FileFailed, Bytes: b.Bytes,
		Reason: b.Why, Column: b.Column, Row: b.Row, Value: b.Value,
	}
}

// failed is the error of a run that had bad files.
func (r *run) failed() error {
	if len(r.inspect.Bad) == 0 {
		return nil
	}
	var names, paths []string
	others := 0 // of another number of columns
	for _, b := range r.inspect.Bad {
		names = append(names, b.Path+" ("+b.Why+")")
		paths = append(paths, b.Path)
		if fault.OtherWidth.MatchString(b.Why) {
			others++
		}
	}
	slices.Sort(names) // they are found beside each other
	slices.Sort(paths)
	mend := "mend what is bad and run it again"
	if r.res.Files == 0 && others == len(names) {
		mend = "name the columns that the files have, in their order: COPY INTO " + r.j.Target + " (column, …) FROM …; or " + mend
	} else if r.res.Files == 0 && r.inspect.Headed() {
		mend = inspect.PassHeader + "; or " + mend
	}
	verb := "the others are loaded"
	if r.res.Files == 0 {
		verb = "nothing was loaded"
	}
	said := event.Plural(len(names), "bad file") + ", " + verb + ": "
	return &fault.Error{
		Load: r.j.Name, Exit: exit.Partly, Msg: said + event.Some(names, 3), Short: said + event.Some(paths, 3),
		Advice: fmt.Sprintf("%s; %s tries the files as they are; %s gives up",
			mend, fault.Again(r.j.Name, "--retry-failed"), fault.GiveUp(r.j.Name, paths[0])),
	}
}
