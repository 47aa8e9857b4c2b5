// Package catalog reads what objects are: Capture makes of a set of them a State, which the journal keeps. It knows the kinds of objects,
// one value for each: how they are read, which of their facts are a definition, how they are dropped and made again, and so what a
// change of them can promise.
package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Capture reads the state of objects: one request whatever their number (two when the constraints of some table cannot be read),
// one more per exotic kind (a kind that the engine shows by a statement of its own only), and one for what roles and users were granted. Of
// the tables in indexed it also looks which indexes are ASYNC: one more for each that has indexes.
func Capture(ctx context.Context, c Conn, objects []sqltext.Object, indexed ...sqltext.Object) (State, error) {
	cat, err := Read(ctx, c, objects, nil)
	if err != nil {
		return State{}, fmt.Errorf("capture: %w", err)
	}
	if err := cat.ReadAsync(ctx, c, indexed); err != nil {
		return State{}, fmt.Errorf("capture: %w", err)
	}
	return cat.captured(objects)
}

// captured are the states of objects, all of which must be known.
func (cat *Catalog) captured(objects []sqltext.Object) (State, error) {
	for _, o := range objects {
		if err := cat.Refused[o]; err != nil {
			return State{}, fmt.Errorf("capture %s: %w", o, err)
		}
	}
	return cat.states(objects), nil
}

// CaptureNew is Capture where no table of objects is likely to be there: details of tables are asked for only when one is. That takes the
// server less than half the time.
func CaptureNew(ctx context.Context, c Conn, objects []sqltext.Object, indexed ...sqltext.Object) (State, error) {
	cat, err := read(ctx, c, wanted{bare: true}.with(objects), nil)
	if err != nil {
		return State{}, fmt.Errorf("capture: %w", err)
	}
	if len(cat.Tables) > 0 {
		return Capture(ctx, c, objects, indexed...)
	}
	return cat.captured(objects)
}

// Left reads what a run leaves behind: a Capture without what was dropped before. No later run asks the journal for that, and reading it
// takes the server a quarter of the time. What may not be read is left out.
func Left(ctx context.Context, c Conn, objects []sqltext.Object) (State, error) {
	cat, err := read(ctx, c, wanted{there: true}.with(objects), nil)
	if err != nil {
		return State{}, err
	}
	return cat.states(objects), nil
}

// states are those of objects, each once.
func (cat *Catalog) states(objects []sqltext.Object) State {
	s := State{Server: cat.Server, At: cat.At, Role: cat.role, Objects: make([]ObjectState, 0, len(objects))}
	seen := map[sqltext.Object]bool{}
	for _, o := range objects {
		if !seen[o] && cat.Refused[o] == nil {
			seen[o] = true
			s.Objects = append(s.Objects, cat.State(o))
		}
	}
	return s
}

// Entry is a table, view, stream or database as the catalogue has it.
type Entry struct {
	ObjectState
	Updated time.Time // the server's time of its last change; what is said of a view does not move it
	dropped time.Time
}

func (e *Entry) Place() Name { return Name{e.Database, e.Name} }

// Catalog is one look at the live catalogue.
type Catalog struct {
	Server        string
	At            time.Time
	Tables        map[Name]*Entry
	Gone          map[Name][]*Entry // dropped, oldest first
	Databases     map[string]*Entry
	GoneDatabases map[string][]*Entry
	Refused       map[sqltext.Object]error // of which it is not known whether they are there: what the server says
	newestDB      string
	role          string
	tags          bool // the account has some
	others        map[sqltext.Object]ObjectState
}

// inFilter is from how many names on the whole database is read: planning many ORs takes longer (20 names 100 ms, 50 names
// 800 ms, a database of 1,100 tables 100 ms).
const inFilter = 20

// Read reads what is known of objects; of the databases in whole it reads every table's name and id too.
func Read(ctx context.Context, c Conn, objects []sqltext.Object, whole []string) (*Catalog, error) {
	return read(ctx, c, wanted{}.with(objects), whole)
}

// Holders reads what is under the names of tables now, without its details. That takes the server a third of the time of Read.
func Holders(ctx context.Context, c Conn, tables []sqltext.Object) (map[Name]*Entry, error) {
	cat, err := read(ctx, c, wanted{there: true, bare: true, names: true}.with(tables), nil)
	if err != nil {
		return nil, err
	}
	return cat.Tables, nil
}

