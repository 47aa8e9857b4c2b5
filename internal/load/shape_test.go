package load

import (
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
)

// gone is a transport to a server that has gone away.
type gone struct{ since func() bool }

func (g gone) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.since() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A server that goes away behind the login has been asked for nothing: 6, as when it was never there.
func TestServerGoesAwayBeforeThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	opened := false
	w.cfg = func(c *databend.Config) { c.Transport = gone{func() bool { return opened }} }
	err := w.with(t.Context(), func(l *Loader) error {
		opened = true
		_, err := l.Run(t.Context(), ld, Options{})
		return err
	})
	w.wantExit(err, exitUnreachable, "connection refused")
}
