package effect

import (
	"net/url"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// query analyzes a SELECT, which writes where it consumes a stream or takes values of a sequence.
func (a *analysis) query(from int) {
	a.none("SELECT")
	a.e.Query = true
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
			a.write(o, WriteData, Rows)
		}
	}
}

// with analyzes WITH …, then the statement that it belongs to.
func (a *analysis) with(start int) {
	_, ok := commonTables(a.Reader)
	switch {
	case !ok:
		a.unknown("WITH", "its common table expressions cannot be read")
	case a.Take("INSERT"):
		a.insert(start)
	case a.Take("UPDATE"):
		a.dml("UPDATE", start, UpdatesRows)
	case a.Take("DELETE"):
		a.deleteFrom(start)
	case a.Take("MERGE"):
		a.merge(start)
	case a.Take("REPLACE"):
		a.replace(start)
	case a.Take("COPY"):
		a.copyStatement(start)
	case a.IsWord("SELECT"), a.IsWord("FROM"), a.IsWord("VALUES"), a.IsWord("WITH"), a.Symbol(a.I, "("):
		a.query(start)
	default:
		a.unknown("WITH", "what follows WITH is no statement that dbctl knows")
	}
}

// commonTables reads what follows WITH, up to the statement that it belongs to, and returns what it defines, without its end. ok is false
// where it cannot be read to its end.
func commonTables(p *sqltext.Reader) (found []commonTable, ok bool) {
	p.Take("RECURSIVE")
	for {
		from := p.I
		name, ok := p.Ident()
		if !ok || p.Symbol(p.I, "(") && !p.SkipBrackets() || !p.Take("AS") {
			return found, false
		}
		p.Take("MATERIALIZED")
		if !p.Symbol(p.I, "(") || !p.SkipBrackets() {
			return found, false
		}
		found = append(found, commonTable{name: name, from: from})
		if !p.TakeSymbol(",") {
			return found, true
		}
	}
}

// dmlClass marks a statement that changes rows of tables.
func (a *analysis) dmlClass(kind string) {
	var names []string
	for _, w := range a.e.Writes {
		if w.Kind == sqltext.Table && !w.IsStream {
			names = append(names, w.Pasted())
		}
	}
	a.set(kind, Flashback, "rows change; the table goes back to its earlier snapshot", "ALTER TABLE "+strings.Join(names,
		", ")+" FLASHBACK TO its earlier snapshot")
	a.e.DML, a.e.Consumes = true, true
}

// dml analyzes a statement that changes the rows of one table, whose name follows.
func (a *analysis) dml(kind string, start int, does RowVerb) {
	o := a.table(kind)
	a.write(o, WriteData, Rows).Does = does
	a.addReads(start)
	a.dmlClass(kind)
}

func (a *analysis) deleteFrom(start int) {
	does := DeletesRows
	if a.takesAll() {
		does |= TakesRows
	}
	a.Take("FROM")
	a.dml("DELETE", start, does)
}

// takesAll says whether a DELETE has no condition, or one that holds for every row.
func (a *analysis) takesAll() bool {
	where := a.Find("WHERE", "USING")
	return where < 0 || a.Is(where, "WHERE") && condition(&sqltext.Reader{Words: a.Words, I: where + 1}) == always
}

func (a *analysis) replace(start int) {
	a.Take("INTO")
	a.dml("REPLACE INTO", start, AddsRows|DeletesRows)
	a.filledFrom(start)
	a.e.Commits = a.e.DML
}

// insert analyzes INSERT INTO, INSERT OVERWRITE, INSERT ALL and INSERT FIRST.
func (a *analysis) insert(start int) {
	kind, does := "INSERT", AddsRows
	overwrite := a.Take("OVERWRITE")
	a.e.Commits = overwrite
	if overwrite {
		kind, does = "INSERT OVERWRITE", AddsRows|DeletesRows|TakesRows
	}
	if a.IsWord("ALL") && (a.Is(a.I+1, "INTO") || a.Is(a.I+1, "WHEN")) || a.IsWord("FIRST") && a.Is(a.I+1, "WHEN") {
		kind += " " + a.Upper(a.I)
		a.insertMulti(kind, start, does)
		return
	}
	into := a.Take("INTO")
	if !overwrite && !into {
		a.unknown(kind, "INSERT without INTO")
		return
	}
	a.Take("TABLE")
	a.dml(kind, start, does)
	a.filledFrom(start)
}

// insertMulti reads every INTO before the query, outside brackets.
func (a *analysis) insertMulti(kind string, start int, does RowVerb) {
	// The query ends them; it may stand in brackets.
	for a.I < len(a.Tokens) && !a.IsWord("SELECT") && !a.IsWord("WITH") && !a.IsWord("FROM") {
		if !a.Take("INTO") {
			a.Skip()
			continue
		}
		o := a.table(kind)
		if !a.writes(o) {
			a.write(o, WriteData, Rows).Does = does
		}
	}
	a.require(kind, len(a.e.Writes) > 0)
	a.addReads(start)
	a.filledFrom(start)
	a.dmlClass(kind)
}

