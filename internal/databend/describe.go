package databend

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// spliced is a statement as it is sent, and the way back.
type spliced struct {
	sql   string
	edits []sqltext.Edit // of Statement.SQL, in order
}

// splice puts the secrets of st into its text, and leads its S3 locations to store, where there is one.
func splice(st Statement, store *Store) (*spliced, error) {
	edits, err := sqltext.Splice(st.SQL, store.edits(st.SQL), func(name string) (string, error) {
		v, ok := st.Secrets[name]
		if !ok {
			return "", &Error{
				Kind: "MissingSecret", Message: "the secret " + name + " has no value here; nothing was sent",
				Advice: "set it: export " + name + "=…, or name its source under secrets: in dbctl.yaml",
			}
		}
		return v.Reveal(), nil
	})
	if err != nil {
		return nil, err
	}
	return &spliced{sqltext.Apply(st.SQL, edits), edits}, nil
}

// origin returns the offset in Statement.SQL of an offset in the sent text; inside a secret it is the placeholder's start.
func (s *spliced) origin(out int) int {
	shift := 0 // of the sent text against Statement.SQL
	for _, e := range s.edits {
		switch start := e.Start + shift; {
		case out < start:
			return out - shift
		case out < start+len(e.Text):
			return e.Start
		}
		shift += len(e.Text) - (e.End - e.Start)
	}
	return out - shift
}

// offsetOf returns the byte offset of a line and a column in characters, both from 1.
func offsetOf(text string, line, column int) (int, bool) {
	if line < 1 {
		return 0, false
	}
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return 0, false
		}
		at += i + 1
	}
	for ; column > 1; column-- {
		if at >= len(text) || text[at] == '\n' {
			break
		}
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return at, true
}

// offset returns the byte offset of the place in the sent text. The rows of INSERT … VALUES are read by themselves, each as a text of its
// own: such an excerpt shows the row, which is looked for.
func (e *excerpt) offset(text string) (int, bool) {
	out, ok := offsetOf(text, e.line, e.column)
	if !ok || e.source == "" {
		return out, ok
	}
	lines := strings.Split(text, "\n")
	if strings.Contains(lines[e.line-1], e.source) {
		return out, true
	}
	switch strings.Count(text, e.source) {
	case 0: // the excerpt is drawn around the text
		return out, true
	case 1:
		from := strings.Index(text, e.source)
		in, ok := offsetOf(e.source, 1, e.column)
		return from + in, ok
	}
	return 0, false
}

// describe turns any failure of a statement into an Error for people: where, what, and what to do. text is nil when the
// statement could not be spliced.
func (s *Server) describe(err error, st Statement, text *spliced) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Kind: "Statement", Message: err.Error(), Err: err}
		if bad, ok := errors.AsType[*sqltext.Error](err); ok {
			e.Kind, e.Advice = "SyntaxException", bad.Hint
			e.PlaceAt(st, bad.Pos.Offset)
		}
	}
	if strings.Contains(e.Advice, "{") {
		e.Advice = hintAbout(e.Advice, tableOf(st.SQL, s.cfg.Database), st.Place.File)
	}
	if strings.HasPrefix(string(e.Kind), "Unknown") && e.Code != CodeUnknownDatabase && drops(st.SQL) {
		e.Advice = hintOfDrop(e.Advice)
	}
	clean := s.cleaner(st)
	if at, ok := errors.AsType[*excerpt](e.Err); ok && text != nil {
		if out, ok := at.offset(text.sql); ok {
			offset := min(text.origin(out), len(st.SQL))
			e.PlaceAt(st, offset)
			if e.Code == CodeSyntax && sqltext.Joined(st.SQL, offset) {
				e.Advice += fmt.Sprintf("; if line %d begins another statement, the one above it lacks its ;", e.Line)
			}
		}
	} else if offset, ok := culprit(e.Code, e.Message, st.SQL); ok {
		e.PlaceAt(st, offset)
	}
	if e.Line == 0 {
		e.Place = st.Place
	}
	e.QueryID, e.SQL = st.ID, clean(sqltext.Mask(st.SQL))
	e.Message, e.Caret, e.Advice = clean(e.Message), clean(e.Caret), clean(e.Advice)
	return e
}

// PlaceAt sets the place and the source line of an offset of st.SQL.
func (e *Error) PlaceAt(st Statement, offset int) {
	at, begin := sqltext.PosAt(st.SQL, offset), st.Place
	switch {
	case st.At != nil:
		e.Place = st.At(offset)
	case at.Line == 1:
		e.Place = sqltext.Place{File: begin.File, Line: max(begin.Line, 1), Column: max(begin.Column, 1) + at.Column - 1}
	default:
		e.Place = sqltext.Place{File: begin.File, Line: max(begin.Line, 1) + at.Line - 1, Column: at.Column}
	}
	e.Caret = sqltext.ExcerptsOf(st.SQL).At(at)
}

