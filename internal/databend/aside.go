package databend

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
)

// aside sends what nobody waits for. A result that is read and a session that is done with only free memory on the server: the
// server has timers for those that never come, and says nothing of use in its answers. So such a request costs no round trip: it
// goes beside the next one that is waited for, or a moment later where none comes.
type aside struct {
	srv *Server

	mu      sync.Mutex
	waiting []*http.Request
	timer   *time.Timer
	due     time.Time     // of the timer
	unsent  int           // requests that are on their way and not yet written
	idle    chan struct{} // closed when there is none; nil: nobody asks
}

const (
	asideAtLast = 100 * time.Millisecond // after which a request is sent that no other takes along
	asideBehind = 5 * time.Millisecond   // behind one that is waited for, so that those sent beside it come first
)

// add takes a request to send later.
func (a *aside) add(req *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, req)
	if a.timer == nil {
		a.due = time.Now().Add(asideAtLast)
		a.timer = time.AfterFunc(asideAtLast, crash.Caught(a.flush))
	}
}

// soon sends what is waiting in a moment. It is called when a request that is waited for has its connection: neither that nor those that
// are sent beside it have to make one because we took the idle one.
func (a *aside) soon() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil && time.Until(a.due) > asideBehind {
		a.due = time.Now().Add(asideBehind)
		a.timer.Reset(asideBehind)
	}
}

// flush sends what is waiting.
func (a *aside) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	for _, req := range a.waiting {
		a.unsent++
		go crash.Caught(func() { a.send(req) })()
	}
	a.waiting = nil
}

func (a *aside) send(req *http.Request) {
	written := sync.OnceFunc(a.written)
	defer written()
	c, _ := a.srv.newCall(context.Background(), nil, "")
	defer c.stop()
	ctx := httptrace.WithClientTrace(c.ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { written() }})
	c.send(ctx, req, nil, a.srv.patience.last)
}

// written says that one request more is on its way.
func (a *aside) written() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unsent--
	if a.unsent == 0 && a.idle != nil {
		close(a.idle)
		a.idle = nil
	}
}

// close sends what is waiting and returns when all is on its way.
func (a *aside) close() {
	a.flush()
	idle := make(chan struct{})
	a.mu.Lock()
	if a.unsent == 0 {
		close(idle)
	} else {
		a.idle = idle
	}
	a.mu.Unlock()
	select {
	case <-idle:
		// The standard library tells of a written request right before it hands it to the kernel; the process may end when we return.
		time.Sleep(2 * time.Millisecond)
	case <-time.After(a.srv.patience.last):
	}
}
