package savepoint

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// dropParked drops the tables that reached statements made, softly: UNDROP brings them up again. One that holds rows of others
// stays where it is, and is named.
func (x *restorer) dropParked() error {
	parked := x.parked()
	if err := x.judgeParked(parked); err != nil {
		return err
	}
	return abreast(x.c, parked, func(e *catalog.Entry) error {
		if x.of(e.Place().Object()).held != "" {
			return nil
		}
		return x.only(e.Place().Object(), x.dropTable(e))
	})
}

// bury drops tables again that had been dropped before the capture, and that an UNDROP brought up, under the names that they had:
// UNDROP finds them under no other. Those names are free until place.
func (x *restorer) bury() error {
	var up []*catalog.Entry
	homes := map[string]catalog.Name{}
	for _, e := range x.parked() {
		if _, home, gone := x.r.WasGone(e.ID); gone && home.DB == e.Database && x.live.Tables[home] == nil {
			homes[e.ID] = home
			up = append(up, e)
		}
	}
	if err := x.judgeParked(up); err != nil {
		return err
	}
	for _, e := range up {
		home := homes[e.ID]
		if x.of(e.Place().Object()).held != "" || x.live.Tables[home] != nil {
			continue
		}
		if g, _, _ := x.r.WasGone(e.ID); g.Head != "" && len(x.r.Touched[e.ID]) > 0 {
			err := x.flashback(&work{was: catalog.ObjectState{Object: e.Object, ID: e.ID}, base: g.Head, at: e.Place()})
			if databend.IsAnswered(err) {
				x.hold(e.Place().Object(), "it had been dropped before, and cannot be taken back to what it was: %s", databend.Message(err))
				continue
			}
			if err != nil {
				return fmt.Errorf("flash %s back: %w", e.Place(), err)
			}
			e = x.live.Tables[e.Place()] // it may have been looked at again
		}
		if err := x.only(home.Object(), x.rename(e.Place(), home.Table)); err != nil {
			return err
		}
		if err := x.only(home.Object(), x.dropTable(e)); err != nil {
			return err
		}
	}
	return nil
}

// judgeParked holds those of the tables that must not be dropped: they hold rows of others, or may, or others changed them.
func (x *restorer) judgeParked(parked []*catalog.Entry) error {
	tables := map[catalog.Name]*catalog.Entry{}
	for _, e := range parked {
		if e.IsFuse() {
			tables[e.Place()] = e
		}
	}
	quiet := true
	var held map[catalog.Name]string
	var err error
	if len(tables) > 0 {
		if quiet, err = x.drain(nil); err != nil {
			return err
		}
		// Any of them may hold rows of others: a statement that began before it was put aside may end after the look that found
		// it empty.
		if held, err = x.strangers(tables); err != nil {
			return err
		}
	}
	for _, e := range parked {
		why := held[e.Place()]
		if n := x.id(e.ID).from; n != (catalog.Name{}) && why == "" {
			if why, err = x.unwritten(e, x.r.Makers[n]); err != nil {
				return err
			}
		}
		switch {
		case why != "":
		case !quiet && tables[e.Place()] != nil:
			why = "a statement of another session may still write it"
		case x.id(e.ID).changed:
			why = "another session changed it after ours"
		default:
			continue
		}
		x.hold(e.Place().Object(), "a %s of this migration, put aside because %s", strings.ToLower(e.DropWord()), why)
	}
	return nil
}

// strangers says of tables that reached statements made, or brought up, why they must not be dropped: rows of others.
func (x *restorer) strangers(tables map[catalog.Name]*catalog.Entry) (map[catalog.Name]string, error) {
	bases := map[catalog.Name]string{}
	for n := range tables {
		bases[n] = ""
	}
	chains := map[catalog.Name]blame.Chain{}
	for n := range tables {
		if ch, read := x.chains[n]; read { // with the others, after the drain
			chains[n] = ch
			delete(bases, n)
		}
	}
	if len(bases) > 0 {
		more, err := blame.Chains(x.ctx, x.c, bases)
		if err != nil {
			return nil, err
		}
		maps.Copy(chains, more)
	}
	out := map[catalog.Name]string{}
	for n, ch := range chains {
		token, first := blame.NewTable, false
		if e := tables[n]; e != nil {
			first = x.filled(e)
			head, known := x.id(e.ID).head, x.id(e.ID).undropped
			if g, _, gone := x.r.WasGone(e.ID); gone {
				head, known = g.Head, true
			}
			if known { // UNDROPped, by the migration or on the way to another
				token, first = e.ID, false
				if i := ch.Index(head); i >= 0 {
					ch.Base, ch.Snapshots = i, ch.Snapshots[:i+1]
				}
			}
		}
		v, err := x.r.Attribute(x.ctx, x.c, ch, token, first)
		if err != nil {
			return nil, err
		}
		switch {
		case v.Refuse != "":
			out[n] = v.Refuse
		case len(v.Appended) > 0:
			out[n] = theirRows
		}
	}
	return out, nil
}

