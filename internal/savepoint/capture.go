package savepoint

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Capture reads the state of objects: one request whatever their number (two when the constraints of some table cannot be read),
// one more per exotic kind (a kind that the engine shows by a statement of its own only).
func Capture(ctx context.Context, c Conn, objects []sqltext.Object) (State, error) {
	cat, err := readCatalog(ctx, c, objects, nil)
	if err != nil {
		return State{}, fmt.Errorf("capture: %w", err)
	}
	s := State{Server: cat.server, At: cat.at, Objects: make([]ObjectState, 0, len(objects))}
	seen := map[sqltext.Object]bool{}
	for _, o := range objects {
		if !seen[o] {
			seen[o] = true
			s.Objects = append(s.Objects, cat.state(o))
		}
	}
	return s, nil
}

// Objects are the objects to capture before statements with these effects run, in order: what they write, under the names that
// databases have at the capture.
func Objects(effects []effect.Effect) []sqltext.Object {
	var out []sqltext.Object
	seen := map[sqltext.Object]bool{}
	renamed := map[string]string{} // a database's name after a statement → at the capture
	add := func(o sqltext.Object) {
		if !seen[o] {
			seen[o] = true
			out = append(out, o)
		}
		if was, ok := renamed[o.Database]; ok && o.Kind == sqltext.Table && was != o.Database {
			o.Database = was
			if !seen[o] {
				seen[o] = true
				out = append(out, o)
			}
		}
	}
	for _, e := range effects {
		from := ""
		for _, w := range e.Writes {
			if w.Kind == sqltext.Unknown {
				continue
			}
			add(w.Object)
			switch {
			case w.Kind != sqltext.Database:
			case w.Verb == effect.RenameOut:
				from = cmp.Or(renamed[w.Name], w.Name)
			case w.Verb == effect.RenameIn:
				renamed[w.Name] = from
			}
		}
	}
	return out
}

// Changed are the captured tables whose rows or columns statements with these effects change, in the order in which they run, and
// those of them that a COPY writes: by the names of the capture, whatever their names are by then.
func Changed(captured State, effects []effect.Effect) (all, copies []sqltext.Object) {
	reached := make([]Reached, len(effects))
	for i, e := range effects {
		reached[i].Effect = e
	}
	r := newReach(captured, reached)
	for _, o := range r.order {
		s := r.before[o]
		if o.Kind != sqltext.Table || !s.Exists {
			continue
		}
		changed, copied := false, false
		for _, t := range r.touched[s.ID] {
			copied = copied || effects[t.statement].Copy
			changed = changed || (t.write.Verb == effect.Alter || t.write.Verb == effect.WriteData) && t.write.Changes(effect.Rows|effect.Columns)
		}
		if changed {
			all = append(all, o)
		}
		if changed && copied {
			copies = append(copies, o)
		}
	}
	return all, copies
}

// entry is a table, view, stream or database as the catalogue has it.
type entry struct {
	ObjectState
	dropped string
}

func (e *entry) name() name { return name{e.Database, e.Name} }

// catalog is one look at the live catalogue.
type catalog struct {
	server, at string
	tables     map[name]*entry
	gone       map[name][]*entry // dropped, oldest first
	databases  map[string]*entry
	goneDBs    map[string][]*entry
	newestDB   string
	others     map[sqltext.Object]ObjectState
}

// inFilter is from how many names on the whole database is read: planning many ORs takes longer (20 names 100 ms, 50 names
// 800 ms, a database of 1,100 tables 100 ms).
const inFilter = 20

