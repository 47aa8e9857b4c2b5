// Package plan says what a load would do. A plan is the join of three lists, read beside each other: what is there (LIST_STAGE), what
// the engine remembers (copy_history) and what the ledger knows. Each file is in exactly one State. A plan is a value: nothing is
// written for it, and nothing of it changes while it is run.
package plan

import (
	"time"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// State is what a plan knows of one file. Package event says what each means.
type State = event.FileState

// The states of a file.
const (
	New         = event.New
	Loaded      = event.Loaded
	Expired     = event.Expired
	Changed     = event.Changed
	Emptied     = event.Emptied
	Vanished    = event.Vanished
	Unfinished  = event.Unfinished
	Ignored     = event.Ignored
	Failed      = event.Failed
	Quarantined = event.Quarantined
)

// File is one file of a plan.
type File struct {
	Path    string // below the stage root
	State   State
	Bytes   int64
	ETag    string
	Mtime   time.Time
	Planned bool   // Run loads it
	Moved   string // the loaded file that is gone, and whose bytes it has
	Replace bool   // Run deletes its old rows first
	Reason  string // why it is in this state, in words

	told     bool     // the ledger knows it
	Rows     int64    // that the table has of it, by the ledger; or UnknownRows
	Force    bool     // the engine remembers the path: only FORCE loads it
	checksum string   // of the load that it failed under
	filled   bool     // of an expired file: dbctl loaded it, and it brought rows
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
	Known     bool            // the ledger knows where the table's rows are from
	Counts    map[State]Count // files by state
	Files     []File          // those that a run touches or names; all with Options.Verbose
	Engine    int64           // files loaded past us that a run takes into the ledger

	Job                      *source.Load
	scope                    scope
	Past                     []File            // loaded past us
	listedNames              map[string]bool   // likewise
	left                     map[object]string // loaded files that are gone from their place, with rows, by size and etag
	unseen                   map[string]bool   // of the COPY's FILES: in no list
	words                    []string          // those names, where each vanished file is to be named
	flashed                  map[string]bool   // paths whose rows went with a FLASHBACK
	leftEmpty                bool              // the table was empty behind its last load, by what stands there
	expired                  Count             // files that dbctl loaded, with rows, and that the engine has forgotten
	expiredRows              int64             // of those
	emptiedRows              int64             // that the ledger counts for files whose rows are gone
	rowsOfOthers             int64             // that the ledger counts for files that are not emptied
	moved                    bool              // the stage had another URL when some of the files were loaded
	ledgerKnown, listedKnown int64             // names that the ledger has for loaded or failed: all, and those listed
	lastWord, lastLoaded     int64             // microseconds, of the ledger's last row about these files, and of the last that says loaded
	lastFailed               word              // the newest failure that stands
	failedPath               string            // of it
	outside                  int64             // new files outside of the window, where they are listed
	knownRows                int64             // that the ledger counts
	absent                   []string          // of the COPY's FILES, when the plan is about all of them
	Kept                     []string          // changed files that are not replaced
	KeptWhy                  string            // of the last of them
	Loss                     ledger.Loss       // how it is seen that rows of files are gone
	Exact                    bool              // prefix and pattern send exactly the planned files
}

// Planned are the files that Run loads, in the order in which it does.
func (p *Plan) Planned() []File {
	var out []File
	for _, f := range p.Files {
		if f.Planned {
			out = append(out, f)
		}
	}
	return out
}

// Doubled is how many of the planned files have rows in the table that stay there.
func (p *Plan) Doubled() (n int64) {
	for _, f := range p.Files {
		if f.Planned && !f.Replace && f.Rows != 0 {
			n++
		}
	}
	return n
}

// Bytes is the size of the planned files.
func (p *Plan) Bytes() int64 {
	var n int64
	for _, f := range p.Files {
		if f.Planned {
			n += f.Bytes
		}
	}
	return n
}

// Listed is how many objects the listing held that are this load's.
func (p *Plan) Listed() int64 {
	var n int64
	for s, c := range p.Counts {
		if s != Vanished && s != Ignored {
			n += c.Files
		}
	}
	return n
}

const (
	// UnknownRows is the row count of a file that dbctl did not load itself.
	UnknownRows = -1
	// LedgerRows is how many of the ledger's rows one statement is about.
	LedgerRows = 2_000
	// Replans bounds how often is planned again after a collision with somebody else, or a lost answer.
	Replans = 4
)

// At is the server's time before the plan was made.
func (p *Plan) At() time.Time { return p.scope.place.at }

// Ledger reports whether there is a ledger.
func (p *Plan) Ledger() bool { return p.scope.place.ledger }

// Windowed reports whether only recent partitions were listed.
func (p *Plan) Windowed() bool {
	return len(p.scope.prefixes) != 1 || p.scope.prefixes[0] != p.Job.Prefix
}

// Paths are the names of files.
func Paths(files []File) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Path
	}
	return out
}
