package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
	"github.com/dbctl/dbctl/internal/state"
)

// id is the next query id: all of a run begin alike, so that what is still under way can be found.
func (r *run) id() string {
	r.sent++
	return fmt.Sprintf("%s%08x", r.prefix, r.sent)
}

// send sends one statement of the migration.
func (r *run) send(ctx context.Context, s *Step, st Statement) (databend.Result, error) {
	stmt := databend.Statement{
		SQL: st.SQL, Secrets: r.secrets, ID: r.id(), File: s.File, Line: st.Line, Column: st.Column, PosOf: st.Pos, SendBy: r.lock.SendBy(),
	}
	do := r.work.Exec
	if st.Effect.Copy { // what it loaded stands in its rows
		do = r.work.Query
	}
	res, err := do(ctx, stmt)
	r.ids = append(r.ids, res.ID)
	return res, err
}

// own sends one statement of ours over the migration's session.
func (r *run) own(ctx context.Context, text string) (databend.Result, error) {
	return r.work.Query(ctx, databend.Statement{SQL: text, ID: r.id()})
}

// moved reports whether a DML statement that gave res made a snapshot.
func moved(st Statement, res databend.Result) bool {
	if st.Effect.Copy {
		return slices.ContainsFunc(res.Rows, func(row databend.Row) bool { return len(row) > 1 && row[1].String != "0" })
	}
	return res.Affected > 0 || st.Effect.Commits
}

// statement marks, and runs one statement outside of a user's transaction.
func (r *run) statement(ctx context.Context, p place) error {
	s := &r.plan.Steps[p.Step]
	st := s.Statements[p.Statement]
	if st.Effect.Class == effect.None && !st.Effect.Unknown {
		// It writes nothing: nothing to put back.
		if err := r.lock.Fresh(ctx); err != nil {
			return err
		}
		_, err := r.send(ctx, s, st)
		return err
	}
	if st.Effect.DML {
		if ts := r.fuse([]Statement{st}); len(ts) > 0 {
			return r.transaction(ctx, p, p, ts)
		}
	}
	heads, err := r.heads(ctx, st)
	if err != nil {
		return err
	}
	this, err := r.ahead(ctx, p, heads)
	if err != nil {
		return err
	}
	if err := r.lock.Fresh(ctx); err != nil {
		return err
	}
	res, err := r.send(ctx, s, st)
	return r.after(this, st, res.ID, err)
}

// after notes what ran. A statement that the server refused did not: every single one is atomic, but not a script.
func (r *run) after(this ran, st Statement, queryID string, err error) error {
	if err != nil && !st.Effect.Script && refused(err) {
		return err
	}
	this.maybe, this.id = err != nil, queryID
	r.ran = append(r.ran, this)
	r.wrote(st)
	return err
}

// wrote notes that what was known of the objects that a statement writes is out of date: of all, when its effect is unknown; with
// a database of its tables.
func (r *run) wrote(st Statement) {
	stale := func(o sqltext.Object) {
		r.written[o], r.dirty[o] = true, true
	}
	databases := map[string]bool{}
	for _, w := range st.Effect.Writes {
		stale(w.Object)
		databases[w.Name] = databases[w.Name] || w.Kind == sqltext.Database
	}
	for _, o := range r.latest.Objects {
		if st.Effect.Unknown || o.Kind == sqltext.Table && databases[o.Database] {
			stale(o.Object)
		}
	}
}

// refused reports whether err is the server's own word that a statement failed, or that it was never sent.
func refused(err error) bool {
	e, ok := errors.AsType[*databend.Error](err)
	if !ok {
		return false
	}
	switch e.Kind {
	case databend.KindUnknown, databend.KindCanceled, databend.KindTimeout:
		return false
	case databend.KindUnreachable, databend.KindAuth:
		return true
	}
	return e.Code != 0
}

