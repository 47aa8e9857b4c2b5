package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/run"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/state"
)

// world is a project in a database of its own, with a stage st over its objects.
type world struct {
	*databendtest.Env
	t       testing.TB
	cfg     func(*databend.Config) // changes the server's configuration
	stage   string
	uri     bool // loads read the places of the stage by their URIs
	mu      sync.Mutex
	events  []event.Event // of the last command; under mu while it runs
	runs    int
	secrets secret.Set
}

// event is a row of most tests.
type row struct {
	ID   int32  `parquet:"id"`
	Name string `parquet:"name"`
}

const copyRows = "COPY INTO t (id, name) FROM (SELECT id::INT, name::STRING FROM @st/p/) FILE_FORMAT = (TYPE = 'PARQUET')"

// newWorld makes the stage, and t (id INT, name STRING).
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Env: databendtest.New(t), t: t}
	w.secrets = secret.Set{"KEY": secret.New(w.S3.Key), "SECRET": w.S3.Secret}
	w.stage = "st_" + w.Database // stages belong to the account, not to a database
	w.SQL(t, w.StageSQL(w.stage, "", "PARQUET"), "CREATE TABLE t (id INT, name STRING)")
	t.Cleanup(func() { w.SQL(t, "DROP STAGE IF EXISTS "+w.stage) }) // each one there makes system.stages slower to read
	return w
}

// rows is a Parquet file of n rows, from first on.
func rows(first, n int) []byte {
	out := make([]row, n)
	for i := range out {
		out[i] = row{int32(first + i), fmt.Sprintf("row %d", first+i)}
	}
	return file(out)
}

// file is a Parquet file of rows.
func file[T any](rows []T) []byte {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.Compression(&parquet.Snappy))
	if _, err := w.Write(rows); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// folder is a place in the stage.
var folder = regexp.MustCompile(`@st/([\w/]*)`)

// load is loads/videos.sql with this text; @st/ is the world's stage, or where that is.
func (w *world) load(sql string, change ...func(*project.Load)) project.Load {
	w.t.Helper()
	sql = folder.ReplaceAllStringFunc(sql, func(place string) string {
		if below := strings.TrimPrefix(place, "@st/"); w.uri {
			return w.location(below)
		} else {
			return "@" + w.stage + "/" + below
		}
	})
	c, err := copytext.Parse(sql)
	if err != nil {
		w.t.Fatal(err)
	}
	ld := project.Load{
		Name: "videos", Path: "loads/videos.sql", Copy: c, Expanded: sql, Checksum: fmt.Sprintf("v1:%x", sha256.Sum256([]byte(sql))),
		Statement: project.Statement{SQL: sql, Place: sqltext.Place{File: "loads/videos.sql", Line: 1, Column: 1}},
	}
	if ld.Secrets, err = sqltext.SecretNames(sql); err != nil {
		w.t.Fatal(err)
	}
	for _, f := range change {
		f(&ld)
	}
	return ld
}

// with runs f with a Loader of its own, as one command does.
func (w *world) with(ctx context.Context, f func(*Loader) error) error {
	w.t.Helper()
	w.runs++
	cfg := w.Config
	if w.cfg != nil {
		w.cfg(&cfg)
	}
	told := func(keep func()) { // a test may run a load in the middle of another
		w.mu.Lock()
		defer w.mu.Unlock()
		keep()
	}
	told(func() { w.events = nil })
	return w.child(ctx, cfg, fmt.Sprintf("run-%d", w.runs), func(e event.Event) { told(func() { w.events = append(w.events, e) }) }, f)
}

// child runs f with a Loader of its own; unlike with it may run beside another.
func (w *world) child(ctx context.Context, cfg databend.Config, run string, sink event.Sink, f func(*Loader) error) error {
	srv, err := databend.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer srv.Close()
	l := Open(Config{
		Server: srv, Scope: state.Scope{Project: "p", Database: w.Database, StateDatabase: w.StateDB}, Run: run, Sink: sink,
		Secrets: func(context.Context, []string) (secret.Set, error) { return w.secrets, nil },
	})
	defer l.Close()
	return f(l)
}

