package databend

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	godatabend "github.com/datafuselabs/databend-go"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Session is one session. It is not safe for concurrent use. After an unknown outcome its own state (a transaction, a USE) is
// unknown too: close it.
type Session struct {
	srv      *Server
	since    time.Time
	client   *godatabend.APIClient
	closing  *http.Request // logs out; nil as long as nothing was sent
	id       string        // the server's name of it: we choose it, so that an answer that was lost can be asked for
	control  bool          // it only asks questions of our own, which may be dropped at any time
	contract contract
	close    sync.Once
	busy     sync.Mutex // held while a statement runs
}

// Close logs out, and does not wait for the server's word. It is harmless to close twice.
func (s *Session) Close() {
	s.close.Do(func() {
		s.srv.mu.Lock()
		delete(s.srv.sessions, s)
		s.srv.mu.Unlock()
		if !s.busy.TryLock() {
			return // a statement still runs in another goroutine; the session ends by the server's timer
		}
		defer s.busy.Unlock()
		if s.closing != nil {
			s.srv.aside.add(s.closing)
		}
	})
}

// opened takes note that the server knows the session from now on, by a request of it.
func (s *Session) opened(post *http.Request) {
	logout := post.Clone(context.Background())
	logout.URL.Path = "/v1/session/logout"
	logout.Header.Del("X-Databend-Query-Id")
	logout.Body, logout.GetBody, logout.ContentLength = nil, nil, 0
	s.closing = logout
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	s.srv.sessions[s] = struct{}{}
}

// Statement is one statement to send.
type Statement struct {
	SQL      string                         // may hold {{ secret "NAME" }}; spliced when it is sent
	Secrets  secret.Set                     // for the placeholders
	ID       string                         // query id, NewID(); empty: a new one. It can be used once
	Place    sqltext.Place                  // for errors
	At       func(offset int) sqltext.Place // optional: the place of an offset of SQL
	Progress func(Progress)                 // optional: called about once a second, and with the final values
	SendBy   time.Time                      // optional: not sent after this (KindUnreachable); a connection may take long
	Account  bool                           // it reads the account's own settings, which the session's hide: system.settings
	Reads    bool                           // it writes nothing: it may be sent while the connection is being made, and sent again
}

// Progress is the server's statistics of a running statement.
type Progress struct {
	ScanBytes, WriteRows uint64
}

// Result is what a statement gave.
type Result struct {
	ID       string // the query id it ran under: another than the Statement's after an access token was renewed
	Columns  []string
	Types    []string
	Rows     []Row // only from Query
	Affected int64 // rows inserted, updated and deleted; 0 for COPY, which reports in its rows
}

// Exec runs a statement and drops its rows. When ctx ends, the statement is ended on the server too, and Exec returns what
// really became of it: success stays success.
func (s *Session) Exec(ctx context.Context, st Statement) (Result, error) {
	return s.run(ctx, st, func(Row) error { return nil })
}

// Query runs a statement and returns all its rows.
func (s *Session) Query(ctx context.Context, st Statement) (Result, error) {
	collect := func(send func(context.Context, Statement, func(Row) error) (Result, error)) (Result, error) {
		var rows []Row
		res, err := send(ctx, st, func(r Row) error {
			rows = append(rows, r)
			return nil
		})
		res.Rows = rows
		return res, err
	}
	if !st.Reads {
		return collect(s.run)
	}
	if !s.srv.over() {
		res, err := collect(s.send)
		if refused := s.srv.Ready(); refused != nil {
			return Result{}, refused
		}
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != 0 || ctx.Err() != nil {
			return res, err
		}
		st.ID = "" // the server was not ready yet: it is now
	}
	until := time.Now().Add(s.srv.cfg.ConnectTimeout)
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, 2*time.Second) {
		res, err := collect(s.run)
		if !IsAsleep(err) && !IsUnknownOutcome(err) || ctx.Err() != nil || time.Now().After(until) {
			return res, s.srv.unheard(err)
		}
		s.srv.waiting(err)
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		st.ID = ""
	}
}

// Each runs a statement and calls f for each row, holding one page. An error of f ends the statement and is returned as it is. One that
// reads is sent again when its answer was lost before its first row.
func (s *Session) Each(ctx context.Context, st Statement, f func(Row) error) (Result, error) {
	told := false
	tell := func(r Row) error {
		told = true
		return f(r)
	}
	res, err := s.run(ctx, st, tell)
	if st.Reads && !told && IsUnknownOutcome(err) && ctx.Err() == nil {
		st.ID = ""
		return s.run(ctx, st, tell)
	}
	return res, err
}

// run is send, once the connection is made.
func (s *Session) run(ctx context.Context, st Statement, f func(Row) error) (Result, error) {
	if !s.control {
		if err := s.srv.Ready(); err != nil {
			return Result{ID: st.ID}, err
		}
	}
	res, err := s.send(ctx, st, f)
	if IsUnknownOutcome(err) && !s.control && ctx.Err() == nil && onlySession(effect.Analyze(st.SQL, "")) {
		st.ID = ""
		return s.send(ctx, st, f)
	}
	return res, err
}

// onlySession reports whether a statement changes nothing but the session, of which the client tells the server with each request: it can
// be sent again. A transaction that a lost BEGIN opened holds nothing, and ends by itself.
func onlySession(e effect.Effect) bool {
	return e.Txn == "BEGIN" || e.MovesSession()
}

