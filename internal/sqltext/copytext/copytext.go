// Package copytext takes a COPY INTO <table> apart, with the place of each part in its text.
package copytext

import (
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Copy is a COPY INTO <table> taken apart. Spans are of the statement's text.
type Copy struct {
	Database, Table string // as the engine folds them; Database is empty when not qualified
	TableSpan       [2]int // of the (qualified) table name
	Columns         []string
	Select          []SelectItem // nil for a plain COPY
	Stage           string       // name without @, "~" for the user's own; empty for a URI
	URI             string       // root of a location of its own, with a slash at its end: s3://bucket/path/
	Connection      string       // of the URI, as written: (KEY = '…' …) of CONNECTION, and of CREDENTIALS behind it; may be empty
	Path            string       // below the root of stage or URI, escapes undone, without leading slash
	LocationSpan    [2]int       // of @stage/path or '@stage/path', or of a URI with its CONNECTION
	Options         []Option     // FILES, PATTERN, FILE_FORMAT, FORCE, ON_ERROR …
}

// SelectItem is one item of the COPY's SELECT list.
type SelectItem struct {
	Text string // as written
	// the file's column it casts, when it is COLUMN, COLUMN::TYPE or [TRY_]CAST(COLUMN AS TYPE), as the engine folds it; else empty
	Column string
	Type   string // the cast's type as written; else empty
}

// Option is one NAME = VALUE after the location.
type Option struct {
	Name  string // upper case
	Value string // as written
	Span  [2]int // of the whole option
}

// copyOptions are the options that the engine's grammar has (databend src/query/ast/src/parser/copy.rs); the word after = is
// one token, or a bracket where list is set.
var copyOptions = map[string]bool{
	"FILES": true, "PATTERN": false, "FILE_FORMAT": true, "SIZE_LIMIT": false, "MAX_FILES": false, "SPLIT_SIZE": false, "PURGE": false,
	"FORCE":    false,
	"ON_ERROR": false, "COLUMN_MATCH_MODE": false, "DISABLE_VARIANT_CHECK": false, "RETURN_FAILED_ONLY": false, "SCHEMA_EVOLUTION": true,
}

// parser reads one COPY.
type parser struct{ *sqltext.Reader }

// Parse takes stmt apart. An *Error names what is not a COPY INTO <table> FROM a stage or a URI.
func Parse(stmt string) (Copy, error) {
	words, err := sqltext.ReadWords(stmt)
	if err != nil {
		return Copy{}, err
	}
	p := &parser{&sqltext.Reader{Words: words}}
	c, err := p.copyInto()
	if err != nil {
		return Copy{}, err
	}
	return c, nil
}

func (p *parser) copyInto() (Copy, error) {
	const form = "write COPY INTO table FROM @stage/path/ …"
	var c Copy
	fail := func(msg, hint string) (Copy, error) { return Copy{}, p.Fail(msg, hint) }
	p.SkipHints()
	if p.IsWord("WITH") {
		return fail("a WITH before COPY is not supported", form)
	}
	if !p.Take("COPY") {
		return fail("not a COPY INTO", form)
	}
	p.SkipHints()
	if !p.Take("INTO") {
		return fail("COPY without INTO", form)
	}
	if t, ok := p.Peek(); ok && (t.Kind == sqltext.At || t.Kind == sqltext.String) {
		return fail("COPY INTO a location unloads; a load is a COPY INTO a table", form)
	}
	start := p.Offset()
	name, ok := p.Name()
	if !ok {
		return fail("COPY INTO without a table name", form)
	}
	if len(name) > 2 {
		return fail("a catalog before the table is not supported", "write database.table")
	}
	c.TableSpan = [2]int{start, p.EndOffset()}
	c.Table = name[len(name)-1]
	if len(name) == 2 {
		c.Database = name[0]
	}
	if p.TakeSymbol("(") {
		for {
			column, ok := p.Ident()
			if !ok {
				return fail("expected a column name", "")
			}
			c.Columns = append(c.Columns, column)
			if p.TakeSymbol(")") {
				break
			}
			if !p.TakeSymbol(",") {
				return fail("expected , or ) after a column name", "")
			}
		}
	}
	if !p.Take("FROM") {
		return fail("COPY INTO without FROM", form)
	}
	query := p.TakeSymbol("(")
	if query {
		if err := p.copySelect(&c); err != nil {
			return Copy{}, err
		}
	}
	t, ok := p.Peek()
	switch {
	case !ok:
		return fail("COPY INTO without a location", form)
	case t.Kind == sqltext.At:
		c.Stage, c.Path = sqltext.StagePath(sqltext.UnescapeAt(p.Text(p.I)))
	case t.Kind == sqltext.String:
		location, err := sqltext.Unquote(p.Text(p.I))
		if err != nil {
			return fail(err.Error(), "")
		}
		if at, ok := strings.CutPrefix(location, "@"); ok {
			c.Stage, c.Path = sqltext.StagePath(at)
		} else if c.URI, c.Path = splitURI(location); c.URI == "" {
			return fail("the location '"+location+"' is neither a stage nor a URI", "write FROM @stage/path/ or FROM 's3://bucket/path/'")
		}
	case t.Kind == sqltext.Symbol && p.Text(p.I) == "(":
		return fail("COPY from a query over a query is not supported", "write FROM (SELECT … FROM @stage/path/)")
	default:
		return fail("COPY from "+p.Describe()+", which is no stage", "write FROM @stage/path/")
	}
	if c.Stage == "" && c.URI == "" {
		return fail("location names no stage", "write FROM @stage/path/")
	}
	p.I++
	if c.URI != "" {
		if err := p.connection(&c); err != nil {
			return Copy{}, err
		}
	}
	c.LocationSpan = [2]int{t.Start, p.Tokens[p.I-1].End}
	if query {
		p.Take("AS")
		if !p.Symbol(p.I, ")") {
			if p.IsWord("WHERE") || p.IsWord("JOIN") || p.IsWord("LIMIT") || p.IsWord("ORDER") || p.IsWord("GROUP") {
				return fail("COPY's SELECT takes no "+p.Upper(p.I), "a transforming COPY has a SELECT list and a location, nothing else")
			}
			if _, ok := p.Ident(); !ok { // an alias
				return fail("expected an alias or ) after the location", "")
			}
		}
		if !p.TakeSymbol(")") {
			return fail("COPY's SELECT is not closed", "a transforming COPY has a SELECT list and a location, nothing else")
		}
	}
	for {
		t, ok := p.Peek()
		if !ok || t.Kind == sqltext.Semicolon && p.I == len(p.Tokens)-1 {
			return c, nil
		}
		if t.Kind != sqltext.Word {
			return fail("expected an option, got "+p.Describe(), "")
		}
		o := Option{Name: p.Upper(p.I)}
		list, known := copyOptions[o.Name]
		if !known {
			return fail("unknown option "+o.Name, "")
		}
		p.I++
		if !p.TakeSymbol("=") {
			return fail("option "+o.Name+" without =", "")
		}
		from := p.I
		switch t, ok := p.Peek(); {
		case !ok, t.Kind == sqltext.Semicolon:
			return fail("option "+o.Name+" without a value", "")
		case list && !p.Symbol(p.I, "("):
			return fail("option "+o.Name+" takes a list in brackets", "")
		case p.Symbol(p.I, "("):
			if !p.SkipBrackets() {
				return fail("list of "+o.Name+" is not closed", "")
			}
		default:
			p.I++
		}
		end := p.Tokens[p.I-1].End
		o.Value = p.Src[p.Tokens[from].Start:end]
		o.Span = [2]int{t.Start, end}
		c.Options = append(c.Options, o)
		// The grammar has no commas between options.
	}
}

// splitURI cuts a URI into root and path as the engine does: a folder is a root; of another, the bucket is.
func splitURI(uri string) (root, path string) {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return "", ""
	}
	if strings.HasSuffix(uri, "/") {
		return uri, ""
	}
	bucket, path, _ := strings.Cut(rest, "/")
	return scheme + "://" + bucket + "/", path
}

