// Package effect knows what a statement does: what it writes and reads, and how it can be undone. Analyze reads it by its tokens, once.
// What a statement defines (columns, a stage's URL, a task's body), package define reads, and the effect carries: nobody else looks
// into the text.
package effect

import (
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
)

// Class says how a statement is undone.
type Class string

// The classes, from the best to the worst. The README says what undoes each.
const (
	None         Class = "none" // writes nothing: SELECT, SHOW, USE, SET
	Exact        Class = "exact"
	Flashback    Class = "flashback"
	Redefine     Class = "redefine"
	Irreversible Class = "irreversible"
)

// Verb is what a statement does to an object.
type Verb string

// The verbs.
const (
	Create    Verb = "create"
	Replace   Verb = "create or replace"
	CreateNew Verb = "create if not exists"
	Drop      Verb = "drop"
	Undrop    Verb = "undrop"
	RenameOut Verb = "rename from" // the object leaves this name
	RenameIn  Verb = "rename to"   // the object arrives under this name
	Swap      Verb = "swap"
	Alter     Verb = "alter"
	WriteData Verb = "write"
)

// Makes reports whether an object is there behind it that the statement made, unless IF NOT EXISTS found one.
func (v Verb) Makes() bool { return v == Create || v == Replace || v == CreateNew }

// Memory is the engine of tables that keep their rows in the server's memory, and no earlier ones.
const Memory = "MEMORY"

// Write is one object that a statement writes, and what of it.
type Write struct {
	sqltext.Object
	Verb     Verb
	Aspects  Aspect
	To       sqltext.Object  // of RenameOut: the name that the object gets; of the first of two Swaps: the other
	Columns  []define.Column // of a table: those that the statement names
	Change   define.Action   // what it does to them
	Derived  bool            // a CREATE TABLE takes its columns from elsewhere: AS SELECT, LIKE
	Engine   string          // of CREATE TABLE: as ENGINE = says, upper case; "" when it says none
	Options  []Option        // that SET OPTIONS and UNSET OPTIONS name
	Start    string          // of CREATE SEQUENCE: the first value, "1" when it says none
	Internal bool            // of CREATE STAGE: without a URL, so that its files live and die with it
	IsStream bool            // the statement says STREAM
	IsView   bool            // the statement says VIEW
	Does     RowVerb         // what WriteData does to the rows
	Forgets  bool            // TRUNCATE and DROP ALL: the engine forgets which files a COPY loaded into the table
	GoesBack bool            // FLASHBACK: rows of files that the engine still holds for loaded may be gone
	Grant    *Grant          // of GRANT and REVOKE, nil of all else
	Note     string          // of COMMENT = and COMMENT ON: the comment
	Indexes  []Named         // of a table: the indexes that it makes or drops
	Checks   []Named         // of a table: the constraints that it adds or drops, "" for one that it gives no name
}

// RowVerb is what a statement does to the rows of a table that stays; several are or-ed together.
type RowVerb uint8

// The verbs of rows.
const (
	AddsRows RowVerb = 1 << iota
	UpdatesRows
	DeletesRows
	TakesRows // it deletes all of them: TRUNCATE, INSERT OVERWRITE, DELETE without a condition that leaves some
)

// Has reports whether one of the verbs is among v.
func (v RowVerb) Has(any RowVerb) bool { return v&any != 0 }

// Word is what people call the object's kind: views and streams share a namespace with tables.
func (w Write) Word() string {
	switch {
	case w.IsStream:
		return "stream"
	case w.IsView:
		return "view"
	}
	return string(w.Kind)
}

// Named is a part of a table that a statement makes or drops.
type Named struct {
	Name    string
	Dropped bool
}

// Option is an option of a table that a statement sets, or takes away.
type Option struct {
	Name  string // upper case
	Value string // as the engine shows it
	Unset bool
}

// Changes reports whether the statement writes one of the aspects.
func (w Write) Changes(any Aspect) bool { return w.Aspects.Has(any) }

// Names reports whether the statement names a column of the table, by its earlier name or by its new one.
func (w Write) Names(column string) bool {
	return slices.ContainsFunc(w.Columns, func(c define.Column) bool {
		return strings.EqualFold(c.Name, column) || strings.EqualFold(c.NewName, column)
	})
}

