// Package databend talks to a Databend server. It is the only importer of databend-go and closes that driver's traps.
//
// A Server is one server as one user; its Sessions each have their own state (USE, SET, transaction) and never share it. A
// Session runs one Statement at a time, each under a query id of its own, which is sent once and never again.
//
// The one idea: what happened is known from the HTTP answers themselves, not from what the driver makes of them. All its
// requests pass through a transport of ours (transport.go), which trusts only JSON with our query id and a state. An
// answer that was lost is asked for again; what still cannot be known is an Error of KindUnknown and never a success.
//
// Every statement is sent under the session contract (contract.go): the settings of the account change nothing that dbctl sees.
//
// Values are the text the server sent: Boolean is 1 or 0, a Timestamp 2024-01-02 03:04:05.000000 in UTC. A time to reckon with is
// asked for as to_int64(…), microseconds.
package databend

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Config says which server, and as whom.
type Config struct {
	Host            string // without port; an IPv6 address without brackets
	Port            int    // 0: 443, or 80 with Plain
	Plain           bool   // HTTP instead of HTTPS
	User            string
	Password        secret.Text
	AccessToken     secret.Text // used when there is no Password
	AccessTokenFile string      // wins over AccessToken; read for each request, so that a rotated token is used
	Tenant          string
	Warehouse       string
	Role            string
	Database        string            // the project's database
	MayLackDatabase func() bool       // asked when Database is unknown: it is then no error. Optional
	Settings        map[string]string // session settings of every session, the pinned ones excepted
	ConnectTimeout  time.Duration     // how long a sleeping or starting server is waited for; default 30 s
	Timeout         time.Duration     // per statement; 0 none
	UserAgent       string
	Warn            func(line string) // told of a sleeping warehouse, once per reason, and of a setting without effect; may be nil
	Scrub           *secret.Scrubber  // told the password and tokens; cleans every message
	Store           *Store            // where S3 without an endpoint leads: the store beside an embedded engine; nil: to S3
	Transport       http.RoundTripper // nil: a clone of http.DefaultTransport. Tests count and hurt requests here.
}

// Store is an object store that stands in for S3 in every statement that is sent. The statement's own text, which errors and journals
// show, stays as it is.
type Store struct {
	Endpoint, Region, Key string
	Secret                secret.Text
}

func (s *Store) edits(sql string) []sqltext.Edit {
	if s == nil {
		return nil
	}
	return sqltext.Store{Endpoint: s.Endpoint, Region: s.Region, Key: s.Key, Secret: s.Secret.Reveal()}.Edits(sql)
}

// Server is one server as one user. It is safe for concurrent use.
type Server struct {
	cfg       Config
	auth      *credentials
	transport http.RoundTripper
	base      string // https://host:port
	requests  atomic.Int64
	patience  patience
	aside     aside

	hail // how the first question went

	mu       sync.Mutex
	sessions map[*Session]struct{} // that sent something
	claimed  map[string]struct{}   // query ids that were given by callers and sent
	doubtful map[string]*call      // calls of unknown outcome: their session may end them where KILL is refused
	waited   map[string]bool       // reasons that Warn was told

	controlLock chan struct{} // holds one token while the control session is in use
	control     *Session
}

