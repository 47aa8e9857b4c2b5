package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"

	"github.com/dbctl/dbctl/internal/crash"
)

// Ensure returns the engine whose folder is dir/.dbctl, starting its daemon when none runs, and puts changed files of o.Data into their
// buckets. Several at once start one daemon. The daemon is this executable, run again as `dbctl dev daemon`.
func Ensure(ctx context.Context, dir string, o Options) (*Engine, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the project folder: %w", err)
	}
	buckets := slices.Concat(o.Buckets, slices.Sorted(maps.Keys(o.Data)))
	for _, b := range buckets { // before a daemon is started, whose errors are only texts
		if err := gofakes3.ValidateBucketName(b); err != nil {
			return nil, fmt.Errorf("make bucket %q: %w", b, &StoreError{Code: "InvalidBucketName", Message: err.Error()})
		}
	}
	if err := prepareFolder(dir); err != nil {
		return nil, err
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, folder, lockName))
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", folder, err)
	}
	defer unlock()
	r, err := readRecord(dir)
	if err != nil {
		return nil, err
	}
	fresh := r == nil || !r.alive(ctx)
	if fresh {
		// Made here and not by the daemon, so that the progress of half a minute is seen.
		if _, err := environment(ctx, o); err != nil {
			return nil, err
		}
		if err := spawn(ctx, dir, o); err != nil {
			return nil, err
		}
		if r, err = readRecord(dir); err != nil {
			return nil, fmt.Errorf("start the local engine: %w", err)
		}
		if r == nil {
			return nil, fmt.Errorf("start the local engine: it left no %s", recordName)
		}
	}
	e := r.engine()
	e.Fresh = fresh
	for _, b := range buckets {
		if err := e.MakeBucket(ctx, b); err != nil {
			return nil, err
		}
	}
	if len(o.Data) > 0 {
		if err := ensureData(ctx, dir, r, e.S3, o.Data); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// MakeBucket makes a bucket of the store where it is missing.
func (e *Engine) MakeBucket(ctx context.Context, bucket string) error {
	err := e.S3.MakeBucket(ctx, bucket)
	if have, ok := errors.AsType[*StoreError](err); err == nil || ok && have.Code == "BucketAlreadyExists" {
		return nil
	}
	return fmt.Errorf("make bucket %s: %w", bucket, err)
}

// Running returns the engine of the project in dir, or nil when none runs.
func Running(ctx context.Context, dir string) (*Engine, error) {
	r, err := readRecord(dir)
	if err != nil || r == nil || !r.alive(ctx) {
		return nil, err
	}
	return r.engine(), nil
}

// Stop ends the daemon of the project in dir and waits until its data is gone. It reports whether one ran.
func Stop(ctx context.Context, dir string) (bool, error) {
	r, err := readRecord(dir)
	if err != nil || r == nil || !r.alive(ctx) {
		return false, err
	}
	if _, err := r.control(ctx, http.MethodPost, stopPath, 2*leaveWithin); err != nil {
		return true, fmt.Errorf("stop the local engine: %w", err)
	}
	return true, nil
}

// spawn starts the daemon and waits until it is ready. The daemon says so over a pipe, or why it is not.
func spawn(ctx context.Context, dir string, o Options) error {
	if os.Getenv(daemonVariable) != "" {
		return errors.New("start the local engine: this process was started as its daemon and is not dbctl")
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the local engine: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the local engine: %w", err)
	}
	defer read.Close()
	cmd := exec.Command(self, append([]string{"dev", "daemon", dir}, o.Buckets...)...)
	cmd.Args[0] = "dbctl" // whatever the executable's name: a test binary may be one that is dbctl under that name
	cmd.Dir = "/"
	cmd.Env = daemonEnv(o)
	cmd.ExtraFiles = []*os.File{write} // its descriptor 3
	cmd.SysProcAttr = ownSession()
	keepAllFromChildren()
	err = cmd.Start()
	_ = write.Close()
	if err != nil {
		return fmt.Errorf("start the local engine: %w", err)
	}
	said := make(chan string, 1)
	go crash.Caught(func() {
		text, _ := io.ReadAll(read)
		said <- string(text)
		_ = cmd.Wait() // it has ended already, or outlives us
	})()
	select {
	case text := <-said:
		if text = strings.TrimSpace(text); text == readyWord {
			return nil
		}
		if text == "" {
			text = "its process ended"
		}
		return fmt.Errorf("start the local engine: %s", text)
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		return fmt.Errorf("start the local engine: %w", context.Cause(ctx))
	}
}

// daemonEnv is all that the daemon gets of our environment: it lives long, and has no use for the secrets that may be there.
func daemonEnv(o Options) []string {
	env := append(inherited("PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR", "LD_LIBRARY_PATH", "TZDIR", idleVariable), daemonVariable+"=1")
	if o.Python != "" {
		env = append(env, pythonVariable+"="+o.Python)
	}
	return env
}

// ensureData puts what changed in the data folders since the last time into the buckets of this daemon.
func ensureData(ctx context.Context, dir string, r *record, s Store, data map[string]string) error {
	type file struct {
		Echo    string // of the daemon that has the files
		Buckets map[string]map[string]seen
	}
	path := filepath.Join(dir, folder, dataName)
	var before file
	if text, err := readOwn(path); err == nil && (json.Unmarshal(text, &before) != nil || before.Echo != r.Echo) {
		before = file{}
	}
	now := file{Echo: r.Echo, Buckets: maps.Clone(before.Buckets)}
	if now.Buckets == nil {
		now.Buckets = map[string]map[string]seen{}
	}
	for bucket, folder := range data {
		files, err := syncData(ctx, s, bucket, folder, before.Buckets[bucket])
		if err != nil {
			return err
		}
		now.Buckets[bucket] = files
	}
	text, err := json.Marshal(now)
	if err == nil {
		err = writeFile(path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", dataName, err)
	}
	return nil
}

// idleFor is how long the daemon stays without a request: an hour, or what the environment says (for tests).
func idleFor() time.Duration {
	if d, err := time.ParseDuration(os.Getenv(idleVariable)); err == nil && d > 0 {
		return d
	}
	return time.Hour
}
