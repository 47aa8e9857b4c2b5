package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// trip is how far a warehouse is away. On a busy machine a longer one, DBCTL_TRIP=600ms, tells trips from the server's own time.
var trip = 60 * time.Millisecond

// BenchmarkTrips measures whole commands against a server that is one trip away: all of process, connections and server time, counted
// in trips. It fails above the budgets, on a quiet machine.
func BenchmarkTrips(b *testing.B) {
	if d, err := time.ParseDuration(os.Getenv("DBCTL_TRIP")); err == nil {
		trip = d
	}
	w := newFarWorld(b, trip)
	for i := 1; i <= 41; i++ {
		w.Migration(i, fmt.Sprintf("CREATE TABLE t%d (a INT, b STRING);\n--down\nDROP TABLE t%[1]d;\n", i))
	}
	w.measure("up of 41", 66, 1, "migrate", "up")
	w.measure("up, nothing new", 6, 3, "migrate", "up")
	w.measure("migrate status", 6, 3, "migrate", "status")
	var tables strings.Builder
	for i := range 41 {
		fmt.Fprintf(&tables, "CREATE TABLE r%d (a INT);\n", i)
	}
	w.Migration(42, tables.String()+"INSERT INTO nothing VALUES (1);\n")
	w.exit = 1
	w.measure("failing up of 41 tables", 110, 1, "migrate", "up")
	w.exit = 0
	w.RemoveMigration(42)
	w.SQL(b, w.StageSQL(w.Database+"_s", "", "CSV"))
	b.Cleanup(func() { w.SQL(b, "DROP STAGE IF EXISTS "+w.Database+"_s") })
	load := func(n int) {
		w.Write(fmt.Sprintf("loads/l%03d.sql", n), fmt.Sprintf("COPY INTO t%d FROM @%s_s/l%d/ PATTERN = '.*[.]csv' FILE_FORMAT = (TYPE = CSV);\n", n, w.Database, n))
	}
	for n := range 6 {
		load(n + 1)
		w.Put(b, fmt.Sprintf("l%d/a.csv", n+1), []byte("1,a\n"))
	}
	w.measure("status", 6, 3, "status")
	w.measure("first load", 40, 1, "load", "l001")
	w.Put(b, "l1/b.csv", []byte("2,b\n"))
	w.measure("load of one new file", 18, 1, "load", "l001")
	w.measure("load, nothing new", 8, 3, "load", "l001")
	w.Write("loads/far.sql", fmt.Sprintf("COPY INTO t7 FROM 's3://%s/%sl7/' CONNECTION = (ENDPOINT_URL = '%s' REGION = 'us-east-1' "+
		"ACCESS_KEY_ID = {{ secret \"FAR_KEY\" }} SECRET_ACCESS_KEY = {{ secret \"FAR_SECRET\" }}) PATTERN = '.*[.]csv' "+
		"FILE_FORMAT = (TYPE = CSV);\n", w.Bucket, w.Prefix, w.S3.Endpoint))
	w.Variables["FAR_KEY"], w.Variables["FAR_SECRET"] = w.S3.Key, w.S3.Secret.Reveal()
	w.Put(b, "l7/a.csv", []byte("1,a\n"))
	w.run("load", "far")
	w.Put(b, "l7/b.csv", []byte("2,b\n"))
	w.measure("load of one new file of a location", 21, 1, "load", "far")
	if err := os.Remove(filepath.Join(w.Dir, "loads/far.sql")); err != nil {
		b.Fatal(err)
	}
	w.run("load", "--all")
	w.measure("load --all of six, nothing new", 12, 3, "load", "--all")
	w.measure("plan", 12, 3, "plan")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGrowth measures what must not grow faster than the project: a list of many loads, a plan over many objects of one kind, a
// rollback of many. The journal's growth is measured in package journal.
func BenchmarkGrowth(b *testing.B) {
	w := newFarWorld(b, 0)
	within := func(what string, most time.Duration, args ...string) {
		took := w.run(args...)
		b.Logf("%-40s %6.2f s of at most %.1f", what, took.Seconds(), most.Seconds())
		if took > most {
			b.Errorf("%s took %s, want at most %s", what, took, most)
		}
	}
	w.SQL(b, w.StageSQL(w.Database+"_s", "", "CSV"))
	b.Cleanup(func() { w.SQL(b, "DROP STAGE IF EXISTS "+w.Database+"_s") })
	const loads, objects = 200, 600
	for n := range loads {
		w.SQL(b, fmt.Sprintf("CREATE TABLE g%d (a INT, b STRING)", n))
		w.Write(fmt.Sprintf("loads/g%03d.sql", n), fmt.Sprintf("COPY INTO g%d FROM @%s_s/g%d/ PATTERN = '.*[.]csv' FILE_FORMAT = (TYPE = CSV);\n", n, w.Database, n))
		if n%10 == 0 {
			w.Put(b, fmt.Sprintf("g%d/a.csv", n), []byte("1,a\n"))
		}
	}
	w.run("load", "g000") // the ledger knows something
	within(fmt.Sprintf("load --list of %d loads", loads), 2*time.Second, "load", "--list")
	for kind, create := range map[string]string{
		"tables": "CREATE TABLE o%d (a INT)", "views": "CREATE VIEW o%d AS SELECT 1 AS a", "functions": w.Database + "_o%d",
	} {
		var text strings.Builder
		text.WriteString("-- +goose Up\n")
		for n := range objects {
			if kind == "functions" {
				fmt.Fprintf(&text, "CREATE FUNCTION "+create+" AS (x) -> x + 1;\n", n)
			} else {
				fmt.Fprintf(&text, create+";\n", n)
			}
		}
		w.Write("migrations/00001_many.sql", text.String())
		within(fmt.Sprintf("migrate up --dry-run of %d %s", objects, kind), 3*time.Second, "migrate", "up", "--dry-run")
	}
	var tables strings.Builder
	for n := range 400 {
		fmt.Fprintf(&tables, "CREATE TABLE r%d (a INT);\n", n)
	}
	w.Write("migrations/00001_many.sql", "-- +goose Up\n"+tables.String()+"INSERT INTO nothing VALUES (1);\n")
	w.exit = 1
	within("failing up of 400 tables", 30*time.Second, "migrate", "up")
	b.ReportMetric(0, "ns/op")
}

// farWorld is a project whose server is a round trip away.
type farWorld struct {
	*databendtest.Project
	binary string
	far    *databendtest.Far
	exit   int // of the commands
}

func newFarWorld(b *testing.B, trip time.Duration) *farWorld {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "dbctl")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/dbctl").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	env := databendtest.New(b)
	far := databendtest.NewFar(b, env, trip)
	env.Config = far.Config
	return &farWorld{Project: env.Project(b, "far"), binary: binary, far: far}
}

