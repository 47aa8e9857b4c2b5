package sqltext

import (
	"slices"
	"strings"
)

// Class says how a statement is undone.
type Class string

// The classes, from the best to the worst (DESIGN.md section 7).
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

// Write is one object that a statement writes.
type Write struct {
	Object
	Verb       Verb
	Data       bool // rows change
	Columns    bool // columns change
	Definition bool // existence, comment, options, indexes, constraints, or the text of a definition change
	IsView     bool // the statement says VIEW
	IsStream   bool // the statement says STREAM
}

// Effect is what one statement does.
type Effect struct {
	Kind    string   // "CREATE TABLE", "COPY INTO", "ALTER TABLE RENAME"
	Writes  []Write  // empty for class none
	Names   []Object // what it reads or depends on: base tables, stages, connections; a stream among them is consumed by DML, CREATE TABLE AS and COPY INTO a location
	Class   Class
	Reason  string // why it is of that class
	Undo    string // how it would be undone, for people: "UNDROP TABLE t"
	Unknown bool   // the statement or its effect is unknown (EXECUTE IMMEDIATE, CALL, an unknown verb)
	DML     bool   // INSERT, UPDATE, DELETE, MERGE, REPLACE, COPY INTO table: may run in a transaction with its journal row
	DDL     bool   // ends an open transaction: the engine commits before it runs it (allowed_in_multi_statement)
	Use     string // USE db: the database afterwards
	Set     string // SET/UNSET names of session settings, with commas; "variable x", "role", "warehouse" and so on for other state of the session
	Txn     string // BEGIN, COMMIT, ROLLBACK
	Plain   bool   // a plain CREATE (no OR REPLACE, no IF NOT EXISTS, no AS SELECT) of one object that the catalogue lists: may share a mark
	Stream  bool   // needs the stream feature (1402)
	Task    bool   // needs tasks (1702, 1402)

	Temp          bool // makes a temporary table, which lives as long as the session
	InternalStage bool // drops or replaces a stage: irreversible when it is there, internal and holds files, which only the engine knows; else redefine
	Retention     bool // changes how long dropped tables and old snapshots live, which UNDROP and FLASHBACK need
}

// Analyze says what stmt does when the current database is database. It never guesses: what it does not know is Unknown and
// Irreversible. Whether a name is a view, a stream, a table without history, or an internal stage is for the engine to say.
func Analyze(stmt, database string) Effect {
	tokens, err := Scan(stmt)
	if err != nil {
		return unknown("UNKNOWN", "the statement cannot be read: "+err.Error())
	}
	tokens = significant(tokens)
	for len(tokens) > 0 && tokens[len(tokens)-1].Kind == Semicolon {
		tokens = tokens[:len(tokens)-1]
	}
	if end, err := statementEnd(stmt, tokens, 0); err != nil {
		return unknown("UNKNOWN", "the statement cannot be read: "+err.Error())
	} else if end < len(tokens) {
		return unknown("UNKNOWN", "it is more than one statement")
	}
	a := &analysis{parser: &parser{words: words{stmt, tokens}}, database: database}
	a.statement()
	e := a.e
	e.DDL = a.ddl
	if a.foreign && e.Class != None {
		e.Class, e.Reason, e.Undo, e.Plain = Irreversible, "it writes another catalog, whose history is not ours to use", "", false
	}
	e.Names = slices.DeleteFunc(e.Names, func(o Object) bool {
		return slices.ContainsFunc(e.Writes, func(w Write) bool { return w.Object == o })
	})
	return e
}

func unknown(kind, reason string) Effect {
	return Effect{Kind: kind, Class: Irreversible, Unknown: true, Reason: reason}
}

// analysis reads one statement into e.
type analysis struct {
	*parser
	database string
	e        Effect
	ddl      bool
	foreign  bool // a written name stands in a catalog that is not "default"
}

func (a *analysis) unknown(kind, reason string) { a.e = unknown(kind, reason) }

