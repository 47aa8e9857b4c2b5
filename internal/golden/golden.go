// Package golden holds files of the repository to what the code makes: the pages of docs/ that are written from it, and expected output.
// `go test PACKAGE -update` writes them as they are now. Tests alone use it.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files that tests compare with as they are now")

// Update reports whether files are written and not compared.
func Update() bool { return *update }

// Check fails the test when the file is not got; with -update it writes it.
func Check(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not as it is made; go test . -update writes it (-there +made):\n%s", path, diff)
	}
}
