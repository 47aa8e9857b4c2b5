package sqltext

import (
	"slices"
	"strings"
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

// Write is one object that a statement writes.
type Write struct {
	Object
	Verb     Verb
	Data     bool // rows change
	Columns  bool // columns change
	IsStream bool // the statement says STREAM
}

// Effect is what one statement does.
type Effect struct {
	Kind    string   // "CREATE TABLE", "COPY INTO", "ALTER TABLE RENAME"
	Writes  []Write  // empty for class none
	Names   []Object // what it reads or depends on: base tables, stages, connections; a stream among them is consumed by DML, CREATE TABLE AS and COPY INTO a location
	Class   Class
	Reason  string   // why it is of that class
	Undo    string   // how it would be undone, for people: "UNDROP TABLE t"
	If      bool     // says IF EXISTS or IF NOT EXISTS: where that is not so it changes nothing
	Column  string   // of ALTER TABLE ADD, DROP, RENAME or MODIFY COLUMN: the column, as the table has it before, or is to get it
	Unknown bool     // the statement or its effect is unknown (EXECUTE IMMEDIATE, CALL, an unknown verb)
	Script  bool     // it runs statements of its own, of which some may have run when it fails; every other statement is atomic
	DML     bool     // INSERT, UPDATE, DELETE, MERGE, REPLACE, COPY INTO table: may run in a transaction with its journal row
	DDL     bool     // ends an open transaction: the engine commits before it runs it (allowed_in_multi_statement)
	Use     string   // USE db: the database afterwards
	Set     string   // SET/UNSET names of session settings, with commas; "variable x", "role", "warehouse" and so on for other state of the session
	During  []string // settings that hold while it runs: of SETTINGS (…) and of hints, lower case
	Txn     string   // BEGIN, COMMIT, ROLLBACK
	Plain   bool     // a plain CREATE (no OR REPLACE, no IF NOT EXISTS, no AS SELECT) of one object that the catalogue lists: may share a mark
	Stream  bool     // needs the stream feature (1402)
	Task    bool     // needs tasks (1702, 1402)

	Attaches      bool     // sets or takes away tags or policies of an object, which no savepoint sees
	InternalStage bool     // drops or replaces a stage: irreversible when it is there, internal and holds files, which only the engine knows; else redefine
	Retention     bool     // changes how long dropped tables and old snapshots live, which UNDROP and FLASHBACK need
	Options       []string // of a table, that SET OPTIONS sets: upper case
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
	for _, t := range tokens {
		// Rust's lower case of these is not Go's: ς at the end of a word, and i with a dot above.
		if name := stmt[t.Start:t.End]; t.Kind == Word && strings.ContainsAny(name, "Σİ") {
			return unknown("UNKNOWN", "the lower case of "+name+" is not certain: quote the name")
		}
	}
	a := &analysis{parser: &parser{words: words{stmt, tokens}}, database: database}
	a.statement()
	e := a.e
	e.DDL, e.During = a.ddl, a.during()
	if a.foreign && e.Class != None {
		e.Class, e.Reason, e.Undo, e.Plain = Irreversible, "it writes another catalog, whose history is not ours to use", "", false
	}
	if e.DML && slices.ContainsFunc(e.Names, func(o Object) bool { return o.Kind == Sequence }) {
		e.Reason += "; values taken from a sequence are not given back"
	}
	e.Names = slices.DeleteFunc(e.Names, func(o Object) bool {
		return slices.ContainsFunc(e.Writes, func(w Write) bool { return w.Object == o })
	})
	return e
}

// during finds the settings of SETTINGS (a = 1, …) and of hints: /*+ SET_VAR(a = 1) */.
func (a *analysis) during() []string {
	var names []string
	list := func(w words, i int) {
		for ; i < len(w.tokens) && !w.symbol(i, ")"); i++ {
			if w.symbol(i+1, "=") && (w.tokens[i].Kind == Word || w.tokens[i].Kind == Quoted) {
				names = append(names, strings.ToLower(foldIdent(w.text(i))))
			}
		}
	}
	for i, t := range a.tokens {
		switch {
		case t.Kind == Hint:
			hint := wordsOf(strings.TrimSuffix(a.text(i)[len("/*+"):], "*/"))
			for j := range hint.tokens {
				if hint.is(j, "SET_VAR") {
					list(hint, j+1)
				}
			}
		case a.is(i, "SETTINGS") && a.symbol(i+1, "("):
			list(a.words, i+2)
		}
	}
	return names
}

func unknown(kind, reason string) Effect {
	return Effect{Kind: kind, Class: Irreversible, Unknown: true, Reason: reason}
}

func (a *analysis) script(kind, reason string) {
	a.unknown(kind, reason)
	a.e.Script = true
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

// table is tableName of a table, view or stream that a statement of the kind cannot do without: it is unknown without.
func (a *analysis) table(kind string) (Object, bool) {
	o, ok := a.tableName(Table)
	if !ok {
		a.unknown(kind, noName)
	}
	return o, ok
}

const noName = "the object's name cannot be read"

func (a *analysis) ifExists() {
	if a.take("IF", "EXISTS") {
		a.e.If = true
	}
}

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
	case "SHOW":
		a.ddl = a.isWord("WORKLOAD")
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
			a.script("SCRIPT", "what a script does is not followed")
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
		a.script("SCRIPT", "what a script does is not followed")
	default:
		a.unknown(verb, verb+" is no statement that dbctl knows")
	}
}
