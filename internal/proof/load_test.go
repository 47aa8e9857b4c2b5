package proof

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// loadText is loads/t.sql; the column src makes `--on-changed replace` possible.
const loadText = `-- dbctl: filename-column=src
COPY INTO t (id, name, src) FROM (SELECT id::INT, name::STRING, METADATA$FILENAME FROM {place}) FILE_FORMAT = (TYPE = 'PARQUET')
`

// location is where the stage is, with its keys as secrets.
const location = `'s3://%s/%sin/' CONNECTION = (ENDPOINT_URL = '%s' REGION = 'us-east-1' ACCESS_KEY_ID = {{ secret "KEY" }}
  SECRET_ACCESS_KEY = {{ secret "WORD" }})`

// parquetFile holds rows of ids from first on.
func parquetFile(first, n int) []byte {
	type row struct {
		ID   int32  `parquet:"id"`
		Name string `parquet:"name"`
	}
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{int32(first + i), fmt.Sprintf("row %d", first+i)}
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	if _, err := w.Write(rows); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// loadPlan is a load in one situation.
type loadPlan struct {
	name    string
	engine  *databendtest.Engine // nil: the one of all tests
	args    []string
	first   []file // loaded before
	then    []file // put there for the run that is disturbed
	refused []string
	exit    int  // of the undisturbed run
	uri     bool // it reads a location of its own
}

// file is a Parquet file in/NAME.parquet of rows first to first+n-1; with n = 0 it is broken.
type file struct {
	name     string
	first, n int
}

func files(from, n int) (out []file) {
	for i := from; i < from+n; i++ {
		out = append(out, file{fmt.Sprintf("%04d", i), i * 10, 3})
	}
	return out
}

// situations are what a load may find. Each is played from a stage and from a location.
var situations = []loadPlan{
	{name: "first", args: []string{"load", "t"}, then: files(1, 3)},
	{name: "later", args: []string{"load", "t"}, first: files(1, 2), then: files(3, 2)},
	{name: "many", args: []string{"load", "t"}, first: files(1, 1), then: files(2, 120)},
	{name: "replace", args: []string{"load", "t", "--on-changed", "replace"}, first: files(1, 3), then: []file{{"0002", 500, 4}, {"0009", 90, 2}}},
	{name: "bad", args: []string{"load", "t"}, first: files(1, 1), then: append(files(2, 2), file{name: "0005"}), refused: []string{"0005"}, exit: 4},
}

// loadPlans are the situations from a stage, and behind them from a location.
var loadPlans = func() (out []loadPlan) {
	for _, uri := range []bool{false, true} {
		for _, p := range situations {
			if p.uri = uri; uri {
				p.name += "@location"
			}
			out = append(out, p)
		}
	}
	return out
}()

func (w *world) put(files []file) {
	w.T.Helper()
	for _, f := range files {
		text := []byte("PAR1 this is none PAR1")
		if f.n > 0 {
			text = parquetFile(f.first, f.n)
		}
		w.Put(w.T, "in/"+f.name+".parquet", text)
	}
}

// prepare makes the world in which the load runs.
func (p *loadPlan) prepare(w *world) {
	w.T.Helper()
	w.T.Cleanup(func() { w.sql("DROP STAGE IF EXISTS {stage}") })
	w.sql(w.StageSQL(w.text("{stage}"), "", "PARQUET"), "CREATE TABLE t (id INT, name STRING, src STRING)")
	place := w.text("@{stage}/in/")
	if store := w.S3; p.uri {
		place = fmt.Sprintf(location, w.Bucket, w.Prefix, store.Endpoint)
		w.Write("key", store.Key)
		w.Write("word", store.Secret.Reveal())
		w.Configure("secrets: { KEY: { file: key }, WORD: { file: word } }")
	}
	w.Write("loads/t.sql", strings.Replace(loadText, "{place}", place, 1))
	if len(p.first) > 0 {
		w.put(p.first)
		w.must(0, "load", "t")
	}
	w.put(p.then)
}

// rows are the ids in t, sorted as text.
func (w *world) rows() []string {
	w.T.Helper()
	var out []string
	for _, r := range w.sql("SELECT id FROM t") {
		out = append(out, r[0])
	}
	slices.Sort(out)
	return out
}

// want are the ids when everything that can be is loaded: of each file its last content.
func (p *loadPlan) want() []string {
	last := map[string]file{}
	for _, f := range slices.Concat(p.first, p.then) {
		last[f.name] = f
	}
	var out []string
	for _, f := range last {
		for i := range f.n {
			out = append(out, fmt.Sprint(f.first+i))
		}
	}
	slices.Sort(out)
	return out
}

// complete wants every row once, and a ledger that says so, and no lock.
func (p *loadPlan) complete(w *world, after *process) {
	w.T.Helper()
	if diff := cmp.Diff(p.want(), w.rows()); diff != "" {
		w.T.Fatalf("rows (-want +got):\n%s\nafter %s\nwhich asked:\n%s", diff, after, after.asked())
	}
	for _, r := range w.sql("SELECT path, count(DISTINCT event_id) FROM " + w.StateDB + ".ledger WHERE state = 'loaded' GROUP BY path") {
		times := 0
		for _, f := range slices.Concat(p.first, p.then) {
			if strings.TrimPrefix(r[0], "in/") == f.name+".parquet" {
				times++
			}
		}
		if r[1] != fmt.Sprint(times) {
			w.T.Fatalf("%s stands %s times in the ledger as loaded, want %d\nafter %s\n%s", r[0], r[1], times, after, after.asked())
		}
	}
	if left := w.sql("SELECT name FROM system.stages WHERE name LIKE 'dbctl%' AND url LIKE '%" + w.Prefix + "%'"); len(left) > 0 {
		w.T.Fatalf("the load's own stage is left: %v\nafter %s\nwhich asked:\n%s", left, after, after.asked())
	}
	// A load that finds nothing to do takes no lock, and leaves that of one that was killed at its end to the next that does.
	took := slices.ContainsFunc(after.proxy.log(), func(r request) bool {
		return strings.Contains(r.sql, "`.`lock_load_") && !strings.HasPrefix(r.sql, "SELECT")
	})
	if left := w.Litter(); len(left) > 0 && took {
		w.T.Fatalf("left behind: %q\nafter %s\nwhich asked:\n%s", left, after, after.asked())
	}
}

// swept wants the next load that takes the lock to leave nothing.
func (p *loadPlan) swept(w *world) {
	w.T.Helper()
	if len(w.Litter()) == 0 {
		return
	}
	w.put([]file{{"9999", 99990, 1}})
	run := w.dbctl(p.args...)
	if left := w.Litter(); len(left) > 0 || !slices.Contains(w.rows(), "99990") {
		w.T.Fatalf("left behind: %q\nafter %s\nwhich asked:\n%s", left, run, run.asked())
	}
}

// whole wants no file to be there in part, whatever was cut off.
func (p *loadPlan) whole(w *world, after *process) {
	w.T.Helper()
	got := map[string]int{}
	for _, id := range w.rows() {
		got[id]++
	}
	for _, f := range slices.Concat(p.first, p.then) {
		times := map[int]bool{}
		for i := range f.n {
			times[got[fmt.Sprint(f.first+i)]] = true
		}
		if len(times) > 1 || times[2] {
			w.T.Fatalf("%s is there in part, or twice: %v\nafter %s\nwhich asked:\n%s", f.name, got, after, after.asked())
		}
	}
}

// point disturbs the load at one request, and loads again.
func (p *loadPlan) point(t *testing.T, k int, f fault) {
	outcome := ""
	defer results.outcome(t, fmt.Sprintf("load %s, %s", p.name, f), &outcome)
	w := newWorldOn(t, p.engine)
	p.prepare(w)
	run := w.start(at(k, f), nil, p.args...).wait()
	if run.proxy.struck == 0 {
		outcome = "ended before"
		return
	}
	p.whole(w, run)
	before := len(w.rows())
	signal := exitOf[f]
	switch {
	case slices.Contains(kills, f) || f == killLate:
		if run.exit != -1 {
			t.Fatalf("not killed: %s", run)
		}
	case signal != 0:
		if run.exit != signal && run.exit != p.exit {
			t.Fatalf("want exit %d: %s\n%s", signal, run, run.asked())
		}
	}
	again := w.dbctl(p.args...)
	if again.exit != 0 && again.exit != p.exit {
		t.Fatalf("want exit %d: %s\nwhich asked:\n%s\nafter %s\nwhich asked:\n%s", p.exit, again, again.asked(), run, run.asked())
	}
	p.complete(w, again)
	if run.exit == p.exit && (run.exit == 0 || signal != 0) && before != len(p.want()) {
		t.Fatalf("it said that all was well, with %d of %d rows: %s\n%s", before, len(p.want()), run, run.asked())
	}
	p.swept(w)
	outcome = "the next loaded what was missing"
	if before == len(p.want()) {
		outcome = "all was loaded"
	}
}

// undisturbed loads to the end, and once more, and returns how many requests the first made.
func (p *loadPlan) undisturbed(t *testing.T) int {
	t.Helper()
	w := newWorldOn(t, p.engine)
	p.prepare(w)
	run := w.must(p.exit, p.args...)
	p.complete(w, run)
	again := w.dbctl(p.args...)
	if again.exit != 0 && again.exit != p.exit {
		t.Fatalf("the second time: %s", again)
	}
	p.complete(w, again)
	return len(run.proxy.log())
}

// TestProofLoad is the kill matrix of loads.
func TestProofLoad(t *testing.T) {
	t.Parallel()
	for _, p := range loadPlans {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			requests := p.undisturbed(t)
			point := func(k int, f fault) {
				t.Run(fmt.Sprintf("%s/%03d", f, k), func(t *testing.T) {
					t.Parallel()
					p.point(t, k, f)
				})
			}
			all := slices.Concat(kills, []fault{killLate, gone}, signals, network)
			if !full {
				faults := kills
				if p.uri {
					faults = all
				}
				rnd := random(t)
				point(1+rnd.IntN(requests), faults[rnd.IntN(len(faults))])
				return
			}
			for _, f := range all {
				for k := 1; k <= requests; k++ {
					point(k, f)
				}
			}
		})
	}
}

