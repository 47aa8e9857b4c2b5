// Package copytext takes a COPY INTO <table> apart, with the place of each part in its text: what a load plans and rewrites by. Whether the
// engine would run it, and what it does, is not said here (package effect).
package copytext

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
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
	URI             string       // root of a location of its own, with a slash at its end: s3://bucket/path/, escapes undone
	Connection      string       // of the URI, as written: (KEY = '…' …) of CONNECTION, and of CREDENTIALS behind it; may be empty
	Path            string       // below the root of stage or URI, escapes undone, without leading slash
	LocationSpan    [2]int       // of @stage/path or '@stage/path', or of a URI with its CONNECTION
	Options         []Option     // FILES, PATTERN, FILE_FORMAT, FORCE, ON_ERROR …
}

// Target is the table, where database is the current one.
func (c Copy) Target(database string) sqltext.Object {
	return sqltext.Object{Kind: sqltext.Table, Database: cmp.Or(c.Database, database), Name: c.Table}
}

// Source is the stage, without a name for a URI.
func (c Copy) Source() sqltext.Object { return sqltext.Object{Kind: sqltext.Stage, Name: c.Stage} }

// SelectItem is one item of the COPY's SELECT list.
type SelectItem struct {
	Text  string // as written
	Start int    // where that stands in the statement
	// the file's column it casts, when it is COLUMN, COLUMN::TYPE or [TRY_]CAST(COLUMN AS TYPE), as the engine folds it; else empty
	Column string
	Type   string // the cast's type as written; else empty
	// what the item makes of a row, without its alias, and, where that is EXPR::TYPE or [TRY_]CAST(EXPR AS TYPE) of any expression, the
	// two; else Cast is empty and Expr all of it
	Value, Expr, Cast string
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
type parser struct {
	*sqltext.Reader
	copy Copy
}

const (
	form    = "write COPY INTO table FROM @stage/path/ …"
	toStage = "write FROM @stage/path/"
	toQuery = "write FROM (SELECT … FROM @stage/path/)"
	plain   = "a transforming COPY has a SELECT list and a location, nothing else"
)

// Parse takes stmt apart. An *Error names what is not a COPY INTO <table> FROM a stage or a URI.
func Parse(stmt string) (Copy, error) {
	words, err := sqltext.ReadWords(stmt)
	if err != nil {
		return Copy{}, err
	}
	p := &parser{Reader: &sqltext.Reader{Words: words}}
	if err := p.copyInto(); err != nil {
		return Copy{}, err
	}
	return p.copy, nil
}

func (p *parser) copyInto() error {
	if err := p.target(); err != nil {
		return err
	}
	if !p.Take("FROM") {
		return p.Fail("COPY INTO without FROM", form)
	}
	query := p.TakeSymbol("(")
	if query {
		if err := p.selectList(); err != nil {
			return err
		}
	}
	if err := p.location(); err != nil {
		return err
	}
	if query {
		if err := p.selectEnd(); err != nil {
			return err
		}
	}
	for p.I < len(p.Tokens) && (p.Tokens[p.I].Kind != sqltext.Semicolon || p.I < len(p.Tokens)-1) {
		if err := p.option(); err != nil { // the grammar has no commas between options
			return err
		}
	}
	return nil
}

// target reads COPY INTO table (columns).
func (p *parser) target() error {
	if p.IsWord("WITH") {
		return p.Fail("a WITH before COPY is not supported", form)
	}
	if !p.Take("COPY") {
		return p.Fail("not a COPY INTO", form)
	}
	if !p.Take("INTO") {
		return p.Fail("COPY without INTO", form)
	}
	if t, ok := p.Peek(); ok && (t.Kind == sqltext.At || t.Kind == sqltext.String) {
		return p.Fail("COPY INTO a location unloads; a load is a COPY INTO a table", form)
	}
	start := p.Offset()
	name, ok := p.Name()
	if !ok {
		return p.Fail("COPY INTO without a table name", form)
	}
	if len(name) > 2 {
		return p.Fail("a catalog before the table is not supported", "write database.table")
	}
	p.copy.TableSpan = [2]int{start, p.EndOffset()}
	p.copy.Table = name[len(name)-1]
	if len(name) == 2 {
		p.copy.Database = name[0]
	}
	named := true
	if p.Symbol(p.I, "(") && !p.List(func() bool {
		var column string
		column, named = p.Ident()
		p.copy.Columns = append(p.copy.Columns, column)
		return named
	}) {
		if !named {
			return p.Fail("expected a column name", "")
		}
		return p.Fail("expected , or ) after a column name", "")
	}
	return nil
}

// location reads @stage/path, or a URI with its CONNECTION.
func (p *parser) location() error {
	c := &p.copy
	t, ok := p.Peek()
	switch {
	case !ok:
		return p.Fail("COPY INTO without a location", form)
	case p.secret(p.Text(p.I)):
		return p.Fail(noSecret, noSecretHint)
	case t.Kind == sqltext.At:
		c.Stage, c.Path = sqltext.StagePath(sqltext.UnescapeAt(p.Text(p.I)))
	case t.Kind == sqltext.String:
		location, err := sqltext.Unquote(p.Text(p.I))
		if err != nil {
			return p.Fail(err.Error(), "")
		}
		if at, ok := strings.CutPrefix(location, "@"); ok {
			c.Stage, c.Path = sqltext.StagePath(at)
		} else if c.URI, c.Path = splitURI(location); c.URI == "" {
			return p.Fail("this location is neither a stage nor a URI", toStage+" or FROM 's3://bucket/path/'")
		} else if bucket, _, _ := strings.Cut(c.URI[strings.Index(c.URI, "://")+3:], "/"); strings.Contains(bucket, "@") {
			return p.Fail("a URI takes no user and no password: the engine leaves them out", "write CONNECTION = (KEY = {{ secret \"NAME\" }} …)")
		} else if strings.ContainsAny(location, "?#") {
			return p.Fail("a URI ends for the engine at ? or #, and this one goes on", "write %3F for ?, %23 for #")
		}
	case p.Symbol(p.I, "("):
		return p.Fail("COPY from a query over a query is not supported", toQuery)
	default:
		return p.Fail("COPY from "+p.Describe()+", which is no stage", toStage)
	}
	if c.Stage == "" && c.URI == "" {
		return p.Fail("location names no stage", toStage)
	}
	p.I++
	if c.URI != "" {
		if err := p.connection(); err != nil {
			return err
		}
	}
	c.LocationSpan = [2]int{t.Start, p.EndOffset()}
	return nil
}

const (
	noSecret     = "a secret says which files are loaded, and the ledger keeps their names in clear"
	noSecretHint = `write {{ var "name" }}, or the words themselves; a secret is a key in CONNECTION = (…)`
)

// secret reports whether a part of an expanded text has a secret in it. Of a bare stage path only what opens it is a part.
func (p *parser) secret(part string) bool {
	names, err := sqltext.SecretNames(part)
	return err != nil || len(names) > 0 || part[0] == '@' && strings.HasSuffix(part, "{{")
}

// selectEnd reads the alias of the location and the bracket that closes the query.
func (p *parser) selectEnd() error {
	p.Take("AS")
	if !p.Symbol(p.I, ")") {
		if p.IsWord("WHERE") || p.IsWord("JOIN") || p.IsWord("LIMIT") || p.IsWord("ORDER") || p.IsWord("GROUP") {
			return p.Fail("COPY's SELECT takes no "+p.Upper(p.I), plain)
		}
		if _, ok := p.Ident(); !ok { // an alias
			return p.Fail("expected an alias or ) after the location", "")
		}
	}
	if !p.TakeSymbol(")") {
		return p.Fail("COPY's SELECT is not closed", plain)
	}
	return nil
}

// option reads NAME = value.
func (p *parser) option() error {
	t, _ := p.Peek()
	if t.Kind != sqltext.Word {
		return p.Fail("expected an option, got "+p.Describe(), "")
	}
	name := p.Upper(p.I)
	list, known := copyOptions[name]
	switch {
	case name == "VALIDATION_MODE":
		return p.Fail("unknown option "+name, "dbctl load NAME --validate checks the files and loads nothing")
	case !known:
		return p.Fail("unknown option "+name, "it may be "+strings.Join(slices.Sorted(maps.Keys(copyOptions)), ", "))
	}
	p.I++
	if !p.TakeSymbol("=") {
		return p.Fail("option "+name+" without =", "")
	}
	from := p.Offset()
	switch t, ok := p.Peek(); {
	case !ok, t.Kind == sqltext.Semicolon:
		return p.Fail("option "+name+" without a value", "")
	case list && !p.Symbol(p.I, "("):
		return p.Fail("option "+name+" takes a list in brackets", "")
	case p.Symbol(p.I, "("):
		if !p.SkipBrackets() {
			return p.Fail("list of "+name+" is not closed", "")
		}
	default:
		p.I++
	}
	end := p.EndOffset()
	if (name == "FILES" || name == "PATTERN") && p.secret(p.Src[from:end]) {
		p.I--
		return p.Fail(noSecret, noSecretHint)
	}
	if pattern, err := sqltext.Unquote(p.Src[from:end]); name == "PATTERN" && err == nil && BadPattern(pattern) != "" {
		p.I--
		return p.Fail("PATTERN is no regular expression: "+BadPattern(pattern), "PATTERN = '.*[.]parquet'")
	}
	p.copy.Options = append(p.copy.Options, Option{Name: name, Value: p.Src[from:end], Span: [2]int{t.Start, end}})
	return nil
}

// BadPattern is what is wrong with a regular expression, for the engine's regex library and for Go's; "" when nothing is, or only the
// engine can tell.
func BadPattern(pattern string) string {
	_, err := syntax.Parse(pattern, syntax.Perl)
	bad, _ := errors.AsType[*syntax.Error](err)
	switch {
	case bad == nil:
		return ""
	case bad.Code == syntax.ErrInvalidPerlOp && !lookAround.MatchString(bad.Expr):
		return ""
	case strings.HasPrefix(bad.Expr, `\p`), strings.HasPrefix(bad.Expr, `\P`): // the engine knows more classes
		return ""
	}
	switch bad.Code {
	case syntax.ErrMissingBracket, syntax.ErrMissingParen, syntax.ErrUnexpectedParen, syntax.ErrMissingRepeatArgument,
		syntax.ErrTrailingBackslash, syntax.ErrInvalidCharRange:
		return bad.Error()[len("error parsing regexp: "):]
	case syntax.ErrInvalidPerlOp:
		return "look-around is not supported: " + bad.Expr
	}
	return ""
}

var lookAround = regexp.MustCompile(`^\(\?<?[=!]`)

// splitURI cuts a URI into root and path as the engine does: a folder is a root; of another, the bucket is. What is written %20 is a space.
func splitURI(uri string) (root, path string) {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return "", ""
	}
	bucket, path, _ := strings.Cut(rest, "/")
	if scheme = strings.ToLower(scheme); scheme != "fs" {
		path = escaped.ReplaceAllStringFunc(path, func(code string) string {
			text, _ := url.PathUnescape(code) // it is one
			return text
		})
	}
	root = scheme + "://" + bucket + "/"
	if path == "" || strings.HasSuffix(path, "/") {
		return root + path, ""
	}
	return root, path
}

