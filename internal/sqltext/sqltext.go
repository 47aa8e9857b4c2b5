// Package sqltext knows Databend's SQL as text: tokens, statements, goose's annotations, what a statement is and what it
// writes. It does no I/O. All offsets are bytes, all lines and columns count from 1, columns in runes.
package sqltext

// Pos is a place in a text.
type Pos struct{ Offset, Line, Column int }

// Error is a text that cannot be read, and where.
type Error struct {
	Pos  Pos
	Msg  string
	Hint string // what to type or write instead; may be empty
}

func (e *Error) Error() string { return e.Msg }

// PosAt returns the place of offset in src.
func PosAt(src string, offset int) Pos { panic("not built yet") }

// Kind is the kind of a Token.
type Kind uint8

// Token is one token of Databend's SQL, or a secret's placeholder {{ secret "NAME" }}. Comments and white space are tokens too.
type Token struct {
	Kind       Kind
	Start, End int
}

// Scan returns all tokens of src; their spans cover it whole.
func Scan(src string) ([]Token, error) { panic("not built yet") }

// Statement is one statement of a text: from its first token to its last, without the semicolon and without comments around it.
type Statement struct {
	Text       string
	Start, End int // span in the text that was split
}

// Split cuts src at the semicolons that end a statement. Empty statements are dropped.
func Split(src string) ([]Statement, error) { panic("not built yet") }

// Header is one "-- dbctl: key=value "why"" line.
type Header struct {
	Key, Value, Why string // `allow=irreversible "why"`; Value is empty for `adopt "why"`
	Pos             Pos
}

// Headers returns the -- dbctl: lines of src.
func Headers(src string) ([]Header, error) { panic("not built yet") }

// Part is one section of a goose file: raw text between annotations, with its place in the file.
type Part struct {
	Text  string // raw text of the section, annotations included as they stand, CRLF as in the file
	Start int    // offset of Text in the file (BOM included)
}

// File is a goose file taken apart. The statements of a section are found after its template was expanded: SplitSection.
type File struct {
	Up, Down Part
	HasDown  bool
	Headers  []Header
}

// ParseFile reads goose's annotations: Up, Down, StatementBegin/End, NO TRANSACTION. Where goose's line rule and Databend's
// tokens disagree (an annotation inside a string or block comment) it is an error. ENVSUB ON is refused with a hint.
func ParseFile(src string) (File, error) { panic("not built yet") }

// SplitSection splits the expanded text of a section, honouring StatementBegin and StatementEnd.
func SplitSection(expanded string) ([]Statement, error) { panic("not built yet") }

// Mask replaces the literals of key-like options (SECRET_ACCESS_KEY = '…', IDENTIFIED BY '…', …) by '[redacted]'. It never
// fails: text that does not scan is masked by pattern.
func Mask(sql string) string { panic("not built yet") }

// Placeholder is one {{ secret "NAME" }} of an expanded text.
type Placeholder struct {
	Name       string
	Start, End int
	Quoted     bool // it stands inside '…'
}

// Placeholders finds the secrets of an expanded text. One in a comment, an identifier, $$…$$ or a task's or procedure's body is an *Error.
func Placeholders(sql string) ([]Placeholder, error) { panic("not built yet") }

// Splice replaces each placeholder by value(name) as a correctly escaped literal (or, inside '…', escaped text).
func Splice(sql string, value func(name string) (string, error)) (string, error) {
	panic("not built yet")
}

// Quote returns s as a string literal.
func Quote(s string) string { panic("not built yet") }

// Ident returns s as a quoted identifier.
func Ident(s string) string { panic("not built yet") }

// Copy is a COPY INTO <table> taken apart. Spans are of the statement's text.
type Copy struct {
	Database, Table string // Database is empty when not qualified
	TableSpan       [2]int // of the (qualified) table name
	Columns         []string
	Select          []SelectItem // nil for a plain COPY
	Stage           string       // name without @
	Path            string       // below the stage root, as written, without leading slash
	LocationSpan    [2]int       // of @stage/path or '@stage/path'
	Options         []Option     // FILES, PATTERN, FILE_FORMAT, FORCE, ON_ERROR …
}

// SelectItem is one item of the COPY's SELECT list.
type SelectItem struct {
	Text   string // as written
	Column string // the file's column it casts, when it is COLUMN or COLUMN::TYPE; else empty
	Type   string // the cast's type as written; else empty
}

// Option is one NAME = VALUE after the location.
type Option struct {
	Name  string // upper case
	Value string // as written
	Span  [2]int // of the whole option
}

// ParseCopy takes stmt apart. An error names what is not a COPY INTO <table> FROM a stage.
func ParseCopy(stmt string) (Copy, error) { panic("not built yet") }
