package sqltext

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Quote returns s as a string literal (databend src/query/ast/src/ast/quote.rs, QuotedString). Control characters are written as
// escapes, so that a literal takes one line.
func Quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('\'')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\', '\'':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			if c < 0x20 {
				fmt.Fprintf(&b, `\x%02x`, c)
				continue
			}
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// Literal is Quote for a statement in which {{ name }} stands for a secret: a text of somebody else that looks like one arrives as it is.
func Literal(s string) string { return strings.ReplaceAll(Quote(s), "{{", `{\x7b`) }

// Literals are those of an IN or NOT IN list of names. For none it holds the empty text, which no name is: SQL has no empty list.
func Literals(texts []string) string {
	if len(texts) == 0 {
		return "''"
	}
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = Literal(s)
	}
	return strings.Join(out, ", ")
}

// Ident returns s as a quoted identifier. A name that holds a backtick goes in "…"; Databend cannot write one that also
// ends in a backslash, or has one before a ".
func Ident(s string) string {
	if !strings.Contains(s, "`") {
		return "`" + s + "`"
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// Unquote returns the value of a literal as Databend reads it: '…' with its escapes, or the text of $$…$$. An unknown escape
// stands for itself, backslash included.
func Unquote(literal string) (string, error) {
	if body, ok := strings.CutPrefix(literal, "$$"); ok {
		if body, ok = strings.CutSuffix(body, "$$"); ok {
			return body, nil
		}
	}
	if len(literal) < 2 || literal[0] != '\'' || literal[len(literal)-1] != '\'' {
		return "", errors.New("not a string literal")
	}
	return unescape(literal[1 : len(literal)-1])
}

// unescape reads what stands inside '…'.
func unescape(s string) (string, error) {
	if !strings.ContainsAny(s, `\'`) {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		c := s[i]
		if c == '\'' {
			if i+1 >= len(s) || s[i+1] != '\'' {
				return "", errors.New("string literal has a bare quote")
			}
			b.WriteByte('\'')
			i += 2
			continue
		}
		if c != '\\' || i+1 >= len(s) {
			b.WriteByte(c)
			i++
			continue
		}
		i++
		switch e := s[i]; e {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case '\'', '"', '\\':
			b.WriteByte(e)
		case 'u', 'x':
			digits := s[i+1 : min(len(s), i+1+map[byte]int{'u': 4, 'x': 2}[e])]
			code, err := strconv.ParseUint("0"+digits, 16, 32)
			if err != nil || !utf8.ValidRune(rune(code)) {
				return "", fmt.Errorf(`string literal has a bad \%c escape`, e)
			}
			b.WriteRune(rune(code))
			i += len(digits)
		case '0', '1', '2', '3', '4', '5', '6', '7':
			digits := s[i : len(s)-len(strings.TrimLeft(s[i:], "01234567"))]
			code, err := strconv.ParseUint(digits, 8, 31)
			if err != nil || !utf8.ValidRune(rune(code)) {
				return "", errors.New("string literal has a bad octal escape")
			}
			b.WriteRune(rune(code))
			i += len(digits) - 1
		default:
			b.WriteByte('\\')
			b.WriteByte(e)
		}
		i++
	}
	return b.String(), nil
}

// FoldIdent returns the name that an identifier token stands for: unquoted it is lower-cased, as unquoted_ident_case_sensitive
// = 0 and quoted_ident_case_sensitive = 1, the defaults, have it.
func FoldIdent(token string) string {
	if name, ok := unquoteIdent(token); ok {
		return name
	}
	return strings.ToLower(token)
}

// unquoteIdent returns the name inside "…" or `…`. A backslash is kept: identifiers have no escapes but the doubled quote.
func unquoteIdent(token string) (string, bool) {
	if len(token) < 2 {
		return token, false
	}
	switch q := token[0]; q {
	case '`':
		return token[1 : len(token)-1], true
	case '"':
		return strings.ReplaceAll(token[1:len(token)-1], `""`, `"`), true
	}
	return token, false
}
