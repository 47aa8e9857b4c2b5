package savepoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// work is one table whose content is moved.
type work struct {
	was  catalog.ObjectState
	base string       // the snapshot to go back to
	at   catalog.Name // where the table is now
	v    blame.Verdict
	keep catalog.Name // where the rows of others wait
	kept bool         // keep holds rows
}

// content moves rows, columns and comments of the written tables back. The order, and why:
//
//	read the snapshots: nothing of ours above the base → the table is left alone
//	fence: the table is renamed away, so that no new writer finds it (parked ones are away already)
//	drain: wait for those that began before
//	read the snapshots again: what the drain let through belongs to the verdict
//	keep: rows that others appended are copied aside
//	FLASHBACK; comments, which it does not rewind; FLASHBACK again, so that the head is the captured one
//	refill, in one transaction with emptying the copy; place gives the table its name back
//
// Killed anywhere, the next restore finds the table by its id, the copy by its name, and the rest by the snapshots.
func (x *restorer) content() error {
	todo, err := x.suspects()
	if err != nil || len(todo) == 0 {
		return err
	}
	var fenced []*work
	err = abreast(x.c, todo, func(w *work) error {
		if !catalog.IsAside(w.at.Table) {
			if err := x.rename(w.at, catalog.FencedName(w.was.ID)); databend.IsCode(err, databend.CodeUnknownTable) {
				x.hold(w.was.Object, "another session took it away during the restore")
				return nil
			} else if err != nil {
				return x.only(w.was.Object, err)
			}
			w.at.Table = catalog.FencedName(w.was.ID)
		}
		fenced = append(fenced, w)
		return nil
	})
	if err != nil {
		return err
	}
	quiet, err := x.drain(fenced)
	if err != nil {
		return err
	}
	if !quiet {
		for _, w := range fenced {
			x.hold(w.was.Object, "a statement of another session that began before the restore still writes it")
		}
		return nil // place gives the names back
	}
	if err := x.judge(fenced); err != nil {
		return err
	}
	fenced = slices.DeleteFunc(fenced, func(w *work) bool { // an aside one that only had to get its name back
		ch := w.v.Chain
		never := w.base == "" && emptied(ch)
		return !w.kept && (never || !w.v.Moves() && w.v.Refuse == "" && len(ch.Snapshots) > 0 && !x.commentsDiffer(w, x.live.Tables[w.at]))
	})
	var moving []*work
	err = abreast(x.c, fenced, func(w *work) error {
		ok, err := x.moveBack(w)
		if ok && err == nil {
			moving = append(moving, w)
		}
		return x.only(w.was.Object, err)
	})
	if err != nil {
		return err
	}
	if err := x.comments(moving); err != nil {
		return err
	}
	for _, w := range moving {
		x.of(w.was.Object).done = true
		if err := x.only(w.was.Object, x.refill(w)); err != nil {
			return err
		}
	}
	return nil
}