// Effect is what one statement does. Kind, Reason and Undo are for people; nothing is decided by them.
type Effect struct {
	Kind   string           // "CREATE TABLE", "COPY INTO", "ALTER TABLE RENAME"
	Writes []Write          // empty for class none
	Names  []sqltext.Object // what it reads or depends on: base tables, stages, connections
	// the tables and views, written ones included, that rows of what it fills, or of the view that it defines, come from
	Sources  []sqltext.Object
	Table    *define.Table   // what a CREATE TABLE or ALTER TABLE says of the columns; nil of all else, and where it cannot be read
	Stage    *define.Stage   // what a CREATE STAGE says
	Task     *define.Task    // what a CREATE TASK or ALTER TASK says
	Temp     *sqltext.Object // the temporary table that it makes: the session's own, and no write
	Consumes bool            // a stream among Names is moved on by it: DML, CREATE TABLE AS and COPY INTO a location do that
	Class    Class
	Reason   string    // why it is of that class
	Undo     string    // how it would be undone: "UNDROP TABLE t"
	If       bool      // says IF EXISTS or IF NOT EXISTS: where that is not so it changes nothing; or only asks whether something is there
	Unknown  bool      // the statement or its effect is unknown (EXECUTE IMMEDIATE, CALL, an unknown verb)
	Script   bool      // it runs statements of its own, of which some may have run when it fails; every other statement is atomic
	Bare     bool      // a script that stands by itself: Databend parses one in EXECUTE IMMEDIATE, a procedure or a task only
	Query    bool      // SELECT, VALUES: it gives rows
	Explain  bool      // EXPLAIN, ANALYZE and PERF included
	DML      bool      // INSERT, UPDATE, DELETE, MERGE, REPLACE, COPY INTO table: may run in a transaction with its journal row
	Copy     bool      // COPY INTO a table: its answer has a row for each file, and the engine remembers the files
	Commits  bool      // DML that makes a snapshot even where no row changes: REPLACE INTO, INSERT OVERWRITE
	DDL      bool      // ends an open transaction: the engine commits before it runs it (allowed_in_multi_statement)
	Use      string    // USE db: the database afterwards
	Session  bool      // SET, UNSET, USE of a warehouse or catalog: the session is another afterwards
	Role     bool      // SET ROLE: what the session makes afterwards is that role's
	Settings []string  // the session settings that SET or UNSET changes
	During   []string  // settings that hold while it runs: of SETTINGS (…) and of hints, lower case
	Txn      string    // BEGIN, COMMIT, ROLLBACK
	Plain    bool      // a CREATE of one object that the catalogue lists, with no OR REPLACE, IF NOT EXISTS or AS SELECT: may share a mark
	Features []Feature // what it needs that not every server has (1402, 1702)

	Retention bool // changes how long dropped tables and old snapshots live, which UNDROP and FLASHBACK need
	Prunes    bool // deletes such tables or snapshots: VACUUM, OPTIMIZE … PURGE or ALL, DROP TABLE … ALL
}

// Changes reports whether the statement writes one of the aspects of some object.
func (e Effect) Changes(any Aspect) bool {
	return slices.ContainsFunc(e.Writes, func(w Write) bool { return w.Changes(any) })
}

// Objects are those that the statement reads, depends on or writes.
func (e Effect) Objects() []sqltext.Object {
	all := slices.Clone(e.Names)
	for _, w := range e.Writes {
		all = append(all, w.Object)
	}
	return all
}

// MovesSession reports whether what stands behind the statement in its session means something else than before it: USE, SET.
func (e Effect) MovesSession() bool { return e.Use != "" || e.Session }

// Needs reports whether the statement needs something that not every server has.
func (e Effect) Needs(f Feature) bool { return slices.Contains(e.Features, f) }

