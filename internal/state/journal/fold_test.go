package journal

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/store"
)

// What the server leaves of a history means the same as all of it: random journals, with runs that were cut off and wrote on, repeats,
// outcomes in any order.
func TestTheServersFoldIsOurs(t *testing.T) {
	t.Parallel()
	env := databendtest.New(t)
	db := store.Open(env.Session(t), store.Scope{Project: "p", Database: env.Database, StateDatabase: env.StateDB})
	s := Of(db)
	if err := db.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(8) {
		env.SQL(t, "TRUNCATE TABLE "+db.Name(store.JournalTable))
		r := rand.New(rand.NewPCG(seed, 7))
		var rows []Row
		for i := range 12 {
			run := fmt.Sprintf("run%d", i)
			seq := int64(0)
			add := func(row Row) {
				seq++
				row.EventID, row.Run, row.Token, row.Seq = fmt.Sprintf("%s-%d", run, seq), run, int64(7+i/2), seq // from one digit to two
				if row.Version != 0 {
					row.Name = fmt.Sprintf("m%d", row.Version)
				}
				rows = append(rows, row)
				if r.IntN(10) == 0 {
					rows = append(rows, row) // its answer was lost
				}
			}
			add(Row{Event: EventBegin, Name: "up"})
			if i > 0 && r.IntN(3) == 0 {
				add(Row{Event: EventTakeover, Subject: fmt.Sprintf("run%d", r.IntN(i))})
			}
			for range r.IntN(7) {
				version, direction := int64(1+r.IntN(4)), []event.Direction{event.Up, event.Down, ""}[r.IntN(3)]
				add(Row{Event: EventPlan, Version: version, Direction: direction})
				sum := fmt.Sprint(r.IntN(1000))
				add(Row{Event: outcomes[r.IntN(len(outcomes))], Version: version, Direction: direction, Sums: Sums{UpSum: sum, DownSum: sum}, Reason: sum, TookMS: int64(r.IntN(9))})
			}
			switch r.IntN(3) {
			case 0:
				add(Row{Event: EventEnd})
			case 1:
				add(Row{Event: EventEnd, Subject: fmt.Sprintf("run%d", r.IntN(i+1))})
			}
		}
		env.SQL(t, s.insert(rows, store.Actor{OSUser: "me"}, "", nil))
		all, err := s.readRows(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.History(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		long, err := s.read(t.Context(), func(c column) bool { return !c.heavy }, s.folded())
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []History{got, long} {
			want := History{Now: got.Now}
			want.fold(all, db.Scope())
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(History{}), cmpopts.IgnoreFields(History{}, "Exists", "Locks", "Read", "Claimed", "Schema")); diff != "" {
				t.Fatalf("seed %d (-all +the server's):\n%s", seed, diff)
			}
			if got.count != int64(len(rows)) || got.token != want.token {
				t.Errorf("seed %d: got %d rows and token %d, want %d and %d", seed, got.count, got.token, len(rows), want.token)
			}
		}
		some, err := s.read(t.Context(), func(column) bool { return true }, []string{s.unended()})
		if err != nil {
			t.Fatal(err)
		}
		ids := func(h History) (out []string) {
			for _, r := range h.Unfinished {
				out = append(out, r.ID)
			}
			return out
		}
		if diff := cmp.Diff(ids(got), ids(some)); diff != "" {
			t.Errorf("seed %d, unfinished (-history +runs):\n%s", seed, diff)
		}
	}
}

// BenchmarkHistory reads a long journal: 20,000 runs, each of one version.
func BenchmarkHistory(b *testing.B) {
	env := databendtest.New(b)
	db := store.Open(env.Session(b), store.Scope{Project: "p", Database: env.Database, StateDatabase: env.StateDB})
	s := Of(db)
	if err := db.Ensure(b.Context()); err != nil {
		b.Fatal(err)
	}
	const runs = 20_000
	for seq, event := range []string{EventBegin, EventPlan, EventApplied, EventEnd} {
		row := Row{EventID: "?", Run: "?", Token: -1, Seq: int64(seq), Event: event, Version: -2, Name: "m", Direction: "up", UpText: strings.Repeat("CREATE TABLE t (a INT);", 20)}
		if event == EventBegin || event == EventEnd {
			row.Version = 0
		}
		text := s.insert([]Row{row}, store.Actor{OSUser: "me"}, "", map[string]string{
			"event_id": "concat(number::STRING,'-'," + sqltext.Literal(event) + ")", "run": "md5(number::STRING)", "token": "number+1", "version": "number%50+1",
		})
		text = text[:strings.LastIndex(text, " FROM (VALUES")] + fmt.Sprintf(" FROM numbers(%d)", runs)
		env.SQL(b, text)
	}
	for b.Loop() {
		start := time.Now()
		h, err := s.History(b.Context())
		if err != nil || len(h.Versions) != 50 || h.count != 4*runs {
			b.Fatalf("got %d versions of %d rows, %v", len(h.Versions), h.count, err)
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/history")
	}
	b.ReportAllocs()
}

func TestRecoveryOutranksTheRobbed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	row := func(id, run string, token, seq int64, event string, version int64) Row {
		return Row{EventID: id, Run: run, Token: token, Seq: seq, Event: event, Version: version, Direction: "up", At: now}
	}
	taken := row("5", "b", 2, 2, EventTakeover, 0)
	taken.Subject = "a"
	ended := row("7", "b", 2, 4, EventEnd, 0)
	ended.Subject = "a"
	rows := []Row{
		row("1", "a", 1, 1, EventBegin, 0), row("2", "a", 1, 2, EventPlan, 1), row("3", "a", 1, 3, EventPlan, 2),
		row("4", "b", 2, 1, EventBegin, 0), taken, row("6", "b", 2, 3, EventRolledBack, 1), ended, row("7b", "b", 2, 5, EventEnd, 0),
		// What the robbed run still had under way.
		row("8", "a", 1, 4, EventApplied, 1), row("9", "a", 1, 5, EventApplied, 2), row("10", "a", 1, 6, EventEnd, 0),
		row("6", "b", 2, 3, EventRolledBack, 1), // a repeat
	}
	var h History
	h.fold(rows, store.Scope{})
	if v := h.Versions[1]; len(h.Versions) != 1 || v.State != RolledBack {
		t.Errorf("got %+v, want version 1 rolled back, and no other", h.Versions)
	}
	if len(h.Unfinished) != 0 {
		t.Errorf("got %+v, want nothing unfinished", h.Unfinished)
	}
}
