// Package plan says what a load would do. A plan is the join of three lists, read beside each other: what is there (LIST_STAGE), what
// the engine remembers (copy_history) and what the ledger knows. Each file is in exactly one event.FileState. A plan is a value: nothing is
// written for it, and nothing of it changes while it is run.
package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// File is one file of a plan.
type File struct {
	Path    string // below the stage root
	State   event.FileState
	Bytes   int64
	ETag    string
	Mtime   time.Time
	Planned bool   // Run loads it
	Moved   string // the loaded file that is gone, and whose bytes it has
	Replace bool   // Run deletes its old rows first
	Reason  string // why it is in this state, in words

	Rows     int64    // that the table has of it, by the ledger; or UnknownRows
	Force    bool     // the engine remembers the path: only FORCE loads it
	Held     bool     // the engine takes these very bytes for loaded
	checksum string   // of the load that it failed under
	filled   bool     // of an expired file: it is one of tally.forgotten
	twin     bool     // another stage's file of this path is in the table
	Aliases  []string // its names in rows that came through other places: the path below those
}

// Count is files and bytes.
type Count struct{ Files, Bytes int64 }

// Plan is what a run would do.
type Plan struct {
	Load      string
	Table     string // database.table
	TableID   string
	TableRows int64
	Stage     string
	StageURL  string
	Known     bool                      // the ledger knows where the table's rows are from
	Counts    map[event.FileState]Count // files by state
	Files     []File                    // those that a run touches or names; all with Options.Verbose
	Past      []File                    // loaded past us: a run takes them into the ledger
	Loss      ledger.Loss               // how it is seen that rows of files are gone
	Exact     bool                      // prefix and pattern send exactly the planned files
	Kept      []string                  // changed files that are not replaced
	KeptWhy   string                    // of the last of them
	Job       *source.Load

	scope     scope
	otherRows int64    // that the ledger counts for files that are not emptied
	moved     bool     // the stage had another URL when some of the files were loaded
	absent    []string // of the COPY's FILES, when the plan is about all of them
	mended    []string // quarantined files that were overwritten since, perhaps by better ones
}

// count adds files of a state.
func (p *Plan) count(st event.FileState, files, bytes int64) {
	c := p.Counts[st]
	p.Counts[st] = Count{c.Files + files, c.Bytes + bytes}
}

// recount gives a file another state.
func (p *Plan) recount(f *File, st event.FileState) {
	p.count(f.State, -1, -f.Bytes)
	f.State = st
	p.count(st, 1, f.Bytes)
}

// Planned are the files that Run loads, in the order in which it does.
func (p *Plan) Planned() []File {
	return slices.DeleteFunc(slices.Clone(p.Files), func(f File) bool { return !f.Planned })
}

// Doubled is how many of the planned files have rows in the table that stay there.
func (p *Plan) Doubled() (n int64) {
	for _, f := range p.Planned() {
		if !f.Replace && f.Rows != 0 {
			n++
		}
	}
	return n
}

// Bytes is the size of the planned files.
func (p *Plan) Bytes() (n int64) {
	for _, f := range p.Planned() {
		n += f.Bytes
	}
	return n
}

// Listed is how many objects the listing held that are this load's.
func (p *Plan) Listed() int64 {
	var n int64
	for s, c := range p.Counts {
		if s != event.Vanished && s != event.Ignored {
			n += c.Files
		}
	}
	return n
}

const (
	// UnknownRows is the row count of a file that dbctl did not load itself.
	UnknownRows = -1
	// Replans bounds how often is planned again after a collision with somebody else, or a lost answer.
	Replans = 4
	// Remakes bounds how often is made again what another command took away: each that ends meanwhile does.
	Remakes = 20
)

// At is the server's time before the plan was made.
func (p *Plan) At() time.Time { return p.scope.place.at }

// Ledger reports whether there is a ledger.
func (p *Plan) Ledger() bool { return p.scope.place.ledger }

// Windowed reports whether only recent partitions were listed.
func (p *Plan) Windowed() bool {
	return p.scope.glob == nil && (len(p.scope.folders) != 1 || p.scope.folders[0] != p.Job.Prefix)
}

// Below is the name of a file below the place, as the engine has it: in a table with copy_dedup_full_path it is the whole URL. An internal
// stage has none; what the ledger has in its place may begin a name.
func (p *Plan) Below(name string) string {
	if strings.HasPrefix(p.StageURL, "@") {
		return name
	}
	return strings.TrimPrefix(name, p.StageURL)
}

// Paths are the names of files.
func Paths(files []File) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Path
	}
	return out
}
