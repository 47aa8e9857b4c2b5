package lock

import "testing"

func TestClaimWrites(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		writes []string
		target string
		want   bool
	}{
		{[]string{"d.t"}, "d.t", true},
		{[]string{"d.t"}, "d.tt", false},
		{[]string{"d.*"}, "d.t", true},
		{[]string{"d.*"}, "dd.t", false},
		{[]string{"e.t", "d.*"}, "d.a b", true},
		{[]string{"*"}, "d.t", true},
		{nil, "d.t", false},
	} {
		if got := (Claim{Writes: tt.writes}).writes(tt.target); got != tt.want {
			t.Errorf("a claim of %v writes %s: got %v, want %v", tt.writes, tt.target, got, tt.want)
		}
	}
}
