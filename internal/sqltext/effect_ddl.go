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

// mode is how a CREATE treats an object that is there.
func (a *analysis) orReplace() Verb {
	if a.take("OR", "REPLACE") {
		return Replace
	}
	return Create
}

func (a *analysis) ifNotExists(verb Verb) Verb {
	if a.take("IF", "NOT", "EXISTS") && verb == Create {
		return CreateNew
	}
	return verb
}

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
	o, ok := a.tableName(Table)
	if !ok {
		a.unknown("CREATE "+words, noName)
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
		a.e.Writes = nil
		a.set(kind, None, "a temporary table ends with the session", "")
		a.e.Temp = true
		return
	}
	w := a.write(o, verb)
	w.Definition = true
	w.Data = as >= 0 || verb == Replace
	w.Columns = verb == Replace
	undo := "DROP TABLE " + o.display()
	if verb == Replace {
		undo = "RENAME the new table away; UNDROP TABLE " + o.display()
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
	o, ok := a.tableName(Table)
	if !ok {
		a.unknown("CREATE "+words, noName)
		return
	}
	w := a.write(o, verb)
	w.Definition, w.IsView = true, true
	w.Columns = verb == Replace
	a.addReads(start)
	kind := createKind(verb, words)
	switch {
	case verb != Replace:
		a.set(kind, Exact, "what was created is dropped", "DROP "+words+" "+o.display())
	case materialized:
		a.set(kind, Redefine, "the engine keeps no earlier materialized view", "the earlier CREATE MATERIALIZED VIEW "+o.display())
	default:
		a.set(kind, Exact, "the view that was replaced is kept by the engine, as long as retention lasts", "RENAME the new view away; UNDROP TABLE "+o.display())
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
	base, ok := a.tableName(Table)
	if !ok {
		a.unknown(kind, noName)
		return
	}
	w := a.write(o, verb)
	w.Definition, w.IsStream = true, true
	w.Data = verb == Replace // its offset
	a.write(base, Alter).Definition = true
	a.addReads(a.i)
	reason := "what was created is dropped; its table keeps change_tracking"
	undo := "DROP STREAM " + o.display()
	if verb == Replace {
		reason = "the stream that was replaced is kept by the engine, offset included; its table keeps change_tracking"
		undo = "RENAME the new stream away; UNDROP TABLE " + o.display()
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
	w.Definition = true
	if verb == Replace {
		w.Data, w.Columns = true, true
		a.set(kind, Exact, "the database that was replaced is kept by the engine, as long as retention lasts", "RENAME the new database away; UNDROP DATABASE "+o.display())
		return
	}
	a.set(kind, Exact, "what was created is dropped", "DROP DATABASE "+o.display())
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
	a.write(o, verb).Definition = true
	if verb == Replace {
		a.set(name, Redefine, "the engine keeps no earlier "+string(kind)+"; it is made again from dbctl's own text", "the earlier CREATE "+words+" "+o.display())
	} else {
		a.set(name, Exact, "what was created is dropped", "DROP "+words+" "+o.display())
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
		a.bodyNames("AS")
	case User:
		if verb == Replace {
			a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "the earlier password cannot be read back", ""
		}
	case Warehouse, Worker:
		a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "machines are started, which costs", ""
	case Notification, MaskingPolicy, RowPolicy, NetworkPolicy, PasswdPolicy, Catalog, WorkloadGroup, Connection, FileFormat, Function, Procedure, Sequence, Dictionary, Role, Tag:
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

// stageOptions names the connection and file format of a stage.
func (a *analysis) stageOptions() {
	r := a.readsOf(a.i, len(a.tokens))
	for _, o := range r.names {
		if o.Kind == Connection || o.Kind == FileFormat {
			a.name(o)
		}
	}
}

// taskBody names what a task's condition and statements mention: what they write is not written now.
func (a *analysis) taskBody() {
	from := a.i
	for i := from; i < len(a.tokens); i++ {
		// AFTER 'a', 'b'
		if a.is(i, "AFTER") {
			for j := i + 1; j < len(a.tokens) && a.tokens[j].Kind == String; j += 2 {
				if value, err := Unquote(a.text(j)); err == nil {
					a.name(Object{Kind: Task, Name: value})
				}
				if !a.symbol(j+1, ",") {
					break
				}
			}
		}
		// WHEN STREAM_STATUS('db.s')
		if a.is(i, "STREAM_STATUS") && a.symbol(i+1, "(") && i+2 < len(a.tokens) && a.tokens[i+2].Kind == String {
			if value, err := Unquote(a.text(i + 2)); err == nil {
				q := &parser{words: wordsOf(value)}
				if parts, ok := q.name(); ok {
					stream, _ := a.qualify(Table, parts)
					a.name(stream)
				}
			}
		}
	}
	a.bodyNames("AS")
}

func wordsOf(src string) words {
	tokens, err := Scan(src)
	if err != nil {
		return words{src: src}
	}
	return words{src, significant(tokens)}
}

// bodyNames names what the statements after the keyword read and write.
func (a *analysis) bodyNames(keyword string) {
	at := a.find(keyword)
	if at < 0 || at+1 >= len(a.tokens) {
		return
	}
	text := a.src[a.tokens[at+1].Start:a.tokens[len(a.tokens)-1].End]
	if a.is(at+1, "BEGIN") && a.is(len(a.tokens)-1, "END") && at+2 < len(a.tokens)-1 {
		text = a.src[a.tokens[at+2].Start:a.tokens[len(a.tokens)-1].Start]
	}
	statements, err := Split(text)
	if err != nil {
		return
	}
	database := a.database
	for _, s := range statements {
		e := Analyze(s.Text, database)
		for _, w := range e.Writes {
			a.name(w.Object)
		}
		for _, o := range e.Names {
			a.name(o)
		}
		if e.Use != "" {
			database = e.Use
		}
		a.e.Stream = a.e.Stream || e.Stream
	}
}

// indexKind returns the kind of index that follows.
func (a *analysis) indexKind() string {
	for _, k := range []string{"AGGREGATING", "INVERTED", "NGRAM", "VECTOR", "SPATIAL"} {
		if a.isWord(k) && a.is(a.i+1, "INDEX") {
			return k
		}
	}
	return ""
}

func (a *analysis) createIndex(verb Verb, start int) {
	index := a.indexKind()
	if index == "" {
		a.unknown("CREATE", "it makes no object that dbctl knows")
		return
	}
	a.i += 2
	verb = a.ifNotExists(verb)
	kind := createKind(verb, index+" INDEX")
	name, ok := a.objectName(Index)
	if !ok {
		a.unknown(kind, noName)
		return
	}
	undo := "DROP " + index + " INDEX " + name
	if index == "AGGREGATING" {
		a.write(Object{Kind: Index, Name: name}, verb).Definition = true
		for _, o := range a.addReads(start).names {
			if o.Kind == Table {
				a.write(o, Alter).Definition = true
			}
		}
	} else {
		if !a.take("ON") {
			a.unknown(kind, "an index without ON")
			return
		}
		o, ok := a.tableName(Table)
		if !ok {
			a.unknown(kind, noName)
			return
		}
		a.write(o, Alter).Definition = true
		undo += " ON " + o.display()
	}
	if verb == Replace {
		undo = "the earlier CREATE " + index + " INDEX " + name
	}
	a.set(kind, Exact, "an index is made again from its definition, which can be read", undo)
}

// drop analyzes DROP. What has history is undropped, the rest made again.
func (a *analysis) drop() {
	if index := a.indexKind(); index != "" {
		a.i += 2
		a.ifExists()
		a.dropIndex(index)
		return
	}
	materialized := a.isWord("MATERIALIZED") && a.is(a.i+1, "VIEW")
	if materialized {
		a.i++
	}
	switch {
	case a.take("TABLE"):
		a.ifExists()
		o, ok := a.tableName(Table)
		if !ok {
			a.unknown("DROP TABLE", noName)
			return
		}
		w := a.write(o, Drop)
		w.Data, w.Definition = true, true
		if a.take("ALL") {
			a.set("DROP TABLE ALL", Flashback, "the dropped table comes back empty and goes back to its earlier snapshot; with a vacuum licence its history is gone at once", "UNDROP TABLE "+o.display()+"; FLASHBACK")
			return
		}
		a.set("DROP TABLE", Exact, "the engine keeps a dropped table as long as retention lasts", "UNDROP TABLE "+o.display())
	case a.take("VIEW"):
		words := "VIEW"
		a.ifExists()
		o, ok := a.tableName(Table)
		if !ok {
			a.unknown("DROP VIEW", noName)
			return
		}
		w := a.write(o, Drop)
		w.Definition, w.IsView = true, true
		if materialized {
			a.set("DROP MATERIALIZED "+words, Redefine, "the engine undrops no materialized view; it is made again", "the earlier CREATE MATERIALIZED VIEW "+o.display())
			return
		}
		a.set("DROP VIEW", Exact, "the engine keeps a dropped view as long as retention lasts", "UNDROP TABLE "+o.display())
	case a.take("STREAM"):
		a.ifExists()
		o, ok := a.tableName(Table)
		if !ok {
			a.unknown("DROP STREAM", noName)
			return
		}
		w := a.write(o, Drop)
		w.Definition, w.IsStream, w.Data = true, true, true
		a.set("DROP STREAM", Exact, "the engine keeps a dropped stream, offset included, as long as retention lasts", "UNDROP TABLE "+o.display())
		a.e.Stream = true
	case a.take("DATABASE"), a.take("SCHEMA"):
		a.ifExists()
		o, ok := a.databaseName()
		if !ok {
			a.unknown("DROP DATABASE", noName)
			return
		}
		w := a.write(o, Drop)
		w.Data, w.Definition = true, true
		a.set("DROP DATABASE", Exact, "the engine keeps a dropped database and its tables as long as retention lasts", "UNDROP DATABASE "+o.display())
	default:
		kind, words, ok := a.takeKind()
		if !ok {
			a.unknown("DROP", "it drops no object that dbctl knows")
			return
		}
		a.dropOther(kind, words)
	}
}

func (a *analysis) dropIndex(index string) {
	kind := "DROP " + index + " INDEX"
	name, ok := a.objectName(Index)
	if !ok {
		a.unknown(kind, noName)
		return
	}
	if a.take("ON") {
		o, ok := a.tableName(Table)
		if !ok {
			a.unknown(kind, noName)
			return
		}
		a.write(o, Alter).Definition = true
	} else if index == "AGGREGATING" {
		a.write(Object{Kind: Index, Name: name}, Drop).Definition = true
	} else {
		a.unknown(kind, "an index without ON")
		return
	}
	a.set(kind, Exact, "an index is made again from its definition, which can be read", "CREATE "+index+" INDEX "+name)
}

func (a *analysis) dropOther(kind ObjectKind, words string) {
	a.ifExists()
	o, ok := a.object(kind, false)
	if !ok {
		a.unknown("DROP "+words, noName)
		return
	}
	a.write(o, Drop).Definition = true
	a.set("DROP "+words, Redefine, "the engine keeps no dropped "+string(kind)+"; it is made again from dbctl's own text", "the earlier CREATE "+words+" "+o.display())
	switch kind {
	case Stage:
		a.e.InternalStage = true
		a.e.Reason = "the engine keeps no dropped stage; it is made again from dbctl's own text, but the files of an internal stage are gone"
	case Task:
		a.e.Task = true
	case User:
		a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "the user's password cannot be read back", ""
	case Warehouse, Worker, Catalog, WorkloadGroup:
		a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "a dropped "+string(kind)+" cannot be made again as it was", ""
	}
}

func (a *analysis) undrop() {
	switch {
	case a.take("TABLE"):
		o, ok := a.tableName(Table)
		if !ok {
			a.unknown("UNDROP TABLE", noName)
			return
		}
		w := a.write(o, Undrop)
		w.Data, w.Definition = true, true
		a.set("UNDROP TABLE", Exact, "what was undropped is dropped again", "DROP TABLE "+o.display())
	case a.take("DATABASE"):
		o, ok := a.databaseName()
		if !ok {
			a.unknown("UNDROP DATABASE", noName)
			return
		}
		w := a.write(o, Undrop)
		w.Data, w.Definition = true, true
		a.set("UNDROP DATABASE", Exact, "what was undropped is dropped again", "DROP DATABASE "+o.display())
	default:
		a.unknown("UNDROP", "it undrops no object that dbctl knows")
	}
}

// rename analyzes RENAME TABLE a TO b [, …], RENAME DICTIONARY and the account-wide kinds.
func (a *analysis) rename() {
	switch {
	case a.isWord("TABLE") || a.isWord("DICTIONARY"):
		kind, words := Table, "RENAME "+a.upper(a.i)
		if a.isWord("DICTIONARY") {
			kind = Dictionary
		}
		a.i++
		a.ifExists()
		var undo []string
		for {
			from, ok := a.tableName(kind)
			if !ok || !a.take("TO") {
				a.unknown(words, noName)
				return
			}
			to, ok := a.tableName(kind)
			if !ok {
				a.unknown(words, noName)
				return
			}
			a.renamed(from, to)
			undo = append(undo, to.display()+" TO "+from.display())
			if !a.takeSymbol(",") {
				break
			}
		}
		a.set(words, Exact, "it is renamed back, by its id", words+" "+strings.Join(undo, ", "))
	case a.take("WAREHOUSE"):
		a.i--
		a.alterWarehouse("RENAME WAREHOUSE")
	case a.take("WORKLOAD", "GROUP"):
		from, ok := a.objectName(WorkloadGroup)
		if !ok || !a.take("TO") {
			a.unknown("RENAME WORKLOAD GROUP", noName)
			return
		}
		to, ok := a.objectName(WorkloadGroup)
		if !ok {
			a.unknown("RENAME WORKLOAD GROUP", noName)
			return
		}
		a.renamed(Object{Kind: WorkloadGroup, Name: from}, Object{Kind: WorkloadGroup, Name: to})
		a.set("RENAME WORKLOAD GROUP", Redefine, "it is renamed back", "RENAME WORKLOAD GROUP "+to+" TO "+from)
	default:
		a.unknown("RENAME", "it renames no object that dbctl knows")
	}
}

func (a *analysis) renamed(from, to Object) {
	a.write(from, RenameOut).Definition = true
	a.write(to, RenameIn).Definition = true
}

func (a *analysis) attach() {
	a.take("TABLE")
	o, ok := a.tableName(Table)
	if !ok {
		a.unknown("ATTACH TABLE", noName)
		return
	}
	a.write(o, Create).Definition = true
	a.addReads(a.i)
	a.set("ATTACH TABLE", Exact, "what was attached is dropped; its data stays where it is", "DROP TABLE "+o.display())
}
