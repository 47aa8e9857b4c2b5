package project

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

var (
	migrationKeys = []string{"allow", "adopt", sqltext.LintIgnore}
	allowed       = []string{"irreversible", "out-of-order"}
	loadKeys      = []string{
		"filename-column", "optional", "pattern", "window", "on-changed", "rule", "empty", "expect-every",
		sqltext.LintIgnore,
	}
	onChanged  = []string{"fail", "skip", "replace"}
	ruleLevels = []string{"off", "warn", "fail"}
)

// badHeader is an *Error at a header.
func badHeader(src *source, h sqltext.Header, msg, hint string) error {
	return src.errorAt(h.Pos.Offset, msg, hint)
}

// checkMigrationHeaders checks the headers of a migration: each gives a consent, and says why.
func checkMigrationHeaders(src *source, headers []sqltext.Header) error {
	var mistakes []error
	for _, h := range headers {
		if msg, hint := badConsent(h); msg != "" {
			mistakes = append(mistakes, badHeader(src, h, msg, hint))
		}
	}
	return errors.Join(mistakes...)
}

// badConsent says what is wrong with a header of a migration.
func badConsent(h sqltext.Header) (msg, hint string) {
	form := `write -- dbctl: ` + h.Key + ` "why"`
	switch h.Key {
	case "allow":
		if !slices.Contains(allowed, h.Value) {
			return "allow=" + h.Value + " allows nothing", DidYouMean(h.Value, allowed, "it may be "+strings.Join(allowed, " or "))
		}
		form = `write -- dbctl: allow=` + h.Value + ` "why"`
	case "adopt":
		if h.Value != "" {
			return "adopt takes no value", form
		}
	case sqltext.LintIgnore:
		form = "write " + lintIgnoreForm
		if h.Value == "" {
			return "lint-ignore names no rule", form
		}
	default:
		return unknownHeader(h, migrationKeys, loadKeys, "a load")
	}
	if h.Why == "" {
		return h.Key + " says no reason", form
	}
	return "", ""
}

func unknownHeader(h sqltext.Header, keys, others []string, where string) (msg, hint string) {
	near := keys
	if slices.Contains(keys, "allow") { // allow-irreversible is the name of the flag
		near = append(slices.Clone(keys), "allow="+allowed[0], "allow="+allowed[1])
	}
	hint = DidYouMean(h.Key, near, "there are "+strings.Join(keys, ", "))
	if slices.Contains(others, h.Key) {
		hint = h.Key + " is a header of " + where
	}
	return "unknown header " + h.Key, hint
}

// RuleNames are the rules of package load that a header may name.
var RuleNames = []string{
	"vector-null", "vector-nan", "srid-zero", "swapped-axes", "fraction", "decimal-digits", "decimal-nan", "time-range", "struct-names",
	"binary-json", "json-object", "header", "ragged",
}

// lintIgnoreForm is how a rule of lint is silenced. Which rules there are is for lint to say.
const lintIgnoreForm = `-- dbctl: lint-ignore=RULE "why"`

// readLoadHeaders reads the headers of a load. copied is its COPY, whose columns the headers name; nil where that could not be read.
func readLoadHeaders(src *source, headers []sqltext.Header, copied *copytext.Copy) (LoadHeader, error) {
	var l LoadHeader
	var mistakes []error
	bad := func(h sqltext.Header, msg, hint string) { mistakes = append(mistakes, badHeader(src, h, msg, hint)) }
	seen := map[string]bool{}
	for _, h := range headers {
		once := h.Key
		if h.Key == "rule" {
			once = "rule " + h.Value[:max(0, strings.IndexByte(h.Value, ':'))]
		}
		switch {
		case !slices.Contains(loadKeys, h.Key):
			msg, hint := unknownHeader(h, loadKeys, migrationKeys, "a migration")
			bad(h, msg, hint)
			continue
		case seen[once]:
			bad(h, "header "+once+" stands twice", "keep one of them")
			continue
		case h.Value == "":
			bad(h, "header "+h.Key+" has no value", "write -- dbctl: "+h.Key+"=…")
			continue
		}
		if h.Key == sqltext.LintIgnore {
			if h.Why == "" {
				bad(h, "lint-ignore says no reason", "write "+lintIgnoreForm)
			}
			continue
		}
		seen[once] = true
		if copied == nil && slices.Contains([]string{"filename-column", "optional", "pattern", "window"}, h.Key) {
			continue
		}
		if msg, hint := l.set(h, copied); msg != "" {
			bad(h, msg, hint)
		}
	}
	if copied != nil && l.OnChanged == "replace" && l.FilenameColumn == "" && !seen["filename-column"] {
		i := slices.IndexFunc(headers, func(h sqltext.Header) bool { return h.Key == "on-changed" })
		bad(headers[i], "on-changed=replace needs filename-column=",
			"name the column that the load fills with METADATA$FILENAME: the rows of a changed file are found by it")
	}
	return l, errors.Join(mistakes...)
}

