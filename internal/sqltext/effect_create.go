package sqltext

import "strings"

// kindWords are the words that name a kind of object after CREATE, DROP and ALTER, for the kinds whose statements are alike.
var kindWords = []struct {
	words []string
	kind  ObjectKind
}{
	{[]string{"FILE", "FORMAT"}, FileFormat},
	{[]string{"MASKING", "POLICY"}, MaskingPolicy},
	{[]string{"ROW", "ACCESS", "POLICY"}, RowPolicy},
	{[]string{"NETWORK", "POLICY"}, NetworkPolicy},
	{[]string{"PASSWORD", "POLICY"}, PasswdPolicy},
	{[]string{"NOTIFICATION", "INTEGRATION"}, Notification},
	{[]string{"WORKLOAD", "GROUP"}, WorkloadGroup},
	{[]string{"CONNECTION"}, Connection},
	{[]string{"STAGE"}, Stage},
	{[]string{"FUNCTION"}, Function},
	{[]string{"PROCEDURE"}, Procedure},
	{[]string{"SEQUENCE"}, Sequence},
	{[]string{"TASK"}, Task},
	{[]string{"PIPE"}, Pipe},
	{[]string{"DICTIONARY"}, Dictionary},
	{[]string{"ROLE"}, Role},
	{[]string{"USER"}, User},
	{[]string{"TAG"}, Tag},
	{[]string{"CATALOG"}, Catalog},
	{[]string{"WAREHOUSE"}, Warehouse},
	{[]string{"WORKER"}, Worker},
}

// takeKind reads the words of a kind.
func (a *analysis) takeKind() (kind ObjectKind, words string, ok bool) {
	for _, k := range kindWords {
		if a.take(k.words...) {
			return k.kind, strings.Join(k.words, " "), true
		}
	}
	return "", "", false
}

// object reads the name of an object of one of kindWords, a procedure's argument types included.
func (a *analysis) object(kind ObjectKind, define bool) (Object, bool) {
	if kind == Dictionary {
		return a.tableName(kind)
	}
	name, ok := a.objectName(kind)
	if !ok {
		return Object{}, false
	}
	o := Object{Kind: kind, Name: name}
	if kind == User && a.takeSymbol("@") { // 'u'@'%'
		a.i++
	}
	if kind == Procedure {
		if o.Args, ok = a.procedureArgs(define); !ok {
			return Object{}, false
		}
	}
	return o, true
}

// listed are the kinds whose creation the catalogue shows: a plain CREATE of one may share its mark.
var listed = map[ObjectKind]bool{
	Database: true, Table: true, Stage: true, Connection: true, FileFormat: true, Function: true, Procedure: true, Sequence: true,
}

// orReplace reads OR REPLACE.
func (a *analysis) orReplace() Verb {
	if a.take("OR", "REPLACE") {
		return Replace
	}
	return Create
}

// ifNotExists reads IF NOT EXISTS.
func (a *analysis) ifNotExists(verb Verb) Verb {
	if a.take("IF", "NOT", "EXISTS") {
		a.e.If = true
		if verb == Create {
			return CreateNew
		}
	}
	return verb
}

// createKind is the Kind of a CREATE; IF NOT EXISTS shows in the verb only.
func createKind(verb Verb, words string) string {
	if verb == Replace {
		return "CREATE OR REPLACE " + words
	}
	return "CREATE " + words
}

// create analyzes CREATE. What a plain CREATE or IF NOT EXISTS made is dropped again: exact, whatever the kind. OR REPLACE is
// exact for what has history (tables, views, streams, databases), else redefine.
func (a *analysis) create(start int) {
	verb := a.orReplace()
	temp, transient, materialized, dynamic, async := false, false, false, false, false
	for {
		switch {
		case a.take("TEMP"), a.take("TEMPORARY"):
			temp = true
			continue
		case a.take("TRANSIENT"):
			transient = true
			continue
		case a.isWord("MATERIALIZED") && a.is(a.i+1, "VIEW"):
			a.i++
			materialized = true
			continue
		case a.isWord("DYNAMIC") && a.is(a.i+1, "TABLE"):
			a.i++
			dynamic = true
			continue
		case a.take("ASYNC"):
			async = true
			continue
		}
		break
	}
	switch {
	case async, a.indexKind() != "":
		a.createIndex(verb, start)
	case a.take("TABLE"):
		a.createTable(verb, temp, transient, dynamic, start)
	case a.take("VIEW"):
		a.createView(verb, materialized, start)
	case a.take("STREAM"):
		a.createStream(verb)
	case a.take("DATABASE"), a.take("SCHEMA"):
		verb = a.ifNotExists(verb)
		a.createDatabase(verb)
	default:
		kind, words, ok := a.takeKind()
		if !ok {
			a.unknown("CREATE", "it makes no object that dbctl knows")
			return
		}
		a.createOther(kind, words, a.ifNotExists(verb), start)
	}
}

