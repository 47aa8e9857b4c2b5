package effect

import (
	"fmt"
	"testing"
)

func TestTemporary(t *testing.T) {
	var temp Temporary
	for _, tt := range []struct{ sql, want string }{
		{"COPY INTO t FROM @s", "flashback true [t]"},
		{"CREATE TEMP TABLE t (a INT)", "none false []"},
		{"COPY INTO t FROM @s", "none false []"},
		{"INSERT INTO u SELECT * FROM t", "flashback false [u]"},
		{"ALTER TABLE t RENAME TO w", "none false []"},
		{"INSERT INTO t VALUES (1)", "flashback false [t]"},
		{"UPDATE w SET a = 1", "none false []"},
		{"DROP TABLE w", "none false []"},
		{"COPY INTO w FROM @s", "flashback true [w]"},
	} {
		e := temp.Follow(Analyze(tt.sql, "db"))
		names := []string{}
		for _, w := range e.Writes {
			names = append(names, w.Name)
		}
		if got := fmt.Sprintf("%v %t %v", e.Class, e.Copy, names); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.sql, got, tt.want)
		}
	}
}
