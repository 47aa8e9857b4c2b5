package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/state/journal"
	"github.com/dbctl/dbctl/internal/state/ledger"
	"github.com/dbctl/dbctl/internal/state/store"
)

// open returns a Store with a session of its own in env's state database.
func open(t *testing.T, env *databendtest.Env) *Store {
	t.Helper()
	return Open(env.Session(t), Scope{Project: "p", Database: env.Database, StateDatabase: env.StateDB})
}

func history(t *testing.T, s *Store) History {
	t.Helper()
	h, err := s.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// hold takes the migration lock; it is given back with the test.
func hold(t *testing.T, s *Store, o LockOptions) *Lock {
	t.Helper()
	if o.Run == "" {
		o.Run = databend.NewID()
	}
	l, err := s.Acquire(t.Context(), o, history(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func release(t *testing.T, l interface{ Release(context.Context) error }) {
	t.Helper()
	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func versions(h History) string {
	var out []string
	for v := int64(0); v < 20; v++ {
		if e, ok := h.Versions[v]; ok {
			out = append(out, fmt.Sprintf("%d %s %s", v, e.Name, e.State))
		}
	}
	return strings.Join(out, ", ")
}

func TestHistoryOfNothingWritesNothing(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := open(t, env)
	h := history(t, s)
	if h.Exists || len(h.Versions) != 0 {
		t.Errorf("got %+v, want an empty history", h)
	}
	if rows := env.SQL(t, "SELECT name FROM system.databases WHERE name='"+env.StateDB+"'"); len(rows) != 0 {
		t.Errorf("reading made the state database")
	}
}

func TestRunIsFolded(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := open(t, env)
	l := hold(t, s, LockOptions{Actor: Actor{OSUser: "ann", Host: "h", GitDirty: true, Flags: "--yes"}})
	text := "CREATE CONNECTION c SECRET = {{ secret \"KEY\" }} COMMENT = 'it''s \\\\ {{{{'\n"
	err := l.Begin(t.Context(), history(t, s),
		Row{Event: journal.EventBegin, Name: "up", Before: `{"x":1}`},
		Row{Event: journal.EventPlan, Version: 1, Name: "one", Direction: "up", UpText: text, DownText: "DROP", Statements: 1, Sums: Sums{UpSum: "v1:a"}},
		Row{Event: journal.EventPlan, Version: 2, Name: "two", Direction: "up", Statements: 3})
	if err != nil {
		t.Fatal(err)
	}
	h := history(t, s)
	if len(h.Unfinished) != 1 || !h.Unfinished[0].Alive || len(h.Unfinished[0].Plan) != 2 || h.Unfinished[0].Command != "up" || h.Unfinished[0].Actor.OSUser != "ann" {
		t.Fatalf("got %+v, want one live run of two versions", h.Unfinished)
	}
	if err := l.Append(t.Context(), Row{Event: journal.EventApplied, Version: 1, Name: "one", Direction: "up", TookMS: 41, Sums: Sums{UpSum: "v1:a"}},
		Row{Event: journal.EventRolledBack, Version: 2, Name: "two", Direction: "up"}, Row{Event: journal.EventEnd}); err != nil {
		t.Fatal(err)
	}
	release(t, l)
	h = history(t, s)
	if got, want := versions(h), "1 one applied, 2 two rolled_back"; got != want || len(h.Unfinished) != 0 {
		t.Errorf("got %q and %d unfinished, want %q and none", got, len(h.Unfinished), want)
	}
	if v := h.Versions[1]; v.Took != 41*time.Millisecond || v.Sums.UpSum != "v1:a" || v.At.IsZero() || h.Now.Sub(v.At) > time.Minute || v.Run != l.Run() {
		t.Errorf("got %+v", v)
	}
	if h.Schema != store.Schema {
		t.Errorf("got schema %d, want %d", h.Schema, store.Schema)
	}
	texts, err := s.Texts(t.Context())
	if err != nil || len(texts) != 1 || texts[0].SQL != text {
		t.Errorf("got %v, %v, want the text as it was written: %q", texts, err, text)
	}
	applied, err := s.AppliedTexts(t.Context(), h, []int64{1})
	if err != nil || applied[1].Down != "DROP" || applied[1].Up != text {
		t.Errorf("got %v, %v, want the texts as they were applied", applied, err)
	}
	all, err := s.Record(t.Context(), l.Run(), nil)
	end := all.Rows[len(all.Rows)-1:]
	if err != nil || end[0].Event != journal.EventEnd || end[0].Actor.Flags != "--yes" || !end[0].Actor.GitDirty || end[0].ServerUser == "" || !strings.Contains(end[0].ServerVersion, "Databend") {
		t.Errorf("got %+v, %v, want one row with who wrote it", end, err)
	}
}

func TestBeginSeesAnotherRun(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := open(t, env)
	before := history(t, s)
	l := hold(t, s, LockOptions{})
	if err := l.Begin(t.Context(), before, Row{Event: journal.EventBegin}); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(t.Context(), Row{Event: journal.EventEnd}); err != nil {
		t.Fatal(err)
	}
	if err := l.Begin(t.Context(), before, Row{Event: journal.EventBegin}); !errors.Is(err, ErrMoved) {
		t.Errorf("got %v, want ErrMoved: the journal grew since it was read", err)
	}
	release(t, l)
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := open(t, env)
	l := hold(t, s, LockOptions{})
	if err := l.Begin(t.Context(), history(t, s), Row{Event: journal.EventBegin}); err != nil {
		t.Fatal(err)
	}
	release(t, l)
	env.SQL(t, "UPDATE "+env.StateDB+".journal SET version=7, project='other' WHERE event='schema'")
	check := func() {
		t.Helper()
		_, err := s.History(t.Context())
		var newer *store.NewerSchemaError
		if !errors.As(err, &newer) || newer.Found != 7 || newer.ExitCode() != 2 {
			t.Errorf("got %v, want a NewerSchemaError of schema 7", err)
		}
	}
	check()
	if _, _, err := s.Unlock(t.Context(), true); !errors.As(err, new(*store.NewerSchemaError)) {
		t.Errorf("unlock: got %v, want a NewerSchemaError", err)
	}
	// A newer binary may have renamed every column but two.
	env.SQL(t, "ALTER TABLE "+env.StateDB+".journal RENAME COLUMN run TO run_id")
	check()
}

func TestLedger(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	s := open(t, env)
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := s.AcquireTable(t.Context(), env.Database, "videos", LockOptions{Run: databend.NewID()})
	if err != nil {
		t.Fatal(err)
	}
	row := func(path, state string, rows int64) LedgerRow {
		return LedgerRow{Table: env.Database + ".videos", TableID: "5", Stage: "s", StageURL: "s3://b/raw/", Path: path, State: state, Rows: rows, Load: "videos", Source: ledger.SourceDBCTL}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.AppendLedger(t.Context(), []LedgerRow{row("a", ledger.FileBegin, 0), row("b", ledger.FileBegin, 0), row("c", ledger.FileBegin, 0)}, l.Fence()))
	must(s.AppendLedger(t.Context(), []LedgerRow{row("a", ledger.FileLoaded, 2), row("b", ledger.FileFailed, 0)}, l.Fence()))
	release(t, l)
	if err := s.AppendLedger(t.Context(), []LedgerRow{row("d", ledger.FileLoaded, 1)}, l.Fence()); !errors.Is(err, ErrRobbed) {
		t.Errorf("got %v, want ErrRobbed once the lock was given back", err)
	}
	must(s.AppendLedger(t.Context(), []LedgerRow{row("e", ledger.FileLoaded, 1), row("it's {{ secret \"X\" }}", ledger.FileLoaded, 1)}, nil))
	paths := env.SQL(t, "SELECT path FROM "+env.StateDB+".ledger WHERE state='loaded' ORDER BY 1")
	if diff := cmp.Diff([][]string{{"a"}, {"e"}, {"it's {{ secret \"X\" }}"}}, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}
