package sqltext

import (
	"sort"
	"strings"
)

// Part is one section of a goose file: raw text between annotations, with its place in the file.
type Part struct {
	// raw text from the line after the section's own annotation to the next section, StatementBegin and so on included, CRLF as in the file
	Text  string
	Start int // offset of Text in the file (BOM included)
}

// File is a goose file taken apart. The statements of a section are found after its template was expanded: SplitSection.
type File struct {
	Up, Down Part
	HasDown  bool
	Headers  []Header
}

// annotation is one "-- +goose …" line.
type annotation struct {
	name       string // as in goose's documentation: "Up", "NO TRANSACTION"
	start, end int    // of the line, its line end included
}

var annotationNames = []string{"Up", "Down", "StatementBegin", "StatementEnd", "NO TRANSACTION", "ENVSUB ON", "ENVSUB OFF"}

// ParseFile reads goose's annotations as goose v3.29 does (internal/sqlparser/parser.go): Up, Down, StatementBegin/End,
// NO TRANSACTION, in any case, line-based. Where goose's line rule and Databend's tokens disagree (an annotation inside a
// string or block comment) it is an error. ENVSUB ON is refused with a hint. src is the file before its template is expanded. Where
// the mistakes are of headers alone, the File beside them has its sections; else it is empty.
func ParseFile(src string) (File, error) {
	tokens, err := scan(src, true)
	if err != nil {
		return File{}, err
	}
	annotations, err := annotationsOf(src, tokens)
	if err != nil {
		return File{}, err
	}
	var (
		file   File
		state  = "" // "", "Up", "Down"
		inside *annotation
		noUp   = "start the file with -- +goose Up"
	)
	for i, a := range annotations {
		switch a.name {
		case "Up", "Down":
			switch {
			case inside != nil:
				return File{}, unclosed(src, inside)
			case a.name == "Up" && state != "":
				return File{}, errorAt(src, a.start, "second -- +goose Up", "one file has one Up section")
			case a.name == "Down" && state == "":
				return File{}, errorAt(src, a.start, "-- +goose Down before -- +goose Up", noUp)
			case a.name == "Down" && state == "Down":
				return File{}, errorAt(src, a.start, "second -- +goose Down", "one file has one Down section")
			}
			part := Part{Text: src[a.end:], Start: a.end}
			if a.name == "Up" {
				file.Up = part
			} else {
				file.Up.Text = src[file.Up.Start:a.start]
				file.Down, file.HasDown = part, true
			}
			state = a.name
		case "StatementBegin":
			if state == "" {
				return File{}, errorAt(src, a.start, "-- +goose StatementBegin before -- +goose Up", noUp)
			}
			if inside != nil {
				return File{}, nested(src, a)
			}
			inside = &annotations[i]
		case "StatementEnd":
			if inside == nil {
				return File{}, unopened(src, a)
			}
			inside = nil
		}
	}
	if inside != nil {
		return File{}, unclosed(src, inside)
	}
	if state == "" {
		return File{}, errorAt(src, 0, "no -- +goose Up", noUp)
	}
	for _, t := range tokens {
		if t.Start >= file.Up.Start {
			break
		}
		if t.Kind == Space || t.Kind == Comment || t.Kind == Template && strings.Contains(src[t.Start:t.End], "/*") {
			continue
		}
		return File{}, errorAt(src, t.Start, "text before -- +goose Up", noUp)
	}
	file.Headers, err = headersOf(src, tokens)
	return file, err
}

// annotationsOf finds the annotation lines of src. goose takes for one every line that, but for white space, starts with --
// and contains +goose; it refuses one that does not start in column 1, and one it does not know.
func annotationsOf(src string, tokens []Token) ([]annotation, error) {
	var found []annotation
	for from := 0; ; {
		i := indexFold(src, mark, from)
		if i < 0 {
			return found, nil
		}
		start := strings.LastIndexByte(src[:i], '\n') + 1
		if start == 0 && strings.HasPrefix(src, bom) {
			start = len(bom)
		}
		end := len(src)
		if n := strings.IndexByte(src[i:], '\n'); n >= 0 {
			end = i + n + 1
		}
		from = end
		line := strings.TrimRight(src[start:end], "\r\n")
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			continue
		}
		at := start + strings.Index(line, "--")
		t := tokens[sort.Search(len(tokens), func(k int) bool { return tokens[k].End > at })]
		if t.Kind != Comment || t.Start != at {
			return nil, errorAt(src, at, "goose takes this line for an annotation, but it stands inside "+
				describe(src, t)+", where Databend takes it for text",
				"move it out, or break the line so that it does not start with --")
		}
		if at != start {
			return nil, errorAt(src, at, "-- +goose does not start in column 1", "remove the white space before it")
		}
		if !strings.Contains(line, mark) {
			return nil, errorAt(src, start, "annotation is not written "+mark+" in lower case, so that goose takes it for a comment",
				"write -- "+mark)
		}
		name := strings.Replace(strings.ReplaceAll(line, "--", ""), mark, "", 1)
		name = strings.TrimSpace(name)
		known := ""
		for _, n := range annotationNames {
			if strings.EqualFold(n, name) {
				known = n
			}
		}
		switch known {
		case "":
			if strings.Contains(line, "\r") {
				return nil, errorAt(src, start, "lines end in CR alone", "save the file with LF or CRLF at the ends of its lines")
			}
			return nil, errorAt(src, start, "unknown annotation "+quoteForMessage(line), "goose knows "+strings.Join(annotationNames[:5], ", "))
		case "ENVSUB ON":
			return nil, errorAt(src, start, "-- +goose ENVSUB ON is not supported",
				`write {{ var "name" }} for a value and {{ secret "NAME" }} for a secret`)
		}
		found = append(found, annotation{known, start, end})
	}
}

