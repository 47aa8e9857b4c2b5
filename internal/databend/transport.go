package databend

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// How long things are waited for. They are fields of the Server so that tests need not wait.
type patience struct {
	post    time.Duration // for the answer to POST /v1/query: the server answers after about a second, a warehouse may have to wake up
	page    time.Duration // for the answer to any other request
	begun   time.Duration // for its first byte; what was asked is then asked again, and a POST's statement beside it
	adrift  time.Duration // for a POST that is still open, while the server answers that it knows nothing of the statement
	silence time.Duration // without a trustworthy word on a running statement; below the server's own 60 s, which drop the result
	last    time.Duration // for the last question about a statement that is given up, and for logout and final
	absent  time.Duration // for a POST that the server knows nothing of: it may still be on its way through a proxy
	gone    time.Duration // a statement that was ended and no longer runs, but whose answer does not come
	unheard time.Duration // a server that is not heard while the end of a statement is waited for: it may be starting anew
}

var defaultPatience = patience{
	post: 10 * time.Minute, page: time.Minute, begun: 15 * time.Second, adrift: time.Minute, silence: 20 * time.Second, last: 5 * time.Second,
	absent: 1500 * time.Millisecond, gone: 3 * time.Second, unheard: time.Minute,
}

// call is one use of the driver: a login, or a statement with all its pages, or a logout. Its context holds it, the transport
// finds it there and leaves in it what really happened; what the driver returns is of no interest.
//
// The driver never sees a failure: it retries a POST five times with the same id after two seconds, whatever the context
// says. A request that failed is answered to it with a failed statement of our own, which it takes for final.
type call struct {
	srv     *Server
	session *Session // nil: of no session
	control bool     // a question of our own (see Session.control): a lost answer is not asked for
	sql     string   // without its secrets
	ownID   bool     // the query id was made for this call, so nobody can have sent it before
	sendBy  time.Time
	account bool // see Statement.Account

	ctx  context.Context // of the requests; the driver's own never ends
	stop context.CancelFunc

	// Of the goroutine that runs the driver.
	posted bool
	claim  map[string]json.RawMessage // the session as it was sent
	lost   error                      // an answer was, and since then none has told the session
	answer *answer                    // of the last request
	fail   error                      // *Error: no answer, and none will come

	mu     sync.Mutex
	id     string
	header http.Header // of the POST: pages, state and kill need its cookies and node
	sent   bool        // something of the POST was written
	word   time.Time   // when the server last answered
}

// newCall makes a call and the context to hand to the driver.
func (s *Server) newCall(ctx context.Context, session *Session, id string) (*call, context.Context) {
	c := &call{srv: s, session: session, control: session != nil && session.control, id: id, word: time.Now()}
	c.ctx, c.stop = context.WithCancel(ctx)
	return c, context.WithValue(context.Background(), callKey{}, c)
}

func (c *call) queryID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

func (c *call) isSent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

func (c *call) lastWord() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.word
}

func (c *call) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.word = time.Now()
}

// roundTrip answers one request of the driver.
func (c *call) roundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
	}
	switch path := req.URL.Path; {
	case path == "/v1/session/login" && c.session == nil:
		return c.login(req, body), nil
	case path == "/v1/session/login":
		return respond(req, reply{}, http.StatusNotFound, []byte("{}")), nil // the driver takes it for an old server, and goes on
	case path == "/v1/verify":
		// The driver has no method that only logs in; Verify logs in and then asks this, which the login has just answered.
		who, err := json.Marshal(map[string]string{"user": driverUser, "tenant": c.srv.cfg.Tenant})
		return respond(req, reply{}, http.StatusOK, who), err
	case strings.HasSuffix(path, "/final"):
		final := req.Clone(context.Background())
		c.cookies(final)
		c.srv.aside.add(final)
		if !c.answer.finished() {
			c.srv.aside.flush()
		}
		return respond(req, reply{}, http.StatusOK, []byte("{}")), nil
	case req.Method == http.MethodPost:
		c.cookies(req)
		body, claim, err := c.session.contract.put(body, c.account)
		if err != nil {
			return nil, err
		}
		c.claim = claim
		c.session.opened(req)
		r := c.post(req, body)
		return c.tell(req, r), nil
	default:
		c.cookies(req)
		r := c.follow(req, req.URL.Path, nil)
		return c.tell(req, r), nil
	}
}

// tell gives the driver the outcome of a request of a statement.
func (c *call) tell(req *http.Request, r reply) *http.Response {
	if c.fail == nil && c.answer != nil {
		return respond(req, r, http.StatusOK, c.answer.forDriver(c.account))
	}
	return respond(req, r, http.StatusOK, []byte(`{"state":"Failed","error":{"code":0,"message":"see the call"}}`))
}

