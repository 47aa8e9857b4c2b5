package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// A migration that is one statement needs no savepoint: the statement is atomic, so either nothing of it is there or the migration is
// finished. When its answer is lost, or its process, the only question is whether it ran. For changes of a table's or view's
// existence and definition that can be seen: a look at the names that it writes, one cheap request before it, is kept in its mark
// and compared with a look afterwards.

// soleAlter are the ALTERs whose effect a look shows.
var soleAlter = regexp.MustCompile(`^ALTER TABLE (ADD COLUMN|DROP COLUMN|RENAME COLUMN|MODIFY COLUMN|COMMENT|CLUSTER BY|DROP CLUSTER KEY)`)

// sole reports whether step i is such a migration.
func (r *run) sole(i int) bool {
	s := r.plan.Steps[i]
	if r.plan.atomic || len(s.Statements) != 1 || i == r.start.Step && len(r.ran) > 0 {
		return false
	}
	e := s.Statements[0].Effect
	if e.Unknown || e.DML || e.Class != sqltext.Exact && e.Class != sqltext.Flashback || len(e.Writes) == 0 {
		return false
	}
	verbs := map[sqltext.Verb]int{}
	for _, w := range e.Writes {
		if w.Kind != sqltext.Table || w.IsStream {
			return false
		}
		verbs[w.Verb]++
	}
	switch {
	case len(e.Writes) == 2:
		return verbs[sqltext.RenameOut] == 1 && verbs[sqltext.RenameIn] == 1
	case len(e.Writes) != 1:
		return false
	case verbs[sqltext.Alter] == 1:
		return soleAlter.MatchString(e.Kind)
	}
	return verbs[sqltext.Create]+verbs[sqltext.CreateNew]+verbs[sqltext.Replace]+verbs[sqltext.Drop] == 1
}

// runSole runs step i, which is sole.
func (r *run) runSole(ctx context.Context, i int) error {
	p := place{i, 0}
	s := &r.plan.Steps[i]
	st := s.Statements[0]
	if r.plain(st, map[sqltext.Object]bool{}) {
		return r.statement(ctx, p) // in a group, whose members the catalogue tells apart without a look
	}
	before, err := r.look(ctx, st)
	if err != nil {
		return err
	}
	k := r.mark()
	k.Next, k.Last, k.Sole = p, p, before
	if err := r.lock.Mark(ctx, k); err != nil {
		return err
	}
	r.marked, r.markedAt = k, time.Now()
	r.flush()
	if err := r.lock.Fresh(ctx); err != nil {
		return err
	}
	res, err := r.send(ctx, s, st)
	if err != nil && refused(err) {
		return err
	}
	if err != nil {
		ran, unknown := r.soleRan(context.WithoutCancel(ctx), res.ID, st, before)
		if unknown != nil {
			r.undecided = fmt.Errorf("whether the statement ran is not known: %w", unknown)
			return err
		}
		if !ran {
			return err
		}
		r.m.note("info", "%s:%d: its answer was lost, but it ran", s.File, st.Line)
	}
	for _, w := range st.Effect.Writes {
		r.written[w.Object], r.dirty[w.Object] = true, true
	}
	return nil
}

// soleRan waits until the statement is over and looks whether it ran. It tries as long as the server is not heard.
func (r *run) soleRan(ctx context.Context, queryID string, st Statement, before string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := r.m.srv.Settle(ctx, queryID)
		var after string
		if err == nil {
			after, err = r.seeAll(ctx, st)
		}
		if err == nil {
			return after != before, nil
		}
		if !passing(err) {
			return false, err
		}
		if s := sleep(ctx, time.Second); s != nil {
			return false, err
		}
	}
}

// look is what there is under the names that a statement writes, as a digest; nothing is asked when that is known to be nothing.
func (r *run) look(ctx context.Context, st Statement) (string, error) {
	absent := !slices.ContainsFunc(st.Effect.Writes, func(w sqltext.Write) bool {
		was, known := r.latest.Find(w.Object)
		return !known || was.Exists || r.dirty[w.Object] || time.Since(r.seen[w.Object].read) > r.lock.TTL()/3
	})
	if absent {
		return digest(nil), nil
	}
	return r.seeAll(ctx, st)
}

// snapshotLocation changes with every commit of rows, of whoever.
var snapshotLocation = regexp.MustCompile(`SNAPSHOT_LOCATION='[^']*'`)

func (r *run) seeAll(ctx context.Context, st Statement) (string, error) {
	var tables, columns []string
	for _, w := range st.Effect.Writes {
		db, name := sqltext.Quote(w.Object.Database), sqltext.Quote(w.Object.Name)
		tables = append(tables, "(database="+db+" AND name="+name+")")
		columns = append(columns, "(database="+db+" AND `table`="+name+")")
	}
	res, err := r.m.store.Conn().Query(ctx, databend.Statement{
		SQL: "SELECT database || '.' || name, table_id::STRING, comment, cluster_by, table_option, '', '' FROM system.tables WHERE " + strings.Join(tables, " OR ") +
			" UNION ALL SELECT database || '.' || `table`, name, comment, type, default_kind, default_expression, is_nullable FROM system.columns WHERE " + strings.Join(columns, " OR "),
	})
	if err != nil {
		return "", fmt.Errorf("look at what a statement writes: %w", err)
	}
	var lines []string
	for _, row := range res.Rows {
		var b strings.Builder
		for _, v := range row {
			b.WriteString(snapshotLocation.ReplaceAllString(v.String, "") + "\x00")
		}
		lines = append(lines, b.String())
	}
	return digest(lines), nil
}

func digest(lines []string) string {
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:16])
}

// soleReached works out what became of a step that is one statement.
func (c *cutOff) soleReached(ctx context.Context) error {
	step := c.k.Next.Step
	after, err := c.seeAll(ctx, c.statementAt(c.k.Next))
	if err != nil {
		return err
	}
	c.ran, c.again, c.from, c.current = nil, savepoint.State{}, step, step
	if after != c.k.Sole {
		c.from, c.current = step+1, step+1
	}
	for i := range c.from {
		c.finished = append(c.finished, finished{step: i, began: time.Now()})
	}
	return nil
}
