package project

import (
	"errors"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// parseEnv reads the NAME=value lines of an env file as they are written: nothing is expanded. A value may stand in quotes, and must where
// it begins or ends with a space, holds " #" or has several lines; inside "…" \" \\ \n and \r are escapes, inside '…' nothing is.
// `export` before the name is allowed. No error quotes a value.
func parseEnv(path, text string) (map[string]string, error) {
	vars := map[string]string{}
	var mistakes []error
	text = strings.ReplaceAll(strings.TrimPrefix(text, bom), "\r\n", "\n")
	for number := 1; text != ""; {
		line, rest, _ := strings.Cut(text, "\n")
		bad := func(msg, hint string) {
			mistakes = append(mistakes, &Error{Place: sqltext.Place{File: path, Line: number}, Msg: msg, Advice: hint})
		}
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			text = rest
			number++
			continue
		}
		name, value, found := strings.Cut(strings.TrimLeft(line, " \t"), "=")
		name = strings.TrimSpace(strings.TrimPrefix(name, "export "))
		value = strings.TrimLeft(value, " \t")
		switch {
		case !found || !isName(name):
			bad("this is no NAME=value line", "write NAME=value, where a name has letters, digits and _; a comment begins with #")
		case value != "" && (value[0] == '"' || value[0] == '\''):
			begin := len(line) - len(value) // of the quote in text
			content, length, ok := quotedValue(text[begin:])
			tail := ""
			if ok {
				tail, rest, _ = strings.Cut(text[begin+length:], "\n")
				tail = strings.TrimSpace(tail)
			}
			switch {
			case !ok:
				bad("the quote has no end", "close it; a value that holds a quote may stand without quotes")
			case tail != "" && tail[0] != '#':
				bad("something stands behind the closing quote", "put the whole value into the quotes, or take them away")
			default:
				vars[name] = content
			}
			number += strings.Count(text[begin:min(begin+length, len(text))], "\n")
		default:
			if i := strings.Index(value, " #"); i >= 0 {
				value = value[:i]
			}
			if strings.HasPrefix(value, "#") {
				value = ""
			}
			vars[name] = strings.TrimRight(value, " \t")
		}
		text = rest
		number++
	}
	return vars, errors.Join(mistakes...)
}

// quotedValue reads a value from its opening quote on, and says how long it is with both.
func quotedValue(text string) (content string, length int, ok bool) {
	var b strings.Builder
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			return b.String(), i + 1, true
		case c == '\\' && quote == '"' && i+1 < len(text) && strings.IndexByte(`"\nr`, text[i+1]) >= 0:
			i++
			b.WriteByte(map[byte]byte{'"': '"', '\\': '\\', 'n': '\n', 'r': '\r'}[text[i]])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, false
}
