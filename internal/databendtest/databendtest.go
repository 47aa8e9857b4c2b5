// Package databendtest gives tests a real Databend engine, an S3 store, a fresh database, and a project's folder about it.
//
// An embedded engine serves some test functions, and a newer one those behind them; a test that changes the account's settings starts one
// of its own (Start). DBCTL_TEST_DSN, with DBCTL_TEST_S3_ENDPOINT, _BUCKET, _KEY and
// _SECRET, names another server instead: the same tests then run against that. DBCTL_REQUIRE_ENGINE=1 makes a missing engine a
// failure rather than a skip.
package databendtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/local"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Env is what one test gets: a fresh database on the package's engine, and a fresh prefix of the bucket.
type Env struct {
	Config   databend.Config // with Database set
	Database string
	StateDB  string // a name for a state database of its own; dropped with the test
	Bucket   string
	Prefix   string // "tNNN/": keep objects below it
	S3       local.Store
	Embedded bool // false with DBCTL_TEST_DSN

	server *Engine
	logged int // entries of the engine's request log before this Env
}

const bucket = "dbctl-test"

// Engine is a server to test on: one that test functions share, or one that Start started.
type Engine struct {
	cfg      databend.Config
	s3       local.Store
	bucket   string
	embedded *local.Engine     // nil with DBCTL_TEST_DSN
	settings map[string]string // of the sessions of SQL and Err
	spare    spare             // of those sessions
	served   int               // Envs, of those that share it
}

var (
	counter atomic.Int64
	run     = fmt.Sprintf("%x", time.Now().UnixNano()&0xffffffff) // test binaries share a server of DBCTL_TEST_DSN
)

// start starts an engine to be shared, on a core of its own, or finds the server of DBCTL_TEST_DSN.
func start(core int) (*Engine, error) {
	if dsn := os.Getenv("DBCTL_TEST_DSN"); dsn != "" {
		cfg, err := databend.ParseDSN(dsn)
		if err != nil {
			return nil, err
		}
		s := &Engine{cfg: cfg, bucket: os.Getenv("DBCTL_TEST_S3_BUCKET"), s3: local.Store{
			Endpoint: os.Getenv("DBCTL_TEST_S3_ENDPOINT"),
			Key:      os.Getenv("DBCTL_TEST_S3_KEY"), Secret: secret.New(os.Getenv("DBCTL_TEST_S3_SECRET")),
		}}
		if s.bucket == "" || s.s3.Endpoint == "" {
			return nil, errors.New("DBCTL_TEST_DSN needs DBCTL_TEST_S3_ENDPOINT, _BUCKET, _KEY and _SECRET")
		}
		return s, nil
	}
	e, err := local.Start(context.Background(), embedded(core))
	if err != nil {
		return nil, err
	}
	return engineOf(e), nil
}

// embedded is an engine on one core; benchmarks have it on all, as a warehouse is.
func embedded(core int) local.Options {
	extra := faults
	if flag.Lookup("test.bench").Value.String() == "" {
		extra = fmt.Appendf(slices.Clone(faults), "\nstay_on(%d)\n", core)
	}
	return local.Options{
		Buckets: []string{bucket}, Progress: os.Stderr, Python: os.Getenv("DBCTL_PYTHON"), Folder: memory(), Extra: extra,
	}
}

// memory is a folder in memory where there is room for engines, "" where there is not. An engine syncs each change of its catalogue to
// the disk: that is a fifth of its CPU and half of its time, and an engine of a test has nothing to keep.
func memory() string {
	const folder, room = "/dev/shm", 2 << 30 // an engine of a package's tests takes 200 MB
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil || uint64(s.Bavail)*uint64(s.Bsize) < room {
		return ""
	}
	return folder
}

func engineOf(e *local.Engine) *Engine {
	return &Engine{
		cfg: databend.Config{Host: e.Host, Port: e.Port, Plain: true, User: e.User, Password: e.Password},
		s3:  e.S3, bucket: bucket, embedded: e,
	}
}