// heads reads the heads of the tables that a statement alters and that hold data, right before it, unless they were captured just now.
func (r *run) heads(ctx context.Context, st Statement) (map[string]string, error) {
	var tables []sqltext.Object
	for _, w := range st.Effect.Writes {
		was, known := r.base.Find(w.Object)
		known = known && was.Exists && was.Head != ""
		recent := !r.dirty[w.Object] && time.Since(r.seen[w.Object].read) < fresh
		if w.Kind == sqltext.Table && (w.Verb == effect.Alter || w.Verb == effect.WriteData) && known && !recent {
			tables = append(tables, w.Object)
		}
	}
	if len(tables) == 0 {
		return nil, nil
	}
	return savepoint.Heads(ctx, r.m.store.Conn(), tables)
}

// fuse are the tables that statements change and that have snapshots.
func (r *run) fuse(statements []Statement) []sqltext.Object {
	seen := map[sqltext.Object]bool{}
	var out []sqltext.Object
	for _, st := range statements {
		for _, w := range st.Effect.Writes {
			if w.Kind != sqltext.Table || w.Verb != effect.WriteData || seen[w.Object] {
				continue
			}
			seen[w.Object] = true
			was, known := r.base.Find(w.Object)
			switch {
			case known && was.Exists && !r.written[w.Object]:
				if strings.EqualFold(was.Engine, "FUSE") {
					out = append(out, w.Object)
				}
			case r.engineMade(w.Object) == "FUSE":
				out = append(out, w.Object)
			}
		}
	}
	return out
}

// engineMade is the engine of a table that this run made.
func (r *run) engineMade(o sqltext.Object) string {
	engine := "FUSE"
	for _, s := range r.plan.Steps {
		for _, st := range s.Statements {
			for _, w := range st.Effect.Writes {
				if w.Object == o && (w.Verb == effect.Create || w.Verb == effect.Replace || w.Verb == effect.CreateNew) {
					engine = cmp.Or(w.Engine, "FUSE")
				}
			}
		}
	}
	return engine
}

// unit runs a user's own BEGIN … COMMIT as one transaction, and returns its last statement.
func (r *run) unit(ctx context.Context, p place) (int, error) {
	s := &r.plan.Steps[p.Step]
	last := p
	for last.Statement+1 < len(s.Statements) && s.Statements[last.Statement+1].Unit == s.Statements[p.Statement].Unit {
		last.Statement++
	}
	tables := r.fuse(s.Statements[p.Statement : last.Statement+1])
	return last.Statement, r.transaction(ctx, p, last, tables)
}

// errOvertaken says that another session committed to a table between the look at its head and our statement.
var errOvertaken = errors.New("another session wrote the table at the same moment")

// transaction runs attempts until no other session comes between; the last one takes what it finds.
func (r *run) transaction(ctx context.Context, p, last place, tables []sqltext.Object) error {
	for range 10 {
		if err := r.attempt(ctx, p, last, tables, true); !errors.Is(err, errOvertaken) || r.work == nil {
			return err
		}
	}
	return r.attempt(ctx, p, last, tables, false)
}

