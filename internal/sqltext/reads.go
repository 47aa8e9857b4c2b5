package sqltext

import "strings"

// reads is what the queries of a statement read.
type reads struct {
	names    []Object // tables, stages, sequences, connections, file formats
	consumed []Object // streams read WITH CONSUME
	nextval  []Object // sequences
}

// fileTypes are the values of FILE_FORMAT => that name no file format of the user's.
var fileTypes = map[string]bool{
	"TEXT": true, "TSV": true, "CSV": true, "NDJSON": true, "PARQUET": true, "JSON": true, "ORC": true, "AVRO": true, "LANCE": true, "ARROW": true, "ARROW_STREAM": true, "XML": true,
}

// readsOf finds what tokens[from:to] read: names after FROM and JOIN, @stages, NEXTVAL(s), CONNECTION_NAME = 'c', FORMAT_NAME = 'f'.
// Names of common table expressions and table functions are none.
func (a *analysis) readsOf(from, to int) reads {
	var (
		r    reads
		seen = map[Object]bool{}
		add  = func(o Object) {
			if !seen[o] {
				seen[o] = true
				r.names = append(r.names, o)
			}
		}
		w = a.words
		// level is one bracket: query says that FROM begins a list of tables in it, list that we are in one.
		levels = []struct{ query, list bool }{{query: true}}
		expect = false // a table comes next
	)
	ctes := a.cteNames(from, to)
	for i := from; i < to; i++ {
		top := &levels[len(levels)-1]
		wanted := expect
		expect = false
		t := w.tokens[i]
		switch t.Kind {
		case Hint:
			expect = wanted
		case At:
			if stage, _ := stagePath(unescapeAt(w.text(i))); stage != "" {
				add(Object{Kind: Stage, Name: stage})
			}
		case String:
			if value, err := Unquote(w.text(i)); err == nil && wanted && strings.HasPrefix(value, "@") {
				stage, _ := stagePath(value[1:])
				add(Object{Kind: Stage, Name: stage})
			}
		case Symbol:
			switch w.text(i) {
			case "(":
				query := w.is(i+1, "SELECT") || w.is(i+1, "WITH") || w.is(i+1, "FROM") || w.is(i+1, "VALUES") || w.symbol(i+1, "(") || wanted
				group := wanted && !w.is(i+1, "SELECT") && !w.is(i+1, "WITH") && !w.is(i+1, "FROM") && !w.is(i+1, "VALUES")
				levels = append(levels, struct{ query, list bool }{query, group})
				expect = group
			case ")":
				if len(levels) > 1 {
					levels = levels[:len(levels)-1]
				}
			case ",":
				expect = top.list
			}
		case Word, Quoted:
			if t.Kind == Word {
				switch word := w.upper(i); word {
				case "FROM":
					if top.query && !w.is(i-1, "DISTINCT") {
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
					if w.symbol(i+1, "(") && i+2 < to {
						q := &parser{words: w, i: i + 2}
						if name, ok := q.objectName(Sequence); ok {
							o := Object{Kind: Sequence, Name: name}
							add(o)
							r.nextval = append(r.nextval, o)
						}
					}
				case "CONNECTION_NAME", "FORMAT_NAME", "FILE_FORMAT":
					if !w.symbol(i+1, "=") && !w.symbol(i+1, "=>") || i+2 >= to || w.tokens[i+2].Kind != String {
						continue
					}
					value, err := Unquote(w.text(i + 2))
					switch {
					case err != nil:
					case word == "CONNECTION_NAME":
						add(Object{Kind: Connection, Name: value})
					case word == "FORMAT_NAME" || !fileTypes[strings.ToUpper(value)]:
						add(Object{Kind: FileFormat, Name: value})
					}
				case "STREAM": // AT (STREAM => s)
					if w.symbol(i+1, "=>") && i+2 < to {
						q := &parser{words: words{w.src, w.tokens[:to]}, i: i + 2}
						if parts, ok := q.name(); ok {
							o, _ := a.qualify(Table, parts)
							add(o)
						}
					}
				}
			}
			if !wanted {
				continue
			}
			q := &parser{words: words{w.src, w.tokens[:to]}, i: i}
			parts, ok := q.name()
			if !ok || q.symbol(q.i, "(") || len(parts) == 1 && ctes[parts[0]] || w.is(i, "IDENTIFIER") {
				i = q.i - 1
				continue
			}
			o, _ := a.qualify(Table, parts)
			add(o)
			i = q.i - 1
			for (q.isWord("AT") || q.isWord("CHANGES") || q.isWord("END")) && q.symbol(q.i+1, "(") {
				q.i++
				q.skipBrackets()
			}
			if q.take("WITH") && (q.isWord("CONSUME") || q.symbol(q.i, "(") && consumes(q)) {
				r.consumed = append(r.consumed, o)
			}
		}
	}
	return r
}

// consumes reads (CONSUME = TRUE, …).
func consumes(q *parser) bool {
	start := q.i
	if !q.skipBrackets() {
		return false
	}
	for i := start; i < q.i; i++ {
		if q.is(i, "CONSUME") && q.symbol(i+1, "=") && (q.is(i+2, "TRUE") || strings.EqualFold(q.text(i+2), "'true'") || q.text(i+2) == "1") {
			return true
		}
	}
	return false
}

// cteNames returns the names that WITH defines anywhere in tokens[from:to].
func (a *analysis) cteNames(from, to int) map[string]bool {
	names := map[string]bool{}
	for i := from; i < to; i++ {
		if !a.is(i, "WITH") {
			continue
		}
		p := &parser{words: words{a.src, a.tokens[:to]}, i: i + 1}
		p.take("RECURSIVE")
		for {
			name, ok := p.ident()
			if !ok {
				break
			}
			if p.symbol(p.i, "(") && !p.skipBrackets() || !p.take("AS") {
				break
			}
			p.take("MATERIALIZED")
			if !p.symbol(p.i, "(") || !p.skipBrackets() {
				break
			}
			names[name] = true
			if !p.takeSymbol(",") {
				break
			}
		}
	}
	return names
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
	a.bodyNames()
}

func wordsOf(src string) words {
	tokens, err := Scan(src)
	if err != nil {
		return words{src: src}
	}
	return words{src, significant(tokens)}
}

// bodyNames names what the statements after AS read and write.
func (a *analysis) bodyNames() {
	at := a.find("AS")
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
