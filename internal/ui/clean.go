package ui

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What comes from files, the bucket or the server passes through two gates of this file. On its way in each value is scrubbed, before
// anything cuts, folds or pads it (values). On its way out nothing that a terminal obeys is left but the colours (printable).

// ourWords are the fields whose values dbctl chooses from a list of its own. A secret that is such a word is not taken out of them: the
// hole would tell it, and programs would not know the state.
var ourWords = map[string]bool{
	"Level": true, "Kind": true, "Direction": true, "Class": true, "State": true, "Before": true, "Outcome": true, "Command": true,
	"Run": true, "QueryID": true, "Types": true,
}

var stringType = reflect.TypeFor[string]()

// values returns a copy of v with each text in it, however deep, changed by f: but for the names of fields, the keys of maps, and our
// own words (ourWords, and texts of a type of their own).
func values(v any, f func(string) string) any {
	if v == nil {
		return nil
	}
	return eachText(reflect.ValueOf(v), f).Interface()
}

func eachText(v reflect.Value, f func(string) string) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == stringType {
			return reflect.ValueOf(f(v.String()))
		}
	case reflect.Pointer:
		if of := v.Type().Elem(); !v.IsNil() && (of.Kind() != reflect.Struct || exported(of)) {
			to := reflect.New(of)
			to.Elem().Set(eachText(v.Elem(), f))
			return to
		}
	case reflect.Interface:
		if !v.IsNil() {
			return eachText(v.Elem(), f)
		}
	case reflect.Slice:
		if !v.IsNil() {
			to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			for i := range v.Len() {
				to.Index(i).Set(eachText(v.Index(i), f))
			}
			return to
		}
	case reflect.Map:
		if !v.IsNil() {
			to := reflect.MakeMapWithSize(v.Type(), v.Len())
			for it := v.MapRange(); it.Next(); {
				to.SetMapIndex(it.Key(), eachText(it.Value(), f))
			}
			return to
		}
	case reflect.Struct:
		to := reflect.New(v.Type()).Elem()
		to.Set(v)
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && !ourWords[field.Name] {
				to.Field(i).Set(eachText(v.Field(i), f))
			}
		}
		return to
	}
	return v
}

// exported reports whether a struct has a field that others may set: a time.Time has none, and is passed on as it is.
func exported(t reflect.Type) bool {
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			return true
		}
	}
	return false
}

// The colours stand in a text as noncharacters of Unicode, so that the writer can tell them from what others wrote.
const (
	green  = "\ufdd0"
	yellow = "\ufdd1"
	red    = "\ufdd2"
	dim    = "\ufdd3"
	reset  = "\ufdd4"
	bold   = "\ufdd5"
)

var sgr = map[rune]string{
	'\ufdd0': "\x1b[32m", '\ufdd1': "\x1b[33m", '\ufdd2': "\x1b[31m", '\ufdd3': "\x1b[2m", '\ufdd4': "\x1b[0m", '\ufdd5': "\x1b[1m",
}

// foreign makes a text of others fit for a text of ours: without what stands for a colour, and with the ends of lines that we write.
func foreign(s string) string {
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	if !strings.Contains(s, "\xef\xb7") { // how all of them begin
		return s
	}
	return strings.Map(func(r rune) rune {
		if _, ok := sgr[r]; ok {
			return utf8.RuneError
		}
		return r
	}, s)
}

// printable is what a terminal may be sent of a text: its lines and tabs, our colours, and all else that would move, hide or reorder what
// stands there written out as Go does.
func printable(s string) string {
	return escape(s, func(r rune) (string, bool) {
		if r == '\n' || r == '\t' {
			return "", false
		}
		if color, ok := sgr[r]; ok {
			return color, true
		}
		return escaped(r), obeyed(r)
	})
}

// visible is printable for a text that is one line: a cell, a name.
func visible(s string) string {
	return escape(s, func(r rune) (string, bool) { return escaped(r), obeyed(r) })
}

// jsonSafe writes in JSON's own escapes what a terminal would obey in a line of JSON. Such characters stand within its strings only.
func jsonSafe(line []byte) []byte {
	return []byte(escape(string(line), func(r rune) (string, bool) {
		if !obeyed(r) {
			return "", false
		}
		text := ""
		for _, u := range utf16.AppendRune(nil, r) {
			text += fmt.Sprintf(`\u%04x`, u)
		}
		return text, true
	}))
}

// escape replaces runes of s; a byte that is no UTF-8 is written out, since a terminal may take it for a control character.
func escape(s string, replace func(rune) (string, bool)) string {
	var b strings.Builder
	from := 0
	for i := 0; i < len(s); {
		if c := s[i]; c >= 0x20 && c < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		with, do := "", false
		if r == utf8.RuneError && n == 1 {
			with, do = fmt.Sprintf(`\x%02x`, s[i]), true
		} else {
			with, do = replace(r)
		}
		if do {
			b.WriteString(s[from:i])
			b.WriteString(with)
			from = i + n
		}
		i += n
	}
	if from == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}

// obeyed reports whether a terminal obeys r instead of showing it: control characters, and what changes the direction of a text, breaks
// its lines or cannot be seen. Joiners stay: scripts and emoji are written with them.
func obeyed(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && r != nonJoiner && r != joiner
}

func escaped(r rune) string { return strings.Trim(strconv.QuoteRuneToASCII(r), "'") }
