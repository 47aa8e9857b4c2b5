package blame

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Moves reports whether the table has to go back to its base: something of ours is above it, and nothing but ours would go.
func (v Verdict) Moves() bool {
	return v.Own > 0 || v.idle > 0 && len(v.Appended) == 0 && len(v.Notes) == 0
}

// Verdict says whose the snapshots above a table's base are.
type Verdict struct {
	Own      int      // how many are ours
	idle     int      // how many changed neither rows nor columns, and may be ours: comments, statistics
	Appended []int    // indexes of others' appends, newest first: their rows are kept
	Refuse   string   // why the table must be left as it is: somebody else changed it in a way that cannot be kept
	Chain    Chain    // with blocks where they were needed
	loaded   bool     // blocks were read
	Notes    []string // what others did that changes no rows
}

// change is what a snapshot did, told from its predecessor.
type change struct {
	columns bool
	cluster bool // the cluster key
	lost    bool // rows of the predecessor were rewritten or deleted
	grew    bool // rows were added
}

func (c change) schema() bool  { return c.columns || c.cluster }
func (c change) nothing() bool { return !c.schema() && !c.lost && !c.grew }

// Attribute tells ours from theirs among the snapshots above the base. A statement in a transaction has journaled what it
// wrote (Own): that is exact. A DDL commits by itself; its snapshot is the one after the head read right before it that did
// what such a statement does. An append that is not journaled is never ours. first says that the table's first snapshot
// comes from its own CREATE TABLE … AS SELECT.
// A table whose snapshots cannot be read is left as it is.
func (r *Reach) Attribute(ctx context.Context, c catalog.Conn, ch Chain, token string, first bool) (Verdict, error) {
	v, err := r.attribute(ctx, c, ch, token, first)
	if databend.IsAnswered(err) {
		ch.unread, err = databend.Message(err), nil
	}
	if ch.unread != "" {
		v = Verdict{Chain: ch, Refuse: "its snapshots cannot be read (" + ch.unread + ")"}
	}
	return v, err
}

// attribution is an Attribute under way.
type attribution struct {
	*Reach
	ctx     context.Context
	c       catalog.Conn
	touches []Touch
	first   bool
	own     map[string]bool // snapshots and blocks that transactions of ours journaled
	seen    map[int]bool    // statements whose snapshot has its journaled id
	added   int             // index of the last snapshot of an ALTER of ours that changed columns,
	adds    []define.Column // and its columns
	v       Verdict
}

func (r *Reach) attribute(ctx context.Context, c catalog.Conn, ch Chain, token string, first bool) (Verdict, error) {
	a := attribution{
		Reach: r, ctx: ctx, c: c, touches: r.Touched[token], first: first, own: map[string]bool{}, seen: map[int]bool{}, v: Verdict{Chain: ch},
	}
	for _, t := range a.touches {
		for _, x := range r.Statements[t.Statement].Own {
			a.own[x] = true
			if ch.Index(x) >= 0 {
				a.seen[t.Statement] = true
			}
		}
	}
	windows := a.windows(token)
	for k, w := range windows {
		to := 0
		if k+1 < len(windows) {
			to = windows[k+1].from
		}
		for at := w.from - 1; at >= to; at-- {
			if err := a.judge(w, at); err != nil {
				return a.v, err
			}
		}
	}
	slices.Sort(a.v.Appended)
	if len(a.v.Appended) > 0 {
		return a.v, a.blocks()
	}
	return a.v, nil
}

// window is a part of the chain, from a statement's head to the next one's, and the statements that can have made what is in it.
type window struct {
	from    int // index of the head it begins after: it holds the snapshots below it in the slice
	touches []Touch
	used    map[int]bool // DDL statements whose snapshot was found
}

