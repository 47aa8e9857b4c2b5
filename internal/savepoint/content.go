package savepoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// work is one table whose content is moved.
type work struct {
	was  ObjectState
	base string // the snapshot to go back to
	at   name   // where the table is now
	v    verdict
	keep name // where the rows of others wait
	kept bool // keep holds rows
	gone bool // it went back to the base
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
	fenced := todo[:0]
	for _, w := range todo {
		if !isAside(w.at.table) {
			if err := x.rename(w.at, fencedName(w.was.ID)); databend.IsCode(err, codeUnknownTable) {
				x.hold(w.was.Object, "another session took it away during the restore")
				continue
			} else if err != nil {
				return err
			}
			w.at.table = fencedName(w.was.ID)
		}
		fenced = append(fenced, w)
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
		ch := w.v.chain
		never := w.base == "" && emptied(ch)
		return !w.kept && (never || !w.v.moves() && w.v.refuse == "" && len(ch.snaps) > 0 && !x.commentsDiffer(w, x.live.tables[w.at]))
	})
	var moving []*work
	for _, w := range fenced {
		ok, err := x.moveBack(w)
		if err != nil {
			return err
		}
		if ok {
			moving = append(moving, w)
		}
	}
	if err := x.comments(moving); err != nil {
		return err
	}
	if err := x.copied(moving); err != nil {
		return err
	}
	for _, w := range moving {
		x.done[w.was.Object] = true
		if err := x.refill(w); err != nil {
			return err
		}
	}
	return nil
}