func (w *farWorld) run(args ...string) time.Duration {
	w.T.Helper()
	c := w.Command(w.binary, args...)
	w.far.Counts()
	w.far.Path()
	start := time.Now()
	out, _ := c.CombinedOutput()
	took := time.Since(start)
	if got := c.ProcessState.ExitCode(); got != w.exit {
		w.T.Fatalf("dbctl %v: exit %d, want %d\n%s", args, got, w.exit, out)
	}
	return took
}

// measure runs a command a few times, and takes the quickest: what else the machine does is not measured.
func (w *farWorld) measure(what string, budget float64, times int, args ...string) {
	w.T.Helper()
	best := time.Duration(1 << 62)
	var counts map[string]int
	for range times {
		if took := w.run(args...); took < best {
			best = took
		}
		time.Sleep(2 * trip) // what nobody waits for is still under way
		counts = w.far.Counts()
		if os.Getenv("DBCTL_PATH") != "" {
			w.T.Log(strings.Join(w.far.Path(), "\n"))
		}
	}
	trips := float64(best) / float64(trip)
	w.T.Logf("%-32s %5.1f trips of at most %2.0f   %v", what, trips, budget, counts)
	if trips > budget {
		w.T.Errorf("%s: %.1f trips, want at most %.0f", what, trips, budget)
	}
}
