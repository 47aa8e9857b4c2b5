package ui

import (
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/event"
)

// TestResult: rows fit the terminal, or are cut, or stand downwards; off one they are whole.
func TestResult(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 50)
	for name, tc := range map[string]struct {
		width int
		p     event.Preview
		want  string
	}{
		"fits": {80, event.Preview{Columns: []string{"id", "name"}, Rows: [][]*string{{ptr("1"), ptr("")}, {ptr("22"), nil}}}, "id  name\n1\n22  NULL\n2 rows\n"},
		"none": {80, event.Preview{Columns: []string{"id", "name"}}, "id  name\n0 rows\n"},
		"cut": {
			30,
			event.Preview{Columns: []string{"id", "text"}, Rows: [][]*string{{ptr("1"), &long}, {ptr("2"), ptr("y")}}},
			"id  text\n1   " + strings.Repeat("x", 25) + "…\n2   y\n2 rows\n",
		},
		"one row that does not fit": {30, event.Preview{Columns: []string{"id", "text"}, Rows: [][]*string{{ptr("1"), &long}}}, "id    1\ntext  " + long + "\n"},
		"one row of several lines":  {0, event.Preview{Columns: []string{"t", "sql"}, Rows: [][]*string{{ptr("a"), ptr("CREATE\n  x\n")}}}, "t    a\nsql  CREATE\n       x\n"},
		"off a terminal":            {0, event.Preview{Columns: []string{"text"}, Rows: [][]*string{{&long}, {ptr("y")}}}, "text\n" + long + "\ny\n2 rows\n"},
	} {
		if got := resultText(tc.p, tc.width, false); got != tc.want {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}
