package run

import (
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// What came to a name before the mark, or so late that the run that was killed cannot have sent it, is another session's.
func TestEvidenceOfWhatWasMade(t *testing.T) {
	t.Parallel()
	e := effect.Analyze("CREATE TABLE n (x INT)", "d")
	mark := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	for created, want := range map[time.Duration]bool{-time.Second: false, 0: true, time.Second: true, time.Minute: true, time.Hour: false} {
		now := catalog.State{Objects: []catalog.ObjectState{{Object: e.Writes[0].Object, Exists: true, ID: "7", Created: mark.Add(created)}}}
		if got := evidenceOf(e).shows(e, "", now, mark, mark.Add(3*time.Minute)); got != want {
			t.Errorf("made %s after the mark: got %t, want %t", created, got, want)
		}
		if got, want := evidenceOf(e).shows(e, "", now, mark, time.Time{}), created >= 0; got != want {
			t.Errorf("made %s after the mark, its end unknown: got %t, want %t", created, got, want)
		}
	}
}
