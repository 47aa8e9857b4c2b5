// Package store is the state database: whose it is, its tables with their version, and how values stand in their SQL. What the rows
// mean, packages journal, ledger and lock know.
package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Scope is the key of everything: one project in one database, with its state database.
type Scope struct {
	Project, Database, StateDatabase string
}

// Schema is the version of the state tables that this binary writes; a newer one is refused with *NewerSchemaError. The journal's row
// with event "schema" holds it in the column version: these two never change their names, so that an older binary can read it whatever
// else a newer one changed.
const Schema = 1

// EventSchema is the event of that row.
const EventSchema = "schema"

// NewerSchemaError says that the state tables were made by a newer dbctl (exit 2).
type NewerSchemaError struct {
	Database string
	Found    int64
}

func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("the state tables in %s have schema %d, this dbctl knows %d", e.Database, e.Found, Schema)
}

// ExitCode is that of a dbctl that is too old.
func (e *NewerSchemaError) ExitCode() exit.Code { return exit.Usage }

// Hint says how to go on.
func (e *NewerSchemaError) Hint() string {
	return "use the dbctl that made them, or a newer one: dbctl version"
}

// Session is what a Store needs of a session.
type Session interface {
	Query(ctx context.Context, st databend.Statement) (databend.Result, error)
	Exec(ctx context.Context, st databend.Statement) (databend.Result, error)
}

// DB is the state database as one scope sees it, over a session of its own, with qualified names. It is safe for concurrent use.
type DB struct {
	conn   *serial
	scope  Scope
	single atomic.Bool // the role may run no script
}

// Open makes a DB. Nothing is sent. Nothing else may use session but through Conn.
func Open(session Session, scope Scope) *DB {
	return &DB{conn: &serial{s: session}, scope: scope}
}

// Conn is the DB's session for others, one statement at a time.
func (d *DB) Conn() Session { return d.conn }

// Scope is whose the rows are.
func (d *DB) Scope() Scope { return d.scope }

// Name is a table's qualified name in the state database, quoted.
func (d *DB) Name(table string) string {
	return sqltext.Ident(d.scope.StateDatabase) + "." + sqltext.Ident(table)
}

// Exec runs one statement.
func (d *DB) Exec(ctx context.Context, text string) error {
	_, err := d.conn.Exec(ctx, databend.Statement{SQL: text})
	return err
}

// Query runs one query, which writes nothing.
func (d *DB) Query(ctx context.Context, text string) (databend.Result, error) {
	return d.conn.Query(ctx, databend.Statement{SQL: text, Reads: true})
}

// Script runs statements one behind the other: the first that fails ends it, with its error. They are one request, since each is a round
// trip, but where the role may run no script, which takes SUPER on the whole account.
func (d *DB) Script(ctx context.Context, texts ...string) error {
	if len(texts) == 1 {
		return d.Exec(ctx, texts[0])
	}
	if !d.single.Load() {
		err := d.script(ctx, texts...)
		if !databend.IsCode(err, databend.CodePermissionDenied) {
			return err
		}
		// The script, and nothing ran, or a statement in it, behind others that did.
		if !databend.IsCode(d.script(ctx, "SELECT 1"), databend.CodePermissionDenied) {
			return err
		}
		d.single.Store(true)
	}
	for _, text := range texts {
		if err := d.Exec(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) script(ctx context.Context, texts ...string) error {
	return d.Exec(ctx, "EXECUTE IMMEDIATE "+sqltext.Literal("BEGIN "+strings.Join(texts, "; ")+"; END;"))
}

// CheckSchema refuses a newer state schema with *NewerSchemaError: one request for the schema row alone, whose columns never change.
func (d *DB) CheckSchema(ctx context.Context) error {
	res, err := d.Query(ctx, "SELECT max(version)::STRING FROM "+d.Name(JournalTable)+" WHERE event="+sqltext.Literal(EventSchema))
	switch {
	case Missing(err):
		return nil
	case err != nil:
		return fmt.Errorf("read journal: %w", err)
	case len(res.Rows) == 1 && res.Rows[0].Int(0) > Schema:
		return &NewerSchemaError{Database: d.scope.StateDatabase, Found: res.Rows[0].Int(0)}
	}
	return nil
}

// serial lets several goroutines share a session.
type serial struct {
	mu sync.Mutex
	s  Session
}

func (l *serial) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.s.Query(ctx, st)
}

func (l *serial) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.s.Exec(ctx, st)
}

// Actor is who acts: written into every journal row.
type Actor struct {
	OSUser, Host, GitCommit, Label, DBCTLVersion string
	GitDirty                                     bool
	Flags                                        string
}