// windows are cut by the heads of the statements in the chain; where a head is not known or no longer in the chain, the statement shares
// the window before.
func (a *attribution) windows(token string) []window {
	out := []window{{from: a.v.Chain.Base, used: map[int]bool{}}}
	for _, t := range a.touches {
		if h := a.Statements[t.Statement].Heads[token]; h != "" {
			if at := a.v.Chain.Index(h); at >= 0 && at < out[len(out)-1].from {
				out = append(out, window{from: at, used: map[int]bool{}})
			}
		}
		w := &out[len(out)-1]
		w.touches = append(w.touches, t)
	}
	return out
}

// blocks reads the names of the chain's blocks, once.
func (a *attribution) blocks() error {
	if a.v.loaded {
		return nil
	}
	a.v.loaded = true
	return a.v.Chain.readBlocks(a.ctx, a.c)
}

// did is what the snapshot at an index did.
func (a *attribution) did(at int) (change, error) {
	s, prev := a.v.Chain.Snapshots[at], a.v.Chain.prev(at)
	out := change{columns: !sameFields(s.Fields, prev.Fields), cluster: s.cluster != prev.cluster}
	if prev.ID == "" {
		out = change{} // nothing to compare with: the table's first snapshot
	}
	if contains(s.Segments, prev.Segments) {
		out.grew = len(s.Segments) > len(prev.Segments)
		return out, nil
	}
	if err := a.blocks(); err != nil {
		return out, err
	}
	out.grew, out.lost = len(a.v.Chain.Added(at)) > 0, len(a.v.Chain.gone(at)) > 0
	return out, nil
}

// judge says whose the snapshot at an index is.
func (a *attribution) judge(w window, at int) error {
	v := &a.v
	s, prev := v.Chain.Snapshots[at], v.Chain.prev(at)
	if a.own[s.ID] || a.first && at == len(v.Chain.Snapshots)-1 {
		v.Own++
		return nil
	}
	unwritten := v.Chain.Base == len(v.Chain.Snapshots) // at the capture, so that no FLASHBACK empties it
	if at == 0 && unwritten && catalog.IsAside(v.Chain.At.Table) && len(s.Segments) == 0 && len(prev.Segments) > 0 {
		v.Own++ // a restore emptied it: nobody else knows it by this name
		return nil
	}
	ch, err := a.did(at)
	if err != nil {
		return err
	}
	if ch.nothing() { // a comment, statistics, DELETE without WHERE on an empty table: nothing is lost with it
		if len(w.touches) > 0 {
			v.idle++
		}
		return nil
	}
	if len(a.own) > 0 && ch.grew {
		if err := a.blocks(); err != nil {
			return err
		}
		if slices.ContainsFunc(v.Chain.Added(at), func(b string) bool { return a.own[b] }) {
			v.Own++ // merged with another's commit under a new id
			return nil
		}
	}
	if ch.grew && !ch.lost && !ch.schema() {
		v.Appended = append(v.Appended, at)
		return nil
	}
	var adds []define.Column
	if a.added == at+1 {
		adds = a.adds
	}
	if i, ok := a.explains(w.touches, w.used, a.seen, ch, s, prev); ok {
		w.used[i] = true
		v.Own++
		for _, t := range w.touches {
			if t.Statement == i && ch.columns {
				a.added, a.adds = at, t.Write.Columns
			}
		}
		return nil
	}
	same, err := a.rearranged(at, ch, adds)
	switch {
	case err != nil:
		return err
	case same && len(adds) > 0: // the engine fills in a default that is another for each row behind ADD COLUMN
		v.Own++
	case same:
		v.Notes = append(v.Notes, "compacted by another session")
	default:
		v.Refuse = "another session " + describe(ch, s, prev)
	}
	return nil
}

