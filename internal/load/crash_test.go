package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
)

// wire is a transport that tells of each statement before it is sent.
type wire struct{ before func(sql string) }

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/query") && r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var q struct{ SQL string }
		if json.Unmarshal(body, &q) == nil && q.SQL != "" {
			w.before(q.SQL)
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// beforeFirst does something once, right before the first statement that begins with prefix is sent.
func (w *world) beforeFirst(prefix string, do func()) {
	var once sync.Once
	w.cfg = func(c *databend.Config) {
		c.Transport = wire{func(sql string) {
			if strings.HasPrefix(sql, prefix) {
				once.Do(do)
			}
		}}
	}
}

// A task loads the same files at the worst moments.
func TestAnotherLoaderIsFaster(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"COPY INTO", "COMMIT"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			fromEach(t, func(w *world, _ string) {
				ld := w.load(copyRows)
				w.Put(w.t, "p/a.parquet", rows(1, 3))
				w.Put(w.t, "p/b.parquet", rows(11, 2))
				w.Put(w.t, "p/c.parquet", rows(21, 1))
				w.beforeFirst(moment, func() {
					w.SQL(w.t, w.byHand(ld)+" FILES = ('a.parquet', 'b.parquet')")
				})
				w.mustRun(ld, plan.Options{}, 1, 1)
				w.wantRows(6)
				want := []string{"a.parquet loaded engine -1", "b.parquet loaded engine -1", "c.parquet loaded dbctl 1"}
				if diff := cmp.Diff(w.ledger(), want); diff != "" {
					w.t.Errorf("ledger (-got +want):\n%s", diff)
				}
				w.cfg = nil
				w.mustRun(ld, plan.Options{}, 0, 0)
			})
		})
	}
}

// COPY into a table that is replaced meanwhile succeeds, and its rows are nowhere.
func TestTableReplacedUnderTheLoad(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"COPY INTO", "INSERT INTO", "COMMIT", "SELECT to_string(table_id)"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			fromEach(t, func(w *world, _ string) {
				ld := w.load(copyRows)
				w.Put(w.t, "p/a.parquet", rows(1, 3))
				w.mustRun(ld, plan.Options{}, 1, 3)
				w.Put(w.t, "p/b.parquet", rows(11, 2))
				w.beforeFirst(moment, func() { w.SQL(w.t, "CREATE OR REPLACE TABLE t (id INT, name STRING)") })
				_, err := w.run(ld, plan.Options{})
				w.cfg = nil
				if err != nil {
					w.wantExit(err, exit.Partly, "was replaced")
					w.mustRun(ld, plan.Options{}, 2, 5)
				}
				w.wantRows(5)
				w.mustRun(ld, plan.Options{}, 0, 0)
			})
		})
	}
}

func TestFileChangedUnderTheLoad(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		ld := w.load(copyRows)
		w.Put(w.t, "p/a.parquet", rows(1, 3))
		w.Put(w.t, "p/b.parquet", rows(11, 2))
		w.beforeFirst("COPY INTO", func() { w.Delete(w.t, "p/b.parquet") })
		w.mustRun(ld, plan.Options{}, 1, 3)
		w.wantRows(3)
	})
}

func TestTwoLoadsOfOneTable(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		ld := w.load(copyRows)
		for i := range 5 {
			w.Put(w.t, fmt.Sprintf("p/%d.parquet", i), rows(i, 10))
		}
		w.mustRun(ld, plan.Options{Limit: 1}, 1, 10)
		var wg sync.WaitGroup
		var files atomic.Int64
		for i := range 3 {
			wg.Go(func() {
				err := w.child(w.t.Context(), w.Config, fmt.Sprintf("both-%d", i), nil, func(l *Loader) error {
					l.cfg.LockWait = 10 * time.Minute
					res, err := l.run(w.t.Context(), ld, plan.Options{}, nil)
					files.Add(int64(res.Files))
					return err
				})
				if err != nil {
					w.t.Error(err)
				}
			})
		}
		wg.Wait()
		if files.Load() != 4 {
			w.t.Errorf("got %d files loaded by all, want 4", files.Load())
		}
		w.wantRows(50)
	})
}

