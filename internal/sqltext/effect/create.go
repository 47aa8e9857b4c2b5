package effect

import (
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
)

// kindWords are the words that name a kind of object after CREATE, DROP and ALTER, for the kinds whose statements are alike.
var kindWords = []struct {
	Words []string
	kind  sqltext.ObjectKind
}{
	{[]string{"FILE", "FORMAT"}, sqltext.FileFormat},
	{[]string{"MASKING", "POLICY"}, sqltext.MaskingPolicy},
	{[]string{"ROW", "ACCESS", "POLICY"}, sqltext.RowPolicy},
	{[]string{"NETWORK", "POLICY"}, sqltext.NetworkPolicy},
	{[]string{"PASSWORD", "POLICY"}, sqltext.PasswdPolicy},
	{[]string{"NOTIFICATION", "INTEGRATION"}, sqltext.Notification},
	{[]string{"WORKLOAD", "GROUP"}, sqltext.WorkloadGroup},
	{[]string{"CONNECTION"}, sqltext.Connection},
	{[]string{"STAGE"}, sqltext.Stage},
	{[]string{"FUNCTION"}, sqltext.Function},
	{[]string{"PROCEDURE"}, sqltext.Procedure},
	{[]string{"SEQUENCE"}, sqltext.Sequence},
	{[]string{"TASK"}, sqltext.Task},
	{[]string{"PIPE"}, sqltext.Pipe},
	{[]string{"DICTIONARY"}, sqltext.Dictionary},
	{[]string{"ROLE"}, sqltext.Role},
	{[]string{"USER"}, sqltext.User},
	{[]string{"TAG"}, sqltext.Tag},
	{[]string{"CATALOG"}, sqltext.Catalog},
	{[]string{"WAREHOUSE"}, sqltext.Warehouse},
	{[]string{"WORKER"}, sqltext.Worker},
}

// takeKind reads the words of a kind.
func (a *analysis) takeKind() (kind sqltext.ObjectKind, words string, ok bool) {
	for _, k := range kindWords {
		if a.Take(k.Words...) {
			return k.kind, strings.Join(k.Words, " "), true
		}
	}
	return "", "", false
}

// object reads the name of an object of one of kindWords, a procedure's argument types included, which named says that names precede.
func (a *analysis) object(kind sqltext.ObjectKind, named bool) (sqltext.Object, bool) {
	if kind == sqltext.Dictionary {
		return a.tableName(kind)
	}
	name, ok := a.ObjectName(kind)
	if !ok {
		return sqltext.Object{}, false
	}
	o := sqltext.Object{Kind: kind, Name: name}
	if kind == sqltext.User && a.TakeSymbol("@") { // 'u'@'%'
		a.I++
	}
	if kind == sqltext.Procedure {
		if o.Args, ok = define.ReadProcedureArgs(a.Reader, named); !ok {
			return sqltext.Object{}, false
		}
	}
	return o, true
}

// listed are the kinds whose creation the catalogue shows: a plain CREATE of one may share its mark.
var listed = map[sqltext.ObjectKind]bool{
	sqltext.Database: true, sqltext.Table: true, sqltext.Stage: true, sqltext.Connection: true, sqltext.FileFormat: true,
	sqltext.Function: true, sqltext.Procedure: true, sqltext.Sequence: true,
}

// orReplace reads OR REPLACE.
func (a *analysis) orReplace() Verb {
	if a.Take("OR", "REPLACE") {
		return Replace
	}
	return Create
}

