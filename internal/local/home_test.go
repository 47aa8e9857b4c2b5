package local

import (
	"path/filepath"
	"testing"
)

// TestHomeStays: which engine stands in .dbctl itself was decided when the first one started, whatever the order is later.
func TestHomeStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := Home(dir, "a", "a"); got != dir {
		t.Errorf("before anything started: got %s, want %s", got, dir)
	}
	sub := filepath.Join(dir, folder, "b")
	if got, err := Claim(dir, "a", "b"); err != nil || got != sub {
		t.Fatalf("the second: got %s, %v; want %s", got, err, sub)
	}
	for _, first := range []string{"a", "b", "c"} {
		for name, want := range map[string]string{"a": dir, "b": sub} {
			got, err := Claim(dir, first, name)
			if looked := Home(dir, first, name); err != nil || got != want || looked != want {
				t.Errorf("%s of a project that names %s first: got %s, %s, %v; want %s", name, first, got, looked, err, want)
			}
		}
	}
}
