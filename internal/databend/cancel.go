package databend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// watch ends the statement on the server when ctx ends, and gives the call up when the server is silent. It returns when
// the statement is done. KILL may come too late or be ignored; only the statement's own answer says what became of it.
func (s *Session) watch(ctx context.Context, c *call, done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-s.srv.hail.failed: // it went ahead of the connecting, and what becomes of it is of no use
		c.stop()
		return
	case <-ctx.Done():
	}
	if s.control { // a question of our own: nobody needs to know what became of it
		c.stop()
		return
	}
	if !c.isSent() { // still being dialled
		c.stop()
	}
	word, gone := time.Now(), time.Time{}
	for delay := time.Duration(0); ; delay = min(2*delay+50*time.Millisecond, 2*time.Second) {
		select {
		case <-done:
			return
		case <-time.After(delay):
		}
		kctx, cancel := context.WithTimeout(context.Background(), s.srv.patience.last)
		found, err := s.srv.kill(kctx, c)
		cancel()
		now := time.Now()
		if err == nil {
			word = now
		}
		switch {
		case err != nil || found:
			gone = time.Time{}
		case gone.IsZero():
			gone = now
		case now.Sub(gone) > s.srv.patience.gone && now.Sub(c.lastWord()) > s.srv.patience.gone:
			c.stop() // it has ended; its answer was lost on the way
		}
		if heard := c.lastWord(); heard.After(word) {
			word = heard
		}
		if now.Sub(word) > s.srv.patience.silence {
			c.stop()
		}
	}
}

// kill ends the statement of c, if it runs: KILL QUERY from another connection, as only that works while the POST is not
// answered yet; and by the session's own kill URI where KILL is refused, since it takes a privilege (SUPER).
func (s *Server) kill(ctx context.Context, c *call) (found bool, err error) {
	found, err = s.killByID(ctx, c.queryID())
	if err == nil {
		return found, nil
	}
	if !c.isSent() {
		return false, err
	}
	r := c.killURI(ctx)
	if r.err == nil && r.status == http.StatusOK {
		return true, nil
	}
	return false, err
}

// killURI asks the server, as the session that sent the statement, to end it.
func (c *call) killURI(ctx context.Context) reply {
	c.mu.Lock()
	id, header := c.id, c.header
	c.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+driverHost+"/v1/query/"+id+"/kill", nil)
	if err != nil {
		return reply{err: err}
	}
	req.Header = header.Clone()
	return c.send(ctx, req, nil, c.srv.patience.last)
}

// killByID finds the session that runs the statement and kills its query. KILL takes the session's id, not the query's.
func (s *Server) killByID(ctx context.Context, queryID string) (found bool, err error) {
	session, err := s.sessionOf(ctx, queryID)
	if err != nil || session == "" {
		return false, err
	}
	_, err = s.ask(ctx, "KILL QUERY "+sqltext.Quote(session))
	if IsCode(err, codeUnknownSession) { // it ended in between
		return true, nil
	}
	return true, err
}

// sessionOf returns the id of the session that runs the statement, or "".
func (s *Server) sessionOf(ctx context.Context, queryID string) (string, error) {
	if !validID(queryID) {
		return "", fmt.Errorf("look for a running statement: %q is no query id", queryID)
	}
	res, err := s.ask(ctx, "SELECT id FROM system.processes WHERE current_query_id = "+sqltext.Quote(queryID))
	if err != nil || len(res.Rows) == 0 {
		return "", err
	}
	return res.Rows[0][0].String, nil
}

// Running reports whether the statement with this query id still runs on the server (system.processes).
func (s *Server) Running(ctx context.Context, queryID string) (bool, error) {
	session, err := s.sessionOf(ctx, queryID)
	return session != "", err
}

// Settle ends the statement with this query id: kills it and waits until it no longer runs, as long as ctx allows. A
// statement that cannot be killed is waited for; a server that is not heard, no longer than patience.unheard. It also ends statements
// of other processes: a run that was taken over.
func (s *Server) Settle(ctx context.Context, queryID string) error {
	var refused error
	word := time.Now()
	for delay := 20 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		asked, cancel := context.WithTimeout(ctx, s.patience.unheard)
		session, err := s.sessionOf(asked, queryID)
		silent := asked.Err() != nil || IsUnknownOutcome(err)
		if e, ok := errors.AsType[*Error](err); ok && e.Kind == KindUnreachable {
			silent = true
		}
		if err == nil && session != "" && refused == nil {
			refused = s.endBy(asked, queryID, session)
		}
		cancel()
		switch {
		case err == nil && session == "":
			return nil
		case err == nil:
			word = time.Now()
		case ctx.Err() == nil && (!silent || time.Since(word) > s.patience.unheard):
			return fmt.Errorf("wait for statement %s to end: %w", queryID, err)
		}
		select {
		case <-ctx.Done():
			if why := cmp.Or(refused, err); why != nil {
				return fmt.Errorf("wait for statement %s to end: %w (%w)", queryID, ctx.Err(), why)
			}
			return fmt.Errorf("wait for statement %s to end: %w", queryID, ctx.Err())
		case <-time.After(delay):
		}
	}
}

// endBy kills what a session runs, by KILL, or by the session's own URI where that is refused. It returns the refusal: the statement
// may end by itself.
func (s *Server) endBy(ctx context.Context, queryID, session string) error {
	_, err := s.ask(ctx, "KILL QUERY "+sqltext.Quote(session))
	if e, ok := errors.AsType[*Error](err); !ok || e.Code == 0 || e.Code == codeUnknownSession {
		return nil
	}
	s.mu.Lock()
	c := s.doubtful[queryID]
	s.mu.Unlock()
	if c != nil {
		c.killURI(ctx)
	}
	return err
}

// ask runs a question of our own on the control session, which is opened when first needed and after a failure.
func (s *Server) ask(ctx context.Context, sql string) (Result, error) {
	select {
	case s.controlLock <- struct{}{}:
	case <-ctx.Done():
		return Result{}, ended(ctx, ctx, "")
	}
	defer func() { <-s.controlLock }()
	if s.control == nil {
		s.control = s.newSession("", newContract(nil))
		s.control.control = true
	}
	res, err := s.control.Query(ctx, Statement{SQL: sql})
	if e, ok := errors.AsType[*Error](err); ok && e.Code == 0 { // not a word of the server's: the session may be broken
		s.control.Close()
		s.control = nil
	}
	return res, err
}
