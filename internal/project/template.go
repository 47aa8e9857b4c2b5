package project

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// renderer expands the templates of one project.
type renderer struct {
	dir   string
	env   *Environment
	known *knower           // may be nil
	unset map[string]string // vars whose environment variable has no value, by that variable
	loads []Load            // what load "name" may name; nil while the loads themselves are read

	broken []Broken        // loads that could not be read
	asked  map[string]bool // vars that the templates ask for

	lacking []string // vars that are not there, of the template that is being expanded: told, and read as their names

	base   *template.Template
	budget *budget // of the template that is being expanded
}

// What one section may make of its template: a few actions can ask for more than a machine has.
const (
	maxExpanded = 64 << 20  // bytes, those that functions return included
	maxSteps    = 1_000_000 // actions, turns of a range and calls of templates
	maxLacking  = 20        // vars that are not there
)

// blocks are what text/template reads by calling itself, however deep: nested without end they take the stack, and with it the process.
var blocks = regexp.MustCompile(`\{\{(?:-\s)?\s*(?:else\s+)?(?:if|with|range|define|block)\b`)

const maxBlocks = 10_000

// budget is what is left of that.
type budget struct{ steps, bytes int }

// spend takes from the budget; its error ends the expansion.
func (b *budget) spend(steps, bytes int) error {
	b.steps, b.bytes = b.steps-steps, b.bytes-bytes
	switch {
	case b.bytes < 0:
		return &mistake{fmt.Sprintf("the template makes more than %d MiB", maxExpanded>>20), ""}
	case b.steps < 0:
		return &mistake{fmt.Sprintf("the template takes more than %d steps", maxSteps), ""}
	}
	return nil
}

// expand expands the part of src that starts at start. A part without {{ is copied.
func (r *renderer) expand(src *source, text string, start int) (*expansion, error) {
	if !strings.Contains(text, "{{") {
		return &expansion{src, text, []segment{{0, start, true}}}, nil
	}
	if nested := blocks.FindAllStringIndex(text, maxBlocks+1); len(nested) > maxBlocks {
		return nil, src.errorAt(start+nested[maxBlocks][0], fmt.Sprintf("the template has more than %d blocks", maxBlocks), "")
	}
	if r.base == nil {
		r.budget = &budget{}
		r.base = template.New("").Option("missingkey=error").Funcs(r.functions())
	}
	t, err := r.base.Clone()
	if err == nil {
		t, err = t.Parse(text)
	}
	if err != nil {
		return nil, r.failed(src, text, start, err)
	}
	w := &recorder{starts: map[*byte]segment{}, budget: r.budget}
	for _, tree := range t.Templates() {
		w.instrument(tree.Root, text, start)
		w.step(tree.Root, text, start)
	}
	var mistakes []error
	r.lacking = nil
	for { // once more for each var that is not there, so that all are told at once
		*r.budget = budget{steps: maxSteps, bytes: maxExpanded}
		err := t.Execute(w, map[string]any{})
		if err == nil {
			break
		}
		mistakes = append(mistakes, r.failed(src, text, start, err))
		lacks, ok := errors.AsType[*noVar](err)
		if !ok || len(mistakes) == maxLacking {
			break
		}
		r.lacking = append(r.lacking, lacks.name)
	}
	return &expansion{src, w.out.String(), w.segments}, errors.Join(mistakes...)
}

// recorder is what a template writes to. text/template writes a text node by one Write of the node's own bytes, and what an
// action gives by others. So the first byte of a node tells which node it is; and before each action instrument puts a
// text node that is not written but says where the writes after it come from.
type recorder struct {
	out      strings.Builder
	starts   map[*byte]segment // of text nodes, by their first byte; out is -1 for the marks
	mark     int               // offset in the source of the action that writes
	segments []segment
	budget   *budget
}

