package session

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/event"
)

// A phase is told at once, again while it goes on, and never behind its end.
func TestPhasesTellWhatGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []string
		p := NewPhases("trips", func(e event.Event) { told = append(told, e.(event.Progress).Phase) })
		p.Enter("listing")
		time.Sleep(2*phaseTick + phaseTick/2)
		p.Enter("committing")
		time.Sleep(phaseTick / 2)
		p.Enter("")
		time.Sleep(10 * phaseTick)
		synctest.Wait()
		if diff := cmp.Diff([]string{"listing", "listing", "listing", "committing"}, told); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