// ifNotExists reads IF NOT EXISTS.
func (a *analysis) ifNotExists(verb Verb) Verb {
	if a.Take("IF", "NOT", "EXISTS") {
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
		case a.Take("TEMP"), a.Take("TEMPORARY"):
			temp = true
			continue
		case a.Take("TRANSIENT"):
			transient = true
			continue
		case a.IsWord("MATERIALIZED") && a.Is(a.I+1, "VIEW"):
			a.I++
			materialized = true
			continue
		case a.IsWord("DYNAMIC") && a.Is(a.I+1, "TABLE"):
			a.I++
			dynamic = true
			continue
		case a.Take("ASYNC"):
			async = true
			continue
		}
		break
	}
	switch {
	case async, a.indexKind() != "":
		a.createIndex(verb, start)
	case a.Take("TABLE"):
		a.createTable(verb, temp, transient, dynamic, start)
	case a.Take("VIEW"):
		a.createView(verb, materialized, start)
	case a.Take("STREAM"):
		a.createStream(verb)
	case a.Take("DATABASE"), a.Take("SCHEMA"):
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
	o := a.table("CREATE " + words)
	// AS of CREATE TABLE … AS SELECT stands outside brackets.
	as := a.Find("AS")
	made, ok := define.ReadTable(*a.Reader)
	if ok {
		a.e.Table = &made
	}
	if made.Like != nil {
		source, _ := a.qualify(sqltext.Table, made.Like)
		a.name(source)
	}
	a.addReads(start)
	kind := createKind(verb, words)
	if as >= 0 {
		kind += " AS SELECT"
	}
	if temp {
		a.e.Temp = &o
		a.set(kind, None, "a temporary table ends with the session", "")
		if as >= 0 {
			a.e.Consumes = true
			a.takes(kind, a.readsOf(as, len(a.Tokens)))
		}
		return
	}
	w := a.write(o, verb)
	w.Derived, w.Engine, w.Options = as >= 0 || made.Like != nil, a.engine(), a.tableOptions()
	w.Columns, w.Change = made.Columns, made.Action
	for _, name := range made.Checks {
		w.Checks = append(w.Checks, Named{Name: name})
	}
	for _, name := range made.Indexes {
		w.Indexes = append(w.Indexes, Named{Name: name})
	}
	if as >= 0 {
		w.Aspects |= Rows
		a.e.Consumes = true
		a.filledFrom(start)
	}
	undo := "DROP TABLE " + o.Pasted()
	if verb == Replace {
		undo = "RENAME the new table away; UNDROP TABLE " + o.Pasted()
		a.set(kind, Exact, "the table that was replaced is kept by the engine, as long as retention lasts", undo)
		if dynamic {
			a.irreversible("it is not known whether a dynamic table can be restored")
		}
	} else {
		a.set(kind, Exact, "what was created is dropped", undo)
	}
	a.e.Plain = verb == Create && as < 0 && !dynamic && len(a.e.Writes) == 1
	a.e.Retention = slices.ContainsFunc(w.Options, retains)
}

// tableOptions are the K = v of a CREATE TABLE outside of brackets, up to its query.
func (a *analysis) tableOptions() []Option {
	var options []Option
	for p := *a.Reader; p.I < len(p.Tokens) && !p.IsWord("AS"); p.Skip() {
		if p.Tokens[p.I].Kind != sqltext.Word || !p.Symbol(p.I+1, "=") || p.IsWord("ENGINE") || p.IsWord("COMMENT") {
			continue
		}
		value := p
		if all := (&analysis{Reader: &value}).options(false); len(all) > 0 {
			options = append(options, all[0])
		}
	}
	return options
}

// engine is the X of ENGINE = X, in upper case.
func (a *analysis) engine() string {
	if at := a.Find("ENGINE"); at >= 0 && a.Symbol(at+1, "=") && at+2 < len(a.Tokens) {
		return a.Upper(at + 2)
	}
	return ""
}

// sequenceStart is the n of START [WITH] [=] n.
func (a *analysis) sequenceStart() string {
	p := *a.Reader
	if p.I = a.Find("START"); p.I < 0 {
		return "1"
	}
	p.I++
	p.Take("WITH")
	p.TakeSymbol("=")
	if t, ok := p.Peek(); ok && t.Kind == sqltext.Number {
		return p.Text(p.I)
	}
	return "1"
}

func (a *analysis) createView(verb Verb, materialized bool, start int) {
	verb = a.ifNotExists(verb)
	words := "VIEW"
	if materialized {
		words = "MATERIALIZED VIEW"
	}
	o := a.table("CREATE " + words)
	a.write(o, verb).IsView = true
	a.addReads(start)
	a.filledFrom(start)
	kind := createKind(verb, words)
	switch {
	case verb != Replace:
		a.set(kind, Exact, "what was created is dropped", "DROP "+words+" "+o.Pasted())
	case materialized:
		a.set(kind, Redefine, "the engine keeps no earlier materialized view", "the earlier CREATE MATERIALIZED VIEW "+o.Pasted())
	default:
		a.set(kind, Exact, "the view that was replaced is kept by the engine, as long as retention lasts",
			"RENAME the new view away; UNDROP TABLE "+o.Pasted())
	}
	a.e.Plain = verb == Create && !materialized && len(a.e.Writes) == 1
}