func TestLockedTable(t *testing.T) {
	t.Parallel()
	fromEach(t, func(w *world, _ string) {
		ld := w.load(copyRows)
		w.Put(w.t, "p/a.parquet", rows(1, 3))
		var inner error
		w.beforeFirst("COMMIT", func() {
			inner = w.child(w.t.Context(), w.Config, "other", nil, func(l *Loader) error {
				_, err := l.run(w.t.Context(), ld, plan.Options{}, nil)
				return err
			})
		})
		w.mustRun(ld, plan.Options{}, 1, 3)
		w.wantExit(inner, exit.Locked)
		w.wantRows(3)
	})
}

func TestInterruptedLoadLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ld := w.load(copyRows)
	w.Put(t, "p/a.parquet", rows(1, 3))
	ctx, cancel := context.WithCancel(t.Context())
	w.Fault(t, databendtest.Fault{Action: "hold", Match: "^COPY INTO.*" + w.stage, Hold: 600})
	w.beforeFirst("COPY INTO", func() {
		go func() { // as soon as it runs
			for !slices.ContainsFunc(w.Log(t), func(r databendtest.Request) bool {
				return strings.HasPrefix(r.SQL, "COPY INTO") && strings.Contains(r.SQL, w.stage)
			}) {
				time.Sleep(20 * time.Millisecond)
			}
			cancel()
		}()
	})
	start := time.Now()
	err := w.with(t.Context(), func(l *Loader) error {
		_, err := l.run(ctx, ld, plan.Options{}, nil)
		return err
	})
	if err == nil || time.Since(start) > 5*time.Minute {
		t.Errorf("got %v after %v, want an error at once", err, time.Since(start))
	}
	w.wantRows(0)
	w.cfg = nil
	w.mustRun(ld, plan.Options{}, 1, 3)
	w.wantRows(3)
}

// Answers that never come, at each statement that matters: the run plans again, and loads once what is not there.
func TestLostAnswers(t *testing.T) { // not parallel: COMMIT names nothing of this test
	for _, tt := range []struct {
		action, match string
		skip          int
	}{
		{"html", "^COPY INTO.*STAGE", 0},
		{"drop_after", "^COPY INTO.*STAGE", 0},
		{"drop_after", "^BEGIN", 0}, // and with it that a transaction is open
		{"html", "^COMMIT", 0},
		{"drop_before", "^COMMIT", 0},
		{"drop_after", "^COMMIT", 0},
		{"html", "^INSERT INTO.*STATE", 0},       // what is said ahead of the COPY
		{"drop_after", "^INSERT INTO.*STATE", 1}, // in the transaction
	} {
		t.Run(fmt.Sprint(tt.action, " ", tt.match, " ", tt.skip), func(t *testing.T) {
			w := newWorld(t)
			ld := w.load(copyRows)
			w.Put(t, "p/a.parquet", rows(1, 3))
			w.mustRun(ld, plan.Options{}, 1, 3)
			w.Put(t, "p/b.parquet", rows(11, 2))
			match := strings.NewReplacer("STAGE", w.stage, "STATE", w.StateDB).Replace(tt.match)
			w.Fault(t, databendtest.Fault{Action: tt.action, Match: match, Skip: tt.skip})
			w.mustRun(ld, plan.Options{}, 1, 2)
			w.wantRows(5)
			w.mustRun(ld, plan.Options{}, 0, 0)
		})
	}
}

