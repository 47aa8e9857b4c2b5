package savepoint

// Databend's error codes that a restore meets on its way.
const (
	codeUnknownTable     = 1025
	codeSemantic         = 1065
	codeNoProcesses      = 1035 // the bare embedded engine has no system.processes
	codeNoLicence        = 1402
	codeNoTasks          = 1702
	codeVersionMismatch  = 2009 // somebody committed meanwhile
	codeNoHistory        = 2013 // FLASHBACK: no such snapshot
	codeConflict         = 4001 // two transactions
	codeTableExists      = 2302
	codeUndropNoHistory  = 2309
	codeUndropVacuumed   = 2326
	codeFlashbackBlocked = 2747 // an index or constraint needs a column that the snapshot lacks
)
