package effect

import (
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// reads is what the queries of a statement read.
type reads struct {
	names    []sqltext.Object // tables, stages, sequences, connections, file formats
	consumed []sqltext.Object // streams read WITH CONSUME
	nextval  []sqltext.Object // sequences
}

// fileTypes are the values of FILE_FORMAT => that name no file format of the user's.
var fileTypes = map[string]bool{
	"TEXT": true, "TSV": true, "CSV": true, "NDJSON": true, "PARQUET": true, "JSON": true, "ORC": true, "AVRO": true, "LANCE": true,
	"ARROW": true, "ARROW_STREAM": true, "XML": true,
}

// readsOf finds what tokens[from:to] read: names after FROM and JOIN, @stages, NEXTVAL(s), CONNECTION_NAME = 'c', FORMAT_NAME = 'f'.
// Names of common table expressions and table functions are none.
func (a *analysis) readsOf(from, to int) reads {
	var (
		r    reads
		seen = map[sqltext.Object]bool{}
		add  = func(o sqltext.Object) {
			if !seen[o] {
				seen[o] = true
				r.names = append(r.names, o)
			}
		}
		w = a.Words
		// level is one bracket: query says that FROM begins a list of tables in it, list that we are in one.
		levels = []struct{ query, list bool }{{query: true}}
		expect = false // a table comes next
	)
	ctes := a.cteNames(from, to)
	for i := from; i < to; i++ {
		top := &levels[len(levels)-1]
		wanted := expect
		expect = false
		t := w.Tokens[i]
		switch t.Kind {
		case sqltext.Hint:
			expect = wanted
		case sqltext.At:
			if stage, _ := sqltext.StagePath(sqltext.UnescapeAt(w.Text(i))); stage != "" {
				add(sqltext.Object{Kind: sqltext.Stage, Name: stage})
			}
		case sqltext.String:
			if value, err := sqltext.Unquote(w.Text(i)); err == nil && wanted && strings.HasPrefix(value, "@") {
				stage, _ := sqltext.StagePath(value[1:])
				add(sqltext.Object{Kind: sqltext.Stage, Name: stage})
			}
		case sqltext.Symbol:
			switch w.Text(i) {
			case "(":
				query := w.Is(i+1, "SELECT") || w.Is(i+1, "WITH") || w.Is(i+1, "FROM") || w.Is(i+1, "VALUES") || w.Symbol(i+1, "(") || wanted
				group := wanted && !w.Is(i+1, "SELECT") && !w.Is(i+1, "WITH") && !w.Is(i+1, "FROM") && !w.Is(i+1, "VALUES")
				levels = append(levels, struct{ query, list bool }{query, group})
				expect = group
			case ")":
				if len(levels) > 1 {
					levels = levels[:len(levels)-1]
				}
			case ",":
				expect = top.list
			}
		case sqltext.Word, sqltext.Quoted:
			if t.Kind == sqltext.Word {
				switch word := w.Upper(i); word {
				case "FROM":
					if top.query && !w.Is(i-1, "DISTINCT") {
						top.list, expect = true, true
					}
					continue
				case "JOIN":
					expect = true
					continue
				case "LATERAL":
					expect = wanted
					continue
				case "SELECT", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "QUALIFY", "WINDOW", "SET":
					top.list = false
					continue
				case "NEXTVAL":
					if w.Symbol(i+1, "(") && i+2 < to {
						q := &sqltext.Reader{Words: w, I: i + 2}
						if name, ok := q.ObjectName(sqltext.Sequence); ok {
							o := sqltext.Object{Kind: sqltext.Sequence, Name: name}
							add(o)
							r.nextval = append(r.nextval, o)
						}
					}
				case "CONNECTION_NAME", "FORMAT_NAME", "FILE_FORMAT":
					if !w.Symbol(i+1, "=") && !w.Symbol(i+1, "=>") || i+2 >= to || w.Tokens[i+2].Kind != sqltext.String {
						continue
					}
					value, err := sqltext.Unquote(w.Text(i + 2))
					switch {
					case err != nil:
					case word == "CONNECTION_NAME":
						add(sqltext.Object{Kind: sqltext.Connection, Name: value})
					case word == "FORMAT_NAME" || !fileTypes[strings.ToUpper(value)]:
						add(sqltext.Object{Kind: sqltext.FileFormat, Name: value})
					}
				case "STREAM": // AT (STREAM => s)
					if w.Symbol(i+1, "=>") && i+2 < to {
						q := &sqltext.Reader{Words: w.Slice(0, to), I: i + 2}
						if parts, ok := q.Name(); ok {
							o, _ := a.qualify(sqltext.Table, parts)
							add(o)
						}
					}
				}
			}
			if !wanted {
				continue
			}
			q := &sqltext.Reader{Words: w.Slice(0, to), I: i}
			parts, ok := q.Name()
			if !ok || q.Symbol(q.I, "(") || len(parts) == 1 && ctes[parts[0]] || w.Is(i, "IDENTIFIER") {
				i = q.I - 1
				continue
			}
			o, _ := a.qualify(sqltext.Table, parts)
			add(o)
			i = q.I - 1
			for (q.IsWord("AT") || q.IsWord("CHANGES") || q.IsWord("END")) && q.Symbol(q.I+1, "(") {
				q.I++
				q.SkipBrackets()
			}
			if q.Take("WITH") && (q.IsWord("CONSUME") || q.Symbol(q.I, "(") && consumes(q)) {
				r.consumed = append(r.consumed, o)
			}
		}
	}
	return r
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

// cteNames returns the names that WITH defines anywhere in tokens[from:to].
func (a *analysis) cteNames(from, to int) map[string]bool {
	names := map[string]bool{}
	for i := from; i < to; i++ {
		if !a.Is(i, "WITH") {
			continue
		}
		found, _ := commonTables(&sqltext.Reader{Words: a.Slice(0, to), I: i + 1})
		for _, name := range found {
			names[name] = true
		}
	}
	return names
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

// taskBody names what a task's condition and statements mention: what they write is not written now.
func (a *analysis) taskBody() {
	from := a.I
	for i := from; i < len(a.Tokens); i++ {
		// AFTER 'a', 'b'
		if a.Is(i, "AFTER") {
			for j := i + 1; j < len(a.Tokens) && a.Tokens[j].Kind == sqltext.String; j += 2 {
				if value, err := sqltext.Unquote(a.Text(j)); err == nil {
					a.name(sqltext.Object{Kind: sqltext.Task, Name: value})
				}
				if !a.Symbol(j+1, ",") {
					break
				}
			}
		}
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
	a.bodyNames()
}

// bodyNames names what the statements after AS read and write.
func (a *analysis) bodyNames() {
	at := a.Find("AS")
	if at < 0 || at+1 >= len(a.Tokens) {
		return
	}
	text := a.Src[a.Tokens[at+1].Start:a.Tokens[len(a.Tokens)-1].End]
	if a.Is(at+1, "BEGIN") && a.Is(len(a.Tokens)-1, "END") && at+2 < len(a.Tokens)-1 {
		text = a.Src[a.Tokens[at+2].Start:a.Tokens[len(a.Tokens)-1].Start]
	}
	statements, err := sqltext.Split(text)
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
		for _, f := range e.Features {
			a.needs(f)
		}
	}
}
