package migrate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/state"
)

// world is a project folder and the server that it is about.
type world struct {
	t      testing.TB
	env    *databendtest.Env
	dir    string
	srv    *databend.Server
	vars   map[string]string
	secret map[string]string
	events *[]event.Event // of the last migrator
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, env: databendtest.New(t), dir: t.TempDir(), secret: map[string]string{}, events: &[]event.Event{}}
	w.connect(w.env.Config)
	w.write("dbctl.yaml", fmt.Sprintf(`project: p
default_env: t
vars: { width: 3 }
environments:
  t: { dsn: "databend://u@host:1/%s", state_database: %s }
`, w.env.Database, w.env.StateDB))
	if err := os.MkdirAll(filepath.Join(w.dir, "migrations"), 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) connect(cfg databend.Config) {
	w.t.Helper()
	srv, err := databend.Connect(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = srv.Close() })
	w.srv = srv
}

func (w *world) write(path, text string) {
	w.t.Helper()
	path = filepath.Join(w.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// migration writes a file with an Up section and, after a line "--down", a Down section. Lines before "--up" are headers.
func (w *world) migration(version int, text string) {
	w.t.Helper()
	head, rest, ok := strings.Cut(text, "--up\n")
	if !ok {
		head, rest = "", text
	}
	up, down, hasDown := strings.Cut(rest, "--down\n")
	text = head + "-- +goose Up\n" + up
	if hasDown {
		text += "\n-- +goose Down\n" + down
	}
	w.write(fmt.Sprintf("migrations/%05d_m%d.sql", version, version), text)
}

func (w *world) remove(version int) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.dir, fmt.Sprintf("migrations/%05d_m%d.sql", version, version))); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) project() *project.Project {
	w.t.Helper()
	p, err := project.Open(project.Options{Dir: w.dir, Vars: w.vars, Getenv: os.LookupEnv})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// migrator is a Migrator of its own, as a process would have it. Its events are what the world says from now on.
func (w *world) migrator(o Options) *Migrator {
	w.t.Helper()
	mine := &[]event.Event{}
	w.events = mine
	o.Project, o.Server = w.project(), w.srv
	o.Sink = func(e event.Event) { *mine = append(*mine, e) }
	if o.Secrets == nil {
		o.Secrets = w.secrets
	}
	if o.Actor.OSUser == "" {
		o.Actor = state.Actor{OSUser: "ann", Host: "here", DBCTLVersion: "test"}
	}
	m, err := New(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = m.Close() })
	return m
}

func (w *world) secrets(_ context.Context, names []string) (secret.Set, error) {
	set, missing := secret.Set{}, []string(nil)
	for _, n := range names {
		if v, ok := w.secret[n]; ok {
			set[n] = secret.New(v)
		} else {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		return nil, &secret.MissingError{Names: missing}
	}
	return set, nil
}

func (w *world) up() error {
	w.t.Helper()
	return w.migrator(Options{}).Up(w.t.Context())
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v\nevents: %s", err, w.said())
	}
}

// states is the state of every migration, in order: "1 applied, 2 pending".
func (w *world) states() string {
	w.t.Helper()
	s, err := w.migrator(Options{}).Status(w.t.Context())
	w.must(err)
	var out []string
	for _, m := range s.Migrations {
		out = append(out, fmt.Sprintf("%d %s", m.Version, m.State))
	}
	return strings.Join(out, ", ")
}

// said is the events as lines.
func (w *world) said() string {
	var out []string
	for _, e := range *w.events {
		switch e := e.(type) {
		case event.Migration:
			out = append(out, fmt.Sprintf("migration %d %s %s %s", e.Version, e.Direction, e.State, e.Reason))
		case event.Note:
			out = append(out, string(e.Level)+" "+e.Text)
		case event.Rollback:
			out = append(out, fmt.Sprintf("rollback %s %s %s", e.Object, e.Outcome, e.Detail))
		case event.Statement:
			out = append(out, fmt.Sprintf("statement %d.%d %s %s", e.Version, e.Index, e.Class, e.Kind))
		case event.Summary:
			out = append(out, "summary "+e.Text)
		}
	}
	return strings.Join(out, "\n")
}

// tables are the tables of the database, sorted.
func (w *world) tables() string {
	w.t.Helper()
	var out []string
	for _, r := range w.env.SQL(w.t, "SELECT name FROM system.tables WHERE database='"+w.env.Database+"'") {
		out = append(out, r[0])
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// litter are the tables of the state database beside journal, ledger and the free lock.
func (w *world) litter() string {
	w.t.Helper()
	var out []string
	for _, r := range w.env.SQL(w.t, "SELECT name FROM system.tables WHERE database='"+w.env.StateDB+"'") {
		if n := r[0]; n != "journal" && n != "ledger" && !strings.HasSuffix(n, "_free") {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