// cookies adds to a request what names its session: the driver has that from a login, and from answers, which may be lost.
func (c *call) cookies(req *http.Request) {
	if _, err := req.Cookie("session_id"); err != nil {
		req.AddCookie(&http.Cookie{Name: "session_id", Value: c.session.id})
	}
	if _, err := req.Cookie("last_refresh_time"); err != nil {
		req.AddCookie(&http.Cookie{Name: "last_refresh_time", Value: strconv.FormatInt(c.session.since.Unix(), 10)})
	}
}

// login passes a login on, without its session token: the password is sent with each request. The driver takes a 404 for an old
// server without sessions and goes on.
func (c *call) login(req *http.Request, body []byte) *http.Response {
	req.URL.RawQuery = "disable_session_token=true"
	for renewed := false; ; renewed = true {
		r := c.send(c.ctx, req, body, c.srv.patience.page)
		switch {
		case r.err == nil && (r.status == http.StatusOK && isJSON(r.header) || r.status == http.StatusNotFound):
			return respond(req, r, r.status, r.body)
		case r.err == nil && r.status == http.StatusUnauthorized && !renewed && c.srv.auth.renewed(c.ctx, r.auth):
			continue
		}
		c.fail = c.srv.refusal(r)
		return respond(req, r, http.StatusBadRequest, []byte("{}"))
	}
}

// post sends a statement: one query id in one request, ever.
func (c *call) post(req *http.Request, body []byte) reply {
	c.answer = nil
	if c.posted {
		if c.fail == nil {
			c.fail = &Error{Kind: KindUnknown, Message: "the driver sent a statement again; it was stopped"}
		}
		return reply{}
	}
	c.posted = true
	c.mu.Lock()
	c.header = req.Header
	c.mu.Unlock()
	for renewed := false; ; renewed = true {
		id := c.queryID()
		if !c.ownID && !renewed && !c.srv.claim(id) {
			c.fail = &Error{Kind: "DuplicateQueryID", Message: "the query id " + id + " was sent before; nothing was sent"}
			return reply{}
		}
		ctx, giveUp := context.WithCancel(c.ctx)
		unbegun, begun := context.WithCancel(ctx)
		var beside sync.WaitGroup
		if !c.control {
			beside.Go(crash.Caught(func() { c.askBeside(unbegun, giveUp, req) }))
		}
		r := c.send(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: begun}), req, body, c.srv.patience.post)
		begun()
		beside.Wait()
		giveUp()
		a, cause := readAnswer(r, id)
		switch {
		case cause == nil:
			c.answer = a
			c.heard()
			return r
		case r.err != nil && !r.sent:
			c.fail = c.srv.refusal(r)
			return r
		case r.err == nil && r.status == http.StatusUnauthorized && !renewed && c.srv.auth.renewed(c.ctx, r.auth):
			// Refused before anything ran, and the token file has another token by now.
			c.mu.Lock()
			c.id, c.sent = NewID(), false
			c.mu.Unlock()
			continue
		case r.err == nil && r.notRun():
			c.fail = c.srv.refusal(r)
			return r
		}
		if c.control {
			c.conclude(cause)
			return r
		}
		return c.follow(req, "/v1/query/"+id+"/page/0", cause)
	}
}

// askBeside asks about a statement whose POST is not answered in time: what stands between may have lost the answer, or the request, and
// keep the connection open. It gives the POST up when the server has the statement, whose pages can then be asked for, and when it says
// for long that it has not. It ends with ctx: when the answer begins to come.
func (c *call) askBeside(ctx context.Context, giveUp context.CancelFunc, post *http.Request) {
	var absent time.Time
	for wait := c.srv.patience.begun; ; wait = c.srv.patience.last {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if !c.isSent() {
			continue
		}
		get := getOf(post)
		st, r := c.state(ctx, get)
		switch {
		case st.State != "":
			giveUp()
			return
		case !r.refused():
			absent = time.Time{}
			continue
		}
		switch running, err := c.srv.Running(ctx, c.queryID()); {
		case err != nil || running:
			absent = time.Time{}
		case absent.IsZero():
			absent = time.Now()
		case time.Since(absent) > c.srv.patience.adrift:
			giveUp()
			return
		}
	}
}

// refused reports whether a request for a page or a state was answered by a server that has none.
func (r reply) refused() bool {
	return r.err == nil && r.status >= 400 && r.status < 500 && r.status != http.StatusRequestTimeout && r.status != http.StatusTooManyRequests
}

