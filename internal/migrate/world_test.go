package migrate

import (
	"context"
	"fmt"
	"os"
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

// world is a project and the connection to its server.
type world struct {
	*databendtest.Project
	srv    *databend.Server
	vars   map[string]string
	secret map[string]string
	events *[]event.Event // of the last migrator
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Project: databendtest.New(t).Project(t, "p"), secret: map[string]string{}, events: &[]event.Event{}}
	w.connect(w.Config)
	w.Configure("vars: { width: 3 }")
	return w
}

func (w *world) connect(cfg databend.Config) {
	w.T.Helper()
	srv, err := databend.Connect(w.T.Context(), cfg)
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(srv.Close)
	w.srv = srv
}

func (w *world) project() *project.Project {
	w.T.Helper()
	p, err := project.Open(project.Options{Dir: w.Dir, Vars: w.vars, Getenv: os.LookupEnv})
	if err != nil {
		w.T.Fatal(err)
	}
	return p
}

// migrator is a Migrator of its own, as a process would have it. Its events are what the world says from now on.
func (w *world) migrator(o Options) *Migrator {
	w.T.Helper()
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
	m := New(o)
	w.T.Cleanup(m.Close)
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
	w.T.Helper()
	return w.migrator(Options{}).Up(w.T.Context())
}

func (w *world) must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatalf("%v\nevents: %s", err, w.said())
	}
}

// states is the state of every migration, in order: "1 applied, 2 pending".
func (w *world) states() string {
	w.T.Helper()
	s, err := w.migrator(Options{}).Status(w.T.Context())
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
	w.T.Helper()
	var out []string
	for _, r := range w.SQL(w.T, "SELECT name FROM system.tables WHERE database='"+w.Database+"'") {
		out = append(out, r[0])
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
