package savepoint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// names frees each name that holds a wrong object (it is parked, by renaming it: to drop it would make UNDROP bring up the
// wrong one) and brings back dropped and replaced ones by UNDROP. Putting them under their names is left to place, after their
// content is right: a parked table is out of writers' reach.
func (x *restorer) names() error {
	x.missing()
	movable := x.r.Movable()
	for _, n := range movable {
		if what := x.takenAway(n); what != "" {
			x.of(n.Object()).undone = what
		}
	}
	if err := abreast(x.c, movable, func(n catalog.Name) error { return x.only(n.Object(), x.vacate(n)) }); err != nil {
		return err
	}
	if err := x.giveBack(); err != nil {
		return err
	}
	dropped := slices.DeleteFunc(slices.Clone(movable), func(n catalog.Name) bool {
		return x.r.Wanted(n) == "" || x.live.ByID(x.r.Wanted(n)) != nil
	})
	err := abreast(x.c, dropped, func(n catalog.Name) error { // each from under its own name, which no other touches
		if x.of(n.Object()).held != "" {
			return nil
		}
		_, err := x.undrop(n, x.r.Wanted(n), []catalog.Name{n})
		return x.only(n.Object(), err)
	})
	if err != nil {
		return err
	}
	for _, n := range dropped {
		id := x.r.Wanted(n)
		if x.live.ByID(id) != nil || x.of(n.Object()).failed != "" {
			continue
		}
		if why := x.of(n.Object()).held; why != "" {
			if x.live.Tables[n] != nil {
				why += "; the one that was there stays dropped: once that one has another name, UNDROP brings it back for as long as its " +
					"retention lasts"
			}
			x.of(n.Object()).held = why
			continue
		}
		found, err := x.undrop(n, id, x.undropNames(n, id, movable))
		if err := x.only(n.Object(), err); err != nil {
			return err
		}
		if !found && err == nil {
			x.hold(n.Object(), "table %s was dropped and cannot be brought back: its history is gone", id)
		}
	}
	return nil
}

// missing holds the captured tables that others took from under their names: no reached statement moves them.
func (x *restorer) missing() {
	for _, o := range x.r.Scope() {
		was := x.r.Before[o]
		n := catalog.NameOf(o)
		if o.Kind != sqltext.Table || !was.Exists || x.r.LostDatabases[o.Database] {
			continue
		}
		switch e := x.live.ByID(was.ID); {
		case e == nil && len(x.r.Lost[was.ID]) == 0:
			x.hold(o, "another session dropped it")
		case e == nil || e.Place() == n || catalog.IsAside(e.Name):
		case !x.r.Moved[n] || !x.r.Moved[e.Place()]:
			x.hold(o, "another session renamed it to %s", e.Name)
		}
	}
}

// takenAway says what another session did with the table or view that reached statements put under a name and that is not there: nothing
// that shows of one that they dropped and that was new, or in whose place they brought the earlier one back.
func (x *restorer) takenAway(n catalog.Name) string {
	ours := func(e *catalog.Entry) bool {
		_, captured := x.r.Captured(e.ID)
		return !captured && x.r.Put(n, e)
	}
	const dropped = "dropped what this migration had put in its place"
	if x.r.MadeAgain(n.Object()) && x.r.Wanted(n) != "" {
		return dropped
	}
	there := x.live.Tables[n]
	back := there != nil && there.ID == x.r.Wanted(n) && !x.o.Again // by another session: an earlier restore does the same
	if there != nil && !back || slices.ContainsFunc(x.parked(), ours) {
		return ""
	}
	for m, e := range x.live.Tables {
		if m.DB == n.DB && !x.r.Moved[m] && ours(e) {
			return "renamed what this migration had put there to " + m.Table
		}
	}
	if !back && x.r.Wanted(n) != "" && slices.ContainsFunc(x.live.Gone[n], ours) {
		return dropped
	}
	return ""
}

// vacate parks what is at n when it is not what was there, and can have come there by a reached statement.
func (x *restorer) vacate(n catalog.Name) error {
	e := x.live.Tables[n]
	if e == nil || e.ID == x.r.Wanted(n) {
		return nil
	}
	if !x.mayMove(n, e) {
		x.hold(n.Object(), "another session made a %s under this name", strings.ToLower(e.DropWord()))
		return nil
	}
	_, captured := x.r.Captured(e.ID)
	_, _, gone := x.r.WasGone(e.ID)
	x.id(e.ID).from = n
	if captured || gone && !x.r.Retouched(e.ObjectState) {
		return x.rename(n, catalog.ParkedName(e.ID))
	}
	rows, err := x.unwritten(e, x.r.Makers[n])
	if err != nil {
		return err
	}
	if gone || rows != "" || x.r.Changed(e.ObjectState, e.Updated) {
		x.id(e.ID).changed = true
		return x.rename(n, catalog.ChangedName(e.ID)) // tells it to the next restore, should this one be killed
	}
	return x.rename(n, catalog.ParkedName(e.ID))
}

// giveBack gives its name back to what another session put in the place of ours between the look that found ours and the renaming.
func (x *restorer) giveBack() error {
	var places []sqltext.Object
	parked := map[string]catalog.Name{} // by this restore: where each was
	for id, a := range x.ids {
		if a.from != (catalog.Name{}) {
			parked[id] = a.from
			places = append(places, x.live.ByID(id).Object)
		}
	}
	if len(places) == 0 {
		return nil
	}
	holders, err := catalog.Holders(x.ctx, x.c, places)
	if err != nil {
		return err
	}
	for id, n := range parked {
		e := x.live.ByID(id)
		if is := holders[e.Place()]; is == nil || is.ID == id {
			continue
		}
		is, err := x.look(e.Place())
		if err != nil {
			return err
		}
		if is == nil || is.ID == id {
			continue
		}
		x.id(id).from = catalog.Name{}
		x.hold(n.Object(), "another session made a %s under this name", strings.ToLower(is.DropWord()))
		if err := x.only(n.Object(), x.rename(e.Place(), n.Table)); err != nil {
			return err
		}
	}
	return nil
}