func read(ctx context.Context, c Conn, w wanted, whole []string) (*Catalog, error) {
	cat := &Catalog{
		Tables: map[Name]*Entry{}, Gone: map[Name][]*Entry{}, Databases: map[string]*Entry{}, GoneDatabases: map[string][]*Entry{},
		others: map[sqltext.Object]ObjectState{}, Refused: map[sqltext.Object]error{},
	}
	branches, kinds := w.branches(whole), w.kindBranches()
	var indexes, constraints []string
	if !w.bare {
		indexes, constraints = detailBranches(w.tables)
	}
	all := func(parts ...[]string) ([]databend.Row, error) {
		return Query(ctx, c, strings.Join(slices.Concat(parts...), " union all "))
	}
	rows, err := all(branches, kinds, indexes, constraints)
	unread := databend.IsCode(err, databend.CodeSemantic, databend.CodePermissionDenied) && len(constraints) > 0
	if unread {
		rows, err = all(branches, kinds, indexes)
	}
	if databend.IsAnswered(err) && len(kinds) > 0 { // of one kind, perhaps
		unread, cat.tags = !w.bare, true
		rows, err = all(branches, indexes)
		for _, k := range slices.Sorted(maps.Keys(w.others)) {
			if b := kindOf(k).branch(w.others[k]); b != "" && err == nil {
				var more []databend.Row
				more, err = all([]string{b})
				rows, err = append(rows, more...), cat.refuse(err, w.others[k])
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	cat.add(rows)
	if unread {
		for _, db := range slices.Sorted(maps.Keys(w.tables)) {
			for _, t := range w.tables[db] {
				if err := cat.readConstraints(ctx, c, Name{db, t}); err != nil {
					return nil, fmt.Errorf("read constraints: %w", err)
				}
			}
		}
	}
	cat.sortDetails()
	if err := cat.countRows(ctx, c, w.tables); err != nil {
		return nil, fmt.Errorf("count rows: %w", err)
	}
	for _, k := range slices.Sorted(maps.Keys(w.others)) {
		read := kindOf(k).read
		if read == nil {
			continue
		}
		if err := cat.refuse(read(ctx, c, cat, w.others[k]), w.others[k]); err != nil {
			return nil, fmt.Errorf("read %s: %w", k, err)
		}
	}
	if w.names {
		return cat, nil
	}
	if err := cat.ask(ctx, c, slices.Concat(slices.Collect(maps.Values(w.others))...)); err != nil {
		return nil, fmt.Errorf("ask about objects: %w", err)
	}
	if err := cat.readLost(ctx, c); err != nil {
		return nil, fmt.Errorf("look for what was granted: %w", err)
	}
	return cat, nil
}

// countRows counts those of the tables without history, which tell what others do with them in no other way.
func (cat *Catalog) countRows(ctx context.Context, c Conn, tables map[string][]string) error {
	for db, names := range tables {
		for _, t := range names {
			e := cat.Tables[Name{db, t}]
			if e == nil || e.Engine != effect.Memory || e.Facts != nil {
				continue
			}
			rows, err := Query(ctx, c, "select to_string(count(*)) from "+e.Place().SQL())
			switch {
			case err == nil:
				e.Facts = map[string]string{rowCount: rows[0][0].String}
			case !databend.IsAnswered(err):
				return err
			}
		}
	}
	return nil
}

// refuse takes the server's refusal to show objects for what is known of these, and returns any other error.
func (cat *Catalog) refuse(err error, objects []sqltext.Object) error {
	if !databend.IsAnswered(err) {
		return err
	}
	for _, o := range objects {
		if delete(cat.others, o); !Absent(err) && !impossible(err) { // it may have gone meanwhile
			cat.Refused[o] = err
		}
	}
	return nil
}

// wanted are objects to read, by how they are read.
type wanted struct {
	tables    map[string][]string // names by database
	databases []string
	others    map[sqltext.ObjectKind][]sqltext.Object
	there     bool // not what was dropped
	bare      bool // not what is only of tables that are there
	names     bool // of kinds without history only what lists them
}

func (w wanted) with(objects []sqltext.Object) wanted {
	w.tables, w.others = map[string][]string{}, map[sqltext.ObjectKind][]sqltext.Object{}
	for _, o := range objects {
		switch o.Kind {
		case sqltext.Table:
			w.tables[o.Database] = append(w.tables[o.Database], o.Name)
		case sqltext.Database:
			w.databases = append(w.databases, o.Name)
		default:
			w.others[o.Kind] = append(w.others[o.Kind], o)
		}
	}
	return w
}

// branches are the parts of the catalogue union for what has history, without the details of tables.
func (w wanted) branches(whole []string) []string {
	out := []string{branch("now", []string{"version()", micros("now()"), "current_role()"}, "")}
	for _, db := range slices.Sorted(maps.Keys(w.tables)) {
		out = append(out, w.tableBranches(db, slices.Contains(whole, db))...)
	}
	if len(w.databases) > 0 {
		// The server looks up each database that the account ever dropped, at every reading: one tells the newest too, under no name. The
		// databases of the engine itself have ids from 2^62 on.
		wanted := fmt.Sprintf("(%s or left(name, %d) = %s)", Either("name", w.databases), len(ParkedPrefix), sqltext.Quote(ParkedPrefix))
		out = append(out, branch("db", []string{
			"if(" + wanted + ", name, '')", asText("database_id"), micros("dropped_on"), "owner", asText("newest"),
		}, " from (select name, database_id, dropped_on, owner, max(if(database_id < 4611686018427387904, database_id, null)) over ()"+
			" as newest from system.databases_with_history) where "+wanted+" or database_id = newest"))
	}
	return out
}

// kindBranches are those of the kinds without history, and of whether the account has tags.
func (w wanted) kindBranches() (out []string) {
	tags := false
	for _, k := range slices.Sorted(maps.Keys(w.others)) {
		if b := kindOf(k).branch(w.others[k]); b != "" {
			out = append(out, b)
		}
		tags = tags || kindOf(k).tags != nil
	}
	if tags {
		out = append(out, branch("tags", []string{"if(count(*) > 0, 'yes', '')"}, " from system.tags"))
	}
	return out
}

// tableBranches read the tables, views and streams of these names, and, where the database is wanted whole, the others' names and ids.
func (w wanted) tableBranches(db string, whole bool) []string {
	names := w.tables[db]
	in := func(col string) string {
		f := " where database = " + sqltext.Quote(db)
		if len(names) < inFilter {
			f += " and " + Either(col, names)
		}
		return f
	}
	all := in("name")
	if whole {
		all = " where database = " + sqltext.Quote(db)
	}
	tables := func(from, owner, dropped string) string {
		return branch("table", []string{
			"database", "name", asText("table_id"), "engine", "table_option", "comment", "cluster_by", owner,
			asText("is_transient"), micros("created_on"), micros("updated_on"), dropped,
		}, from)
	}
	// The history alone lists what was dropped, and of what is there too much: also a table that a CREATE TABLE … AS SELECT replaced, as if
	// it were there still.
	out := []string{tables(" from system.tables"+all, "owner", "''")}
	if !w.there {
		out = append(out, tables(" from system.tables_with_history"+in("name")+" and dropped_on is not null", "''", micros("dropped_on")))
	}
	if !w.bare {
		out = append(out,
			branch("column", []string{"database", "`table`", "name", "type", "default_kind", "default_expression", "is_nullable", "comment"},
				" from system.columns"+in("`table`")),
			branch("view", []string{"database", "name", "view_query"}, " from system.views"+in("name")))
	}
	return append(out, branch("stream", []string{
		"database", "name", asText("stream_id"), "table_name", "mode", "comment", "snapshot_location", "owner",
		micros("created_on"),
	}, " from system.streams"+all))
}

func (cat *Catalog) add(rows []databend.Row) {
	columns := map[Name][]Column{}
	queries := map[Name]string{}
	var details []databend.Row
	for _, r := range rows {
		switch f := r[1:]; r[0].String {
		case "now":
			cat.Server, cat.At, cat.role = f[0].String, f.Time(1), f[2].String
		case "table":
			e := &Entry{Updated: f.Time(10), dropped: f.Time(11), ObjectState: ObjectState{
				Object: Name{f[0].String, f[1].String}.Object(), ID: f[2].String, Engine: f[3].String, Head: Head(f[4].String), Created: f.Time(9),
			}}
			if !e.dropped.IsZero() {
				if !strings.HasPrefix(e.Name, "orphan@") { // litter of a failed CREATE TABLE … AS SELECT
					cat.Gone[e.Place()] = append(cat.Gone[e.Place()], e)
				}
				continue
			}
			e.Exists, e.Options, e.Transient = true, tableOptions(f[4].String), f[8].String != ""
			e.Comment, e.ClusterBy, e.Owner = f[5].String, f[6].String, f[7].String
			cat.Tables[e.Place()] = e
		case "stream":
			e := &Entry{ObjectState: ObjectState{
				Object: Name{f[0].String, f[1].String}.Object(), Exists: true, ID: f[2].String, Engine: "STREAM",
				Comment: f[5].String, Owner: f[7].String, Created: f.Time(8),
				Facts: map[string]string{"on table": f[3].String, "mode": f[4].String, "at": f[6].String},
			}}
			cat.Tables[e.Place()] = e
		case "column":
			n := Name{f[0].String, f[1].String}
			columns[n] = append(columns[n], Column{
				Name: f[2].String, Type: f[3].String, DefaultKind: f[4].String, Default: f[5].String,
				Nullable: f[6].String == "YES", Comment: f[7].String,
			})
		case "view":
			queries[Name{f[0].String, f[1].String}] = f[2].String
		case "db":
			cat.newestDB = f[4].String
			if f[0].String == "" { // the newest, which nobody asked for
				continue
			}
			e := &Entry{dropped: f.Time(2), ObjectState: ObjectState{
				Object: sqltext.Object{Kind: sqltext.Database, Name: f[0].String}, Exists: f[2].String == "", ID: f[1].String, Owner: f[3].String,
			}}
			if e.Exists {
				cat.Databases[e.Name] = e
			} else {
				cat.GoneDatabases[e.Name] = append(cat.GoneDatabases[e.Name], e)
			}
		case "tags":
			cat.tags = f[0].String != ""
		case "table index", "table constraint":
			details = append(details, r)
		default:
			cat.addKind(sqltext.ObjectKind(r[0].String), f)
		}
	}
	for n, e := range cat.Tables {
		e.Query = queries[n]
		e.Dead = e.Engine == "VIEW" && len(columns[n]) == 0
		switch {
		case !e.derived():
			e.Columns = columns[n]
		case strings.HasPrefix(e.Query, listed):
			for _, c := range columns[n] {
				e.List = append(e.List, c.Name)
			}
		}
	}
	for _, r := range details {
		cat.addDetail(r)
	}
	older := func(a, b *Entry) int { return a.dropped.Compare(b.dropped) }
	for _, g := range cat.Gone {
		slices.SortStableFunc(g, older)
	}
	for _, g := range cat.GoneDatabases {
		slices.SortStableFunc(g, older)
	}
}

// detailBranches read the indexes and constraints of tables. The empty string behind `table` keeps the filter from being pushed down:
// both system tables give nothing at all when a pushed-down one names a table that does not exist. And system.constraints fails as a
// whole while one CHECK of any table of the database names a renamed column. The aggregating indexes of all databases are shown as if they
// were of the session's own.
func detailBranches(tables map[string][]string) (indexes, constraints []string) {
	for _, db := range slices.Sorted(maps.Keys(tables)) {
		// The server lists the tables of these two databases only, which an OR without one would undo.
		of, in := "database = "+sqltext.Quote(db), " and `table`||'' in ("+sqltext.Literals(tables[db])+")"
		indexes = append(indexes, branch("table index", []string{sqltext.Quote(db), "`table`", "name", "type", "original", "definition"},
			" from system.indexes where ("+of+" or database = current_database()) and if(database||'' = "+sqltext.Quote(db)+
				", true, type = 'AGGREGATING')"+in))
		constraints = append(constraints, branch("table constraint", constraintColumns, " from system.constraints where "+of+in))
	}
	return indexes, constraints
}

var constraintColumns = []string{"database", "`table`", "name", "expression"}

// readConstraints reads the constraints of one table, pushed down, so that no other table's broken CHECK matters. A role without rights
// on the whole account may read them only where it was given SELECT on system.constraints.
func (cat *Catalog) readConstraints(ctx context.Context, c Conn, n Name) error {
	e := cat.Tables[n]
	if e == nil || !e.IsFuse() {
		return nil
	}
	rows, err := Query(ctx, c, branch("table constraint", constraintColumns,
		" from system.constraints where database = "+sqltext.Quote(n.DB)+" and `table` = "+sqltext.Quote(n.Table)))
	if databend.IsCode(err, databend.CodeSemantic, databend.CodePermissionDenied) {
		e.Unread = true
		return nil
	}
	for _, r := range rows {
		cat.addDetail(r)
	}
	return err
}

// ReadAsync looks which indexes of tables are ASYNC: only SHOW CREATE TABLE tells, one request for each table that has indexes.
func (cat *Catalog) ReadAsync(ctx context.Context, c Conn, tables []sqltext.Object) error {
	for _, o := range tables {
		e := cat.Tables[NameOf(o)]
		if o.Kind != sqltext.Table || e == nil || !slices.ContainsFunc(e.Indexes, func(i Index) bool { return i.Type != "AGGREGATING" }) {
			continue
		}
		rows, err := Query(ctx, c, "SHOW CREATE TABLE "+e.Place().SQL())
		if databend.IsAnswered(err) {
			_ = cat.refuse(err, []sqltext.Object{o})
			continue
		}
		if err != nil {
			return fmt.Errorf("read the indexes of %s: %w", o, err)
		}
		if len(rows) != 1 || len(rows[0]) < 2 {
			return fmt.Errorf("read the indexes of %s: SHOW CREATE TABLE has %d rows", o, len(rows))
		}
		for _, name := range asyncIndexes(rows[0][1].String) {
			for i := range e.Indexes {
				e.Indexes[i].Async = e.Indexes[i].Async || strings.EqualFold(e.Indexes[i].Name, name)
			}
		}
	}
	return nil
}

// asyncIndexes are the names behind ASYNC … INDEX in a CREATE TABLE.
func asyncIndexes(create string) []string {
	words, err := sqltext.ReadWords(create)
	if err != nil {
		return nil
	}
	var out []string
	for i := range words.Tokens {
		p := sqltext.Reader{Words: words, I: i + 3}
		if words.Is(i, "ASYNC") && words.Is(i+2, "INDEX") {
			if name, ok := p.Ident(); ok {
				out = append(out, name)
			}
		}
	}
	return out
}

func (cat *Catalog) addDetail(r databend.Row) {
	e := cat.Tables[Name{r[1].String, r[2].String}]
	switch {
	case e == nil:
	case r[0].String == "table constraint":
		e.Constraints = append(e.Constraints, Constraint{Name: r[3].String, Expression: r[4].String})
	case r[4].String != "AGGREGATING":
		def := strings.TrimPrefix(r[6].String, r[2].String) // which may be another for now
		e.Indexes = append(e.Indexes, Index{Name: r[3].String, Type: r[4].String, Definition: def})
	case readsFrom(r[5].String, r[1].String):
		e.Indexes = append(e.Indexes, Index{Name: r[3].String, Type: r[4].String, Definition: r[5].String})
	}
}

func (cat *Catalog) sortDetails() {
	for _, e := range cat.Tables {
		e.SortParts()
	}
}

// State is the state of one object in this look.
func (cat *Catalog) State(o sqltext.Object) ObjectState {
	switch o.Kind {
	case sqltext.Table:
		s := ObjectState{Object: o}
		if e := cat.Tables[Name{o.Database, o.Name}]; e != nil {
			s = e.ObjectState
		}
		s.Object = o
		for _, g := range cat.Gone[Name{o.Database, o.Name}] {
			s.Gone = append(s.Gone, Gone{ID: g.ID, Head: g.Head})
		}
		return s
	case sqltext.Database:
		s := ObjectState{Object: o}
		if e := cat.Databases[o.Name]; e != nil {
			s = e.ObjectState
		}
		for _, g := range cat.GoneDatabases[o.Name] {
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

// ByID finds a live table by its id, under whatever name.
func (cat *Catalog) ByID(id string) *Entry {
	for _, e := range cat.Tables {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// Conn is the session that reads: names are always qualified, its current database does not matter.
type Conn interface {
	Query(ctx context.Context, st databend.Statement) (databend.Result, error)
}
