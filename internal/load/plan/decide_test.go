package plan

import (
	"strings"
	"testing"
	"time"
)

func TestOrder(t *testing.T) {
	t.Parallel()
	late := time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ order, want string }{{"", "a b c"}, {"oldest", "b a c"}, {"newest", "a c b"}} {
		p := Plan{Files: []File{{Path: "c", Mtime: late}, {Path: "b", Mtime: late.AddDate(0, 0, -1)}, {Path: "a", Mtime: late}}}
		p.order(tt.order)
		if got := strings.Join(Paths(p.Files), " "); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.order, got, tt.want)
		}
	}
}
