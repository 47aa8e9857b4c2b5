package savepoint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// What reached statements made of the parts of a table that FLASHBACK does not rewind: a restore moves these parts, while they still
// hold it, and leaves the others to whoever changed them.

// changes reports whether a reached statement can have changed one of the aspects of the token.
func (r *reach) changes(token string, any effect.Aspect) bool {
	return slices.ContainsFunc(r.touched[token], func(t touch) bool { return t.write.Changes(any) })
}

// wrote are the aspects of an object without history that reached statements wrote.
func (r *reach) wrote(o sqltext.Object) effect.Aspect {
	var out effect.Aspect
	for _, i := range r.written[o] {
		for _, w := range r.reached[i].Effect.Writes {
			if w.Object == o {
				out |= w.Aspects
			}
		}
	}
	return out
}

// copied reports whether a reached COPY wrote the token.
func (r *reach) copied(token string) bool {
	return slices.ContainsFunc(r.touched[token], func(t touch) bool { return r.reached[t.statement].Effect.Copy })
}

// altered reports whether a reached statement that is not plain DML wrote the token.
func (r *reach) altered(token string) bool {
	return slices.ContainsFunc(r.touched[token], func(t touch) bool { return !r.reached[t.statement].Effect.DML })
}

// options are those that reached statements set or took away, as they left them.
func (r *reach) options(token string) map[string]effect.Option {
	out := map[string]effect.Option{}
	for _, t := range r.touched[token] {
		for _, o := range t.write.Options {
			out[o.Name] = o
		}
	}
	return out
}

// holdsOption reports whether a table's option is as reached statements left it.
func holdsOption(now catalog.ObjectState, o effect.Option) bool {
	v, set := now.Options[o.Name]
	return set != o.Unset && (o.Unset || sameValue(v, o.Value))
}

// sameValue compares values of an option, which the engine may write in another way: TRUE, 1e3.
func sameValue(a, b string) bool {
	x, errX := strconv.ParseFloat(strings.ReplaceAll(a, "_", ""), 64)
	y, errY := strconv.ParseFloat(strings.ReplaceAll(b, "_", ""), 64)
	return strings.EqualFold(a, b) || errX == nil && errY == nil && x == y
}

// part says what reached statements did last with a named part of a table.
type part struct{ made, dropped bool }

// of takes what the statements said of one name; they give some constraints none.
func (p *part) of(named []effect.Named, name string) {
	for _, n := range named {
		if n.Name == "" || strings.EqualFold(n.Name, name) {
			*p = part{!n.Dropped, n.Dropped}
		}
	}
}

// index is what reached statements did with the table's index of this name.
func (r *reach) index(token, name string) (p part) {
	for _, t := range r.touched[token] {
		p.of(t.write.Indexes, name)
	}
	return p
}

// check is what reached statements did with the constraint of this name.
func (r *reach) check(token, name string) (p part) {
	for _, t := range r.touched[token] {
		p.of(t.write.Checks, name)
	}
	return p
}

// noted reports whether a comment of the table is the one that reached statements left.
func (r *reach) noted(token, comment string) bool {
	last, noted := "", false
	for _, t := range r.touched[token] {
		if t.write.Changes(effect.Comment) {
			last, noted = t.write.Note, true
		}
	}
	return noted && last == comment
}

// columnNoted reports whether a comment of a column is one that reached statements gave it. A column that was dropped or renamed comes
// back without its comment.
func (r *reach) columnNoted(token, column, comment string) bool {
	return slices.ContainsFunc(r.touched[token], func(t touch) bool {
		return slices.ContainsFunc(t.write.Columns, func(c effect.Column) bool {
			named := strings.EqualFold(c.Name, column) || strings.EqualFold(c.To, column)
			return named && (comment == c.Note || comment == "" && c.Change != effect.CommentColumn)
		})
	})
}
