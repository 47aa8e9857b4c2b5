package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/project"
)

// TestConsent: a protected environment asks on a terminal, takes --yes for an answer, and refuses where nobody can be asked.
func TestConsent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer         string
		terminal, json bool
		yes            bool
		code           exit.Code // 0: goes on
		asked          bool
	}{
		"yes":            {answer: "y\n", terminal: true, asked: true},
		"YES":            {answer: "YES\r\nmore", terminal: true, asked: true},
		"no":             {answer: "n\n", terminal: true, asked: true, code: 1},
		"nothing":        {answer: "\n", terminal: true, asked: true, code: 1},
		"end":            {answer: "", terminal: true, asked: true, code: 1},
		"flag":           {yes: true},
		"off a terminal": {answer: "y\n", code: 2},
		"json":           {answer: "y\n", terminal: true, json: true, code: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var errs bytes.Buffer
			a := testApp(io.Discard, &errs)
			stdin := strings.NewReader(tc.answer)
			a.Stdin, a.inTerminal, a.json, a.cmd = stdin, tc.terminal, tc.json, &command{name: "migrate up"}
			a.yes = tc.yes
			err := a.consent(context.Background(), "prod")
			if got := exit.Of(err); got != tc.code {
				t.Errorf("exit: got %d (%v), want %d", got, err, tc.code)
			}
			if got := strings.Contains(errs.String(), "environment prod is protected. `dbctl migrate up` writes to it. Go on? [y/N] "); got != tc.asked {
				t.Errorf("asked: got %t, want %t: %q", got, tc.asked, errs.String())
			}
			if name == "YES" && stdin.Len() != len("more") {
				t.Errorf("%d bytes behind the answer were left unread, want %d", stdin.Len(), len("more"))
			}
		})
	}
}

// TestConsentInterrupted: Ctrl-C at the question ends it.
func TestConsentInterrupted(t *testing.T) {
	t.Parallel()
	a := testApp(io.Discard, io.Discard)
	silent, end := io.Pipe()
	defer end.Close()
	a.Stdin, a.inTerminal, a.cmd = silent, true, &command{name: "load"}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.consent(ctx, "prod"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// TestTally: what --check counts, and the two lines of status.
func TestTally(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		events                         []event.Event
		migrations, loads, found, next string
	}{
		"nothing": {nil, "migrations  none", "loads       0 loads", "", ""},
		"in step": {
			[]event.Event{
				event.Migration{State: "applied"},
				event.Migration{State: "applied"},
				event.Migration{State: "unsupported"},
				event.Migration{State: "ahead"},
				event.LoadState{Load: "a", Counts: map[event.FileState]int64{"loaded": 3, "expired": 2, "ignored": 1}, Rows: 7},
			},
			"migrations  2 applied, 1 unsupported, 1 ahead", "loads       1 load: files 3 loaded, 2 expired, 1 ignored; 7 rows", "", "",
		},
		"behind": {
			[]event.Event{
				event.Migration{State: "pending"},
				event.Migration{State: "pending"},
				event.Migration{State: "edited"},
				event.LoadState{Load: "a", Counts: map[event.FileState]int64{"new": 1}},
				event.LoadState{Load: "b", Counts: map[event.FileState]int64{"changed": 1, "failed": 4}},
				event.LoadState{Load: "c", Reason: "no table"},
			},
			"migrations  2 pending, 1 edited", "loads       3 loads: files 1 new, 1 changed, 4 failed; 1 not ready (`dbctl load --list` says why)",
			"not in step: 2 migrations pending, 1 migration edited, 1 file new, 1 file changed, 4 files failed, 1 load not ready",
			"`dbctl migrate up`, `dbctl migrate status`, `dbctl load --all`, `dbctl load --list`",
		},
		"a dry run": {
			[]event.Event{event.Summary{Command: "migrate up", Counts: map[string]int64{"migrations": 2}}},
			"migrations  2 pending", "loads       0 loads", "not in step: 2 migrations pending", "`dbctl migrate up`",
		},
	} {
		tl := newTally(func(event.Event) {}, func(event.Event) bool { return true })
		for _, e := range tc.events {
			tl.sink(e)
		}
		if got := tl.migrationLine(); got != tc.migrations {
			t.Errorf("%s: got %q, want %q", name, got, tc.migrations)
		}
		if got := tl.loadLine(); got != tc.loads {
			t.Errorf("%s: got %q, want %q", name, got, tc.loads)
		}
		found, next := "", ""
		if err := tl.found(); err != nil {
			found, next = err.Error(), failure(err).Hint
			if exit.Of(err) != 3 {
				t.Errorf("%s: exit %d, want 3", name, exit.Of(err))
			}
		}
		if found != tc.found || next != tc.next {
			t.Errorf("%s: found %q, %q, want %q, %q", name, found, next, tc.found, tc.next)
		}
	}
}

// What asks in a protected environment, and is told of: a statement that changes something beside its session.
func TestWriting(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT 1": "", "SET max_threads = 1": "", "USE other": "", "USE CATALOG c": "", "BEGIN": "", "CREATE TEMP TABLE t (a INT)": "",
		"EXPLAIN DELETE FROM t": "", "SET GLOBAL max_threads = 1": "SET GLOBAL", "SELECT nextval(s)": "SELECT", "SET x = nextval(s)": "SET",
		"EXPLAIN /*+ x */ ANALYZE DELETE FROM t": "EXPLAIN ANALYZE DELETE", "SELECT 1 FROM s WITH CONSUME": "SELECT", "CALL p()": "CALL",
	} {
		if got := writing([]project.Statement{{SQL: sql}}, "default"); got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
}
