// Package lint finds what hurts in a project, before a server sees it: statements that lose data, what cannot be undone, keys in
// clear, loads that do not fit their tables. It is offline and finds everything at once.
//
// A rule is a value: its name, level, reason and check. What it finds and what it does not stands in testdata/examples.txtar, which the
// tests run; docs/lint.md is written from both. The statements are folded in the order in which they would run
// (package schema), so that a rule sees the objects as they are right before each statement.
//
//	lint.go       Rule, Run
//	pass.go       what a rule sees of a project
//	ignore.go     -- dbctl: lint-ignore=RULE "why"
//	rules.go      all rules; one file for each group of them
//	base.go       the migrations of another git commit
//	render.go     SARIF, GitHub's annotations, the list of rules
package lint

import (
	"cmp"
	"slices"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
)

// Level says how bad a finding is.
type Level string

// The levels. An error loses data, leaks a key or cannot work; a warning is probably not meant.
const (
	Error   Level = "error"
	Warning Level = "warning"
)

// Report takes a finding about a statement; at is an offset in it.
type Report func(at int, message, hint string)

// Rule is one thing that lint looks for. A rule has one or more of the five checks.
type Rule struct {
	Name  string
	Level Level
	Short string // what it finds, in half a sentence
	Why   string // why that hurts

	statement func(*pass, *statement)         // each statement of each section, before its effect is folded
	text      func(sql string, report Report) // each statement, those of loads too, as nothing but its text
	migration func(*pass, *migration)         // each migration, with the objects before and after its sections
	load      func(*pass, *project.Load)
	whole     func(*pass) // the project, with the objects as all Up sections leave them
}

// Options say what to look at besides the project.
type Options struct {
	Base *Base // the migrations of another commit, of --base
}

// Run returns what the rules find, by file and line. mistakes are the findings that reading the project gave already.
func Run(p *project.Project, o Options, mistakes ...event.Finding) []event.Finding {
	pass := newPass(p, o)
	pass.run(rules)
	findings := append(mistakes, pass.silence()...)
	slices.SortStableFunc(findings, func(a, b event.Finding) int {
		return cmp.Or(a.Compare(b.Place), cmp.Compare(a.Rule, b.Rule))
	})
	return slices.Compact(findings)
}

// Mistake is the rule of a file that cannot be read: what package project says.
const Mistake = "project"

// Errors counts the findings of level error.
func Errors(findings []event.Finding) int {
	n := 0
	for _, f := range findings {
		if f.Level == string(Error) {
			n++
		}
	}
	return n
}
