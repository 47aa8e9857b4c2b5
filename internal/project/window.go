package project

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Window is a window=: a run lists only the folders of the last days, or hours, since listing years of them costs more than loading one.
// The zero value is none.
type Window struct {
	Layout string        // of the folder that has a partition's date, in strftime's %Y %m %d %H
	Span   time.Duration // back from now
}

// ParseWindow takes a window= apart: "capture_date=%Y-%m-%d 7d", where the span is in h, d or w.
func ParseWindow(s string) (Window, error) {
	wrong := func(what string) (Window, error) { return Window{}, fmt.Errorf("window=%s %s", s, what) }
	end := strings.LastIndexByte(s, ' ')
	if end < 0 {
		return wrong("has no length")
	}
	w, ok := Window{Layout: strings.TrimSpace(s[:end])}, false
	if w.Span, ok = parseSpan(s[end+1:]); !ok {
		return wrong("does not end in a length such as 7d")
	}
	for _, verb := range strings.Split(w.Layout, "%")[1:] {
		if verb == "" || !strings.ContainsRune("YmdH", rune(verb[0])) {
			return wrong("has a % that is not followed by Y, m, d or H")
		}
	}
	switch {
	case !strings.Contains(w.Layout, "%Y"):
		return wrong("has no date")
	case w.Span/w.step() > 1000:
		return wrong("is about more than 1000 folders")
	}
	return w, nil
}

// step is the time from one folder to the next.
func (w Window) step() time.Duration {
	if strings.Contains(w.Layout, "%H") {
		return time.Hour
	}
	return 24 * time.Hour
}

// Folders are those below base from the one of the span ago until one step from now, for clocks ahead of ours.
func (w Window) Folders(base string, now time.Time) []string {
	var out []string
	for t := now.UTC().Add(-w.Span).Truncate(w.step()); !t.After(now.Add(w.step())); t = t.Add(w.step()) {
		p := base + strings.NewReplacer("%Y", t.Format("2006"), "%m", t.Format("01"), "%d", t.Format("02"), "%H",
			t.Format("15")).Replace(w.Layout)
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// parseSpan reads a length of time in hours, days or weeks: 24h, 7d, 2w.
func parseSpan(s string) (time.Duration, bool) {
	units := map[byte]time.Duration{'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	number := s[:max(0, len(s)-1)]
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return 0, false
	}
	span := time.Duration(n) * units[s[len(number)]]
	return span, span > 0
}
