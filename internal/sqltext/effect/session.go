package effect

import (
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
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
		case a.Symbol(a.I, "(") && !a.Is(a.I+1, "SELECT") && !a.Is(a.I+1, "WITH") && !a.Symbol(a.I+1, "("):
			if !a.SkipBrackets() {
				a.unknown("EXPLAIN", "its options cannot be read")
				return
			}
			continue
		case a.Take("ANALYZE"):
			runs = "EXPLAIN ANALYZE"
			if !a.Take("PARTIAL") {
				a.Take("GRAPHICAL")
			}
			continue
		case a.Take("PERF"):
			runs = "EXPLAIN PERF"
			continue
		}
		break
	}
	if runs == "" {
		for a.IsWord("VERBOSE") || a.textIs(a.I, "AST", "SYNTAX", "PIPELINE", "JOIN", "GRAPH", "FRAGMENTS", "RAW", "OPTIMIZED", "MEMO",
			"DECORRELATED") {
			a.I++
		}
		a.statement()
		a.ddl, a.foreign, a.explained = false, false, true
		e := a.e
		a.e = Effect{Names: e.Names, Explain: true}
		for _, w := range e.Writes {
			if !w.Verb.Makes() {
				a.name(w.Object)
			}
		}
		a.none("EXPLAIN")
		return
	}
	a.statement()
	a.ddl = false
	if !a.e.Explain {
		a.e.Kind, a.e.Explain, a.e.Query = runs+" "+a.e.Kind, true, false
	}
	if a.e.Class != None {
		a.irreversible("it runs the statement, and what that wrote is not journaled")
	}
	a.e.DML, a.e.Copy = false, false // its answer is a plan, not a count of rows
}

// show takes statements that only read. DROP in SHOW DROP TABLES writes nothing.
func (a *analysis) show(verb string) {
	kind := verb
	if t, ok := a.Peek(); ok && t.Kind == sqltext.Word && (verb == "SHOW" || verb == "INSPECT" || verb == "EXISTS") {
		kind += " " + a.Upper(a.I)
	}
	if verb == "DESCRIBE" {
		kind = "DESC"
	}
	a.none(kind)
	if verb == "DESC" || verb == "DESCRIBE" || verb == "EXISTS" {
		a.e.If = verb == "EXISTS"
		a.described()
	}
	for i := a.I; i < len(a.Tokens); i++ {
		if a.Tokens[i].Kind == sqltext.At {
			stage, _ := sqltext.StagePath(sqltext.UnescapeAt(a.Text(i)))
			a.name(sqltext.Object{Kind: sqltext.Stage, Name: stage})
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
		if a.IsWord(word) && a.I+1 < len(a.Tokens) {
			a.I++
			break
		}
	}
	if parts, ok := a.Reader.Name(); ok {
		o, _ := a.qualify(sqltext.Table, parts)
		a.name(o)
	}
}

func (a *analysis) use() {
	if a.I+1 < len(a.Tokens) && a.Take("CATALOG") { // USE catalog is of a database
		a.useCatalog("USE CATALOG")
		return
	}
	if a.IsWord("WAREHOUSE") && a.I+1 < len(a.Tokens) {
		a.none("USE WAREHOUSE")
		a.e.Session = true
		return
	}
	name, ok := a.Ident()
	a.require("USE", ok)
	a.none("USE")
	a.e.Use = name
	a.name(sqltext.Object{Kind: sqltext.Database, Name: name})
}

func (a *analysis) useCatalog(kind string) {
	if name, ok := a.Ident(); ok && name == "default" {
		a.none(kind)
		a.e.Session = true
		return
	}
	a.e = unknown(kind, "names cannot be followed into another catalog")
	a.e.Session = true
}

// setting analyzes SET and UNSET.
func (a *analysis) setting(verb string) {
	switch {
	case verb == "SET" && a.Take("PRIORITY"):
		a.none("SET PRIORITY")
		return
	case verb == "SET" && a.Take("DEFAULT", "ROLE"):
		a.set("SET DEFAULT ROLE", Irreversible, "the user's earlier default role is not known", "")
		a.write(sqltext.Object{Kind: sqltext.User, Name: currentUser}, Alter, Text)
		return
	case verb == "SET" && a.Take("ROLE"):
		a.none("SET ROLE")
		a.e.Session, a.e.Role = true, true
		return
	case verb == "SET" && a.Take("SECONDARY", "ROLES"):
		a.none("SET SECONDARY ROLES")
		a.e.Session = true
		return
	case verb == "SET" && a.Take("CATALOG"):
		a.useCatalog("SET CATALOG")
		return
	}
	global, variable := false, false
	switch {
	case a.Take("GLOBAL"):
		global = true
	case a.Take("SESSION"):
	case a.IsWord("VARIABLE") && !a.Symbol(a.I+1, "="):
		a.I++
		variable = true
	}
	var names []string
	if a.TakeSymbol("(") {
		for !a.Symbol(a.I, ")") {
			name, ok := a.Ident()
			if !ok {
				a.unknown(verb, "its names cannot be read")
				return
			}
			names = append(names, name)
			a.TakeSymbol(",")
		}
		a.I++
	} else if name, ok := a.Ident(); ok {
		names = append(names, name)
	}
	a.require(verb, len(names) > 0)
	kind := verb
	if global {
		kind = verb + " GLOBAL"
	} else if variable {
		kind = verb + " VARIABLE"
	}
	if global {
		a.set(kind, Redefine, "the setting has no history; its earlier value is set again",
			"SET GLOBAL or UNSET GLOBAL "+strings.Join(names, ", "))
		a.e.Script = len(names) > 1 // one after the other: the first may be set where the second is refused
		for _, n := range names {
			a.write(sqltext.Object{Kind: sqltext.Setting, Name: n}, Alter, Text)
			a.e.Retention = a.e.Retention || isRetention(n)
		}
	} else {
		a.none(kind)
		a.e.Session = true
		if !variable {
			for _, n := range names {
				a.e.Settings = append(a.e.Settings, strings.ToLower(n))
			}
			a.e.Retention = slices.ContainsFunc(names, isRetention)
		}
	}
	// SET x = (SELECT …) reads, and may take.
	if r := a.addReads(a.I); !global {
		a.takes(kind, r)
		if a.e.Class == Exact {
			a.irreversible("it consumes a stream outside a statement that writes")
		}
	}
}

// isRetention says whether a setting or table option decides how long history lives.
func isRetention(name string) bool { return strings.HasPrefix(strings.ToLower(name), "data_retention") }

func retains(o Option) bool { return isRetention(o.Name) }

func (a *analysis) call() {
	if a.Take("PROCEDURE") {
		a.script("CALL PROCEDURE", "what a procedure does is not known here")
		if name, ok := a.ObjectName(sqltext.Procedure); ok {
			a.name(sqltext.Object{Kind: sqltext.Procedure, Name: name})
		}
		return
	}
	a.script("CALL", "what a system procedure does is not known here")
}

func (a *analysis) execute() {
	switch {
	case a.Take("IMMEDIATE"):
		a.script("EXECUTE IMMEDIATE", "what its text does is not followed")
	case a.Take("TASK"):
		a.script("EXECUTE TASK", "a task that has run cannot be taken back")
		a.needs(Tasks)
		if name, ok := a.ObjectName(sqltext.Task); ok {
			a.name(sqltext.Object{Kind: sqltext.Task, Name: name})
		}
	default:
		a.unknown("EXECUTE", "it is no statement that dbctl knows")
	}
}
