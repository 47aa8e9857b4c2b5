// Package databendtest gives tests a real Databend engine, an S3 store and a fresh database.
package databendtest

import (
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/local"
)

// Env is what one test gets: a fresh database on the package's engine, and a fresh prefix of the bucket.
type Env struct {
	Config   databend.Config // with Database set
	Database string
	StateDB  string // a name for a state database of its own
	Bucket   string
	Prefix   string // "tNNN/": keep objects below it
	S3       local.Store
	Embedded bool // false with DBCTL_TEST_DSN
}

// New returns an Env. Without an engine the test is skipped loudly, or fails when DBCTL_REQUIRE_ENGINE=1. One engine serves a test binary.
func New(t testing.TB) *Env { panic("not built yet") }

// Session opens a session in the Env's database, closed with the test.
func (e *Env) Session(t testing.TB) *databend.Session { panic("not built yet") }

// SQL runs statements and returns the rows of the last as text ("NULL" for null); it fails the test on an error.
func (e *Env) SQL(t testing.TB, statements ...string) [][]string { panic("not built yet") }

// Put stores an object below the Env's prefix; Delete removes it.
func (e *Env) Put(t testing.TB, path string, content []byte) { panic("not built yet") }

// Delete removes an object below the Env's prefix.
func (e *Env) Delete(t testing.TB, path string) { panic("not built yet") }

// Fault is one fault of the embedded engine's front, by hook. See local/server.py.
type Fault struct {
	Action string  `json:"action"` // drop_before drop_after status html empty hold
	Match  string  `json:"match"`  // regular expression over the statement's text
	Skip   int     `json:"skip"`   // let so many matches pass first
	Times  int     `json:"times"`  // default 1
	Status int     `json:"status"`
	Hold   float64 `json:"hold"` // seconds
}

// Fault arms a fault; it is disarmed with the test. Skips the test on a server that is not embedded.
func (e *Env) Fault(t testing.TB, f Fault) { panic("not built yet") }
