package savepoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// truncate waits for no lock of the table, which a statement of another session may hold long after it failed: behind the fence nobody
// writes it.
const truncate = "SETTINGS (enable_table_lock = 0) TRUNCATE TABLE %s"

// moveBack does the FLASHBACK. It reports false for a table that is left as it is.
func (x *restorer) moveBack(w *work) (bool, error) {
	for try := 0; ; try++ {
		ch := w.v.Chain
		if why := x.obstacle(w, ch, x.live.Tables[w.at]); why != "" {
			x.hold(w.was.Object, "%s", why)
			return false, nil
		}
		emptied := len(ch.Snapshots) == 0 && w.base != ""
		if !w.v.Moves() && !emptied {
			return true, nil // only comments, or only a refill
		}
		if len(w.v.Appended) > 0 {
			if ok, err := x.keepRows(w); err != nil || !ok {
				return false, err
			}
		} else if w.kept && w.v.Own > 0 {
			x.hold(w.was.Object, "rows of others wait in %s since an earlier restore: look at both tables", w.keep)
			return false, nil
		}
		alone := w.was.Known && len(w.was.Loaded) == 0 && w.was.Asked == w.base && len(w.v.Appended) == 0
		if alone && w.base != "" && x.r.Copied(w.was.ID) {
			// COPY's memory of loaded files outlives FLASHBACK but not TRUNCATE, and all of it is ours.
			if err := x.exec(truncate, w.at.SQL()); err != nil {
				return false, fmt.Errorf("empty %s: %w", w.was.Object, err)
			}
		}
		err := x.flashback(w)
		switch {
		case err == nil:
			return true, nil
		case databend.IsCode(err, databend.CodeVersionMismatch) && try < 5:
			if err := x.judge([]*work{w}); err != nil {
				return false, err
			}
		case databend.IsCode(err, databend.CodeNoHistory):
			x.hold(w.was.Object, "its snapshot %s is no longer in its history", w.base)
			return false, nil
		case databend.IsCode(err, databend.CodeIllegalReference):
			x.hold(w.was.Object, "an index or constraint of another session needs a column that was added: %s", databend.Message(err))
			return false, nil
		default:
			return false, fmt.Errorf("flash %s back: %w", w.was.Object, err)
		}
	}
}

// flashback goes back to the base, dropping what blocks it: indexes and constraints on columns that the base does not have. They
// are re-created with the definitions when they were there before.
func (x *restorer) flashback(w *work) error {
	if w.base == "" { // written for the first time by the migration
		return x.exec(truncate, w.at.SQL())
	}
	for blocked := ""; ; {
		err := x.exec("ALTER TABLE %s FLASHBACK TO (SNAPSHOT => %s)", w.at.SQL(), sqltext.Quote(w.base))
		if databend.IsCode(err, databend.CodeUnknownTable) {
			if dropped, derr := x.unindex(w); dropped || derr != nil {
				if derr != nil {
					return derr
				}
				continue
			}
		}
		if !databend.IsCode(err, databend.CodeIllegalReference) || databend.Message(err) == blocked { // it was dropped, and is there again
			return err
		}
		blocked = databend.Message(err)
		dropped, derr := x.unblock(w, blocked)
		if derr != nil {
			return derr
		}
		if !dropped {
			return err
		}
	}
}

// unindex drops the aggregating indexes of a table that is under another name for now: where columns change, FLASHBACK reads their queries,
// which know the table by its own name. They are made again when it has that.
func (x *restorer) unindex(w *work) (bool, error) {
	dropped := false
	for _, i := range w.was.Indexes {
		if i.Type != "AGGREGATING" || x.id(w.was.ID).unblocked[i.Name] {
			continue
		}
		x.id(w.was.ID).unblocked[i.Name], dropped = true, true
		if err := x.dropIndex(w.at, i); err != nil {
			return false, err
		}
		x.note(w.was.Object, "its aggregating index %s was made again, and is empty until the next REFRESH", i.Name)
	}
	return dropped, nil
}

