package ui

import (
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
)

// finding shows what lint found, in the form that editors jump to: file:line:column: level: message [rule].
func (t *text) finding(f event.Finding) {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(place(Failure{File: f.File, Line: f.Line, Column: f.Column}) + ": ")
	}
	fmt.Fprintf(&b, "%s: %s [%s]\n", t.paint(f.Level), f.Message, f.Rule)
	if f.Hint != "" && !t.o.Quiet {
		b.WriteString("  " + t.paint("hint:") + " " + f.Hint + "\n")
	}
	t.out(b.String())
}

// check shows one line of doctor, and below it the mend of what is not well.
func (t *text) check(c event.Check) {
	word := "ok"
	if !c.OK {
		word = "fail"
	}
	line := fmt.Sprintf("%s%s  %-14s %s\n", t.paint(word), strings.Repeat(" ", 4-len(word)), c.Name, c.Detail)
	if c.Hint != "" {
		line += "      " + t.paint("hint:") + " " + c.Hint + "\n"
	}
	t.out(line)
}
