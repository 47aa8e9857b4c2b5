package savepoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// definitions puts right what FLASHBACK does not rewind: options, indexes, constraints, and then the text of views, which may
// need the tables.
func (x *restorer) definitions() error {
	var tables []name
	var views []ObjectState
	for _, o := range x.r.scope() {
		was := x.r.before[o]
		n := name{o.Database, o.Name}
		if o.Kind != sqltext.Table || !was.Exists || x.held[o] != "" || !x.r.altered(was.ID) && was.Engine != "STREAM" {
			continue
		}
		switch e := x.live.tables[n]; {
		case e == nil || e.ID != was.ID:
		case was.Engine == "VIEW":
			views = append(views, was)
		case was.Engine == "STREAM":
			if err := x.rewind(n, was, e); err != nil {
				return err
			}
		case e.isFuse():
			tables = append(tables, n)
		case e.Comment != was.Comment:
			if err := x.exec("ALTER TABLE %s COMMENT = %s", n.sql(), sqltext.Quote(was.Comment)); err != nil {
				return fmt.Errorf("comment %s: %w", n, err)
			}
		}
	}
	unread := slices.ContainsFunc(tables, func(n name) bool { return x.live.tables[n].Unread })
	if x.stale || unread { // FLASHBACK mends what makes system.constraints fail
		if err := x.read(); err != nil {
			return err
		}
		tables = slices.DeleteFunc(tables, func(n name) bool { return x.live.tables[n] == nil })
	}
	for _, n := range tables {
		was, now := x.r.before[n.object()], x.live.tables[n]
		before := x.wrote
		for _, step := range []func(name, ObjectState, *entry) error{x.clusterKeyOfEmpty, x.options, x.indexes, x.constraints} {
			if err := step(n, was, now); err != nil {
				return fmt.Errorf("restore %s: %w", n, err)
			}
		}
		if x.wrote > before {
			x.done[n.object()] = true
		}
	}
	for _, was := range views {
		n := name{was.Database, was.Name}
		if e := x.live.tables[n]; e != nil && e.Query != was.Query {
			if err := x.exec("ALTER VIEW %s AS %s", n.sql(), was.Query); err != nil {
				x.note(was.Object, "its text cannot be put back: %s", message(err))
				continue
			}
			x.done[was.Object] = true
		}
	}
	return nil
}

// rewind puts a stream that was consumed back to where it was, by defining it anew there (from Databend's sources: streams need a
// licence that the embedded engine has not).
func (x *restorer) rewind(n name, was ObjectState, now *entry) error {
	at := head("SNAPSHOT_LOCATION='" + was.Facts["at"] + "'")
	if was.Facts["at"] == now.Facts["at"] || at == "" || len(x.r.touched[was.ID]) == 0 {
		return nil
	}
	comment := ""
	if was.Comment != "" {
		comment = " COMMENT = " + sqltext.Quote(was.Comment)
	}
	err := x.exec("CREATE OR REPLACE STREAM %s ON TABLE %s AT (SNAPSHOT => %s) APPEND_ONLY = %t%s", n.sql(), was.Facts["on table"], sqltext.Quote(at),
		strings.Contains(strings.ToLower(was.Facts["mode"]), "append"), comment)
	if refused(err) {
		x.note(was.Object, "it cannot be put back to where it was: %s", message(err))
		return nil
	}
	x.done[was.Object] = true
	return err
}

// clusterKeyOfEmpty sets the cluster key of a table that was never written, before or since, as it was: there is no snapshot to go
// back to that would have it.
func (x *restorer) clusterKeyOfEmpty(n name, was ObjectState, now *entry) error {
	if was.Head != "" || now.Head != "" {
		return nil
	}
	if now.ClusterBy != was.ClusterBy {
		if was.ClusterBy == "" {
			return x.exec("ALTER TABLE %s DROP CLUSTER KEY", n.sql())
		}
		return x.exec("ALTER TABLE %s CLUSTER BY %s", n.sql(), was.ClusterBy)
	}
	return nil
}

