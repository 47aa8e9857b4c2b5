//go:build unix

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain makes the test binary its own daemon, as dbctl is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "dev" && os.Args[2] == "daemon" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := Daemon(ctx, os.Args[3:]); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// ensure starts or finds a daemon that is stopped with the test; without a Python the test is skipped.
func ensure(t *testing.T, dir string, o Options) *Engine {
	t.Helper()
	e, err := Ensure(t.Context(), dir, o)
	if missing := (*PythonError)(nil); errors.As(err, &missing) && os.Getenv("DBCTL_REQUIRE_ENGINE") != "1" {
		t.Skipf("NOT TESTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := Stop(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	return e
}

// query runs a statement on an engine and returns the first cell, and the error's code.
func query(t *testing.T, e *Engine, sql string) (string, int) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"sql": sql})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://%s:%d/v1/query", e.Host, e.Port), strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(e.User, e.Password.Reveal())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var a struct {
		Data  [][]string
		Error *struct{ Code int }
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	if a.Error != nil {
		return "", a.Error.Code
	}
	if len(a.Data) == 0 {
		return "", 0
	}
	return a.Data[0][0], 0
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// zombie reports whether a process has ended and waits for a parent that never asks: in a container there may be none.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(text), ") ")
	return err == nil && strings.HasPrefix(after, "Z")
}

// dataOf is the engine's data folder: the working folder of its process.
func dataOf(t *testing.T, pid int) string {
	t.Helper()
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		t.Skip("needs /proc")
	}
	return dir
}

func missing(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there (%v)", path, err)
		}
	}
}

func TestDaemonLife(t *testing.T) {
	dir := t.TempDir()
	if e, err := Running(t.Context(), dir); e != nil || err != nil {
		t.Fatalf("Running before = %v, %v", e, err)
	}
	if ran, err := Stop(t.Context(), dir); ran || err != nil {
		t.Fatalf("Stop before = %v, %v", ran, err)
	}

	var held [2]int // as a caller leaves a lock, or a pipe that somebody reads to its end, in our hands
	if err := syscall.Pipe(held[:]); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(held[0])

	// Two at once start one.
	var engines [2]*Engine
	var wg sync.WaitGroup
	for i := range engines {
		wg.Go(func() { engines[i] = ensure(t, dir, Options{Buckets: []string{"lake"}}) })
	}
	wg.Wait()
	if t.Failed() || t.Skipped() {
		t.FailNow()
	}
	first := engines[0]
	if engines[1].PID != first.PID || engines[1].Port != first.Port {
		t.Fatalf("two daemons: %d and %d", first.PID, engines[1].PID)
	}
	if first.PID == os.Getpid() {
		t.Fatal("the daemon is this process")
	}
	_ = syscall.Close(held[1])
	_ = syscall.SetNonblock(held[0], true)
	if n, err := syscall.Read(held[0], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the daemon holds what its first caller had open: %v", err)
	}

	r, err := readRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{recordName: 0o600, ".gitignore": 0o644} {
		info, err := os.Stat(filepath.Join(dir, folder, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v (%v)", name, info.Mode().Perm(), want, err)
		}
	}
	data := dataOf(t, r.EnginePID)
	if info, err := os.Stat(data); err != nil || info.Mode().Perm() != 0o700 || strings.HasPrefix(data, dir) {
		t.Errorf("data folder %s has mode %v (%v)", data, info.Mode().Perm(), err)
	}

	// What one command makes, the next one finds.
	query(t, first, "CREATE TABLE t AS SELECT 7 AS a")
	again, err := Running(t.Context(), dir)
	if err != nil || again == nil {
		t.Fatalf("Running = %v, %v", again, err)
	}
	if got, _ := query(t, again, "SELECT a FROM t"); got != "7" {
		t.Errorf("SELECT a = %q, want 7", got)
	}

	if ran, err := Stop(t.Context(), dir); !ran || err != nil {
		t.Fatalf("Stop = %v, %v", ran, err)
	}
	for _, path := range []string{data, filepath.Join(dir, folder, recordName)} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after Stop %s is still there", path)
		}
	}
	gone(t, r.EnginePID)
	gone(t, r.PID)
	if e, err := Running(t.Context(), dir); e != nil || err != nil {
		t.Errorf("Running after = %v, %v", e, err)
	}
}