var escaped = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// escapeURI writes a URI whose path splitURI has read so that the engine reads the same.
func escapeURI(uri string) string {
	if strings.HasPrefix(uri, "fs://") {
		return uri
	}
	return strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(uri)
}

// connection reads what stands behind a URI: CONNECTION = (…) and CREDENTIALS = (…), which is its old name.
func (p *parser) connection() error {
	c := &p.copy
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
		inner := p.Src[from:p.Tokens[p.I-1].Start] // with the line break that ends a comment
		if c.Connection != "" {
			inner = strings.Trim(c.Connection, "()") + " " + inner
		}
		c.Connection = "(" + inner + ")"
		p.TakeSymbol(",")
	}
	return nil
}

// selectList reads SELECT item, … FROM.
func (p *parser) selectList() error {
	if !p.Take("SELECT") {
		return p.Fail("COPY's query is no SELECT", toQuery)
	}
	if p.IsWord("DISTINCT") {
		return p.Fail("COPY's SELECT takes no DISTINCT", "")
	}
	p.copy.Select = []SelectItem{}
	for from := p.I; p.I < len(p.Tokens) && !p.Symbol(p.I, ")"); {
		last := p.IsWord("FROM") && !p.Is(p.I-1, "AS")
		if !last && !p.Symbol(p.I, ",") {
			p.Skip()
			continue
		}
		if p.I == from {
			return p.Fail("COPY's SELECT has an empty item", "")
		}
		p.copy.Select = append(p.copy.Select, p.selectItem(from, p.I))
		p.I++
		from = p.I
		if last {
			return nil
		}
	}
	return p.Fail("COPY's SELECT without FROM", toQuery)
}

