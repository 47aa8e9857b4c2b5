package local

import "context"

// Ensure returns the engine of the project in dir, starting its daemon when none runs, and puts changed files of o.Data into the bucket.
// self is the command that becomes the daemon: this executable.
func Ensure(ctx context.Context, dir string, o Options) (*Engine, error) { panic("not built yet") }

// Running returns the engine of the project in dir, or nil when none runs.
func Running(ctx context.Context, dir string) (*Engine, error) { panic("not built yet") }

// Stop ends the daemon of the project in dir. It reports whether one ran.
func Stop(ctx context.Context, dir string) (bool, error) { panic("not built yet") }

// Daemon is the body of the re-executed process; it returns when it is stopped.
func Daemon(ctx context.Context, args []string) error { panic("not built yet") }
