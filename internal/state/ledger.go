package state

import (
	"context"
	"fmt"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// The states of a file in the ledger.
const (
	FileBegin       = "begin"       // about to be loaded: written ahead of the COPY
	FileLoaded      = "loaded"      // its rows are in the table
	FileFailed      = "failed"      // tried, nothing of it is in the table
	FileNew         = "new"         // a person's word: load it (again)
	FileQuarantined = "quarantined" // a person's word, or a rule: do not load it
	FileUndone      = "undone"      // its rows were rolled back, but the engine still takes it for loaded: load it with FORCE
)

// Where a ledger row's knowledge comes from.
const (
	SourceDBCTL   = "dbctl"   // dbctl loaded it
	SourceEngine  = "engine"  // a task or a person loaded it past dbctl; taken from copy_history
	SourceAdopted = "adopted" // --mark for all files of a load
	SourcePerson  = "person"  // --mark for chosen files
	// dbctl loaded it, and the engine knows nothing of it any more by the nature of things:
	SourceCarried  = "carried"  // a migration rebuilt the table from its own rows: it stands under the new table's id, too
	SourceRestored = "restored" // a migration that made the engine forget it (TRUNCATE) was rolled back: its rows are there
)

// The columns of the ledger, for a query that joins it (LedgerName). A row is one fact about one file, never changed; of the
// rows with one (project, database, table_id, stage_url, path) the one with the greatest (at, event_id) holds. Rows with one
// event_id are one row.
const (
	ColEventID  = "event_id"  // STRING
	ColProject  = "project"   // STRING
	ColDatabase = "database"  // STRING
	ColRun      = "run"       // STRING
	ColAt       = "at"        // TIMESTAMP, server's clock, UTC
	ColTookMS   = "took_ms"   // BIGINT
	ColTable    = "target"    // STRING: db.table as dbctl shows it
	ColTableID  = "table_id"  // STRING
	ColStage    = "stage"     // STRING
	ColStageURL = "stage_url" // STRING
	ColPath     = "path"      // STRING, below the stage root
	ColSize     = "size"      // BIGINT
	ColETag     = "etag"      // STRING
	ColMtime    = "mtime"     // STRING; of FileBegin the server's time before the COPY was planned
	ColRows     = "row_count" // BIGINT
	ColState    = "state"     // STRING
	ColSource   = "source"    // STRING
	ColLoad     = "load_name" // STRING
	ColChecksum = "checksum"  // STRING, of the load's expanded text
	ColQueryID  = "query_id"  // STRING
	ColError    = "error"     // STRING
	ColReason   = "reason"    // STRING
)

// LedgerRow is one fact about one file.
type LedgerRow struct {
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

var ledgerColumns = []struct{ name, typ string }{
	{ColEventID, "STRING"},
	{ColProject, "STRING"},
	{ColDatabase, "STRING"},
	{ColRun, "STRING"},
	{ColAt, "TIMESTAMP"},
	{ColTookMS, "BIGINT"},
	{ColTable, "STRING"},
	{ColTableID, "STRING"},
	{ColStage, "STRING"},
	{ColStageURL, "STRING"},
	{ColPath, "STRING"},
	{ColSize, "BIGINT"},
	{ColETag, "STRING"},
	{ColMtime, "STRING"},
	{ColRows, "BIGINT"},
	{ColState, "STRING"},
	{ColSource, "STRING"},
	{ColLoad, "STRING"},
	{ColChecksum, "STRING"},
	{ColQueryID, "STRING"},
	{ColError, "STRING"},
	{ColReason, "STRING"},
}

// LedgerName is the ledger's qualified and quoted name, for queries that join it. The table may not exist before EnsureTables.
func (s *Store) LedgerName() string { return s.name(LedgerTable) }

// LedgerScope is the condition on the ledger's columns that chooses this project and database: "`project`='p' AND …".
func (s *Store) LedgerScope() string {
	return sqltext.Ident(ColProject) + "=" + literal(s.scope.Project) + " AND " + sqltext.Ident(ColDatabase) + "=" + literal(s.scope.Database)
}

// AppendLedgerSQL is one INSERT of rows, for a transaction of the caller, who must see len(rows) affected rows, and after it that the
// lock is still guarded, before COMMIT.
func (s *Store) AppendLedgerSQL(rows []LedgerRow) string {
	tuples := make([][]string, len(rows))
	for i, r := range rows {
		tuples[i] = s.ledgerTuple(r)
	}
	return s.ledgerInsert(tuples, nil)
}

// AppendLedger writes rows: one INSERT for each megabyte of text. It returns ErrRobbed when the fence was broken.
func (s *Store) AppendLedger(ctx context.Context, rows []LedgerRow, fence *Fence) error {
	for len(rows) > 0 {
		var tuples [][]string
		for size := 0; len(rows) > 0 && size < ledgerChunk; rows = rows[1:] {
			t := s.ledgerTuple(rows[0])
			tuples = append(tuples, t)
			for _, value := range t {
				size += len(value)
			}
		}
		var res databend.Result
		err := again(ctx, func() (err error) {
			res, err = s.db.Exec(ctx, databend.Statement{SQL: s.ledgerInsert(tuples, fence)})
			return err
		})
		if err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
		if fence != nil && res.Affected != int64(len(tuples)) {
			return ErrRobbed
		}
	}
	return nil
}

// ledgerTuple is the values of one row in the order of ledgerColumns, without at, which is the server's.
func (s *Store) ledgerTuple(r LedgerRow) []string {
	if r.EventID == "" {
		r.EventID = databend.NewID()
	}
	return tuple(&r.EventID, &s.scope.Project, &s.scope.Database, &r.Run, &r.TookMS, &r.Table, &r.TableID, &r.Stage,
		&r.StageURL, &r.Path, &r.Size, &r.ETag, &r.Mtime, &r.Rows, &r.State, &r.Source, &r.Load, &r.Checksum,
		&r.QueryID, &r.Error, &r.Reason)
}

func (s *Store) ledgerInsert(tuples [][]string, fence *Fence) string {
	in := insert{table: s.LedgerName(), tuples: tuples}
	for _, c := range ledgerColumns {
		expr := ""
		if c.name == ColAt {
			expr = "now()"
		}
		in.into, in.exprs = append(in.into, c.name), append(in.exprs, expr)
	}
	if fence != nil {
		in.condition = fence.condition()
	}
	return in.sql()
}
