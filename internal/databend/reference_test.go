package databend

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/golden"
)

// TestErrorsReference holds docs/errors.md to the code.
func TestErrorsReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# The server's errors\n\n" +
		"This page is written from the code (`go test ./internal/databend -run TestErrorsReference -update`). Databend sends a code and a message;\n" +
		"dbctl adds the name, the place in the file, and for those below a hint that says what usually mends it. The exit code is 1, and 6 where the server\n" +
		"was not reached.\n\n| code | name | hint |\n|---|---|---|\n")
	for _, code := range slices.Sorted(maps.Keys(codes())) {
		if c := codes()[code]; c.hint != "" {
			fmt.Fprintf(&b, "| %d | %s | %s |\n", code, c.name, strings.ReplaceAll(hintAbout(c.hint, "t", "migrations/00003_t.sql"), "|", "\\|"))
		}
	}
	golden.Check(t, "../../docs/errors.md", b.String())
}
