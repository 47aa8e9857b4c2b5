package event

import "testing"

func TestWords(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 12_345: "12 kB", 999_999: "1.0 MB", 4_100_000_000: "4.1 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d): got %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d): got %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 files", 1: "1 file", 1234: "1,234 files"} {
		if got := Plural(n, "file"); got != want {
			t.Errorf("Plural(%d): got %q, want %q", n, got, want)
		}
	}
	for want, names := range map[string][]string{"": nil, "a": {"a"}, "a and b": {"a", "b"}, "a, b and c": {"a", "b", "c"}} {
		if got := And(names); got != want {
			t.Errorf("And(%q): got %q, want %q", names, got, want)
		}
	}
}
