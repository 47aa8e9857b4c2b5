package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
)

// proxy is the way out of the engine's own network (front/isolate.py): by HTTP, to the object store beside it, without another hop, and
// to whatever a statement names. Only the engine can reach it.
type proxy struct {
	store   string       // host:port of the object store
	objects http.Handler // the object store
	forward http.Handler
}

// telemetry is where the engine reports the facts of the machine to, and cannot be told not to.
const telemetry = "telemetry.databend.com"

func newProxy(store string, objects http.Handler) *proxy {
	return &proxy{store: store, objects: objects, forward: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.RawQuery = r.In.URL.RawQuery // as it was signed
			r.Out.Host = r.In.Host
		},
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, DisableCompression: true},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}}
}

// ServeHTTP is http.Handler's.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Host, telemetry) || strings.HasPrefix(r.Host, telemetry):
		http.Error(w, "no telemetry", http.StatusForbidden)
	case r.Method == http.MethodConnect:
		tunnel(w, r)
	case r.URL.Host == p.store:
		r.URL.Scheme, r.URL.Host = "", ""
		p.objects.ServeHTTP(w, r)
	case r.URL.IsAbs():
		p.forward.ServeHTTP(w, r)
	default:
		http.Error(w, "a proxy", http.StatusBadRequest)
	}
}

// tunnel carries a TLS connection.
func tunnel(w http.ResponseWriter, r *http.Request) {
	dialer := net.Dialer{Timeout: 30 * time.Second}
	out, err := dialer.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer out.Close()
	in, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	if _, err := io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	carry := func(to net.Conn, from io.Reader) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		done <- struct{}{}
	}
	go crash.Caught(func() { carry(out, buffered) })()
	go crash.Caught(func() { carry(in, out) })()
	<-done
	<-done
}

// serve takes the proxy's socket from the engine's process, which opened it in its own network, and serves it until stop is called. It
// reports whether the process is in one.
func (p *proxy) serve(ctx context.Context, channel *os.File) (isolated bool, stop func(), err error) {
	stop = func() {}
	listener, err := receive(ctx, channel)
	if err != nil || listener == nil {
		return false, stop, err
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go crash.Caught(func() { _ = server.Serve(listener) })()
	return true, func() { _ = server.Close() }, nil
}

var errChannel = errors.New("the engine's process did not say whether it is in a network of its own")

func wrapChannel(err error) error { return fmt.Errorf("%w: %w", errChannel, err) }
