package sqltext

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Header is one "-- dbctl: key=value "why"" line.
type Header struct {
	Key, Value, Why string // `allow=irreversible "why"`; Value is empty for `adopt "why"`
	Pos             Pos
	Trailing        bool // SQL stands before it on its line
}

// LintIgnore is the key of a header that silences rules of lint. It alone may stand anywhere: behind SQL, indented, within a statement.
const LintIgnore = "lint-ignore"

// Headers returns the -- dbctl: lines of src, before or after its template is expanded. A line that is none but looks like one
// (indented, behind a statement, without key, with an unquoted reason) is an *Error, since a header gives consent; each is told,
// joined, beside the headers that are whole. Which keys and values there are is not decided here. A value is one word;
// a name in backquotes, that of window, pattern and optional, and a list after a comma may hold blanks.
func Headers(src string) ([]Header, error) {
	tokens, err := scan(src, true)
	if err != nil {
		return nil, err
	}
	return headersOf(src, tokens)
}

func headersOf(src string, tokens []Token) ([]Header, error) {
	var headers []Header
	var mistakes []error
	place := Pos{Line: 1} // of the last header's line
	for _, t := range tokens {
		if t.Kind != Comment {
			continue
		}
		text := strings.TrimLeft(src[t.Start+2:t.End], " \t")
		rest, ok := strings.CutPrefix(text, "dbctl:")
		if ok = ok && src[t.Start] == '-'; !ok && !likeHeader.MatchString(text) {
			continue
		}
		h, msg, hint := parseHeader(strings.TrimSpace(rest))
		if !ok {
			msg, hint = "this comment looks like a header and is none", "a header is a line that begins with -- dbctl: (or say it otherwise)"
		}
		place.Line += strings.Count(src[place.Offset:t.Start], "\n")
		place.Offset = strings.LastIndexByte(src[:t.Start], '\n') + 1
		line := strings.TrimPrefix(src[place.Offset:t.Start], bom)
		h.Pos = Pos{Offset: t.Start, Line: place.Line, Column: 1 + utf8.RuneCountInString(line)}
		if line != "" && h.Key != LintIgnore {
			msg, hint = "-- dbctl: does not start in column 1", "put it on a line of its own"
		}
		if msg != "" {
			mistakes = append(mistakes, &Error{Pos: h.Pos, Msg: msg, Hint: hint})
			continue
		}
		h.Trailing = strings.TrimSpace(line) != ""
		headers = append(headers, h)
	}
	return headers, errors.Join(mistakes...)
}

// likeHeader is a comment that is meant for a header: of another kind, in capitals, with a blank ahead of its colon or without one.
var likeHeader = regexp.MustCompile(`^(?i:dbctl)(?:\s*:|[ \t]+[a-z]+(?:-[a-z]+)*=\S)`)

var mayHoldBlanks = map[string]bool{"window": true, "pattern": true, "optional": true}

// parseHeader reads what follows "-- dbctl:"; msg says what is wrong with it.
func parseHeader(text string) (h Header, msg, hint string) {
	const form = `write -- dbctl: key=value "why"`
	n := 0 // Filename_Column is an unknown key, near one that is known
	for n < len(text) && (isASCIILetter(text[n]) || n > 0 && (text[n] == '-' || text[n] == '_' || isDigit(text[n]))) {
		n++
	}
	h.Key = text[:n]
	rest := text[n:]
	if h.Key == "" {
		return h, "-- dbctl: without a key", form
	}
	if rest != "" && rest[0] != '=' && rest[0] != ' ' && rest[0] != '\t' {
		return h, "malformed key in " + quoteForMessage("-- dbctl: "+text), form
	}
	rest, hasValue := strings.CutPrefix(rest, "=")
	blank := rest == "" || rest[0] == ' ' || rest[0] == '\t'
	h.Value, h.Why, msg = cutReason(strings.TrimSpace(rest))
	if msg != "" {
		return h, msg, form
	}
	switch {
	case !hasValue && h.Value != "":
		return h, "what follows " + h.Key + " is not a quoted reason", form
	case hasValue && h.Value == "" && h.Why != "":
		return h, h.Key + "= has a reason and no value: quotes hold the reason",
			form + "; a name with a blank stands in backquotes"
	case hasValue && (h.Value == "" || blank):
		return h, h.Key + "= without a value", form
	case !mayHoldBlanks[h.Key] && !backquoted(h.Value) &&
		strings.ContainsAny(strings.NewReplacer(", ", ",", ",\t", ",").Replace(h.Value), " \t"):
		return h, h.Key + "= has more than one value", form + ", each on a line of its own"
	}
	return h, "", ""
}

// backquoted reports whether a value is one name in backquotes.
func backquoted(value string) bool {
	return len(value) > 2 && value[0] == '`' && strings.IndexByte(value[1:], '`') == len(value)-2
}

// cutReason takes the quoted reason off the end of text.
func cutReason(text string) (rest, why, msg string) {
	if !strings.HasSuffix(text, `"`) {
		if strings.Contains(text, ` "`) || strings.HasPrefix(text, `"`) {
			return "", "", "reason is not closed with a quote, or something follows it"
		}
		return text, "", ""
	}
	open := strings.LastIndex(text[:len(text)-1], `"`)
	for open > 0 && text[open-1] == '\\' {
		open = strings.LastIndex(text[:open], `"`)
	}
	if open < 0 || open > 0 && text[open-1] != ' ' && text[open-1] != '\t' {
		return "", "", "reason is not quoted"
	}
	why = strings.ReplaceAll(text[open+1:len(text)-1], `\"`, `"`)
	if strings.TrimSpace(why) == "" {
		return "", "", "reason is empty"
	}
	rest = strings.TrimSpace(text[:open])
	if strings.HasSuffix(rest, `"`) {
		return "", "", "more than one reason"
	}
	return rest, why, ""
}