// Start starts an embedded engine of the test's own, whose account has these settings (SET GLOBAL); it ends with the test. The
// sessions of SQL and Err have what the settings were before: what a test is told does not depend on them.
func Start(t testing.TB, settings map[string]string) *Engine {
	t.Helper()
	if os.Getenv("DBCTL_TEST_DSN") != "" {
		t.Skip("the account's settings are changed on an embedded engine only")
	}
	e, err := local.Start(t.Context(), embedded(rand.Int()))
	if err != nil {
		without(t, err)
	}
	t.Cleanup(func() { _ = e.Close() })
	s := engineOf(e)
	s.settings = map[string]string{}
	for name := range settings {
		was, err := s.sql("", "SELECT value FROM system.settings WHERE name = "+sqltext.Quote(name))
		if err != nil || len(was) != 1 {
			t.Fatalf("read setting %s: %v, %v", name, was, err)
		}
		s.settings[name] = was[0][0]
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if _, err := s.sql("", "SET GLOBAL "+name+" = "+sqltext.Quote(settings[name])); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// without ends a test that has no engine: it is skipped loudly, or fails when DBCTL_REQUIRE_ENGINE=1.
func without(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("DBCTL_REQUIRE_ENGINE") == "1" || os.Getenv("DBCTL_TEST_DSN") != "" {
		t.Fatalf("no engine to test with: %v", err)
	}
	t.Skipf("NOT TESTED: no engine: %v", err)
}

// New returns an Env, on the engine of the others that the test function has. Without an engine the test is skipped loudly, or fails when
// DBCTL_REQUIRE_ENGINE=1.
func New(t testing.TB) *Env {
	t.Helper()
	s, err := shared.use(t)
	if err != nil {
		without(t, err)
	}
	return s.New(t)
}

// New returns an Env on this engine.
func (s *Engine) New(t testing.TB) *Env {
	t.Helper()
	n := counter.Add(1)
	e := &Env{
		Config: s.cfg, Database: fmt.Sprintf("t%d_%s", n, run), Bucket: s.bucket, Prefix: fmt.Sprintf("t%d_%s/", n, run),
		S3: s.s3, Embedded: s.embedded != nil, server: s,
	}
	e.StateDB = e.Database + "_state"
	e.Config.Database = e.Database
	if e.Embedded {
		_, e.logged = s.log(t, math.MaxInt32)
	}
	if _, err := s.sql("", "CREATE DATABASE "+e.Database); err != nil {
		t.Fatalf("make the test's database: %v", err)
	}
	t.Cleanup(func() {
		for _, db := range []string{e.Database, e.StateDB} {
			if _, err := s.sql("", "DROP DATABASE IF EXISTS "+db); err != nil {
				t.Errorf("drop the test's database: %v", err)
			}
		}
		e.removeObjects(t)
	})
	return e
}

func (e *Env) removeObjects(t testing.TB) {
	ctx := context.Background()
	objects, err := e.S3.List(ctx, e.Bucket, e.Prefix)
	for _, o := range objects {
		err = errors.Join(err, e.S3.Delete(ctx, e.Bucket, o.Key))
	}
	if err != nil {
		t.Errorf("remove the test's objects: %v", err)
	}
}

// Session opens a session in the Env's database, closed with the test.
func (e *Env) Session(t testing.TB) *databend.Session {
	t.Helper()
	srv, err := databend.Connect(t.Context(), e.Config)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(srv.Close)
	return srv.Session(nil)
}

// SQL runs statements in one session in the Env's database and returns the rows of the last as text ("NULL" for null); it fails
// the test on an error. It speaks to the server by itself, so that it can be an oracle for package databend too.
func (e *Env) SQL(t testing.TB, statements ...string) [][]string {
	t.Helper()
	rows, err := e.server.sql(e.Database, statements...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return rows
}

// Err runs one statement in the Env's database and returns its Databend error code and message, 0 and "" when it succeeds.
func (e *Env) Err(t testing.TB, statement string) (code int, message string) {
	t.Helper()
	_, err := e.server.sql(e.Database, statement)
	if err == nil {
		return 0, ""
	}
	var failed *SQLError
	if !errors.As(err, &failed) {
		t.Fatalf("%v", err)
	}
	return failed.Code, failed.Message
}

// Try runs one statement in the Env's database and returns its rows, or the server's refusal.
func (e *Env) Try(statement string) ([][]string, error) { return e.server.sql(e.Database, statement) }

// Put stores an object below the Env's prefix.
func (e *Env) Put(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := e.S3.Put(t.Context(), e.Bucket, e.Prefix+path, content); err != nil {
		t.Fatal(err)
	}
}

// Delete removes an object below the Env's prefix.
func (e *Env) Delete(t testing.TB, path string) {
	t.Helper()
	if err := e.S3.Delete(t.Context(), e.Bucket, e.Prefix+path); err != nil {
		t.Fatal(err)
	}
}

// StageSQL is a CREATE OR REPLACE STAGE over the Env's prefix (or a folder below it), with the store's keys.
func (e *Env) StageSQL(stage, folder, format string) string {
	return fmt.Sprintf("CREATE OR REPLACE STAGE %s URL = 's3://%s/%s%s' CONNECTION = (ENDPOINT_URL = '%s' REGION = '%s' "+
		"ACCESS_KEY_ID = '%s' SECRET_ACCESS_KEY = '%s') FILE_FORMAT = (TYPE = %s)",
		stage, e.Bucket, e.Prefix, folder, e.S3.Endpoint, "us-east-1", e.S3.Key, e.S3.Secret.Reveal(), format)
}
