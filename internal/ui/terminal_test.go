package ui

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hinshun/vt10x"
)

// display is what a terminal shows of an output, and what the output did to it besides.
type display struct {
	lines   []string
	colored bool   // some of its characters are
	odd     string // one that is as dbctl makes none: of another colour, underlined, blinking
	rest    string // title, modes, where the cursor is, what it answered
}

// onTerminal writes an output to the emulator of a terminal that has room for all of it.
func onTerminal(output string) display {
	var answers bytes.Buffer
	rows := strings.Count(output, "\n") + 2
	columns := 1
	for line := range strings.Lines(output) {
		columns = max(columns, len(line)+8*strings.Count(line, "\t")+1)
	}
	term := vt10x.New(vt10x.WithSize(columns, rows), vt10x.WithWriter(&answers))
	_, _ = io.WriteString(term, strings.ReplaceAll(output, "\n", "\r\n")) // as the kernel does
	var s display
	for y := range rows {
		var line strings.Builder
		for x := range columns {
			g := term.Cell(x, y)
			line.WriteRune(g.Char)
			const bold = 4
			if g.BG != vt10x.DefaultBG || g.Mode&^bold != 0 || !slices.Contains([]vt10x.Color{vt10x.DefaultFG, vt10x.Red, vt10x.Green, vt10x.Yellow}, g.FG) {
				s.odd = fmt.Sprintf("%q in line %d: %+v", g.Char, y, g)
			}
			s.colored = s.colored || g.FG != vt10x.DefaultFG || g.Mode != 0
		}
		s.lines = append(s.lines, strings.TrimRight(line.String(), " "))
	}
	c := term.Cursor()
	s.rest = fmt.Sprintf("title %q, mode %d, cursor at %d, %v, answers %q", term.Title(), term.Mode(), c.Y, term.CursorVisible(), answers.String())
	return s
}

// plainly is the same for an output of which nothing is obeyed but line breaks, tabs, and what dbctl itself sends.
func plainly(output string) (lines []string, rest string) {
	for line := range strings.SplitSeq(output, "\n") {
		if i := strings.LastIndex(line, "\r\x1b[K"); i >= 0 { // the status line is drawn over what was there
			line = line[i+len("\r\x1b[K"):]
		}
		var b strings.Builder
		for _, r := range ours.ReplaceAllString(line, "") {
			if r == '\t' {
				b.WriteString(strings.Repeat(" ", 8-len([]rune(b.String()))%8))
				continue
			}
			b.WriteRune(r)
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	rest = fmt.Sprintf("title %q, mode %d, cursor at %d, true, answers %q", "", vt10x.New().Mode(), len(lines)-1, "")
	return append(lines, ""), rest
}

// TestTerminal: a terminal shows each line of an output where it belongs, whatever stands in the texts of every widget: none moves the
// cursor, hides or changes a line, sets the title or a mode, asks the terminal anything, or has other colours than dbctl gives.
func TestTerminal(t *testing.T) {
	t.Parallel()
	obeyed := 0
	for _, text := range hostile {
		lines, rest := plainly(text + " end\n")
		if s := onTerminal(text + " end\n"); !slices.Equal(s.lines, lines) || s.rest != rest {
			obeyed++
		}
	}
	if obeyed < 8 { // the emulator knows no C1, and shows what changes the direction of a text
		t.Errorf("the emulator obeys %d of the hostile texts as they are: nothing is proved", obeyed)
	}
	for name, text := range hostile {
		for what, show := range widgets(text) {
			for _, o := range []Options{{}, {Verbose: true, FullSQL: true, OutColor: true, ErrColor: true}, {JSON: true}, {ErrTerminal: true, ErrColor: true}} {
				out := shown(o, show)
				got := onTerminal(out)
				lines, rest := plainly(out)
				if !slices.Equal(got.lines, lines) || got.rest != rest {
					t.Errorf("%s in %s (%+v): the terminal shows\n%s\n%s, want\n%s\n%s", name, what, o.JSON,
						strings.Join(got.lines, "\n"), got.rest, strings.Join(lines, "\n"), rest)
				}
				if got.odd != "" || got.colored && !o.OutColor && !o.ErrColor {
					t.Errorf("%s in %s: coloured %v, %s", name, what, got.colored, got.odd)
				}
			}
		}
	}
}