// Connect checks the way to the server: logs in, and beside that asks for a random value and compares it. It waits ConnectTimeout
// for a sleeping one. An error is of KindUnreachable, KindAuth, or has the server's code: 1003 unknown database, 2801 unknown setting.
func Connect(ctx context.Context, cfg Config) (*Server, error) {
	s, err := Hail(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := s.Ready(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Hail is Connect that does not wait: what only reads (Statement.Reads) is sent beside the first question, everything else behind it. An
// error is one of cfg; how the connection went, Ready says.
func Hail(ctx context.Context, cfg Config) (*Server, error) {
	if err := hookDriver(); err != nil {
		return nil, err
	}
	if cfg.Host == "" {
		return nil, &Error{
			Kind: KindUnreachable, Message: "no host is set", Advice: "set dsn in dbctl.yaml or give --dsn databend://user@host/database",
		}
	}
	if cfg.Port == 0 {
		cfg.Port = 443
		if cfg.Plain {
			cfg.Port = 80
		}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 30 * time.Second
	}
	cfg.Settings = withoutPinned(cfg)
	auth, err := newCredentials(cfg)
	if err != nil {
		return nil, err
	}
	scheme := "https://"
	if cfg.Plain {
		scheme = "http://"
	}
	s := &Server{
		cfg: cfg, auth: auth, transport: cfg.Transport, patience: defaultPatience,
		base:        scheme + net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)),
		sessions:    map[*Session]struct{}{},
		claimed:     map[string]struct{}{},
		doubtful:    map[string]*call{},
		waited:      map[string]bool{},
		controlLock: make(chan struct{}, 1),
	}
	s.aside.srv = s
	if s.transport == nil {
		if s.transport, err = newTransport(cfg.Plain); err != nil {
			return nil, &Error{Kind: KindUnreachable, Message: err.Error(), Err: err}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	s.hail = hail{done: make(chan struct{}), failed: make(chan struct{}), cancel: cancel}
	go crash.Caught(func() {
		defer close(s.hail.done)
		if s.hail.err = s.hello(ctx); s.hail.err != nil {
			close(s.hail.failed)
		}
	})()
	return s, nil
}

// hail is the connecting: what is written before done is closed may be read after it.
type hail struct {
	done   chan struct{}
	failed chan struct{} // closed when it ends with err
	cancel context.CancelFunc
	err    error

	clock, read time.Time // the server's clock, and ours when it came
}

// over reports whether the connecting is done, well or not.
func (h *hail) over() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// NoServer is the error of a connection that could not be made, in every statement that was meant for it.
type NoServer struct{ error }

func (e *NoServer) Unwrap() error { return e.error }

// Ready waits until the connection is made. Its errors are those of Connect, each in a *NoServer.
func (h *hail) Ready() error {
	<-h.done
	if h.err != nil {
		return &NoServer{h.err}
	}
	return nil
}

// hello proves that the server knows our user, database, role and settings, and, beside that, that what answers is a Databend that
// reads our SQL: one round trip.
func (s *Server) hello(ctx context.Context) error {
	return s.awake(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		asked := make(chan error, 1)
		go crash.Caught(func() { asked <- s.question(ctx) })()
		if err := s.login(ctx); err != nil {
			cancel()
			<-asked
			return err
		}
		return <-asked
	})
}

// question asks for a random text: no cache and no web page can know the answer.
func (s *Server) question(ctx context.Context) error {
	nonce := NewID()
	sess := s.newSession("", newContract(nil))
	sess.control = true
	defer sess.Close()
	res, err := sess.Query(ctx, Statement{SQL: "SELECT '" + nonce + "', to_int64(now())::STRING"})
	read := time.Now()
	if err == nil && (len(res.Rows) != 1 || len(res.Rows[0]) != 2 || res.Rows[0][0].String != nonce) {
		err = &Error{Kind: KindUnknown, Err: wrongAnswer("it answers, but not what it was asked")}
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == KindUnknown { // nothing was tried: a SELECT
		no := &Error{
			Kind: KindUnreachable, Message: fmt.Sprintf("%s does not answer as Databend does: %s", s.Host(), s.plain(e.Err)),
			Advice: "check host and port, and that no proxy or login page answers in its place", Err: e,
		}
		if _, wrong := errors.AsType[wrongAnswer](err); !wrong {
			no.Err = &asleep{reason: "no whole answer", err: e}
		}
		return no
	}
	if err != nil {
		return err
	}
	if now := res.Rows[0].Time(1); !now.IsZero() {
		s.clock, s.read = now, read
	}
	return nil
}

// awake runs try until it succeeds, fails for a reason that does not pass, or ConnectTimeout is over.
func (s *Server) awake(ctx context.Context, try func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout)
	defer cancel()
	var last error
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, 2*time.Second) {
		err := try(limited)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ended(ctx, ctx, " while connecting to "+s.Host())
		}
		if limited.Err() != nil { // this try was cut off by the clock; the one before says more
			if last == nil {
				last = &Error{Kind: KindUnreachable, Message: fmt.Sprintf("%s gave no answer within %s", s.Host(), s.cfg.ConnectTimeout), Err: err}
			}
			return last
		}
		if !IsAsleep(err) {
			return err
		}
		last = err
		s.waiting(err)
		select {
		case <-limited.Done():
			if ctx.Err() != nil {
				return ended(ctx, ctx, " while connecting to "+s.Host())
			}
			return err
		case <-time.After(delay):
		}
	}
}

