package project

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// document is dbctl.yaml, walked by hand: every key is checked where it stands, and no error quotes a value or a line of the
// file, since a secret may stand there by mistake. It keeps every mistake.
type document struct {
	anchors map[string]ast.Node
	merges  int
	errs    []*Error
}

// entry is one key of a mapping and its value, aliases resolved.
type entry struct {
	key   string
	at    *token.Token
	value ast.Node
}

const (
	maxAliases = 20   // an alias may stand for one that stands for another, so deep; one inside its own anchor has no end
	maxMerges  = 1000 // merge keys in the whole file, each counted as often as it is followed
)

// parseYAML returns the root of dbctl.yaml, nil when it is empty.
func parseYAML(text []byte) (*document, ast.Node, error) {
	d := &document{anchors: map[string]ast.Node{}}
	if at, what := badEncoding(string(text)); what != "" {
		return nil, nil, &Error{Place: sqltext.PosAt(string(text), at).In(ConfigFile), Msg: what, Advice: saveUTF8}
	}
	// The parser takes a BOM for a part of the first key, and counts the line of a comment that ends in CRLF twice.
	text = bytes.ReplaceAll(bytes.TrimPrefix(text, []byte(bom)), []byte("\r\n"), []byte("\n"))
	if i := tooDeepYAML(string(text)); i >= 0 {
		return nil, nil, &Error{Place: sqltext.PosAt(string(text), i).In(ConfigFile), Msg: "YAML is nested too deeply"}
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		e := &Error{
			Place: inConfig, Msg: "YAML is not readable",
			Advice: "a line is `key: value`, indented by blanks as the lines beside it; a value with : # [ or { in it stands in quotes, and " +
				"a key stands once",
		}
		if ye, ok := errors.AsType[yaml.Error](err); ok {
			e.Msg = "YAML: " + ye.GetMessage()
			if strings.Contains(e.Msg, "'\t'") || strings.Contains(e.Msg, "'	'") {
				e.Msg, e.Advice = "YAML: a tab stands where a line is indented", "write blanks in its place"
			}
			if t := ye.GetToken(); t != nil {
				e.Place = placeOf(t)
			}
		}
		return nil, nil, e
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			d.fail(doc.Body, "second YAML document", "keep one document in the file")
			return nil, nil, d.mistakes()
		}
		root = doc.Body
	}
	if root == nil {
		return d, nil, nil
	}
	ast.Walk(d, root)
	return d, root, nil
}

// tooDeepYAML returns the offset at which a YAML text is nested too deeply, or -1: the parser's time grows with the square of the depth,
// of brackets as of the marks of lists and keys that follow each other on a line.
func tooDeepYAML(text string) int {
	const deepest = 100
	brackets, marks := 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '[' || c == '{':
			brackets++
		case c == ']' || c == '}':
			brackets = max(0, brackets-1)
		case (c == '-' || c == '?' || c == ':') && i+1 < len(text) && (text[i+1] == ' ' || text[i+1] == '\t'):
			marks++
		case c == '\n':
			marks = 0
		}
		if brackets > deepest || marks > deepest {
			return i
		}
	}
	return -1
}

// Visit collects anchors.
func (d *document) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		d.anchors[a.Name.GetToken().Value] = a.Value
	}
	return d
}

// mistakes are all, in the order of the file.
func (d *document) mistakes() error {
	slices.SortStableFunc(d.errs, func(a, b *Error) int { return a.Compare(b.Place) })
	errs := make([]error, len(d.errs))
	for i, e := range d.errs {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// fail notes a mistake.
func (d *document) fail(n ast.Node, msg, hint string) { d.failAt(n.GetToken(), msg, hint) }

func (d *document) failAt(t *token.Token, msg, hint string) {
	at := placeOf(t)
	if !slices.ContainsFunc(d.errs, func(was *Error) bool { return was.Place == at }) { // the first says why
		d.errs = append(d.errs, &Error{Place: at, Msg: msg, Advice: hint})
	}
}

// inConfig is dbctl.yaml as a whole.
var inConfig = sqltext.Place{File: ConfigFile}

// placeOf is where a token of dbctl.yaml stands.
func placeOf(t *token.Token) sqltext.Place {
	return sqltext.Place{File: ConfigFile, Line: t.Position.Line, Column: t.Position.Column}
}

// resolve follows anchors, aliases and tags to the value itself.
func (d *document) resolve(n ast.Node) ast.Node {
	for range maxAliases {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.AliasNode:
			target := d.anchors[v.Value.GetToken().Value]
			if target == nil {
				d.fail(n, "alias without an anchor", "")
				return n
			}
			n = target
		default:
			return n
		}
	}
	d.fail(n, "aliases are nested too deeply", "")
	return n
}

// mapping returns the entries of a mapping in order. what names it for errors; known, when not nil, are the keys it may have.
func (d *document) mapping(n ast.Node, what string, known []string) []entry {
	if d.merges > maxMerges {
		return nil
	}
	n = d.resolve(n)
	var values []*ast.MappingValueNode
	switch v := n.(type) {
	case *ast.MappingNode:
		values = v.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	case *ast.NullNode:
		return nil
	default:
		d.fail(n, what+" is not a mapping", "write key: value lines below it")
		return nil
	}
	var own, merged []entry
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			parts := []ast.Node{v.Value}
			if list, ok := d.resolve(v.Value).(*ast.SequenceNode); ok {
				parts = list.Values
			}
			for _, part := range parts {
				if d.merges++; d.merges > maxMerges {
					d.fail(part, "merge keys have no end", "")
				}
				merged = append(merged, d.mapping(part, what, known)...)
			}
			continue
		}
		t := v.Key.GetToken()
		key := t.Value
		if known != nil && !slices.Contains(known, key) {
			d.failAt(t, "unknown key "+shown(key)+" in "+what, DidYouMean(key, known, "it may hold "+strings.Join(known, ", ")))
			continue
		}
		if slices.ContainsFunc(own, func(e entry) bool { return e.key == key }) {
			d.failAt(t, "key "+shown(key)+" stands twice in "+what, "remove one of them")
			continue
		}
		own = append(own, entry{key, t, d.resolve(v.Value)})
	}
	for _, m := range merged {
		if !slices.ContainsFunc(own, func(e entry) bool { return e.key == m.key }) {
			own = append(own, m)
		}
	}
	return own
}

