package blame

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// What reached statements made of the parts of a table that FLASHBACK does not rewind: a restore moves these parts, while they still
// hold it, and leaves the others to whoever changed them.

// Changes reports whether a reached statement can have changed one of the aspects of the token.
func (r *Reach) Changes(token string, any effect.Aspect) bool {
	return slices.ContainsFunc(r.Touched[token], func(t Touch) bool { return t.Write.Changes(any) })
}

// Wrote are the aspects of an object without history that reached statements wrote. CREATE … IF NOT EXISTS of what was there writes its
// owner alone: the engine gives it to the current role.
func (r *Reach) Wrote(o sqltext.Object) effect.Aspect { return r.wrote(o, r.Written[o]) }

func (r *Reach) wrote(o sqltext.Object, statements []int) effect.Aspect {
	var out effect.Aspect
	for _, i := range statements {
		for _, w := range r.Statements[i].Effect.Writes {
			switch {
			case w.Object != o:
			case w.Verb == effect.CreateNew && r.Before[o].Exists:
				out |= effect.Owner
			default:
				out |= w.Aspects
			}
		}
	}
	return out
}

// Gives reports whether an object can be a role's, "" for none, by the doing of reached statements: the last one that gave it away counts.
// UNDROP leaves it without an owner.
func (r *Reach) Gives(o sqltext.Object, role string) bool {
	to, given := r.gives[o]
	return role == "" || given && (to == anyRole || strings.EqualFold(to, role) || r.orphaned(to, role))
}

// orphaned reports whether what was given to a role shows as another's since that role is gone, by the doing of reached statements or of
// their restore.
func (r *Reach) orphaned(of, role string) bool {
	return role == databend.AccountAdmin && len(r.Written[sqltext.Object{Kind: sqltext.Role, Name: of}]) > 0
}

// Reads reports whether a reached statement reads or depends on an object.
func (r *Reach) Reads(o sqltext.Object) bool {
	return slices.ContainsFunc(r.Statements, func(s Reached) bool { return s.Effect.Unknown || slices.Contains(s.Effect.Names, o) })
}

// Copied reports whether a reached COPY wrote the token.
func (r *Reach) Copied(token string) bool {
	return slices.ContainsFunc(r.Touched[token], func(t Touch) bool { return r.Statements[t.Statement].Effect.Copy })
}

// Altered reports whether a reached statement that is not plain DML wrote the token.
func (r *Reach) Altered(token string) bool {
	return slices.ContainsFunc(r.Touched[token], func(t Touch) bool { return !r.Statements[t.Statement].Effect.DML })
}

// Options are those of a table, as it was, that reached statements set or took away, as they left them. A list of columns is among them
// also when they renamed or dropped one of its columns, or went back to other columns.
func (r *Reach) Options(was catalog.ObjectState) map[string]effect.Option {
	out := map[string]effect.Option{}
	touches := r.Touched[was.ID]
	for _, k := range catalog.ColumnLists {
		if v, had := was.Options[k]; had {
			if o, written := relisted(effect.Option{Name: k, Value: v}, touches); written {
				out[k] = o
			}
		}
	}
	for i, t := range touches {
		for _, o := range t.Write.Options {
			out[o.Name], _ = relisted(o, touches[i+1:])
		}
	}
	return out
}

// relisted is a list of columns as the engine writes it behind the statements. written is false where none of them is about its columns.
func relisted(o effect.Option, behind []Touch) (_ effect.Option, written bool) {
	if !slices.Contains(catalog.ColumnLists, o.Name) || o.Unset {
		return o, false
	}
	names := catalog.ListedColumns(o.Value)
	for _, t := range behind {
		written = written || t.Write.GoesBack
		for _, c := range t.Write.Columns {
			i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) })
			switch {
			case i < 0:
			case t.Write.Change == define.RenameColumn:
				names[i], written = c.NewName, true
			case t.Write.Change == define.DropColumn:
				names, written = slices.Delete(names, i, i+1), true
			}
		}
	}
	o.Value = strings.Join(names, ",")
	return o, written
}