// suspects are the captured tables that reached statements wrote and that are not as they were.
func (x *restorer) suspects() ([]*work, error) {
	var todo []*work
	bases := map[name]string{}
	for _, o := range x.r.scope() {
		was := x.r.before[o]
		if o.Kind != sqltext.Table || !was.Exists || len(x.r.touched[was.ID]) == 0 && len(x.r.lost[was.ID]) == 0 {
			continue
		}
		e := x.live.byID(was.ID)
		if e == nil || !e.isFuse() || x.held[o] != "" && !isAside(e.Name) {
			continue
		}
		w := &work{was: was, base: x.r.base(was), at: e.name(), keep: e.name().sibling(keptName(was.ID))}
		w.kept = x.live.tables[w.keep] != nil
		switch {
		case e.Head != w.base && (isAside(e.Name) || x.away[e.ID]): // away from writers already: it is looked at once, after the drain
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
	var chains map[name]chain
	if len(bases) > 0 {
		var err error
		if chains, err = lineages(x.ctx, x.c, bases); err != nil {
			return nil, err
		}
	}
	out := todo[:0]
	for _, w := range todo {
		e := x.live.tables[w.at]
		ch, read := chains[w.at]
		if !read {
			out = append(out, w)
			continue
		}
		var err error
		if w.v, err = x.r.attribute(x.ctx, x.c, ch, w.was.ID, false); err != nil {
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
		emptied := len(ch.snaps) == 0 && w.base != ""
		if w.v.moves() || emptied || w.kept || x.commentsDiffer(w, e) {
			out = append(out, w)
		}
	}
	return out, nil
}

// obstacle says why a table's content cannot be moved back, "" when it can or need not be.
func (x *restorer) obstacle(w *work, ch chain, e *entry) string {
	switch {
	case w.v.refuse != "":
		return w.v.refuse + "; the table is left as it is"
	case !w.v.moves():
		return ""
	case w.base == "" && !sameColumns(e.Columns, w.was.Columns):
		return "it had never been written and was not seeded: its columns have no snapshot to go back to"
	case w.base != "" && ch.base == len(ch.snaps) && len(ch.snaps) > 0:
		return "its snapshot " + w.base + " is no longer in its history"
	}
	return ""
}

func sameColumns(a, b []Column) bool {
	return slices.EqualFunc(a, b, func(p, q Column) bool { p.Comment, q.Comment = "", ""; return p == q })
}

// commentsDiffer reports whether a table's or its columns' comments are not what they were, by our doing.
func (x *restorer) commentsDiffer(w *work, e *entry) bool {
	return x.r.altered(w.was.ID) && (e.Comment != w.was.Comment || len(columnComments(w.was, e.Columns)) > 0)
}

// copied reports the files that rolled back COPYs leave in the engine's memory.
func (x *restorer) copied(ws []*work) error {
	var ns []name
	for _, w := range ws {
		switch {
		case !w.gone || !x.r.kinds(w.was.ID, "COPY"):
		case !w.was.Known:
			x.note(w.was.Object, "Databend may still take the files that were rolled back for loaded")
		default:
			ns = append(ns, w.at)
		}
	}
	files, err := loadedFiles(x.ctx, x.c, ns)
	if err != nil {
		return err
	}
	for _, w := range ws {
		extra := slices.DeleteFunc(files[w.at], func(f string) bool { _, had := slices.BinarySearch(w.was.Loaded, f); return had })
		if len(extra) > 0 {
			x.files = append(x.files, CopiedFiles{Table: w.was.Object, TableID: w.was.ID, Files: extra})
		}
	}
	return nil
}

// columnComments are the captured columns whose comment differs in now.
func columnComments(was ObjectState, now []Column) []Column {
	var out []Column
	for _, c := range was.Columns {
		if i := slices.IndexFunc(now, func(n Column) bool { return n.Name == c.Name }); i >= 0 && now[i].Comment != c.Comment {
			out = append(out, c)
		}
	}
	return out
}

// judge reads the snapshots again, under the fence, and with them those of the tables that will be dropped.
func (x *restorer) judge(ws []*work) error {
	bases := map[name]string{}
	if x.drained && x.chains == nil {
		for _, e := range x.parked() {
			if x.toJudge(e) {
				bases[e.name()] = ""
			}
		}
	}
	for _, w := range ws {
		bases[w.at] = w.base
	}
	chains, err := lineages(x.ctx, x.c, bases)
	if x.chains == nil {
		x.chains = chains
	}
	if err != nil {
		return err
	}
	for _, w := range ws {
		if w.v, err = x.r.attribute(x.ctx, x.c, chains[w.at], w.was.ID, false); err != nil {
			return err
		}
	}
	return nil
}

// moveBack does the FLASHBACK. It reports false for a table that is left as it is.
func (x *restorer) moveBack(w *work) (bool, error) {
	for try := 0; ; try++ {
		ch := w.v.chain
		if why := x.obstacle(w, ch, x.live.tables[w.at]); why != "" {
			x.hold(w.was.Object, "%s", why)
			return false, nil
		}
		emptied := len(ch.snaps) == 0 && w.base != ""
		if !w.v.moves() && !emptied {
			return true, nil // only comments, or only a refill
		}
		if len(w.v.appended) > 0 {
			if ok, err := x.keepRows(w); err != nil || !ok {
				return false, err
			}
		} else if w.kept && w.v.own > 0 {
			x.hold(w.was.Object, "rows of others wait in %s since an earlier restore: look at both tables", w.keep)
			return false, nil
		}
		if w.was.Known && len(w.was.Loaded) == 0 && len(w.v.appended) == 0 && w.base != "" && x.r.kinds(w.was.ID, "COPY") {
			// COPY's memory of loaded files outlives FLASHBACK but not TRUNCATE, and all of it is ours.
			if err := x.exec("TRUNCATE TABLE %s", w.at.sql()); err != nil {
				return false, fmt.Errorf("empty %s: %w", w.was.Object, err)
			}
		}
		err := x.flashback(w)
		switch {
		case err == nil:
			w.gone = true
			return true, nil
		case databend.IsCode(err, codeVersionMismatch) && try < 5:
			if err := x.judge([]*work{w}); err != nil {
				return false, err
			}
		case databend.IsCode(err, codeNoHistory):
			x.hold(w.was.Object, "its snapshot %s is no longer in its history", w.base)
			return false, nil
		case databend.IsCode(err, codeFlashbackBlocked):
			x.hold(w.was.Object, "an index or constraint of another session needs a column that was added: %s", message(err))
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
		return x.exec("TRUNCATE TABLE %s", w.at.sql())
	}
	for {
		err := x.exec("ALTER TABLE %s FLASHBACK TO (SNAPSHOT => %s)", w.at.sql(), sqltext.Quote(w.base))
		if !databend.IsCode(err, codeFlashbackBlocked) {
			return err
		}
		dropped, derr := x.unblock(w, message(err))
		if derr != nil {
			return derr
		}
		if !dropped {
			return err
		}
	}
}

// unblock drops the index or constraint that a 2747 names.
func (x *restorer) unblock(w *work, message string) (bool, error) {
	e, err := x.look(w.at)
	if err != nil || e == nil {
		return false, err
	}
	x.stale = true
	for _, i := range e.Indexes {
		if !says(message, i.Name) {
			continue
		}
		if !slices.ContainsFunc(w.was.Indexes, func(o Index) bool { return o.Name == i.Name && o.Type == i.Type }) && !x.r.kinds(w.was.ID, "INDEX") {
			return false, nil
		}
		return true, x.dropIndex(w.at, i)
	}
	for _, k := range e.Constraints {
		if !says(message, k.Name) {
			continue
		}
		if !slices.ContainsFunc(w.was.Constraints, func(o Constraint) bool { return o.Name == k.Name }) && !x.r.kinds(w.was.ID, "CONSTRAINT") {
			return false, nil
		}
		return true, x.exec("ALTER TABLE %s DROP CONSTRAINT %s", w.at.sql(), sqltext.Ident(k.Name))
	}
	if e.Unread || len(e.Constraints) == 0 {
		// system.constraints cannot be read while a CHECK names a renamed column: take the name from the message.
		if k := quotedName(message); k != "" && x.r.altered(w.was.ID) {
			return true, x.exec("ALTER TABLE %s DROP CONSTRAINT %s", w.at.sql(), sqltext.Ident(k))
		}
	}
	return false, nil
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

func message(err error) string {
	var e *databend.Error
	if asError(err, &e) {
		return e.Message
	}
	return err.Error()
}

// comments puts the comments of the moved tables right and goes back once more: a comment is a snapshot of its own, and
// survives FLASHBACK.
func (x *restorer) comments(ws []*work) error {
	var look []*work
	for _, w := range ws {
		if x.r.altered(w.was.ID) {
			look = append(look, w)
		}
	}
	if len(look) == 0 {
		return nil
	}
	objects := make([]sqltext.Object, len(look))
	for i, w := range look {
		objects[i] = w.at.object()
	}
	cat, err := readCatalog(x.ctx, x.c, objects, nil)
	if err != nil {
		return err
	}
	var again []*work
	for _, w := range look {
		e := cat.tables[w.at]
		if e == nil {
			x.hold(w.was.Object, "another session took it away during the restore")
			continue
		}
		x.live.tables[w.at] = e
		var set []string
		for _, c := range columnComments(w.was, e.Columns) {
			set = append(set, "COLUMN "+sqltext.Ident(c.Name)+" COMMENT "+sqltext.Quote(c.Comment))
		}
		if len(set) > 0 {
			if err := x.exec("ALTER TABLE %s MODIFY %s", w.at.sql(), strings.Join(set, ", ")); err != nil {
				return fmt.Errorf("comment columns of %s: %w", w.was.Object, err)
			}
		}
		if e.Comment != w.was.Comment {
			if err := x.exec("ALTER TABLE %s COMMENT = %s", w.at.sql(), sqltext.Quote(w.was.Comment)); err != nil {
				return fmt.Errorf("comment %s: %w", w.was.Object, err)
			}
		} else if len(set) == 0 {
			continue
		}
		if w.base != "" {
			again = append(again, w)
		}
	}
	if len(again) == 0 {
		return nil
	}
	// A transaction that was open all the time may have committed since: its rows are not flashed back over.
	if err := x.judge(again); err != nil {
		return err
	}
	for _, w := range again {
		if w.v.own > 0 || len(w.v.appended) > 0 || len(w.v.notes) > 0 || w.v.refuse != "" {
			continue
		}
		if err := x.flashback(w); err != nil && !databend.IsCode(err, codeVersionMismatch) {
			return fmt.Errorf("flash %s back: %w", w.was.Object, err)
		}
	}
	return nil
}

// Drain times: a writer that began before the fence is seen in system.processes, but for the instant between its start and
// its entry there.
const (
	drainLeast = 120 * time.Millisecond
	drainLook  = 50 * time.Millisecond
	drainMost  = 2 * time.Second
)

// drain waits until no statement of another session that began before the fence can still write the tables. A transaction
// that commits later than that is merged by the engine onto what it finds, not lost.
func (x *restorer) drain(ws []*work) (bool, error) {
	if x.drained {
		return true, nil
	}
	most := x.o.Drain
	if most <= 0 {
		most = drainMost
	}
	began := time.Now()
	words := map[string]bool{}
	for _, w := range ws {
		words[w.was.Name] = true
		words[w.at.table] = true
	}
	for _, e := range x.parked() {
		for _, o := range x.r.order {
			if o.Database == e.Database {
				words[o.Name] = true
			}
		}
	}
	for {
		rows, err := query(x.ctx, x.c, "select to_string(extra_info) from system.processes where extra_info <> ''")
		if err != nil && !databend.IsCode(err, codeNoProcesses) {
			return false, fmt.Errorf("look for running statements: %w", err)
		}
		busy := slices.ContainsFunc(rows, func(r []string) bool { return mayWrite(r[0], words) })
		switch passed := time.Since(began); {
		case !busy && passed >= drainLeast:
			x.drained = true // whatever was put aside by now: names frees all names first
			return true, nil
		case busy && passed >= most:
			return false, nil
		}
		pause := drainLook
		if !busy {
			pause = drainLeast - time.Since(began)
		}
		select {
		case <-x.ctx.Done():
			return false, x.ctx.Err()
		case <-time.After(pause):
		}
	}
}

// mayWrite reports whether a running statement may write one of the tables: it is not a reading one, and names the table or
// hides what it does.
func mayWrite(sql string, tables map[string]bool) bool {
	verb := strings.ToUpper(strings.TrimLeft(sql, " \t\r\n("))
	if i := strings.IndexFunc(verb, func(c rune) bool { return c < 'A' || c > 'Z' }); i >= 0 {
		verb = verb[:i]
	}
	switch verb {
	case "SELECT", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "LIST", "SET", "UNSET", "USE", "KILL", "VALUES":
		return false
	case "CALL", "EXECUTE", "COMMIT":
		return true
	}
	for t := range maps.Keys(tables) {
		if says(sql, t) {
			return true
		}
	}
	return false
}
