package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/golden"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// at is the clock of all tests.
var at = time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC)

func ptr[T any](v T) *T { return &v }

// story has every event, in an order that a command could emit them in.
var story = []event.Event{
	event.Target{Env: "prod", Host: "db.example.com:443", Database: "citydrive", Project: "citydrive", Run: "r1"},
	event.Note{Level: event.Info, Text: "waiting for the warehouse"},
	event.Note{Level: event.Warn, Text: "migration 2 is stale: var bucket has another value"},
	event.Note{Level: event.Detail, Text: "16 requests"},
	event.Migration{Version: 1, Name: "connection", State: "applied", AppliedAt: &at, TookMS: 41},
	event.Migration{Version: 20261122, Name: "a_longer_name", State: "pending", Reason: "new"},
	event.Statement{
		Version: 3, Direction: "up", Index: 1, Line: 4, SQL: "CREATE TABLE frame_events (\n  id INT\n)", Kind: "CREATE TABLE",
		Writes: []event.Object{{Kind: "table", Name: "default.frame_events"}}, Class: "exact", Undo: "DROP TABLE default.frame_events",
	},
	event.Statement{Version: 3, Direction: "up", Index: 2, Line: 9, SQL: "CALL p()", Kind: "CALL", Writes: []event.Object{}, Class: "irreversible", Reason: "what it writes is unknown"},
	event.Progress{What: "migrate 3 frame_events", Done: 0, Total: 2},
	event.Progress{What: "migrate 3 frame_events", Done: 1, Total: 2},
	event.Progress{What: "migrate 3 frame_events", Done: 1, Total: 2, Rows: 17},
	event.Migration{Version: 3, Name: "frame_events", State: "applied", Direction: "up", TookMS: 1234},
	event.Migration{Version: 4, Name: "stream", State: "unsupported", Direction: "up", Reason: "streams need a licence (1402)"},
	event.Migration{Version: 3, Name: "frame_events", State: "pending", Direction: "down", TookMS: 70000},
	event.Rollback{Version: 5, Object: "table default.frame_events", Outcome: "restored"},
	event.Rollback{Version: 5, Object: "table default.other", Outcome: "kept", Detail: "3 rows of another session"},
	event.File{Load: "videos", Table: "default.citydrive_videos", Path: "videos/a.parquet", Before: "new", Outcome: "loaded", Bytes: 2033, Rows: 2},
	event.File{
		Load: "videos", Table: "default.citydrive_videos", Path: "videos/b\n\x1b[2J.parquet", Before: "new", Outcome: "failed", Bytes: 12_345_678,
		Column: "duration_sec", Row: ptr(int64(17)), Value: "n/a", Reason: "not a number",
	},
	event.File{Load: "videos", Table: "default.citydrive_videos", Path: "videos/c.parquet", Before: "loaded", Outcome: "skipped", Bytes: 999},
	event.File{Load: "manifests", Table: "default.frame_metadata_catalog", Path: "manifests/m.parquet", Before: "loaded", Outcome: "skipped", Bytes: 1000},
	event.LoadState{Load: "videos", Table: "default.citydrive_videos", Counts: map[event.FileState]int64{"new": 1, "loaded": 1234567}, Rows: 7654321, LastRun: &at, Outside: 1200},
	event.LoadState{Load: "manifests", Table: "default.frame_metadata_catalog", Counts: map[event.FileState]int64{"vanished": 2}, Reason: "stage path is empty"},
	event.Preview{
		Load: "embeddings", Columns: []string{"id", "embedding", "meta"}, Types: []string{"Int32", "Nullable(Vector(5))", "Nullable(Variant)"},
		Rows: [][]*string{{ptr("1"), ptr("[0.1,0.2,0.3,0.4,0.5]"), nil}, {ptr("2"), nil, ptr(`{"a":"` + strings.Repeat("x", 60) + `"}`)}},
	},
	event.Summary{Command: "load", Text: "1 file loaded, 1 failed", Counts: map[string]int64{"loaded": 1, "failed": 1}, TookMS: 99},
}

var failed = Failure{
	Code: 1025, Kind: "UnknownTable", Place: sqltext.Place{File: "migrations/00003_x.sql", Line: 9, Column: 13}, Message: "Unknown table <t>", Hint: "`dbctl migrate status`",
	Caret: "SELECT * FROM t\n              ^", Exit: 1,
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"plain":   {},
		"quiet":   {Quiet: true},
		"verbose": {Verbose: true},
		"color":   {OutColor: true, ErrColor: true},
		"json":    {JSON: true, Head: Head{Run: "before", Env: "prod"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			o.Out, o.Err, o.Now = &out, &errs, func() time.Time { return at }
			u := New(o)
			for _, e := range story {
				u.Event(e)
			}
			u.Record("dev", "the local engine was stopped", map[string]bool{"running": false})
			u.Fail(failed)
			u.Close()
			golden.Check(t, filepath.Join("testdata", name+".golden"), "== stdout\n"+out.String()+"== stderr\n"+errs.String())
		})
	}
}