// suspects are the captured tables that reached statements wrote and that are not as they were.
func (x *restorer) suspects() ([]*work, error) {
	var todo []*work
	bases := map[catalog.Name]string{}
	for _, o := range x.r.Scope() {
		was := x.r.Before[o]
		if o.Kind != sqltext.Table || !was.Exists || len(x.r.Touched[was.ID]) == 0 && len(x.r.Lost[was.ID]) == 0 {
			continue
		}
		e := x.live.ByID(was.ID)
		if e == nil || !e.IsFuse() || x.of(o).held != "" && !catalog.IsAside(e.Name) {
			continue
		}
		w := &work{was: was, base: x.r.Base(was), at: e.Place(), keep: e.Place().Sibling(catalog.KeptName(was.ID))}
		w.kept = x.live.Tables[w.keep] != nil
		switch {
		case e.Head != w.base && (catalog.IsAside(e.Name) || x.id(e.ID).away): // away from writers already: it is looked at once, after the drain
		case e.Head != w.base:
			bases[w.at] = w.base
		case w.kept, x.commentsDiffer(w, e):
		default:
			continue
		}
		todo = append(todo, w)
	}
	if len(todo) == 0 {
		return nil, nil
	}
	var chains map[catalog.Name]blame.Chain
	if len(bases) > 0 {
		var err error
		if chains, err = blame.Chains(x.ctx, x.c, bases); err != nil {
			return nil, err
		}
	}
	out := todo[:0]
	for _, w := range todo {
		e := x.live.Tables[w.at]
		ch, read := chains[w.at]
		if !read {
			out = append(out, w)
			continue
		}
		var err error
		if w.v, err = x.r.Attribute(x.ctx, x.c, ch, w.was.ID, false); err != nil {
			return nil, err
		}
		if w.base == "" && emptied(ch) && !w.kept {
			continue // never written then, emptied since: as near as it gets
		}
		if why := x.obstacle(w, ch, e); why != "" {
			x.hold(w.was.Object, "%s", why)
			continue
		}
		// A table that DROP … ALL emptied has no snapshot at all, and FLASHBACK still finds the old one.
		emptied := len(ch.Snapshots) == 0 && w.base != ""
		if w.v.Moves() && len(w.v.Appended) > 0 {
			if ok, err := x.fits(w); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		if w.v.Moves() || emptied || w.kept || x.commentsDiffer(w, e) {
			out = append(out, w)
		}
	}
	return out, nil
}

// obstacle says why a table's content cannot be moved back, "" when it can or need not be.
func (x *restorer) obstacle(w *work, ch blame.Chain, e *catalog.Entry) string {
	switch {
	case w.v.Refuse != "":
		return w.v.Refuse + "; the table is left as it is"
	case !w.v.Moves():
		return ""
	case w.base == "" && !sameColumns(e.Columns, w.was.Columns):
		return "it had never been written and was not seeded: its columns have no snapshot to go back to"
	case w.base != "" && ch.Base == len(ch.Snapshots) && len(ch.Snapshots) > 0:
		return "its snapshot " + w.base + " is no longer in its history"
	}
	return x.foreignList(w, e)
}

// foreignList names an option that another session gave a table, and that FLASHBACK would take away: it names a column that was added.
func (x *restorer) foreignList(w *work, e *catalog.Entry) string {
	ours := x.r.Options(w.was)
	for _, k := range catalog.ColumnLists {
		o, written := ours[k]
		if e.Options[k] == w.was.Options[k] || written && blame.HoldsOption(e.ObjectState, o) {
			continue
		}
		for _, name := range catalog.ListedColumns(e.Options[k]) {
			if !slices.ContainsFunc(w.was.Columns, func(c catalog.Column) bool { return strings.EqualFold(c.Name, name) }) {
				return fmt.Sprintf("another session's option %s needs the column %s, which was added", strings.ToLower(k), name)
			}
		}
	}
	return ""
}

func sameColumns(a, b []catalog.Column) bool {
	return slices.EqualFunc(a, b, func(p, q catalog.Column) bool { p.Comment, q.Comment = "", ""; return p == q })
}

// commentsDiffer reports whether a table's or its columns' comments are not what they were, by our doing.
func (x *restorer) commentsDiffer(w *work, e *catalog.Entry) bool {
	return e.Comment != w.was.Comment && x.r.Noted(w.was.ID, e.Comment) || len(x.columnComments(w.was, e.Columns)) > 0
}

// copied notes the tables that COPYs of ours wrote, and whose rows are as before. It looks at what is there, so that a restore after one
// that was killed says the same.
func (x *restorer) copied() error {
	for _, o := range x.r.Scope() {
		was, e := x.r.Before[o], x.live.Tables[catalog.NameOf(o)]
		if o.Kind == sqltext.Table && was.Exists && x.r.Copied(was.ID) && x.of(o).held == "" && e != nil && e.ID == was.ID {
			x.uncopied = append(x.uncopied, was.ID)
		}
	}
	return nil
}

// columnComments are the captured columns whose comment differs in now by our doing.
func (x *restorer) columnComments(was catalog.ObjectState, now []catalog.Column) []catalog.Column {
	var out []catalog.Column
	for _, c := range was.Columns {
		if i := slices.IndexFunc(now, func(n catalog.Column) bool { return n.Name == c.Name }); i >= 0 && now[i].Comment != c.Comment &&
			x.r.ColumnNoted(was.ID, c.Name, now[i].Comment) {
			out = append(out, c)
		}
	}
	return out
}

// judge reads the snapshots again, under the fence, and with them those of the tables that will be dropped.
func (x *restorer) judge(ws []*work) error {
	bases := map[catalog.Name]string{}
	if x.drained && x.chains == nil {
		for _, e := range x.parked() {
			if e.IsFuse() {
				bases[e.Place()] = ""
			}
		}
	}
	for _, w := range ws {
		bases[w.at] = w.base
	}
	chains, err := blame.Chains(x.ctx, x.c, bases)
	if x.chains == nil {
		x.chains = chains
	}
	if err != nil {
		return err
	}
	for _, w := range ws {
		if w.v, err = x.r.Attribute(x.ctx, x.c, chains[w.at], w.was.ID, false); err != nil {
			return err
		}
	}
	return nil
}