func (w *recorder) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	node, isText := w.starts[&p[0]]
	if err := w.budget.spend(1, len(p)); err != nil {
		return 0, err
	}
	switch {
	case isText && node.out < 0:
		w.mark = node.in
		return len(p), nil
	case isText:
		w.segments = append(w.segments, segment{w.out.Len(), node.in, true})
	default:
		w.segments = append(w.segments, segment{w.out.Len(), w.mark, false})
	}
	return w.out.Write(p)
}

// instrument registers the text nodes below n and puts a mark before each action. text is the template's, start its offset
// in the source.
func (w *recorder) instrument(n parse.Node, text string, start int) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		var nodes []parse.Node
		for _, child := range n.Nodes {
			if action, ok := child.(*parse.ActionNode); ok {
				nodes = append(nodes, w.markAt(action.Pos, text, start))
			}
			nodes = append(nodes, child)
			w.instrument(child, text, start)
		}
		n.Nodes = nodes
	case *parse.TextNode:
		if len(n.Text) > 0 {
			w.starts[&n.Text[0]] = segment{in: start + int(n.Pos)}
		}
	case *parse.IfNode:
		w.instrumentBranch(&n.BranchNode, text, start)
	case *parse.RangeNode:
		w.instrumentBranch(&n.BranchNode, text, start)
		w.step(n.List, text, start)
	case *parse.WithNode:
		w.instrumentBranch(&n.BranchNode, text, start)
	}
}

// markAt is a text node that is not written but says that what is written next comes from pos.
func (w *recorder) markAt(pos parse.Pos, text string, start int) *parse.TextNode {
	at := max(0, strings.LastIndex(text[:pos], "{{"))
	mark := &parse.TextNode{NodeType: parse.NodeText, Pos: pos, Text: []byte{' '}}
	w.starts[&mark.Text[0]] = segment{out: -1, in: start + at}
	return mark
}

// step puts a mark before the nodes of a list that may run often: each run of it is a step, also where it writes nothing.
func (w *recorder) step(list *parse.ListNode, text string, start int) {
	if list != nil {
		list.Nodes = slices.Insert(list.Nodes, 0, parse.Node(w.markAt(list.Pos, text, start)))
	}
}

func (w *recorder) instrumentBranch(b *parse.BranchNode, text string, start int) {
	w.instrument(b.List, text, start)
	w.instrument(b.ElseList, text, start)
}

// mistake is an error of one of our functions: what text/template wraps around it says nothing that the position does not.
type mistake struct{ msg, hint string }

func (m *mistake) Error() string { return m.msg }

// noVar is the mistake of a var that is not there.
type noVar struct {
	*mistake
	name string
}

func (n *noVar) Unwrap() error { return n.mistake }

// functionNames are the functions of ours that a template may call.
var functionNames = []string{"secret", "var", "has", "database", "warehouse", "env_name", "quote", "ident", "load"}

func (r *renderer) functions() template.FuncMap {
	return template.FuncMap{
		"secret":    placeholder,
		"var":       r.variable,
		"has":       r.has,
		"database":  func() string { return r.env.Database },
		"warehouse": func() string { return cmp.Or(r.env.Warehouse, "default") }, // as Databend calls that of a server that has no other
		"env_name":  func() string { return r.env.Name },
		"quote":     func(v any) (string, error) { return r.paid(sqltext.Quote(fmt.Sprint(v))) },
		"ident":     r.ident,
		"load":      r.load,
		// Those of text/template that make a text of others, within the budget: doubled forty times in a row it would be all memory.
		"print": r.formatted(fmt.Sprint), "println": r.formatted(fmt.Sprintln), "html": r.formatted(template.HTMLEscaper),
		"js": r.formatted(template.JSEscaper), "urlquery": r.formatted(template.URLQueryEscaper),
		"printf": func(format string, a ...any) (string, error) {
			return r.formatted(func(a ...any) string { return fmt.Sprintf(format, a[1:]...) })(append([]any{format}, a...)...)
		},
	}
}

