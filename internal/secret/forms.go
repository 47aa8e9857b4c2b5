package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/dbctl/dbctl/internal/sqltext"
)

const (
	// minLine is the length from which a line of a value of several lines is a secret by itself.
	minLine = 8
	// minEncoded is the length from which a value is looked for inside longer base64 and hex texts: a shorter one leaves
	// too few characters that depend on it alone.
	minEncoded = 6
)

// forms returns the ways in which value may stand in a text, each once. value has at least minLength bytes.
func forms(value string) []string {
	var all []string
	for _, part := range parts(value) {
		all = append(all, encodings(part)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// parts are a value, without the white space around it too, and each of several lines.
func parts(value string) []string {
	parts := []string{value}
	if bare := strings.TrimSpace(value); bare != value && len(bare) >= minLength {
		parts = append(parts, bare)
	}
	if strings.ContainsAny(value, "\r\n") {
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) >= minLine {
				parts = append(parts, line)
			}
		}
	}
	return parts
}

// encodings returns value as it is, and as SQL, URLs, JSON, Go, Rust, Python, HTML, CSV, base64 and hex write it.
func encodings(value string) []string {
	sql := sqlForms(value)
	texts := append([]string{
		value, jsonForm(value), htmlJSON(value), asciiJSON(value), inner(strconv.Quote(value)), inner(strconv.QuoteToASCII(value)),
		rustDebug(value), strings.ReplaceAll(value, `"`, `""`), html.EscapeString(value), xmlEscape.Replace(value),
	}, sql...)
	all := texts
	for _, text := range texts { // a request is JSON around SQL, and an error may be JSON around that
		all = append(all, jsonForm(text))
	}
	for _, text := range sql {
		all = append(all, htmlJSON(text), asciiJSON(text))
	}
	for _, u := range []string{
		url.QueryEscape(value),
		strings.ReplaceAll(url.QueryEscape(value), "+", "%20"),
		url.PathEscape(value),
		(&url.URL{Path: value}).EscapedPath(),
		strings.TrimPrefix(url.UserPassword("", value).String(), ":"),
		percentAll(value),
	} {
		all = append(all, u, lowerPercent(u))
	}
	return append(all, binaryForms(value)...)
}

// sqlForms are the escapes of a literal: ours (sqltext.Quote), the standard's, and those that Databend and others print.
func sqlForms(value string) []string {
	return []string{
		strings.ReplaceAll(value, "'", "''"),
		strings.ReplaceAll(value, `\`, `\\`),
		doubled.Replace(value),
		slashed.Replace(value),
		doubledControls.Replace(value),
		slashedControls.Replace(value),
		inner(sqltext.Quote(value)),
	}
}

var (
	doubled         = strings.NewReplacer(`'`, `''`, `\`, `\\`)
	slashed         = strings.NewReplacer(`'`, `\'`, `\`, `\\`)
	doubledControls = strings.NewReplacer(`'`, `''`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\0`)
	slashedControls = strings.NewReplacer(`'`, `\'`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\0`)
	xmlEscape       = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")
)

// inner cuts the quotes off.
func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

// jsonForm is value inside a JSON string with nothing escaped for HTML, as most writers do it.
func jsonForm(value string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return value
	}
	return inner(strings.TrimSuffix(b.String(), "\n"))
}

// htmlJSON is value inside a JSON string as Go's json.Marshal writes it.
func htmlJSON(value string) string {
	b, err := json.Marshal(value)
	if err != nil {
		return value
	}
	return inner(string(b))
}

// asciiJSON is value inside a JSON string as Python's json.dumps writes it.
func asciiJSON(value string) string {
	var b strings.Builder
	for _, r := range jsonForm(value) {
		if r < 0x7f {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.String()
}

// rustDebug is value as Rust's {:?} writes it: in Databend's internal errors.
func rustDebug(value string) string {
	return strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\0`).Replace(value)
}

// percentAll escapes all but RFC 3986's unreserved characters, as AWS signatures do.
func percentAll(value string) string {
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// lowerPercent writes the hex digits of percent escapes in lower case.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}

// binaryForms are value in base64 and hex. In a longer base64 text (user:password of an HTTP header) the value begins at
// one of three offsets in a group of three bytes; the characters that it shares with its neighbours are left out.
func binaryForms(value string) []string {
	var all []string
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		all = append(all, e.EncodeToString([]byte(value)), e.WithPadding(base64.NoPadding).EncodeToString([]byte(value)))
		if len(value) < minEncoded {
			continue
		}
		for offset := range 3 {
			text := e.EncodeToString(append(make([]byte, offset), value...))
			first := []int{0, 2, 3}[offset]
			all = append(all, text[first:(offset+len(value))*8/6])
		}
	}
	if whole := base64.StdEncoding.EncodeToString([]byte(value)); len(whole) > 64 {
		for _, width := range []int{64, 76} { // PEM; mail and the program base64
			for _, end := range []string{"\n", "\r\n"} {
				all = append(all, broken(whole, width, end))
			}
		}
	}
	if len(value) >= minEncoded {
		h := hex.EncodeToString([]byte(value))
		all = append(all, h, strings.ToUpper(h))
	}
	return all
}

// broken is text in lines of width bytes.
func broken(text string, width int, end string) string {
	var b strings.Builder
	for ; len(text) > width; text = text[width:] {
		b.WriteString(text[:width] + end)
	}
	return b.String() + text
}