// mayMove reports whether the wrong object at n is there by our doing.
func (x *restorer) mayMove(n catalog.Name, e *catalog.Entry) bool {
	if was, ok := x.r.Captured(e.ID); ok {
		return x.r.Moved[catalog.NameOf(was.Object)]
	}
	if _, _, ok := x.r.WasGone(e.ID); ok || x.id(e.ID).undropped {
		return true
	}
	return x.r.Made(x.r.Makers[n], e.Created)
}

// undrop brings back the table with this id, which is dropped, or hidden under a replacement and in no list at all. UNDROP
// takes the newest id of a name's history: each one that comes up is looked at, and put where it belongs. It reports false when the id is
// under none of these names.
func (x *restorer) undrop(n catalog.Name, id string, names []catalog.Name) (found bool, err error) {
	for _, m := range names {
		if e := x.live.Tables[m]; e != nil { // its rightful holder goes aside for a moment; place puts it back
			if x.of(m.Object()).held != "" {
				continue
			}
			if err := x.rename(m, catalog.ParkedName(e.ID)); err != nil {
				return false, err
			}
		}
		for {
			err := x.exec("UNDROP TABLE %s", m.SQL())
			if databend.IsCode(err, databend.CodeUndropNoHistory, databend.CodeUnknownTable, databend.CodeUndropVacuumed) {
				break
			}
			if err != nil {
				return false, fmt.Errorf("undrop %s: %w", m, err)
			}
			e, err := x.look(m)
			if err != nil {
				return false, err
			}
			if e == nil { // somebody was quicker
				break
			}
			if e.ID == id {
				x.id(id).away = true
				x.of(n.Object()).done = true
				if m == n {
					return true, nil
				}
				to := catalog.ParkedName(id)
				if x.live.Tables[n] == nil {
					to = n.Table
				}
				return true, x.rename(m, to)
			}
			to := catalog.ParkedName(e.ID)
			if _, ok := x.r.Captured(e.ID); !ok {
				x.id(e.ID).undropped, x.id(e.ID).head = true, x.headWhenDropped(m, e)
				to = catalog.RaisedName(e.ID) // tells it to the next restore, should this one be killed
			}
			if err := x.rename(m, to); err != nil {
				return false, err
			}
			if _, _, gone := x.r.WasGone(e.ID); gone {
				break // everything below it in the history is older than the capture
			}
		}
	}
	return false, nil
}

// headWhenDropped is the head of a table that UNDROP just brought up: for an instant writers found it, and what they wrote is
// above that.
func (x *restorer) headWhenDropped(n catalog.Name, e *catalog.Entry) string {
	for _, g := range x.live.Gone[n] {
		if g.ID == e.ID {
			return g.Head
		}
	}
	return e.Head
}

// undropNames are the names under which the id may be found, the likeliest first.
func (x *restorer) undropNames(n catalog.Name, id string, movable []catalog.Name) []catalog.Name {
	var out []catalog.Name
	add := func(m catalog.Name) {
		if m.DB == n.DB && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	for m, es := range x.live.Gone {
		if slices.ContainsFunc(es, func(e *catalog.Entry) bool { return e.ID == id }) {
			add(m)
		}
	}
	for _, m := range x.r.Lost[id] {
		add(m)
	}
	add(n)
	for _, m := range movable {
		add(m)
	}
	return out
}

// look reads one table's entry anew.
func (x *restorer) look(n catalog.Name) (*catalog.Entry, error) {
	cat, err := catalog.Read(x.ctx, x.c, []sqltext.Object{n.Object()}, nil)
	if err != nil {
		return nil, err
	}
	e := cat.Tables[n]
	if e != nil {
		x.live.Tables[n] = e
	}
	return e, nil
}

// place puts every captured table under its name, once that is free.
func (x *restorer) place() error {
	return abreast(x.c, x.r.Scope(), func(o sqltext.Object) error {
		n := catalog.NameOf(o)
		was := x.r.Before[o]
		if o.Kind != sqltext.Table || !was.Exists {
			return nil
		}
		e := x.live.ByID(was.ID)
		if e == nil || e.Place() == n {
			return nil
		}
		if why := x.of(o).held; why != "" && !catalog.IsAside(e.Name) {
			return nil
		}
		if x.live.Tables[n] != nil {
			x.hold(o, "another session made a table under this name")
			return nil
		}
		err := x.rename(e.Place(), n.Table)
		if databend.IsCode(err, databend.CodeTableExists) {
			x.hold(o, "another session made a table under this name")
			return nil
		}
		if err := x.only(o, err); err != nil {
			return err
		}
		x.of(o).done = true
		return nil
	})
}

// parked are the tables that reached statements made and that names has parked: they are to be dropped.
func (x *restorer) parked() []*catalog.Entry {
	var out []*catalog.Entry
	for n, e := range x.live.Tables {
		if e.Name != catalog.ParkedName(e.ID) && e.Name != catalog.RaisedName(e.ID) && e.Name != catalog.ChangedName(e.ID) {
			continue
		}
		if _, captured := x.r.Captured(e.ID); captured {
			continue
		}
		if _, _, gone := x.r.WasGone(e.ID); gone || x.id(e.ID).undropped || x.r.Made(x.r.AllMakers(n.DB), e.Created) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *catalog.Entry) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return out
}