// readCatalog reads what is known of objects; of the databases in whole it reads every table's name and id too.
func readCatalog(ctx context.Context, c Conn, objects []sqltext.Object, whole []string) (*catalog, error) {
	cat := &catalog{
		tables: map[name]*entry{}, gone: map[name][]*entry{}, databases: map[string]*entry{}, goneDBs: map[string][]*entry{},
		others: map[sqltext.Object]ObjectState{},
	}
	tables := map[string][]string{}
	var databases []string
	kinds := map[sqltext.ObjectKind][]sqltext.Object{}
	for _, o := range objects {
		switch o.Kind {
		case sqltext.Table:
			tables[o.Database] = append(tables[o.Database], o.Name)
		case sqltext.Database:
			databases = append(databases, o.Name)
		default:
			kinds[o.Kind] = append(kinds[o.Kind], o)
		}
	}
	branches := []string{branch("now", []string{"version()", "now()"}, "")}
	for _, db := range slices.Sorted(maps.Keys(tables)) {
		names := tables[db]
		in := func(col string) string {
			f := " where database = " + sqltext.Quote(db)
			if len(names) < inFilter {
				f += " and " + either(col, names)
			}
			return f
		}
		all := in("name")
		if slices.Contains(whole, db) {
			all = " where database = " + sqltext.Quote(db)
		}
		branches = append(branches,
			branch("table", []string{"database", "name", "table_id", "engine", "table_option", "comment", "cluster_by", "owner", "is_transient", "created_on"}, " from system.tables"+all),
			branch("gone", []string{"database", "name", "table_id", "engine", "table_option", "dropped_on", "created_on"}, " from system.tables_with_history"+in("name")+" and dropped_on is not null"),
			branch("column", []string{"database", "`table`", "name", "type", "default_kind", "default_expression", "is_nullable", "comment"}, " from system.columns"+in("`table`")),
			branch("view", []string{"database", "name", "view_query"}, " from system.views"+in("name")),
			branch("stream", []string{"database", "name", "stream_id", "table_name", "mode", "comment", "snapshot_location", "owner", "created_on"}, " from system.streams"+in("name")),
		)
	}
	if len(databases) > 0 {
		branches = append(branches,
			branch("db", []string{"name", "database_id", "dropped_on", "owner"}, fmt.Sprintf(" from system.databases_with_history where %s or left(name, %d) = %s",
				either("name", databases), len(parkedPrefix), sqltext.Quote(parkedPrefix))),
			// the databases of the engine itself have ids from 2^62 on
			branch("newest db", []string{"max(database_id)"}, " from system.databases_with_history where database_id < 4611686018427387904"))
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		if b := kindBranch(k, kinds[k]); b != "" {
			branches = append(branches, b)
		}
	}
	indexes, constraints := detailBranches(tables)
	rows, err := query(ctx, c, strings.Join(slices.Concat(branches, indexes, constraints), " union all "))
	unread := databend.IsCode(err, databend.CodeSemantic) && len(constraints) > 0
	if unread {
		rows, err = query(ctx, c, strings.Join(slices.Concat(branches, indexes), " union all "))
	}
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	cat.add(rows)
	if unread {
		for _, db := range slices.Sorted(maps.Keys(tables)) {
			for _, t := range tables[db] {
				if err := cat.readConstraints(ctx, c, name{db, t}); err != nil {
					return nil, fmt.Errorf("read constraints: %w", err)
				}
			}
		}
	}
	cat.sortDetails()
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		if err := cat.readKind(ctx, c, k, kinds[k]); err != nil {
			return nil, fmt.Errorf("read %s: %w", k, err)
		}
	}
	return cat, nil
}

func (cat *catalog) add(rows [][]string) {
	columns := map[name][]Column{}
	queries := map[name]string{}
	var details [][]string
	for _, r := range rows {
		switch f := r[1:]; r[0] {
		case "now":
			cat.server, cat.at = f[0], f[1]
		case "table":
			e := &entry{ObjectState: ObjectState{
				Object: tableObject(name{f[0], f[1]}), Exists: true, ID: f[2], Engine: f[3], Options: options(f[4]), Head: head(f[4]),
				Comment: f[5], ClusterBy: f[6], Owner: f[7], Transient: f[8] != "", Created: f[9],
			}}
			cat.tables[e.name()] = e
		case "stream":
			e := &entry{ObjectState: ObjectState{
				Object: tableObject(name{f[0], f[1]}), Exists: true, ID: f[2], Engine: "STREAM", Comment: f[5], Owner: f[7], Created: f[8],
				Facts: map[string]string{"on table": f[3], "mode": f[4], "at": f[6]},
			}}
			cat.tables[e.name()] = e
		case "gone":
			if strings.HasPrefix(f[1], "orphan@") { // litter of a failed CREATE TABLE … AS SELECT
				continue
			}
			e := &entry{dropped: f[5], ObjectState: ObjectState{
				Object: tableObject(name{f[0], f[1]}), ID: f[2], Engine: f[3], Head: head(f[4]), Created: f[6],
			}}
			cat.gone[e.name()] = append(cat.gone[e.name()], e)
		case "column":
			n := name{f[0], f[1]}
			columns[n] = append(columns[n], Column{
				Name: f[2], Type: f[3], DefaultKind: f[4], Default: f[5], Nullable: f[6] == "YES", Comment: f[7],
			})
		case "view":
			queries[name{f[0], f[1]}] = f[2]
		case "db":
			e := &entry{dropped: f[2], ObjectState: ObjectState{
				Object: sqltext.Object{Kind: sqltext.Database, Name: f[0]}, Exists: f[2] == "", ID: f[1], Owner: f[3],
			}}
			if e.Exists {
				cat.databases[e.Name] = e
			} else {
				cat.goneDBs[e.Name] = append(cat.goneDBs[e.Name], e)
			}
		case "table index", "table constraint":
			details = append(details, r)
		case "newest db":
			cat.newestDB = f[0]
		default:
			cat.addKind(r[0], f)
		}
	}
	for n, e := range cat.tables {
		e.Columns, e.Query = columns[n], queries[n]
	}
	for _, r := range details {
		cat.addDetail(r)
	}
	older := func(a, b *entry) int { return strings.Compare(a.dropped, b.dropped) }
	for _, g := range cat.gone {
		slices.SortStableFunc(g, older)
	}
	for _, g := range cat.goneDBs {
		slices.SortStableFunc(g, older)
	}
}

