package local

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
)

const (
	idleVariable   = "DBCTL_DEV_IDLE" // a Go duration
	pythonVariable = "DBCTL_PYTHON"
	daemonVariable = "DBCTL_DEV_DAEMON" // set in the daemon, so that a wrong executable cannot start itself for ever
	readyWord      = "ready"
	readyFD        = 3
	echoPath       = "/echo"
	stopPath       = "/stop"
)

// daemon is the process behind `dbctl dev`: it holds the object store and the engine, answers on a control port, and leaves when it
// is told to, when nobody asked for an hour, when the engine ended, or when the project's dev.json is no longer its own.
type daemon struct {
	dir     string
	engine  *Engine
	record  *record
	key     []byte // of the user
	control *http.Server
	asked   atomic.Int64 // Unix nanoseconds of the last echo

	mu      sync.Mutex
	leaving bool          // no echo any more: whoever asks starts another
	stop    chan struct{} // closed by the first reason to leave
	gone    chan struct{} // closed when nothing is left of the engine
}

// Daemon is the body of the re-executed process; it returns when it is stopped. args are the project folder and the buckets. It
// tells its parent over descriptor 3 that it is ready, or why it is not.
func Daemon(ctx context.Context, args []string) error {
	keepFromChildren(readyFD) // or the engine would hold it open
	parent := os.NewFile(readyFD, "ready")
	d, err := startDaemon(ctx, args)
	if err != nil {
		if parent != nil {
			_, _ = fmt.Fprintln(parent, err)
		}
		return err
	}
	if parent != nil {
		_, _ = fmt.Fprintln(parent, readyWord)
		_ = parent.Close()
	}
	go crash.Caught(func() { d.watch() })()
	select {
	case <-ctx.Done():
	case <-d.stop:
	case <-d.engine.child.exited:
	}
	return d.leave()
}

func startDaemon(ctx context.Context, args []string) (*daemon, error) {
	if len(args) == 0 {
		return nil, errors.New("dev daemon needs the project folder")
	}
	key, err := userKey()
	if err != nil {
		return nil, err
	}
	e, err := Start(ctx, Options{Buckets: args[1:], Python: os.Getenv(pythonVariable)})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the control port: %w", err), e.Close())
	}
	d := &daemon{dir: args[0], engine: e, key: key, stop: make(chan struct{}), gone: make(chan struct{})}
	d.asked.Store(time.Now().UnixNano())
	d.record = &record{
		PID: os.Getpid(), EnginePID: e.PID, Port: e.Port, User: e.User, Password: e.Password.Reveal(), S3Port: portOf(e.S3.Endpoint),
		S3Region: e.S3.Region,
		S3Key:    e.S3.Key, S3Secret: e.S3.Secret.Reveal(), Control: listener.Addr().(*net.TCPAddr).Port, Echo: randomHex(16),
		Version: e.Version, Isolated: e.Isolated, StartedAt: time.Now().UTC().Format(time.RFC3339),
	}
	d.control = &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second}
	go crash.Caught(func() { _ = d.control.Serve(listener) })()
	if err := d.record.write(d.dir); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return d, nil
}

func (d *daemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+echoPath, func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.leaving {
			w.WriteHeader(http.StatusGone)
			return
		}
		d.asked.Store(time.Now().UnixNano())
		_, _ = io.WriteString(w, d.record.proof(d.key, r.URL.Query().Get("challenge")))
	})
	mux.HandleFunc("POST "+stopPath, func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(password), []byte(d.record.Password)) != 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		d.end(nil)
		<-d.gone // so that the one who asked knows: nothing is left
	})
	return mux
}

// end makes the daemon leave, unless (asked under the lock, so that no echo comes between) it should stay after all.
func (d *daemon) end(stay func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leaving || stay != nil && stay() {
		return
	}
	d.leaving = true
	close(d.stop)
}

// watch ends the daemon when it has been idle, or when dev.json is gone or another's.
func (d *daemon) watch() {
	idle := idleFor()
	tick := time.NewTicker(min(max(idle/10, 20*time.Millisecond), 10*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		}
		if r, err := readRecord(d.dir); err == nil && (r == nil || r.Echo != d.record.Echo) {
			d.end(nil)
			return
		}
		d.end(func() bool { return d.idle() < idle })
	}
}

// idle is how long neither the engine nor the object store nor the control port was asked anything.
func (d *daemon) idle() time.Duration {
	last := max(d.asked.Load(), d.engine.objects.active.Load())
	idle := time.Since(time.Unix(0, last))
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s:%d/local/idle", d.engine.Host, d.engine.Port), nil)
	if err != nil {
		return idle
	}
	req.SetBasicAuth(d.engine.User, d.engine.Password.Reveal())
	resp, err := controlClient.Do(req)
	if err != nil {
		return idle // the engine ended: its own reason to leave
	}
	defer resp.Body.Close()
	var said struct{ Idle float64 }
	if json.NewDecoder(resp.Body).Decode(&said) != nil {
		return 0
	}
	return min(idle, time.Duration(said.Idle*float64(time.Second)))
}

// leave ends the engine, removes its data and, when it is still ours, dev.json.
func (d *daemon) leave() error {
	d.end(nil)
	err := d.engine.Close()
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	// Under the lock, or an Ensure could write its own between our look and our removal. One that holds the lock for longer is
	// starting another daemon and writes over ours.
	if unlock, lockErr := lockFile(ctx, filepath.Join(d.dir, folder, lockName)); lockErr == nil {
		if r, readErr := readRecord(d.dir); readErr == nil && r != nil && r.Echo == d.record.Echo {
			err = errors.Join(err, os.Remove(filepath.Join(d.dir, folder, recordName)))
		}
		unlock()
	}
	close(d.gone)
	_ = d.control.Shutdown(ctx) // waits until the one who asked for the stop has its answer
	return err
}

func portOf(endpoint string) int {
	u, err := url.Parse(endpoint)
	if err != nil {
		return 0
	}
	port, _ := strconv.Atoi(u.Port())
	return port
}
