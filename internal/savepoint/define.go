package savepoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// definitions puts right what FLASHBACK does not rewind: options, indexes, constraints, and then the text of views, which may
// need the tables.
func (x *restorer) definitions() error {
	var tables []catalog.Name
	var views []catalog.ObjectState
	for _, o := range x.r.scope() {
		was := x.r.before[o]
		n := catalog.NameOf(o)
		if o.Kind != sqltext.Table || !was.Exists || x.held[o] != "" || !x.r.altered(was.ID) && was.Engine != "STREAM" {
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
		case e.IsFuse():
			tables = append(tables, n)
		case e.Comment != was.Comment:
			if err := x.exec("ALTER TABLE %s COMMENT = %s", n.SQL(), sqltext.Quote(was.Comment)); err != nil {
				return fmt.Errorf("comment %s: %w", n, err)
			}
		}
	}
	unread := slices.ContainsFunc(tables, func(n catalog.Name) bool { return x.live.Tables[n].Unread })
	if x.stale || unread { // FLASHBACK mends what makes system.constraints fail
		if err := x.read(); err != nil {
			return err
		}
		tables = slices.DeleteFunc(tables, func(n catalog.Name) bool { return x.live.Tables[n] == nil })
	}
	for _, n := range tables {
		was, now := x.r.before[n.Object()], x.live.Tables[n]
		before := x.wrote
		for _, step := range []func(catalog.Name, catalog.ObjectState, *catalog.Entry) error{x.clusterKeyOfEmpty, x.options, x.indexes, x.constraints} {
			if err := step(n, was, now); err != nil {
				return fmt.Errorf("restore %s: %w", n, err)
			}
		}
		if x.wrote > before {
			x.done[n.Object()] = true
		}
	}
	for _, was := range views {
		n := catalog.NameOf(was.Object)
		if e := x.live.Tables[n]; e != nil && e.Query != was.Query {
			if err := x.exec("ALTER VIEW %s AS %s", n.SQL(), was.Query); err != nil {
				x.note(was.Object, "its text cannot be put back: %s", catalog.Message(err))
				continue
			}
			x.done[was.Object] = true
		}
	}
	return nil
}

// rewind puts a stream that was consumed back to where it was, by defining it anew there (from Databend's sources: streams need a
// licence that the embedded engine has not).
func (x *restorer) rewind(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	at := catalog.Head("SNAPSHOT_LOCATION='" + was.Facts["at"] + "'")
	if was.Facts["at"] == now.Facts["at"] || at == "" || len(x.r.touched[was.ID]) == 0 {
		return nil
	}
	comment := ""
	if was.Comment != "" {
		comment = " COMMENT = " + sqltext.Quote(was.Comment)
	}
	err := x.exec("CREATE OR REPLACE STREAM %s ON TABLE %s AT (SNAPSHOT => %s) APPEND_ONLY = %t%s", n.SQL(), was.Facts["on table"], sqltext.Quote(at),
		strings.Contains(strings.ToLower(was.Facts["mode"]), "append"), comment)
	if catalog.Refused(err) {
		x.note(was.Object, "it cannot be put back to where it was: %s", catalog.Message(err))
		return nil
	}
	x.done[was.Object] = true
	return err
}

// clusterKeyOfEmpty sets the cluster key of a table that was never written, before or since, as it was: there is no snapshot to go
// back to that would have it.
func (x *restorer) clusterKeyOfEmpty(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	if was.Head != "" || now.Head != "" {
		return nil
	}
	if now.ClusterBy != was.ClusterBy {
		if was.ClusterBy == "" {
			return x.exec("ALTER TABLE %s DROP CLUSTER KEY", n.SQL())
		}
		return x.exec("ALTER TABLE %s CLUSTER BY %s", n.SQL(), was.ClusterBy)
	}
	return nil
}

