package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// unit runs a user's own BEGIN … COMMIT as one transaction, and returns its last statement.
func (r *Run) unit(ctx context.Context, p place) (int, error) {
	s := &r.plan.Steps[p.Step]
	last, _ := r.group(p)
	tables := r.know.fuse(r.plan.Steps, s.Statements[p.Statement:last.Statement+1])
	return last.Statement, r.transaction(ctx, p, last, tables)
}

// moved reports whether a DML statement that gave res made a snapshot.
func moved(st plan.Statement, res databend.Result) bool {
	if st.Effect.Copy {
		return slices.ContainsFunc(res.Rows, func(row databend.Row) bool { return len(row) > 1 && row[1].String != "0" })
	}
	return res.Affected > 0 || st.Effect.Commits
}

// errOvertaken says that another session committed to a table between the look at its head and our statement.
var errOvertaken = errors.New("another session wrote the table at the same moment")

// transaction runs attempts until no other session comes between; the last one takes what it finds.
func (r *Run) transaction(ctx context.Context, p, last place, tables []sqltext.Object) error {
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
func (r *Run) attempt(ctx context.Context, p, last place, tables []sqltext.Object, alone bool) (err error) {
	s := &r.plan.Steps[p.Step]
	if err := r.mark(ctx, p, nil); err != nil {
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
				r.dropWork()
			}
		}
	}()
	if user {
		_, err = r.sendNext(ctx, s, s.Statements[p.Statement])
	} else {
		_, err = r.own(ctx, "BEGIN")
	}
	if err != nil {
		return err
	}
	open = true
	heads, err := r.headsInside(ctx, tables)
	if databend.IsCode(err, databend.CodeUnknownTable, databend.CodeUnknownDatabase, databend.CodeStorageOther) {
		// A table that is not there, or has no snapshots: its statement says it better. Whatever else kept them from being read, a missing
		// right or a proxy that answered in the server's place, ours could not be told from another session's, and is not sent.
		if _, err := r.own(ctx, "ROLLBACK"); err != nil {
			return err
		}
		open = false
		return r.attempt(ctx, p, last, nil, false)
	}
	if err != nil {
		return err
	}
	ours, err := r.sendAll(ctx, s, s.Statements[p.Statement:last.Statement+1])
	if err != nil {
		return err
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
		res, err = r.sendNext(ctx, s, s.Statements[last.Statement])
	} else {
		res, err = r.work.Exec(ctx, databend.Statement{SQL: "COMMIT", ID: r.newID(), SendBy: r.lock.SendBy()})
	}
	if err != nil {
		err = placed(err, s.Statements[p.Statement])
	}
	if rollback {
		return err
	}
	return r.noteEnded(p, last, res.ID, err)
}

// sendAll sends the statements of a transaction but for its ends, and returns the tables that a snapshot of it is of.
func (r *Run) sendAll(ctx context.Context, s *plan.Step, statements []plan.Statement) (map[sqltext.Object]bool, error) {
	ours := map[sqltext.Object]bool{}
	for _, st := range statements {
		if st.Effect.Txn != "" {
			continue
		}
		if err := r.lock.Fresh(ctx); err != nil {
			return nil, err
		}
		res, err := r.sendDML(ctx, s, st)
		if err != nil {
			return nil, err
		}
		if moved(st, res) {
			for _, w := range st.Effect.Writes {
				ours[w.Object] = true
			}
		}
	}
	return ours, nil
}

// noteEnded notes the DML of a transaction whose COMMIT, of this query id, ended with err.
func (r *Run) noteEnded(p, last place, commit string, err error) error {
	for i := p.Statement; i <= last.Statement; i++ {
		st := r.plan.Steps[p.Step].Statements[i]
		if !st.Effect.DML {
			continue
		}
		if e := r.after(Ran{Place: place{p.Step, i}, At: r.marked.At}, st, commit, err); e != nil && refused(e) {
			return e
		}
	}
	return err
}

// journalSnapshot writes the transaction's own row, right before its COMMIT: errOvertaken and ErrRobbed say why it could not.
func (r *Run) journalSnapshot(
	ctx context.Context, p, last place, tables []sqltext.Object, heads map[sqltext.Object]string, alone bool,
) error {
	if err := r.lock.Fresh(ctx); err != nil {
		return err
	}
	s := &r.plan.Steps[p.Step]
	detail := r.snapshotDetail(p, last, tables, heads)
	res, err := r.own(ctx, r.lock.SnapshotSQL(s.Version, s.Direction, detail, notOvertaken(tables, heads, alone)))
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
func placed(err error, st plan.Statement) error {
	e, ok := errors.AsType[*databend.Error](err)
	if !ok || e.File != "" {
		return err
	}
	c := *e
	c.Place = st.Place
	return &c
}

// headsInside reads the heads of tables inside the transaction: table → snapshot id, "" for a never-written one.
func (r *Run) headsInside(ctx context.Context, tables []sqltext.Object) (map[sqltext.Object]string, error) {
	if len(tables) == 0 {
		return nil, nil
	}
	parts := make([]string, len(tables))
	for i, t := range tables {
		parts[i] = fmt.Sprintf("(SELECT %d::STRING, snapshot_id FROM fuse_snapshot(%s, %s) LIMIT 1)", i, sqltext.Quote(t.Database),
			sqltext.Quote(t.Name))
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
func (r *Run) snapshotDetail(p, last place, tables []sqltext.Object, heads map[sqltext.Object]string) string {
	parts := []string{sqltext.Quote(fmt.Sprintf("%d,%d,%d", p.Step, p.Statement, last.Statement))}
	for _, t := range tables {
		id := ""
		if was, ok := r.save.Base.Find(t); ok && was.Exists {
			id = was.ID
		}
		db, name, head := sqltext.Quote(t.Database), sqltext.Quote(t.Name), sqltext.Quote(heads[t])
		now := fmt.Sprintf("(SELECT snapshot_id, previous_snapshot_id FROM fuse_snapshot(%s, %s) LIMIT 1)", db, name)
		blocks := fmt.Sprintf("SELECT block_location FROM fuse_block(%s, %s) WHERE EXISTS "+
			"(SELECT 1 FROM %s WHERE coalesce(previous_snapshot_id, '')=%s)", db, name, now, head)
		if heads[t] != "" {
			blocks += fmt.Sprintf(" AND block_location NOT IN (SELECT block_location FROM fuse_block(%s, %s, %s))", db, name, head)
		}
		parts = append(parts, fmt.Sprintf("%s || coalesce((SELECT string_agg(x, ',') FROM "+
			"(SELECT snapshot_id AS x FROM %s WHERE snapshot_id<>%s UNION ALL %s)), '')",
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
		each = append(each, fmt.Sprintf("NOT EXISTS (SELECT 1 FROM (SELECT snapshot_id, previous_snapshot_id FROM fuse_snapshot(%s, %s) "+
			"LIMIT 1) "+
			"WHERE snapshot_id<>%s AND coalesce(previous_snapshot_id, '')<>%s)",
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
