// Package databend talks to a Databend server. It is the only importer of databend-go and closes that driver's traps.
package databend

import (
	"context"
	"database/sql"
	"net/http"
	"time"

	"github.com/dbctl/dbctl/internal/secret"
)

// Config says which server, and as whom.
type Config struct {
	Host            string // without port
	Port            int    // 0: 443, or 80 with Plain
	Plain           bool   // HTTP instead of HTTPS
	User            string
	Password        secret.Text
	AccessToken     secret.Text
	AccessTokenFile string // re-read after a 401
	Tenant          string
	Warehouse       string
	Role            string
	Database        string            // the project's database
	MayLackDatabase bool              // a pending migration creates Database: an unknown database is then not an error
	Settings        map[string]string // session settings of every session
	ConnectTimeout  time.Duration     // how long a sleeping or starting server is waited for; default 60 s
	Timeout         time.Duration     // per statement; 0 none
	UserAgent       string
	Waiting         func(line string) // told once per reason while waiting for a sleeping warehouse; may be nil
	Scrub           *secret.Scrubber
	Transport       http.RoundTripper // nil: http.DefaultTransport. Tests count and hurt requests here.
}

// ParseDSN reads databend://user:password@host:port/database?warehouse=…&sslmode=disable. Its errors never quote the DSN.
func ParseDSN(dsn string) (Config, error) { panic("not built yet") }

// Server is one server as one user.
type Server struct{}

// Connect checks the way to the server: logs in, asks for a random value and compares it. It waits ConnectTimeout for a sleeping one.
func Connect(ctx context.Context, cfg Config) (*Server, error) { panic("not built yet") }

// Version is the server's version text, User and Role who we are there.
func (s *Server) Version() string { panic("not built yet") }

// Host is host:port, for people.
func (s *Server) Host() string { panic("not built yet") }

// Requests is the number of POST /v1/query sent so far, by all sessions.
func (s *Server) Requests() int64 { panic("not built yet") }

// Close ends all sessions.
func (s *Server) Close() error { panic("not built yet") }

// Session opens a session of its own: its USE, SET and transactions are its own. database "" means the Config's (when it exists).
func (s *Server) Session(ctx context.Context, settings map[string]string) (*Session, error) {
	panic("not built yet")
}

// Running reports whether the statement with this query id still runs on the server (system.processes).
func (s *Server) Running(ctx context.Context, queryID string) (bool, error) { panic("not built yet") }

// Settle ends the statement with this query id: kills it and waits until it no longer runs.
func (s *Server) Settle(ctx context.Context, queryID string) error { panic("not built yet") }

// Session is one session. It is not safe for concurrent use.
type Session struct{}

// Close logs out.
func (s *Session) Close() error { panic("not built yet") }

// Statement is one statement to send.
type Statement struct {
	SQL      string     // may hold {{ secret "NAME" }}; spliced when it is sent
	Secrets  secret.Set // for the placeholders
	ID       string     // query id, NewID(); empty: a new one
	File     string     // for errors
	Line     int        // of the statement's first character in File
	Column   int
	PosOf    func(offset int) (line, column int) // optional: place in File of an offset of SQL
	Progress func(Progress)
}

// Progress is the server's statistics of a running statement.
type Progress struct {
	RunningMS                                  float64
	ScanRows, ScanBytes, WriteRows, WriteBytes uint64
}

// Row is one row of text values.
type Row []sql.NullString

// Result is what a statement gave.
type Result struct {
	ID       string
	Columns  []string
	Types    []string
	Rows     []Row // only from Query
	Affected int64
	Took     time.Duration
}

// NewID returns a new query id: 32 hex digits.
func NewID() string { panic("not built yet") }

// Exec runs a statement and drops its rows. When ctx ends, the statement is ended on the server too, and Exec returns what really became of it.
func (s *Session) Exec(ctx context.Context, st Statement) (Result, error) { panic("not built yet") }

// Query runs a statement and returns all its rows.
func (s *Session) Query(ctx context.Context, st Statement) (Result, error) { panic("not built yet") }

// Each runs a statement and calls f for each row, holding one page.
func (s *Session) Each(ctx context.Context, st Statement, f func(Row) error) (Result, error) {
	panic("not built yet")
}