// unwritten says that a table without history, which these statements made, holds other rows than they left in it: they are others'.
func (x *restorer) unwritten(e *catalog.Entry, makers []int) (string, error) {
	_, seen := x.r.Refilled(e.ID, "")
	if e.IsFuse() || e.KeepsNothing() || e.DropWord() != "TABLE" || !seen && x.r.Filled(makers) {
		return "", nil
	}
	rows, err := catalog.Query(x.ctx, x.c, "select to_string(count(*)) from "+e.Place().SQL())
	switch {
	case databend.IsCode(err, databend.CodePermissionDenied):
		return "whose rows are in it may not be seen", nil
	case databend.IsAnswered(err):
		return "", nil
	case err != nil:
		return "", err
	}
	if refilled, seen := x.r.Refilled(e.ID, rows[0][0].String); refilled || !seen && rows[0][0].String != "0" {
		return theirRows, nil
	}
	return "", nil
}

// theirRows is said of a table that is kept for them.
const theirRows = "another session wrote rows into it"

// filled reports whether the statement that made the table also filled it: its first snapshot is then ours. It is the last
// one whose mark is not younger than the table.
func (x *restorer) filled(e *catalog.Entry) bool {
	makers := x.r.AllMakers(e.Database)
	if n := x.id(e.ID).from; n != (catalog.Name{}) {
		makers = x.r.Makers[n]
	}
	if len(makers) == 0 { // in a database that was made too
		for _, is := range x.r.Makers {
			makers = append(makers, is...)
		}
	}
	last, filled := time.Time{}, false
	for _, i := range makers {
		since := x.r.Since(i)
		if since.After(e.Created) || since.Before(last) {
			continue
		}
		fills := x.r.Statements[i].Effect.Changes(effect.Rows)
		filled = fills && (filled || since.After(last))
		last = since
	}
	return filled
}

// dropDatabases drops the databases that reached statements made and that databases has parked, unless others made or wrote
// tables in them.
func (x *restorer) dropDatabases() error {
	parked := x.parkedDatabases()
	if len(parked) == 0 {
		return nil
	}
	quiet, err := x.drain(nil)
	if err != nil {
		return err
	}
	for _, e := range parked {
		why, err := x.strangersIn(e)
		if databend.IsAnswered(err) {
			why, err = "what is in it cannot be seen: "+databend.Message(err), nil
		}
		if err != nil {
			return err
		}
		if why == "" && !quiet {
			why = "a statement of another session may still write into it"
		}
		if why != "" {
			x.hold(e.Object, "a database of this migration, put aside because %s", why)
			continue
		}
		if err := x.only(e.Object, x.exec("DROP DATABASE IF EXISTS %s", sqltext.Ident(e.Name))); err != nil {
			return fmt.Errorf("drop database %s: %w", e.Name, err)
		}
		delete(x.live.Databases, e.Name)
	}
	return nil
}

// strangersIn says why a database that reached statements made, or brought up, must not be dropped: what others made, wrote
// or changed in it.
func (x *restorer) strangersIn(e *catalog.Entry) (string, error) {
	objects := []sqltext.Object{{Kind: sqltext.Table, Database: e.Name}}
	for n := range x.r.Makers {
		objects = append(objects, catalog.Name{DB: e.Name, Table: n.Table}.Object())
	}
	cat, err := catalog.Read(x.ctx, x.c, objects, []string{e.Name})
	if err != nil {
		return "", err
	}
	home := strings.TrimPrefix(e.Name, catalog.ParkedName(e.ID)+"_")
	is := e.ObjectState
	if is.Name = home; x.r.GivenAway(is) {
		return "another session gave it to role " + is.Owner, nil
	}
	if x.hadGone(e.ID) { // it is told by what changed since
		for n, t := range cat.Tables {
			as := t.ObjectState
			if as.Database = home; x.r.ChangedSince(as, t.Updated) {
				return "another session changed " + strings.ToLower(t.DropWord()) + " " + n.Table + " in it", nil
			}
		}
		return "", nil
	}
	dictionaries, err := catalog.Query(x.ctx, x.c, "select name from system.dictionaries where database = "+sqltext.Quote(e.Name))
	if err != nil {
		return "", err
	}
	for _, d := range dictionaries {
		ours := false
		for o := range x.r.Written { // its database may have had another name when it was made
			ours = ours || o.Kind == sqltext.Dictionary && o.Name == d[0].String && (o.Database == home || x.r.MovedDatabases[o.Database])
		}
		if !ours {
			return "another session made dictionary " + d[0].String + " in it", nil
		}
	}
	written := map[catalog.Name]*catalog.Entry{}
	for n, t := range cat.Tables {
		var makers []int
		for m, is := range x.r.Makers {
			if m.Table == n.Table && x.r.Made(is, t.Created) {
				makers = append(makers, is...)
			}
		}
		if len(makers) == 0 {
			return "another session made table " + n.Table + " in it", nil
		}
		as := t.ObjectState
		if as.Database = home; x.r.Changed(as, t.Updated) {
			return "another session changed " + strings.ToLower(t.DropWord()) + " " + n.Table + " in it", nil
		}
		if why, err := x.unwritten(t, makers); why != "" || err != nil {
			return why + ": table " + n.Table, err
		}
		if t.IsFuse() && t.Head != "" {
			written[n] = t
		}
	}
	if len(written) == 0 {
		return "", nil
	}
	held, err := x.strangers(written)
	if err != nil {
		return "", err
	}
	for n, why := range held {
		return why + ": table " + n.Table, nil
	}
	return "", nil
}