// connection reads what stands behind a URI: CONNECTION = (…) and CREDENTIALS = (…), which is its old name.
func (p *parser) connection(c *Copy) error {
	for _, name := range []string{"CONNECTION", "CREDENTIALS"} {
		if !p.Take(name) {
			continue
		}
		if !p.TakeSymbol("=") || !p.Symbol(p.I, "(") {
			return p.Fail(name+" takes a list in brackets", "write "+name+" = (KEY = '…' …)")
		}
		from := p.Tokens[p.I].End
		if !p.SkipBrackets() {
			return p.Fail("list of "+name+" is not closed", "")
		}
		inner := strings.TrimSpace(p.Src[from:p.Tokens[p.I-1].Start])
		c.Connection = "(" + strings.TrimSpace(strings.Trim(c.Connection, "()")+" "+inner) + ")"
		p.TakeSymbol(",")
	}
	return nil
}

// copySelect reads SELECT item, … FROM.
func (p *parser) copySelect(c *Copy) error {
	const form = "write FROM (SELECT … FROM @stage/path/)"
	if !p.Take("SELECT") {
		return p.Fail("COPY's query is no SELECT", form)
	}
	p.SkipHints()
	if p.IsWord("DISTINCT") {
		return p.Fail("COPY's SELECT takes no DISTINCT", "")
	}
	c.Select = []SelectItem{}
	for from, depth := p.I, 0; ; p.I++ {
		if p.I >= len(p.Tokens) {
			return p.Fail("COPY's SELECT without FROM", form)
		}
		switch {
		case p.Symbol(p.I, "("), p.Symbol(p.I, "["), p.Symbol(p.I, "{"):
			depth++
			continue
		case p.Symbol(p.I, ")"), p.Symbol(p.I, "]"), p.Symbol(p.I, "}"):
			depth--
			if depth < 0 {
				return p.Fail("COPY's SELECT without FROM", form)
			}
			continue
		case depth > 0, !p.Symbol(p.I, ",") && !p.IsWord("FROM"):
			continue
		}
		if p.I == from {
			return p.Fail("COPY's SELECT has an empty item", "")
		}
		c.Select = append(c.Select, p.selectItem(from, p.I))
		from = p.I + 1
		if p.IsWord("FROM") {
			p.I++
			return nil
		}
	}
}