// waiting says, once for each reason, that the server is waited for.
func (s *Server) waiting(err error) {
	reason := "its answer was lost"
	if e, ok := errors.AsType[*asleep](err); ok {
		reason = e.reason
	}
	s.mu.Lock()
	told := s.waited[reason]
	s.waited[reason] = true
	s.mu.Unlock()
	if !told {
		s.cfg.warn("waiting up to %s for %s: %s", s.cfg.ConnectTimeout, s.Host(), reason)
	}
}

// Now is the server's clock: it is not earlier there, and later by no more than the way of the first answer, a few milliseconds, and by
// what the clocks have drifted apart since Connect. It is zero when the server did not say.
func (s *Server) Now() time.Time {
	if <-s.done; s.clock.IsZero() {
		return s.clock
	}
	return s.clock.Add(time.Since(s.read))
}

// Values are the words of a statement as it is sent, of literals what they stand for: secrets too.
func (s *Server) Values(st Statement) ([]secret.Text, error) {
	text, err := splice(st, s.cfg.Store)
	if err != nil {
		return nil, err
	}
	words, err := sqltext.ReadStatement(text.sql)
	var out []secret.Text
	for i := range words.Tokens {
		v, err := sqltext.Unquote(words.Text(i))
		if err != nil {
			v = strings.ToLower(words.Text(i))
		}
		out = append(out, secret.New(v))
	}
	return out, err
}

// Host is host:port, for people.
func (s *Server) Host() string {
	_, hostPort, _ := strings.Cut(s.base, "://")
	return hostPort
}

// Requests is the number of POST /v1/query sent so far, by all sessions.
func (s *Server) Requests() int64 { return s.requests.Load() }

// Close ends all sessions. It does not wait for the server's word.
func (s *Server) Close() {
	s.hail.cancel()
	<-s.hail.done
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.sessions))
	s.mu.Unlock()
	for _, sess := range open {
		sess.Close()
	}
	s.aside.close()
	if t, ok := s.transport.(interface{ CloseIdleConnections() }); ok && s.cfg.Transport == nil {
		t.CloseIdleConnections()
	}
}

// claim takes a query id for the one POST it may be sent in.
func (s *Server) claim(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, taken := s.claimed[id]
	s.claimed[id] = struct{}{}
	return !taken
}

// Session makes a session of its own: its USE, SET and transactions are its own. It is in Config's Database, and has Config's
// Settings; settings are fixed for it, whatever its statements SET. Nothing is sent before its first statement: a server takes a
// session's state from the statement, and a login, which only checks it, was Connect's.
func (s *Server) Session(settings map[string]string) *Session {
	return s.newSession(s.cfg.Database, newContract(settings))
}

func (s *Server) newSession(database string, c contract) *Session {
	return &Session{srv: s, id: uuid.NewString(), since: time.Now(), client: s.newClient(database), contract: c}
}

// login asks the server whether it knows the user, the database, the role and the settings.
func (s *Server) login(ctx context.Context) error {
	c, driverCtx := s.newCall(ctx, nil, "")
	defer c.stop()
	err := s.newClient(s.cfg.Database).Verify(driverCtx)
	switch {
	case c.fail != nil && ctx.Err() != nil && ctx.Err() == context.Canceled:
		return ended(ctx, ctx, "")
	case c.fail == nil && err != nil:
		return &Error{Kind: KindUnreachable, Message: fmt.Sprintf("log in to %s: %s", s.Host(), s.plain(err)), Err: err}
	}
	e, ok := errors.AsType[*Error](c.fail)
	if ok && e.Code == CodeUnknownDatabase && s.cfg.Database != "" {
		if s.cfg.MayLackDatabase != nil && s.cfg.MayLackDatabase() {
			return nil
		}
		e.Advice = fmt.Sprintf("check the environment's database, or make it: `dbctl sql %s`",
			shell.Quote("CREATE DATABASE "+sqltext.Object{Kind: sqltext.Database, Name: s.cfg.Database}.Pasted()))
	}
	return c.fail
}

// NewID returns a new query id: 32 hex digits.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
