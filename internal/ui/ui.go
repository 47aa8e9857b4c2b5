// Package ui renders what the engines say (package event) for the three readers a command can have: a person at a terminal, a
// log file, and a program.
//
// The rules: results go to stdout; the target line, notes, progress, hints and errors go to stderr. With JSON everything is one
// object a line on stdout and stderr stays empty. On a terminal one status line is redrawn ten times a second at most and erased
// before anything else is written; elsewhere a plain line is written every few seconds, as long as something is under way. Nothing here
// decides anything: it may be taken away and the commands do the same.
package ui

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Options say who reads. Out and Err are required.
type Options struct {
	Out, Err io.Writer

	// OutWidth and ErrWidth give the columns that a line on that stream may take, 0 for any. Optional.
	OutWidth, ErrWidth func() int

	// ErrTerminal says that Err is a terminal: a status line is drawn.
	ErrTerminal bool

	// OutColor and ErrColor say that text on that stream may carry colour.
	OutColor, ErrColor bool

	JSON    bool // one object a line on Out
	Quiet   bool // text only: no target, notes of level info, progress or summaries
	Verbose bool // text only: notes of level detail, each file, the SQL of each statement in a plan
	FullSQL bool // text only: statement lists show the SQL (`show`)

	// Clean takes secrets out of a text. Every value that is shown passes it whole, before anything is cut or folded. Optional.
	Clean func(string) string
	// Hint completes the commands of a hint or a note. Optional.
	Hint func(string) string

	// Now is the clock. Optional: time.Now.
	Now func() time.Time

	// Head is what is known of the target before a Target event tells.
	Head Head
}

// Head is what every JSON line carries.
type Head struct {
	Run, Project, Env, Database string
}

// Failure is an error as people and programs are told it.
type Failure struct {
	Code int    `json:"code,omitempty"` // Databend's
	Kind string `json:"kind,omitempty"`
	sqltext.Place
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	SQL     string `json:"sql,omitempty"`
	QueryID string `json:"query_id,omitempty"`
	Exit    int    `json:"exit"` // the exit code that it means by itself

	// Caret is the source line with a caret under the column; text only.
	Caret string `json:"-"`
}

// UI renders. It is safe for concurrent use.
type UI struct {
	mu    sync.Mutex
	r     renderer
	clean func(string) string
	hint  func(string) string
}

// renderer is one way of showing. UI holds the lock around each call.
type renderer interface {
	event(event.Event)
	fail(Failure)
	record(kind, text string, fields any)
	about(Head)
	prompt(question string)
	close()
}

var (
	_ renderer = (*text)(nil)
	_ renderer = (*jsonLines)(nil)
)

// New returns a UI. Close it: tables are written when they are complete.
func New(o Options) *UI {
	if o.Now == nil {
		o.Now = time.Now
	}
	u := &UI{clean: o.Clean, hint: o.Hint}
	if u.hint == nil {
		u.hint = func(s string) string { return s }
	}
	if u.clean == nil {
		u.clean = func(s string) string { return s }
	}
	if scrub := u.clean; !o.JSON { // programs get what they asked for; JSON writes it safely
		u.clean = func(s string) string { return foreign(scrub(s)) }
	}
	o.Head = u.values(o.Head).(Head)
	if o.JSON {
		u.r = &jsonLines{o: o, head: o.Head}
	} else {
		u.r = newText(o, &u.mu)
	}
	return u
}

// values is v as it may be shown.
func (u *UI) values(v any) any { return values(v, u.clean) }

// Event shows e. It is an event.Sink.
func (u *UI) Event(e event.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch told := e.(type) {
	case event.Note:
		told.Text = u.hint(told.Text)
		e = told
	case event.Check:
		told.Hint = u.hint(told.Hint)
		e = told
	}
	u.r.event(u.values(e).(event.Event))
}

// Fail shows the error that ends a command.
func (u *UI) Fail(f Failure) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f.Hint = u.hint(f.Hint)
	clean := u.values(f).(Failure)
	if strings.Contains(clean.Caret, secret.Redacted) && !strings.Contains(f.Caret, secret.Redacted) {
		clean.Caret = "" // it would point beside the place
	}
	u.r.fail(clean)
}

// Record shows a result that is no event: text for people, fields (a struct or map) for programs as a line of type kind.
func (u *UI) Record(kind, text string, fields any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.r.record(kind, u.clean(text), u.values(fields))
}

// About says what is known of the target before a Target event tells; empty fields leave what is known.
func (u *UI) About(h Head) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.r.about(u.values(h).(Head))
}

// Prompt shows a question and leaves the cursor behind it.
func (u *UI) Prompt(question string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.r.prompt(u.clean(question))
}

// Close writes what is still held back and erases the status line. Events after it are lost.
func (u *UI) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.r.close()
}

// write sends one whole piece of output and flushes a writer that holds bytes back (a scrubbing one): a piece is complete, so that
// no secret can be cut in two by it.
func write(w io.Writer, s string) {
	if s == "" {
		return
	}
	// A reader that went away (a closed pipe) is no reason to stop a migration half way.
	_, _ = io.WriteString(w, s)
	if f, ok := w.(interface{ Flush() error }); ok {
		_ = f.Flush()
	}
}