// named finds the thing that a message complains about: the last name of "default"."db"."t", the column of column x doesn't exist.
var named = regexp.MustCompile(`^(?i:unknown (?:table|database|column|view|stage|connection|function|roleinfo|user)|` +
	`stage|connection|column|role|user|no function matches the given name:) +` +
	"[\"'`\\w.]*?[\"'`.]?" + `(\w+)["'` + "`" + `]?(?: ?\.?$| does| already| in |\()`)

// misfit finds the column that a table lacks, and what a format of files or a CONNECTION does not take.
var misfit = regexp.MustCompile(`does not have a column with name "(\w+)"|^Unsupported options for \w+: *\{"(\w+)"|` +
	`^Invalid \w+ option value: (\w+) is |^Unknown file format type '(\w+)'|` +
	`connection params invalid: expected [^ ]*, got \[(\w+)`)

// culprit finds the place of what an error names, for servers that draw no excerpt: only when the name stands in the
// statement once, so that it never points at the wrong place.
func culprit(code int, message, sql string) (int, bool) {
	m := misfit.FindStringSubmatch(message)
	if m == nil && (code == CodeBadArguments || code == CodeSchemaMismatch) {
		return culpritRow(message, sql)
	}
	if m == nil && (code == CodeSemantic || strings.HasPrefix(codes()[code].name, "Unknown")) {
		m = named.FindStringSubmatch(message)
	}
	if m == nil {
		return 0, false
	}
	found := regexp.MustCompile(`(?i)\b`+strings.Join(m[1:], "")+`\b`).FindAllStringIndex(sql, 2)
	if len(found) != 1 {
		return 0, false
	}
	return found[0][0], true
}

var (
	otherCount = regexp.MustCompile(`columns count is not match, expect \d+, input: (\d+)`)
	castOf     = regexp.MustCompile("evaluating function `\\w+\\((.+)\\)` in expr ")
)

// culpritRow finds the row or the value of an INSERT … VALUES that a message is about: the first row of another number of values, or
// the one value that could not be read.
func culpritRow(message, sql string) (int, bool) {
	count, cast := otherCount.FindStringSubmatch(message), castOf.FindStringSubmatch(message)
	if count == nil && cast == nil {
		return 0, false
	}
	var found []int
	for _, row := range sqltext.ValueRows(sql) {
		if count != nil && strconv.Itoa(len(row.Values)) == count[1] {
			return row.Start, true
		}
		for _, v := range row.Values {
			if cast != nil && len(v.Tokens) == 1 && v.Text(0) == cast[1] {
				found = append(found, v.Tokens[0].Start)
			}
		}
	}
	if len(found) != 1 {
		return 0, false
	}
	return found[0], true
}

// literal is a string literal of Databend.
var literal = regexp.MustCompile(`(?s)'((?:[^'\\]|\\.|'')*)'`)

// cleaner returns a function that takes secrets out of a text about st: what the Scrubber knows, the statement's own
// secrets, and the literals that Mask hides in it.
func (s *Server) cleaner(st Statement) func(string) string {
	own, loose := secret.NewScrubber(), secret.NewStatementScrubber()
	for _, v := range st.Secrets {
		own.Add(v)
		loose.Add(v)
	}
	for _, at := range sqltext.SecretLiterals(st.SQL) {
		value, err := sqltext.Unquote(st.SQL[at[0]:at[1]])
		if err != nil {
			value = st.SQL[at[0]:at[1]] // its quotes were forgotten
		}
		own.Add(secret.New(value)) // in every form in which the server may write it
		loose.Add(secret.New(value))
	}
	for _, v := range s.cfg.Scrub.In(st.SQL) { // written by hand
		loose.Add(v)
	}
	var hidden []string
	masked := sqltext.Mask(st.SQL)
	for _, m := range literal.FindAllStringSubmatch(st.SQL, -1) {
		if len(m[1]) > 2 && !strings.Contains(masked, m[1]) {
			hidden = append(hidden, m[1], secret.Redacted)
		}
	}
	replace := strings.NewReplacer(hidden...)
	return func(text string) string { return replace.Replace(loose.String(own.String(s.cfg.Scrub.String(text)))) }
}

// excerpt is the place that the server names in its message, in the text that was sent.
type excerpt struct {
	line, column int
	source       string // the line, as the server shows it
}

func (e *excerpt) Error() string { return "SQL:" + strconv.Itoa(e.line) + ":" + strconv.Itoa(e.column) }

// fewer leaves out most of what the server would have taken in the place of a word: it begins with what is most like it.
func fewer(message string) string {
	const most = 6
	before, list, ok := strings.Cut(message, ", expecting ")
	words := strings.Split(list, ", ")
	if !ok || len(words) <= most {
		return message
	}
	return before + ", expecting " + strings.Join(words[:most-1], ", ") + ", …"
}