// selectItem reads the item tokens[from:to]: an expression, which may be cast, and an alias.
func (p *parser) selectItem(from, to int) SelectItem {
	q := p.part(from, to)
	item := SelectItem{Text: q.text(0, to-from), Start: q.Tokens[0].Start}
	chain, cast := q.chain()
	end := to - from
	switch {
	case chain > 0 && q.alias():
		end = chain
	case end > 2 && q.Is(end-2, "AS") && q.Tokens[end-1].Kind != sqltext.Symbol:
		end -= 2
	}
	item.Value = q.text(0, end)
	exprFrom, exprTo := 0, end
	if chain == end {
		exprFrom, exprTo, item.Cast = q.lastCast(end, cast)
	}
	item.Expr = q.text(exprFrom, exprTo)
	c := q.part(exprFrom, exprTo)
	if name, ok := c.Name(); ok && c.I == len(c.Tokens) && len(name) <= 2 {
		item.Column, item.Type = name[len(name)-1], item.Cast
	}
	return item
}

// alias reads [AS] NAME at the end of an item.
func (p *parser) alias() bool {
	p.Take("AS")
	p.Ident()
	return p.I == len(p.Tokens)
}

// chain reads an expression without operators (a || b::INT casts b alone): a bracket, a variable or a name, and what stands behind it.
// end is behind it, 0 when there is none; cast is the place of the :: that ends it, or -1.
func (p *parser) chain() (end, cast int) {
	if p.Symbol(0, "(") || p.Tokens[0].Kind == sqltext.Variable {
		p.Skip()
	} else if _, ok := p.Name(); !ok {
		return 0, -1
	}
	for cast = -1; p.I < len(p.Tokens); {
		at := p.I
		switch {
		case p.Symbol(at, "("), p.Symbol(at, "["):
			p.Skip()
			cast = -1
		case p.TakeSymbol("::"):
			if !p.typeName() {
				return 0, -1
			}
			cast = at
		case p.TakeSymbol(":"), p.TakeSymbol("."):
			p.I++
			cast = -1
		default:
			return at, cast
		}
	}
	return p.I, cast
}

