package load

import (
	"testing"

	"github.com/dbctl/dbctl/internal/golden"
)

// TestReference holds docs/loads.md to the code.
func TestReference(t *testing.T) {
	t.Parallel()
	golden.Check(t, "../../docs/loads.md", reference())
}