// Analyze says what stmt does when the current database is database. It never guesses: what it does not know is Unknown and
// Irreversible. Whether a name is a view, a stream, a table without history, or an internal stage is for the engine to say.
func Analyze(stmt, database string) Effect {
	words, err := sqltext.ReadStatement(stmt)
	if err != nil {
		return unknown("UNKNOWN", "the statement cannot be read: "+err.Error())
	}
	for _, t := range words.Tokens {
		// Rust's lower case of these is not Go's: ς at the end of a word, and i with a dot above.
		if name := stmt[t.Start:t.End]; t.Kind == sqltext.Word && strings.ContainsAny(name, "Σİ") {
			return unknown("UNKNOWN", "the lower case of "+name+" is not certain: quote the name")
		}
	}
	a := &analysis{Reader: &sqltext.Reader{Words: words}, database: database}
	a.statement()
	a.features()
	e := a.e
	e.DDL, e.During = a.ddl, a.during()
	if a.foreign && e.Class != None {
		e.Class, e.Reason, e.Undo, e.Plain = Irreversible, "it writes another catalog, whose history is not ours to use", "", false
	}
	if name := a.writer(); name != "" && !a.explained {
		e.Class, e.Reason, e.Undo, e.Plain = Irreversible,
			"the function "+name+" changes the warehouse, and what was before is not known", "", false
		e.Writes = append(e.Writes, Write{
			Object: sqltext.Object{Kind: sqltext.Unknown, Name: "what " + name + " changes"}, Verb: Alter,
			Aspects: Text,
		})
	}
	if e.DML && slices.ContainsFunc(e.Names, func(o sqltext.Object) bool { return o.Kind == sqltext.Sequence }) {
		e.Reason += "; values taken from a sequence are not given back"
	}
	seen := map[sqltext.Object]bool{}
	for _, w := range e.Writes {
		seen[w.Object] = true
	}
	e.Names = slices.DeleteFunc(e.Names, func(o sqltext.Object) bool {
		was := seen[o]
		seen[o] = true
		return was
	})
	return e
}

// writers are the table functions that change something (databend src/query/service/src/table_functions/table_function_factory.rs).
// tenant_quota does with more than one argument.
var writers = map[string]bool{
	"TENANT_QUOTA": true, "SET_CACHE_CAPACITY": true, "FUSE_AMEND": true, "FUSE_VACUUM2": true, "FUSE_VACUUM_TEMPORARY_TABLE": true,
	"FUSE_VACUUM_DROP_AGGREGATING_INDEX": true, "FUSE_VACUUM_DROP_INVERTED_INDEX": true, "TASK_DEPENDENTS_ENABLE": true,
	"SYNC_CRASH_ME": true, "ASYNC_CRASH_ME": true,
}

// writer is the name of a function among writers that a query calls.
func (a *analysis) writer() string {
	for i := range a.Tokens {
		name := strings.ToUpper(a.called(i))
		if !writers[name] {
			continue
		}
		if name != "TENANT_QUOTA" || a.Symbol(i+3, ",") {
			return strings.ToLower(name)
		}
	}
	return ""
}

// called is the name of the function whose call begins at token i, quoted or not; "" where none does.
func (a *analysis) called(i int) string {
	if t := a.Tokens[i].Kind; t != sqltext.Word && t != sqltext.Quoted || !a.Symbol(i+1, "(") {
		return ""
	}
	return sqltext.FoldIdent(a.Text(i))
}

// during finds the settings of SETTINGS (a = 1, …) and of hints: /*+ SET_VAR(a = 1) */.
func (a *analysis) during() []string {
	var names []string
	list := func(w sqltext.Words, i int) {
		for ; i < len(w.Tokens) && !w.Symbol(i, ")"); i++ {
			if w.Symbol(i+1, "=") && (w.Tokens[i].Kind == sqltext.Word || w.Tokens[i].Kind == sqltext.Quoted) {
				names = append(names, strings.ToLower(sqltext.FoldIdent(w.Text(i))))
			}
		}
	}
	tokens, _ := sqltext.Scan(a.Src) // it was read before
	for _, t := range tokens {
		if t.Kind != sqltext.Hint {
			continue
		}
		hint, _ := sqltext.ReadWords(strings.TrimSuffix(a.Src[t.Start+len("/*+"):t.End], "*/"))
		for j := range hint.Tokens {
			if hint.Is(j, "SET_VAR") {
				list(hint, j+1)
			}
		}
	}
	for i := range a.Tokens {
		if a.Is(i, "SETTINGS") && a.Symbol(i+1, "(") {
			list(a.Words, i+2)
		}
	}
	return names
}

func unknown(kind, reason string) Effect {
	return Effect{Kind: kind, Class: Irreversible, Unknown: true, Reason: reason}
}

func (a *analysis) script(kind, reason string) {
	a.e = unknown(kind, reason)
	a.e.Script = true
}