// unblock drops the index or constraint that a 2747 names.
func (x *restorer) unblock(w *work, message string) (bool, error) {
	e, err := x.look(w.at)
	if err != nil || e == nil {
		return false, err
	}
	for _, i := range e.Indexes {
		if !says(message, i.Name) {
			continue
		}
		if !slices.ContainsFunc(w.was.Indexes, func(o catalog.Index) bool { return o.Name == i.Name && o.Type == i.Type }) &&
			!x.r.MadeIndex(w.was.ID, i) {
			return false, nil
		}
		x.id(w.was.ID).unblocked[i.Name] = true
		return true, x.dropIndex(w.at, i)
	}
	for _, k := range e.Constraints {
		if !says(message, k.Name) {
			continue
		}
		if !slices.ContainsFunc(w.was.Constraints, func(o catalog.Constraint) bool { return o.Name == k.Name }) &&
			!x.r.MadeCheck(w.was.ID, k) {
			return false, nil
		}
		x.id(w.was.ID).unblocked[k.Name] = true
		return true, x.exec("ALTER TABLE %s DROP CONSTRAINT %s", w.at.SQL(), sqltext.Ident(k.Name))
	}
	if e.Unread || len(e.Constraints) == 0 {
		// system.constraints cannot be read while a CHECK names a renamed column: take the name from the message.
		if k := quotedName(message); k != "" && x.r.Altered(w.was.ID) {
			x.id(w.was.ID).unblocked[k] = true
			return true, x.exec("ALTER TABLE %s DROP CONSTRAINT %s", w.at.SQL(), sqltext.Ident(k))
		}
	}
	return false, nil
}

// says reports whether the server's message names something.
func says(message, name string) bool {
	for at := 0; ; {
		i := strings.Index(message[at:], name)
		if i < 0 {
			return false
		}
		from, to := at+i, at+i+len(name)
		if (from == 0 || !isWord(message[from-1])) && (to == len(message) || !isWord(message[to])) {
			return true
		}
		at = from + 1
	}
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// quotedName is the first quoted word of a message.
func quotedName(message string) string {
	for _, q := range []string{"'", "`", `"`} {
		if _, rest, ok := strings.Cut(message, q); ok {
			if word, _, ok := strings.Cut(rest, q); ok {
				return word
			}
		}
	}
	return ""
}

// comments puts the comments of the moved tables right and goes back once more: a comment is a snapshot of its own, and
// survives FLASHBACK.
func (x *restorer) comments(ws []*work) error {
	var look []*work
	for _, w := range ws {
		if x.r.Altered(w.was.ID) {
			look = append(look, w)
		}
	}
	if len(look) == 0 {
		return nil
	}
	objects := make([]sqltext.Object, len(look))
	for i, w := range look {
		objects[i] = w.at.Object()
	}
	cat, err := catalog.Read(x.ctx, x.c, objects, nil)
	if err != nil {
		return err
	}
	var again []*work
	err = abreast(x.c, look, func(w *work) error {
		e := cat.Tables[w.at]
		if e == nil {
			x.hold(w.was.Object, "another session took it away during the restore")
			return nil
		}
		x.live.Tables[w.at] = e
		var set []string
		for _, c := range x.columnComments(w.was, e.Columns) {
			set = append(set, "COLUMN "+sqltext.Ident(c.Name)+" COMMENT "+sqltext.Quote(c.Comment))
		}
		if len(set) > 0 {
			if err := x.only(w.was.Object, x.exec("ALTER TABLE %s MODIFY %s", w.at.SQL(), strings.Join(set, ", "))); err != nil {
				return fmt.Errorf("comment columns of %s: %w", w.was.Object, err)
			}
		}
		if e.Comment != w.was.Comment && x.r.Noted(w.was.ID, e.Comment) {
			if err := x.only(w.was.Object, x.exec("ALTER TABLE %s COMMENT = %s", w.at.SQL(), sqltext.Quote(w.was.Comment))); err != nil {
				return fmt.Errorf("comment %s: %w", w.was.Object, err)
			}
		} else if len(set) == 0 {
			return nil
		}
		if w.base != "" {
			again = append(again, w)
		}
		return nil
	})
	if err != nil || len(again) == 0 {
		return err
	}
	// A transaction that was open all the time may have committed since: its rows are not flashed back over.
	if err := x.judge(again); err != nil {
		return err
	}
	return abreast(x.c, again, func(w *work) error {
		if w.v.Own > 0 || len(w.v.Appended) > 0 || len(w.v.Notes) > 0 || w.v.Refuse != "" {
			return nil
		}
		if err := x.flashback(w); !databend.IsCode(err, databend.CodeVersionMismatch) && x.only(w.was.Object, err) != nil {
			return fmt.Errorf("flash %s back: %w", w.was.Object, err)
		}
		return nil
	})
}
