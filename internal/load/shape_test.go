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

func TestMemoryIsNoFilesFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"memory usage 4.00 GiB(4294967296) exceeds limit 3.98 GiB(4273492460)": false,
		"memory allocation of 1073741824 bytes failed":                         false,
		"index out of bounds: the len is 3 but the index is 7":                 true,
	} {
		if got := isRefusal(&databend.Error{Code: 1104, Name: "PanicError", Message: text}); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

// A location without a / at its end is a prefix of names: what COPY reads there is what is loaded.
func TestLocationWithoutSlash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, name := range []string{"videos/a.parquet", "videos/sub/b.parquet", "videos2.parquet", "videos_old/c.parquet", "videos/_temporary/d.parquet", "videos/_SUCCESS", "videos/.e.parquet", "other.parquet"} {
		w.Put(t, "p/"+name, rows(i, 1))
	}
	ld := w.load("COPY INTO t FROM @st/p/videos FILE_FORMAT = (TYPE = PARQUET)")
	w.states(ld, Options{}, "videos/.e.parquet ignored", "videos/_SUCCESS ignored", "videos/_temporary/d.parquet ignored", "videos/a.parquet new", "videos/sub/b.parquet new", "videos2.parquet new", "videos_old/c.parquet new")
	w.mustRun(ld, Options{}, 4, 4)
	w.mustRun(ld, Options{}, 0, 0)
	w.wantRows(4)
}
