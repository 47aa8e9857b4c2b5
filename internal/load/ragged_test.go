package load

import (
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// A COPY with a select list takes rows of any width. The rule ragged finds files whose rows are of several, and nothing in those that are
// even: empty fields, NULLs and quoted ones count, and what the load does not read does not.
func TestRaggedRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, content := range map[string]string{
		"even.csv":  "id;name;more\n1;x;\n2;;\n3;\\N;7\n4;\"a;b\";1\n\n",
		"wide.csv":  "id;name;more;yet\n1;x;2;3\n1;x;2;3;4;5\n",
		"short.csv": "id;name;more\n1;x;2\n2\n",
		"long.csv":  "id;name;more\n1;x;2\n2;Smith; John;2\n",
		"bad.csv":   "id;name;more\none;x;2\n",
	} {
		w.Put(t, "p/"+name, []byte(content))
	}
	of := func(change ...func(*project.Load)) project.Load {
		return w.load("COPY INTO t (id, name) FROM (SELECT $1::INT, concat($2, $3) FROM @st/p/) FILE_FORMAT = (TYPE = CSV, SKIP_HEADER = 1, "+
			"FIELD_DELIMITER = ';', NULL_DISPLAY = '\\\\N')", change...)
	}
	rule := func(level string) func(*project.Load) {
		return func(ld *project.Load) { ld.Rules = map[string]string{"ragged": level} }
	}
	for level, names := range map[string]int{"": 1, "warn": 1, "off": 1, "fail": 3} {
		ld := of()
		if level != "" {
			ld = of(rule(level))
		}
		w.wantExit(w.validate(ld, plan.Options{}), exit.Check, map[int]string{1: "1 invalid file: p/bad.csv", 3: "3 invalid files"}[names])
		said := w.notes()
		warned := level == "" || level == "warn"
		short, long := strings.Contains(said, "p/short.csv: row 3 has fewer than 3"), strings.Contains(said, "p/long.csv: row 3 has more than 3")
		if short != warned || long != warned || strings.Contains(said, "even.csv") || strings.Contains(said, "wide.csv") {
			t.Errorf("rule %q: %s", level, said)
		}
	}
	_, err := w.run(of(rule("fail")), plan.Options{})
	w.wantExit(err, exit.Partly, "3 bad files, the others are loaded", "p/long.csv (row 3 has more than 3 fields, and others have not",
		"p/short.csv (row 3 has fewer")
	w.wantRows(6)
	_, err = w.run(of(), plan.Options{}) // whose text is the same, and whose rule is not: as in a file of its own
	w.wantExit(err, exit.Partly)
	if said := w.notes(); strings.Contains(said, "ragged") {
		t.Errorf("a run looks without being told to: %s", said)
	}
}
