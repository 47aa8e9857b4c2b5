// Package event holds what migrate and load say while they work. They emit events and never print; package ui renders them as
// text, as plain lines or as JSON, whose fields these structs are.
package event

import (
	"fmt"
	"time"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Event is one thing that happened. Type is what a program is told that it is.
type Event interface{ Type() string }

// Sink receives events, in order, from one goroutine at a time.
type Sink func(Event)

// Note tells something beside the results.
func (s Sink) Note(level Level, format string, args ...any) {
	s(Note{Level: level, Text: fmt.Sprintf(format, args...)})
}

// Target is the first event of a command that talks to a server.
type Target struct {
	Env, Host, Database, Project string
	Run                          string // the run's id, on every JSON line
}

// Level says how a Note is shown.
type Level string

// The levels of a Note.
const (
	Info   Level = "info"
	Warn   Level = "warn"
	Detail Level = "detail" // with -v
	Hint   Level = "hint"   // what to type
)

// Note is a line for a person. It is not an error.
type Note struct {
	Level Level  `json:"level"` // info warn detail hint
	Text  string `json:"text"`
}

// Object names a written object in a Statement.
type Object struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Statement is one statement as show and plan list it.
type Statement struct {
	Version   int64     `json:"version,omitempty"`
	Load      string    `json:"load,omitempty"`
	Direction Direction `json:"direction,omitempty"` // up, down
	Index     int       `json:"index"`               // from 1
	Line      int       `json:"line"`
	SQL       string    `json:"sql"`
	Kind      string    `json:"kind"`
	Writes    []Object  `json:"writes"`
	Class     string    `json:"class"` // none exact flashback redefine irreversible
	Reason    string    `json:"reason,omitempty"`
	Undo      string    `json:"undo,omitempty"`
}

// Migration is the state of one migration, from status, or after it ran.
type Migration struct {
	Version   int64          `json:"version"`
	Name      string         `json:"name"`
	State     MigrationState `json:"state"` // applied pending unsupported rolled_back partial interrupted edited stale missing ahead
	AppliedAt *time.Time     `json:"applied_at,omitempty"`
	TookMS    int64          `json:"took_ms,omitempty"`
	Direction Direction      `json:"direction,omitempty"` // up or down when it just ran
	Reason    string         `json:"reason,omitempty"`
}

// File is one file of a load.
type File struct {
	Load    string      `json:"load"`
	Table   string      `json:"table"`
	Path    string      `json:"path"`
	Before  FileState   `json:"before"`  // new loaded changed expired emptied vanished unfinished ignored failed quarantined
	Outcome FileOutcome `json:"outcome"` // planned loaded replaced skipped failed valid invalid marked
	Bytes   int64       `json:"bytes"`
	Rows    int64       `json:"rows,omitempty"`
	Reason  string      `json:"reason,omitempty"`
	Column  string      `json:"column,omitempty"`
	Row     *int64      `json:"row,omitempty"` // from 1
	Value   string      `json:"value,omitempty"`
	QueryID string      `json:"query_id,omitempty"`
}

// Rollback is what became of one object when a migration was rolled back.
type Rollback struct {
	Version int64  `json:"version,omitempty"`
	Object  string `json:"object"`
	Outcome Result `json:"outcome"` // restored untouched kept differs
	Detail  string `json:"detail,omitempty"`
}

// Progress replaces the status line; removing every Progress leaves the JSON stream whole. Totals of -1 are unknown.
type Progress struct {
	What       string  `json:"what"`            // "migrate 3 frame_events", "load videos"
	Phase      string  `json:"phase,omitempty"` // what it is doing where nothing is counted: "listing", "looking for bad files"
	Done       int64   `json:"done"`            // statements or files
	Total      int64   `json:"total"`
	Rows       int64   `json:"rows,omitempty"`
	Bytes      int64   `json:"bytes,omitempty"`
	BytesTotal int64   `json:"bytes_total,omitempty"`
	ETA        float64 `json:"eta_s,omitempty"` // seconds; -1 unknown
}

// Preview is rows of a load, from load --preview.
type Preview struct {
	Load    string      `json:"load"`
	Columns []string    `json:"columns"`
	Types   []string    `json:"types"`
	Rows    [][]*string `json:"rows"`
}

// LoadState is one line of load --list and status.
type LoadState struct {
	Load    string              `json:"load"`
	Table   string              `json:"table"`
	Counts  map[FileState]int64 `json:"counts"` // files by state
	Rows    int64               `json:"rows"`
	Missing int64               `json:"rows_missing,omitempty"` // of those, that the table cannot have any more
	Outside int64               `json:"outside,omitempty"`      // new files outside of its window

	NewBytes int64 `json:"new_bytes,omitempty"` // of the files that are new
	NoTable  bool  `json:"no_table,omitempty"`  // its table is not there (yet)

	LastRun *time.Time `json:"last_run,omitempty"`
	Late    string     `json:"late,omitempty"`         // how long ago its last file was loaded, where that is longer than it expects
	Failure string     `json:"last_failure,omitempty"` // the newest failure that stands
	Reason  string     `json:"reason,omitempty"`
}

// Finding is what lint has to say about a place in a file.
type Finding struct {
	Rule  string `json:"rule"`
	Level string `json:"level"` // error warning
	sqltext.Place
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Check is one thing that doctor looked at. Hint is the mend of what is not well.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// LoadRun is one run of a load, as the ledger has it.
type LoadRun struct {
	Load   string    `json:"load"`
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Files  int64     `json:"files"`
	Failed int64     `json:"failed,omitempty"`
	Marked int64     `json:"marked,omitempty"` // by a person
	Rows   int64     `json:"rows"`
	Bytes  int64     `json:"bytes"`
	TookMS int64     `json:"took_ms"` // of its COPYs
	Reason string    `json:"reason,omitempty"`
}

// Summary ends a command: Text for people, Counts for programs.
type Summary struct {
	Command string           `json:"command"`
	Load    string           `json:"load,omitempty"`
	Text    string           `json:"text"`
	Counts  map[string]int64 `json:"counts,omitempty"`
	TookMS  int64            `json:"took_ms"`
}

func (Target) Type() string    { return "target" }
func (Note) Type() string      { return "note" }
func (Statement) Type() string { return "statement" }
func (Migration) Type() string { return "migration" }
func (File) Type() string      { return "file" }
func (Rollback) Type() string  { return "rollback" }
func (Progress) Type() string  { return "progress" }
func (Preview) Type() string   { return "preview" }
func (LoadState) Type() string { return "load" }
func (Finding) Type() string   { return "finding" }
func (Check) Type() string     { return "check" }
func (LoadRun) Type() string   { return "load_run" }
func (Summary) Type() string   { return "summary" }