func (x *restorer) options(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	if !x.r.changes(was.ID, effect.Options) {
		return nil
	}
	var set, unset []string
	for _, k := range slices.Sorted(maps.Keys(was.Options)) {
		if v := was.Options[k]; now.Options[k] != v {
			set = append(set, strings.ToLower(k)+" = "+sqltext.Quote(v))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(now.Options)) {
		if _, had := was.Options[k]; had {
			continue
		}
		switch v, ok := catalog.Neutral[k]; {
		case slices.Contains(catalog.Unsettable, k):
			unset = append(unset, strings.ToLower(k))
		case !ok:
			x.note(was.Object, "option %s stays set: Databend cannot take it away", strings.ToLower(k))
		case now.Options[k] != v:
			set = append(set, strings.ToLower(k)+" = "+sqltext.Quote(v))
		}
	}
	if len(set) > 0 {
		if err := x.exec("ALTER TABLE %s SET OPTIONS (%s)", n.SQL(), strings.Join(set, ", ")); err != nil {
			return err
		}
	}
	if len(unset) > 0 {
		return x.exec("ALTER TABLE %s UNSET OPTIONS (%s)", n.SQL(), strings.Join(unset, ", "))
	}
	return nil
}

func (x *restorer) indexes(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	if !x.r.changes(was.ID, effect.Indexes) && len(was.Indexes) <= len(now.Indexes) {
		return nil
	}
	for _, i := range now.Indexes {
		if !slices.Contains(was.Indexes, i) && x.r.changes(was.ID, effect.Indexes) {
			if err := x.dropIndex(n, i); err != nil {
				return err
			}
		}
	}
	for _, i := range was.Indexes {
		if !slices.Contains(now.Indexes, i) {
			if err := x.createIndex(n, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *restorer) dropIndex(n catalog.Name, i catalog.Index) error {
	if i.Type == "AGGREGATING" {
		return x.exec("DROP AGGREGATING INDEX IF EXISTS %s", sqltext.Ident(i.Name))
	}
	return x.exec("DROP %s INDEX IF EXISTS %s ON %s", i.Type, sqltext.Ident(i.Name), n.SQL())
}

func (x *restorer) createIndex(n catalog.Name, i catalog.Index) error {
	if i.Type == "AGGREGATING" {
		return x.exec("CREATE OR REPLACE AGGREGATING INDEX %s AS %s", sqltext.Ident(i.Name), i.Definition)
	}
	return x.exec("CREATE %s INDEX IF NOT EXISTS %s ON %s%s", i.Type, sqltext.Ident(i.Name), n.SQL(), i.Definition)
}

func (x *restorer) constraints(n catalog.Name, was catalog.ObjectState, now *catalog.Entry) error {
	if was.Unread || now.Unread {
		return nil
	}
	if x.r.changes(was.ID, effect.Constraints) {
		for _, k := range now.Constraints {
			if !slices.Contains(was.Constraints, k) {
				if err := x.exec("ALTER TABLE %s DROP CONSTRAINT %s", n.SQL(), sqltext.Ident(k.Name)); err != nil {
					return err
				}
			}
		}
	}
	for _, k := range was.Constraints {
		if !slices.Contains(now.Constraints, k) {
			if err := x.exec("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)", n.SQL(), sqltext.Ident(k.Name), k.Expression); err != nil {
				return err
			}
		}
	}
	return nil
}

// owners gives tables and databases back to their role: UNDROP loses the owner.
func (x *restorer) owners() error {
	for _, o := range x.r.scope() {
		was := x.r.before[o]
		if !was.Exists || was.Owner == "" || x.held[o] != "" {
			continue
		}
		var now *catalog.Entry
		on := ""
		switch o.Kind {
		case sqltext.Table:
			now, on = x.live.Tables[catalog.NameOf(o)], catalog.NameOf(o).SQL()
			if len(x.r.lost[was.ID]) == 0 && !x.r.lostDB[o.Database] && !x.r.owned[o] {
				continue
			}
		case sqltext.Database:
			now, on = x.live.Databases[o.Name], sqltext.Ident(o.Name)+".*"
		}
		if now == nil || now.ID != was.ID || now.Owner == was.Owner {
			continue
		}
		if err := x.exec("GRANT OWNERSHIP ON %s TO ROLE %s", on, sqltext.Quote(was.Owner)); err != nil {
			x.note(o, "its owner was %s and cannot be given back: %s", was.Owner, catalog.Message(err))
			continue
		}
		now.Owner = was.Owner
		x.done[o] = true
	}
	return nil
}