// getOf is a GET with the headers of a POST, for pages and state.
func getOf(post *http.Request) *http.Request {
	get := post.Clone(context.Background())
	get.Method, get.Body, get.ContentLength, get.GetBody = http.MethodGet, nil, 0, nil
	return get
}

// notRun reports whether the answer to a POST proves that the statement did not start: it was refused (a 408 is a proxy's
// word about its own patience), or the gateway could not wake the warehouse for it. 5xx prove nothing: a proxy that got no
// answer in time says 502 or 504 as well.
func (r reply) notRun() bool {
	if r.status >= 300 && r.status < 500 && r.status != http.StatusRequestTimeout {
		return true
	}
	return r.status >= 500 && strings.Contains(string(r.body), provisionTimeout)
}

// follow asks for a page of the statement until it has it; asking again is harmless. Page 0 of a statement whose POST got no
// trustworthy answer is that answer. When the server does not know the page, its state and system.processes are asked;
// when they do not tell either, the outcome is unknown.
func (c *call) follow(req *http.Request, path string, cause error) reply {
	c.answer = nil
	id := c.queryID()
	get := getOf(req)
	start, lostPost := time.Now(), cause != nil
	if lostPost {
		c.heard() // the clock starts now: the POST may have taken long
	}
	renewed := false
	for tries, delay := 1, time.Duration(0); ; tries, delay = tries+1, min(2*delay+50*time.Millisecond, time.Second) {
		ctx, final := c.ctx, c.ctx.Err() != nil
		if final {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.Background(), c.srv.patience.last)
			defer cancel()
		}
		get.URL.Path = path
		ctx, done := unlessBegun(ctx, c.srv.patience.begun)
		r := c.send(ctx, get, nil, c.srv.patience.page)
		done()
		a, err := readAnswer(r, id)
		if err == nil {
			c.answer = a
			c.heard()
			if c.lost = cmp.Or(cause, c.lost); c.lost != nil {
				c.conclude(c.lost)
			}
			return r
		}
		if cause == nil {
			cause = err
		}
		if r.err == nil && r.status == http.StatusUnauthorized && !renewed && c.srv.auth.renewed(c.ctx, r.auth) {
			renewed = true
			continue
		}
		if r.refused() {
			switch {
			case c.stillRuns(get, id):
				c.heard()
			case c.answer != nil || !lostPost || time.Since(start) > c.srv.patience.absent:
				c.conclude(cause)
				return r
			}
		}
		if final || tries > 2 && time.Since(c.lastWord()) > c.srv.patience.silence { // a page that is slow to come is asked for three times
			c.conclude(cause)
			return r
		}
		select {
		case <-c.ctx.Done():
		case <-time.After(delay):
		}
	}
}

// conclude settles a call of which an answer was lost: by the one that was found since, or as unknown.
//
// The server tells how a session has become only once (HttpQuery.get_response_page), so that it may have gone with the answer that was
// lost. A COMMIT, a ROLLBACK and a DDL leave the session without a transaction; after another that changes the session,
// it is not known, and nothing may be sent on it as if it were.
func (c *call) conclude(cause error) {
	if c.answer != nil {
		e := effect.Analyze(c.sql, "")
		switch a := c.answer; {
		case len(a.Session) > 0:
			c.lost = nil
			return
		case a.State != "Succeeded":
			return
		case onlySession(e) || e.Unknown || e.Temp != nil:
			c.answer = nil
		case (e.Txn != "" || e.DDL) && c.claim != nil:
			c.claim["txn_state"] = json.RawMessage(`"AutoCommit"`)
			a.Session, _ = json.Marshal(c.claim) // JSON that was read as such
			return
		default:
			return
		}
	}
	c.fail = &Error{
		Kind:    KindUnknown,
		Message: "the server's answer was lost, and it cannot tell whether the statement ran: " + c.srv.plain(cause),
		Err:     cause,
	}
}

// stillRuns asks about a statement that has no such page. It reports whether it runs; when it has ended and the server can
// tell how, c.answer is that.
func (c *call) stillRuns(get *http.Request, id string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.srv.patience.last)
	defer cancel()
	switch st, _ := c.state(ctx, get); {
	case st.State == "Starting" || st.State == "Running":
		return true
	case st.State == "Failed" && st.Error != nil:
		c.answer = &answer{ID: id, State: st.State, Error: st.Error}
		return false
	case st.State == "Succeeded" && effect.Analyze(c.sql, "").DDL: // of others rows, their count or the session went with the answer
		c.answer = &answer{ID: id, State: st.State}
		return false
	}
	if c.control {
		return false
	}
	running, err := c.srv.Running(ctx, id)
	return err == nil && running
}

