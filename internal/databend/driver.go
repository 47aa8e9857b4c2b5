package databend

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"

	godatabend "github.com/datafuselabs/databend-go"
)

// driverHost is the only address the driver is ever given. It cannot exist (RFC 2606), so a request of the driver that missed
// our transport reaches nobody; and the driver is given no password and no token, so it could not leak one.
const driverHost = "dbctl.invalid"

// callKey is the context key under which the transport finds the *call that a request of the driver belongs to.
type callKey struct{}

// hook hands the driver's requests to the call in their context, and leaves all others to the transport it is registered with.
//
// databend-go sends through http.DefaultTransport and has no option for another. Replacing that variable would change its
// type under everyone in the process (many call Clone on it), so hook is registered there as the handler of the scheme
// "http", with http.ErrSkipAltProtocol for whatever is not ours: the standard library's own way to pass.
type hook struct{}

func (hook) RoundTrip(req *http.Request) (*http.Response, error) {
	if c, ok := req.Context().Value(callKey{}).(*call); ok {
		return c.roundTrip(req)
	}
	if req.URL.Hostname() == driverHost {
		return nil, errors.New("a request of the driver without its call")
	}
	return nil, http.ErrSkipAltProtocol
}

// hookDriver silences the driver's logger, which prints DSNs and SQL to stdout, and installs hook; once in a process.
var hookDriver = sync.OnceValue(func() (err error) {
	godatabend.GetLogger().SetOutput(io.Discard)
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return fmt.Errorf("hook the driver: http.DefaultTransport is a %T, not the standard library's", http.DefaultTransport)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("hook the driver: %v", p)
		}
	}()
	t.RegisterProtocol("http", hook{})
	return nil
})

// newClient returns a driver's client for one session: its session state, cookies and sticky node. It has not logged in.
// The client, not database/sql, is used because a connection of the latter keeps the context that opened it for its COMMIT,
// ROLLBACK and logout, buffers every row of an Exec twice, and turns text into Go values that cannot be turned back.
func (s *Server) newClient(database string) *godatabend.APIClient {
	cfg := godatabend.NewConfig()
	cfg.Host = driverHost
	cfg.SSLMode = godatabend.SSL_MODE_DISABLE // towards us; the transport speaks TLS to the server
	cfg.User = driverUser
	cfg.Tenant = s.cfg.Tenant
	cfg.Warehouse = s.cfg.Warehouse
	cfg.Role = s.cfg.Role
	cfg.Database = database
	cfg.Params = maps.Clone(s.cfg.Settings)
	cfg.WaitTimeSecs = 1 // how often a running statement answers, thus progress, and how late a kill is noticed
	cfg.UserAgent = s.cfg.UserAgent
	return godatabend.NewAPIClientFromConfig(cfg)
}

// driverUser is who the driver believes to be; the transport puts the true Authorization in its place.
const driverUser = "dbctl"