func (s *Session) send(ctx context.Context, st Statement, f func(Row) error) (Result, error) {
	own := st.ID == ""
	if own {
		st.ID = NewID()
	}
	res := Result{ID: st.ID}
	parent := ctx
	if t := s.srv.cfg.Timeout; t > 0 && !s.control {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	text, err := splice(st, s.srv.cfg.Store)
	if err != nil {
		return res, s.srv.describe(err, st, nil)
	}
	if !validID(st.ID) {
		return res, s.srv.describe(&Error{Kind: "BadQueryID", Message: "a query id is 1 to 64 letters, digits and hyphens"}, st, text)
	}
	if ctx.Err() != nil {
		return res, s.srv.describe(ended(parent, ctx, "; it was not sent"), st, text)
	}

	if !s.busy.TryLock() {
		return res, s.srv.describe(&Error{Kind: "SessionBusy", Message: "another statement runs on this session; it was not sent"}, st, text)
	}
	defer s.busy.Unlock()

	c, driverCtx := s.srv.newCall(context.Background(), s, st.ID)
	c.sql, c.ownID, c.sendBy, c.account = st.SQL, own, st.SendBy, st.Account
	defer c.stop()
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(crash.Caught(func() { s.watch(ctx, c, done) }))
	err = s.pages(driverCtx, c, st, text.sql, &res, f)
	close(done)
	watch.Wait() // a KILL of ours that is on its way must not hit the next statement
	res.ID = c.queryID()

	var foreign callerError
	if errors.As(err, &foreign) {
		return res, foreign.error
	}
	if err == nil {
		return res, nil
	}
	st.ID = res.ID
	if IsUnknownOutcome(err) && !s.control {
		s.srv.mu.Lock()
		s.srv.doubtful[res.ID] = c
		s.srv.mu.Unlock()
	}
	if e, ok := errors.AsType[*Error](err); ok && ctx.Err() != nil {
		switch {
		case e.Code == codeAbortedQuery || e.Code == codeAbortedSession:
			killed := ended(parent, ctx, "; the server ended the statement")
			killed.Code, killed.Name = e.Code, e.Name
			err = killed
		case e.Kind == KindUnreachable:
			err = ended(parent, ctx, "; it was not sent")
		}
	}
	return res, s.srv.describe(err, st, text)
}

// callerError is an error of the caller's own function, to be handed back untouched.
type callerError struct{ error }

// pages runs the statement and walks through its pages.
func (s *Session) pages(ctx context.Context, c *call, st Statement, text string, res *Result, f func(Row) error) error {
	resp, err := s.client.StartQuery(ctx, text)
	for {
		a := c.answer
		switch {
		case c.fail != nil:
			return c.fail
		case a == nil && !c.isSent():
			return &Error{Kind: "Driver", Message: s.srv.plain(err), Err: err}
		case a == nil:
			return &Error{Kind: KindUnknown, Message: "the driver gave up: " + s.srv.plain(err), Err: err}
		}
		if st.Progress != nil && a.Stats != nil {
			st.Progress(Progress{ScanBytes: a.Stats.Scan.Bytes, WriteRows: a.Stats.Write.Rows})
		}
		if a.Error != nil {
			return s.srv.coded(*a.Error)
		}
		if len(a.Schema) > 0 && (len(a.Data) > 0 || len(res.Columns) == 0) {
			res.Columns, res.Types = make([]string, len(a.Schema)), make([]string, len(a.Schema))
			for i, col := range a.Schema {
				res.Columns[i], res.Types[i] = col.Name, col.Type
			}
		}
		for _, values := range a.Data {
			row := make(Row, len(values))
			for i, v := range values {
				if v != nil {
					row[i] = sql.NullString{String: *v, Valid: true}
				}
			}
			res.Affected += affected(res.Columns, row)
			if err := f(row); err != nil {
				_ = s.client.CloseQuery(ctx, resp) // it may still run, and ends by this
				return callerError{err}
			}
		}
		if a.finished() {
			if resp != nil {
				_ = s.client.CloseQuery(ctx, resp) // frees it on the server; nothing depends on it
			}
			return nil
		}
		c.answer = nil
		resp, err = s.client.PollQuery(ctx, a.NextURI)
	}
}

// affected adds up the counts of a DML statement: INSERT, UPDATE, DELETE give one column, MERGE up to three. A query may call a column so,
// too: what is no number is no count.
func affected(columns []string, row Row) (n int64) {
	for i, name := range columns {
		count, err := strconv.ParseInt(row[i].String, 10, 64)
		if err != nil || !strings.HasPrefix(name, "number of rows ") {
			return 0
		}
		n += count
	}
	return n
}

func validID(id string) bool {
	return len(id) > 0 && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-'
	})
}

// Another is a session of its own with the settings of this one.
func (s *Session) Another() *Session { return s.srv.newSession(s.srv.cfg.Database, s.contract) }

// Clean takes the secrets that the Scrubber knows out of a text, for what is written down through this session.
func (s *Session) Clean(text string) string { return s.srv.cfg.Scrub.String(text) }

// CleanResult takes secrets out of what a statement gave, its columns' names included: those that it carried in any case and cut, as the
// server may have changed them.
func (s *Session) CleanResult(st Statement) func(string) string { return s.srv.cleaner(st) }

// CleanLong is Clean for what will be read again: see Scrubber.Long.
func (s *Session) CleanLong(text string) string { return s.srv.cfg.Scrub.Long(text) }