// set is called for every statement that is known.
func (a *analysis) set(kind string, class Class, reason, undo string) {
	a.e.Kind, a.e.Class, a.e.Reason, a.e.Undo = kind, class, reason, undo
}

func (a *analysis) none(kind string) { a.set(kind, None, "it writes nothing", "") }

func (a *analysis) write(o Object, verb Verb) *Write {
	a.e.Writes = append(a.e.Writes, Write{Object: o, Verb: verb})
	return &a.e.Writes[len(a.e.Writes)-1]
}

func (a *analysis) name(o Object) {
	if !slices.Contains(a.e.Names, o) {
		a.e.Names = append(a.e.Names, o)
	}
}

// addReads takes what the queries in tokens[from:] read, and what they write: streams that they consume.
func (a *analysis) addReads(from int) reads {
	r := a.readsOf(from, len(a.tokens))
	for _, o := range r.names {
		a.name(o)
	}
	for _, o := range r.consumed {
		w := a.write(o, WriteData)
		w.Data, w.IsStream = true, true
		a.e.Stream = true
	}
	return r
}

// qualify makes an object of the parts of a name; ok is false for another catalog than "default".
func (a *analysis) qualify(kind ObjectKind, parts []string) (Object, bool) {
	o := Object{Kind: kind, Database: a.database, Name: parts[len(parts)-1]}
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
func (a *analysis) tableName(kind ObjectKind) (Object, bool) {
	if a.isWord("IDENTIFIER") && a.symbol(a.i+1, "(") {
		return Object{}, false
	}
	parts, ok := a.parser.name()
	if !ok || a.symbol(a.i, "/") { // t/branch
		return Object{}, false
	}
	o, ours := a.qualify(kind, parts)
	if !ours {
		a.foreign = true
	}
	return o, true
}

const noName = "the object's name cannot be read"

func (a *analysis) ifExists() { a.take("IF", "EXISTS") }

// statement dispatches on the first word.
func (a *analysis) statement() {
	a.skipHints()
	start := a.i
	t, ok := a.peek()
	if !ok {
		a.none("EMPTY")
		return
	}
	if t.Kind == Symbol && a.text(a.i) == "(" {
		a.query(start)
		return
	}
	if t.Kind != Word {
		a.unknown("UNKNOWN", "it starts with "+describe(a.src, t))
		return
	}
	verb := a.upper(a.i)
	a.i++
	switch verb {
	case "CREATE", "ALTER", "DROP", "UNDROP", "RENAME", "ATTACH", "TRUNCATE", "GRANT", "REVOKE", "COMMENT", "SUSPEND", "RESUME":
		a.ddl = true
	case "REFRESH":
		a.ddl = a.isWord("MATERIALIZED")
	case "USE":
		a.ddl = a.isWord("WAREHOUSE") && a.i+1 < len(a.tokens)
	}
	switch verb {
	case "SELECT", "VALUES", "FROM":
		a.query(start)
	case "WITH":
		a.with(start)
	case "SETTINGS":
		if a.symbol(a.i, "(") {
			a.skipBrackets()
		}
		a.statement()
	case "EXPLAIN":
		a.explain()
	case "SHOW", "DESC", "DESCRIBE", "LIST", "LS", "EXISTS", "INSPECT", "PRESIGN":
		a.show(verb)
	case "INSERT":
		a.insert(start)
	case "REPLACE":
		a.dml("REPLACE INTO", start, func() { a.take("INTO") })
	case "UPDATE":
		a.dml("UPDATE", start, nil)
	case "DELETE":
		a.dml("DELETE", start, func() { a.take("FROM") })
	case "MERGE":
		a.merge(start)
	case "COPY":
		a.copyStatement(start)
	case "BEGIN":
		if a.i < len(a.tokens) && !a.isWord("TRANSACTION") && !a.isWord("WORK") {
			a.unknown("SCRIPT", "what a script does is not followed")
			return
		}
		a.transaction("BEGIN")
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
		a.set("KILL", Irreversible, "a query that was ended does not go on", "")
		a.write(Object{Kind: Unknown, Name: "a running query or connection"}, Alter)
	case "SYSTEM":
		a.set("SYSTEM", Irreversible, "it changes the running server, whose earlier state is not known", "")
		a.write(Object{Kind: Unknown, Name: "the server"}, Alter)
	case "SUSPEND", "RESUME":
		a.alterWarehouse(verb + " WAREHOUSE")
	case "CALL":
		a.call()
	case "EXECUTE":
		a.execute()
	case "DECLARE":
		a.unknown("SCRIPT", "what a script does is not followed")
	default:
		a.unknown(verb, verb+" is no statement that dbctl knows")
	}
}

func (a *analysis) transaction(what string) {
	a.none(what)
	a.e.Txn = what
}

// explain analyzes EXPLAIN: only ANALYZE and PERF run the statement.
func (a *analysis) explain() {
	runs := ""
	for {
		switch {
		case a.symbol(a.i, "(") && !a.is(a.i+1, "SELECT") && !a.is(a.i+1, "WITH") && !a.symbol(a.i+1, "("):
			if !a.skipBrackets() {
				a.unknown("EXPLAIN", "its options cannot be read")
				return
			}
			continue
		case a.take("ANALYZE"):
			runs = "EXPLAIN ANALYZE"
			if !a.take("PARTIAL") {
				a.take("GRAPHICAL")
			}
			continue
		case a.take("PERF"):
			runs = "EXPLAIN PERF"
			continue
		}
		break
	}
	if runs == "" {
		for a.isWord("VERBOSE") || a.textIs(a.i, "AST", "SYNTAX", "PIPELINE", "JOIN", "GRAPH", "FRAGMENTS", "RAW", "OPTIMIZED", "MEMO", "DECORRELATED") {
			a.i++
		}
		a.statement()
		a.ddl, a.foreign = false, false
		e := a.e
		a.e = Effect{Names: e.Names}
		for _, w := range e.Writes {
			a.name(w.Object)
		}
		a.none("EXPLAIN")
		return
	}
	a.statement()
	a.ddl = false
	a.e.Kind = runs + " " + a.e.Kind
	a.e.DML = false // its answer is a plan, not a count of rows
}

// show takes statements that only read. DROP in SHOW DROP TABLES writes nothing.
func (a *analysis) show(verb string) {
	kind := verb
	if t, ok := a.peek(); ok && t.Kind == Word && (verb == "SHOW" || verb == "INSPECT" || verb == "EXISTS") {
		kind += " " + a.upper(a.i)
	}
	if verb == "DESCRIBE" {
		kind = "DESC"
	}
	a.none(kind)
	if verb == "DESC" || verb == "DESCRIBE" || verb == "EXISTS" {
		a.described()
	}
	for i := a.i; i < len(a.tokens); i++ {
		if a.tokens[i].Kind == At {
			stage, _ := stagePath(unescapeAt(a.text(i)))
			a.name(Object{Kind: Stage, Name: stage})
		}
	}
}

// described names what DESC describes.
func (a *analysis) described() {
	if kind, _, ok := a.takeKind(); ok {
		if o, ok := a.object(kind, false); ok {
			a.name(o)
		}
		return
	}
	for _, word := range []string{"TABLE", "VIEW", "STREAM"} {
		if a.isWord(word) && a.i+1 < len(a.tokens) {
			a.i++
			break
		}
	}
	if parts, ok := a.parser.name(); ok {
		o, _ := a.qualify(Table, parts)
		a.name(o)
	}
}

func (a *analysis) use() {
	if a.take("CATALOG") {
		a.useCatalog("USE CATALOG")
		return
	}
	if a.isWord("WAREHOUSE") && a.i+1 < len(a.tokens) {
		a.none("USE WAREHOUSE")
		a.e.Set = "warehouse"
		return
	}
	name, ok := a.ident()
	if !ok {
		a.unknown("USE", noName)
		return
	}
	a.none("USE")
	a.e.Use = name
	a.name(Object{Kind: Database, Name: name})
}

func (a *analysis) useCatalog(kind string) {
	if name, ok := a.ident(); ok && name == "default" {
		a.none(kind)
		a.e.Set = "catalog"
		return
	}
	a.unknown(kind, "names cannot be followed into another catalog")
	a.e.Set = "catalog"
}

// setting analyzes SET and UNSET.
func (a *analysis) setting(verb string) {
	switch {
	case verb == "SET" && a.take("PRIORITY"):
		a.none("SET PRIORITY")
		return
	case verb == "SET" && a.take("DEFAULT", "ROLE"):
		a.set("SET DEFAULT ROLE", Irreversible, "the user's earlier default role is not known", "")
		a.write(Object{Kind: User, Name: "current_user()"}, Alter).Definition = true
		return
	case verb == "SET" && a.take("ROLE"):
		a.none("SET ROLE")
		a.e.Set = "role"
		return
	case verb == "SET" && a.take("SECONDARY", "ROLES"):
		a.none("SET SECONDARY ROLES")
		a.e.Set = "secondary roles"
		return
	case verb == "SET" && a.take("CATALOG"):
		a.useCatalog("SET CATALOG")
		return
	}
	global, prefix := false, ""
	switch {
	case a.take("GLOBAL"):
		global = true
	case a.take("SESSION"):
	case a.isWord("VARIABLE") && !a.symbol(a.i+1, "="):
		a.i++
		prefix = "variable "
	}
	var names []string
	if a.takeSymbol("(") {
		for !a.symbol(a.i, ")") {
			name, ok := a.ident()
			if !ok {
				a.unknown(verb, "its names cannot be read")
				return
			}
			names = append(names, name)
			a.takeSymbol(",")
		}
		a.i++
	} else if name, ok := a.ident(); ok {
		names = append(names, name)
	}
	if len(names) == 0 {
		a.unknown(verb, noName)
		return
	}
	kind := verb
	if global {
		kind = verb + " GLOBAL"
	} else if prefix != "" {
		kind = verb + " VARIABLE"
	}
	if global {
		a.set(kind, Redefine, "the setting has no history; its earlier value is set again", "SET GLOBAL or UNSET GLOBAL "+strings.Join(names, ", "))
		for _, n := range names {
			a.write(Object{Kind: Setting, Name: n}, Alter).Definition = true
			a.e.Retention = a.e.Retention || isRetention(n)
		}
	} else {
		a.none(kind)
		a.e.Set = prefix + strings.Join(names, ","+prefix)
		a.e.Retention = slices.ContainsFunc(names, isRetention)
	}
	// SET x = (SELECT …) reads, and may consume.
	if a.addReads(a.i); len(a.e.Writes) > 0 && !global {
		a.e.Class, a.e.Reason = Irreversible, "it consumes a stream outside a statement that writes"
	}
}

// isRetention says whether a setting or table option decides how long history lives.
func isRetention(name string) bool { return strings.HasPrefix(strings.ToLower(name), "data_retention") }

func (a *analysis) call() {
	if a.take("PROCEDURE") {
		a.unknown("CALL PROCEDURE", "what a procedure does is not known here")
		if name, ok := a.objectName(Procedure); ok {
			a.name(Object{Kind: Procedure, Name: name})
		}
		return
	}
	a.unknown("CALL", "what a system procedure does is not known here")
}

func (a *analysis) execute() {
	switch {
	case a.take("IMMEDIATE"):
		a.unknown("EXECUTE IMMEDIATE", "what its text does is not followed")
	case a.take("TASK"):
		a.unknown("EXECUTE TASK", "a task that has run cannot be taken back")
		a.e.Task = true
		if name, ok := a.objectName(Task); ok {
			a.name(Object{Kind: Task, Name: name})
		}
	default:
		a.unknown("EXECUTE", "it is no statement that dbctl knows")
	}
}
