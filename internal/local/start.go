package local

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/secret"
)

// front is the Python side: a server's protocol over the engine's library.
//
//go:embed front/*.py
var front embed.FS

const (
	readyWithin = 60 * time.Second // a loaded machine; a quiet one takes one second
	leaveWithin = 5 * time.Second
)

// Start starts an engine as a child of this process and dies with it: for tests. The first start on a machine
// makes the Python environment, which takes half a minute and is told to o.Progress.
func Start(ctx context.Context, o Options) (*Engine, error) {
	python, err := environment(ctx, o)
	if err != nil {
		return nil, err
	}
	objects, err := startObjects(o.Buckets)
	if err != nil {
		return nil, err
	}
	password := randomHex(16)
	way := newProxy(strings.TrimPrefix(objects.store.Endpoint, "http://"), objects.http.Handler)
	c, err := startChild(ctx, python, password, o, way)
	if err != nil && ctx.Err() == nil {
		// The engine picks the ports of its own meta service by taking, releasing and taking them again: that race is lost at times.
		c, err = startChild(ctx, python, password, o, way)
	}
	if err != nil {
		objects.close()
		return nil, err
	}
	e := &Engine{
		Host: "127.0.0.1", Port: c.port, User: user, Password: secret.New(password), PID: c.cmd.Process.Pid, Version: c.version,
		S3: objects.store, Isolated: c.isolated, child: c, objects: objects,
	}
	return e, nil
}

// Close ends the engine and removes its data. Of an engine that Ensure or Running returned it does nothing: its daemon lives on.
func (e *Engine) Close() error {
	if e == nil || e.child == nil {
		return nil
	}
	e.objects.close()
	return e.child.close()
}

// child is the Python process.
type child struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	data     string
	isolated bool   // it is in a network of its own
	unproxy  func() // ends the proxy that leads out of it
	unlock   func() // of data: whoever can lock it knows that we are gone
	port     int
	version  string
	exited   chan struct{} // closed when it has ended
	stderr   *tail
}

// startChild starts the front and waits until it is ready. The password goes over the pipe: not into the arguments or the
// environment, where other processes could read it.
func startChild(ctx context.Context, python, password string, o Options, way *proxy) (_ *child, err error) {
	script, err := writeFront()
	if err != nil {
		return nil, err
	}
	folder := cmp.Or(o.Folder, os.TempDir())
	sweep(folder)
	data, err := os.MkdirTemp(folder, dataPrefix) // 0700: the engine's meta log holds the keys of stages in clear
	if err != nil {
		return nil, fmt.Errorf("make the engine's data folder: %w", err)
	}
	unlock, err := tryLockFile(filepath.Join(data, ownerLock))
	if err != nil {
		return nil, fmt.Errorf("lock the engine's data folder: %w", err)
	}
	c := &child{data: data, unlock: unlock, unproxy: func() {}, exited: make(chan struct{}), stderr: &tail{}}
	defer func() {
		if err != nil {
			_ = c.close()
		}
	}()
	c.cmd = exec.Command(python, "-E", "-s", script)
	c.cmd.Dir = data
	c.cmd.Env = childEnv(data)
	c.cmd.Stderr = c.stderr
	c.cmd.SysProcAttr = ownGroup() // Ctrl-C on the terminal is ours to handle, not the engine's
	ours, theirs, err := channel()
	if err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	defer ours.Close()
	defer theirs.Close()
	c.cmd.ExtraFiles = []*os.File{theirs} // its descriptor 3
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	_ = theirs.Close() // or its end would not be seen
	ready := make(chan error, 1)
	go crash.Caught(func() {
		ready <- c.handshake(ctx, stdout, password, o.Extra, way, ours)
		_, _ = io.Copy(io.Discard, stdout)
		_ = c.cmd.Wait()
		close(c.exited)
	})()
	timer := time.NewTimer(readyWithin)
	defer timer.Stop()
	select {
	case err := <-ready:
		if err != nil {
			return nil, fmt.Errorf("start the engine: %w%s", err, c.stderr.lines())
		}
		return c, nil
	case <-timer.C:
		return nil, fmt.Errorf("start the engine: not ready within %s%s", readyWithin, c.stderr.lines())
	case <-ctx.Done():
		return nil, fmt.Errorf("start the engine: %w", context.Cause(ctx))
	}
}

