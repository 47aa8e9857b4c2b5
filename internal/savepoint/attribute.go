package savepoint

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// moves reports whether the table has to go back to its base: something of ours is above it, and nothing but ours would go.
func (v verdict) moves() bool {
	return v.own > 0 || v.idle > 0 && len(v.appended) == 0 && len(v.notes) == 0
}

// verdict says whose the snapshots above a table's base are.
type verdict struct {
	own      int      // how many are ours
	idle     int      // how many changed neither rows nor columns, and may be ours: comments, statistics
	appended []int    // indexes of others' appends, newest first: their rows are kept
	refuse   string   // why the table must be left as it is: somebody else changed it in a way that cannot be kept
	chain    chain    // with blocks where they were needed
	loaded   bool     // blocks were read
	notes    []string // what others did that changes no rows
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

// attribute tells ours from theirs among the snapshots above the base. A statement in a transaction has journaled what it
// wrote (Own): that is exact. A DDL commits by itself; its snapshot is the one after the head read right before it that did
// what such a statement does. An append that is not journaled is never ours. first says that the table's first snapshot
// comes from its own CREATE TABLE … AS SELECT.
func (r *reach) attribute(ctx context.Context, c Conn, ch chain, token string, first bool) (verdict, error) {
	v := verdict{chain: ch}
	touches := r.touched[token]
	own := map[string]bool{}
	seen := map[int]bool{} // statements whose snapshot has its journaled id
	for _, t := range touches {
		for _, x := range r.reached[t.statement].Own {
			own[x] = true
			if ch.index(x) >= 0 {
				seen[t.statement] = true
			}
		}
	}
	// Heads of the statements in the chain cut it into windows; where a head is not known or no longer in the chain, the
	// statement shares the window before.
	type window struct {
		from    int // index of the head it begins after: it holds the snapshots below it in the slice
		touches []touch
	}
	windows := []window{{from: ch.base}}
	for _, t := range touches {
		if h := r.reached[t.statement].Heads[token]; h != "" {
			if at := ch.index(h); at >= 0 && at < windows[len(windows)-1].from {
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
		return v.chain.readBlocks(ctx, c)
	}
	for k, w := range windows {
		to := 0
		if k+1 < len(windows) {
			to = windows[k+1].from
		}
		used := map[int]bool{} // DDL statements of the window whose snapshot was found
		for at := w.from - 1; at >= to; at-- {
			s, prev := v.chain.snaps[at], v.chain.prev(at)
			if own[s.id] || first && at == len(v.chain.snaps)-1 {
				v.own++
				continue
			}
			if at == 0 && isAside(ch.at.Table) && len(s.segments) == 0 && len(prev.segments) > 0 {
				v.own++ // a restore emptied it: nobody else knows it by this name
				continue
			}
			ch := change{columns: !sameFields(s.fields, prev.fields), cluster: s.cluster != prev.cluster}
			if prev.id == "" {
				ch = change{} // nothing to compare with: the table's first snapshot
			}
			switch {
			case contains(s.segments, prev.segments):
				ch.grew = len(s.segments) > len(prev.segments)
			default:
				if err := blocks(); err != nil {
					return v, err
				}
				ch.grew, ch.lost = len(v.chain.added(at)) > 0, len(v.chain.gone(at)) > 0
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
				if added := v.chain.added(at); slices.ContainsFunc(added, func(b string) bool { return own[b] }) {
					v.own++ // merged with another's commit under a new id
					continue
				}
			}
			if ch.grew && !ch.lost && !ch.schema() {
				v.appended = append(v.appended, at)
				continue
			}
			if i, ok := r.explains(w.touches, used, seen, ch, s, prev); ok {
				used[i] = true
				v.own++
				continue
			}
			same, err := v.rearranged(ctx, c, at, ch, blocks)
			if err != nil {
				return v, err
			}
			if same {
				v.notes = append(v.notes, "compacted by another session")
				continue
			}
			v.refuse = "another session " + describe(ch, s, prev)
		}
	}
	slices.Sort(v.appended)
	if len(v.appended) > 0 {
		if err := blocks(); err != nil {
			return v, err
		}
	}
	return v, nil
}

// explains finds a statement of the window that can have made this change and whose snapshot was not found yet.
func (r *reach) explains(touches []touch, used, seen map[int]bool, ch change, s, prev snapshot) (int, bool) {
	for _, t := range touches {
		i, w := t.statement, t.write
		repeats := w.Changes(effect.Layout) // may commit many times
		if used[i] && !repeats {
			continue
		}
		if r.reached[i].Effect.DML {
			// In a transaction: ours only by what it journaled, and a deletion leaves no block to know it by after a merge.
			if ch.schema() || ch.grew || len(r.reached[i].Own) == 0 || seen[i] {
				continue
			}
			return i, true
		}
		switch {
		case ch.columns && (!w.Changes(effect.Columns) || !named(w, s.fields, prev.fields)):
		case ch.cluster && !w.Changes(effect.Columns|effect.Cluster):
		case !ch.schema() && ch.lost && !repeats && !(w.Changes(effect.Rows) && !w.Changes(effect.Columns) && len(s.segments) == 0):
			// Of all DDL only TRUNCATE loses rows.
		default:
			return i, true
		}
	}
	return 0, false
}

// named reports whether the statement names each column that differs: a change of another one is not taken for ours. One that names
// none, ALTER TABLE … FLASHBACK, may change any.
func named(w effect.Write, now, then []field) bool {
	names := func(name string) bool {
		return len(w.Columns) == 0 || slices.ContainsFunc(w.Columns, func(c effect.Column) bool {
			return strings.EqualFold(c.Name, name) || strings.EqualFold(c.To, name)
		})
	}
	was := map[int]field{}
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
func (v *verdict) rearranged(ctx context.Context, c Conn, at int, ch change, blocks func() error) (bool, error) {
	s, prev := v.chain.snaps[at], v.chain.prev(at)
	if ch.schema() || !ch.lost || s.rows != prev.rows {
		return false, nil
	}
	if err := blocks(); err != nil {
		return false, err
	}
	sum := func(s snapshot, names []string) string {
		if len(names) == 0 {
			return "select '0', '0', '0'"
		}
		cols := make([]string, 0, len(s.fields))
		for _, f := range s.fields {
			cols = append(cols, sqltext.Quote(f.Name)+", "+sqltext.Ident(f.Name))
		}
		row := "to_string(json_object_keep_null(" + strings.Join(cols, ", ") + "))"
		return fmt.Sprintf("select to_string(count(*)), to_string(sum(siphash64(%s) %% 1000000007)), to_string(sum(city64withseed(%s, 7) %% 1000000007)) from %s at (snapshot => %s) where _block_name in %s",
			row, row, v.chain.at.SQL(), sqltext.Quote(s.id), catalog.List(names))
	}
	rows, err := catalog.Query(ctx, c, "("+sum(s, v.chain.added(at))+") union all ("+sum(prev, v.chain.gone(at))+")")
	if catalog.Refused(err) {
		return false, nil // a type that has no such text
	}
	if err != nil {
		return false, fmt.Errorf("compare snapshots of %s: %w", v.chain.at, err)
	}
	return len(rows) == 2 && slices.Equal(rows[0], rows[1]), nil
}

func describe(ch change, s, prev snapshot) string {
	switch {
	case ch.columns:
		return "changed its columns (snapshot " + s.id + ")"
	case ch.cluster:
		return "changed its cluster key (snapshot " + s.id + ")"
	case ch.lost && ch.grew, ch.lost && s.rows == prev.rows:
		return "updated rows (snapshot " + s.id + ")"
	}
	return "deleted rows (snapshot " + s.id + ")"
}
