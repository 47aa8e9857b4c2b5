package scaffold

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTakenBack: a project that cannot be written whole is none; what was there stays.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sample"), []byte("no folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := New(dir, "", "latest")
	if err == nil || len(made.Created) > 0 {
		t.Fatalf("got %v, %v; want an error and nothing made", made, err)
	}
	var files []string
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}); err != nil || len(files) != 1 {
		t.Errorf("left %v, %v; want sample alone", files, err)
	}
	if err := os.Remove(filepath.Join(dir, "sample")); err != nil {
		t.Fatal(err)
	}
	if made, err = New(dir, "", "latest"); err != nil || made.Bare {
		t.Errorf("again: got %v, %v; want the example", made, err)
	}
}
