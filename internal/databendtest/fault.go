package databendtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// faults is what makes the embedded engine's front misbehave, and log its requests.
//
//go:embed faults.py
var faults []byte

// Fault is one fault of the embedded engine's front, by hook. See faults.py.
//
//   - drop_before cuts the connection and runs nothing; drop_after runs the statement, then cuts the connection instead of answering;
//   - status answers Status (default 502), html and empty answer HTTP 200 with a web page and with {}; none of them runs the statement;
//   - hold waits Hold seconds before the statement starts: it is in system.processes, and KILL ends it with 1043.
//
// A fault is applied to each POST /v1/query whose text matches, repeats of one query id (the driver's retries) included.
type Fault struct {
	Action string `json:"action"` // drop_before drop_after status html empty hold
	// regular expression over the statement's text; tests that run in parallel share the engine: name something of yours
	Match  string  `json:"match"`
	Skip   int     `json:"skip"`  // let so many matches pass first
	Times  int     `json:"times"` // default 1
	Status int     `json:"status"`
	Hold   float64 `json:"hold"` // seconds
}

// Fault arms a fault; it is disarmed with the test. Skips the test on a server that is not embedded.
func (e *Env) Fault(t testing.TB, f Fault) {
	t.Helper()
	if !e.Embedded {
		t.Skip("faults need the embedded engine")
	}
	body, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var armed struct{ ID string }
	if err := e.server.call(http.MethodPost, "/local/fault", nil, body, &armed); err != nil {
		t.Fatalf("arm fault: %v", err)
	}
	t.Cleanup(func() {
		if err := e.server.call(http.MethodDelete, "/local/fault/"+armed.ID, nil, nil, nil); err != nil {
			t.Errorf("disarm fault: %v", err)
		}
	})
}

// Request is one POST /v1/query that reached the embedded engine's front.
type Request struct {
	ID       string
	SQL      string
	Executed bool // the engine was given it
}

// Log returns the requests since New, in order, those of tests that run in parallel included.
func (e *Env) Log(t testing.TB) []Request {
	t.Helper()
	if !e.Embedded {
		t.Skip("the request log needs the embedded engine")
	}
	entries, _ := e.server.log(t, e.logged)
	return entries
}

// log returns the requests from number since on, and the number of the next.
func (s *Engine) log(t testing.TB, since int) (entries []Request, next int) {
	t.Helper()
	var log struct {
		Next    int
		Entries []Request
	}
	if err := s.call(http.MethodGet, fmt.Sprintf("/local/log?since=%d", since), nil, nil, &log); err != nil {
		t.Fatalf("read request log: %v", err)
	}
	return log.Entries, log.Next
}