// attempt runs the DML from p to last, which is p itself or a user's BEGIN … COMMIT, in one transaction with a journal row
// that says which snapshots and blocks are ours: what is known of them is then exact even after a kill. That row is only written
// while the lock is ours and, when alone is set, if no other session committed to the tables since their heads were read:
// else theirs could not be told from ours, and the attempt is undone with errOvertaken.
func (r *run) attempt(ctx context.Context, p, last place, tables []sqltext.Object, alone bool) (err error) {
	s := &r.plan.Steps[p.Step]
	this, err := r.ahead(ctx, p, nil)
	if err != nil {
		return err
	}
	if err := r.lock.Fresh(ctx); err != nil {
		return err
	}
	user := p != last || s.Statements[p.Statement].Effect.Txn == "BEGIN"
	open := false
	defer func() {
		if err != nil && open {
			// Nothing of it is committed; the session may be of no more use, and is closed then.
			if _, rb := r.own(context.WithoutCancel(ctx), "ROLLBACK"); rb != nil {
				_ = r.work.Close()
				r.work = nil
			}
		}
	}()
	if user {
		_, err = r.send(ctx, s, s.Statements[p.Statement])
	} else {
		_, err = r.own(ctx, "BEGIN")
	}
	if err != nil {
		return err
	}
	open = true
	heads, err := r.headsInside(ctx, tables)
	if err != nil && refused(err) {
		// A table that is not there, or has no snapshots: its statement says it better.
		if _, err := r.own(ctx, "ROLLBACK"); err != nil {
			return err
		}
		open = false
		return r.attempt(ctx, p, last, nil, false)
	}
	if err != nil {
		return err
	}
	from, to := p.Statement, p.Statement
	ours := map[sqltext.Object]bool{} // tables that a snapshot of this transaction is of
	if user {
		from, to = p.Statement+1, last.Statement-1
	}
	for i := from; i <= to; i++ {
		if err := r.lock.Fresh(ctx); err != nil {
			return err
		}
		res, err := r.send(ctx, s, s.Statements[i])
		if err != nil {
			return err
		}
		if moved(s.Statements[i], res) {
			for _, w := range s.Statements[i].Effect.Writes {
				ours[w.Object] = true
			}
		}
	}
	// A snapshot of another table that is new now is another session's.
	tables = slices.DeleteFunc(tables, func(o sqltext.Object) bool { return !ours[o] })
	rollback := user && s.Statements[last.Statement].Effect.Txn == "ROLLBACK"
	if !rollback {
		if err := r.journalSnapshot(ctx, p, last, tables, heads, alone); err != nil {
			return err
		}
	}
	open = false
	var res databend.Result
	if user {
		res, err = r.send(ctx, s, s.Statements[last.Statement])
	} else {
		res, err = r.work.Exec(ctx, databend.Statement{SQL: "COMMIT", ID: r.id(), SendBy: r.lock.SendBy()})
	}
	if err != nil {
		err = placed(err, s, s.Statements[p.Statement])
	}
	if rollback {
		return err
	}
	for i := p.Statement; i <= last.Statement; i++ {
		st := s.Statements[i]
		if !st.Effect.DML {
			continue
		}
		this.Place = place{p.Step, i}
		if e := r.after(this, st, res.ID, err); e != nil && refused(e) {
			return e
		}
	}
	return err
}

// journalSnapshot writes the transaction's own row, right before its COMMIT: errOvertaken and ErrRobbed say why it could not.
func (r *run) journalSnapshot(ctx context.Context, p, last place, tables []sqltext.Object, heads map[sqltext.Object]string, alone bool) error {
	if err := r.lock.Fresh(ctx); err != nil {
		return err
	}
	s := &r.plan.Steps[p.Step]
	res, err := r.own(ctx, r.lock.SnapshotSQL(s.Version, s.Direction, r.snapshotDetail(p, last, tables, heads), notOvertaken(tables, heads, alone)))
	if err != nil {
		return fmt.Errorf("journal the transaction: %w", err)
	}
	if res.Affected != 1 {
		if alone && len(tables) > 0 && r.lock.Fresh(ctx) == nil {
			return errOvertaken
		}
		return state.ErrRobbed
	}
	// The row's condition was judged when it was written, not at the COMMIT: between the two this process may have been stopped.
	return r.lock.Fresh(ctx)
}

// placed gives an error of ours about a statement, a COMMIT that met a conflict, the statement's place in the file.
func placed(err error, s *Step, st Statement) error {
	e, ok := errors.AsType[*databend.Error](err)
	if !ok || e.File != "" {
		return err
	}
	c := *e
	c.File, c.Line, c.Column = cmp.Or(s.File, "journal"), st.Line, st.Column
	return &c
}

