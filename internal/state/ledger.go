package state

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

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
	ColMtime    = "mtime"     // STRING
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
	EventID  string    // databend.NewID(); empty: a new one
	Run      string    // id of the run or load that says so
	At       time.Time // only when read; written rows take the server's now()
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

var ledgerColumns = []string{
	ColEventID, ColProject, ColDatabase, ColRun, ColAt, ColTookMS, ColTable, ColTableID, ColStage, ColStageURL, ColPath, ColSize,
	ColETag, ColMtime, ColRows, ColState, ColSource, ColLoad, ColChecksum, ColQueryID, ColError, ColReason,
}

// LedgerName is the ledger's qualified and quoted name, for queries that join it. The table may not exist before EnsureTables.
func (s *Store) LedgerName() string { return s.name(ledgerTable) }

// LedgerScope is the condition on the ledger's columns that chooses this project and database: "`project`='p' AND …". alias is
// put before the columns when not empty.
func (s *Store) LedgerScope(alias string) string {
	if alias != "" {
		alias += "."
	}
	return alias + sqltext.Ident(ColProject) + "=" + sqltext.Quote(s.scope.Project) + " AND " +
		alias + sqltext.Ident(ColDatabase) + "=" + sqltext.Quote(s.scope.Database)
}

// AppendLedgerSQL is one INSERT of rows, for a transaction of the caller. With a fence it inserts nothing once the fence was
// broken: the caller must see len(rows) affected rows, else ROLLBACK.
func (s *Store) AppendLedgerSQL(rows []LedgerRow, fence *Fence) string {
	values := make([]string, len(rows))
	for i, r := range rows {
		values[i] = s.ledgerValues(r)
	}
	return s.ledgerInsert(values, fence)
}

// AppendLedger writes rows: one INSERT for each megabyte of text. It returns ErrRobbed when the fence was broken.
func (s *Store) AppendLedger(ctx context.Context, rows []LedgerRow, fence *Fence) error {
	for len(rows) > 0 {
		var values []string
		for size := 0; len(rows) > 0 && size < ledgerChunk; rows = rows[1:] {
			v := s.ledgerValues(rows[0])
			values = append(values, v)
			size += len(v)
		}
		res, err := s.db.Exec(ctx, databend.Statement{SQL: s.ledgerInsert(values, fence)})
		if err != nil {
			return fmt.Errorf("write ledger: %w", err)
		}
		if fence != nil && res.Affected != int64(len(values)) {
			return ErrRobbed
		}
	}
	return nil
}

// ledgerValues is one row as "(…)", without at, which is the server's.
func (s *Store) ledgerValues(r LedgerRow) string {
	if r.EventID == "" {
		r.EventID = databend.NewID()
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	q := sqltext.Quote
	return "(" + strings.Join([]string{
		q(r.EventID), q(s.scope.Project), q(s.scope.Database), q(r.Run), n(r.TookMS), q(r.Table), q(r.TableID), q(r.Stage),
		q(r.StageURL), q(r.Path), n(r.Size), q(r.ETag), q(r.Mtime), n(r.Rows), q(r.State), q(r.Source), q(r.Load), q(r.Checksum),
		q(r.QueryID), q(r.Error), q(r.Reason),
	}, ",") + ")"
}

func (s *Store) ledgerInsert(values []string, fence *Fence) string {
	return insertSQL(s.LedgerName(), ledgerColumns, values, fence)
}

// LoadSummary is what the ledger knows of one load and table, repeats dropped.
type LoadSummary struct {
	Load        string
	Table       string
	TableID     string
	Files       int64 // now in state loaded
	Rows        int64 // of those
	Failed      int64 // now in state failed
	Unfinished  int64 // now in state begin: a load that was cut off, or is running
	Quarantined int64
	LastRun     time.Time // of the last row
}

// LedgerSummary sums the ledger up per load and table id: one request. Without tables it is empty.
func (s *Store) LedgerSummary(ctx context.Context) ([]LoadSummary, error) {
	id := sqltext.Ident
	sql := fmt.Sprintf(`SELECT load_name, target, table_id, count_if(state='loaded'), sum_if(row_count, state='loaded'), count_if(state='failed'), `+
		`count_if(state='begin'), count_if(state='quarantined'), to_unix_timestamp_micros(max(%[1]s)) FROM (`+
		`SELECT load_name, target, table_id, state, row_count, %[1]s, row_number() OVER (PARTITION BY table_id, stage_url, %[2]s ORDER BY %[1]s DESC, event_id DESC) AS n `+
		`FROM %[3]s WHERE %[4]s) WHERE n=1 GROUP BY load_name, target, table_id ORDER BY load_name, target, table_id`,
		id(ColAt), id(ColPath), s.LedgerName(), s.LedgerScope(""))
	res, err := s.db.Query(ctx, databend.Statement{SQL: sql})
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	out := make([]LoadSummary, len(res.Rows))
	for i, r := range res.Rows {
		out[i] = LoadSummary{
			Load: r[0].String, Table: r[1].String, TableID: r[2].String, Files: number(r[3]), Rows: number(r[4]), Failed: number(r[5]),
			Unfinished: number(r[6]), Quarantined: number(r[7]), LastRun: micros(r[8]),
		}
	}
	return out, nil
}
