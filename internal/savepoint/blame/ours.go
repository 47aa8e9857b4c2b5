package blame

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// What reached statements made of the parts of a table that FLASHBACK does not rewind: a restore moves these parts, while they still
// hold it, and leaves the others to whoever changed them.

// Changes reports whether a reached statement can have changed one of the aspects of the token.
func (r *Reach) Changes(token string, any effect.Aspect) bool {
	return slices.ContainsFunc(r.Touched[token], func(t Touch) bool { return t.Write.Changes(any) })
}

// Wrote are the aspects of an object without history that reached statements wrote.
func (r *Reach) Wrote(o sqltext.Object) effect.Aspect {
	var out effect.Aspect
	for _, i := range r.Written[o] {
		for _, w := range r.Statements[i].Effect.Writes {
			if w.Object == o {
				out |= w.Aspects
			}
		}
	}
	return out
}

// Copied reports whether a reached COPY wrote the token.
func (r *Reach) Copied(token string) bool {
	return slices.ContainsFunc(r.Touched[token], func(t Touch) bool { return r.Statements[t.Statement].Effect.Copy })
}

// Altered reports whether a reached statement that is not plain DML wrote the token.
func (r *Reach) Altered(token string) bool {
	return slices.ContainsFunc(r.Touched[token], func(t Touch) bool { return !r.Statements[t.Statement].Effect.DML })
}

// Options are those that reached statements set or took away, as they left them.
func (r *Reach) Options(token string) map[string]effect.Option {
	out := map[string]effect.Option{}
	for _, t := range r.Touched[token] {
		for _, o := range t.Write.Options {
			out[o.Name] = o
		}
	}
	return out
}

// HoldsOption reports whether a table's option is as reached statements left it.
func HoldsOption(now catalog.ObjectState, o effect.Option) bool {
	v, set := now.Options[o.Name]
	return set != o.Unset && (o.Unset || sameValue(v, o.Value))
}

// sameValue compares values of an option, which the engine may write in another way: TRUE, 1e3.
func sameValue(a, b string) bool {
	x, errX := strconv.ParseFloat(strings.ReplaceAll(a, "_", ""), 64)
	y, errY := strconv.ParseFloat(strings.ReplaceAll(b, "_", ""), 64)
	return strings.EqualFold(a, b) || errX == nil && errY == nil && x == y
}

// Part says what reached statements did last with a named part of a table.
type Part struct{ Made, Dropped bool }

// of takes what the statements said of one name; they give some constraints none.
func (p *Part) of(named []effect.Named, name string) {
	for _, n := range named {
		if n.Name == "" || strings.EqualFold(n.Name, name) {
			*p = Part{!n.Dropped, n.Dropped}
		}
	}
}

// Index is what reached statements did with the table's index of this name.
func (r *Reach) Index(token, name string) (p Part) {
	for _, t := range r.Touched[token] {
		p.of(t.Write.Indexes, name)
	}
	return p
}

// Check is what reached statements did with the constraint of this name.
func (r *Reach) Check(token, name string) (p Part) {
	for _, t := range r.Touched[token] {
		p.of(t.Write.Checks, name)
	}
	return p
}

// Noted reports whether a comment of the table is the one that reached statements left.
func (r *Reach) Noted(token, comment string) bool {
	last, noted := "", false
	for _, t := range r.Touched[token] {
		if t.Write.Changes(effect.Comment) {
			last, noted = t.Write.Note, true
		}
	}
	return noted && last == comment
}

// ColumnNoted reports whether a comment of a column is one that reached statements gave it. A column that was dropped or renamed comes
// back without its comment.
func (r *Reach) ColumnNoted(token, column, comment string) bool {
	return slices.ContainsFunc(r.Touched[token], func(t Touch) bool {
		return slices.ContainsFunc(t.Write.Columns, func(c effect.Column) bool {
			named := strings.EqualFold(c.Name, column) || strings.EqualFold(c.To, column)
			return named && (comment == c.Note || comment == "" && c.Change != effect.CommentColumn)
		})
	})
}

// Theirs says what another session did with an object after the last reached statement that wrote it, as it is now: "" for nothing
// that shows. A table is told by its id and age, any other object by how that statement left it.
func (r *Reach) Theirs(now catalog.ObjectState) string {
	const made, changed = "another session made it after ours", "another session changed it after ours"
	written := r.Written[now.Object]
	if !now.Exists || len(written) == 0 || now.Kind == sqltext.Grant {
		return ""
	}
	if now.Kind == sqltext.Table {
		n := r.name(now.Object)
		_, captured := r.Captured(now.ID)
		_, _, gone := r.WasGone(now.ID)
		if captured || gone || r.Made(r.Makers[n], now.Created) {
			return ""
		}
		return made
	}
	last := written[len(written)-1]
	left, seen := r.left[now.Object]
	dropped := slices.ContainsFunc(r.Statements[last].Effect.Writes, func(w effect.Write) bool {
		return w.Object == now.Object && w.Verb == effect.Drop
	})
	switch {
	case dropped && !r.Statements[last].Done.IsZero(), seen && !left.Exists:
		return made
	case seen && !sameButGiven(left, now):
		return changed
	}
	return ""
}

// sameButGiven compares definitions but for the roles that a user was given: they are another statement's.
func sameButGiven(a, b catalog.ObjectState) bool {
	a.Facts, b.Facts = maps.Clone(a.Facts), maps.Clone(b.Facts)
	delete(a.Facts, "roles")
	delete(b.Facts, "roles")
	return a.Definition() == b.Definition()
}

// Worded reports whether the text of a view can be the one that reached statements gave it.
func (r *Reach) Worded(token, text string) bool {
	for _, s := range r.left {
		if s.ID == token && s.Query != text {
			return false
		}
	}
	return r.Changes(token, effect.Text)
}
