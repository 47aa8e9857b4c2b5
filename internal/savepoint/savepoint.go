// Package savepoint captures the state of a set of objects and moves what is there now back to what was there then.
package savepoint

import (
	"context"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Conn is the session that captures and restores: names are always qualified, its current database does not matter.
type Conn interface {
	Query(ctx context.Context, st databend.Statement) (databend.Result, error)
	Exec(ctx context.Context, st databend.Statement) (databend.Result, error)
}

var _ Conn = (*databend.Session)(nil)

// State is the state of a set of objects at one moment. It is kept in the journal as JSON and holds no secret.
type State struct {
	Server  string        `json:"server"`
	At      string        `json:"at"` // server's clock
	Objects []ObjectState `json:"objects"`
}

// ObjectState is the state of one object; the package's file per kind says what it holds.
type ObjectState struct {
	sqltext.Object
	Exists bool `json:"exists"`
}

// Capture reads the state of objects: two requests whatever their number, one more per exotic kind.
func Capture(ctx context.Context, c Conn, objects []sqltext.Object) (State, error) {
	panic("not built yet")
}