func (a *analysis) createStream(verb Verb) {
	verb = a.ifNotExists(verb)
	kind := createKind(verb, "STREAM")
	o, ok := a.tableName(sqltext.Table)
	a.require(kind, ok && a.Take("ON", "TABLE"))
	base := a.table(kind)
	a.write(o, verb).IsStream = true
	a.write(base, Alter, Options).Options = []Option{{Name: "CHANGE_TRACKING", Value: "true"}}
	a.addReads(a.I)
	reason := "what was created is dropped; its table keeps change_tracking"
	undo := "DROP STREAM " + o.Pasted()
	if verb == Replace {
		reason = "the stream that was replaced is kept by the engine, offset included; its table keeps change_tracking"
		undo = "RENAME the new stream away; UNDROP TABLE " + o.Pasted()
	}
	a.set(kind, Exact, reason, undo)
	a.needs(Streams)
}

func (a *analysis) databaseName() (sqltext.Object, bool) {
	parts, ok := a.Reader.Name()
	if !ok || len(parts) > 2 || parts[len(parts)-1] == "identifier" && a.Symbol(a.I, "(") {
		return sqltext.Object{}, false
	}
	if len(parts) == 2 && parts[0] != "default" {
		a.foreign = true
		return sqltext.Object{Kind: sqltext.Database, Name: parts[0] + "." + parts[1]}, true
	}
	return sqltext.Object{Kind: sqltext.Database, Name: parts[len(parts)-1]}, true
}

func (a *analysis) createDatabase(verb Verb) {
	kind := createKind(verb, "DATABASE")
	o, ok := a.databaseName()
	a.require(kind, ok)
	a.write(o, verb)
	if verb == Replace {
		a.set(kind, Exact, "the database that was replaced is kept by the engine, as long as retention lasts",
			"RENAME the new database away; UNDROP DATABASE "+o.Pasted())
		return
	}
	a.set(kind, Exact, "what was created is dropped", "DROP DATABASE "+o.Pasted())
	a.e.Plain = verb == Create
}

// createOther creates what has no history in the engine.
func (a *analysis) createOther(kind sqltext.ObjectKind, words string, verb Verb, start int) {
	name := createKind(verb, words)
	o, ok := a.object(kind, true)
	a.require(name, ok)
	w := a.write(o, verb)
	if verb == Replace {
		a.set(name, Redefine, "the engine keeps no earlier "+string(kind)+"; it is made again from dbctl's own text",
			"the earlier CREATE "+words+" "+o.Pasted())
		if kind == sqltext.Sequence {
			a.e.Reason = sequenceAgain
		}
	} else {
		a.set(name, Exact, "what was created is dropped", "DROP "+words+" "+o.Pasted())
	}
	a.e.Plain = verb == Create && listed[kind]
	switch kind {
	case sqltext.Stage:
		a.stageOptions()
		if made, ok := define.ReadStage(*a.Reader); ok {
			a.e.Stage, w.Internal = &made, made.Internal
		}
		if verb == Replace {
			w.Aspects |= Files
			if w.Internal {
				a.irreversible("replacing an internal stage deletes its files")
			}
		}
	case sqltext.Task:
		a.task()
	case sqltext.Pipe:
		if at := a.Find("AS"); at >= 0 && at+1 < len(a.Tokens) {
			a.bodyNames(define.Body(a.Reader, at+1))
		}
	case sqltext.User:
		if verb == Replace {
			a.irreversible("the earlier password cannot be read back")
		}
	case sqltext.Warehouse, sqltext.Worker:
		a.irreversible("machines are started, which costs")
	case sqltext.WorkloadGroup:
		a.irreversible(notRead)
	case sqltext.Sequence:
		w.Start = a.sequenceStart()
		a.addReads(start)
	case sqltext.Notification, sqltext.MaskingPolicy, sqltext.RowPolicy, sqltext.NetworkPolicy, sqltext.PasswdPolicy, sqltext.Catalog,
		sqltext.Connection, sqltext.FileFormat, sqltext.Function, sqltext.Procedure, sqltext.Dictionary, sqltext.Role, sqltext.Tag:
		a.addReads(start)
	}
}

func (a *analysis) attach() {
	a.Take("TABLE")
	o := a.table("ATTACH TABLE")
	a.write(o, Create)
	a.addReads(a.I)
	a.set("ATTACH TABLE", Irreversible, "its snapshots are another table's: what came after cannot be told from them", "")
}