// formatted is a function that makes a text of others, which may cost as much as they are long; a width or precision is at most a million.
func (r *renderer) formatted(format func(...any) string) func(...any) (string, error) {
	return func(args ...any) (string, error) {
		for _, a := range args {
			if s, ok := a.(string); ok {
				if err := r.budget.spend(0, len(s)); err != nil {
					return "", err
				}
			}
		}
		return r.paid(format(args...))
	}
}

// paid is s, taken from the budget.
func (r *renderer) paid(s string) (string, error) { return s, r.budget.spend(1, len(s)) }

// ident is a value as an identifier.
func (r *renderer) ident(v any) (string, error) {
	name := fmt.Sprint(v)
	switch {
	case name == "":
		return "", &mistake{"ident of an empty text", "an identifier has at least one character"}
	case len(name) > 255:
		return "", &mistake{"ident of a text that is longer than 255 bytes", "no name of an object is so long"}
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", &mistake{"ident of a text with a control character", "take line breaks and the like out of the value"}
	}
	return r.paid(sqltext.Ident(name))
}

// placeholder is what stands for a secret from here to the moment of sending.
func placeholder(name string) (string, error) {
	if !isName(name) {
		return "", &mistake{
			"secret " + strconv.Quote(name) + " is not a name",
			"write letters, digits and _: the name of the secret, never its value",
		}
	}
	return `{{ secret "` + name + `" }}`, nil
}

func (r *renderer) has(name string) bool {
	r.ask(name)
	return r.env.Vars[name] != ""
}

func (r *renderer) ask(name string) {
	if r.asked == nil {
		r.asked = map[string]bool{}
	}
	r.asked[name] = true
}

// unknownVar is the mistake of a --var that no template asks for and dbctl.yaml does not have: it would change nothing.
func (r *renderer) unknownVar(given map[string]string, declared []string) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(declared, name) || r.asked[name] {
			continue
		}
		known := slices.Sorted(slices.Values(append(declared, slices.Collect(maps.Keys(r.asked))...)))
		hint := "no template asks for a var, and " + ConfigFile + " has none"
		if len(known) > 0 {
			hint = didYouMeanVar(name, given[name], known)
		}
		return &Error{Msg: "--var " + name + ": there is no var of this name", Advice: hint}
	}
	return nil
}

func didYouMeanVar(name, value string, known []string) string {
	if near := Nearest(name, known); near != "" {
		return "did you mean --var " + near + "=" + value + "?"
	}
	return "there are " + strings.Join(slices.Compact(known), ", ")
}

func (r *renderer) variable(name string, defaults ...any) (string, error) {
	r.ask(name)
	if len(defaults) > 1 {
		return "", &mistake{"var " + strconv.Quote(name) + " has more than one default", `write {{ var "` + name + `" "default" }}`}
	}
	if v, ok := r.env.Vars[name]; ok {
		return v, nil
	}
	if len(defaults) == 1 {
		v := fmt.Sprint(defaults[0])
		if why := badValue(v); why != "" {
			return "", &mistake{"the default of var " + strconv.Quote(name) + " " + why, "vars are plain values"}
		}
		return v, nil
	}
	if slices.Contains(r.lacking, name) {
		return name, nil
	}
	if env, ok := r.unset[name]; ok {
		return "", &noVar{&mistake{
			"var " + strconv.Quote(name) + " has no value: the environment variable " + env + " is not set",
			"export " + env + "=…, or --var " + name + "=…",
		}, name}
	}
	return "", &noVar{&mistake{
		"no var " + strconv.Quote(name),
		DidYouMean(name, slices.Sorted(maps.Keys(r.env.Vars)), "add it below vars: in "+ConfigFile+", or say --var "+name+"=…"),
	}, name}
}

