package effect

import (
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
)

// reads is what the queries of a statement read.
type reads struct {
	names    []sqltext.Object // tables, stages, sequences, connections, file formats
	consumed []sqltext.Object // streams read WITH CONSUME
	nextval  []sqltext.Object // sequences
}

// fileTypes are the engine's own file formats, which nobody makes.
var fileTypes = map[string]bool{
	"TEXT": true, "TSV": true, "CSV": true, "NDJSON": true, "PARQUET": true, "JSON": true, "ORC": true, "AVRO": true, "LANCE": true,
	"ARROW": true, "ARROW_STREAM": true, "XML": true,
}

// readsOf finds what tokens[from:to] read: names after FROM and JOIN, @stages, NEXTVAL(s), CONNECTION_NAME = 'c', FORMAT_NAME = 'f'.
// Names of common table expressions and table functions are none.
func (a *analysis) readsOf(from, to int) reads {
	s := readScan{
		analysis: a, words: a.Slice(0, to), ctes: a.commonTables(from, to), levels: []level{{query: true}}, seen: map[sqltext.Object]bool{},
	}
	for i := from; i < to; {
		i = s.token(i)
	}
	return s.reads
}

// readScan is a walk over tokens that collects what they read.
type readScan struct {
	*analysis
	reads
	words  sqltext.Words
	ctes   []commonTable
	levels []level
	expect bool // a table comes next
	seen   map[sqltext.Object]bool
}

// level is what stands between two brackets: query says that FROM begins a list of tables in it, list that we are in one, options that it
// is the (K = 'v' …) of FILE_FORMAT or CONNECTION, selected that SELECT was in it, behind which AS FROM is a column's name.
type level struct{ query, list, options, selected bool }

func (s *readScan) add(o sqltext.Object) {
	if !s.seen[o] {
		s.seen[o] = true
		s.names = append(s.names, o)
	}
}

// token takes the token at i and returns where to go on.
func (s *readScan) token(i int) int {
	w := s.words
	wanted := s.expect
	s.expect = false
	switch t := w.Tokens[i]; t.Kind {
	case sqltext.At:
		if stage, _ := sqltext.StagePath(sqltext.UnescapeAt(w.Text(i))); stage != "" {
			s.add(sqltext.Object{Kind: sqltext.Stage, Name: stage})
		}
	case sqltext.String:
		if value, err := sqltext.Unquote(w.Text(i)); err == nil && wanted && strings.HasPrefix(value, "@") {
			stage, _ := sqltext.StagePath(value[1:])
			s.add(sqltext.Object{Kind: sqltext.Stage, Name: stage})
		}
	case sqltext.Symbol:
		s.symbol(i, wanted)
	case sqltext.Word, sqltext.Quoted:
		s.sequence(i)
		if (t.Kind == sqltext.Quoted || !s.keyword(i, wanted)) && wanted {
			return s.table(i)
		}
	}
	return i + 1
}

// symbol keeps the levels: wanted says that a table comes next.
func (s *readScan) symbol(i int, wanted bool) {
	w := s.words
	top := &s.levels[len(s.levels)-1]
	switch w.Text(i) {
	case "(":
		query := w.Is(i+1, "SELECT") || w.Is(i+1, "WITH") || w.Is(i+1, "FROM") || w.Is(i+1, "VALUES")
		group := wanted && !query
		options := !query && (w.Symbol(i-1, "=") || w.Symbol(i-1, "=>"))
		s.levels = append(s.levels, level{query: query || wanted || w.Symbol(i+1, "("), list: group, options: options})
		s.expect = group
	case ")":
		if len(s.levels) > 1 {
			s.levels = s.levels[:len(s.levels)-1]
		}
	case ",":
		s.expect = top.list
	}
}

// keyword takes a word that says where names stand, or that names something itself. It reports whether the word is no name.
func (s *readScan) keyword(i int, wanted bool) bool {
	w := s.words
	top := &s.levels[len(s.levels)-1]
	switch word := w.Upper(i); word {
	case "FROM":
		if top.query && !w.Is(i-1, "DISTINCT") && (!w.Is(i-1, "AS") || w.Is(i-2, "AS") || !top.selected) {
			top.list, s.expect = true, true
		}
		return true
	case "JOIN":
		s.expect = true
		return true
	case "LATERAL":
		s.expect = wanted
		return true
	case "SELECT", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "QUALIFY", "WINDOW", "SET":
		top.list, top.selected = false, top.selected || word == "SELECT"
		return true
	case "CONNECTION_NAME", "FORMAT_NAME", "FILE_FORMAT":
		s.option(i, word, top.options)
	case "STREAM": // AT (STREAM => s)
		q := &sqltext.Reader{Words: w, I: i + 2}
		if parts, ok := q.Name(); ok && w.Symbol(i+1, "=>") {
			o, _ := s.qualify(sqltext.Table, parts)
			s.add(o)
		}
	}
	return false
}

