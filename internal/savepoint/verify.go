package savepoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// outcomes says what became of each object, from what is there now.
func (x *restorer) outcomes() ([]Outcome, error) {
	if x.wrote > x.seen {
		if err := x.read(); err != nil {
			return nil, err
		}
	}
	out, err := x.compare()
	if err != nil {
		return nil, err
	}
	if x.o.Report != nil {
		for _, o := range out {
			x.o.Report(o)
		}
	}
	return out, nil
}

func (x *restorer) compare() ([]Outcome, error) {
	scope := x.r.Scope()
	heads, err := x.compareHeads(scope)
	if err != nil {
		return nil, err
	}
	var out []Outcome
	for _, o := range scope {
		if why := x.of(o).failed; why != "" {
			x.note(o, "%s", why)
		}
		r := x.outcome(o, heads[o])
		r.Object = o
		out = append(out, r)
	}
	for _, o := range x.beside(scope) {
		switch f := x.of(o); {
		case f.held != "":
			out = append(out, Outcome{Object: o, Result: Kept, Detail: f.held})
		case f.failed != "":
			out = append(out, Outcome{Object: o, Result: Differs, Detail: f.failed})
		}
	}
	for i := range out {
		out[i].Word = x.word(out[i].Object)
	}
	for _, st := range x.r.Statements {
		if st.Effect.Unknown {
			out = append(out, Outcome{
				Object: sqltext.Object{Kind: sqltext.Unknown, Name: st.Effect.Kind}, Word: string(sqltext.Unknown), Result: Differs,
				Detail: "what it did is not known, and was not put back",
			})
		}
	}
	return out, nil
}

// word is what people call an object's kind: views and streams share a namespace with tables.
func (x *restorer) word(o sqltext.Object) string {
	if was := x.r.Before[o]; o.Kind == sqltext.Table && was.Exists {
		return strings.ToLower(was.DropWord())
	}
	for _, i := range x.r.Written[o] {
		for _, w := range x.r.Statements[i].Effect.Writes {
			if w.Object == o && w.Word() != string(o.Kind) {
				return w.Word()
			}
		}
	}
	return string(o.Kind)
}

