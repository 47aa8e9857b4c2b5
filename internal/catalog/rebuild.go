package catalog

import (
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// comment is the clause of what was captured.
func (o ObjectState) comment() string {
	if o.Facts["comment"] == "" {
		return ""
	}
	return " COMMENT = " + sqltext.Quote(o.Facts["comment"])
}

func rebuildSetting(was, _ ObjectState, _ effect.Aspect) []string {
	return []string{"SET GLOBAL " + was.Name + " = " + sqltext.Quote(was.Facts["value"])}
}

func rebuildTag(was, now ObjectState, _ effect.Aspect) []string {
	values := ""
	if v := strings.TrimSuffix(strings.TrimPrefix(was.Facts["allowed values"], "["), "]"); v != "" {
		values = " ALLOWED_VALUES = (" + v + ")"
	}
	out := []string{"CREATE TAG IF NOT EXISTS " + was.SQL() + values + was.comment()}
	if now.Exists { // there is no ALTER TAG
		out = append([]string{"DROP TAG IF EXISTS " + was.SQL()}, out...)
	}
	return out
}

func rebuildNetworkPolicy(was, _ ObjectState, _ effect.Aspect) []string {
	lists := "ALLOWED_IP_LIST = " + quotedList(was.Facts["allowed"])
	if was.Facts["blocked"] != "" {
		lists += " BLOCKED_IP_LIST = " + quotedList(was.Facts["blocked"])
	}
	return []string{"CREATE OR REPLACE NETWORK POLICY " + was.SQL() + " " + lists + was.comment()}
}

func rebuildPasswordPolicy(was, _ ObjectState, _ effect.Aspect) []string {
	var options []string
	for kv := range strings.SplitSeq(was.Facts["options"], ",") {
		options = append(options, "PASSWORD_"+strings.TrimSpace(kv))
	}
	return []string{"CREATE OR REPLACE PASSWORD POLICY " + was.SQL() + " " + strings.Join(options, " ") + was.comment()}
}

// rebuildRole makes the role; what it was granted is granted by who restores it.
func rebuildRole(was, _ ObjectState, _ effect.Aspect) []string {
	return []string{"CREATE ROLE IF NOT EXISTS " + was.SQL()}
}

// userOptions are what ALTER USER … WITH changes, by the fact that shows it: how it is set, and how it is where the fact is empty.
var userOptions = []struct {
	fact, set, unset string
	flag             bool // set takes no value
}{
	{"disabled", "DISABLED = true", "DISABLED = false", true},
	{"must change password", "MUST_CHANGE_PASSWORD = true", "MUST_CHANGE_PASSWORD = false", true},
	{"default role", "DEFAULT_ROLE = ", "DEFAULT_ROLE = ''", false},
	{"network policy", "SET NETWORK POLICY = ", "UNSET NETWORK POLICY", false},
	{"password policy", "SET PASSWORD POLICY = ", "UNSET PASSWORD POLICY", false},
}

// rebuildUser puts back what ALTER USER … WITH changes. Its password is not shown.
func rebuildUser(was, now ObjectState, wrote effect.Aspect) []string {
	if !now.Exists || wrote.Has(effect.Existence) {
		return nil
	}
	var options []string
	for _, o := range userOptions {
		switch v := was.Facts[o.fact]; {
		case v == now.Facts[o.fact]:
		case v == "":
			options = append(options, o.unset)
		case o.flag:
			options = append(options, o.set)
		default:
			options = append(options, o.set+sqltext.Quote(v))
		}
	}
	if options == nil {
		return []string{}
	}
	return []string{"ALTER USER " + was.SQL() + " WITH " + strings.Join(options, ", ")}
}

// rebuildStage can put back a comment; of the rest the keys are not shown, and replacing an internal stage deletes its files.
func rebuildStage(was, now ObjectState, wrote effect.Aspect) []string {
	if wrote&^effect.Owner != effect.Comment || !now.Exists {
		return nil
	}
	return []string{"ALTER STAGE " + was.SQL() + " SET COMMENT = " + sqltext.Quote(was.Facts["comment"])}
}

// rebuildSequence goes on where the sequence was, or further: values that were given away are never given again.
func rebuildSequence(was, now ObjectState, _ effect.Aspect) []string {
	start := was.Facts["current"]
	if now.Exists && Behind(start, now.Facts["current"]) {
		start = now.Facts["current"]
	}
	return []string{fmt.Sprintf("CREATE OR REPLACE SEQUENCE %s START = %s INCREMENT = %s%s", was.SQL(), start, was.Facts["interval"],
		was.comment())}
}

func rebuildIndex(was, _ ObjectState, _ effect.Aspect) []string {
	return []string{"CREATE OR REPLACE AGGREGATING INDEX " + was.SQL() + " AS " + was.Facts["as"]}
}

// rebuildFunction turns the shown definition into a statement: "(x) -> x + 1" of a lambda needs AS, a table function shows
// RETURNS (…). A script's runtime version and options are shown in a form that is not read back.
func rebuildFunction(was, _ ObjectState, _ effect.Aspect) []string {
	definition := strings.TrimSpace(was.Facts["definition"])
	words, err := sqltext.ReadWords(definition)
	p := &sqltext.Reader{Words: words}
	if err != nil || !strings.EqualFold(was.Facts["language"], "SQL") || !p.SkipBrackets() {
		return nil
	}
	switch {
	case p.TakeSymbol("->"):
		definition = "AS " + definition
	case !p.Take("RETURNS"):
		return nil
	case p.Symbol(p.I, "("):
		definition = definition[:p.Offset()] + "TABLE " + definition[p.Offset():]
	}
	if was.Facts["description"] != "" {
		definition += " DESC = " + sqltext.Quote(was.Facts["description"])
	}
	return []string{"CREATE OR REPLACE FUNCTION " + was.SQL() + " " + definition}
}

// wholeFormats are the types of file formats whose shown options are all that there are.
var wholeFormats = map[string]bool{"CSV": true, "TSV": true, "TEXT": true, "JSON": true, "ORC": true, "NDJSON": true}

// rebuildFormat turns the shown options into a statement. NDJSON's have a comma behind the type, and a misspelt name.
func rebuildFormat(was, _ ObjectState, _ effect.Aspect) []string {
	format := was.Facts["format"]
	words, err := sqltext.ReadWords(format)
	p := &sqltext.Reader{Words: words}
	if err != nil || !p.Take("TYPE") || !p.TakeSymbol("=") {
		return nil
	}
	kind, ok := p.Ident()
	if kind = strings.ToUpper(kind); !ok || !wholeFormats[kind] {
		return nil
	}
	p.TakeSymbol(",")
	var b strings.Builder
	b.WriteString("CREATE OR REPLACE FILE FORMAT " + was.SQL() + " TYPE = " + kind)
	at := p.EndOffset()
	for ; p.I < len(p.Tokens); p.I++ {
		if p.IsWord("NULL_FIELDS_AS") {
			b.WriteString(format[at:p.Offset()] + "NULL_FIELD_AS")
			at = p.Tokens[p.I].End
		}
	}
	return []string{b.String() + format[at:]}
}

func quotedList(commas string) string {
	parts := strings.Split(commas, ",")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
	}
	return "(" + sqltext.Literals(parts) + ")"
}

