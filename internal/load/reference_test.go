package load

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/loads.md anew")

// TestReference holds docs/loads.md to the code.
func TestReference(t *testing.T) {
	t.Parallel()
	const page = "../../docs/loads.md"
	if *update {
		if err := os.MkdirAll("../../docs", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(reference()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), reference()); diff != "" {
		t.Errorf("docs/loads.md (-there +from the code):\n%s", diff)
	}
}
