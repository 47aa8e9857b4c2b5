package run

import "testing"

func TestETA(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		elapsed     float64
		done, total int64
		rate        float64
		want        float64
	}{
		{"nothing known", 3, 0, 100, 0, -1},
		{"no total", 3, 50, 0, 10, -1},
		{"too early to tell", 0.1, 50, 100, 0, -1},
		{"a small file of large ones", 5, 9, 1000, 0, -1},
		{"own speed", 5, 50, 100, 0, 5},
		{"history", 2, 0, 100, 10, 8},
		{"history before own speed: an index is built at the end", 2, 50, 100, 10, 8},
		{"outlived", 20, 50, 100, 10, 20},
		{"outlived, no word of the server", 20, 0, 100, 10, -1},
		{"done", 20, 100, 100, 10, 0},
	} {
		if got := eta(tt.elapsed, tt.done, tt.total, tt.rate); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
