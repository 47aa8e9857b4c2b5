package session

import (
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/event"
)

// phaseTick is how often a phase that goes on is told again: what takes seconds must not look dead.
const phaseTick = 2 * time.Second

// Phases tells what a load is doing where no file is counted: at once, and again until it does something else.
type Phases struct {
	what string
	sink event.Sink
	mu   sync.Mutex
	stop chan struct{} // of the phase that is told; nil: none
}

// NewPhases tells sink of a load's phases.
func NewPhases(load string, sink event.Sink) *Phases {
	return &Phases{what: "load " + load, sink: sink}
}

// Enter begins a phase, and ends the one before; "" only ends it.
func (p *Phases) Enter(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
	if phase == "" {
		return
	}
	stop := make(chan struct{})
	p.stop = stop
	tell := func() { p.sink(event.Progress{What: p.what, Phase: phase, ETA: -1}) }
	tell()
	go crash.Caught(func() {
		t := time.NewTicker(phaseTick)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				p.mu.Lock()
				if p.stop == stop { // not behind the phase's end
					tell()
				}
				p.mu.Unlock()
			}
		}
	})()
}
