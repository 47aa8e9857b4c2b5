package source

import "testing"

func TestUnpacked(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"a.csv": {"a.csv", ""}, "a.csv.gz": {"a.csv", "AUTO"}, "a.csv.GZ": {"a.csv", "GZIP"}, "a.NDJSON.Zst": {"a.NDJSON", "ZSTD"}, ".gz": {"", "AUTO"},
		"a.bz2": {"a", "AUTO"}, "a.xz.csv": {"a.xz.csv", ""}, "z": {"z", ""},
	} {
		if plain, how := Unpacked(name); plain != want[0] || how != want[1] {
			t.Errorf("%s: got %q %q, want %q", name, plain, how, want)
		}
	}
}