// beside are the objects about which something may be to be said and that are not in scope, in order: tables that were put aside.
func (x *restorer) beside(scope []sqltext.Object) []sqltext.Object {
	out := slices.DeleteFunc(slices.Collect(maps.Keys(x.fates)), func(o sqltext.Object) bool { return slices.Contains(scope, o) })
	slices.SortFunc(out, func(a, b sqltext.Object) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// outcome says what became of an object of which a reached statement wrote something.
func (x *restorer) outcome(o sqltext.Object, headDiffers string) Outcome {
	was, known := x.r.Before[o]
	now := x.live.State(o)
	if why := x.of(o).held; why != "" {
		e := x.live.ByID(was.ID)
		if o.Kind == sqltext.Database {
			e = x.databaseByID(was.ID)
		}
		if was.Exists && e != nil && catalog.IsAside(e.Name) {
			why += "; the one that was there is kept as " + e.Name
		}
		return Outcome{Result: Kept, Detail: why}
	}
	if !known {
		return Outcome{Result: Differs, Detail: "it was not captured before the statement that wrote it"}
	}
	notes := strings.Join(x.of(o).notes, "; ")
	mine, theirs := x.difference(was, now, headDiffers)
	switch table := slipped(was, now); {
	case mine != "" && notes != "":
		return Outcome{Result: Differs, Detail: mine + "; " + notes}
	case mine != "":
		return Outcome{Result: Differs, Detail: mine}
	case theirs != "":
		return Outcome{Result: Kept, Detail: "another session changed it: " + theirs}
	case table != "":
		const how = " in the instant before it was dropped again: UNDROP TABLE brings it up"
		return Outcome{Result: Kept, Detail: "another session wrote into " + table + how}
	case x.of(o).undone != "":
		return Outcome{Result: Kept, Detail: "another session " + x.of(o).undone + " after ours: it is as before the migration again"}
	case x.of(o).done, !was.Exists && x.wrote > 0:
		return Outcome{Result: Restored, Detail: notes}
	}
	return Outcome{Result: Untouched, Detail: notes}
}

// compareHeads reads the snapshots of tables whose head is not the one to go back to: rows of others above it are as it should
// be, anything of ours is not.
func (x *restorer) compareHeads(scope []sqltext.Object) (map[sqltext.Object]string, error) {
	bases := map[catalog.Name]string{}
	for _, o := range scope {
		was := x.r.Before[o]
		n := catalog.NameOf(o)
		if e := x.live.Tables[n]; o.Kind == sqltext.Table && was.Exists && e != nil && e.ID == was.ID && e.IsFuse() && e.Head != x.r.Base(was) {
			bases[n] = x.r.Base(was)
		}
	}
	if len(bases) == 0 {
		return nil, nil
	}
	chains, err := blame.Chains(x.ctx, x.c, bases)
	if err != nil {
		return nil, err
	}
	out := map[sqltext.Object]string{}
	for n, ch := range chains {
		o := n.Object()
		was := x.r.Before[o]
		v, err := x.r.Attribute(x.ctx, x.c, ch, was.ID, false)
		if err != nil {
			return nil, err
		}
		switch {
		case bases[n] == "" && emptied(ch):
			// It had never been written: TRUNCATE is as far back as it goes.
		case v.Refuse != "" && len(x.r.Touched[was.ID]) > 0:
			out[o] = v.Refuse
		case v.Own > 0:
			out[o] = "rows or columns of this migration are still in it"
		case bases[n] != "" && ch.Base == len(ch.Snapshots):
			out[o] = "its snapshot " + bases[n] + " is no longer in its history"
		}
	}
	return out, nil
}

// slipped names a table that was dropped then and is now, and whose rows are others.
func slipped(was, now catalog.ObjectState) string {
	for _, g := range was.Gone {
		if slices.ContainsFunc(now.Gone, func(n catalog.Gone) bool { return n.ID == g.ID && g.Head != "" && n.Head != g.Head }) {
			return "table " + g.ID
		}
	}
	return ""
}

// emptied reports whether the newest snapshot holds no row.
func emptied(ch blame.Chain) bool { return len(ch.Snapshots) > 0 && len(ch.Snapshots[0].Segments) == 0 }

// difference says what is not as it was: what a reached statement can have changed, and what only others can.
func (x *restorer) difference(was, now catalog.ObjectState, headDiffers string) (mine, theirs string) {
	if was.Kind != sqltext.Table {
		return x.differenceOther(was, now)
	}
	stream := was.Engine == "STREAM" && now.Engine == "STREAM" // one that was consumed is defined anew at its place
	switch {
	case was.Exists != now.Exists:
		if was.Exists {
			return "it is not there", ""
		}
		return fmt.Sprintf("%s %s is there", now.Engine, now.ID), ""
	case !was.Exists:
		return "", ""
	case was.ID != now.ID && !stream:
		return fmt.Sprintf("table %s is there instead of %s", now.ID, was.ID), ""
	case headDiffers != "":
		return headDiffers, ""
	}
	var d differing
	if len(x.r.Touched[was.ID]) > 0 {
		switch {
		case was.IsFuse(), was.Engine == "VIEW", was.KeepsNothing():
		case was.Engine == "STREAM":
			d.say(true, was.Facts["at"] != now.Facts["at"], "it has been read past where it was")
		default:
			d.say(true, x.r.Changes(was.ID, effect.Rows), "rows of a %s table cannot be put back", was.Engine)
		}
	}
	x.differenceOfColumns(&d, was, now)
	d.say(x.r.Noted(was.ID, now.Comment), was.Comment != now.Comment, "comment is %s, was %s", sqltext.Quote(now.Comment),
		sqltext.Quote(was.Comment))
	d.say(x.r.Changes(was.ID, effect.Columns|effect.Cluster), was.ClusterBy != now.ClusterBy, "cluster key is %s, was %s", now.ClusterBy,
		was.ClusterBy)
	d.say(x.r.Gives(was.Object, now.Owner), was.Owner != "" && was.Owner != now.Owner, "its owner is %s, was %s", now.Owner, was.Owner)
	d.say(x.r.Worded(was.ID, now.Query), was.Query != now.Query, "its text is %s, was %s", now.Query, was.Query)
	x.differenceOfOptions(&d, was, now)
	x.differenceOfIndexes(&d, was, now)
	x.differenceOfChecks(&d, was, now)
	return strings.Join(d.mine, "; "), strings.Join(d.theirs, "; ")
}

// differing are the differences of one object, by who may have made them.
type differing struct{ mine, theirs []string }

func (d *differing) say(may, differs bool, format string, args ...any) {
	switch s := fmt.Sprintf(format, args...); {
	case !differs:
	case may:
		d.mine = append(d.mine, s)
	default:
		d.theirs = append(d.theirs, s)
	}
}

func (x *restorer) differenceOfColumns(d *differing, was, now catalog.ObjectState) {
	d.say(x.r.Changes(was.ID, effect.Columns|effect.Text), !sameColumns(was.Columns, now.Columns),
		"columns are %s, were %s", columnsText(now.Columns), columnsText(was.Columns))
	for _, c := range was.Columns {
		for _, n := range now.Columns {
			d.say(x.r.ColumnNoted(was.ID, c.Name, n.Comment), n.Name == c.Name && n.Comment != c.Comment,
				"comment of column %s is %s, was %s", c.Name, sqltext.Quote(n.Comment), sqltext.Quote(c.Comment))
		}
	}
}

func (x *restorer) differenceOfOptions(d *differing, was, now catalog.ObjectState) {
	options := x.r.Options(was)
	for k, v := range was.Options {
		o, ours := options[k]
		d.say(ours && blame.HoldsOption(now, o), now.Options[k] != v, "option %s is %s, was %s",
			k, sqltext.Quote(now.Options[k]), sqltext.Quote(v))
	}
	for k, v := range now.Options {
		o, ours := options[k]
		_, had := was.Options[k]
		d.say(ours && blame.HoldsOption(now, o), !had && !catalog.Residue(k, v, was.Options), "option %s is set", k)
	}
}

// differenceOfIndexes: ours are those that reached statements made and that are there, or dropped and that are not.
func (x *restorer) differenceOfIndexes(d *differing, was, now catalog.ObjectState) {
	was.Indexes = slices.DeleteFunc(slices.Clone(was.Indexes), x.apart)
	now.Indexes = slices.DeleteFunc(slices.Clone(now.Indexes), x.apart)
	made := slices.ContainsFunc(now.Indexes, func(i catalog.Index) bool {
		return !slices.Contains(was.Indexes, i) && x.r.MadeIndex(was.ID, i)
	})
	dropped := slices.ContainsFunc(was.Indexes, func(i catalog.Index) bool {
		return x.r.Index(was.ID, i.Name).Dropped && !slices.ContainsFunc(now.Indexes, func(n catalog.Index) bool { return n.Name == i.Name })
	})
	d.say(made || dropped, !slices.Equal(was.Indexes, now.Indexes), "indexes are %v, were %v", now.Indexes, was.Indexes)
}

// differenceOfChecks does for constraints what differenceOfIndexes does for indexes.
func (x *restorer) differenceOfChecks(d *differing, was, now catalog.ObjectState) {
	made := slices.ContainsFunc(now.Constraints, func(k catalog.Constraint) bool {
		return !slices.Contains(was.Constraints, k) && x.r.MadeCheck(was.ID, k)
	})
	dropped := slices.ContainsFunc(was.Constraints, func(k catalog.Constraint) bool {
		return x.r.Check(was.ID, k.Name).Dropped &&
			!slices.ContainsFunc(now.Constraints, func(n catalog.Constraint) bool { return n.Name == k.Name })
	})
	d.say(made || dropped, !was.Unread && !now.Unread && !slices.Equal(was.Constraints, now.Constraints), "constraints are %v, were %v",
		now.Constraints, was.Constraints)
	d.say(true, !was.Unread && now.Unread && x.r.Altered(was.ID), "its constraints cannot be read")
}

func columnsText(cs []catalog.Column) string {
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = c.String()
	}
	return "(" + strings.Join(out, ", ") + ")"
}