func (c *child) handshake(ctx context.Context, stdout io.Reader, password string, extra []byte, way *proxy, ours *os.File) error {
	config := map[string]any{"data": c.data, "user": user, "password": password, "channel": 3}
	if extra != nil {
		path := filepath.Join(c.data, "extra.py")
		if err := os.WriteFile(path, extra, 0o600); err != nil {
			return err
		}
		config["extra"] = path
	}
	hello, err := json.Marshal(config)
	if err != nil {
		return err
	}
	if _, err := c.stdin.Write(append(hello, '\n')); err != nil {
		return err
	}
	if c.isolated, c.unproxy, err = way.serve(ctx, ours); err != nil {
		return err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return errors.New("it ended before it was ready")
	}
	var ready struct {
		Port    int
		Version string
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		return fmt.Errorf("read its first line: %w", err)
	}
	c.port, c.version = ready.Port, ready.Version
	return nil
}

// close ends the process by closing its stdin, and with force when it does not go, and removes its data.
func (c *child) close() error {
	if c.stdin != nil {
		_ = c.stdin.Close()
	}
	if c.cmd != nil && c.cmd.Process != nil {
		select {
		case <-c.exited:
		case <-time.After(leaveWithin):
			_ = c.cmd.Process.Kill()
			<-c.exited
		}
	}
	c.unproxy()
	err := os.RemoveAll(c.data)
	c.unlock()
	return err
}

const (
	dataPrefix = "dbctl-engine-"
	ownerLock  = "owner.lock" // in a data folder; held as long as its engine is somebody's
)

// sweep removes the data of engines that were killed together with those who had started them: keys of stages stand there in clear.
func sweep(folder string) {
	folders, _ := filepath.Glob(filepath.Join(folder, dataPrefix+"*"))
	for _, dir := range folders {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !isOurs(info) || time.Since(info.ModTime()) < readyWithin {
			continue // not ours, or just being made
		}
		unlock, err := tryLockFile(filepath.Join(dir, ownerLock))
		if err != nil || unlock == nil {
			continue
		}
		_ = os.RemoveAll(dir) // what cannot be removed now is tried again at the next start
		unlock()
	}
}

// childEnv is all that the engine sees of our environment. AWS_* in particular stays out: the engine would use those keys for a
// connection that has none.
func childEnv(data string) []string {
	return append(inherited("PATH", "LD_LIBRARY_PATH", "TZDIR"), "RUST_BACKTRACE=0", "TMPDIR="+data, "HOME="+data, "PYTHONUTF8=1")
}

// inherited are the variables of these names in our environment.
func inherited(names ...string) (env []string) {
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// writeFront puts the embedded Python files where Python can run them and returns the path of main.py.
func writeFront() (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	files, err := front.ReadDir("front")
	if err != nil {
		return "", err
	}
	contents := make([][]byte, len(files))
	for i, f := range files {
		if contents[i], err = front.ReadFile("front/" + f.Name()); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(cache, "front-"+shortHash(contents...))
	for i, f := range files {
		path := filepath.Join(dir, f.Name())
		if old, err := readOwn(path); err == nil && bytes.Equal(old, contents[i]) {
			continue
		}
		if err := writeFile(path, contents[i], 0o600); err != nil {
			return "", fmt.Errorf("write the engine's front: %w", err)
		}
	}
	return filepath.Join(dir, "main.py"), nil
}

// writeFile writes a file whole or not at all.
func writeFile(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// tail keeps the last bytes of what the engine says on stderr, for the error when it does not start.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if extra := len(t.buf) - tailBytes; extra > 0 {
		t.buf = t.buf[extra:]
	}
	return len(p), nil
}

func (t *tail) lines() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(string(t.buf)); text != "" {
		return "\n" + text
	}
	return ""
}
