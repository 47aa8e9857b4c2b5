package sqltext

import (
	"net/url"
	"strings"
)

// query analyzes a SELECT, which writes where it consumes a stream or takes values of a sequence.
func (a *analysis) query(from int) {
	a.none("SELECT")
	a.takes("SELECT", a.addReads(from))
}

// takes classes a statement that writes nothing but what its queries take.
func (a *analysis) takes(kind string, r reads) {
	if len(r.consumed) > 0 {
		a.set(kind, Exact, "WITH CONSUME moves the stream's offset, which can be set back", "the stream at its earlier offset")
	}
	if len(r.nextval) > 0 {
		a.set(kind, Irreversible, "values taken from a sequence are not given back", "")
		for _, o := range r.nextval {
			a.write(o, WriteData).Data = true
		}
	}
}

// with analyzes WITH …, then the statement that it belongs to.
func (a *analysis) with(start int) {
	a.take("RECURSIVE")
	for {
		if _, ok := a.ident(); !ok {
			break
		}
		if a.symbol(a.i, "(") && !a.skipBrackets() || !a.take("AS") {
			break
		}
		a.take("MATERIALIZED")
		if !a.symbol(a.i, "(") || !a.skipBrackets() {
			break
		}
		if a.takeSymbol(",") {
			continue
		}
		switch {
		case a.take("INSERT"):
			a.insert(start)
		case a.take("UPDATE"):
			a.dml("UPDATE", start, nil)
		case a.take("DELETE"):
			a.dml("DELETE", start, func() { a.take("FROM") })
		case a.take("MERGE"):
			a.merge(start)
		case a.take("REPLACE"):
			a.dml("REPLACE INTO", start, func() { a.take("INTO") })
		case a.take("COPY"):
			a.copyStatement(start)
		case a.isWord("SELECT"), a.isWord("FROM"), a.isWord("VALUES"), a.isWord("WITH"), a.symbol(a.i, "("):
			a.query(start)
		default:
			a.unknown("WITH", "what follows WITH is no statement that dbctl knows")
		}
		return
	}
	a.unknown("WITH", "its common table expressions cannot be read")
}

// dmlClass marks a statement that changes rows of tables.
func (a *analysis) dmlClass(kind string) {
	var names []string
	for _, w := range a.e.Writes {
		if w.Kind == Table && !w.IsStream {
			names = append(names, w.Display())
		}
	}
	a.set(kind, Flashback, "rows change; the table goes back to its earlier snapshot", "ALTER TABLE "+strings.Join(names, ", ")+" FLASHBACK TO its earlier snapshot")
	a.e.DML = true
}

// dml analyzes a statement that changes the rows of one table; prefix takes the words before its name.
func (a *analysis) dml(kind string, start int, prefix func()) {
	a.skipHints()
	if prefix != nil {
		prefix()
	}
	o, ok := a.table(kind)
	if !ok {
		return
	}
	a.write(o, WriteData).Data = true
	a.addReads(start)
	a.dmlClass(kind)
}

// insert analyzes INSERT INTO, INSERT OVERWRITE, INSERT ALL and INSERT FIRST.
func (a *analysis) insert(start int) {
	a.skipHints()
	kind := "INSERT"
	overwrite := a.take("OVERWRITE")
	if overwrite {
		kind = "INSERT OVERWRITE"
	}
	if a.isWord("ALL") && (a.is(a.i+1, "INTO") || a.is(a.i+1, "WHEN")) || a.isWord("FIRST") && a.is(a.i+1, "WHEN") {
		kind += " " + a.upper(a.i)
		a.insertMulti(kind, start)
		return
	}
	into := a.take("INTO")
	if !overwrite && !into {
		a.unknown(kind, "INSERT without INTO")
		return
	}
	if a.isWord("TABLE") && !a.symbol(a.i+1, "(") && !a.is(a.i+1, "VALUES") && !a.is(a.i+1, "SELECT") {
		a.i++
	}
	a.dml(kind, start, nil)
}

// insertMulti reads every INTO before the query, outside brackets.
func (a *analysis) insertMulti(kind string, start int) {
	depth := 0
	for ; a.i < len(a.tokens); a.i++ {
		switch {
		case a.symbol(a.i, "("):
			depth++
		case a.symbol(a.i, ")"):
			depth--
		case depth == 0 && (a.isWord("SELECT") || a.isWord("WITH") || a.isWord("FROM")):
			if len(a.e.Writes) == 0 {
				a.unknown(kind, noName)
				return
			}
			a.addReads(start)
			a.dmlClass(kind)
			return
		case depth == 0 && a.isWord("INTO"):
			a.i++
			o, ok := a.table(kind)
			if !ok {
				return
			}
			a.i--
			if !a.writes(o) {
				a.write(o, WriteData).Data = true
			}
		}
	}
	// The query may stand in brackets.
	if len(a.e.Writes) == 0 {
		a.unknown(kind, noName)
		return
	}
	a.addReads(start)
	a.dmlClass(kind)
}