func (a *analysis) createTable(verb Verb, temp, transient, dynamic bool, start int) {
	verb = a.ifNotExists(verb)
	words := "TABLE"
	switch {
	case dynamic:
		words = "DYNAMIC TABLE"
	case temp:
		words = "TEMP TABLE"
	case transient:
		words = "TRANSIENT TABLE"
	}
	o, ok := a.table("CREATE " + words)
	if !ok {
		return
	}
	// AS of CREATE TABLE … AS SELECT stands outside brackets.
	as := a.find("AS")
	if a.isWord("LIKE") {
		p := *a.parser
		p.i++
		if parts, ok := p.name(); ok {
			source, _ := a.qualify(Table, parts)
			a.name(source)
		}
	}
	a.addReads(start)
	kind := createKind(verb, words)
	if as >= 0 {
		kind += " AS SELECT"
	}
	if temp {
		a.set(kind, None, "a temporary table ends with the session", "")
		if as >= 0 {
			a.takes(kind, a.readsOf(as, len(a.tokens)))
		}
		return
	}
	w := a.write(o, verb)
	w.Data = as >= 0 || verb == Replace
	w.Columns = verb == Replace
	undo := "DROP TABLE " + o.Display()
	if verb == Replace {
		undo = "RENAME the new table away; UNDROP TABLE " + o.Display()
		a.set(kind, Exact, "the table that was replaced is kept by the engine, as long as retention lasts", undo)
		if dynamic {
			a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "it is not known whether a dynamic table can be restored", ""
		}
	} else {
		a.set(kind, Exact, "what was created is dropped", undo)
	}
	a.e.Plain = verb == Create && as < 0 && !dynamic && len(a.e.Writes) == 1
	for i := a.i; i < len(a.tokens); i++ {
		a.e.Retention = a.e.Retention || a.tokens[i].Kind == Word && a.symbol(i+1, "=") && isRetention(a.text(i))
	}
}

// find returns the index of the keyword outside brackets, from here on, or -1.
func (a *analysis) find(keyword string) int {
	depth := 0
	for i := a.i; i < len(a.tokens); i++ {
		switch {
		case a.symbol(i, "("):
			depth++
		case a.symbol(i, ")"):
			depth--
		case depth == 0 && a.is(i, keyword):
			return i
		}
	}
	return -1
}

func (a *analysis) createView(verb Verb, materialized bool, start int) {
	verb = a.ifNotExists(verb)
	words := "VIEW"
	if materialized {
		words = "MATERIALIZED VIEW"
	}
	o, ok := a.table("CREATE " + words)
	if !ok {
		return
	}
	w := a.write(o, verb)
	w.Columns = verb == Replace
	a.addReads(start)
	kind := createKind(verb, words)
	switch {
	case verb != Replace:
		a.set(kind, Exact, "what was created is dropped", "DROP "+words+" "+o.Display())
	case materialized:
		a.set(kind, Redefine, "the engine keeps no earlier materialized view", "the earlier CREATE MATERIALIZED VIEW "+o.Display())
	default:
		a.set(kind, Exact, "the view that was replaced is kept by the engine, as long as retention lasts", "RENAME the new view away; UNDROP TABLE "+o.Display())
	}
	a.e.Plain = verb == Create && !materialized && len(a.e.Writes) == 1
}

