package state

import (
	"context"
	"errors"
	"time"
)

// ErrRobbed is returned when somebody took this run's lock over: nothing more may be sent for it.
var ErrRobbed = errors.New("the lock was taken over by another run: nothing more was sent")

// Fence is a condition that holds only as long as a lock is ours: a table of the lock still exists with its id and token. It is
// checked by the server inside the statement that it guards.
type Fence struct {
	Database, Table, TableID, Token string
}

// LockOptions say how to take a lock.
type LockOptions struct {
	TTL   time.Duration // age from which an owner that does not beat is taken for dead; default 30 s
	Wait  time.Duration // how long to wait for it; 0: not at all
	Run   string        // id of the run or load
	Actor Actor
	Note  func(text string) // told when waiting and when taking over; may be nil
}

// HeldError says who holds a lock (exit 5).
type HeldError struct {
	What  string // "the migrations of citydrive in default", "loads into default.videos"
	Owner string // person@host, pid, run
	Age   time.Duration
}

func (e *HeldError) Error() string { panic("not built yet") }

// Lock is a lock that we hold. Its heartbeat runs until Release.
type Lock struct{}

// AcquireTable takes the lock of loads into one table (database.table), and then refuses a table that an unfinished migration
// writes, with *HeldError.
func (s *Store) AcquireTable(ctx context.Context, database, table string, o LockOptions) (*Lock, error) {
	panic("not built yet")
}

// Fence guards a statement of the owner's transaction.
func (l *Lock) Fence() *Fence { panic("not built yet") }

// Fresh returns ErrRobbed when a statement may no longer be sent: the last answered mark or heartbeat is older than TTL/3 and a
// new one did not succeed. Call it right before each statement that writes.
func (l *Lock) Fresh(ctx context.Context) error { panic("not built yet") }

// Release ends the heartbeat and gives the lock back.
func (l *Lock) Release(ctx context.Context) error { panic("not built yet") }
