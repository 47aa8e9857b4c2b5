package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	// What is proved is a program that is built here: by this import go test knows what an earlier result no longer holds for.
	_ "github.com/dbctl/dbctl/internal/cli"
	"github.com/dbctl/dbctl/internal/databendtest"
)

var (
	full = databendtest.Full()
	seed = databendtest.Seed()
	// binary is dbctl, built once.
	binary  string
	results table
)

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	// The tests wait for processes, and some for a second to pass: more of them than processors.
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "6")
	}
	dir, err := os.MkdirTemp("", "dbctl-proof")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "dbctl")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/dbctl/dbctl/cmd/dbctl").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	fmt.Printf("DBCTL_PROOF_SEED=%d\n", seed)
	stop := make(chan os.Signal, 1)
	// Also where a shell in the background has us ignore them: a dbctl that we start would ignore them too, and never be interrupted.
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-stop // a proof of hours that is ended says what it has seen
		results.print(os.Stdout)
		os.Exit(1)
	}()
	code := m.Run()
	if testing.Verbose() {
		results.print(os.Stdout)
	}
	return code
}

// random is a source of its own for each test, so that one test's choices do not depend on another's.
func random(t *testing.T) *rand.Rand {
	sum := uint64(14695981039346656037)
	for _, b := range []byte(t.Name()) {
		sum = (sum ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, sum))
}

// world is a project, with dbctl as a process between it and its server.
type world struct {
	*databendtest.Project
	ids map[string]string // table id → name, as remember found them
	// late says that a request of a dead process is still under way.
	late bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{Project: databendtest.New(t).Project(t, "proof")}
}

// newWorldOn makes a world on an engine; nil is the one of all tests.
func newWorldOn(t *testing.T, engine *databendtest.Engine) *world {
	t.Helper()
	if engine == nil {
		return newWorld(t)
	}
	return &world{Project: engine.New(t).Project(t, "proof")}
}

// text puts the world's names into a statement: {db} and {stage}.
func (w *world) text(s string) string {
	return strings.NewReplacer("{db}", w.Database, "{stage}", "st_"+w.Database).Replace(s)
}

func (w *world) sql(statements ...string) [][]string {
	w.T.Helper()
	texts := make([]string, len(statements))
	for i, s := range statements {
		texts[i] = w.text(s)
	}
	return w.SQL(w.T, texts...)
}

func (w *world) migration(version int, up, down []string) {
	w.T.Helper()
	text := w.text(strings.Join(up, ";\n")) + ";\n"
	if len(down) > 0 {
		text += "--down\n" + w.text(strings.Join(down, ";\n")) + ";\n"
	}
	w.Migration(version, text)
}

// adopt puts the header into each migration by which dbctl may replace what it did not make.
func (w *world) adopt() {
	w.T.Helper()
	files, _ := filepath.Glob(filepath.Join(w.Dir, "migrations", "*.sql"))
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			w.T.Fatal(err)
		}
		w.Write("migrations/"+filepath.Base(path), "-- dbctl: adopt \"the test made it\"\n"+string(text))
	}
}

// process is a dbctl that runs, or ran.
type process struct {
	w     *world
	args  []string
	cmd   *exec.Cmd
	proxy *proxy
	out   bytes.Buffer // what it printed, both streams
	kill  *time.Timer
	exit  int // -1: killed
}

// patience bounds a run of dbctl.
const patience = 3 * time.Minute