func (a *analysis) createStream(verb Verb) {
	verb = a.ifNotExists(verb)
	kind := createKind(verb, "STREAM")
	o, ok := a.tableName(Table)
	if !ok || !a.take("ON", "TABLE") {
		a.unknown(kind, noName)
		return
	}
	base, ok := a.table(kind)
	if !ok {
		return
	}
	w := a.write(o, verb)
	w.IsStream = true
	w.Data = verb == Replace // its offset
	a.write(base, Alter)
	a.addReads(a.i)
	reason := "what was created is dropped; its table keeps change_tracking"
	undo := "DROP STREAM " + o.Display()
	if verb == Replace {
		reason = "the stream that was replaced is kept by the engine, offset included; its table keeps change_tracking"
		undo = "RENAME the new stream away; UNDROP TABLE " + o.Display()
	}
	a.set(kind, Exact, reason, undo)
	a.e.Stream = true
}

func (a *analysis) databaseName() (Object, bool) {
	parts, ok := a.parser.name()
	if !ok || len(parts) > 2 || parts[len(parts)-1] == "identifier" && a.symbol(a.i, "(") {
		return Object{}, false
	}
	if len(parts) == 2 && parts[0] != "default" {
		a.foreign = true
		return Object{Kind: Database, Name: parts[0] + "." + parts[1]}, true
	}
	return Object{Kind: Database, Name: parts[len(parts)-1]}, true
}

func (a *analysis) createDatabase(verb Verb) {
	kind := createKind(verb, "DATABASE")
	o, ok := a.databaseName()
	if !ok {
		a.unknown(kind, noName)
		return
	}
	w := a.write(o, verb)
	if verb == Replace {
		w.Data, w.Columns = true, true
		a.set(kind, Exact, "the database that was replaced is kept by the engine, as long as retention lasts", "RENAME the new database away; UNDROP DATABASE "+o.Display())
		return
	}
	a.set(kind, Exact, "what was created is dropped", "DROP DATABASE "+o.Display())
	a.e.Plain = verb == Create
}

// createOther creates what has no history in the engine.
func (a *analysis) createOther(kind ObjectKind, words string, verb Verb, start int) {
	name := createKind(verb, words)
	o, ok := a.object(kind, true)
	if !ok {
		a.unknown(name, noName)
		return
	}
	a.write(o, verb)
	if verb == Replace {
		a.set(name, Redefine, "the engine keeps no earlier "+string(kind)+"; it is made again from dbctl's own text", "the earlier CREATE "+words+" "+o.Display())
	} else {
		a.set(name, Exact, "what was created is dropped", "DROP "+words+" "+o.Display())
	}
	a.e.Plain = verb == Create && listed[kind]
	switch kind {
	case Stage:
		a.stageOptions()
		if verb == Replace {
			a.e.InternalStage = true
			if !a.hasURL() {
				a.e.Class, a.e.Reason = Irreversible, "replacing an internal stage deletes its files"
				a.e.Undo = ""
			}
		}
	case Task:
		a.e.Task = true
		a.taskBody()
	case Pipe:
		a.bodyNames()
	case User:
		if verb == Replace {
			a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "the earlier password cannot be read back", ""
		}
	case Warehouse, Worker:
		a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "machines are started, which costs", ""
	case WorkloadGroup:
		a.e.Class, a.e.Reason, a.e.Undo = Irreversible, notRead, ""
	case Notification, MaskingPolicy, RowPolicy, NetworkPolicy, PasswdPolicy, Catalog, Connection, FileFormat, Function, Procedure, Sequence, Dictionary, Role, Tag:
		a.addReads(start)
	}
}

// hasURL says whether a stage is given one; it may stand without URL =.
func (a *analysis) hasURL() bool {
	for i := a.i; i < len(a.tokens); i++ {
		if a.is(i, "URL") {
			return true
		}
		if a.tokens[i].Kind == String && (i == a.i || a.is(i-1, "SET")) {
			return true
		}
	}
	return false
}

func (a *analysis) attach() {
	a.take("TABLE")
	o, ok := a.table("ATTACH TABLE")
	if !ok {
		return
	}
	a.write(o, Create)
	a.addReads(a.i)
	a.set("ATTACH TABLE", Irreversible, "its snapshots are another table's: what came after cannot be told from them", "")
}