// shown is a key as errors show it. What does not look like one may be a value that lost its colon.
func shown(key string) string {
	if validName(key) {
		return key
	}
	return "…"
}

// scalar returns the text of a plain value as it is written, and whether it is one.
func scalar(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return strings.TrimSpace(n.GetToken().Value), true
	}
	return "", false
}

// text returns the entry's value, which may not be empty.
func (d *document) text(e entry) string {
	s, ok := scalar(e.value)
	switch {
	case !ok:
		d.failAt(e.at, e.key+" is not a text", "write "+e.key+": value")
	case s == "":
		d.failAt(e.at, e.key+" is empty", "give it a value or remove the line")
	}
	return s
}

func (d *document) boolean(e entry) bool {
	b, ok := e.value.(*ast.BoolNode)
	if !ok {
		d.failAt(e.at, e.key+" is not true or false", "write "+e.key+": true")
		return false
	}
	return b.Value
}

func (d *document) duration(e entry) time.Duration {
	s, _ := scalar(e.value)
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		d.failAt(e.at, e.key+" is not a duration", "write "+e.key+": 90s, or 10m")
	}
	return v
}

// host returns the name or the address of a machine. What is neither may hold a password, and is not quoted.
func (d *document) host(e entry) string {
	s := strings.TrimSuffix(strings.TrimPrefix(d.text(e), "["), "]")
	if _, err := netip.ParseAddr(s); s != "" && err != nil && !databend.IsHostName(s) {
		d.failAt(e.at, e.key+" is not the name or the address of a machine",
			"write "+e.key+": databend.example.com, with port: and user: in lines of their own; no password may stand in this file")
	}
	return s
}

// user returns a name without a colon: what HTTP puts before the password.
func (d *document) user(e entry) string {
	s := d.text(e)
	if strings.Contains(s, ":") {
		d.failAt(e.at, e.key+" holds a colon", "write the name alone, and password: DATABEND_PASSWORD, the environment variable that has it")
	}
	return s
}

func (d *document) port(e entry) int {
	s, _ := scalar(e.value)
	v, err := strconv.Atoi(s)
	if err != nil || v < 1 || v > 65535 {
		d.failAt(e.at, e.key+" is not a port number", "write "+e.key+": 8000")
	}
	return v
}

// data returns the folders of data: one for the project's bucket, or bucket: folder, several.
func (d *document) data(e entry) []Data {
	if _, plain := scalar(e.value); plain {
		return []Data{{Place: placeOf(e.at), Folder: d.text(e)}}
	}
	if isList(e.value) {
		d.failAt(e.at, "data is a list", "write data: ./folder, or data: { bucket: ./folder, other-bucket: ./other }")
		return nil
	}
	var all []Data
	for _, e := range d.mapping(e.value, "data", nil) {
		all = append(all, Data{Place: placeOf(e.at), Bucket: e.key, Folder: d.text(e)})
	}
	return all
}

func isList(n ast.Node) bool { _, list := n.(*ast.SequenceNode); return list }

// list returns the texts of a list.
func (d *document) list(e entry) []string {
	seq, ok := e.value.(*ast.SequenceNode)
	if !ok || len(seq.Values) == 0 {
		d.failAt(e.at, e.key+" is not a list", "write "+e.key+": [first, second]")
		return nil
	}
	var all []string
	for _, n := range seq.Values {
		s, ok := scalar(d.resolve(n))
		if !ok {
			d.failAt(e.at, e.key+" holds something that is not a text", "write "+e.key+": [first, second]")
		}
		all = append(all, s)
	}
	return all
}
