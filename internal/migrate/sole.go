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
// existence and definition that can be seen: what moves or drops a name, by who is there afterwards; what replaces or alters,
// by a look before, which is kept in the mark, and one afterwards.

// What a look reads.
const (
	lookNames   = "names"   // nothing before; afterwards, which names are there
	lookTables  = "tables"  // ids, comments, cluster keys
	lookColumns = "columns" // their columns
)

// soleAlter are the ALTERs whose effect a look shows.
var soleAlter = regexp.MustCompile(`^ALTER TABLE (ADD COLUMN|DROP COLUMN|RENAME COLUMN|MODIFY COLUMN|COMMENT|CLUSTER BY|DROP CLUSTER KEY)`)

// lookOf is what shows whether a statement ran, "" when nothing does.
func lookOf(e sqltext.Effect) string {
	if e.Unknown || e.DML || e.Class != sqltext.Exact && e.Class != sqltext.Flashback {
		return ""
	}
	verbs := map[sqltext.Verb]int{}
	for _, w := range e.Writes {
		if w.Kind != sqltext.Table || w.IsStream {
			return ""
		}
		verbs[w.Verb]++
	}
	switch {
	case len(e.Writes) == 2 && verbs[sqltext.RenameOut] == 1 && verbs[sqltext.RenameIn] == 1, len(e.Writes) == 1 && verbs[sqltext.Drop] == 1:
		return lookNames
	case len(e.Writes) == 1 && verbs[sqltext.Create]+verbs[sqltext.CreateNew]+verbs[sqltext.Replace] == 1:
		return lookTables
	case len(e.Writes) == 1 && verbs[sqltext.Alter] == 1 && soleAlter.MatchString(e.Kind):
		if strings.HasSuffix(e.Kind, " COLUMN") {
			return lookColumns
		}
		return lookTables
	}
	return ""
}

// sole reports whether step i is such a migration.
func (r *run) sole(i int) bool {
	s := r.plan.Steps[i]
	if r.plan.atomic || len(s.Statements) != 1 || i == r.start.Step && len(r.ran) > 0 {
		return false
	}
	return lookOf(s.Statements[0].Effect) != ""
}

// runSole runs step i, which is sole.
func (r *run) runSole(ctx context.Context, i int) error {
	p := place{i, 0}
	s := &r.plan.Steps[i]
	st := s.Statements[0]
	if r.plain(st, map[sqltext.Object]bool{}) {
		return r.statement(ctx, p) // in a group, whose members the catalogue tells apart without a look
	}
	before, err := r.lookBefore(ctx, p)
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
	r.wrote(st)
	return nil
}

// soleRan waits until the statement is over and looks whether it ran. It tries as long as the server is not heard.
func (r *run) soleRan(ctx context.Context, queryID string, st Statement, before string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := r.m.srv.Settle(ctx, queryID)
		var ran bool
		if err == nil {
			ran, err = r.lookAfter(ctx, st, before)
		}
		if err == nil {
			return ran, nil
		}
		if !passing(err) {
			return false, err
		}
		if s := sleep(ctx, time.Second); s != nil {
			return false, err
		}
	}
}

// lookBefore is what there is under the names that the statement at p writes, as a digest. What the next steps will ask is asked
// with it, and not again within a third of the lease, unless this run writes it.
func (r *run) lookBefore(ctx context.Context, p place) (string, error) {
	st := r.statementAt(p)
	what := lookOf(st.Effect)
	if what == lookNames {
		return lookNames, nil
	}
	o := st.Effect.Writes[0].Object
	if g, ok := r.glances[glanced{what, o}]; ok && time.Since(g.read) < r.lock.TTL()/3 {
		return g.digest, nil
	}
	const few, ahead = 10, 30
	objects := []sqltext.Object{o}
	taken := map[sqltext.Object]bool{o: true}
	for i := p.Step + 1; i < len(r.plan.Steps) && i < p.Step+ahead && len(objects) < few; i++ {
		for _, next := range r.plan.Steps[i].Statements {
			for _, w := range next.Effect.Writes {
				if !taken[w.Object] && r.sole(i) && lookOf(next.Effect) == what && !r.plain(next, map[sqltext.Object]bool{}) {
					objects = append(objects, w.Object)
				}
				taken[w.Object] = true
			}
		}
	}
	digests, err := r.glance(ctx, what, objects)
	if err != nil {
		return "", err
	}
	for _, o := range objects {
		r.glances[glanced{what, o}] = aGlance{digests[o], time.Now()}
	}
	return digests[o], nil
}

// lookAfter reports whether the statement ran.
func (r *run) lookAfter(ctx context.Context, st Statement, before string) (bool, error) {
	what := lookOf(st.Effect)
	var objects []sqltext.Object
	for _, w := range st.Effect.Writes {
		objects = append(objects, w.Object)
	}
	if what != lookNames {
		now, err := r.glance(ctx, what, objects)
		return err == nil && now[objects[0]] != before, err
	}
	now, err := r.glance(ctx, lookTables, objects)
	if err != nil {
		return false, err
	}
	nothing := digest(nil)
	for _, w := range st.Effect.Writes {
		if there := now[w.Object] != nothing; there != (w.Verb == sqltext.RenameIn) {
			return false, nil
		}
	}
	return true, nil
}

// glanced is what was looked at, and aGlance what was seen when.
type glanced struct {
	what   string
	object sqltext.Object
}

type aGlance struct {
	digest string
	read   time.Time
}

// glance reads what there is under names: one request.
func (r *run) glance(ctx context.Context, what string, objects []sqltext.Object) (map[sqltext.Object]string, error) {
	column, from := "name", "name, table_id::STRING, comment, cluster_by FROM system.tables"
	if what == lookColumns {
		column, from = "`table`", "`table`, name, type, default_kind, default_expression, is_nullable, comment FROM system.columns"
	}
	var either []string
	for _, o := range objects {
		either = append(either, "database="+sqltext.Quote(o.Database)+" AND "+column+"="+sqltext.Quote(o.Name))
	}
	res, err := r.m.store.Conn().Query(ctx, databend.Statement{SQL: "SELECT database, " + from + " WHERE " + strings.Join(either, " OR ")})
	if err != nil {
		return nil, fmt.Errorf("look at what a statement writes: %w", err)
	}
	lines := map[sqltext.Object][]string{}
	for _, row := range res.Rows {
		var b strings.Builder
		for _, v := range row {
			b.WriteString(v.String + "\x00")
		}
		o := sqltext.Object{Kind: sqltext.Table, Database: row[0].String, Name: row[1].String}
		lines[o] = append(lines[o], b.String())
	}
	out := map[sqltext.Object]string{}
	for _, o := range objects {
		out[o] = digest(lines[o])
	}
	return out, nil
}

func digest(lines []string) string {
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:16])
}

// soleReached works out what became of a step that is one statement.
func (c *cutOff) soleReached(ctx context.Context) error {
	step := c.k.Next.Step
	ran, err := c.lookAfter(ctx, c.statementAt(c.k.Next), c.k.Sole)
	if err != nil {
		return err
	}
	c.ran, c.again, c.from, c.current = nil, savepoint.State{}, step, step
	if ran {
		c.from, c.current = step+1, step+1
	}
	for i := range c.from {
		c.finished = append(c.finished, finished{step: i, began: time.Now()})
	}
	return nil
}