// start starts dbctl; decide chooses the proxy's faults and may be nil.
func (w *world) start(decide func(n int, sql string) fault, env []string, args ...string) *process {
	w.T.Helper()
	if decide == nil {
		decide = func(int, string) fault { return none }
	}
	server := fmt.Sprintf("http://%s:%d", w.Config.Host, w.Config.Port)
	p := &process{w: w, args: args, cmd: w.Command(binary, args...), proxy: newProxy(server, decide)}
	p.cmd.Env = append(append(p.cmd.Env, "DBCTL_DSN="+w.DSN(p.proxy.server.Listener.Addr().String())), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	var ready sync.WaitGroup
	ready.Add(1)
	p.proxy.mu.Lock()
	p.proxy.signal = func(s os.Signal) {
		ready.Wait()
		_ = p.cmd.Process.Signal(s)
	}
	p.proxy.mu.Unlock()
	if err := p.cmd.Start(); err != nil {
		w.T.Fatal(err)
	}
	ready.Done()
	p.kill = time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	go func() {
		_ = p.cmd.Wait()
		close(p.proxy.exited)
	}()
	return p
}

// wait waits for its end.
func (p *process) wait() *process {
	p.w.T.Helper()
	<-p.proxy.exited
	if !p.kill.Stop() {
		p.w.T.Errorf("dbctl %s did not end within %s", strings.Join(p.args, " "), patience)
	}
	p.exit = p.cmd.ProcessState.ExitCode()
	p.proxy.server.CloseClientConnections()
	p.w.T.Cleanup(p.proxy.close)
	return p
}

func (p *process) String() string {
	return fmt.Sprintf("dbctl %s: exit %d\n%s", strings.Join(p.args, " "), p.exit, p.out.String())
}

// asked is its requests, numbered, for a failure's text.
func (p *process) asked() string {
	var b strings.Builder
	for i, r := range p.proxy.log() {
		mark := ""
		if !r.forwarded {
			mark = " (not forwarded)"
		}
		text := strings.Join(strings.Fields(r.sql), " ")
		if len(text) > 140 {
			text = text[:140] + "…"
		}
		fmt.Fprintf(&b, "%3d%s %s\n", i+1, mark, text)
	}
	return b.String()
}

// dbctl runs dbctl to its end.
func (w *world) dbctl(args ...string) *process {
	w.T.Helper()
	return w.start(nil, nil, args...).wait()
}

// must runs dbctl and wants this exit code.
func (w *world) must(exit int, args ...string) *process {
	w.T.Helper()
	p := w.dbctl(args...)
	if p.exit != exit {
		w.T.Fatalf("want exit %d: %s\nit asked:\n%s", exit, p, p.asked())
	}
	return p
}

// at makes one fault at the k-th request.
func at(k int, f fault) func(int, string) fault {
	return func(n int, _ string) fault {
		if n == k {
			return f
		}
		return none
	}
}

// states is what `migrate status` says: version → state.
func (w *world) states() map[int64]string {
	w.T.Helper()
	out := map[int64]string{}
	for _, line := range w.lines(w.must(0, "migrate", "status", "--json"), "migration") {
		v, _ := line["version"].(float64)
		out[int64(v)], _ = line["state"].(string)
	}
	return out
}

// lines are the JSON lines of a type.
func (w *world) lines(p *process, kind string) []map[string]any {
	w.T.Helper()
	var out []map[string]any
	for d := json.NewDecoder(bytes.NewReader(p.out.Bytes())); ; {
		var line map[string]any
		err := d.Decode(&line)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			w.T.Fatalf("%v in the output of %s", err, p)
		}
		if line["type"] == kind {
			out = append(out, line)
		}
	}
}

// table counts points by outcome, for the closing note.
type table struct {
	mu   sync.Mutex
	rows map[string]map[string]int
}

func (r *table) add(row, outcome string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		r.rows = map[string]map[string]int{}
	}
	if r.rows[row] == nil {
		r.rows[row] = map[string]int{}
	}
	r.rows[row][outcome]++
}

// outcome adds t's, which is bad when the test failed. Deferred.
func (r *table) outcome(t *testing.T, row string, outcome *string) {
	switch {
	case t.Failed():
		r.add(row, "BAD")
	case !t.Skipped():
		r.add(row, *outcome)
	}
}

func (r *table) print(out io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name := range r.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(out, "\nproved (seed %d, full %t)\n", seed, full)
	for _, name := range names {
		var parts []string
		for outcome, n := range r.rows[name] {
			parts = append(parts, fmt.Sprintf("%s %d", outcome, n))
		}
		slices.Sort(parts)
		fmt.Fprintf(out, "  %-40s %s\n", name, strings.Join(parts, ", "))
	}
}