// explains finds a statement of the window that can have made this change and whose snapshot was not found yet.
func (r *Reach) explains(touches []Touch, used, seen map[int]bool, ch change, s, prev Snapshot) (int, bool) {
	for _, t := range touches {
		i, w := t.Statement, t.Write
		repeats := w.Changes(effect.Layout) // may commit many times
		if used[i] && !repeats {
			continue
		}
		if r.Statements[i].Effect.DML {
			// In a transaction: ours only by what it journaled, and a deletion leaves no block to know it by after a merge.
			if ch.schema() || ch.grew || len(r.Statements[i].Own) == 0 || seen[i] {
				continue
			}
			return i, true
		}
		switch {
		case ch.columns && (!w.Changes(effect.Columns) || !named(w, s.Fields, prev.Fields)):
		case ch.cluster && !w.Changes(effect.Columns|effect.Cluster):
		case !ch.schema() && ch.lost && !repeats && !(w.Changes(effect.Rows) && !w.Changes(effect.Columns) && len(s.Segments) == 0):
			// Of all DDL only TRUNCATE loses rows.
		default:
			return i, true
		}
	}
	return 0, false
}

// named reports whether the statement names each column that differs: a change of another one is not taken for ours. One that names
// none, ALTER TABLE … FLASHBACK, may change any.
func named(w effect.Write, now, then []Field) bool {
	names := func(name string) bool { return len(w.Columns) == 0 || w.Names(name) }
	was := map[int]Field{}
	for _, f := range then {
		was[f.ID] = f
	}
	for _, f := range now {
		old, ok := was[f.ID]
		delete(was, f.ID)
		if !(ok && old.same(f)) && !names(f.Name) {
			return false
		}
	}
	for _, f := range was {
		if !names(f.Name) {
			return false
		}
	}
	return true
}

// rearranged reports whether a snapshot that rewrote blocks holds the very same rows: a compaction. The rows are compared as
// multisets, by count and two sums of hashes, but for those of the columns that the engine filled.
func (a *attribution) rearranged(at int, ch change, but []define.Column) (bool, error) {
	v := &a.v
	s, prev := v.Chain.Snapshots[at], v.Chain.prev(at)
	if ch.schema() || !ch.lost || s.rows != prev.rows {
		return false, nil
	}
	if err := a.blocks(); err != nil {
		return false, err
	}
	sum := func(s Snapshot, names []string) string {
		if len(names) == 0 {
			return "select '0', '0', '0'"
		}
		cols := make([]string, 0, len(s.Fields))
		for _, f := range s.Fields {
			if !f.IsFilled() || !slices.ContainsFunc(but, func(c define.Column) bool { return strings.EqualFold(c.Name, f.Name) }) {
				cols = append(cols, sqltext.Quote(f.Name)+", "+sqltext.Ident(f.Name))
			}
		}
		row := "to_string(json_object_keep_null(" + strings.Join(cols, ", ") + "))"
		return fmt.Sprintf("select to_string(count(*)), to_string(sum(siphash64(%s) %% 1000000007)), to_string(sum(city64withseed(%s, "+
			"7) %% 1000000007)) from %s at (snapshot => %s) where _block_name in (%s)",
			row, row, v.Chain.At.SQL(), sqltext.Quote(s.ID), sqltext.Literals(names))
	}
	rows, err := catalog.Query(a.ctx, a.c, "("+sum(s, v.Chain.Added(at))+") union all ("+sum(prev, v.Chain.gone(at))+")")
	if databend.IsAnswered(err) {
		return false, nil // a type that has no such text
	}
	if err != nil {
		return false, fmt.Errorf("compare snapshots of %s: %w", v.Chain.At, err)
	}
	return len(rows) == 2 && slices.Equal(rows[0], rows[1]), nil
}

func describe(ch change, s, prev Snapshot) string {
	switch {
	case ch.columns:
		return "changed its columns (snapshot " + s.ID + ")"
	case ch.cluster:
		return "changed its cluster key (snapshot " + s.ID + ")"
	case ch.lost && ch.grew, ch.lost && s.rows == prev.rows:
		return "updated rows (snapshot " + s.ID + ")"
	}
	return "deleted rows (snapshot " + s.ID + ")"
}
