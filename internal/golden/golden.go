// Package golden holds files of the repository to what the code makes: pages of docs/ written from it, expected output, tables of refusals.
// `go test PACKAGE -update` writes them as they are now. Tests alone use it.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
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

// Table holds a file of refusals to what the code says: below a head, blocks that begin with "$ " and a command. The lines of a block up to
// "exit " are what is given to answer, and the lines behind them what it returns.
func Table(t testing.TB, path string, answer func(given []string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(strings.TrimSpace(string(text)), "\n\n$ ")
	for i, block := range blocks[1:] {
		given, _, _ := strings.Cut(block, "\nexit ")
		blocks[i+1] = given + "\n" + answer(strings.Split(given, "\n"))
	}
	Check(t, path, strings.Join(blocks, "\n\n$ ")+"\n")
}