// The answer to any of its requests may be lost: the load ends as if it had not been. DBCTL_PROOF=full loses each.
func TestLostAnswerOfEachRequest(t *testing.T) {
	t.Parallel()
	for from, location := range map[string]bool{"stage": false, "location": true} {
		play := func(t *testing.T, at int) int {
			w := newWorld(t)
			w.uri = location
			ld := w.load(copyRows, after(behind))
			w.SQL(t, "CREATE TABLE ran (n INT)")
			w.Put(t, "p/a.parquet", rows(1, 3))
			w.mustRun(ld, plan.Options{}, 1, 3)
			w.Put(t, "p/b.parquet", rows(11, 2))
			w.Put(t, "p/c.parquet", rows(21, 2)[:60])
			d := &databendtest.Deaf{At: at}
			w.cfg = func(c *databend.Config) { c.Transport = d }
			res, err := w.run(ld, plan.Options{})
			t.Logf("%s: %v", d.Lost(), err)
			if w.wantExit(err, exit.Partly, "c.parquet"); res.Files != 1 || res.Rows != 2 {
				t.Errorf("got %+v", res)
			}
			w.cfg = nil
			w.wantRows(5)
			w.Delete(t, "p/c.parquet")
			w.mustRun(ld, plan.Options{}, 0, 0)
			if got := w.SQL(t, "SELECT count(*) FROM ran")[0][0]; got != "2" {
				t.Errorf("what stands behind the COPY ran %s times, want 2", got)
			}
			if s := w.ownStages(); len(s) > 0 {
				t.Errorf("stages are left: %v", s)
			}
			return d.Count()
		}
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			requests := play(t, 0)
			for at := 2; at <= requests; at += databendtest.Step(requests, 3) {
				t.Run(fmt.Sprintf("%d of %d", at, requests), func(t *testing.T) {
					t.Parallel()
					play(t, at)
				})
			}
		})
	}
}

// A server that knows nothing any more of a statement whose answer is lost, as after a restart: what only reads is asked again, of what
// writes it is found out whether it did, and the load ends as if nothing had been. DBCTL_PROOF=full forgets each.
func TestForgottenAnswerOfEachRequest(t *testing.T) {
	t.Parallel()
	play := func(t *testing.T, at int) int {
		w := newWorld(t)
		ld := w.load(copyRows, after(behind))
		w.SQL(t, "CREATE TABLE ran (n INT)")
		w.Put(t, "p/a.parquet", rows(1, 3))
		w.mustRun(ld, plan.Options{}, 1, 3)
		w.Put(t, "p/b.parquet", rows(11, 2))
		d := &databendtest.Deaf{At: at, Forgets: true}
		w.cfg = func(c *databend.Config) { c.Transport = d }
		res, err := w.run(ld, plan.Options{})
		t.Logf("%s: %v", d.Lost(), err)
		w.cfg = nil
		if err != nil || res.Files != 1 || res.Rows != 2 {
			t.Errorf("got %+v, %v", res, err)
		}
		w.wantRows(5)
		w.mustRun(ld, plan.Options{}, 0, 0)
		if got := w.SQL(t, "SELECT count(*) FROM ran")[0][0]; got != "2" {
			t.Errorf("what stands behind the COPY ran %s times, want 2", got)
		}
		return d.Count()
	}
	requests := play(t, 0)
	for at := 2; at <= requests; at += databendtest.Step(requests, 3) {
		t.Run(fmt.Sprintf("%d of %d", at, requests), func(t *testing.T) {
			t.Parallel()
			play(t, at)
		})
	}
}

// Killed before each of its requests, the next run loads exactly what is missing, and at once. A load of a location makes the same requests
// and a few for its stage: in short it is killed before every third.
func TestKilledAtEachRequest(t *testing.T) {
	t.Parallel()
	if at := os.Getenv("LOAD_TEST_KILL_AT"); at != "" {
		killedChild(t, at)
		return
	}
	lanes := map[string]int{"stage": 3, "location": 3} // no kill depends on the one before it
	if !databendtest.Full() {
		lanes["location"] = 1 // every third kill
	}
	for from, n := range lanes {
		for lane := range n {
			t.Run(fmt.Sprintf("%s/%d", from, lane), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				if !w.Embedded {
					t.Skip("a child needs the embedded engine's address")
				}
				ld := w.load(copyRows, after(behind))
				if from == "location" {
					ld = w.load(castRows(fmt.Sprintf("'s3://%s/%sp/' CONNECTION = (ENDPOINT_URL = '%s' REGION = 'us-east-1' ACCESS_KEY_ID = '%s' "+
						"SECRET_ACCESS_KEY = '%s')", w.Bucket, w.Prefix, w.S3.Endpoint, w.S3.Key, w.S3.Secret.Reveal())), after(behind))
				}
				w.killAtEachRequest(ld, 7+lane) // before the seventh it only looks
			})
		}
	}
}

