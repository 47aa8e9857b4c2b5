package sqltext

import (
	"slices"
	"strings"
)

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
	if a.e.Class != None {
		a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "it runs the statement, and what that wrote is not journaled", ""
	}
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
		a.write(Object{Kind: User, Name: "current_user()"}, Alter)
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
			a.write(Object{Kind: Setting, Name: n}, Alter)
			a.e.Retention = a.e.Retention || isRetention(n)
		}
	} else {
		a.none(kind)
		a.e.Set = prefix + strings.Join(names, ","+prefix)
		a.e.Retention = slices.ContainsFunc(names, isRetention)
	}
	// SET x = (SELECT …) reads, and may take.
	if r := a.addReads(a.i); !global {
		a.takes(kind, r)
		if a.e.Class == Exact {
			a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "it consumes a stream outside a statement that writes", ""
		}
	}
}

// isRetention says whether a setting or table option decides how long history lives.
func isRetention(name string) bool { return strings.HasPrefix(strings.ToLower(name), "data_retention") }

func (a *analysis) call() {
	if a.take("PROCEDURE") {
		a.script("CALL PROCEDURE", "what a procedure does is not known here")
		if name, ok := a.objectName(Procedure); ok {
			a.name(Object{Kind: Procedure, Name: name})
		}
		return
	}
	a.script("CALL", "what a system procedure does is not known here")
}

func (a *analysis) execute() {
	switch {
	case a.take("IMMEDIATE"):
		a.script("EXECUTE IMMEDIATE", "what its text does is not followed")
	case a.take("TASK"):
		a.script("EXECUTE TASK", "a task that has run cannot be taken back")
		a.e.Task = true
		if name, ok := a.objectName(Task); ok {
			a.name(Object{Kind: Task, Name: name})
		}
	default:
		a.unknown("EXECUTE", "it is no statement that dbctl knows")
	}
}