// HoldsOption reports whether a table's option is as reached statements left it, or as the FLASHBACK of a restore did: nothing else takes
// a list of columns away.
func HoldsOption(now catalog.ObjectState, o effect.Option) bool {
	v, set := now.Options[o.Name]
	switch list := slices.Contains(catalog.ColumnLists, o.Name); {
	case !set:
		return o.Unset || list
	case list && !o.Unset:
		return slices.EqualFunc(catalog.ListedColumns(v), catalog.ListedColumns(o.Value), strings.EqualFold)
	}
	return !o.Unset && sameValue(v, o.Value)
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

// MadeIndex reports whether reached statements made the table's index: it is as they left it.
func (r *Reach) MadeIndex(token string, i catalog.Index) bool {
	left, seen := r.leftOf(token)
	return r.Index(token, i.Name).Made && (!seen || slices.ContainsFunc(left.Indexes, func(l catalog.Index) bool {
		l.Async = i.Async
		// A FLASHBACK that took the columns back shows it with the names that they had.
		return l == i || l.Renamed(left.Columns, func(column string) string { return r.columnThen(token, column) }) == i
	}))
}

// LeftIndex reports whether reached statements are known to have left an index of this name.
func (r *Reach) LeftIndex(token, name string) bool {
	left, seen := r.leftOf(token)
	return seen && slices.ContainsFunc(left.Indexes, func(l catalog.Index) bool { return l.Name == name })
}

// MadeCheck is MadeIndex of a CHECK.
func (r *Reach) MadeCheck(token string, c catalog.Constraint) bool {
	left, seen := r.leftOf(token)
	return r.Check(token, c.Name).Made && (!seen || slices.Contains(left.Constraints, c))
}

// Recast reports whether reached statements can have changed a column that an expression of the table names.
func (r *Reach) Recast(token, expression string) bool {
	words, err := sqltext.ReadWords(expression)
	return slices.ContainsFunc(r.Touched[token], func(t Touch) bool {
		return t.Write.Changes(effect.Columns) && (err != nil || len(t.Write.Columns) == 0 || slices.ContainsFunc(t.Write.Columns,
			func(c define.Column) bool {
				return words.Mentions(c.Name) || c.NewName != "" && words.Mentions(c.NewName)
			}))
	})
}

// leftOf is the table with this id, as it was read behind reached statements.
func (r *Reach) leftOf(id string) (catalog.ObjectState, bool) {
	for _, s := range r.left {
		if s.ID == id {
			return s, true
		}
	}
	return catalog.ObjectState{}, false
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

// ColumnNoted reports whether a comment of a captured column is one that reached statements gave it, under any name that it had. A column
// that was dropped or renamed comes back without its comment.
func (r *Reach) ColumnNoted(token, column, comment string) bool {
	names := []string{column}
	return slices.ContainsFunc(r.Touched[token], func(t Touch) bool {
		found := slices.ContainsFunc(t.Write.Columns, func(c define.Column) bool {
			named := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(c.Name, n) || strings.EqualFold(c.NewName, n) })
			return named && (comment == c.Comment || comment == "" && t.Write.Change != define.CommentColumn)
		})
		names = append(names, renamed(names[len(names)-1], t))
		return found
	})
}

// renamed is the name of a column behind a statement.
func renamed(column string, t Touch) string {
	for _, c := range t.Write.Columns {
		if t.Write.Change == define.RenameColumn && strings.EqualFold(c.Name, column) {
			return c.NewName
		}
	}
	return column
}

// columnThen is the name that a column had before the reached statements, by its name behind them.
func (r *Reach) columnThen(token, column string) string {
	for _, t := range slices.Backward(r.Touched[token]) {
		for _, c := range t.Write.Columns {
			if t.Write.Change == define.RenameColumn && strings.EqualFold(c.NewName, column) {
				column = c.Name
				break
			}
		}
	}
	return column
}

// columnNow is the name of a captured column behind the reached statements.
func (r *Reach) columnNow(token, column string) string {
	for _, t := range r.Touched[token] {
		column = renamed(column, t)
	}
	return column
}