// behind stands behind the COPY of the loads that are killed.
const behind = "INSERT INTO ran VALUES (1)"

// killAtEachRequest runs the load in processes that are killed ahead of a request, from the first on each three requests later, and wants
// the next run to load what is missing, once, with what stands behind the COPY, and to leave no stage of its own.
func (w *world) killAtEachRequest(ld project.Load, first int) {
	t := w.t
	w.SQL(t, "CREATE TABLE ran (n INT)")
	w.Put(t, "p/000.parquet", rows(0, 1))
	w.mustRun(ld, plan.Options{}, 1, 1)
	want := 1
	for at := first; ; at += 3 {
		w.Put(t, fmt.Sprintf("p/%03d.parquet", at), rows(at, 1))
		want++
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledAtEachRequest$", "-test.v")
		cmd.Env = append(os.Environ(), "LOAD_TEST_KILL_AT="+strconv.Itoa(at), "LOAD_TEST_HOST="+w.Config.Host,
			"LOAD_TEST_PORT="+strconv.Itoa(w.Config.Port), "LOAD_TEST_USER="+w.Config.User,
			"LOAD_TEST_PASSWORD="+w.Config.Password.Reveal(), "LOAD_TEST_DATABASE="+w.Database, "LOAD_TEST_STATE="+w.StateDB,
			"LOAD_TEST_SQL="+ld.Statement.SQL)
		out, err := cmd.CombinedOutput()
		done := err == nil
		if !done && !strings.Contains(err.Error(), "killed") {
			t.Fatalf("child: %v\n%s", err, out)
		}
		if _, err := w.run(ld, plan.Options{}); err != nil {
			t.Fatalf("killed before request %d; the next run: %v", at, err)
		}
		w.wantRows(want)
		if got := w.SQL(t, "SELECT count(*) FROM ran")[0][0]; got != strconv.Itoa(want) { // each file is a COPY of its own
			t.Fatalf("killed before request %d: what stands behind the COPY ran %s times, want %d", at, got, want)
		}
		if s := w.ownStages(); len(s) > 0 {
			t.Fatalf("killed before request %d: stages are left behind the next run: %v", at, s)
		}
		if done {
			if at < 12 {
				t.Fatalf("the load ended after %d requests: it was never killed where it matters", at)
			}
			return
		}
	}
}

func killedChild(t *testing.T, at string) {
	limit, err := strconv.Atoi(at)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(os.Getenv("LOAD_TEST_PORT"))
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	cfg := databend.Config{
		Host: os.Getenv("LOAD_TEST_HOST"), Port: port, Plain: true, User: os.Getenv("LOAD_TEST_USER"),
		Password: secret.New(os.Getenv("LOAD_TEST_PASSWORD")), Database: os.Getenv("LOAD_TEST_DATABASE"),
		Transport: wire{func(string) {
			if n.Add(1) == int64(limit) {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}},
	}
	w := &world{t: t, Env: &databendtest.Env{Database: cfg.Database, StateDB: os.Getenv("LOAD_TEST_STATE")}}
	ld := w.load(os.Getenv("LOAD_TEST_SQL"), after(behind))
	if err := w.child(t.Context(), cfg, "child-"+at, nil,
		func(l *Loader) error { _, err := l.run(t.Context(), ld, plan.Options{}, nil); return err }); err != nil {
		t.Fatal(err)
	}
}

// A lock that cannot be given back frees itself: what was loaded is loaded.
func TestLockThatIsNotGivenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Put(t, "p/a.parquet", rows(1, 3))
	w.Fault(t, databendtest.Fault{Action: "status", Status: 400, Match: "lock_load_" + w.Database + ".*RENAME TO.*_free", Times: 20})
	w.mustRun(w.load(copyRows), plan.Options{}, 1, 3)
	if got := fmt.Sprint(w.events); !strings.Contains(got, "the lock could not be given back") {
		t.Errorf("got %s, want a warning", got)
	}
}
