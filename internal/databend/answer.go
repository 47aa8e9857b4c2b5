package databend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strings"
)

// reply is what came back for one HTTP request.
type reply struct {
	status int
	header http.Header
	body   []byte
	sent   bool   // something of the request was written: the server may have acted on it
	auth   string // the Authorization that was used
	err    error  // no (whole) answer
}

// answer is the server's answer to POST /v1/query or to a page of it. Rows are taken here as the text the server sent:
// the driver would fail on a type that it does not know and on a time zone that this machine does not know.
type answer struct {
	ID       string          `json:"id"`
	NodeID   string          `json:"node_id"`
	Session  json.RawMessage `json:"session"` // none: as the last answer said
	State    string          `json:"state"`
	Error    *serverError    `json:"error"`
	Schema   []field         `json:"schema"`
	Data     [][]*string     `json:"data"`
	Stats    *stats          `json:"stats"`
	NextURI  string          `json:"next_uri"`
	FinalURI string          `json:"final_uri"`
	KillURI  string          `json:"kill_uri"`
}

type field struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type stats struct {
	Scan  amount `json:"scan_progress"`
	Write amount `json:"write_progress"`
}

type amount struct {
	Rows  uint64 `json:"rows"`
	Bytes uint64 `json:"bytes"`
}

// serverError is the error of a statement or of a refused request.
type serverError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Detail  string `json:"detail"`
}

// wrongAnswer is what is wrong with a whole answer of HTTP 200: somebody else gave it.
type wrongAnswer string

func (e wrongAnswer) Error() string { return string(e) }

// readAnswer takes r as the answer for the query id, or says why it cannot be trusted. Anything may answer 200 on the way to
// a server: a captive portal, a proxy's page, another program.
func readAnswer(r reply, id string) (*answer, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.status != http.StatusOK {
		return nil, fmt.Errorf("HTTP %d", r.status)
	}
	if !isJSON(r.header) {
		return nil, wrongAnswer(fmt.Sprintf("the answer is %q, not JSON", r.header.Get("Content-Type")))
	}
	var a answer
	if err := json.Unmarshal(r.body, &a); err != nil {
		return nil, wrongAnswer("the answer is not Databend's: " + err.Error())
	}
	if string(a.Session) == "null" {
		a.Session = nil
	}
	switch a.State {
	case "Starting", "Running", "Succeeded", "Failed":
	default:
		return nil, wrongAnswer("the answer has no state")
	}
	if a.ID != id {
		return nil, wrongAnswer("the answer is for another query id")
	}
	if (a.State == "Starting" || a.State == "Running") && a.Error == nil && a.finished() {
		return nil, wrongAnswer("the answer is of a running statement, and names no next page")
	}
	if a.State == "Failed" && a.Error == nil {
		a.Error = &serverError{Message: "the statement failed, and the server does not say why"}
	}
	for _, row := range a.Data {
		if len(row) != len(a.Schema) {
			return nil, wrongAnswer(fmt.Sprintf("the answer has rows of %d values for %d columns", len(row), len(a.Schema)))
		}
	}
	return &a, nil
}

// finished reports whether no page follows.
func (a *answer) finished() bool {
	return a.NextURI == "" || strings.Contains(a.NextURI, "/final")
}

// forDriver is what the driver is told: everything but rows and columns, and the session only if it is not to stay as it was.
func (a *answer) forDriver(sameSession bool) []byte {
	m := map[string]any{
		"id": a.ID, "node_id": a.NodeID, "state": a.State,
		"next_uri": a.NextURI, "final_uri": a.FinalURI, "kill_uri": a.KillURI,
	}
	if len(a.Session) > 0 && !sameSession {
		m["session"] = a.Session
	}
	if a.Error != nil {
		m["error"] = map[string]any{"code": a.Error.Code, "message": a.Error.Message}
	}
	b, _ := json.Marshal(m) // maps of strings, and JSON that was read as such
	return b
}

// errorOf returns the error object of a refused request, or nil. Databend nests it; its gateway does not.
func (r reply) errorOf() *serverError {
	if r.err != nil || !isJSON(r.header) {
		return nil
	}
	var nested struct {
		Error *serverError `json:"error"`
	}
	if json.Unmarshal(r.body, &nested) == nil && nested.Error != nil {
		return nested.Error
	}
	var flat struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal(r.body, &flat) == nil && flat.Error+flat.Message != "" {
		return &serverError{Message: strings.TrimPrefix(flat.Error+": "+flat.Message, ": ")}
	}
	return nil
}

func isJSON(h http.Header) bool {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && t == "application/json"
}

// respond makes a response for the driver. It keeps the headers of r that the driver reads: cookies, session id, route hint.
func respond(req *http.Request, r reply, status int, body []byte) *http.Response {
	h := make(http.Header)
	maps.Copy(h, r.header)
	for _, k := range []string{"Content-Encoding", "Content-Length", "Transfer-Encoding"} {
		h.Del(k)
	}
	h.Set("Content-Type", "application/json")
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}
