// Package state owns dbctl's own tables in the state database: journal, ledger and locks. It is the only place that knows their columns.
package state

import (
	"context"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
)

// Scope is the key of everything: one project in one database, with its state database.
type Scope struct {
	Project, Database, StateDatabase string
}

// Schema is the version of the state tables that this binary writes; a newer one is refused with *NewerSchemaError (exit 2).
const Schema = 1

// Session is what a Store needs of a session: nothing else may use it meanwhile.
type Session interface {
	Query(ctx context.Context, st databend.Statement) (databend.Result, error)
	Exec(ctx context.Context, st databend.Statement) (databend.Result, error)
}

// Store reads and writes the state tables over a session of its own, with qualified names.
type Store struct {
	db    Session
	scope Scope
}

// Open makes a Store. Nothing is sent.
func Open(s Session, scope Scope) *Store { return &Store{db: s, scope: scope} }

// Actor is who acts: written into every journal row.
type Actor struct {
	OSUser, Host, GitCommit, Label, DBCTLVersion string
	GitDirty                                     bool
	Flags                                        string
}

// Version is what the journal knows of one migration.
type Version struct {
	Version                                        int64
	Name                                           string
	State                                          string // applied, rolled_back, partial, interrupted, unsupported, removed (down)
	UpSum, DownSum, UpExpandedSum, DownExpandedSum string
	UpText, DownText                               string // expanded, with placeholders
	AppliedAt                                      time.Time
	Took                                           time.Duration
	Run                                            string
}

// History is the journal folded into what it means now: one query.
type History struct {
	Exists   bool // the state tables exist
	Versions map[int64]Version
}

// History reads the journal: one request, none written. A state schema newer than Schema is a *NewerSchemaError.
func (s *Store) History(ctx context.Context) (History, error) { panic("not built yet") }

// EnsureTables makes the state database and its tables where they are missing.
func (s *Store) EnsureTables(ctx context.Context) error { panic("not built yet") }