// queryState is what the server says of a statement without its rows.
type queryState struct {
	State string       `json:"state"` // "": it does not say
	Error *serverError `json:"error"`
}

// state asks for the state of the call's statement.
func (c *call) state(ctx context.Context, get *http.Request) (st queryState, r reply) {
	get.URL.Path = "/v1/query/" + c.queryID()
	r = c.send(ctx, get, nil, c.srv.patience.last)
	if r.err != nil || r.status != http.StatusOK || !isJSON(r.header) || json.Unmarshal(r.body, &st) != nil {
		return queryState{}, r
	}
	return st, r
}

// unlessBegun ends what is sent in its context when after so long no byte of an answer has come.
func unlessBegun(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(after, crash.Caught(func() { cancel() }))
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { timer.Stop() }}), func() {
		timer.Stop()
		cancel()
	}
}

// How much is read of one answer. Who sends more is no Databend, or never ends: its pages are of some ten megabytes, what it says of a
// session is of some kilobytes.
const (
	maxPage    = 256 << 20
	maxSession = 1 << 20
)

// send sends one request to the server, whoever the driver meant it for, and reads the whole answer.
func (c *call) send(ctx context.Context, req *http.Request, body []byte, patience time.Duration) reply {
	s := c.srv
	auth, err := s.auth.header()
	if err != nil {
		return reply{err: &Error{Kind: KindAuth, Message: s.plain(err), Err: err}}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	post := req.Method == http.MethodPost && req.URL.Path == "/v1/query"
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() {
		wrote.Store(true)
		if post {
			c.mu.Lock()
			c.sent = true
			c.mu.Unlock()
			s.aside.soon()
		}
	}})
	out, err := http.NewRequestWithContext(ctx, req.Method, s.base+req.URL.Path, bytes.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	late := func() bool { return false }
	if post && !c.sendBy.IsZero() {
		b := &bodyBy{body: bytes.NewReader(body), by: c.sendBy}
		out.Body, out.GetBody, late = b, nil, b.late.Load
	}
	out.URL.RawQuery = req.URL.RawQuery
	out.Header = req.Header.Clone()
	out.Header.Set("Authorization", auth)
	if id := c.queryID(); id != "" {
		out.Header.Set("X-Databend-Query-Id", id)
	}
	if post {
		s.requests.Add(1)
	}
	resp, err := s.transport.RoundTrip(out)
	if err != nil {
		if late() {
			message := fmt.Sprintf("the connection to %s took too long; nothing was sent", s.Host())
			return reply{err: &Error{Kind: KindUnreachable, Message: message, Err: err}}
		}
		return reply{err: err, sent: wrote.Load(), auth: auth}
	}
	defer func() { _ = resp.Body.Close() }()
	most := maxPage
	if strings.HasPrefix(req.URL.Path, "/v1/session/") {
		most = maxSession
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	switch {
	case err != nil:
		err = fmt.Errorf("the answer was cut short: %w", err)
	case len(data) > most:
		data, err = nil, &Error{
			Kind: KindUnreachable, Message: fmt.Sprintf("%s gave an answer larger than %d MiB", s.Host(), most>>20),
			Advice: "check host and port: something else answers there",
		}
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: data, sent: true, auth: auth, err: err}
}

// bodyBy is a body that is not sent any more after a time. It is read when the connection stands; a request without its whole
// body does nothing on the server.
type bodyBy struct {
	body *bytes.Reader // not embedded: its WriteTo would pass by Read
	by   time.Time
	late atomic.Bool
}

func (b *bodyBy) Read(p []byte) (int, error) {
	if b.late.Load() || time.Now().After(b.by) {
		b.late.Store(true)
		return 0, errors.New("too late to send")
	}
	return b.body.Read(p)
}

func (b *bodyBy) Close() error { return nil }

const provisionTimeout = "ProvisionWarehouseTimeout"

// asleep is the cause of an Error that passes when one waits: nothing was done, whoever asks again loses nothing.
type asleep struct {
	reason string
	err    error
}

func (e *asleep) Error() string { return e.reason }
func (e *asleep) Unwrap() error { return e.err }

const isItThere = "check that the warehouse is running and that host and port are right, then try again; " +
	"connect_timeout says how long dbctl waits"

// unheard is the error of what only reads: nothing of it is in doubt, only the answer is missing.
func (s *Server) unheard(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == KindUnknown {
		e.Kind, e.Message, e.Advice = KindUnreachable, fmt.Sprintf("cannot reach %s: %s", s.Host(), s.plain(e.Err)), isItThere
	}
	return err
}

// refusal is the error of a request that did nothing: a login, or a statement that was not accepted.
func (s *Server) refusal(r reply) error {
	if e, ok := errors.AsType[*Error](r.err); ok {
		return e
	}
	unreachable := &Error{Kind: KindUnreachable, Err: r.err}
	sleeping := func(reason, message string) *Error {
		unreachable.Message = message
		unreachable.Err = &asleep{reason: reason, err: r.err}
		unreachable.Advice = isItThere
		return unreachable
	}
	if r.err != nil {
		var (
			dns  *net.DNSError
			cert *tls.CertificateVerificationError
			rec  tls.RecordHeaderError
		)
		switch {
		case errors.As(r.err, &dns) && dns.IsNotFound:
			unreachable.Message = fmt.Sprintf("cannot reach %s: there is no such host", s.Host())
			unreachable.Advice = "check the host in the DSN"
		case errors.As(r.err, &cert), strings.Contains(r.err.Error(), "x509:"):
			unreachable.Message = fmt.Sprintf("cannot reach %s: its TLS certificate is not trusted: %s", s.Host(), s.plain(r.err))
			unreachable.Advice = "if it is signed by a CA of your own, name its PEM file in SSL_CERT_FILE"
		case errors.As(r.err, &rec), strings.Contains(r.err.Error(), "server gave HTTP response to HTTPS client"):
			unreachable.Message = fmt.Sprintf("cannot reach %s: it does not speak TLS", s.Host())
			unreachable.Advice = "add sslmode=disable to the DSN if the server speaks plain HTTP"
		case strings.Contains(r.err.Error(), "connection refused"):
			return sleeping("connection refused", fmt.Sprintf("cannot reach %s: connection refused", s.Host()))
		default:
			return sleeping("no answer", fmt.Sprintf("cannot reach %s: %s", s.Host(), s.plain(r.err)))
		}
		return unreachable
	}
	detail := r.errorOf()
	switch status := "HTTP " + strconv.Itoa(r.status); {
	case strings.Contains(string(r.body), provisionTimeout):
		return sleeping("the warehouse is starting", fmt.Sprintf("%s answers, but the warehouse did not start (%s)", s.Host(), provisionTimeout))
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden && detail == nil:
		e := &Error{
			Kind: KindAuth, Message: fmt.Sprintf("%s refused the login (%s)", s.Host(), status),
			Advice: "check the user and the password or access token of this environment",
		}
		if detail == nil {
			e.Message += ", but not as Databend does"
			e.Advice += ", and host and port: a proxy may answer there"
		} else if detail.Message != "" {
			e.Code, e.Name = detail.Code, codes()[detail.Code].name
			e.Message = fmt.Sprintf("%s refused the login: %s", s.Host(), s.plainText(detail.Message))
		}
		return e
	case r.status == http.StatusBadGateway, r.status == http.StatusServiceUnavailable, r.status == http.StatusGatewayTimeout,
		r.status == http.StatusTooManyRequests, r.status >= 520 && r.status < 530:
		return sleeping(status, fmt.Sprintf("cannot reach Databend behind %s: %s", s.Host(), status))
	case detail != nil && detail.Code != 0:
		return s.coded(*detail)
	case detail != nil:
		unreachable.Message = fmt.Sprintf("%s answered %s: %s", s.Host(), status, s.plainText(detail.Message))
	case r.status >= 300 && r.status < 400:
		unreachable.Message = fmt.Sprintf("%s answered %s, a redirect", s.Host(), status)
		unreachable.Advice = "name the server itself in the DSN; with sslmode=disable it may only be sending plain HTTP on to HTTPS"
	default:
		unreachable.Message = fmt.Sprintf("%s answered %s, but not as Databend does", s.Host(), status)
		unreachable.Advice = "check host and port: something else answers there (a proxy, a login page)"
	}
	return unreachable
}

// newTransport is the standard library's transport with its proxies from the environment, and the CA of SSL_CERT_FILE on
// every system (Go's own reading of it is for Linux, and only once in a process). Where plain HTTP is spoken it is not read: to read
// the system's certificates with it takes 10 ms.
func newTransport(plain bool) (http.RoundTripper, error) {
	t := http.DefaultTransport.(*http.Transport).Clone() // hookDriver has seen to the type
	t.MaxIdleConnsPerHost = 32
	// A POST on a connection that a proxy closed a moment ago has an unknown outcome; most close after 60 s.
	t.IdleConnTimeout = 30 * time.Second
	if file := os.Getenv("SSL_CERT_FILE"); file != "" && !plain {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read SSL_CERT_FILE: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("read SSL_CERT_FILE: it holds no PEM certificate")
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return t, nil
}