// mark makes a comment an annotation of goose's.
const mark = "+goose"

func unclosed(src string, a *annotation) error {
	return errorAt(src, a.start, "-- +goose StatementBegin without StatementEnd", "end the statement with -- +goose StatementEnd")
}

func unopened(src string, a annotation) error {
	return errorAt(src, a.start, "-- +goose StatementEnd without StatementBegin", "open the statement with -- +goose StatementBegin")
}

func nested(src string, a annotation) error {
	return errorAt(src, a.start, "nested -- +goose StatementBegin", "end the first with -- +goose StatementEnd")
}

// SplitSection splits the expanded text of a section, honouring StatementBegin and StatementEnd: what stands between them is
// one statement, whatever semicolons it has.
func SplitSection(expanded string) ([]Statement, error) {
	if indexFold(expanded, mark, 0) < 0 {
		return Split(expanded)
	}
	tokens, err := Scan(expanded)
	if err != nil {
		return nil, err
	}
	annotations, err := annotationsOf(expanded, tokens)
	if err != nil {
		return nil, err
	}
	var (
		statements []Statement
		from       = 0 // where the piece not yet split starts
		inside     *annotation
	)
	outside := func(end int, last bool) error {
		piece, open, err := split(expanded[from:end])
		if err != nil {
			if e, ok := err.(*Error); ok {
				return errorAt(expanded, from+e.Pos.Offset, e.Msg, e.Hint)
			}
			return err
		}
		for _, s := range piece {
			statements = append(statements, Statement{s.Text, s.Start + from, s.End + from})
		}
		if open && !last {
			return errorAt(expanded, statements[len(statements)-1].End, "statement before -- +goose StatementBegin is not finished", "end it with ;")
		}
		return nil
	}
	for i, a := range annotations {
		switch a.name {
		case "Up", "Down":
			return nil, errorAt(expanded, a.start, "-- +goose "+a.name+" inside a section", "a template may not write annotations")
		case "StatementBegin":
			if inside != nil {
				return nil, nested(expanded, a)
			}
			if err := outside(a.start, false); err != nil {
				return nil, err
			}
			inside, from = &annotations[i], a.end
		case "StatementEnd":
			if inside == nil {
				return nil, unopened(expanded, a)
			}
			if s, ok := wholeStatement(expanded, tokens, from, a.start); ok {
				statements = append(statements, s)
			}
			inside, from = nil, a.end
		}
	}
	if inside != nil {
		return nil, unclosed(expanded, inside)
	}
	if err := outside(len(expanded), true); err != nil {
		return nil, err
	}
	return statements, nil
}

// wholeStatement is the text between two offsets as one statement, without comments around it and the last semicolons.
func wholeStatement(src string, tokens []Token, from, to int) (Statement, bool) {
	first := sort.Search(len(tokens), func(k int) bool { return tokens[k].Start >= from })
	last := sort.Search(len(tokens), func(k int) bool { return tokens[k].Start >= to })
	skip := func(k Kind) bool { return k == Space || k == Comment || k == Semicolon }
	for first < last && (skip(tokens[first].Kind) || tokens[first].Kind == Hint) {
		first++
	}
	for first < last && skip(tokens[last-1].Kind) {
		last--
	}
	if first == last {
		return Statement{}, false
	}
	start, end := tokens[first].Start, tokens[last-1].End
	return Statement{src[start:end], start, end}, true
}

// describe names a token for messages.
func describe(src string, t Token) string {
	switch t.Kind {
	case String:
		return "a string"
	case Quoted:
		return "a quoted identifier"
	case Code:
		return "$$…$$"
	case At:
		return "a stage path"
	case Hint:
		return "a hint"
	case Comment:
		if strings.HasPrefix(src[t.Start:t.End], "/*") {
			return "a block comment"
		}
		return "a comment"
	case Template:
		return "a template action"
	}
	return quoteForMessage(src[t.Start:t.End])
}

// quoteForMessage shortens s to what fits a message.
func quoteForMessage(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return "“" + s + "”"
}