func (a *analysis) writes(o sqltext.Object) bool {
	return slices.ContainsFunc(a.e.Writes, func(w Write) bool { return w.Object == o })
}

func (a *analysis) merge(start int) {
	a.Take("INTO")
	o := a.table("MERGE")
	a.write(o, WriteData, Rows).Does = AddsRows | UpdatesRows | DeletesRows
	for a.I < len(a.Tokens) && !a.IsWord("USING") {
		a.I++
	}
	a.I++
	if t, ok := a.Peek(); ok && (t.Kind == sqltext.Word || t.Kind == sqltext.Quoted) {
		at := a.I
		if parts, ok := a.Reader.Name(); ok && !a.Symbol(a.I, "(") && !isCommon(a.commonTables(start, len(a.Tokens)), parts[0], at) {
			source, _ := a.qualify(sqltext.Table, parts)
			a.name(source)
			a.e.Sources = append(a.e.Sources, source)
		}
	}
	a.addReads(start)
	a.filledFrom(start)
	a.dmlClass("MERGE")
}

// copyStatement analyzes COPY INTO a table or a location.
func (a *analysis) copyStatement(start int) {
	const kind = "COPY INTO"
	if !a.Take("INTO") {
		a.unknown(kind, "COPY without INTO")
		return
	}
	if t, ok := a.Peek(); ok && (t.Kind == sqltext.At || t.Kind == sqltext.String) {
		a.e.Consumes = true
		a.set("COPY INTO LOCATION", Irreversible, "files that were written or overwritten in an object store have no history", "")
		o, ok := location(a.Text(a.I), t.Kind)
		a.require("COPY INTO LOCATION", ok)
		a.write(o, WriteData, Rows)
		if !strings.Contains(o.Name, "://") {
			stage, _ := sqltext.StagePath(o.Name)
			a.name(sqltext.Object{Kind: sqltext.Stage, Name: stage})
		}
		a.I++
		a.addReads(a.I)
		return
	}
	o := a.table(kind)
	a.write(o, WriteData, Rows).Does = AddsRows
	after := a.I
	a.addReads(start)
	a.dmlClass(kind)
	a.e.Copy = true
	a.e.Reason = "rows are added; the table goes back to its earlier snapshot, while the engine still remembers the loaded files"
	// PURGE = TRUE removes the files it loaded.
	for i := after; i < len(a.Tokens); i++ {
		if a.Is(i, "PURGE") && a.Symbol(i+1, "=") && !a.Is(i+2, "FALSE") && !a.textIs(i+2, "0", "'false'") {
			a.irreversible("PURGE = TRUE deletes the loaded files")
			for j := after; j < i; j++ {
				if t := a.Tokens[j]; t.Kind == sqltext.At || t.Kind == sqltext.String && a.Is(j-1, "FROM") {
					if o, ok := location(a.Text(j), t.Kind); ok {
						a.write(o, Drop, Rows)
					}
					break
				}
			}
		}
	}
}

func (a *analysis) textIs(i int, texts ...string) bool {
	return i < len(a.Tokens) && slices.ContainsFunc(texts, func(s string) bool { return strings.EqualFold(a.Text(i), s) })
}

// location names the files of @stage/path, '@stage/path' or a URI, without what may be secret in it.
func location(token string, kind sqltext.Kind) (sqltext.Object, bool) {
	text := ""
	if kind == sqltext.At {
		text = "@" + sqltext.UnescapeAt(token)
	} else {
		var err error
		if text, err = sqltext.Unquote(token); err != nil {
			return sqltext.Object{}, false
		}
	}
	if rest, ok := strings.CutPrefix(text, "@"); ok {
		return sqltext.Object{Kind: sqltext.StageFiles, Name: rest}, rest != ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return sqltext.Object{}, false
	}
	return sqltext.Object{Kind: sqltext.StageFiles, Name: u.Scheme + "://" + u.Host + u.Path}, true
}

func (a *analysis) remove() {
	t, ok := a.Peek()
	if !ok || t.Kind != sqltext.At && t.Kind != sqltext.String {
		a.unknown("REMOVE", noName)
		return
	}
	o, ok := location(a.Text(a.I), t.Kind)
	a.require("REMOVE", ok)
	a.set("REMOVE", Irreversible, "files that were removed from an object store have no history", "")
	a.write(o, Drop, Rows)
	stage, _ := sqltext.StagePath(o.Name)
	a.name(sqltext.Object{Kind: sqltext.Stage, Name: stage})
}