// lastCast takes the cast that ends tokens[:end] apart: EXPR::TYPE, or [TRY_]CAST(EXPR AS TYPE). Without one the expression is all of it.
func (p *parser) lastCast(end, cast int) (exprFrom, exprTo int, typ string) {
	if cast > 0 {
		return 0, cast, p.text(cast+1, end)
	}
	if q := p.part(0, end); !q.IsWord("CAST") && !q.IsWord("TRY_CAST") || !q.Symbol(1, "(") || !q.closedBy(1, end-1) {
		return 0, end, ""
	}
	for at := end - 2; at > 2; at-- {
		if q := p.part(at, end-1); q.Take("AS") && q.typeName() && q.I == len(q.Tokens) {
			return 2, at, p.text(at+1, end-1)
		}
	}
	return 0, end, ""
}

// closedBy reports whether the bracket at open is closed by the one at last.
func (p *parser) closedBy(open, last int) bool {
	q := p.part(open, len(p.Tokens))
	q.Skip()
	return open+q.I == last+1
}

// part reads the words from a token to another, which is not among them.
func (p *parser) part(from, to int) *parser {
	return &parser{Reader: &sqltext.Reader{Words: p.Slice(from, to)}}
}

// text is the source of the words from a token to another, which is not among them.
func (p *parser) text(from, to int) string { return p.Src[p.Tokens[from].Start:p.Tokens[to-1].End] }