// set takes one header into l; msg says what is wrong with it.
func (l *LoadHeader) set(h sqltext.Header, copied *copytext.Copy) (msg, hint string) {
	switch h.Key {
	case "filename-column":
		names := columnList(h.Value)
		if len(names) > 1 {
			return "filename-column= names more than one column", "a name with a comma or a blank in it stands in backquotes"
		}
		if copied.Columns != nil && !containsFold(copied.Columns, names[0]) {
			return "the COPY fills no column " + names[0],
				DidYouMean(names[0], copied.Columns, "add it to the column list, and METADATA$FILENAME to the SELECT")
		}
		l.FilenameColumn = names[0]
	case "optional":
		known, hint := []string(nil), "optional= names columns of the files, as the SELECT has them"
		for _, item := range copied.Select {
			if item.Column != "" {
				known = append(known, item.Column)
			}
		}
		if len(known) == 0 && copied.Select != nil {
			hint = "a field by its number, or a key of $1, is NULL where a row lacks it, without optional="
		}
		for _, column := range columnList(h.Value) {
			if !containsFold(known, column) {
				return "the SELECT reads no column " + strconv.Quote(column),
					DidYouMean(column, known, hint)
			}
			l.Optional = append(l.Optional, column)
		}
	case "pattern":
		if o := option(*copied, "PATTERN", "FILES"); o != "" {
			return "pattern= stands beside " + o + " in the COPY", "keep one of them"
		}
		l.Pattern = h.Value
		if l.Pattern[0] == '\'' { // as in a COPY
			n := len(l.Pattern)
			if n == 1 || l.Pattern[n-1] != '\'' {
				return "pattern= is not closed with a quote", "write -- dbctl: pattern='.*[.]parquet'"
			}
			l.Pattern = strings.ReplaceAll(l.Pattern[1:n-1], "''", "'")
		}
		if wrong := copytext.BadPattern(l.Pattern); wrong != "" {
			return "pattern= is no regular expression: " + wrong, "write -- dbctl: pattern='.*[.]parquet'"
		}
	case "window":
		w, err := ParseWindow(h.Value)
		if err != nil {
			return err.Error(), `write -- dbctl: window=capture_date=%Y-%m-%d 7d`
		}
		if p := copied.Path; p != "" && !strings.HasSuffix(p, "/") {
			return "window=" + h.Value + " is about folders below the location, which does not end in /", "write " + copied.Place() + "/ in the COPY"
		}
		l.Window = w
	case "on-changed":
		if !slices.Contains(onChanged, h.Value) {
			return "on-changed=" + h.Value + " is unknown", DidYouMean(h.Value, onChanged, "it may be "+strings.Join(onChanged, ", "))
		}
		l.OnChanged = h.Value
	case "rule":
		const form = `write -- dbctl: rule=NAME:off|warn|fail "why"`
		name, level, _ := strings.Cut(h.Value, ":")
		switch {
		case name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "":
			return "rule= names no rule", form
		case !slices.Contains(ruleLevels, level):
			return "rule " + name + " is neither off nor warn nor fail", form
		case h.Why == "":
			return "rule " + name + " says no reason", form
		case !slices.Contains(RuleNames, name):
			return "there is no rule " + name, DidYouMean(name, RuleNames, "it may be "+strings.Join(RuleNames, ", "))
		}
		if l.Rules == nil {
			l.Rules = map[string]string{}
		}
		l.Rules[name] = level
	case "expect-every":
		span, ok := parseSpan(h.Value)
		if !ok {
			return "expect-every=" + h.Value + " is no length of time", "write -- dbctl: expect-every=24h"
		}
		l.ExpectEvery = span
	case "empty":
		if h.Value != "ok" {
			return "empty=" + h.Value + " is unknown", "write -- dbctl: empty=ok"
		}
		l.EmptyOK = true
	}
	return "", ""
}

// columnList are the names of a list; one that holds a blank or a comma stands in backquotes.
func columnList(list string) (names []string) {
	list += ","
	words, _ := sqltext.ReadWords(list) // of what cannot be read the rest is a name, which no column has
	from := 0
	add := func(to int) {
		name := strings.TrimSpace(list[from:to])
		if len(name) > 2 && name[0] == '`' && name[len(name)-1] == '`' {
			name = sqltext.FoldIdent(name)
		}
		names = append(names, name)
	}
	for i, t := range words.Tokens {
		if words.Symbol(i, ",") {
			add(t.Start)
			from = t.End
		}
	}
	if from < len(list) {
		add(len(list) - 1)
	}
	return names
}

// MayLack reports whether files may lack a column: NULL stands in its place.
func (l LoadHeader) MayLack(column string) bool { return containsFold(l.Optional, column) }

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, s) })
}

// option returns the first of these options that the COPY has.
func option(c copytext.Copy, names ...string) string {
	for _, o := range c.Options {
		if slices.Contains(names, o.Name) {
			return o.Name
		}
	}
	return ""
}
