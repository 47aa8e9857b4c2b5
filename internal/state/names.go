package state

import (
	"github.com/dbctl/dbctl/internal/state/journal"
	"github.com/dbctl/dbctl/internal/state/ledger"
	"github.com/dbctl/dbctl/internal/state/lock"
	"github.com/dbctl/dbctl/internal/state/store"
)

// Names of the packages below, for callers that know only this one.
const (
	Schema      = store.Schema
	LedgerTable = store.LedgerTable
	DefaultTTL  = lock.DefaultTTL

	EventSchema      = journal.EventSchema
	EventBegin       = journal.EventBegin
	EventPlan        = journal.EventPlan
	EventRecapture   = journal.EventRecapture
	EventSnapshot    = journal.EventSnapshot
	EventApplied     = journal.EventApplied
	EventDown        = journal.EventDown
	EventRolledBack  = journal.EventRolledBack
	EventPartial     = journal.EventPartial
	EventUnsupported = journal.EventUnsupported
	EventBaseline    = journal.EventBaseline
	EventAccept      = journal.EventAccept
	EventMarkApplied = journal.EventMarkApplied
	EventMarkUndone  = journal.EventMarkUndone
	EventTakeover    = journal.EventTakeover
	EventEnd         = journal.EventEnd
	Applied          = journal.Applied
	RolledBack       = journal.RolledBack
	Partial          = journal.Partial
	Unsupported      = journal.Unsupported
	Removed          = journal.Removed

	FileBegin       = ledger.FileBegin
	FileLoaded      = ledger.FileLoaded
	FileFailed      = ledger.FileFailed
	FileNew         = ledger.FileNew
	FileQuarantined = ledger.FileQuarantined
	FileUndone      = ledger.FileUndone
	SourceDBCTL     = ledger.SourceDBCTL
	SourceEngine    = ledger.SourceEngine
	SourceAdopted   = ledger.SourceAdopted
	SourceRestored  = ledger.SourceRestored
	SourceCarried   = ledger.SourceCarried
	SourcePerson    = ledger.SourcePerson
	ColEventID      = ledger.ColEventID
	ColProject      = ledger.ColProject
	ColDatabase     = ledger.ColDatabase
	ColRun          = ledger.ColRun
	ColAt           = ledger.ColAt
	ColTookMS       = ledger.ColTookMS
	ColTable        = ledger.ColTable
	ColTableID      = ledger.ColTableID
	ColStage        = ledger.ColStage
	ColStageURL     = ledger.ColStageURL
	ColPath         = ledger.ColPath
	ColSize         = ledger.ColSize
	ColETag         = ledger.ColETag
	ColMtime        = ledger.ColMtime
	ColRows         = ledger.ColRows
	ColState        = ledger.ColState
	ColSource       = ledger.ColSource
	ColLoad         = ledger.ColLoad
	ColChecksum     = ledger.ColChecksum
	ColQueryID      = ledger.ColQueryID
	ColError        = ledger.ColError
	ColReason       = ledger.ColReason
)

// TableLock is the name of the lock of loads into a table, whatever the project.
func TableLock(database, table string) string { return lock.TableName(database, table) }

// Owns reports whether a name in the state database is one of dbctl's own: journal, ledger, locks and claims.
func Owns(table string) bool {
	return table == store.JournalTable || table == store.LedgerTable || lock.Owns(table)
}
