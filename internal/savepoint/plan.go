package savepoint

import (
	"cmp"
	"slices"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Objects are the objects to capture before statements with these effects run, in order: what they write, under the names that
// databases have at the capture.
func Objects(effects []effect.Effect) []sqltext.Object {
	var out []sqltext.Object
	seen := map[sqltext.Object]bool{}
	renamed := map[string]string{} // a database's name after a statement → at the capture
	add := func(o sqltext.Object) {
		if !seen[o] {
			seen[o] = true
			out = append(out, o)
		}
		if was, ok := renamed[o.Database]; ok && o.Kind == sqltext.Table && was != o.Database {
			o.Database = was
			if !seen[o] {
				seen[o] = true
				out = append(out, o)
			}
		}
	}
	for _, e := range effects {
		for _, w := range e.Writes {
			if w.Kind == sqltext.Unknown {
				continue
			}
			add(w.Object)
			if w.Kind == sqltext.Database && w.Verb == effect.RenameOut {
				renamed[w.To.Name] = cmp.Or(renamed[w.Name], w.Name)
			}
		}
	}
	return out
}

// Indexed are the tables of which a restore may have to make indexes again: statements drop or replace some of them, or change columns,
// which indexes can stand in the way of. Where tables change their names, those are all that the statements write.
func Indexed(effects []effect.Effect) []sqltext.Object {
	var out []sqltext.Object
	renamed := false
	for _, e := range effects {
		for _, w := range e.Writes {
			renamed = renamed || w.Verb == effect.RenameOut || w.Verb == effect.Swap
			if w.Kind == sqltext.Table && w.Changes(effect.Indexes|effect.Columns) && !slices.Contains(out, w.Object) {
				out = append(out, w.Object)
			}
		}
	}
	if renamed && len(out) > 0 {
		return Objects(effects)
	}
	return out
}

// Changed are the captured tables whose rows or columns statements with these effects change, in the order in which they run, and
// those of them that a COPY writes: by the names of the capture, whatever their names are by then.
func Changed(captured catalog.State, effects []effect.Effect) (all, copies []sqltext.Object) {
	reached := make([]blame.Reached, len(effects))
	for i, e := range effects {
		reached[i].Effect = e
	}
	r := blame.New(captured, reached)
	for _, o := range r.Order {
		s := r.Before[o]
		if o.Kind != sqltext.Table || !s.Exists {
			continue
		}
		changed, copied := false, false
		for _, t := range r.Touched[s.ID] {
			copied = copied || effects[t.Statement].Copy
			changed = changed || (t.Write.Verb == effect.Alter || t.Write.Verb == effect.WriteData) && t.Write.Changes(effect.Rows|effect.Columns)
		}
		if changed {
			all = append(all, o)
		}
		if changed && copied {
			copies = append(copies, o)
		}
	}
	return all, copies
}
