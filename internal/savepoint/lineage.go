package savepoint

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// snapshot is one commit of a table. Snapshots carry no author.
type snapshot struct {
	id       string
	segments []string
	fields   []field
	cluster  string
	rows     string
	blocks   map[string]bool // read only where segments do not tell
}

// field is a column as a snapshot has it: the id stays when the column is renamed or gets another type.
type field struct {
	ID       int             `json:"column_id"`
	Name     string          `json:"name"`
	Type     json.RawMessage `json:"data_type"`
	Default  *string         `json:"default_expr"`
	Computed json.RawMessage `json:"computed_expr"`
}

func (f field) same(g field) bool {
	return f.ID == g.ID && f.Name == g.Name && string(f.Type) == string(g.Type) && text(f.Default) == text(g.Default)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func sameFields(a, b []field) bool { return slices.EqualFunc(a, b, field.same) }

// chain is a table's snapshots, newest first, down to base (which it includes) or to the first.
type chain struct {
	at    catalog.Name // where the table is now
	snaps []snapshot
	base  int // index of the base, len(snaps) when it is not among them
}

// prev is the snapshot before snaps[i].
func (c chain) prev(i int) snapshot {
	if i+1 < len(c.snaps) {
		return c.snaps[i+1]
	}
	return snapshot{}
}

func (c chain) index(id string) int {
	return slices.IndexFunc(c.snaps, func(s snapshot) bool { return s.id == id })
}

// firstLook is how many snapshots of each table are read at first: each is an object of the store.
const firstLook = 24

// lineages reads the snapshots of tables above their base, newest first: one request unless a table has more than firstLook
// of them. bases: table → id of the base, "" to read to the first.
func lineages(ctx context.Context, c Conn, bases map[catalog.Name]string) (map[catalog.Name]chain, error) {
	out := map[catalog.Name]chain{}
	todo := make([]catalog.Name, 0, len(bases))
	for n := range bases {
		todo = append(todo, n)
	}
	for limit := firstLook; len(todo) > 0; limit *= 8 {
		slices.SortFunc(todo, func(a, b catalog.Name) int { return strings.Compare(a.String(), b.String()) })
		parts := make([]string, len(todo))
		for i, n := range todo {
			parts[i] = fmt.Sprintf("(select %s, %s, snapshot_id, to_string(snapshot:segments), to_string(snapshot:schema.fields), "+
				"coalesce(to_string(snapshot:cluster_key_meta), ''), to_string(snapshot:summary.row_count) from fuse_dump_snapshots(%s, %s) limit %d)",
				sqltext.Quote(n.DB), sqltext.Quote(n.Table), sqltext.Quote(n.DB), sqltext.Quote(n.Table), limit)
		}
		rows, err := catalog.Query(ctx, c, strings.Join(parts, " union all "))
		if err != nil {
			return nil, fmt.Errorf("read snapshots: %w", err)
		}
		for _, n := range todo {
			out[n] = chain{at: n}
		}
		for _, r := range rows {
			n := catalog.Name{DB: r[0], Table: r[1]}
			s := snapshot{id: r[2], cluster: r[5], rows: r[6]}
			if err := json.Unmarshal([]byte(r[4]), &s.fields); err != nil {
				return nil, fmt.Errorf("read schema of snapshot %s: %w", s.id, err)
			}
			var segments [][]any
			if err := json.Unmarshal([]byte(r[3]), &segments); err != nil {
				return nil, fmt.Errorf("read segments of snapshot %s: %w", s.id, err)
			}
			for _, g := range segments {
				if len(g) > 0 {
					s.segments = append(s.segments, fmt.Sprint(g[0]))
				}
			}
			ch := out[n]
			ch.snaps = append(ch.snaps, s)
			out[n] = ch
		}
		var more []catalog.Name
		for _, n := range todo {
			ch := out[n]
			ch.base = len(ch.snaps)
			if b := bases[n]; b != "" {
				if i := ch.index(b); i >= 0 {
					ch.base = i
					ch.snaps = ch.snaps[:i+1]
				}
			}
			if ch.base == len(ch.snaps) && len(ch.snaps) == limit {
				more = append(more, n)
			}
			out[n] = ch
		}
		todo = more
	}
	return out, nil
}

// readBlocks reads the block names of the chain's snapshots: what is new in one against its predecessor is what was written.
func (ch *chain) readBlocks(ctx context.Context, c Conn) error {
	parts := make([]string, 0, len(ch.snaps))
	for i := range ch.snaps {
		s := &ch.snaps[i]
		if s.blocks == nil {
			s.blocks = map[string]bool{}
			parts = append(parts, fmt.Sprintf("select %s, block_location from fuse_block(%s, %s, %s)",
				sqltext.Quote(s.id), sqltext.Quote(ch.at.DB), sqltext.Quote(ch.at.Table), sqltext.Quote(s.id)))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	rows, err := catalog.Query(ctx, c, strings.Join(parts, " union all "))
	if err != nil {
		return fmt.Errorf("read blocks of %s: %w", ch.at, err)
	}
	for _, r := range rows {
		ch.snaps[ch.index(r[0])].blocks[r[1]] = true
	}
	return nil
}

// added are the blocks of snaps[i] that its predecessor lacks, gone those that only the predecessor has.
func (c chain) added(i int) []string { return minus(c.snaps[i].blocks, c.prev(i).blocks) }
func (c chain) gone(i int) []string  { return minus(c.prev(i).blocks, c.snaps[i].blocks) }

func minus(a, b map[string]bool) []string {
	var out []string
	for k := range a {
		if !b[k] {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// contains reports whether all of sub are among set.
func contains(set, sub []string) bool {
	have := make(map[string]bool, len(set))
	for _, s := range set {
		have[s] = true
	}
	return !slices.ContainsFunc(sub, func(s string) bool { return !have[s] })
}
