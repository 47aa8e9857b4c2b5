package savepoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// definitions puts right what FLASHBACK does not rewind: options, indexes, constraints, and then the text of views, which may
// need the tables.
func (x *restorer) definitions() error {
	var tables []catalog.Name
	var views []catalog.ObjectState
	for _, o := range x.r.Scope() {
		was := x.r.Before[o]
		n := catalog.NameOf(o)
		if o.Kind != sqltext.Table || !was.Exists || x.of(o).held != "" || !x.r.Altered(was.ID) && was.Engine != "STREAM" {
			continue
		}
		switch e := x.live.Tables[n]; {
		case e == nil || e.ID != was.ID:
		case was.Engine == "VIEW":
			views = append(views, was)
		case was.Engine == "STREAM":
			if err := x.rewind(n, was, e); err != nil {
				return err
			}
		case e.IsFuse() && !sameParts(was, e.ObjectState):
			tables = append(tables, n)
		case e.Comment != was.Comment && x.r.Noted(was.ID, e.Comment):
			if err := x.only(o, x.exec("ALTER TABLE %s COMMENT = %s", n.SQL(), sqltext.Quote(was.Comment))); err != nil {
				return fmt.Errorf("comment %s: %w", n, err)
			}
		}
	}
	err := abreast(x.c, tables, func(n catalog.Name) error {
		was := x.r.Before[n.Object()]
		now, err := x.fresh(n, was.ID)
		if err := x.only(n.Object(), err); err != nil || now == nil {
			return err
		}
		steps := []func(catalog.Name, catalog.ObjectState, *catalog.Entry) error{x.clusterKeyOfEmpty, x.options, x.indexes, x.constraints}
		for _, step := range steps {
			if err := x.only(n.Object(), step(n, was, now)); err != nil {
				return fmt.Errorf("restore %s: %w", n, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, was := range views {
		n := catalog.NameOf(was.Object)
		if x.live.Tables[n].Query == was.Query {
			continue
		}
		e, err := x.fresh(n, was.ID)
		if err := x.only(was.Object, err); err != nil {
			return err
		}
		if e != nil && e.Query != was.Query && x.r.Worded(was.ID, e.Query) {
			body, _ := catalog.ViewBody(was)
			if err := x.only(was.Object, x.exec("ALTER VIEW %s%s", n.SQL(), body)); err != nil {
				return fmt.Errorf("restore %s: %w", n, err)
			}
			x.of(was.Object).done = true
		}
	}
	return nil
}

// fresh is a table or view that is about to be written, read again: others may have changed it meanwhile. It is nil when they took it away.
func (x *restorer) fresh(n catalog.Name, id string) (*catalog.Entry, error) {
	e, err := x.look(n)
	if err != nil || e == nil || e.ID != id {
		return nil, err
	}
	if err := x.async(e); err != nil {
		return nil, err
	}
	return e, nil
}

// sameParts compares what FLASHBACK does not rewind of a table.
func sameParts(a, b catalog.ObjectState) bool {
	return a.ClusterBy == b.ClusterBy && maps.Equal(a.Options, b.Options) && slices.Equal(a.Indexes, b.Indexes) &&
		slices.Equal(a.Constraints, b.Constraints)
}

// rewind puts a stream that was consumed back to where it was, by defining it anew there (from Databend's sources: streams need a
// licence that the embedded engine has not).
func (x *restorer) rewind(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	at := catalog.SnapshotID(was.Facts["at"])
	if was.Facts["at"] == now.Facts["at"] || at == "" || len(x.r.Touched[was.ID]) == 0 {
		return nil
	}
	comment := ""
	if was.Comment != "" {
		comment = " COMMENT = " + sqltext.Quote(was.Comment)
	}
	appends := strings.Contains(strings.ToLower(was.Facts["mode"]), "append")
	err := x.exec("CREATE OR REPLACE STREAM %s ON TABLE %s AT (SNAPSHOT => %s) APPEND_ONLY = %t%s",
		n.SQL(), was.Facts["on table"], sqltext.Quote(at), appends, comment)
	if databend.IsAnswered(err) {
		x.note(was.Object, "it cannot be put back to where it was: %s", databend.Message(err))
		return nil
	}
	x.of(was.Object).done = true
	return err
}

// clusterKeyOfEmpty sets the cluster key of a table that was never written, before or since, as it was: there is no snapshot to go
// back to that would have it.
func (x *restorer) clusterKeyOfEmpty(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	if was.Head != "" || now.Head != "" || !x.r.Changes(was.ID, effect.Cluster) {
		return nil
	}
	if now.ClusterBy != was.ClusterBy {
		x.of(n.Object()).done = true
		if was.ClusterBy == "" {
			return x.exec("ALTER TABLE %s DROP CLUSTER KEY", n.SQL())
		}
		return x.exec("ALTER TABLE %s CLUSTER BY %s", n.SQL(), was.ClusterBy)
	}
	return nil
}

// options puts back the options that reached statements changed, where they are as those left them.
func (x *restorer) options(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	var set, unset []string
	ours := x.r.Options(was)
	for _, k := range slices.Sorted(maps.Keys(ours)) {
		v, had := was.Options[k]
		is, has := now.Options[k]
		if had == has && v == is || !blame.HoldsOption(now.ObjectState, ours[k]) {
			continue
		}
		if neutral, ok := catalog.Neutral[k]; !had && ok {
			v, had = neutral, true
		}
		switch {
		case had && v != is:
			set = append(set, strings.ToLower(k)+" = "+sqltext.Quote(v))
		case had:
		case slices.Contains(catalog.Unsettable, k):
			unset = append(unset, strings.ToLower(k))
		default:
			x.note(was.Object, "option %s stays set: Databend cannot take it away", strings.ToLower(k))
		}
	}
	x.of(n.Object()).done = x.of(n.Object()).done || len(set)+len(unset) > 0
	if len(set) > 0 {
		if err := x.only(n.Object(), x.exec("ALTER TABLE %s SET OPTIONS (%s)", n.SQL(), strings.Join(set, ", "))); err != nil {
			return err
		}
	}
	if len(unset) > 0 {
		return x.exec("ALTER TABLE %s UNSET OPTIONS (%s)", n.SQL(), strings.Join(unset, ", "))
	}
	return nil
}

// indexes drops those that reached statements made, and makes those again that they dropped or replaced, or that stood in the way of a
// FLASHBACK. One is replaced in one step: killed between two, nobody could tell who dropped it.
func (x *restorer) indexes(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	for _, i := range now.Indexes {
		again := slices.ContainsFunc(was.Indexes, func(w catalog.Index) bool {
			return w.Name == i.Name && (w.Type == "AGGREGATING") == (i.Type == "AGGREGATING")
		})
		if !slices.Contains(was.Indexes, i) && !again && !x.apart(i) && x.r.MadeIndex(was.ID, i) {
			x.of(n.Object()).done = true
			if err := x.only(n.Object(), x.dropIndex(n, i)); err != nil {
				return err
			}
		}
	}
	for _, i := range was.Indexes {
		if x.apart(i) {
			continue
		}
		ours := x.r.Index(was.ID, i.Name)
		theirs, there := false, false
		for _, is := range now.Indexes {
			there = there || is.Name == i.Name
			theirs = theirs || is.Name == i.Name && !x.r.MadeIndex(was.ID, is)
		}
		// By an earlier restore, or another session.
		gone := i.Type == "AGGREGATING" && x.r.Changes(was.ID, effect.Columns)
		if slices.Contains(now.Indexes, i) || theirs || !ours.Made && !ours.Dropped && !gone && !x.id(was.ID).unblocked[i.Name] {
			continue
		}
		ourDoing := ours.Dropped || x.id(was.ID).unblocked[i.Name] || x.o.Again || x.second // or an earlier try's
		if !there && (gone || x.r.LeftIndex(was.ID, i.Name)) && !ourDoing {
			x.of(n.Object()).undone = "dropped index " + i.Name
		}
		x.of(n.Object()).done = true
		if err := x.only(n.Object(), x.createIndex(n, i, was.Columns)); err != nil {
			return err
		}
	}
	return nil
}

// apart reports whether an index is one of the objects that reached statements wrote: an aggregating one, which is made and dropped
// without its table.
func (x *restorer) apart(i catalog.Index) bool {
	return i.Type == "AGGREGATING" && len(x.r.Written[sqltext.Object{Kind: sqltext.Index, Name: i.Name}]) > 0
}

func (x *restorer) dropIndex(n catalog.Name, i catalog.Index) error {
	if i.Type == "AGGREGATING" {
		x.of(sqltext.Object{Kind: sqltext.Index, Name: i.Name}).done = true // no other session's doing
		return x.exec("DROP AGGREGATING INDEX IF EXISTS %s", sqltext.Ident(i.Name))
	}
	return x.exec("DROP %s INDEX IF EXISTS %s ON %s", i.Type, sqltext.Ident(i.Name), n.SQL())
}

func (x *restorer) createIndex(n catalog.Name, i catalog.Index, columns []catalog.Column) error {
	if i.Type == "AGGREGATING" {
		return x.exec("CREATE OR REPLACE AGGREGATING INDEX %s AS %s", sqltext.Ident(i.Name), i.Definition)
	}
	kind := i.Type
	if i.Async {
		kind = "ASYNC " + kind
	}
	return x.exec("CREATE OR REPLACE %s INDEX %s ON %s%s", kind, sqltext.Ident(i.Name), n.SQL(), catalog.IndexSQL(i, columns))
}

// constraints does for constraints what indexes does for indexes. A column that changes may take its CHECK with it.
func (x *restorer) constraints(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	if was.Unread || now.Unread {
		return nil
	}
	for _, k := range now.Constraints {
		if !slices.Contains(was.Constraints, k) && x.r.MadeCheck(was.ID, k) {
			x.of(n.Object()).done = true
			if err := x.only(n.Object(), x.exec("ALTER TABLE %s DROP CONSTRAINT %s", n.SQL(), sqltext.Ident(k.Name))); err != nil {
				return err
			}
		}
	}
	for _, k := range was.Constraints {
		ours := x.r.Check(was.ID, k.Name)
		theirs := slices.ContainsFunc(now.Constraints, func(n catalog.Constraint) bool {
			return n.Name == k.Name && !x.r.MadeCheck(was.ID, n)
		})
		mine := ours.Made || ours.Dropped || x.id(was.ID).unblocked[k.Name]
		if (mine || x.r.Recast(was.ID, k.Expression)) && !theirs && !slices.Contains(now.Constraints, k) {
			if !mine && !x.o.Again && !x.second {
				x.of(n.Object()).undone = "dropped constraint " + k.Name
			}
			x.of(n.Object()).done = true
			err := x.exec("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)", n.SQL(), sqltext.Ident(k.Name), k.Expression)
			if err := x.only(n.Object(), err); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownersOfRoles is owners once more where roles were made again: what a role owned when it was dropped is its own again then, and shows
// as the account's as long as there is no such role.
func (x *restorer) ownersOfRoles() error {
	made := func(o sqltext.Object) bool { return o.Kind == sqltext.Role && x.r.Before[o].Exists && x.of(o).done }
	if !slices.ContainsFunc(x.r.Order, made) {
		return nil
	}
	if err := x.read(); err != nil {
		return err
	}
	return x.owners()
}

// owners gives tables and databases back to their role: UNDROP loses the owner.
func (x *restorer) owners() error {
	for _, o := range x.r.Scope() {
		was := x.r.Before[o]
		if !was.Exists || x.of(o).held != "" {
			continue
		}
		var now *catalog.Entry
		switch o.Kind {
		case sqltext.Table:
			now = x.live.Tables[catalog.NameOf(o)]
			if len(x.r.Lost[was.ID]) == 0 && !x.r.LostDatabases[o.Database] && !x.r.Owned[o] {
				continue
			}
		case sqltext.Database:
			now = x.live.Databases[o.Name]
		}
		if now == nil || now.ID != was.ID || now.Owner == was.Owner || !x.r.Gives(o, now.Owner) {
			continue
		}
		if was.Owner == "" {
			x.note(o, "it had no owner and belongs to %s now: Databend takes no owner away", now.Owner)
			continue
		}
		if err := x.only(o, x.exec("%s", catalog.GiveTo(o, was.Owner))); err != nil {
			return fmt.Errorf("give %s back to %s: %w", o, was.Owner, err)
		}
		now.Owner = was.Owner
		x.of(o).done = true
	}
	return nil
}
