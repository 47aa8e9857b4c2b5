package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fault is what the proxy does at one POST /v1/query.
type fault string

const (
	none fault = ""

	// The kills. The statement does not reach the engine; it does, and may still run when the next command begins; it reaches the
	// engine when dbctl is long dead; it ran, and dbctl never learned.
	killBefore   fault = "before"
	killSent     fault = "sent"
	killLate     fault = "late"
	killAnswered fault = "answered"

	// Faults of the network, which the driver meets by asking again, and of a proxy, which it does not.
	dropBefore fault = "drop-before"
	dropAnswer fault = "drop-answer"
	halfAnswer fault = "half-answer"
	slow       fault = "slow"
	webPage    fault = "web-page"
	badGateway fault = "502"

	// The server has the statement, neither answers it nor takes another connection, and never comes back.
	gone fault = "gone"

	// Signals, sent before the request is forwarded.
	interrupt fault = "interrupt"
	terminate fault = "terminate"
	hangUp    fault = "hang-up"

	// dbctl is stopped (SIGSTOP); the request is forwarded, its answer waits for dbctl.
	pause fault = "pause"
)

var (
	kills   = []fault{killBefore, killSent, killAnswered}
	signals = []fault{interrupt, terminate, hangUp}
	network = []fault{dropBefore, dropAnswer, halfAnswer, slow, webPage, badGateway}

	signalOf = map[fault]os.Signal{interrupt: os.Interrupt, terminate: syscall.SIGTERM, hangUp: syscall.SIGHUP}
	exitOf   = map[fault]int{interrupt: 130, terminate: 143, hangUp: 129}
)

// lateness is how long a late request is under way. dbctl waits a second before it believes that nothing is.
const lateness = 300 * time.Millisecond

// slowness is how long a slow request is under way.
const slowness = 3 * time.Second

// request is one POST /v1/query of dbctl.
type request struct {
	sql       string
	forwarded bool
}

// proxy stands between one process of dbctl and the engine.
type proxy struct {
	server *httptest.Server
	target string
	decide func(n int, sql string) fault // n from 1
	exited chan struct{}                 // closed when dbctl has ended

	mu       sync.Mutex
	signal   func(os.Signal) // to dbctl
	requests []request
	struck   int // the request at which a fault was made
	under    sync.WaitGroup
}

func newProxy(target string, decide func(int, string) fault) *proxy {
	p := &proxy{target: target, decide: decide, exited: make(chan struct{})}
	p.server = httptest.NewServer(p)
	return p
}

func (p *proxy) close() {
	p.server.CloseClientConnections()
	p.server.Close()
	p.under.Wait()
}

// log is what was asked so far.
func (p *proxy) log() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]request(nil), p.requests...)
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if r.Method != http.MethodPost || strings.TrimSuffix(r.URL.Path, "/") != "/v1/query" {
		p.answer(w, p.forward(r.Context(), r, body))
		return
	}
	var query struct{ SQL string }
	_ = json.Unmarshal(body, &query)
	p.mu.Lock()
	p.requests = append(p.requests, request{sql: query.SQL})
	n := len(p.requests)
	f := p.decide(n, query.SQL)
	if f != none {
		p.struck = n
	}
	switch f {
	case killBefore, dropBefore, webPage, badGateway:
	default:
		p.requests[n-1].forwarded = true
	}
	signal := p.signal
	p.mu.Unlock()

	ctx := context.WithoutCancel(r.Context())
	switch f {
	case killBefore:
		p.kill(signal)
	case killSent:
		wrote := make(chan struct{})
		var once sync.Once
		trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once.Do(func() { close(wrote) }) }}
		p.under.Go(func() { p.forward(httptrace.WithClientTrace(ctx, trace), r, body) })
		<-wrote
		p.kill(signal)
	case killLate:
		p.under.Go(func() {
			time.Sleep(lateness)
			p.forward(ctx, r, body)
		})
		p.kill(signal)
	case killAnswered:
		p.forward(ctx, r, body)
		p.kill(signal)
	case dropBefore:
		reset(w)
	case halfAnswer:
		if a := p.forward(ctx, r, body); a != nil {
			a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
			a.body = a.body[:len(a.body)/2]
			p.answer(w, a)
		}
		panic(http.ErrAbortHandler)
	case slow:
		time.Sleep(slowness)
		p.answer(w, p.forward(ctx, r, body))
	case dropAnswer:
		p.forward(ctx, r, body)
		panic(http.ErrAbortHandler)
	case gone:
		_ = p.server.Listener.Close()
		p.under.Go(func() { p.forward(ctx, r, body) })
		go p.server.CloseClientConnections() // it waits for this one, too
		panic(http.ErrAbortHandler)
	case webPage:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><body>please log in</body></html>")
	case badGateway:
		w.WriteHeader(http.StatusBadGateway)
	case interrupt, terminate, hangUp:
		signal(signalOf[f])
		p.answer(w, p.forward(ctx, r, body))
	case pause:
		signal(syscall.SIGSTOP)
		p.answer(w, p.forward(ctx, r, body))
	default:
		p.answer(w, p.forward(r.Context(), r, body))
	}
}

// kill ends dbctl and the connection with it.
func (p *proxy) kill(signal func(os.Signal)) {
	signal(os.Kill)
	<-p.exited
	panic(http.ErrAbortHandler)
}

// reset ends the connection as a router does that has forgotten it: with a reset and not with an end.
func reset(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// answered is a whole answer.
type answered struct {
	status int
	header http.Header
	body   []byte
}

var onward = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}

// forward asks the engine. nil: it gave no answer.
func (p *proxy) forward(ctx context.Context, r *http.Request, body []byte) *answered {
	out, err := http.NewRequestWithContext(ctx, r.Method, p.target+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil
	}
	out.Header = r.Header.Clone()
	resp, err := onward.RoundTrip(out)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil
	}
	return &answered{resp.StatusCode, resp.Header, text}
}

func (p *proxy) answer(w http.ResponseWriter, a *answered) {
	if a == nil {
		panic(http.ErrAbortHandler)
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}