// selectItem reads the item tokens[from:to].
func (p *parser) selectItem(from, to int) SelectItem {
	item := SelectItem{Text: p.Src[p.Tokens[from].Start:p.Tokens[to-1].End]}
	q := &parser{&sqltext.Reader{Words: p.Slice(from, to)}}
	bracketed := q.IsWord("CAST") || q.IsWord("TRY_CAST")
	if bracketed {
		q.I++
		if !q.TakeSymbol("(") {
			return item
		}
	}
	name, ok := q.Name()
	if !ok || len(name) > 2 {
		return item
	}
	column := name[len(name)-1]
	typeFrom := -1
	if bracketed {
		if !q.Take("AS") {
			return item
		}
		typeFrom = q.I
		depth := 1
		for ; q.I < len(q.Tokens) && depth > 0; q.I++ {
			switch {
			case q.Symbol(q.I, "("):
				depth++
			case q.Symbol(q.I, ")"):
				depth--
			}
		}
		if depth > 0 || q.I-1 <= typeFrom {
			return item
		}
		item.Type = p.Src[q.Tokens[typeFrom].Start:q.Tokens[q.I-2].End]
	} else if q.TakeSymbol("::") {
		typeFrom = q.I
		if !q.typeName() {
			return item
		}
		item.Type = p.Src[q.Tokens[typeFrom].Start:q.Tokens[q.I-1].End]
	}
	if q.Take("AS"); q.I < len(q.Tokens) {
		if _, ok := q.Ident(); !ok {
			item.Type = ""
			return item
		}
	}
	if q.I < len(q.Tokens) {
		item.Type = ""
		return item
	}
	item.Column = column
	return item
}

// typeName moves past a type: words such as TINYINT UNSIGNED or NULL, with brackets.
func (p *parser) typeName() bool {
	t, ok := p.Peek()
	if !ok || t.Kind != sqltext.Word {
		return false
	}
	p.I++
	if p.Symbol(p.I, "(") && !p.SkipBrackets() {
		return false
	}
	for p.IsWord("UNSIGNED") || p.IsWord("NULL") || p.IsWord("NOT") || p.IsWord("SIGNED") || p.IsWord("PRECISION") {
		p.I++
	}
	return true
}

// Option returns the option called name (upper case), and whether it is there.
func (c Copy) Option(name string) (Option, bool) {
	for _, o := range c.Options {
		if o.Name == name {
			return o, true
		}
	}
	return Option{}, false
}