// detailBranches read the indexes and constraints of tables. The empty string behind `table` keeps the filter from being pushed down:
// both system tables give nothing at all when a pushed-down one names a table that does not exist. And system.constraints fails as a
// whole while one CHECK of any table of the database names a renamed column.
func detailBranches(tables map[string][]string) (indexes, constraints []string) {
	for _, db := range slices.Sorted(maps.Keys(tables)) {
		filter := " where database = " + sqltext.Quote(db) + " and `table`||'' in " + list(tables[db])
		indexes = append(indexes, branch("table index", []string{"database", "`table`", "name", "type", "original", "definition"}, " from system.indexes"+filter))
		constraints = append(constraints, branch("table constraint", constraintColumns, " from system.constraints"+filter))
	}
	return indexes, constraints
}

var constraintColumns = []string{"database", "`table`", "name", "expression"}

// readConstraints reads the constraints of one table, pushed down, so that no other table's broken CHECK matters.
func (cat *catalog) readConstraints(ctx context.Context, c Conn, n name) error {
	e := cat.tables[n]
	if e == nil || !e.isFuse() {
		return nil
	}
	rows, err := query(ctx, c, branch("table constraint", constraintColumns, " from system.constraints where database = "+sqltext.Quote(n.db)+" and `table` = "+sqltext.Quote(n.table)))
	if databend.IsCode(err, databend.CodeSemantic) {
		e.Unread = true
		return nil
	}
	for _, r := range rows {
		cat.addDetail(r)
	}
	return err
}

func (cat *catalog) addDetail(r []string) {
	e := cat.tables[name{r[1], r[2]}]
	switch {
	case e == nil:
	case r[0] == "table constraint":
		e.Constraints = append(e.Constraints, Constraint{Name: r[3], Expression: r[4]})
	case r[4] != "AGGREGATING":
		def := r[6][max(strings.IndexByte(r[6], '('), 0):] // without the table's name, which may be another for now
		e.Indexes = append(e.Indexes, Index{Name: r[3], Type: r[4], Definition: def})
	case mentions(r[5], r[1]): // one of a dropped database is shown for a table of the same name in any other
		e.Indexes = append(e.Indexes, Index{Name: r[3], Type: r[4], Definition: r[5]})
	}
}

func (cat *catalog) sortDetails() {
	for _, e := range cat.tables {
		slices.SortFunc(e.Indexes, func(a, b Index) int { return strings.Compare(a.Type+" "+a.Name, b.Type+" "+b.Name) })
		slices.SortFunc(e.Constraints, func(a, b Constraint) int { return strings.Compare(a.Name, b.Name) })
	}
}

// state is the state of one object in this look.
func (cat *catalog) state(o sqltext.Object) ObjectState {
	switch o.Kind {
	case sqltext.Table:
		s := ObjectState{Object: o}
		if e := cat.tables[name{o.Database, o.Name}]; e != nil {
			s = e.ObjectState
		}
		s.Object = o
		for _, g := range cat.gone[name{o.Database, o.Name}] {
			s.Gone = append(s.Gone, Gone{ID: g.ID, Head: g.Head})
		}
		return s
	case sqltext.Database:
		s := ObjectState{Object: o}
		if e := cat.databases[o.Name]; e != nil {
			s = e.ObjectState
		}
		for _, g := range cat.goneDBs[o.Name] {
			s.Gone = append(s.Gone, Gone{ID: g.ID})
		}
		s.Newest = cat.newestDB
		return s
	}
	if s, ok := cat.others[o]; ok {
		return s
	}
	return ObjectState{Object: o}
}

// byID finds a live table by its id, under whatever name.
func (cat *catalog) byID(id string) *entry {
	for _, e := range cat.tables {
		if e.ID == id {
			return e
		}
	}
	return nil
}

var (
	headPattern   = regexp.MustCompile(`SNAPSHOT_LOCATION='[^']*/h?([0-9a-f]{32})_v`)
	optionPattern = regexp.MustCompile(`(?:^|' )\s*([A-Za-z0-9_]+)='`)
)

// head is the newest snapshot's id in a table_option text: all heads in one query.
func head(tableOption string) string {
	if m := headPattern.FindStringSubmatch(tableOption); m != nil {
		return m[1]
	}
	return ""
}

// options parses " K='v' K2='v2'" and drops what the engine keeps there for itself: where the newest snapshot is, since when
// changes are tracked, the kind of cluster key, and what ALTER VIEW leaves on a table.
func options(tableOption string) map[string]string {
	at := optionPattern.FindAllStringSubmatchIndex(tableOption, -1)
	out := map[string]string{}
	for i, m := range at {
		end := len(tableOption)
		if i+1 < len(at) {
			end = at[i+1][0] + 1 // the closing quote is part of the next match
		}
		value := strings.TrimSuffix(strings.TrimRight(tableOption[m[1]:end], " "), "'")
		switch k := strings.ToUpper(tableOption[m[2]:m[3]]); k {
		case "SNAPSHOT_LOCATION", "CHANGE_TRACKING_BEGIN_VER", "CLUSTER_TYPE", "QUERY":
		default:
			out[k] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
