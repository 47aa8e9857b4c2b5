package blame

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Snapshot is one commit of a table. Snapshots carry no author.
type Snapshot struct {
	ID       string
	Segments []string
	Fields   []Field
	cluster  string
	rows     string
	blocks   map[string]bool // read only where segments do not tell
}

// Field is a column as a snapshot has it: the id stays when the column is renamed or gets another type.
type Field struct {
	ID       int             `json:"column_id"`
	Name     string          `json:"name"`
	Type     json.RawMessage `json:"data_type"`
	Default  *string         `json:"default_expr"`
	Computed json.RawMessage `json:"computed_expr"`
	Numbers  json.RawMessage `json:"auto_increment_expr"`
}

// IsComputed reports whether the column's values come from others of the row.
func (f Field) IsComputed() bool { return is(f.Computed) }

// IsNumbered reports whether the engine counts the column's values.
func (f Field) IsNumbered() bool { return is(f.Numbers) }

// IsFilled reports whether the engine writes the column's default, another for each row, into the rows that are there when it is added.
func (f Field) IsFilled() bool { return f.words().CallsBare() }

// TakesFromSequence reports whether the column's default takes a value from a sequence.
func (f Field) TakesFromSequence() bool { return f.words().Mentions("nextval") }

func (f Field) words() sqltext.Words {
	words, _ := sqltext.ReadWords(text(f.Default)) // as the engine writes it
	return words
}

func is(value json.RawMessage) bool { return len(value) > 0 && string(value) != "null" }

func (f Field) same(g Field) bool {
	return f.ID == g.ID && f.Name == g.Name && string(f.Type) == string(g.Type) && text(f.Default) == text(g.Default)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func sameFields(a, b []Field) bool { return slices.EqualFunc(a, b, Field.same) }

// Chain is a table's snapshots, newest first, down to base (which it includes) or to the first.
type Chain struct {
	At        catalog.Name // where the table is now
	Snapshots []Snapshot
	Base      int    // index of the base, len(Snapshots) when it is not among them
	unread    string // why its snapshots could not be read
}

// prev is the snapshot before the i-th.
func (c Chain) prev(i int) Snapshot {
	if i+1 < len(c.Snapshots) {
		return c.Snapshots[i+1]
	}
	return Snapshot{}
}

// Index is where a snapshot stands, -1 for nowhere.
func (c Chain) Index(id string) int {
	return slices.IndexFunc(c.Snapshots, func(s Snapshot) bool { return s.ID == id })
}

// firstLook is how many snapshots of each table are read at first: each is an object of the store.
const firstLook = 24

// Chains reads the snapshots of tables above their base, newest first: one request unless they are many, or a table has more than firstLook
// of them. bases: table → id of the base, "" to read to the first. Where the server refuses, each table is read alone, so that one whose
// snapshots cannot be read is no other's trouble.
func Chains(ctx context.Context, c catalog.Conn, bases map[catalog.Name]string) (map[catalog.Name]Chain, error) {
	out, err := chains(ctx, c, bases)
	if !databend.IsAnswered(err) {
		return out, err
	}
	out = map[catalog.Name]Chain{}
	for n, base := range bases {
		one, err := chains(ctx, c, map[catalog.Name]string{n: base})
		switch {
		case databend.IsAnswered(err):
			out[n] = Chain{At: n, unread: databend.Message(err)}
		case err != nil:
			return nil, err
		default:
			out[n] = one[n]
		}
	}
	return out, nil
}

func chains(ctx context.Context, c catalog.Conn, bases map[catalog.Name]string) (map[catalog.Name]Chain, error) {
	out := map[catalog.Name]Chain{}
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
		rows, err := catalog.Union(ctx, c, parts)
		if err != nil {
			return nil, fmt.Errorf("read snapshots: %w", err)
		}
		for _, n := range todo {
			out[n] = Chain{At: n}
		}
		for _, r := range rows {
			n := catalog.Name{DB: r[0].String, Table: r[1].String}
			s := Snapshot{ID: r[2].String, cluster: r[5].String, rows: r[6].String}
			if err := json.Unmarshal([]byte(r[4].String), &s.Fields); err != nil {
				return nil, fmt.Errorf("read schema of snapshot %s: %w", s.ID, err)
			}
			var segments [][]any
			if err := json.Unmarshal([]byte(r[3].String), &segments); err != nil {
				return nil, fmt.Errorf("read segments of snapshot %s: %w", s.ID, err)
			}
			for _, g := range segments {
				if len(g) > 0 {
					s.Segments = append(s.Segments, fmt.Sprint(g[0]))
				}
			}
			ch := out[n]
			ch.Snapshots = append(ch.Snapshots, s)
			out[n] = ch
		}
		var more []catalog.Name
		for _, n := range todo {
			ch := out[n]
			ch.Base = len(ch.Snapshots)
			if b := bases[n]; b != "" {
				if i := ch.Index(b); i >= 0 {
					ch.Base = i
					ch.Snapshots = ch.Snapshots[:i+1]
				}
			}
			if ch.Base == len(ch.Snapshots) && len(ch.Snapshots) == limit {
				more = append(more, n)
			}
			out[n] = ch
		}
		todo = more
	}
	return out, nil
}

// readBlocks reads the block names of the chain's snapshots: what is new in one against its predecessor is what was written.
func (ch *Chain) readBlocks(ctx context.Context, c catalog.Conn) error {
	parts := make([]string, 0, len(ch.Snapshots))
	for i := range ch.Snapshots {
		s := &ch.Snapshots[i]
		if s.blocks == nil {
			s.blocks = map[string]bool{}
			parts = append(parts, fmt.Sprintf("select %s, block_location from fuse_block(%s, %s, %s)",
				sqltext.Quote(s.ID), sqltext.Quote(ch.At.DB), sqltext.Quote(ch.At.Table), sqltext.Quote(s.ID)))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	rows, err := catalog.Union(ctx, c, parts)
	if err != nil {
		return fmt.Errorf("read blocks of %s: %w", ch.At, err)
	}
	for _, r := range rows {
		ch.Snapshots[ch.Index(r[0].String)].blocks[r[1].String] = true
	}
	return nil
}

// Added are the blocks of the i-th snapshot that its predecessor lacks, gone those that only the predecessor has.
func (c Chain) Added(i int) []string { return minus(c.Snapshots[i].blocks, c.prev(i).blocks) }
func (c Chain) gone(i int) []string  { return minus(c.prev(i).blocks, c.Snapshots[i].blocks) }

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