// listed is how the text begins that the engine keeps of a view with a column list. A query that a person wrote never begins like
// that, since the engine writes its words in capitals.
const listed = "select * from ("

// ViewBody is what follows a view's name in the statement that gives it the text that the engine keeps. Of a view with a column list it
// keeps `select * from (QUERY) VIEW(COLUMNS)`, with no name quoted, and it writes a query of that form in another way: it is given the
// list again. certain is false where that text cannot be had again: VIEW is what a view was called before it was renamed, and of
// COLUMNS that the engine itself cannot read nobody knows whether a comma is part of a name.
func ViewBody(was ObjectState) (body string, certain bool) {
	if !strings.HasPrefix(was.Query, listed) {
		return " AS " + was.Query, true
	}
	tail := ") " + was.Name + "("
	end := strings.LastIndex(was.Query, tail)
	known := tail + strings.Join(was.List, ", ") + ")"
	if len(was.List) > 0 {
		end = len(was.Query) - len(known)
	}
	if end < len(listed) || !strings.HasSuffix(was.Query, ")") ||
		len(was.List) > 0 && !strings.EqualFold(was.Query[end:], known) { // it reads names in lower case
		return " AS " + was.Query, false
	}
	names := strings.Split(was.Query[end+len(tail):len(was.Query)-1], ", ")
	for i, n := range names {
		names[i] = sqltext.Ident(n)
	}
	return " (" + strings.Join(names, ", ") + ") AS " + was.Query[len(listed):end], len(names) == max(len(was.List), 1)
}
