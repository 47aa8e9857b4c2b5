package plan

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
)

// order sorts the files: as listed (by name), or by time.
func (p *Plan) order(by string) {
	sort.Slice(p.Files, func(i, j int) bool { // slices.SortFunc of so large a struct is 30 kB of code
		a, b := &p.Files[i], &p.Files[j]
		byTime := a.Mtime.Compare(b.Mtime)
		if by == "newest" {
			byTime = -byTime
		}
		if by != "" && byTime != 0 {
			return byTime < 0
		}
		return a.Path < b.Path
	})
}

// Decide says which files a run loads. It refuses to replace files of a load that does not say which rows came from which.
func (p *Plan) Decide(o Want) error {
	replaces := p.onChanged(o.Options) == "replace"
	left := max(0, o.Limit-len(o.Settled)+o.Denied)
	for i := range p.Files {
		f := &p.Files[i]
		f.Replace = !o.Settled[f.Path] && (f.State == event.Changed && replaces || o.Reload && slices.Contains(reloaded, f.State))
		if f.Replace {
			if err := p.Job.MayReplace(); err != nil {
				return err
			}
		}
		if why := p.irreplaceable(f); f.Replace && why != "" {
			f.Replace, f.Reason = false, "not replaced: "+why
			p.Kept, p.KeptWhy = append(p.Kept, f.Path), why
		}
		f.Planned = f.State == event.New && !o.Settled[f.Path] || f.Replace
		if f.Planned && o.Limit > 0 {
			if left == 0 {
				f.Planned, f.Replace, f.Reason = false, false, strings.TrimPrefix(f.Reason+"; beyond --limit", "; ")
				continue
			}
			left--
		}
	}
	// What a COPY by prefix would send is every file of its pattern that the engine does not remember.
	p.Exact = p.scope.place.memory > 0 && o.Limit == 0 && o.Path == "" && o.Order == "" && p.Job.Files == nil && !p.Windowed() &&
		(p.Job.Prefix == "" || strings.HasSuffix(p.Job.Prefix, "/")) &&
		!slices.ContainsFunc([]event.FileState{event.Expired, event.Emptied, event.Changed, event.Failed, event.Unfinished, event.Quarantined},
			func(s event.FileState) bool { return p.Counts[s].Files > 0 })
	for _, f := range p.Files {
		p.Exact = p.Exact && (f.State != event.New || f.Planned && !f.Force)
	}
	return nil
}

// onChanged is what becomes of an overwritten file: by the flag, else by the load's header.
func (p *Plan) onChanged(o Options) string { return cmp.Or(o.OnChanged, p.Job.OnChanged, "fail") }

// reloaded are the states of files whose rows --reload replaces.
var reloaded = []event.FileState{event.Loaded, event.Expired, event.Changed, event.Emptied}

// irreplaceable is why the rows of a changed file cannot be told from others; "" when they can.
func (p *Plan) irreplaceable(f *File) string {
	switch {
	case f.twin:
		return "rows of another stage's file of its name are in the table"
	case p.Job.FileType() != "PARQUET" && strings.HasPrefix(p.StageURL, "@"):
		return "metadata$filename of an internal stage's text file holds a folder that only the server knows"
	}
	return ""
}
