// Package local runs a real Databend engine (the databend wheel, in a Python process that speaks /v1/query) and an S3 object store
// on this machine, for trying, tests and the demo. Its catalogue lives as long as its process.
package local

import (
	"context"
	"io"

	"github.com/dbctl/dbctl/internal/secret"
)

// Engine is a running engine with its object store.
type Engine struct {
	Host     string // 127.0.0.1
	Port     int
	User     string
	Password secret.Text
	S3       Store
	PID      int
}

// Store is the object store beside the engine.
type Store struct {
	Endpoint string // http://127.0.0.1:port
	Region   string
	Key      string
	Secret   secret.Text
}

// Options say what to start.
type Options struct {
	Buckets  []string  // made at start
	Data     string    // a folder whose files are put into the first bucket, and again whenever they change; may be ""
	Progress io.Writer // told what takes long (making the Python environment); may be nil
	Python   string    // $DBCTL_PYTHON
}

// Start starts an engine as a child of this process and dies with it: for tests and `dbctl test`.
func Start(ctx context.Context, o Options) (*Engine, error) { panic("not built yet") }

// Close ends the engine and removes its data.
func (e *Engine) Close() error { panic("not built yet") }

// Ensure returns the engine of the project in dir, starting its daemon when none runs, and puts changed files of o.Data into the bucket.
// self is the command that becomes the daemon: this executable.
func Ensure(ctx context.Context, dir string, o Options) (*Engine, error) { panic("not built yet") }

// Running returns the engine of the project in dir, or nil when none runs.
func Running(ctx context.Context, dir string) (*Engine, error) { panic("not built yet") }

// Stop ends the daemon of the project in dir. It reports whether one ran.
func Stop(ctx context.Context, dir string) (bool, error) { panic("not built yet") }

// Daemon is the body of the re-executed process; it returns when it is stopped.
func Daemon(ctx context.Context, args []string) error { panic("not built yet") }
