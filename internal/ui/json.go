package ui

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/dbctl/dbctl/internal/event"
)

// jsonLines writes one object a line.
type jsonLines struct {
	o    Options
	head Head
}

// lineHead is what stands first on every line, in this order.
type lineHead struct {
	V        int    `json:"v"`
	Type     string `json:"type"`
	TS       string `json:"ts"`
	Run      string `json:"run"`
	Project  string `json:"project"`
	Env      string `json:"env"`
	Database string `json:"database"`
}

func (j *jsonLines) event(e event.Event) {
	t, ok := e.(event.Target)
	if !ok {
		j.line(e.Type(), e)
		return
	}
	j.about(Head{Run: t.Run, Project: t.Project, Env: t.Env, Database: t.Database})
	j.line(e.Type(), map[string]string{"host": t.Host})
}

func (j *jsonLines) fail(f Failure) { j.line("error", f) }

func (j *jsonLines) record(kind, _ string, fields any) { j.line(kind, fields) }

func (j *jsonLines) about(h Head) {
	j.head = Head{
		Run: cmp.Or(h.Run, j.head.Run), Project: cmp.Or(h.Project, j.head.Project), Env: cmp.Or(h.Env, j.head.Env),
		Database: cmp.Or(h.Database, j.head.Database),
	}
}

// prompt is never called: with --json dbctl does not ask.
func (j *jsonLines) prompt(string) {}

func (j *jsonLines) close() {}

// line writes the head's and the body's fields as one object.
func (j *jsonLines) line(kind string, body any) {
	head := encode(lineHead{
		V: 1, Type: kind, TS: j.o.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		Run: j.head.Run, Project: j.head.Project, Env: j.head.Env, Database: j.head.Database,
	})
	fields := encode(body)
	if len(fields) > 2 { // more than {}
		head = append(append(head[:len(head)-1], ','), fields[1:]...)
	}
	write(j.o.Out, string(append(jsonSafe(head), '\n')))
}

// encode is json.Marshal that leaves < > & as they are: SQL is full of them.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // only our own structs come here
	}
	return bytes.TrimSpace(b.Bytes())
}