// TestProofTwoLoads starts two loads of one table at once, round after round.
func TestProofTwoLoads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := &loadPlan{args: []string{"load", "t"}}
	p.prepare(w)
	rnd := random(t)
	for round := range databendtest.Rounds(t, 3, 100) {
		round++
		more := files(round*3, 3)
		w.put(more)
		p.then = append(p.then, more...)
		args := p.args
		waits := round%2 == 0
		if waits {
			args = append(slices.Clone(args), "--lock-wait", "10m")
		}
		a := w.start(nil, nil, args...)
		time.Sleep(time.Duration(rnd.IntN(80)) * time.Millisecond)
		b := w.start(nil, nil, args...)
		a.wait()
		b.wait()
		exits := []int{a.exit, b.exit}
		slices.Sort(exits)
		outcome := "both ended well"
		switch {
		case exits[0] == 0 && exits[1] == 0:
		case exits[0] == 0 && exits[1] == 5 && !waits:
			outcome = "the other exits 5"
		default:
			t.Fatalf("round %d: %s\n%s\nthe other: %s\n%s", round, a, a.asked(), b, b.asked())
		}
		p.complete(w, a)
		row := "two loads at once"
		if waits {
			row += ", waiting"
		}
		results.add(row, outcome)
	}
}

// TestProofSignals sends Ctrl-C, SIGTERM and SIGHUP while a statement runs on the server.
func TestProofSignals(t *testing.T) {
	t.Parallel()
	for f, code := range exitOf {
		t.Run("migrate/"+string(f), func(t *testing.T) {
			t.Parallel()
			outcome := fmt.Sprintf("rolled back, exit %d", code)
			defer results.outcome(t, "migrate, "+string(f)+" in a statement", &outcome)
			p := newPlan(kind{name: "signal", up: []string{"ALTER TABLE a DROP COLUMN n", "CREATE TABLE held_{db} AS SELECT id FROM a", "CREATE TABLE never (x INT)"}, down: []string{"SELECT 1"}}, "up", 1)
			states := p.reference(t)
			w := newWorld(t)
			p.prepare(w, true)
			w.Fault(t, databendtest.Fault{Action: "hold", Match: "^CREATE TABLE held_" + w.Database, Hold: 600})
			run := w.signalDuring("CREATE TABLE held_", f, p.command...)
			if run.exit != code {
				t.Fatalf("want exit %d: %s\n%s", code, run, run.asked())
			}
			p.check(w, states, 1, 1, run)
		})
		t.Run("load/"+string(f), func(t *testing.T) {
			t.Parallel()
			outcome := fmt.Sprintf("nothing loaded, exit %d", code)
			defer results.outcome(t, "load, "+string(f)+" in a COPY", &outcome)
			w := newWorld(t)
			p := &loadPlan{args: []string{"load", "t"}, then: files(1, 3)}
			p.prepare(w)
			w.Fault(t, databendtest.Fault{Action: "hold", Match: "^COPY INTO .*" + w.text("{stage}"), Hold: 600})
			run := w.signalDuring("COPY INTO", f, p.args...)
			if rows := w.rows(); run.exit != code || len(rows) > 0 {
				t.Fatalf("want exit %d and no row, got %v: %s\n%s", code, rows, run, run.asked())
			}
			p.complete(w, w.must(0, p.args...))
		})
	}
}

// signalDuring runs dbctl and sends it the signal while the statement that begins so runs on the server. It must end long before
// the statement would by itself.
func (w *world) signalDuring(statement string, f fault, args ...string) *process {
	w.T.Helper()
	var p *process
	sent := make(chan struct{})
	p = w.start(func(_ int, sql string) fault {
		if strings.HasPrefix(strings.TrimSpace(sql), statement) {
			select {
			case <-sent:
			default:
				close(sent)
			}
		}
		return none
	}, nil, args...)
	select {
	case <-sent:
	case <-p.proxy.exited:
		w.T.Fatalf("it ended: %s\n%s", p.wait(), p.asked())
	}
	// The server must have it, or it would not be what is killed.
	for len(w.sql("SELECT extra_info FROM system.processes WHERE extra_info LIKE '"+statement+"%{db}%'")) == 0 {
		select {
		case <-p.proxy.exited:
			w.T.Fatalf("it ended: %s\n%s", p.wait(), p.asked())
		default:
		}
	}
	began := time.Now()
	p.proxy.signal(signalOf[f])
	p.wait()
	if took := time.Since(began); took > 5*time.Minute {
		w.T.Fatalf("it took %s to end: %s\n%s", took, p, p.asked())
	}
	return p
}