func (a *analysis) writes(o Object) bool {
	for _, w := range a.e.Writes {
		if w.Object == o {
			return true
		}
	}
	return false
}

func (a *analysis) merge(start int) {
	a.skipHints()
	a.take("INTO")
	o, ok := a.table("MERGE")
	if !ok {
		return
	}
	a.write(o, WriteData).Data = true
	for a.i < len(a.tokens) && !a.isWord("USING") {
		a.i++
	}
	a.i++
	if t, ok := a.peek(); ok && (t.Kind == Word || t.Kind == Quoted) {
		if parts, ok := a.parser.name(); ok && !a.symbol(a.i, "(") && !a.cteNames(start, len(a.tokens))[parts[0]] {
			source, _ := a.qualify(Table, parts)
			a.name(source)
		}
	}
	a.addReads(start)
	a.dmlClass("MERGE")
}

// copyStatement analyzes COPY INTO a table or a location.
func (a *analysis) copyStatement(start int) {
	const kind = "COPY INTO"
	a.skipHints()
	if !a.take("INTO") {
		a.unknown(kind, "COPY without INTO")
		return
	}
	if t, ok := a.peek(); ok && (t.Kind == At || t.Kind == String) {
		a.set("COPY INTO LOCATION", Irreversible, "files that were written or overwritten in an object store have no history", "")
		if o, ok := location(a.text(a.i), t.Kind); ok {
			a.write(o, WriteData).Data = true
			if !strings.Contains(o.Name, "://") {
				stage, _ := stagePath(o.Name)
				a.name(Object{Kind: Stage, Name: stage})
			}
		} else {
			a.unknown("COPY INTO LOCATION", noName)
			return
		}
		a.i++
		a.addReads(a.i)
		return
	}
	o, ok := a.table(kind)
	if !ok {
		return
	}
	a.write(o, WriteData).Data = true
	after := a.i
	a.addReads(start)
	a.dmlClass(kind)
	a.e.Reason = "rows are added; the table goes back to its earlier snapshot, while the engine still remembers the loaded files"
	// PURGE = TRUE removes the files it loaded.
	for i := after; i < len(a.tokens); i++ {
		if a.is(i, "PURGE") && a.symbol(i+1, "=") && !a.is(i+2, "FALSE") && !a.textIs(i+2, "0", "'false'") {
			a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "PURGE = TRUE deletes the loaded files", ""
			for j := after; j < i; j++ {
				if t := a.tokens[j]; t.Kind == At || t.Kind == String && a.is(j-1, "FROM") {
					if o, ok := location(a.text(j), t.Kind); ok {
						a.write(o, Drop).Data = true
					}
					break
				}
			}
		}
	}
}

func (a *analysis) textIs(i int, texts ...string) bool {
	if i >= len(a.tokens) {
		return false
	}
	for _, s := range texts {
		if strings.EqualFold(a.text(i), s) {
			return true
		}
	}
	return false
}

// location names the files of @stage/path, '@stage/path' or a URI, without what may be secret in it.
func location(token string, kind Kind) (Object, bool) {
	text := ""
	if kind == At {
		text = "@" + unescapeAt(token)
	} else {
		var err error
		if text, err = Unquote(token); err != nil {
			return Object{}, false
		}
	}
	if rest, ok := strings.CutPrefix(text, "@"); ok {
		return Object{Kind: StageFiles, Name: rest}, rest != ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return Object{}, false
	}
	return Object{Kind: StageFiles, Name: u.Scheme + "://" + u.Host + u.Path}, true
}

func (a *analysis) remove() {
	t, ok := a.peek()
	if !ok || t.Kind != At && t.Kind != String {
		a.unknown("REMOVE", noName)
		return
	}
	o, ok := location(a.text(a.i), t.Kind)
	if !ok {
		a.unknown("REMOVE", noName)
		return
	}
	a.set("REMOVE", Irreversible, "files that were removed from an object store have no history", "")
	a.write(o, Drop).Data = true
	stage, _ := stagePath(o.Name)
	a.name(Object{Kind: Stage, Name: stage})
}
