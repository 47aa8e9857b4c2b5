package sqltext

import (
	"strings"
)

// Copy is a COPY INTO <table> taken apart. Spans are of the statement's text.
type Copy struct {
	Database, Table string // as the engine folds them; Database is empty when not qualified
	TableSpan       [2]int // of the (qualified) table name
	Columns         []string
	Select          []SelectItem // nil for a plain COPY
	Stage           string       // name without @, "~" for the user's own
	Path            string       // below the stage root, escapes undone, without leading slash
	LocationSpan    [2]int       // of @stage/path or '@stage/path'
	Options         []Option     // FILES, PATTERN, FILE_FORMAT, FORCE, ON_ERROR …
}

// SelectItem is one item of the COPY's SELECT list.
type SelectItem struct {
	Text   string // as written
	Column string // the file's column it casts, when it is COLUMN, COLUMN::TYPE or [TRY_]CAST(COLUMN AS TYPE), as the engine folds it; else empty
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
	"FILES": true, "PATTERN": false, "FILE_FORMAT": true, "SIZE_LIMIT": false, "MAX_FILES": false, "SPLIT_SIZE": false, "PURGE": false, "FORCE": false,
	"ON_ERROR": false, "COLUMN_MATCH_MODE": false, "DISABLE_VARIANT_CHECK": false, "RETURN_FAILED_ONLY": false, "SCHEMA_EVOLUTION": true,
}

// ParseCopy takes stmt apart. An *Error names what is not a COPY INTO <table> FROM a stage.
func ParseCopy(stmt string) (Copy, error) {
	tokens, err := Scan(stmt)
	if err != nil {
		return Copy{}, err
	}
	p := &parser{words: words{stmt, significant(tokens)}}
	c, err := p.copyInto()
	if err != nil {
		return Copy{}, err
	}
	return c, nil
}

func (p *parser) copyInto() (Copy, error) {
	const form = "write COPY INTO table FROM @stage/path/ …"
	var c Copy
	fail := func(msg, hint string) (Copy, error) { return Copy{}, errorAt(p.src, p.offset(), msg, hint) }
	p.skipHints()
	if p.isWord("WITH") {
		return fail("a WITH before COPY is not supported", form)
	}
	if !p.take("COPY") {
		return fail("not a COPY INTO", form)
	}
	p.skipHints()
	if !p.take("INTO") {
		return fail("COPY without INTO", form)
	}
	if t, ok := p.peek(); ok && (t.Kind == At || t.Kind == String) {
		return fail("COPY INTO a location unloads; a load is a COPY INTO a table", form)
	}
	start := p.offset()
	name, ok := p.name()
	if !ok {
		return fail("COPY INTO without a table name", form)
	}
	if len(name) > 2 {
		return fail("a catalog before the table is not supported", "write database.table")
	}
	c.TableSpan = [2]int{start, p.endOffset()}
	c.Table = name[len(name)-1]
	if len(name) == 2 {
		c.Database = name[0]
	}
	if p.takeSymbol("(") {
		for {
			column, ok := p.ident()
			if !ok {
				return fail("expected a column name", "")
			}
			c.Columns = append(c.Columns, column)
			if p.takeSymbol(")") {
				break
			}
			if !p.takeSymbol(",") {
				return fail("expected , or ) after a column name", "")
			}
		}
	}
	if !p.take("FROM") {
		return fail("COPY INTO without FROM", form)
	}
	query := p.takeSymbol("(")
	if query {
		if err := p.copySelect(&c); err != nil {
			return Copy{}, err
		}
	}
	t, ok := p.peek()
	switch {
	case !ok:
		return fail("COPY INTO without a location", form)
	case t.Kind == At:
		c.Stage, c.Path = stagePath(unescapeAt(p.text(p.i)))
	case t.Kind == String:
		location, err := Unquote(p.text(p.i))
		if err != nil {
			return fail(err.Error(), "")
		}
		if !strings.HasPrefix(location, "@") {
			return fail("COPY from a URI is not supported", "create a stage with this URL and write FROM @stage/path/")
		}
		c.Stage, c.Path = stagePath(location[1:])
	case t.Kind == Symbol && p.text(p.i) == "(":
		return fail("COPY from a query over a query is not supported", "write FROM (SELECT … FROM @stage/path/)")
	default:
		return fail("COPY from "+describe(p.src, t)+", which is no stage", "write FROM @stage/path/")
	}
	if c.Stage == "" {
		return fail("location names no stage", "write FROM @stage/path/")
	}
	c.LocationSpan = [2]int{t.Start, t.End}
	p.i++
	if query {
		p.take("AS")
		if !p.symbol(p.i, ")") {
			if p.isWord("WHERE") || p.isWord("JOIN") || p.isWord("LIMIT") || p.isWord("ORDER") || p.isWord("GROUP") {
				return fail("COPY's SELECT takes no "+p.upper(p.i), "a transforming COPY has a SELECT list and a location, nothing else")
			}
			if _, ok := p.ident(); !ok { // an alias
				return fail("expected an alias or ) after the location", "")
			}
		}
		if !p.takeSymbol(")") {
			return fail("COPY's SELECT is not closed", "a transforming COPY has a SELECT list and a location, nothing else")
		}
	}
	for {
		t, ok := p.peek()
		if !ok || t.Kind == Semicolon && p.i == len(p.tokens)-1 {
			return c, nil
		}
		if t.Kind != Word {
			return fail("expected an option, got "+describe(p.src, t), "")
		}
		o := Option{Name: p.upper(p.i)}
		list, known := copyOptions[o.Name]
		if !known {
			return fail("unknown option "+o.Name, "")
		}
		p.i++
		if !p.takeSymbol("=") {
			return fail("option "+o.Name+" without =", "")
		}
		from := p.i
		switch t, ok := p.peek(); {
		case !ok, t.Kind == Semicolon:
			return fail("option "+o.Name+" without a value", "")
		case list && !p.symbol(p.i, "("):
			return fail("option "+o.Name+" takes a list in brackets", "")
		case p.symbol(p.i, "("):
			if !p.skipBrackets() {
				return fail("list of "+o.Name+" is not closed", "")
			}
		default:
			p.i++
		}
		end := p.tokens[p.i-1].End
		o.Value = p.src[p.tokens[from].Start:end]
		o.Span = [2]int{t.Start, end}
		c.Options = append(c.Options, o)
		// The grammar has no commas between options.
	}
}