// headsInside reads the heads of tables inside the transaction: table → snapshot id, "" for a never-written one.
func (r *run) headsInside(ctx context.Context, tables []sqltext.Object) (map[sqltext.Object]string, error) {
	if len(tables) == 0 {
		return nil, nil
	}
	parts := make([]string, len(tables))
	for i, t := range tables {
		parts[i] = fmt.Sprintf("(SELECT %d::STRING, snapshot_id FROM fuse_snapshot(%s, %s) LIMIT 1)", i, sqltext.Quote(t.Database), sqltext.Quote(t.Name))
	}
	res, err := r.own(ctx, strings.Join(parts, " UNION ALL "))
	if err != nil {
		return nil, fmt.Errorf("read the tables' heads: %w", err)
	}
	out := map[sqltext.Object]string{}
	for _, row := range res.Rows {
		var i int
		if _, err := fmt.Sscan(row[0].String, &i); err == nil && i < len(tables) {
			out[tables[i]] = row[1].String
		}
	}
	return out, nil
}

// snapshotDetail is the SQL expression of what a transaction wrote: its statements, and behind a semicolon for each table its
// id, its head before, and, if that moved, the head after and the names of the blocks that are new. When the head moved further
// than by this transaction, somebody committed in between: then the blocks are not told, since theirs would be among them.
func (r *run) snapshotDetail(p, last place, tables []sqltext.Object, heads map[sqltext.Object]string) string {
	parts := []string{sqltext.Quote(fmt.Sprintf("%d,%d,%d", p.Step, p.Statement, last.Statement))}
	for _, t := range tables {
		id := ""
		if was, ok := r.base.Find(t); ok && was.Exists {
			id = was.ID
		}
		db, name, head := sqltext.Quote(t.Database), sqltext.Quote(t.Name), sqltext.Quote(heads[t])
		now := fmt.Sprintf("(SELECT snapshot_id, previous_snapshot_id FROM fuse_snapshot(%s, %s) LIMIT 1)", db, name)
		blocks := fmt.Sprintf("SELECT block_location FROM fuse_block(%s, %s) WHERE EXISTS (SELECT 1 FROM %s WHERE coalesce(previous_snapshot_id, '')=%s)", db, name, now, head)
		if heads[t] != "" {
			blocks += fmt.Sprintf(" AND block_location NOT IN (SELECT block_location FROM fuse_block(%s, %s, %s))", db, name, head)
		}
		parts = append(parts, fmt.Sprintf("%s || coalesce((SELECT string_agg(x, ',') FROM (SELECT snapshot_id AS x FROM %s WHERE snapshot_id<>%s UNION ALL %s)), '')",
			sqltext.Quote(";"+id+","+heads[t]+","), now, head, blocks))
	}
	return strings.Join(parts, " || ")
}

// notOvertaken is the condition that the snapshot of each table stands on the head that was read; "" when it need not be so.
func notOvertaken(tables []sqltext.Object, heads map[sqltext.Object]string, alone bool) string {
	if !alone {
		return ""
	}
	var each []string
	for _, t := range tables {
		head := sqltext.Quote(heads[t])
		each = append(each, fmt.Sprintf("NOT EXISTS (SELECT 1 FROM (SELECT snapshot_id, previous_snapshot_id FROM fuse_snapshot(%s, %s) LIMIT 1) WHERE snapshot_id<>%s AND coalesce(previous_snapshot_id, '')<>%s)",
			sqltext.Quote(t.Database), sqltext.Quote(t.Name), head, head))
	}
	return strings.Join(each, " AND ")
}

// wroteRows is what a journal row of snapshotDetail says.
type wroteRows struct {
	step, from, last int
	heads            map[string]string // table id → head before
	own              []string
}

func parseSnapshot(detail string) (wroteRows, error) {
	w := wroteRows{heads: map[string]string{}}
	fields := strings.Split(detail, ";")
	if _, err := fmt.Sscanf(fields[0], "%d,%d,%d", &w.step, &w.from, &w.last); err != nil {
		return w, fmt.Errorf("read the journal's snapshot row %q: %w", detail, err)
	}
	for _, f := range fields[1:] {
		parts := strings.Split(f, ",")
		if len(parts) < 2 {
			return w, fmt.Errorf("read the journal's snapshot row %q: too short", detail)
		}
		if parts[0] != "" && parts[1] != "" {
			w.heads[parts[0]] = parts[1]
		}
		for _, o := range parts[2:] {
			if o != "" {
				w.own = append(w.own, o)
			}
		}
	}
	return w, nil
}