// mark says as of the load's files.
func (w *world) mark(ld project.Load, as string, o plan.Options) error {
	w.t.Helper()
	return w.with(w.t.Context(), func(l *Loader) error { return l.Mark(w.t.Context(), ld, as, "so it is", o) })
}

func (w *world) run(ld project.Load, o plan.Options) (res run.Result, err error) {
	w.t.Helper()
	err = w.with(w.t.Context(), func(l *Loader) error {
		res, err = l.run(w.t.Context(), ld, o, nil)
		return err
	})
	return res, err
}

// mustRun runs the load and wants files and rows loaded.
func (w *world) mustRun(ld project.Load, o plan.Options, files int, rows int64) {
	w.t.Helper()
	res, err := w.run(ld, o)
	if err != nil {
		w.t.Fatal(err)
	}
	if res.Files != files || res.Rows != rows {
		w.t.Fatalf("got %d files, %d rows loaded, want %d, %d", res.Files, res.Rows, files, rows)
	}
}

func (w *world) plan(ld project.Load, o plan.Options) (p *plan.Plan, err error) {
	w.t.Helper()
	err = w.with(w.t.Context(), func(l *Loader) error {
		p, err = l.Plan(w.t.Context(), ld, o)
		return err
	})
	return p, err
}

// states wants the plan's files in these states: "p/a.parquet new", sorted.
func (w *world) states(ld project.Load, o plan.Options, want ...string) *plan.Plan {
	w.t.Helper()
	o.Verbose = true
	p, err := w.plan(ld, o)
	if p == nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, f := range p.Files {
		got = append(got, strings.TrimPrefix(f.Path, "p/")+" "+string(f.State))
	}
	slices.Sort(got)
	if diff := cmp.Diff(got, want); diff != "" {
		w.t.Fatalf("states (-got +want):\n%s", diff)
	}
	return p
}

// wantRows wants t to hold n rows.
func (w *world) wantRows(n int) {
	w.t.Helper()
	if got := w.SQL(w.t, "SELECT count(*) FROM t")[0][0]; got != fmt.Sprint(n) {
		w.t.Fatalf("got %s rows in t, want %d", got, n)
	}
}

// wantExit wants err to end a command with this exit code, and to say all of these words.
func (w *world) wantExit(err error, code exit.Code, words ...string) {
	w.t.Helper()
	if err == nil {
		w.t.Fatalf("got no error, want exit %d", code)
	}
	var coded exit.Coder
	if !errors.As(err, &coded) || coded.ExitCode() != code {
		w.t.Fatalf("got %v, want exit %d", err, code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			w.t.Fatalf("got %q, want it to say %q", err, word)
		}
	}
}

// outcomes are the last command's File events: "a.parquet new loaded".
func (w *world) outcomes() []string {
	var out []string
	for _, e := range w.events {
		if f, ok := e.(event.File); ok {
			out = append(out, strings.TrimPrefix(f.Path, "p/")+" "+string(f.Before)+" "+string(f.Outcome))
		}
	}
	slices.Sort(out)
	return out
}

// notes are the texts of the last command's warnings.
func (w *world) notes() string {
	var out []string
	for _, e := range w.events {
		if n, ok := e.(event.Note); ok {
			out = append(out, string(n.Level)+": "+n.Text)
		}
	}
	return strings.Join(out, "\n")
}

// ledger are the ledger's rows but for begin: "path state source rows".
func (w *world) ledger() []string {
	var out []string
	for _, r := range w.SQL(w.t, "SELECT path, state, source, row_count FROM "+w.StateDB+".ledger WHERE state<>'begin' ORDER BY path, at") {
		out = append(out, strings.TrimPrefix(r[0], "p/")+" "+strings.Join(r[1:], " "))
	}
	return out
}