// TestJSONLines: every line is one object with the head, nothing is on stderr, and without progress lines the stream is whole.
func TestJSONLines(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	u := New(Options{Out: &out, Err: &errs, JSON: true})
	for _, e := range story {
		u.Event(e)
	}
	u.Fail(failed)
	u.Close()
	if errs.Len() > 0 {
		t.Errorf("stderr: got %q, want nothing", errs.String())
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if got, want := len(lines), len(story)+1; got != want {
		t.Fatalf("lines: got %d, want %d", got, want)
	}
	types := map[string]int{}
	for _, l := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(l), &fields); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		for _, k := range []string{"v", "type", "ts", "run", "project", "env", "database"} {
			if _, ok := fields[k]; !ok {
				t.Errorf("%s: no %q", l, k)
			}
		}
		if fields["run"] != "r1" {
			t.Errorf("%s: run is %v, want the target's", l, fields["run"])
		}
		types[fields["type"].(string)]++
	}
	want := map[string]int{
		"target": 1, "note": 3, "migration": 5, "statement": 2, "progress": 3, "rollback": 2, "file": 4, "load": 2, "preview": 1, "summary": 1, "error": 1,
	}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}

// TestManyFiles: a load of a thousand files does not fill the screen, and no failure is lost among them.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	u := New(Options{Out: &out, Err: &errs})
	for i := range 1000 {
		u.Event(event.File{Load: "l", Table: "t", Path: fmt.Sprintf("good/%d", i), Before: "new", Outcome: "loaded", Bytes: 1000, Rows: 10})
	}
	u.Event(event.File{Load: "l", Table: "t", Path: "bad/last", Before: "new", Outcome: "failed", Reason: "truncated"})
	u.Close()
	got := out.String()
	if n := strings.Count(got, "\n"); n > 30 {
		t.Errorf("lines: got %d, want about %d", n, shownFiles)
	}
	for _, want := range []string{"bad/last", "truncated", "1,000 files (new), 1.0 MB, 10,000 rows", "980 more files"} {
		if !strings.Contains(got, want) {
			t.Errorf("output has no %q:\n%s", want, got)
		}
	}
}

// TestManyRestored: what a rollback put back is a count where it is much; what it kept is named.
func TestManyRestored(t *testing.T) {
	t.Parallel()
	for verbose, want := range map[bool]int{false: 3, true: 101} {
		var out bytes.Buffer
		u := New(Options{Out: &out, Err: io.Discard, Verbose: verbose})
		for i := range 100 {
			u.Event(event.Rollback{Version: 1, Object: fmt.Sprintf("table default.t%d", i), Outcome: []event.Result{"restored", "untouched"}[i/90]})
		}
		u.Event(event.Rollback{Version: 1, Object: "table default.other", Outcome: "kept", Detail: "3 rows of another session"})
		u.Close()
		got := out.String()
		if n := strings.Count(got, "\n"); n != want || !strings.Contains(got, "table default.other: 3 rows") {
			t.Errorf("verbose %v: got %d lines, want %d:\n%s", verbose, n, want, got)
		}
		if !verbose && !strings.HasPrefix(got, "restored    90 objects (-v names each)\nuntouched   10 objects (-v names each)\n") {
			t.Errorf("got\n%s", got)
		}
	}
}

// screen is a terminal that remembers what was written, safe against the ticker.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
	ch chan struct{} // one for each write, as long as somebody takes it
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.ch <- struct{}{}:
	default:
	}
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestStatusLine: on a terminal progress is one line that is redrawn, gives way to every other output, and is gone at the end.
func TestStatusLine(t *testing.T) {
	t.Parallel()
	term := &screen{ch: make(chan struct{})}
	u := New(Options{Out: term, Err: term, ErrTerminal: true, ErrWidth: func() int { return 60 }})
	u.Event(event.Progress{What: "load videos", Done: 3, Total: 12, Rows: 1200, Bytes: 3_100_000, BytesTotal: 12_000_000, ETA: 20})
	<-term.ch // drawn by the ticker
	u.Event(event.Note{Level: event.Info, Text: "a note"})
	u.Close()
	got := term.String()
	want := "\r\x1b[Kload videos  3/12  1,200 rows  3.1 MB of 12 MB  about 20s …" // 59 of 60 columns
	if !strings.HasPrefix(got, want) {
		t.Errorf("status line: got %q, want prefix %q", got, want)
	}
	if !strings.Contains(got, "\r\x1b[Ka note\n") {
		t.Errorf("the line does not give way to the note: %q", got)
	}
	if i := strings.LastIndex(got, "load videos"); strings.LastIndex(got, "\r\x1b[K") < i {
		t.Errorf("the line is left behind: %q", got)
	}
}

func TestTook(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{0: "0ms", 999: "999ms", 1500: "1.5s", 90_000: "1m30s"} {
		if got := took(ms); got != want {
			t.Errorf("took(%d): got %q, want %q", ms, got, want)
		}
	}
}

// TestProgressOffATerminal: what is under way is a line in a log, and again only after a while where nothing has changed.
func TestProgressOffATerminal(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	now := at
	u := New(Options{Out: io.Discard, Err: &errs, Now: func() time.Time { return now }})
	s := statusOf(u)
	s.stop, s.done = make(chan struct{}), make(chan struct{}) // this test is the ticker
	close(s.done)
	for _, p := range []event.Progress{
		{What: "load a", Phase: "listing"}, {What: "load a", Phase: "listing"}, {What: "load a", Phase: "listing"}, {What: "load a", Done: 3, Total: 12, Rows: 40},
	} {
		u.Event(p)
		now = now.Add(logEvery)
		s.log()
	}
	u.Close()
	if got, want := errs.String(), "load a  listing  5s\nload a  listing  15s\nload a  3/12  40 rows  5s\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
