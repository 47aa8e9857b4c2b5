package blame

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
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
	if catalog.Refused(err) {
		ch.unread, err = catalog.Message(err), nil
	}
	if ch.unread != "" {
		v = Verdict{Chain: ch, Refuse: "its snapshots cannot be read (" + ch.unread + ")"}
	}
	return v, err
}

func (r *Reach) attribute(ctx context.Context, c catalog.Conn, ch Chain, token string, first bool) (Verdict, error) {
	v := Verdict{Chain: ch}
	touches := r.Touched[token]
	own := map[string]bool{}
	seen := map[int]bool{} // statements whose snapshot has its journaled id
	for _, t := range touches {
		for _, x := range r.Statements[t.Statement].Own {
			own[x] = true
			if ch.Index(x) >= 0 {
				seen[t.Statement] = true
			}
		}
	}
	// Heads of the statements in the chain cut it into windows; where a head is not known or no longer in the chain, the
	// statement shares the window before.
	type window struct {
		from    int // index of the head it begins after: it holds the snapshots below it in the slice
		touches []Touch
	}
	windows := []window{{from: ch.Base}}
	for _, t := range touches {
		if h := r.Statements[t.Statement].Heads[token]; h != "" {
			if at := ch.Index(h); at >= 0 && at < windows[len(windows)-1].from {
				windows = append(windows, window{from: at})
			}
		}
		w := &windows[len(windows)-1]
		w.touches = append(w.touches, t)
	}
	blocks := func() error {
		if v.loaded {
			return nil
		}
		v.loaded = true
		return v.Chain.readBlocks(ctx, c)
	}
	for k, w := range windows {
		to := 0
		if k+1 < len(windows) {
			to = windows[k+1].from
		}
		used := map[int]bool{} // DDL statements of the window whose snapshot was found
		for at := w.from - 1; at >= to; at-- {
			s, prev := v.Chain.Snapshots[at], v.Chain.prev(at)
			if own[s.ID] || first && at == len(v.Chain.Snapshots)-1 {
				v.Own++
				continue
			}
			if at == 0 && catalog.IsAside(ch.At.Table) && len(s.Segments) == 0 && len(prev.Segments) > 0 {
				v.Own++ // a restore emptied it: nobody else knows it by this name
				continue
			}
			ch := change{columns: !sameFields(s.Fields, prev.Fields), cluster: s.cluster != prev.cluster}
			if prev.ID == "" {
				ch = change{} // nothing to compare with: the table's first snapshot
			}
			switch {
			case contains(s.Segments, prev.Segments):
				ch.grew = len(s.Segments) > len(prev.Segments)
			default:
				if err := blocks(); err != nil {
					return v, err
				}
				ch.grew, ch.lost = len(v.Chain.Added(at)) > 0, len(v.Chain.gone(at)) > 0
			}
			if ch.nothing() { // a comment, statistics, DELETE without WHERE on an empty table: nothing is lost with it
				if len(w.touches) > 0 {
					v.idle++
				}
				continue
			}
			if len(own) > 0 && ch.grew {
				if err := blocks(); err != nil {
					return v, err
				}
				if added := v.Chain.Added(at); slices.ContainsFunc(added, func(b string) bool { return own[b] }) {
					v.Own++ // merged with another's commit under a new id
					continue
				}
			}
			if ch.grew && !ch.lost && !ch.schema() {
				v.Appended = append(v.Appended, at)
				continue
			}
			if i, ok := r.explains(w.touches, used, seen, ch, s, prev); ok {
				used[i] = true
				v.Own++
				continue
			}
			same, err := v.rearranged(ctx, c, at, ch, blocks)
			if err != nil {
				return v, err
			}
			if same {
				v.Notes = append(v.Notes, "compacted by another session")
				continue
			}
			v.Refuse = "another session " + describe(ch, s, prev)
		}
	}
	slices.Sort(v.Appended)
	if len(v.Appended) > 0 {
		if err := blocks(); err != nil {
			return v, err
		}
	}
	return v, nil
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
	names := func(name string) bool {
		return len(w.Columns) == 0 || slices.ContainsFunc(w.Columns, func(c effect.Column) bool {
			return strings.EqualFold(c.Name, name) || strings.EqualFold(c.To, name)
		})
	}
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
// multisets, by count and two sums of hashes.
func (v *Verdict) rearranged(ctx context.Context, c catalog.Conn, at int, ch change, blocks func() error) (bool, error) {
	s, prev := v.Chain.Snapshots[at], v.Chain.prev(at)
	if ch.schema() || !ch.lost || s.rows != prev.rows {
		return false, nil
	}
	if err := blocks(); err != nil {
		return false, err
	}
	sum := func(s Snapshot, names []string) string {
		if len(names) == 0 {
			return "select '0', '0', '0'"
		}
		cols := make([]string, 0, len(s.Fields))
		for _, f := range s.Fields {
			cols = append(cols, sqltext.Quote(f.Name)+", "+sqltext.Ident(f.Name))
		}
		row := "to_string(json_object_keep_null(" + strings.Join(cols, ", ") + "))"
		return fmt.Sprintf("select to_string(count(*)), to_string(sum(siphash64(%s) %% 1000000007)), to_string(sum(city64withseed(%s, "+
			"7) %% 1000000007)) from %s at (snapshot => %s) where _block_name in (%s)",
			row, row, v.Chain.At.SQL(), sqltext.Quote(s.ID), sqltext.Literals(names))
	}
	rows, err := catalog.Query(ctx, c, "("+sum(s, v.Chain.Added(at))+") union all ("+sum(prev, v.Chain.gone(at))+")")
	if catalog.Refused(err) {
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
