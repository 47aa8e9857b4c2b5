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
	s := &r.plan.Steps[i]
	st := s.Statements[0]
	if k := r.marked; k.Sole == nil || i < k.Next.Step || i > k.Last.Step || time.Since(r.markedAt) >= r.lock.TTL()/3 {
		if err := r.markSole(ctx, i); err != nil {
			return err
		}
	}
	before := r.marked.Sole[i-r.marked.Next.Step]
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

// markSole marks step i, and with it those behind it that are sole, write other names, and need no look of their own. How far a group
// came shows by the last of them whose look changed. So what can look as if it had run before it did, a DROP or RENAME, or may
// change nothing, a CREATE IF NOT EXISTS, stands only at the beginning of a group.
func (r *run) markSole(ctx context.Context, i int) error {
	first, err := r.lookBefore(ctx, i)
	if err != nil {
		return err
	}
	k := r.mark()
	k.Next, k.Last, k.Sole = place{i, 0}, place{i, 0}, []string{first}
	taken := map[sqltext.Object]bool{}
	for j := i; ; {
		for _, w := range r.plan.Steps[j].Statements[0].Effect.Writes {
			taken[w.Object] = true
		}
		if j++; j >= len(r.plan.Steps) || j-i >= groupLimit || !r.sole(j) {
			break
		}
		digest, known := r.known(j)
		e := r.plan.Steps[j].Statements[0].Effect
		if lookOf(e) == lookNames || e.Writes[0].Verb == sqltext.CreateNew {
			break
		}
		if !known || slices.ContainsFunc(e.Writes, func(w sqltext.Write) bool { return taken[w.Object] }) {
			break
		}
		k.Last.Step = j
		k.Sole = append(k.Sole, digest)
	}
	if err := r.lock.Mark(ctx, k); err != nil {
		return err
	}
	r.marked, r.markedAt = k, time.Now()
	r.flush()
	return nil
}

// known is what there is under the name that step i writes, if that is known without asking.
func (r *run) known(i int) (string, bool) {
	st := r.plan.Steps[i].Statements[0]
	what := lookOf(st.Effect)
	o := st.Effect.Writes[0].Object
	if what == lookNames || r.plain(st, map[sqltext.Object]bool{}) {
		return nothing, true
	}
	g, ok := r.glances[glanced{what, o}]
	return g.digest, ok && time.Since(g.read) < r.lock.TTL()/3
}

// soleRan waits until the statement is over and looks whether it ran. It tries as long as the server is not heard.
func (r *run) soleRan(ctx context.Context, queryID string, st Statement, before string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := r.m.srv.Settle(ctx, queryID)
		var ran []bool
		if err == nil {
			ran, err = r.lookAfter(ctx, []Statement{st}, []string{before})
		}
		if err == nil {
			return ran[0], nil
		}
		if !passing(err) {
			return false, err
		}
		if s := sleep(ctx, time.Second); s != nil {
			return false, err
		}
	}
}

// lookBefore is what there is under the names that step i writes, as a digest. What the next steps will ask is asked with it, and not
// again within a third of the lease, unless this run writes it.
func (r *run) lookBefore(ctx context.Context, i int) (string, error) {
	if digest, ok := r.known(i); ok {
		return digest, nil
	}
	st := r.plan.Steps[i].Statements[0]
	what, o := lookOf(st.Effect), st.Effect.Writes[0].Object
	const few, ahead = 10, 30
	objects := []sqltext.Object{o}
	taken := map[sqltext.Object]bool{o: true}
	for j := i + 1; j < len(r.plan.Steps) && j < i+ahead && len(objects) < few; j++ {
		for _, next := range r.plan.Steps[j].Statements {
			for _, w := range next.Effect.Writes {
				if !taken[w.Object] && r.sole(j) && lookOf(next.Effect) == what && !r.plain(next, map[sqltext.Object]bool{}) {
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

// lookAfter reports of statements, each with what there was before, which ran: two requests at most.
func (r *run) lookAfter(ctx context.Context, statements []Statement, before []string) ([]bool, error) {
	objects := map[string][]sqltext.Object{}
	source := func(st Statement) string {
		if lookOf(st.Effect) == lookColumns {
			return lookColumns
		}
		return lookTables
	}
	for _, st := range statements {
		for _, w := range st.Effect.Writes {
			objects[source(st)] = append(objects[source(st)], w.Object)
		}
	}
	now := map[string]map[sqltext.Object]string{}
	for what, os := range objects {
		var err error
		if now[what], err = r.glance(ctx, what, os); err != nil {
			return nil, err
		}
	}
	ran := make([]bool, len(statements))
	for i, st := range statements {
		see := now[source(st)]
		if lookOf(st.Effect) != lookNames {
			ran[i] = see[st.Effect.Writes[0].Object] != before[i]
			continue
		}
		ran[i] = !slices.ContainsFunc(st.Effect.Writes, func(w sqltext.Write) bool {
			return (see[w.Object] != nothing) != (w.Verb == sqltext.RenameIn)
		})
	}
	return ran, nil
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
	// Planning many ORs takes longer than reading all of a database.
	const many = 20
	var either []string
	for _, o := range objects {
		filter := "database=" + sqltext.Quote(o.Database)
		if len(objects) < many {
			filter += " AND " + column + "=" + sqltext.Quote(o.Name)
		}
		if !slices.Contains(either, filter) {
			either = append(either, filter)
		}
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

// nothing is the digest of nothing.
const nothing = ""

func digest(lines []string) string {
	if len(lines) == 0 {
		return nothing
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:16])
}

// soleReached works out which of the steps that a mark covers ran: those up to the last one that shows.
func (c *cutOff) soleReached(ctx context.Context) error {
	var statements []Statement
	for i := c.k.Next.Step; i <= c.k.Last.Step; i++ {
		statements = append(statements, c.plan.Steps[i].Statements[0])
	}
	if len(statements) != len(c.k.Sole) {
		return fmt.Errorf("read the mark of run %s: it covers %d steps and describes %d", c.left.ID, len(statements), len(c.k.Sole))
	}
	ran, err := c.lookAfter(ctx, statements, c.k.Sole)
	if err != nil {
		return err
	}
	next := c.k.Next.Step
	for i, did := range ran {
		if did {
			next = c.k.Next.Step + i + 1
		}
	}
	c.ran, c.again, c.from, c.current = nil, savepoint.State{}, next, next
	for i := range next {
		c.finished = append(c.finished, finished{step: i, began: time.Now()})
	}
	return nil
}