// copySelect reads SELECT item, … FROM.
func (p *parser) copySelect(c *Copy) error {
	const form = "write FROM (SELECT … FROM @stage/path/)"
	if !p.take("SELECT") {
		return errorAt(p.src, p.offset(), "COPY's query is no SELECT", form)
	}
	p.skipHints()
	if p.isWord("DISTINCT") {
		return errorAt(p.src, p.offset(), "COPY's SELECT takes no DISTINCT", "")
	}
	c.Select = []SelectItem{}
	for from, depth := p.i, 0; ; p.i++ {
		if p.i >= len(p.tokens) {
			return errorAt(p.src, p.offset(), "COPY's SELECT without FROM", form)
		}
		switch {
		case p.symbol(p.i, "("), p.symbol(p.i, "["), p.symbol(p.i, "{"):
			depth++
			continue
		case p.symbol(p.i, ")"), p.symbol(p.i, "]"), p.symbol(p.i, "}"):
			depth--
			if depth < 0 {
				return errorAt(p.src, p.offset(), "COPY's SELECT without FROM", form)
			}
			continue
		case depth > 0, !p.symbol(p.i, ",") && !p.isWord("FROM"):
			continue
		}
		if p.i == from {
			return errorAt(p.src, p.offset(), "COPY's SELECT has an empty item", "")
		}
		c.Select = append(c.Select, p.selectItem(from, p.i))
		from = p.i + 1
		if p.isWord("FROM") {
			p.i++
			return nil
		}
	}
}

// selectItem reads the item tokens[from:to].
func (p *parser) selectItem(from, to int) SelectItem {
	item := SelectItem{Text: p.src[p.tokens[from].Start:p.tokens[to-1].End]}
	q := &parser{words: words{p.src, p.tokens[from:to]}}
	bracketed := q.isWord("CAST") || q.isWord("TRY_CAST")
	if bracketed {
		q.i++
		if !q.takeSymbol("(") {
			return item
		}
	}
	name, ok := q.name()
	if !ok || len(name) > 2 {
		return item
	}
	column := name[len(name)-1]
	typeFrom := -1
	if bracketed {
		if !q.take("AS") {
			return item
		}
		typeFrom = q.i
		depth := 1
		for ; q.i < len(q.tokens) && depth > 0; q.i++ {
			switch {
			case q.symbol(q.i, "("):
				depth++
			case q.symbol(q.i, ")"):
				depth--
			}
		}
		if depth > 0 || q.i-1 <= typeFrom {
			return item
		}
		item.Type = p.src[q.tokens[typeFrom].Start:q.tokens[q.i-2].End]
	} else if q.takeSymbol("::") {
		typeFrom = q.i
		if !q.typeName() {
			return item
		}
		item.Type = p.src[q.tokens[typeFrom].Start:q.tokens[q.i-1].End]
	}
	if q.take("AS"); q.i < len(q.tokens) {
		if _, ok := q.ident(); !ok {
			item.Type = ""
			return item
		}
	}
	if q.i < len(q.tokens) {
		item.Type = ""
		return item
	}
	item.Column = column
	return item
}

// typeName moves past a type: words such as TINYINT UNSIGNED or NULL, with brackets.
func (p *parser) typeName() bool {
	t, ok := p.peek()
	if !ok || t.Kind != Word {
		return false
	}
	p.i++
	if p.symbol(p.i, "(") && !p.skipBrackets() {
		return false
	}
	for p.isWord("UNSIGNED") || p.isWord("NULL") || p.isWord("NOT") || p.isWord("SIGNED") || p.isWord("PRECISION") {
		p.i++
	}
	return true
}

// unescapeAt returns what follows the @ of an unquoted location (databend src/query/ast/src/ast/quote.rs, AtString).
func unescapeAt(token string) string {
	s := strings.TrimPrefix(token, "@")
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(" \t'\"\\", s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// stagePath cuts stage/path.
func stagePath(location string) (stage, path string) {
	stage, path, _ = strings.Cut(location, "/")
	return stage, strings.TrimLeft(path, "/")
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
