// Package session holds the sessions of a load: which question goes over which of them, and what becomes of one whose state is lost.
package session

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/state"
)

// Behind is a context for what is done when a run is over or was interrupted, such as ROLLBACK and giving the lock back: it goes on for a
// bounded time where ctx has ended.
func Behind(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
}

// Sessions are those of a Loader. What it asks the server at the same time needs one each.
type Sessions struct {
	Work  *databend.Session // for the COPYs, and what the engine remembers of them
	Look  *databend.Session // for what is in the stages
	Words *databend.Session // for what the ledger knows of files
	Store *state.Store      // for what is written into the ledger, and the locks

	made     []string // statements that drop what was made on the server for loads
	server   *databend.Server
	side     *databend.Session // never used but through store
	settings map[string]string
}

// Open makes them.
func Open(server *databend.Server, scope state.Scope, run string) *Sessions {
	s := &Sessions{server: server, settings: map[string]string{
		"geometry_output_format": "EWKT", // what is shown of a geometry has its SRID
		"query_tag":              "dbctl " + scope.Project + "/" + run,
	}}
	aside := maps.Clone(s.settings)
	// The ledger is written a row or two at a time, for years: its blocks are to be joined, whatever the server's default.
	aside["enable_compact_after_write"] = "1"
	s.Work, s.Look, s.Words = server.Session(s.settings), server.Session(nil), server.Session(s.settings)
	s.side = server.Session(aside)
	s.Store = state.Open(s.side, scope)
	return s
}

// Made notes the statement that drops what was made on the server for a load.
func (s *Sessions) Made(drop string) {
	if !slices.Contains(s.made, drop) {
		s.made = append(s.made, drop)
	}
}

// Clean drops what was made on the server for loads, in one request: where that fails, each by itself, and the next call tries all again.
func (s *Sessions) Clean(ctx context.Context) {
	if len(s.made) == 0 {
		return
	}
	words := state.Open(s.Words, s.Store.Scope()) // not the lock's session, in which the lock may be given back at the same time
	if words.Script(ctx, s.made...) == nil {
		s.made = nil
		return
	}
	for _, text := range s.made {
		_ = words.Exec(ctx, text)
	}
}

// Close ends the sessions.
func (s *Sessions) Close() {
	for _, one := range []*databend.Session{s.Work, s.Look, s.Words, s.side} {
		one.Close()
	}
}

// Rollback ends the transaction of the work session; it never commits when this fails too.
func (s *Sessions) Rollback(ctx context.Context, load string, sink event.Sink) {
	free, cancel := Behind(ctx)
	defer cancel()
	_, err := s.Work.Exec(free, databend.Statement{SQL: "ROLLBACK"})
	if err != nil && free.Err() != nil {
		sink.Note(event.Warn, "load %s: the server still works on the COPY; its transaction is never committed, "+
			"and what comes next may be slow until it ends", load)
	}
	if err != nil {
		s.Renew()
	}
}

// Renew replaces the work session, whose state is not known.
func (s *Sessions) Renew() {
	s.Work.Close()
	s.Work = s.server.Session(s.settings)
}

// Settle waits until the server has ended a query whose answer was lost.
func (s *Sessions) Settle(ctx context.Context, queryID string) error {
	return s.server.Settle(ctx, queryID)
}