// coded makes an Error of the server's.
func (s *Server) coded(se serverError) *Error {
	// What is known is taken out first: below, lines are joined and excerpts cut.
	se.Message, se.Detail = s.cfg.Scrub.String(se.Message), s.cfg.Scrub.String(se.Detail)
	message, at := readMessage(se.Message)
	if se.Detail != "" && !strings.Contains(message, se.Detail) {
		detail, _ := readMessage(se.Detail)
		message = strings.TrimSpace(message + "; " + detail)
	}
	switch se.Code {
	case CodeSyntax:
		message = fewer(message)
	case CodeSchemaMismatch:
		message, _, _ = strings.Cut(message, ", expr: [") // the row, as the parser holds it
	}
	e := &Error{Code: se.Code, Name: codes()[se.Code].name, Message: s.plainText(message)}
	switch {
	case se.Code == codeAuth:
		e.Kind = KindAuth
	case e.Name != "":
		e.Kind = Kind(e.Name)
	default:
		e.Kind = "Databend"
	}
	e.Advice = hintFor(se.Code, message)
	if at != nil {
		e.Err = at
	}
	return e
}

var (
	place      = regexp.MustCompile(`--> SQL:(\d+):(\d+)`)
	caretLine  = regexp.MustCompile(`^\s*\|([ |_-]*)\^+ ?(.*)$`)
	quotedLine = regexp.MustCompile(`^\s*\d*\s*\|`)
	// The grammar of a statement, in several lines, which the server shows beside what is wrong in it.
	whileParsing = regexp.MustCompile("while parsing `[^`]*`?")
	traceStart   = regexp.MustCompile(`\n\s*(?:<Backtrace|Stack backtrace|0: )|<Backtrace`)
)

// readMessage takes the server's message apart: what it says without the excerpt of the statement (which would show spliced
// secrets) and without a stack trace, and the place it points to. Databend draws the excerpt so, with its words beside the carets:
//
//	error:
//	  --> SQL:1:15
//	  |
//	1 | SELECT a FROM nowhere
//	  |               ^^^^^^^ Unknown table 'nowhere'
func readMessage(raw string) (string, *excerpt) {
	raw = strings.ReplaceAll(raw, "\r\n", "\n")
	if i := traceStart.FindStringIndex(raw); i != nil {
		raw = raw[:i[0]]
	}
	raw = whileParsing.ReplaceAllString(raw, "")
	m := place.FindStringSubmatch(raw)
	if m == nil {
		return tidy(strings.TrimPrefix(strings.TrimSpace(raw), "error:")), nil
	}
	at := &excerpt{}
	at.line, _ = strconv.Atoi(m[1]) // digits, and of a text that is in memory
	at.column, _ = strconv.Atoi(m[2])
	var said []string
	indent := -1
	for line := range strings.SplitSeq(raw, "\n") {
		switch c := caretLine.FindStringSubmatch(line); {
		case place.MatchString(line):
		case c != nil:
			indent = len(c[1])
			said = append(said, c[2])
		case quotedLine.MatchString(line):
			if number, rest, _ := strings.Cut(line, "|"); strings.TrimSpace(number) == m[1] {
				at.source = strings.TrimRight(strings.TrimPrefix(rest, " "), " ")
			}
			// A label of several lines goes on below its carets, and one that has no room beside them begins there, behind a bar.
			before, rest, _ := strings.Cut(line, "|")
			if text := strings.TrimLeft(rest, " |"); indent >= 0 && text != "" && len(rest)-len(text) >= indent &&
				strings.TrimSpace(before) == "" {
				said = append(said, text)
			}
		default:
			said = append(said, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "error:")))
		}
	}
	message := tidy(strings.Join(said, "\n"))
	if message == "" {
		message = "the statement is wrong here"
	}
	return message, at
}

var lineBreaks = regexp.MustCompile(`\s*\n\s*`)

// tidy makes one line of a message, without a final period.
func tidy(message string) string {
	message = strings.TrimSpace(lineBreaks.ReplaceAllString(strings.TrimSpace(message), " "))
	if !strings.HasSuffix(message, "..") {
		message = strings.TrimSpace(strings.TrimSuffix(message, "."))
	}
	return message
}

// plain is the text of an error that is not the server's, for people.
func (s *Server) plain(err error) string {
	if err == nil {
		return "no reason given"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return s.plainText(err.Error())
}

// plainText cleans a text of the server's. An error about an object store shows its whole configuration: keys of a connection too that
// no statement of ours named.
func (s *Server) plainText(text string) string {
	return s.cfg.Scrub.String(sqltext.Mask(strings.TrimSpace(text)))
}
