package plan

import (
	"context"
	"fmt"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/state"
)

// Unready is the error of a table whose state asks for a person's word while a migration is writing it, or has left it unfinished: what is
// missing from it, or new in it, may go back. It asks only where such a word would be asked for.
func (l *Planner) Unready(ctx context.Context, p *Plan, o Options) error {
	if p.Refusal(o) == nil && p.Counts[event.Emptied].Files == 0 || !p.Ledger() {
		return nil
	}
	_, held, err := l.Store.Standing(ctx, p.Table)
	if held != nil {
		return Held(p.Load, held)
	}
	return fault.Wrap(p.Load, "see who is writing "+p.Table, err)
}

// Held is the error of a table that another run holds.
func Held(load string, held *state.HeldError) error {
	return &fault.Error{Load: load, Exit: exit.Locked, Err: held}
}

// Refusal is the error that stops a run before it writes anything, or nil.
func (p *Plan) Refusal(o Options) error {
	marks := fmt.Sprintf("dbctl load %s --mark loaded%s --reason '…' (the files are in the table) or --mark new (they are not)", p.Load,
		pathFlag(o))
	switch {
	case p.TableRows > 0 && !p.Known && p.Listed() > 0: // else there is no file that a mark could be about
		return fault.Errorf(p.Load, exit.Check, marks, "%s holds %s, and the ledger does not know whether from these files",
			p.Table, event.Plural(p.TableRows, "row"))
	case p.TableRows > 0 && p.moved && !o.Force:
		return fault.Errorf(p.Load, exit.Check, marks,
			"the stage %s had another URL when files were loaded that are the same now, below %s", p.Stage, p.StageURL)
	case p.Listed() == 0 && !p.Job.EmptyOK && len(p.absent) > 0:
		return p.Stopped(o)
	case p.Listed() == 0 && !p.Job.EmptyOK && !p.Windowed():
		where := p.Job.Place()
		advice := fmt.Sprintf("where there may be none, put `-- dbctl: empty=ok` into %s", p.Job.Path)
		if stage := p.Job.StageName(); stage != "" && shell.Plain(stage) {
			advice = fmt.Sprintf("check the path: `dbctl sql 'LIST @%s'` lists what is there; %s", stage, advice)
		}
		if o.Path != "" {
			where += " with --path " + o.Path
			advice = fmt.Sprintf("--path is about the path below the stage root, without a slash about the file's name; "+
				"`dbctl load %s --dry-run -v` shows each", p.Load)
		}
		detail := ""
		if n := p.Counts[event.Ignored].Files; n > 0 {
			detail = fmt.Sprintf(" (%s there are not matched by %s)", event.Count(n), p.Job.Pattern)
		}
		return fault.Errorf(p.Load, exit.Check, advice, "no file in %s%s", where, detail).Placed(p.Job.Here())
	}
	return nil
}

// pathFlag is --path as it was given, for a hint that is about the same files.
func pathFlag(o Options) string {
	if o.Path == "" {
		return ""
	}
	return " --path " + shell.Quote(o.Path)
}

// Stopped is the error of changed files that nobody decided about: it comes after the others were loaded.
func (p *Plan) Stopped(o Options) error {
	if len(p.absent) > 0 {
		by := "FILES"
		if p.Job.Unlisted() {
			by = "the COPY"
		}
		return fault.Errorf(p.Load, exit.Check, "mend "+by+" in "+p.Job.Path, "%s named by %s, and not in %s: %s",
			event.Number(len(p.absent), "file is", "files are"), by, p.Job.Place(), event.Some(p.absent, 5))
	}
	if len(p.Kept) > 0 {
		advice := fmt.Sprintf("DELETE what is left of their rows, and dbctl load %s --mark new --path GLOB --reason '…' loads them", p.Load)
		if !o.Reload {
			advice = fmt.Sprintf("dbctl load %s --on-changed skip leaves them; or %s", p.Load, advice)
		}
		return fault.Errorf(p.Load, exit.Check, advice, "%s not replaced (%s): %s",
			event.Number(len(p.Kept), "file was", "files were"), p.KeptWhy, event.Some(p.Kept, 5))
	}
	var names []string
	for _, f := range p.Files {
		if f.State == event.Changed && !f.Planned {
			names = append(names, f.Path)
		}
	}
	if len(names) == 0 || p.onChanged(o) != "fail" {
		return nil
	}
	skip := fault.Again(p.Load, "--on-changed", "skip") + " goes on without"
	advice := fault.Again(p.Load, "--on-changed", "replace") + " replaces their rows; " + skip
	if p.Job.FilenameColumn == "" {
		advice = skip + "; replacing their rows needs the header filename-column=… in the load"
	}
	return fault.Errorf(p.Load, exit.Check, advice,
		"%s overwritten since loaded: %s", event.Number(len(names), "file was", "files were"), event.Some(names, 5))
}

// Open is the error of files that failed before and have not changed since: nothing is tried again, and a person is still needed.
func (p *Plan) Open() error {
	var names, paths []string
	for _, f := range p.Files {
		if f.State == event.Failed && !f.Planned {
			names, paths = append(names, f.Path+" ("+f.Reason+")"), append(paths, f.Path)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fault.Errorf(p.Load, exit.Partly,
		fmt.Sprintf("mend what is bad and run it again; %s tries the files as they are; %s gives up",
			fault.Again(p.Load, "--retry-failed"), fault.GiveUp(p.Load, paths[0])),
		"%s before and did not change since: %s", event.Number(len(names), "file failed", "files failed"), event.Some(names, 3))
}