// load is the COPY of a load, for a task's body.
func (r *renderer) load(name string) (string, error) {
	if r.loads == nil {
		return "", &mistake{"load inside a load", `load "name" stands in migrations only`}
	}
	for _, b := range r.broken {
		if b.Load == name {
			return "", &mistake{"load " + strconv.Quote(name) + " has mistakes of its own", "mend " + b.Path + " first"}
		}
	}
	var names []string
	for i := range r.loads {
		if r.loads[i].Name == name {
			if len(r.loads[i].After) > 0 {
				return "", &mistake{
					"load " + strconv.Quote(name) + " has statements behind its COPY, which a task would not run",
					"let `dbctl load " + name + "` run it, by cron or with --every",
				}
			}
			return r.loads[i].taskSQL(r.env.Database), nil
		}
		names = append(names, r.loads[i].Name)
	}
	return "", &mistake{"no load " + strconv.Quote(name), DidYouMean(name, names, "loads stand in "+LoadsDir+"/")}
}

// notDefined is the hint at a function of templates that is not there: the name of a var may have been meant.
func (r *renderer) notDefined(name string) string {
	if _, ok := r.env.Vars[name]; ok {
		return fmt.Sprintf("write {{ var %q }}", name)
	}
	return DidYouMean(name, functionNames, "there are "+strings.Join(functionNames, ", "))
}

const closeIt = "an action ends with }}"

// unclosed is where an action begins that goes on into the next one, or to the text's end; -1 when each ends before.
func unclosed(text string) int {
	for from := 0; ; {
		open := strings.Index(text[from:], "{{")
		if open < 0 {
			return -1
		}
		open += from
		end, next := strings.Index(text[open:], "}}"), strings.Index(text[open+2:], "{{")
		if end < 0 || next >= 0 && next+2 < end {
			return open
		}
		from = open + end
	}
}

// failed makes an *Error of one of text/template for the part of src that starts at start.
func (r *renderer) failed(src *source, text string, start int, err error) error {
	// The rules are made here, on the way out, and not at each start. name:line, and the column of errors at execution, in
	// bytes from 0.
	failure := regexp.MustCompile(`(?s)^template: [^:]*:(\d+)(?::(\d+))?: (.*)$`)
	executing := regexp.MustCompile(`(?s)^executing "[^"]*" at <.*?>: `)
	quotedName := regexp.MustCompile(`"([^"]+)"`)
	m := failure.FindStringSubmatch(err.Error())
	if m == nil {
		return &Error{Place: sqltext.Place{File: src.path}, Msg: "template: " + err.Error()}
	}
	line, _ := strconv.Atoi(m[1])
	from := 0 // offset in text of the line
	for range line - 1 {
		from += strings.IndexByte(text[from:], '\n') + 1
	}
	msg, hint := "template: "+executing.ReplaceAllString(m[3], ""), ""
	at := from
	if m[2] != "" {
		column, _ := strconv.Atoi(m[2])
		at += column
	} else { // a parse error says the line only: show the action, or in it the word that the message quotes
		rest, _, _ := strings.Cut(text[from:], "\n")
		if open := unclosed(text[:from+len(rest)]); open >= 0 {
			return src.errorAt(start+open, "template: {{ is not closed", closeIt)
		}
		at += max(0, strings.Index(rest, "{{"))
		if q := quotedName.FindStringSubmatch(m[3]); q != nil {
			at = max(at, from+strings.Index(rest, q[1]))
			if strings.HasPrefix(m[3], "function ") {
				hint = r.notDefined(q[1])
			}
		}
	}
	own, ok := errors.AsType[*mistake](err)
	switch {
	case ok:
		msg, hint = own.msg, own.hint
	case strings.Contains(msg, `unexpected "}"`) || strings.Contains(msg, "unclosed action"):
		hint = closeIt
	case strings.Contains(msg, "unexpected EOF") || strings.Contains(msg, "unexpected {{"):
		hint = "each {{ if }}, {{ with }} and {{ range }} ends with one {{ end }}, in the same section"
	case hint == "":
		hint = `write {{ var "name" }} or {{ secret "NAME" }}: names in double quotes, without brackets`
	}
	return src.errorAt(start+min(at, len(text)), msg, hint)
}
