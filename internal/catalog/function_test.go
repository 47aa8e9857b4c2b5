package catalog

import (
	"testing"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// What the engine shows of a function is read by tokens: the words of its literals say nothing.
func TestRebuildFunction(t *testing.T) {
	t.Parallel()
	for def, want := range map[string]string{
		" (x) -> x + 1":                            "CREATE OR REPLACE FUNCTION f AS (x) -> x + 1",
		` (x) -> concat(x, ' AS $$ ', '-- \'')`:    `CREATE OR REPLACE FUNCTION f AS (x) -> concat(x, ' AS $$ ', '-- \'')`,
		" (x, y) -> array_map(x, z -> z + y)":      "CREATE OR REPLACE FUNCTION f AS (x, y) -> array_map(x, z -> z + y)",
		" (x INT) RETURNS INT AS $$ x -> 2 $$":     "CREATE OR REPLACE FUNCTION f (x INT) RETURNS INT AS $$ x -> 2 $$",
		" (x INT) RETURNS (a INT) AS $$ SELECT $$": "CREATE OR REPLACE FUNCTION f (x INT) RETURNS TABLE (a INT) AS $$ SELECT $$",
		"something else":                           "",
	} {
		got := ""
		if s := rebuildFunction(ObjectState{Object: sqltext.Object{Kind: sqltext.Function, Name: "f"}, Facts: map[string]string{"language": "SQL", "definition": def}}, ObjectState{}, effect.Text); s != nil {
			got = s[0]
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", def, got, want)
		}
	}
}