// unsettable options can be taken away again; Databend knows only SET for the others.
var unsettable = []string{
	"BLOCK_PER_SEGMENT", "ROW_PER_BLOCK", "BLOCK_SIZE_THRESHOLD", "ROW_AVG_DEPTH_THRESHOLD", "FILE_SIZE",
	"DATA_RETENTION_PERIOD_IN_HOURS", "DATA_RETENTION_NUM_SNAPSHOTS_TO_KEEP", "COPY_DEDUP_FULL_PATH",
}

// neutral are the values that mean the same as no value, for options that cannot be taken away.
var neutral = map[string]string{"CHANGE_TRACKING": "false", "ENABLE_SCHEMA_EVOLUTION": "false", "ENABLE_AUTO_ANALYZE": "1", "COMPRESSION": "lz4"}

func (x *restorer) options(n name, was ObjectState, now *entry) error {
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
		switch v, ok := neutral[k]; {
		case slices.Contains(unsettable, k):
			unset = append(unset, strings.ToLower(k))
		case !ok:
			x.note(was.Object, "option %s stays set: Databend cannot take it away", strings.ToLower(k))
		case now.Options[k] != v:
			set = append(set, strings.ToLower(k)+" = "+sqltext.Quote(v))
		}
	}
	if len(set) > 0 {
		if err := x.exec("ALTER TABLE %s SET OPTIONS (%s)", n.sql(), strings.Join(set, ", ")); err != nil {
			return err
		}
	}
	if len(unset) > 0 {
		return x.exec("ALTER TABLE %s UNSET OPTIONS (%s)", n.sql(), strings.Join(unset, ", "))
	}
	return nil
}

// Stays reports whether a table's option, by its upper case name, cannot be taken back once it is set for the first time.
func Stays(option string) bool { return !slices.Contains(unsettable, option) && neutral[option] == "" }

// residue reports whether an option is there now only because Databend cannot take it away.
func residue(k, now string, was map[string]string) bool {
	_, had := was[k]
	return !had && !slices.Contains(unsettable, k) && now != ""
}

func (x *restorer) indexes(n name, was ObjectState, now *entry) error {
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

func (x *restorer) dropIndex(n name, i Index) error {
	if i.Type == "AGGREGATING" {
		return x.exec("DROP AGGREGATING INDEX IF EXISTS %s", sqltext.Ident(i.Name))
	}
	return x.exec("DROP %s INDEX IF EXISTS %s ON %s", i.Type, sqltext.Ident(i.Name), n.sql())
}

func (x *restorer) createIndex(n name, i Index) error {
	if i.Type == "AGGREGATING" {
		return x.exec("CREATE OR REPLACE AGGREGATING INDEX %s AS %s", sqltext.Ident(i.Name), i.Definition)
	}
	return x.exec("CREATE %s INDEX IF NOT EXISTS %s ON %s%s", i.Type, sqltext.Ident(i.Name), n.sql(), i.Definition)
}

func (x *restorer) constraints(n name, was ObjectState, now *entry) error {
	if was.Unread || now.Unread {
		return nil
	}
	if x.r.changes(was.ID, effect.Constraints) {
		for _, k := range now.Constraints {
			if !slices.Contains(was.Constraints, k) {
				if err := x.exec("ALTER TABLE %s DROP CONSTRAINT %s", n.sql(), sqltext.Ident(k.Name)); err != nil {
					return err
				}
			}
		}
	}
	for _, k := range was.Constraints {
		if !slices.Contains(now.Constraints, k) {
			if err := x.exec("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)", n.sql(), sqltext.Ident(k.Name), k.Expression); err != nil {
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
		var now *entry
		on := ""
		switch o.Kind {
		case sqltext.Table:
			now, on = x.live.tables[name{o.Database, o.Name}], name{o.Database, o.Name}.sql()
			if len(x.r.lost[was.ID]) == 0 && !x.r.lostDB[o.Database] && !x.r.owned[o] {
				continue
			}
		case sqltext.Database:
			now, on = x.live.databases[o.Name], sqltext.Ident(o.Name)+".*"
		}
		if now == nil || now.ID != was.ID || now.Owner == was.Owner {
			continue
		}
		if err := x.exec("GRANT OWNERSHIP ON %s TO ROLE %s", on, sqltext.Quote(was.Owner)); err != nil {
			x.note(o, "its owner was %s and cannot be given back: %s", was.Owner, message(err))
			continue
		}
		now.Owner = was.Owner
		x.done[o] = true
	}
	return nil
}
