package ui

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/dbctl/dbctl/internal/event"
)

// TestTablesFit: a table takes no more columns of a terminal than there are, whatever is written in it, and its columns stand below
// each other; off a terminal nothing is cut.
func TestTablesFit(t *testing.T) {
	t.Parallel()
	for name, long := range map[string]string{
		"path": strings.Repeat("year=2026/", 20) + "a.parquet", "CJK": strings.Repeat("東京都の交通", 20), "emoji": strings.Repeat("🚦", 60),
		"escapes": strings.Repeat("\x1b[2J", 30),
	} {
		for _, width := range []int{80, 140, 0} {
			tx := &text{o: Options{TableWidth: func() int { return width }}}
			for what, got := range map[string]string{
				"migrations": tx.migrationTable([]event.Migration{{Version: 2, State: "pending", Name: long}, {Version: 1, State: "applied", Name: "a", Reason: long}}),
				"loads":      tx.loadTable([]event.LoadState{{Load: "a", Table: "db." + long, Reason: long}, {Load: "東京", Table: "db.t"}}),
				"files":      (&text{o: tx.o, loadHead: "load a → t\n"}).fileTable([]event.File{{Load: "a", Table: "t", Path: long, Outcome: "failed", Reason: long}}),
			} {
				for line := range strings.Lines(got) {
					if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); width > 0 && n > width {
						t.Errorf("%s of %s at %d: a line takes %d: %s", what, name, width, n, line)
					}
				}
				if width == 0 && what == "migrations" && !strings.Contains(got, visible(long)) {
					t.Errorf("%s: off a terminal it is cut: %s", name, got)
				}
				if what == "migrations" && strings.Index(got, "applied") > strings.Index(got, "pending") {
					t.Errorf("%s: version 2 stands above 1: %s", name, got)
				}
			}
		}
	}
	if got, want := table([][]string{{"A", "B"}, {"東京", "x"}, {"abc", "y"}}), "A     B\n東京  x\nabc   y\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
