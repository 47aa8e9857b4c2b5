package ui

import (
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
)

// finding shows what lint found, in the form that editors jump to: file:line:column: level: message [rule].
func (t *text) finding(f event.Finding) {
	at := visible(f.Tell(""))
	line := Wrap(fmt.Sprintf("%s%s: %s [%s]", at, f.Level, f.Message, f.Rule), t.width(), 2)
	t.out(at + t.paint(f.Level) + strings.TrimPrefix(line, at+f.Level) + "\n")
	if f.Hint != "" && !t.o.Quiet {
		t.out(Wrap("  hint: "+f.Hint, t.width(), 4) + "\n")
	}
}

// check shows one line of doctor, and below it the mend of what is not well.
func (t *text) check(c event.Check) {
	word := "ok"
	if !c.OK {
		word = "fail"
	}
	const in = 6 // where the name begins
	name := visible(c.Name) + pad(visible(c.Name), 14) + " "
	line := Wrap(strings.Repeat(" ", in)+name+c.Detail, t.width(), in+len(name))
	t.out(t.paint(word) + pad(word, in) + strings.TrimLeft(line, " ") + "\n")
	if c.Hint != "" {
		t.out(Wrap("      hint: "+c.Hint, t.width(), 8) + "\n")
	}
}