// FormatOptions reads the options of a file format, with or without brackets around them: names in upper case, values unquoted.
func FormatOptions(text string) map[string]string {
	words, _ := sqltext.ReadWords(text) // it was read with the rest
	out := map[string]string{}
	for i := 1; i+1 < len(words.Tokens); i++ {
		if !words.Symbol(i, "=") || words.Tokens[i-1].Kind != sqltext.Word {
			continue
		}
		value := words.Text(i + 1)
		if words.Tokens[i+1].Kind == sqltext.String {
			value, _ = sqltext.Unquote(value)
		}
		out[words.Upper(i-1)] = value
	}
	return out
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

// Place is where the files are, for people: @stage/path, or the URI.
func (c Copy) Place() string {
	if c.URI != "" {
		return c.URI + c.Path
	}
	return "@" + c.Stage + "/" + c.Path
}

// Root is a location for the root of the stage or URI.
func (c Copy) Root() string {
	if c.URI == "" {
		return sqltext.Literal("@" + c.Stage + "/")
	}
	root := sqltext.Quote(escapeURI(c.URI))
	if c.Connection != "" {
		root += " CONNECTION = " + c.Connection
	}
	return root
}

// IsMetadata reports whether a column is one that the engine adds to every file: metadata$filename, metadata$file_row_number.
func IsMetadata(column string) bool { return strings.HasPrefix(strings.ToLower(column), "metadata$") }

// Option returns the option called name (upper case), and whether it is there.
func (c Copy) Option(name string) (Option, bool) {
	for _, o := range slices.Backward(c.Options) { // the engine takes the last
		if o.Name == name {
			return o, true
		}
	}
	return Option{}, false
}

// Is reports whether an option that is TRUE or FALSE is TRUE.
func (c Copy) Is(name string) bool {
	o, ok := c.Option(name)
	return ok && !slices.Contains([]string{"FALSE", "'FALSE'", "0"}, strings.ToUpper(o.Value))
}

// Files are those that FILES names, below the root of the stage or URI: the engine puts a slash behind a location that ends in none.
func (c Copy) Files() (paths []string, given bool, err error) {
	o, given := c.Option("FILES")
	words, err := sqltext.ReadWords(o.Value)
	folder := c.Path
	if folder != "" && !strings.HasSuffix(folder, "/") {
		folder += "/"
	}
	for i, t := range words.Tokens {
		if t.Kind == sqltext.String && err == nil {
			var name string
			name, err = sqltext.Unquote(words.Text(i))
			paths = append(paths, folder+name)
		}
	}
	return paths, given, err
}

// Format are the options of FILE_FORMAT, nil where the COPY has none.
func (c Copy) Format() map[string]string {
	if o, ok := c.Option("FILE_FORMAT"); ok {
		return FormatOptions(o.Value)
	}
	return nil
}

// Covers reports whether a file, named below the root of the stage, is one that the COPY reads. One of a PATTERN that Go cannot read is.
func (c Copy) Covers(path string) bool {
	if paths, given, err := c.Files(); given {
		return err != nil || slices.Contains(paths, path)
	}
	rest, below := strings.CutPrefix(path, c.Path)
	if !below {
		return false
	}
	if o, ok := c.Option("PATTERN"); ok {
		pattern, err := sqltext.Unquote(o.Value)
		re, bad := regexp.Compile("^(?:" + pattern + ")$")
		return err != nil || bad != nil || re.MatchString(rest)
	}
	return true
}