// sequence takes the sequence of NEXTVAL(s).
func (s *readScan) sequence(i int) {
	if !strings.EqualFold(s.called(i), "NEXTVAL") {
		return
	}
	q := &sqltext.Reader{Words: s.words, I: i + 2}
	if name, ok := q.ObjectName(sqltext.Sequence); ok {
		o := sqltext.Object{Kind: sqltext.Sequence, Name: name}
		s.add(o)
		s.nextval = append(s.nextval, o)
	}
}

// option takes CONNECTION_NAME = 'c' among options, and CONNECTION_NAME => 'c', and the like: a column may have such a name.
func (s *readScan) option(i int, word string, options bool) {
	w := s.words
	if (!options || !w.Symbol(i+1, "=")) && !w.Symbol(i+1, "=>") || i+2 >= len(w.Tokens) || w.Tokens[i+2].Kind != sqltext.String {
		return
	}
	value, err := sqltext.Unquote(w.Text(i + 2))
	switch {
	case err != nil:
	case word == "CONNECTION_NAME":
		s.add(sqltext.Object{Kind: sqltext.Connection, Name: value})
	case !fileTypes[strings.ToUpper(value)]:
		s.add(sqltext.Object{Kind: sqltext.FileFormat, Name: value})
	}
}

// table takes the name of a table and what stands behind it, and returns where to go on.
func (s *readScan) table(i int) int {
	q := &sqltext.Reader{Words: s.words, I: i}
	parts, ok := q.Name()
	behind := q.I
	if !ok || q.Symbol(q.I, "(") || len(parts) == 1 && isCommon(s.ctes, parts[0], i) || s.words.Is(i, "IDENTIFIER") {
		return behind
	}
	o, _ := s.qualify(sqltext.Table, parts)
	s.add(o)
	for (q.IsWord("AT") || q.IsWord("CHANGES") || q.IsWord("END")) && q.Symbol(q.I+1, "(") {
		q.I++
		q.SkipBrackets()
	}
	if q.Take("WITH") && (q.IsWord("CONSUME") || q.Symbol(q.I, "(") && consumes(q)) {
		s.consumed = append(s.consumed, o)
	}
	return behind
}

// consumes reads (CONSUME = TRUE, …).
func consumes(q *sqltext.Reader) bool {
	start := q.I
	if !q.SkipBrackets() {
		return false
	}
	for i := start; i < q.I; i++ {
		if q.Is(i, "CONSUME") && q.Symbol(i+1, "=") && (q.Is(i+2, "TRUE") || strings.EqualFold(q.Text(i+2), "'true'") || q.Text(i+2) == "1") {
			return true
		}
	}
	return false
}

// commonTable is a name that a WITH defines, and from which token to which it means that: in what is defined before, it is a table's.
type commonTable struct {
	name     string
	from, to int
}

func isCommon(ctes []commonTable, name string, at int) bool {
	return slices.ContainsFunc(ctes, func(c commonTable) bool { return c.name == name && c.from <= at && at < c.to })
}

// commonTables finds those of tokens[from:to].
func (a *analysis) commonTables(from, to int) (all []commonTable) {
	for i := from; i < to; i++ {
		if !a.Is(i, "WITH") {
			continue
		}
		found, _ := commonTables(&sqltext.Reader{Words: a.Slice(0, to), I: i + 1})
		end := i
		for depth := 0; end < to && depth >= 0; end++ {
			switch {
			case a.Symbol(end, "("):
				depth++
			case a.Symbol(end, ")"):
				depth--
			}
		}
		for _, c := range found {
			c.to = end
			all = append(all, c)
		}
	}
	return all
}

// stageOptions names the connection and file format of a stage.
func (a *analysis) stageOptions() {
	r := a.readsOf(a.I, len(a.Tokens))
	for _, o := range r.names {
		if o.Kind == sqltext.Connection || o.Kind == sqltext.FileFormat {
			a.name(o)
		}
	}
}

// task reads what stands behind a task's name, and names what its condition and statements mention: what they write is not written now.
func (a *analysis) task() define.Task {
	task := define.ReadTask(*a.Reader)
	a.e.Task = &task
	a.needs(Tasks)
	for _, name := range slices.Concat(task.After, task.Removed) {
		a.name(sqltext.Object{Kind: sqltext.Task, Name: name})
	}
	for i := a.I; i < len(a.Tokens); i++ {
		// WHEN STREAM_STATUS('db.s')
		if a.Is(i, "STREAM_STATUS") && a.Symbol(i+1, "(") && i+2 < len(a.Tokens) && a.Tokens[i+2].Kind == sqltext.String {
			if value, err := sqltext.Unquote(a.Text(i + 2)); err == nil {
				words, _ := sqltext.ReadWords(value)
				q := &sqltext.Reader{Words: words}
				if parts, ok := q.Name(); ok {
					stream, _ := a.qualify(sqltext.Table, parts)
					a.name(stream)
				}
			}
		}
	}
	a.bodyNames(task.Body)
	return task
}

// bodyNames names what the statements of a body read and write.
func (a *analysis) bodyNames(body []sqltext.Statement) {
	database := a.database
	for _, s := range body {
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
		for _, f := range e.Features {
			a.needs(f)
		}
	}
}