// ScriptHint is what mends a bare script.
const ScriptHint = "EXECUTE IMMEDIATE $$ BEGIN … END; $$ runs a script; a transaction is opened by BEGIN;"

func (a *analysis) bareScript() {
	a.script("SCRIPT", "Databend takes no script that stands by itself")
	a.e.Bare = true
}

// analysis reads one statement into e.
type analysis struct {
	*sqltext.Reader
	database  string
	e         Effect
	ddl       bool
	explained bool // by an EXPLAIN that does not run it
	foreign   bool // a written name stands in a catalog that is not "default"

	// no is what there is to say of a statement that cannot be followed: whatever is read of it behind that does not count.
	no *Effect
}

// unknown gives the statement up.
func (a *analysis) unknown(kind, reason string) {
	if a.no == nil {
		e := unknown(kind, reason)
		a.no = &e
	}
}

// require gives the statement up where a name in it could not be read.
func (a *analysis) require(kind string, ok bool) {
	if !ok {
		a.unknown(kind, noName)
	}
}

// noName is why a statement is unknown.
const noName = "the object's name cannot be read"

// set is called for every statement that is known.
func (a *analysis) set(kind string, class Class, reason, undo string) {
	a.e.Kind, a.e.Class, a.e.Reason, a.e.Undo = kind, class, reason, undo
}

// irreversible takes back that the statement could be undone.
func (a *analysis) irreversible(reason string) {
	a.e.Class, a.e.Reason, a.e.Undo = Irreversible, reason, ""
}

func (a *analysis) none(kind string) { a.set(kind, None, "it writes nothing", "") }

// write notes that o is written; with a verb that does not change its existence, the aspects say what of it.
func (a *analysis) write(o sqltext.Object, verb Verb, aspects ...Aspect) *Write {
	w := Write{Object: o, Verb: verb}
	if verb != Alter && verb != WriteData {
		w.Aspects = Existence
	}
	for _, x := range aspects {
		w.Aspects |= x
	}
	a.e.Writes = append(a.e.Writes, w)
	return &a.e.Writes[len(a.e.Writes)-1]
}

// name notes a name; Analyze leaves each once.
func (a *analysis) name(o sqltext.Object) { a.e.Names = append(a.e.Names, o) }

// addReads takes what the queries in tokens[from:] read, and what they write: streams that they consume.
func (a *analysis) addReads(from int) reads {
	r := a.readsOf(from, len(a.Tokens))
	for _, o := range r.names {
		a.name(o)
	}
	for _, o := range r.consumed {
		a.write(o, WriteData, Rows).IsStream = true
		a.needs(Streams)
	}
	return r
}

// filledFrom notes the tables and views that the queries in tokens[from:] read: rows of theirs are what the statement writes.
func (a *analysis) filledFrom(from int) {
	for _, o := range a.readsOf(from, len(a.Tokens)).names {
		if o.Kind == sqltext.Table {
			a.e.Sources = append(a.e.Sources, o)
		}
	}
}

// qualify makes an object of the parts of a name; ok is false for another catalog than "default".
func (a *analysis) qualify(kind sqltext.ObjectKind, parts []string) (sqltext.Object, bool) {
	o := sqltext.Object{Kind: kind, Database: a.database, Name: parts[len(parts)-1]}
	if len(parts) > 1 {
		o.Database = parts[len(parts)-2]
	}
	if len(parts) > 2 && parts[0] != "default" {
		o.Database = parts[0] + "." + o.Database
		return o, false
	}
	return o, len(parts) <= 3
}

// tableName reads the name of a table, view, stream or dictionary that is written.
func (a *analysis) tableName(kind sqltext.ObjectKind) (sqltext.Object, bool) {
	if a.IsWord("IDENTIFIER") && a.Symbol(a.I+1, "(") {
		return sqltext.Object{}, false
	}
	parts, ok := a.Reader.Name()
	if !ok || a.Symbol(a.I, "/") { // t/branch
		return sqltext.Object{}, false
	}
	o, ours := a.qualify(kind, parts)
	if !ours {
		a.foreign = true
	}
	return o, true
}

// table is tableName of a table, view or stream that a statement of the kind cannot do without.
func (a *analysis) table(kind string) sqltext.Object {
	o, ok := a.tableName(sqltext.Table)
	a.require(kind, ok)
	return o
}