// A killed engine ends its daemon; a killed daemon ends its engine; either way the next Ensure starts a new one.
func TestDaemonKilled(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"engine", "daemon"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ensure(t, dir, Options{})
			r, err := readRecord(dir)
			if err != nil {
				t.Fatal(err)
			}
			data := dataOf(t, r.EnginePID)
			pid := r.EnginePID
			if who == "daemon" {
				pid = r.PID
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			gone(t, r.PID)
			gone(t, r.EnginePID)
			missing(t, data)
			e := ensure(t, dir, Options{})
			if e.PID == r.PID {
				t.Errorf("the new daemon is the old one, %d", e.PID)
			}
			if got, _ := query(t, e, "SELECT 1"); got != "1" {
				t.Errorf("SELECT 1 = %q", got)
			}
		})
	}
}

// dev.json may be of a daemon that is gone, whose port another program has, or no such file at all.
func TestStaleRecord(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); ok {
			t.Error("a stranger was told the password")
		}
		_, _ = w.Write([]byte("hello"))
	}))
	defer stranger.Close()
	for name, text := range map[string]string{
		"stranger": fmt.Sprintf(`{"control_port": %d, "echo": "right", "password": "p", "user": "root"}`, portOf(stranger.URL)),
		"nobody":   `{"control_port": 1, "echo": "x"}`,
		"no echo":  fmt.Sprintf(`{"control_port": %d, "echo": ""}`, portOf(stranger.URL)),
		"garbage":  `not json`,
	} {
		dir := t.TempDir()
		if err := writeFile(filepath.Join(dir, folder, recordName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if e, err := Running(t.Context(), dir); e != nil || err != nil {
			t.Errorf("%s: Running = %v, %v", name, e, err)
		}
		if ran, err := Stop(t.Context(), dir); ran || err != nil {
			t.Errorf("%s: Stop = %v, %v", name, ran, err)
		}
	}
	dir := t.TempDir()
	if err := writeFile(filepath.Join(dir, folder, recordName), []byte(`{"control_port": 1, "echo": "x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if e := ensure(t, dir, Options{}); e == nil || e.PID == 0 {
		t.Errorf("Ensure over a stale dev.json = %+v", e)
	}
}

// An idle daemon leaves, and one whose project folder was removed, which nobody is left to find; one that is asked stays.
func TestDaemonLeaves(t *testing.T) {
	const idle = 5 * time.Second // far longer than a busy machine takes from one query to the next
	t.Setenv(idleVariable, idle.String())
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		e := ensure(t, dir, Options{})
		r, err := readRecord(dir)
		if err != nil {
			t.Fatal(err)
		}
		for begin := time.Now(); time.Since(begin) < idle+time.Second; time.Sleep(100 * time.Millisecond) {
			if got, _ := query(t, e, "SELECT 1"); got != "1" {
				t.Fatalf("the daemon left while it was used")
			}
		}
		gone(t, r.PID)
		gone(t, r.EnginePID)
		missing(t, filepath.Join(dir, folder, recordName))
	})
	t.Run("of a removed project", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		e := ensure(t, dir, Options{Buckets: []string{"lake"}})
		if err := os.RemoveAll(filepath.Join(dir, folder)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			for ctx.Err() == nil { // it is asked, and leaves all the same
				_, _ = e.S3.List(ctx, "lake", "")
				time.Sleep(100 * time.Millisecond)
			}
		}()
		gone(t, e.PID)
		missing(t, filepath.Join(dir, folder))
	})
}

func TestDaemonData(t *testing.T) {
	t.Parallel()
	dir, data := t.TempDir(), t.TempDir()
	put := func(path, content string) {
		t.Helper()
		if err := writeFile(filepath.Join(data, path), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("raw/videos/a.csv", "1")
	put("raw/videos/b=1/c d+é.csv", "22")
	put(".hidden/x", "no")
	o := Options{Data: map[string]string{"lake": data}}
	e := ensure(t, dir, o)
	keys := func() map[string]int64 {
		t.Helper()
		objects, err := e.S3.List(t.Context(), "lake", "")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, o := range objects {
			got[o.Key] = o.Size
		}
		return got
	}
	if diff := cmp.Diff(keys(), map[string]int64{"raw/videos/a.csv": 1, "raw/videos/b=1/c d+é.csv": 2}); diff != "" {
		t.Errorf("first (-got +want):\n%s", diff)
	}

	// An object from elsewhere stays, an unchanged file is not put again, a changed one is, a removed one goes.
	if err := e.S3.Put(t.Context(), "lake", "other", []byte("mine")); err != nil {
		t.Fatal(err)
	}
	if err := e.S3.Put(t.Context(), "lake", "raw/videos/b=1/c d+é.csv", []byte("overwritten")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(data, "raw/videos/a.csv")); err != nil {
		t.Fatal(err)
	}
	put("raw/new.csv", "333")
	ensure(t, dir, o)
	if diff := cmp.Diff(keys(), map[string]int64{"raw/new.csv": 3, "raw/videos/b=1/c d+é.csv": 11, "other": 4}); diff != "" {
		t.Errorf("second (-got +want):\n%s", diff)
	}
	put("raw/videos/b=1/c d+é.csv", "4444")
	ensure(t, dir, Options{Buckets: []string{"second"}, Data: map[string]string{"lake": data, "third": data}})
	if diff := cmp.Diff(keys(), map[string]int64{"raw/new.csv": 3, "raw/videos/b=1/c d+é.csv": 4, "other": 4}); diff != "" {
		t.Errorf("third (-got +want):\n%s", diff)
	}
	if _, err := e.S3.List(t.Context(), "second", ""); err != nil {
		t.Errorf("a bucket that is asked for later: %v", err)
	}
	if objects, err := e.S3.List(t.Context(), "third", ""); err != nil || len(objects) != 2 {
		t.Errorf("a second folder: got %v, %v, want its 2 files", objects, err)
	}
}

// shortLog checks that a long log of an engine is emptied, and that it writes on.
func shortLog(t *testing.T, data string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(data, "logs", "*"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("the engine writes no log: %v", err)
	}
	const long = 1 << 30
	if err := os.Truncate(logs[0], long); err != nil { // without a block of its own on the disk
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		switch info, err := os.Stat(logs[0]); {
		case err != nil:
			t.Fatal(err)
		case info.Size() > 0 && info.Size() < long:
			return
		case time.Now().After(until):
			t.Fatalf("the engine's log has %d bytes", info.Size())
		}
	}
}

// The engine of Start ends with its parent, also when that is killed.
func TestChildEndsWithStdin(t *testing.T) {
	t.Parallel()
	e, err := Start(t.Context(), Options{})
	if missing := (*PythonError)(nil); errors.As(err, &missing) && os.Getenv("DBCTL_REQUIRE_ENGINE") != "1" {
		t.Skipf("NOT TESTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	shortLog(t, e.child.data)
	_ = e.child.stdin.Close() // what the kernel does for a killed parent
	select {
	case <-e.child.exited:
	case <-time.After(2 * time.Minute):
		t.Error("the engine stays without its parent")
	}
	missing(t, e.child.data)
	if err := e.Close(); err != nil {
		t.Errorf("Close of an engine that ended: %v", err)
	}
}
