//go:build unix

package local

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
)

// lockFile takes an exclusive lock on a file, made if missing, waiting until ctx ends. The lock goes with the process.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	for {
		unlock, err := tryLockFile(path)
		if err != nil || unlock != nil {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tryLockFile is lockFile without waiting: a nil unlock means that another holds the lock.
func tryLockFile(path string) (unlock func(), err error) {
	f, err := openOwn(path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, f.Close()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// openOwn opens a regular file of ours: no link, no pipe, nothing of another user, and without waiting.
func openOwn(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || !isOurs(info)) {
		err = &os.PathError{Op: "open", Path: path, Err: errNotOurs}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// isOurs reports whether a file belongs to the user that we run as.
func isOurs(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// ownGroup keeps a child out of our process group: a signal from the terminal does not reach it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// ownSession makes a child the leader of a session of its own: it outlives our terminal.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// keepFromChildren makes a descriptor close in programs that we run.
func keepFromChildren(fd int) { syscall.CloseOnExec(fd) }

// keepAllFromChildren does so with whatever we were started with beside stdin, stdout and stderr: a caller's lock, or the pipe of a
// shell's <(…) with secrets, is nothing for a process that outlives us.
func keepAllFromChildren() {
	open, _ := os.ReadDir("/dev/fd")
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			keepFromChildren(fd)
		}
	}
}

// channel is a pair of connected sockets: one end for us, one for a child.
func channel() (ours, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return os.NewFile(uintptr(fds[0]), "channel"), os.NewFile(uintptr(fds[1]), "channel"), nil
}

// receive takes a listening socket from the other end of a channel, or nil when it has none to give.
func receive(ctx context.Context, ours *os.File) (net.Listener, error) {
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, wrapChannel(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, crash.Caught(func() { _ = conn.Close() }))()
	word, rights := make([]byte, 1), make([]byte, syscall.CmsgSpace(4))
	n, rn, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(word, rights)
	if err != nil || n == 0 {
		return nil, wrapChannel(errors.Join(err, io.ErrUnexpectedEOF))
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:rn])
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, err
	}
	syscall.CloseOnExec(fds[0])
	f := os.NewFile(uintptr(fds[0]), "proxy")
	defer f.Close()
	return net.FileListener(f)
}