func (a *analysis) ifExists() {
	if a.Take("IF", "EXISTS") {
		a.e.If = true
	}
}

// statement reads what begins with its first word.
func (a *analysis) statement() {
	start := a.I
	t, ok := a.Peek()
	switch {
	case !ok:
		a.none("EMPTY")
	case a.Symbol(a.I, "("):
		a.query(start)
	case t.Kind != sqltext.Word:
		a.unknown("UNKNOWN", "it starts with "+a.Describe())
	default:
		verb := a.Upper(a.I)
		a.I++
		a.ddl = a.isDDL(verb)
		a.dispatch(verb, start)
	}
	if a.no != nil {
		a.e, a.no = *a.no, nil
	}
}

// isDDL reports whether a statement of the verb, behind which the reader stands, commits what went before it.
func (a *analysis) isDDL(verb string) bool {
	switch verb {
	case "CREATE", "ALTER", "DROP", "UNDROP", "RENAME", "ATTACH", "TRUNCATE", "GRANT", "REVOKE", "COMMENT", "SUSPEND", "RESUME":
		return true
	case "REFRESH":
		return a.IsWord("MATERIALIZED")
	case "SHOW":
		return a.IsWord("WORKLOAD")
	case "USE":
		return a.IsWord("WAREHOUSE") && a.I+1 < len(a.Tokens)
	}
	return false
}

// dispatch reads a statement of the verb, behind which the reader stands.
func (a *analysis) dispatch(verb string, start int) {
	switch verb {
	case "SELECT", "VALUES", "FROM":
		a.query(start)
	case "WITH":
		a.with(start)
	case "SETTINGS":
		if a.Symbol(a.I, "(") {
			a.SkipBrackets()
		}
		a.statement()
	case "EXPLAIN":
		a.explain()
	case "SHOW", "DESC", "DESCRIBE", "LIST", "LS", "EXISTS", "INSPECT", "PRESIGN":
		a.show(verb)
	case "INSERT":
		a.insert(start)
	case "REPLACE":
		a.replace(start)
	case "UPDATE":
		a.dml("UPDATE", start, UpdatesRows)
	case "DELETE":
		a.deleteFrom(start)
	case "MERGE":
		a.merge(start)
	case "COPY":
		a.copyStatement(start)
	case "BEGIN":
		a.begin()
	case "COMMIT":
		a.transaction("COMMIT")
	case "ROLLBACK", "ABORT":
		a.transaction("ROLLBACK")
	case "USE":
		a.use()
	case "CATALOG":
		a.useCatalog("USE CATALOG")
	case "SET", "UNSET":
		a.setting(verb)
	case "CREATE":
		a.create(start)
	case "DROP":
		a.drop()
	case "UNDROP":
		a.undrop()
	case "ALTER":
		a.alter(start)
	case "RENAME":
		a.rename()
	case "ATTACH":
		a.attach()
	case "TRUNCATE":
		a.truncate()
	case "OPTIMIZE":
		a.optimize()
	case "ANALYZE":
		a.analyzeTable()
	case "VACUUM":
		a.vacuum()
	case "REFRESH":
		a.refresh()
	case "COMMENT":
		a.comment()
	case "GRANT", "REVOKE":
		a.grant(verb)
	case "REMOVE":
		a.remove()
	case "KILL":
		a.outside("KILL", "a query that was ended does not go on", "a running query or connection")
	case "SYSTEM":
		a.outside("SYSTEM", "it changes the running server, whose earlier state is not known", "the server")
	case "SUSPEND", "RESUME":
		a.alterWarehouse(verb + " WAREHOUSE")
	case "CALL":
		a.call()
	case "EXECUTE":
		a.execute()
	case "DECLARE":
		a.bareScript()
	default:
		a.unknown(verb, verb+" is no statement that dbctl knows")
	}
}

// begin reads what is behind BEGIN: the end of the statement, or a script.
func (a *analysis) begin() {
	if a.I < len(a.Tokens) && !a.IsWord("TRANSACTION") && !a.IsWord("WORK") {
		a.bareScript()
		return
	}
	a.transaction("BEGIN")
}

// outside is the class of what changes something that no catalogue holds.
func (a *analysis) outside(kind, reason, what string) {
	a.set(kind, Irreversible, reason, "")
	a.write(sqltext.Object{Kind: sqltext.Unknown, Name: what}, Alter, Text)
}
