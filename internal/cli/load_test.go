package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/project"
)

// TestChooseLoads: a load is named as people and their shells write it.
func TestChooseLoads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, project.ConfigFile, "project: p\n")
	p := &project.Project{}
	for _, name := range []string{"daily/customers", "daily/eu/orders", "daily/orders", "videos"} {
		p.Loads = append(p.Loads, project.Load{Name: name})
		write(t, dir, "loads/"+name+".sql", "")
	}
	for _, tc := range []struct{ from, typed, want string }{
		{"", "videos", "videos"},
		{"", "daily", "daily/customers daily/eu/orders daily/orders"},
		{"", "daily/", "daily/customers daily/eu/orders daily/orders"},
		{"", "daily/*", "daily/customers daily/orders"},
		{"", "loads/daily/orders.sql", "daily/orders"},
		{"", "./loads/daily/eu", "daily/eu/orders"},
		{"", "loads", "daily/customers daily/eu/orders daily/orders videos"},
		{"loads/daily", "orders.sql", "daily/orders"},
		{"loads/daily", "videos", "videos"},
		{"migrations", "../loads/videos.sql", "videos"},
		{"", filepath.Join(dir, "loads/videos.sql"), "videos"},
		{"", "customers", "did you mean `dbctl load daily/customers`?"},
		{"", "vidoes", "did you mean `dbctl load videos`?"},
		{"", "loads/nothing.sql", "`dbctl load --list` lists them"},
		{"", "[", "a glob of load names: 'frame_*'"},
	} {
		from := filepath.Join(dir, tc.from)
		if err := os.MkdirAll(from, 0o755); err != nil {
			t.Fatal(err)
		}
		a := &app{Process: Process{Dir: from}}
		loads, _, err := a.chooseLoads(p, loadFlags{}, []string{tc.typed})
		var names []string
		for _, l := range loads {
			names = append(names, l.Name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = failure(err).Hint
		}
		if got != tc.want {
			t.Errorf("%s from %q: got %q, want %q", tc.typed, tc.from, got, tc.want)
		}
	}
	mistake := errors.New("a mistake")
	p.Broken = []project.Broken{{Load: "daily/bad", Err: mistake}}
	for typed, want := range map[string]int{"daily/*": 2, "videos daily/bad": 1, "daily/bad": 0} {
		loads, broken, err := (&app{Process: Process{Dir: dir}}).chooseLoads(p, loadFlags{}, strings.Fields(typed))
		if len(loads) != want || !errors.Is(broken, mistake) || (err != nil) != (want == 0) {
			t.Errorf("%s: got %d loads, %v, %v, want %d beside one that is broken", typed, len(loads), broken, err, want)
		}
	}
}
