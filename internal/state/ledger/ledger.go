// Package ledger is what is known of each file that a load met, for ever: append-only, one fact about one file a row.
package ledger

import (
	"context"
	"fmt"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/lock"
	"github.com/dbctl/dbctl/internal/state/store"
)

// The states of a file in the ledger.
const (
	FileBegin       = "begin"       // no word about a file: written ahead of a COPY, and with SourceFilled
	FileLoaded      = "loaded"      // its rows are in the table
	FileFailed      = "failed"      // tried, nothing of it is in the table
	FileNew         = "new"         // a person's word: load it (again)
	FileQuarantined = "quarantined" // a person's word, or a rule: do not load it
	FileEmptied     = "emptied"     // loaded once; its rows were seen to be gone from the table when something else was written into it
	FileUndone      = "undone"      // its rows were rolled back, but the engine still takes it for loaded: load it with FORCE
)

// Where a ledger row's knowledge comes from.
const (
	SourceDBCTL   = "dbctl"   // dbctl loaded it
	SourceEngine  = "engine"  // a task or a person loaded it past dbctl; taken from copy_history
	SourceAdopted = "adopted" // --mark for all files of a load
	SourcePerson  = "person"  // --mark for chosen files
	// Of FileBegin: a migration filled the table with rows of the one whose id stands in the path (none: it lost the rows it had). The
	// migration's version stands for the load's name.
	SourceFilled = "filled"
	// Of FileEmptied: the engine had forgotten the file too, and what it remembers has been loaded since.
	SourceCleared = "cleared"
	// Of FileFailed: the engine took these bytes for loaded before they were tried. That it does now says nothing.
	SourceHeld = "held"
	// dbctl loaded it, and the engine knows nothing of it any more by the nature of things:
	SourceCarried  = "carried"  // a migration rebuilt the table from its own rows: it stands under the new table's id, too
	SourceRestored = "restored" // a migration that made the engine forget it (TRUNCATE) was rolled back: its rows are there
)

// Row is one fact about one file, never changed. Of the rows with one (project, database, table_id, stage_url, path) the one with the
// greatest (at, event_id) holds; at is the server's time. Rows with one event_id are one row.
type Row struct {
	EventID  string // databend.NewID(); empty: a new one
	Run      string // id of the run or load that says so
	TookMS   int64
	Table    string // db.table
	TableID  string // system.tables.table_id, decimal
	Stage    string
	StageURL string
	Path     string // below the stage root
	Size     int64
	ETag     string
	Mtime    string
	Rows     int64
	State    string // FileBegin …
	Source   string // SourceDBCTL …
	Load     string
	Checksum string
	QueryID  string
	Error    string
	Reason   string
}

// ledgerChunk bounds the SQL text of one INSERT.
const ledgerChunk = 1 << 20

// Ledger reads and writes the ledger of a scope.
type Ledger struct{ db *store.DB }

// Of is the ledger of a scope.
func Of(db *store.DB) *Ledger { return &Ledger{db: db} }

// name is the ledger's qualified and quoted name.
func (l *Ledger) name() string { return l.db.Name(store.LedgerTable) }

// scope is the condition that a row is about this project and database.
func (l *Ledger) scope() string {
	scope := l.db.Scope()
	return "project = " + sqltext.Literal(scope.Project) + " AND `database` = " + sqltext.Literal(scope.Database)
}

// AppendLedgerSQL is one INSERT of rows, for a transaction of the caller, who must see len(rows) affected rows, and after it that the
// lock is still guarded, before COMMIT.
func (l *Ledger) AppendLedgerSQL(rows []Row) string {
	tuples := make([][]string, len(rows))
	for i, r := range rows {
		tuples[i] = l.tuple(r)
	}
	return l.insert(tuples, nil)
}

// AppendLedger writes rows: one INSERT for each megabyte of text. It returns lock.ErrRobbed when the fence was broken.
func (l *Ledger) AppendLedger(ctx context.Context, rows []Row, fence *lock.Fence) error {
	for len(rows) > 0 {
		var tuples [][]string
		for size := 0; len(rows) > 0 && size < ledgerChunk; rows = rows[1:] {
			t := l.tuple(rows[0])
			tuples = append(tuples, t)
			for _, value := range t {
				size += len(value)
			}
		}
		res, err := l.db.Write(ctx, l.insert(tuples, fence))
		if err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
		if fence != nil && res.Affected != int64(len(tuples)) {
			return lock.ErrRobbed
		}
	}
	return nil
}

// tuple is the values of one row in the order of the columns, without at, which is the server's.
func (l *Ledger) tuple(r Row) []string {
	if r.EventID == "" {
		r.EventID = databend.NewID()
	}
	r.Error, r.Reason = l.db.Clean(r.Error), l.db.Clean(r.Reason)
	scope := l.db.Scope()
	return store.Tuple(&r.EventID, &scope.Project, &scope.Database, &r.Run, &r.TookMS, &r.Table, &r.TableID, &r.Stage,
		&r.StageURL, &r.Path, &r.Size, &r.ETag, &r.Mtime, &r.Rows, &r.State, &r.Source, &r.Load, &r.Checksum,
		&r.QueryID, &r.Error, &r.Reason)
}

// tableIDAt is where a tuple has the table's id.
const tableIDAt = 6

func (l *Ledger) insert(tuples [][]string, fence *lock.Fence) string {
	in := store.Insert{Table: l.name(), Tuples: tuples}
	for _, c := range store.Ledger {
		expr := ""
		if c.Name == "at" {
			expr = "now()"
		}
		in.Into, in.Exprs = append(in.Into, c.Name), append(in.Exprs, expr)
	}
	if fence != nil {
		in.Condition = fence.SQL()
	}
	return in.SQL()
}