// Theirs says what another session did with an object after the last reached statement that wrote it, as it is now: "" for nothing
// that shows. A table is told by its id and age, any other object by how that statement left it.
func (r *Reach) Theirs(now catalog.ObjectState) string {
	const made, changed = "another session made it after ours", "another session changed it after ours"
	written := r.Written[now.Object]
	grantee := catalog.GranteeOf(now.Object)
	if left, seen := r.left[grantee]; seen && now.Kind == sqltext.Grant && !left.SameKeys(now) {
		return changed
	}
	if !now.Exists || len(written) == 0 {
		return ""
	}
	if now.Kind == sqltext.Grant { // its privileges are told one by one
		was := r.Before[now.Object].Created
		if len(r.Written[grantee]) > 0 || was.IsZero() || now.Created.IsZero() || was.Equal(now.Created) {
			return ""
		}
		return made
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
	was, captured := r.Before[now.Object]
	switch {
	case captured && !was.Exists && !now.Created.IsZero() && now.Created.Before(r.at):
		return "it was there before the run, hidden from the role" // whose IF NOT EXISTS makes the role its owner
	case r.drops(last, now.Object) && !r.Statements[last].Done.IsZero(), seen && (!left.Exists || left.ID != now.ID):
		return made
	case now.Kind == sqltext.Database: // its owner has another statement
		return ""
	case seen && !sameButGiven(left, now):
		return changed
	case seen && !left.Created.Equal(now.Created), !seen && !r.mayHaveMade(now):
		return made
	}
	return ""
}

// drops reports whether statement i drops an object.
func (r *Reach) drops(i int, o sqltext.Object) bool {
	return slices.ContainsFunc(r.Statements[i].Effect.Writes, func(w effect.Write) bool { return w.Object == o && w.Verb == effect.Drop })
}

// SawKeys reports whether this process saw the keys that the last reached statement left of an object.
func (r *Reach) SawKeys(o sqltext.Object) bool { return r.left[o].ShowsKeys() }

// GivenAway reports whether another session gave an object without history, or a database, to another role after the last reached
// statement that wrote it.
func (r *Reach) GivenAway(now catalog.ObjectState) bool {
	left, seen := r.left[now.Object]
	known := seen && (left.Owner != "" || now.Kind == sqltext.Database) // UNDROP leaves a database without one
	return known && now.Owner != left.Owner && !r.orphaned(left.Owner, now.Owner)
}

// mayHaveMade reports whether an object without history, as it is now, can be the one of before or one that reached statements made.
// Where the engine does not show when it was made, it can.
func (r *Reach) mayHaveMade(now catalog.ObjectState) bool {
	was := r.Before[now.Object]
	if now.Created.IsZero() || was.Exists && (was.Created.IsZero() || was.Created.Equal(now.Created)) {
		return true
	}
	makers := slices.DeleteFunc(slices.Clone(r.Written[now.Object]), func(i int) bool {
		return !slices.ContainsFunc(r.Statements[i].Effect.Writes, func(w effect.Write) bool {
			return w.Object == now.Object && w.Verb.Makes()
		})
	})
	return r.Made(makers, now.Created)
}

// Dropped reports whether another session dropped, or renamed, an object without history that a reached statement had written: it is not
// there now, or was made again by a later one of ours; and what the last of them left.
func (r *Reach) Dropped(now catalog.ObjectState) (left catalog.ObjectState, dropped bool) {
	left, seen := r.left[now.Object]
	return left, !now.Exists && seen && left.Exists || r.MadeAgain(now.Object)
}

// MadeAgain reports whether another session dropped what reached statements had made, and a later one of these made it again.
func (r *Reach) MadeAgain(o sqltext.Object) bool { return r.dropped[o] }

// Put reports whether reached statements that are over put a table under a name, where it should be still: they made it, or UNDROP brought
// it up. Of what has no answer nobody knows.
func (r *Reach) Put(n catalog.Name, e *catalog.Entry) bool {
	unknown := slices.ContainsFunc(r.Statements, func(st Reached) bool {
		return st.Done.IsZero() && slices.ContainsFunc(st.Effect.Writes, func(w effect.Write) bool {
			return w.Kind == sqltext.Table && w.Verb != effect.Alter && w.Verb != effect.WriteData && r.name(w.Object) == n
		})
	})
	_, _, gone := r.WasGone(e.ID)
	return !unknown && (gone && r.current[n] == e.ID || !gone && r.current[n] == NewTable && r.Made(r.Makers[n], e.Created))
}

// Changed reports whether another session changed a table or view that reached statements made: its text, or anything at all after the
// last of them that is about it, or an option, an index, a CHECK or its owner, of which the engine notes no time.
func (r *Reach) Changed(now catalog.ObjectState, updated time.Time) bool {
	return r.Reworded(now) || now.Engine != "VIEW" && (r.ChangedSince(now, updated) || r.disowned(now) || now.IsFuse() && r.extended(now))
}

// disowned reports whether a table that reached statements made is the role's to which another session gave it.
func (r *Reach) disowned(now catalog.ObjectState) bool {
	return r.role != "" && now.Owner != "" && now.Owner != r.role && !slices.ContainsFunc(r.Statements, func(s Reached) bool {
		return s.Effect.Unknown || slices.ContainsFunc(s.Effect.Writes, func(w effect.Write) bool {
			return w.Kind == sqltext.Grant && w.Name == "ROLE "+now.Owner && slices.Contains(w.Grant.Privileges, "OWNERSHIP")
		})
	})
}

// extended reports whether a new table has an option, an index or a CHECK that no reached statement gave to any. The aggregating indexes
// of an earlier table of its name show as its own.
func (r *Reach) extended(now catalog.ObjectState) bool {
	touches := r.Touched[NewTable]
	gave := func(of func(effect.Write) bool) bool {
		return slices.ContainsFunc(touches, func(t Touch) bool { return of(t.Write) })
	}
	for k, v := range now.Options {
		ours := false
		for i, t := range touches {
			for _, o := range t.Write.Options {
				later, _ := relisted(o, touches[i+1:])
				ours = ours || o.Name == k && !o.Unset && (HoldsOption(now, o) || HoldsOption(now, later))
			}
		}
		if catalog.Chosen(k, v) && !ours {
			return true
		}
	}
	named := func(in []effect.Named, name string) bool {
		return slices.ContainsFunc(in, func(n effect.Named) bool { return !n.Dropped && (n.Name == "" || strings.EqualFold(n.Name, name)) })
	}
	return slices.ContainsFunc(now.Constraints, func(c catalog.Constraint) bool {
		return !gave(func(w effect.Write) bool { return named(w.Checks, c.Name) })
	}) || slices.ContainsFunc(now.Indexes, func(i catalog.Index) bool {
		earlier := i.Type == "AGGREGATING" && slices.Contains(r.Before[now.Object].Indexes, i)
		return !earlier && !gave(func(w effect.Write) bool { return named(w.Indexes, i.Name) })
	})
}

// Reworded reports whether another session gave a view that reached statements made another text after them.
func (r *Reach) Reworded(now catalog.ObjectState) bool {
	left, seen := r.leftOf(now.ID)
	_, captured := r.Captured(now.ID)
	return seen && !captured && left.Query != now.Query
}

// Refilled reports whether another session changed the rows of a table without history that reached statements made, after them. seen is
// false where it is not known how many they left.
func (r *Reach) Refilled(id, rows string) (refilled, seen bool) {
	left, seen := r.leftOf(id)
	seen = seen && left.Rows() != ""
	return seen && left.Rows() != rows, seen
}

// Retouched reports whether another session changed what FLASHBACK does not rewind of a table that a reached UNDROP brought up, after it.
func (r *Reach) Retouched(now catalog.ObjectState) bool {
	left, seen := r.leftOf(now.ID)
	lists := r.Changes(now.ID, effect.Columns) // of columns, which move with them
	options := func(of map[string]string) map[string]string {
		out := maps.Clone(of)
		maps.DeleteFunc(out, func(k, _ string) bool { return lists && slices.Contains(catalog.ColumnLists, k) })
		return out
	}
	alike := func(a, b catalog.Index) bool { a.Async = b.Async; return a == b }
	return seen && (left.Comment != now.Comment || !maps.Equal(options(left.Options), options(now.Options)) ||
		left.Owner != now.Owner && !r.Gives(now.Object, now.Owner) || !slices.EqualFunc(left.Indexes, now.Indexes, alike) ||
		!left.Unread && !now.Unread && !slices.Equal(left.Constraints, now.Constraints))
}

// ChangedSince reports whether another session changed a table that reached statements made or brought up, after the last of them that is
// about it. One that its CREATE alone is about has about the time of that as its last change. UNDROP and RENAME of a database are about
// all that is in it.
func (r *Reach) ChangedSince(now catalog.ObjectState, updated time.Time) bool {
	var about []int
	for i, st := range r.Statements {
		if st.Effect.Unknown {
			return false
		}
		if slices.Contains(st.Effect.Names, now.Object) ||
			slices.ContainsFunc(st.Effect.Writes, func(w effect.Write) bool {
				over := w.Kind == sqltext.Database && (w.Verb == effect.Undrop || w.Verb == effect.RenameIn) && w.Name == now.Database
				return w.Object == now.Object || over
			}) {
			about = append(about, i)
		}
	}
	if len(about) == 0 {
		return false
	}
	last := about[len(about)-1]
	made := slices.ContainsFunc(r.Statements[last].Effect.Writes, func(w effect.Write) bool {
		return w.Object == now.Object && w.Verb.Makes()
	})
	if len(about) == 1 && made && !r.Statements[last].Effect.Changes(effect.Rows) {
		const twoLooks = 100 * time.Millisecond // of the engine at its clock, while it makes a table
		return updated.After(now.Created.Add(twoLooks))
	}
	return r.over(last, updated)
}

// sameButGiven compares definitions but for what a role or user was given, and where the table of an index is: that is another statement's.
func sameButGiven(a, b catalog.ObjectState) bool {
	a.Grants, b.Grants = nil, nil
	a.Facts, b.Facts = maps.Clone(a.Facts), maps.Clone(b.Facts)
	for _, facts := range []map[string]string{a.Facts, b.Facts} {
		delete(facts, "roles")
		if a.Kind == sqltext.Index {
			delete(facts, "database")
			delete(facts, "table")
		}
	}
	return a.Definition() == b.Definition() && a.SameKeys(b)
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
