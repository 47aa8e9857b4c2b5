package event

// Direction is which section of a migration ran, or is about to.
type Direction string

// The directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// MigrationState is where a migration stands.
type MigrationState string

// The states of a migration.
const (
	Pending     MigrationState = "pending" // it has not run, or was taken back
	Applied     MigrationState = "applied"
	Unsupported MigrationState = "unsupported" // the server cannot run it: left out by consent
	RolledBack  MigrationState = "rolled_back" // it failed, and nothing of it is left
	Partial     MigrationState = "partial"     // it failed, and something could not be put back
	Interrupted MigrationState = "interrupted" // by an unfinished run
	Edited      MigrationState = "edited"      // its Up section, after it was applied
	Stale       MigrationState = "stale"       // what its templates say changed since it was applied
	Missing     MigrationState = "missing"     // applied, and its file is gone
	Ahead       MigrationState = "ahead"       // applied, and newer than every file here
)

// FileState is what a plan knows of one file of a load.
type FileState string

// The states of a file.
const (
	New         FileState = "new"         // to be loaded
	Loaded      FileState = "loaded"      // loaded, and the engine still knows
	Expired     FileState = "expired"     // loaded, and only the ledger still knows: a COPY would load it again
	Changed     FileState = "changed"     // overwritten since it was loaded: a COPY would pass over it
	Emptied     FileState = "emptied"     // loaded, and its rows are gone from the table: TRUNCATE, DELETE
	Vanished    FileState = "vanished"    // loaded, and no longer in the stage
	Unfinished  FileState = "unfinished"  // 0 bytes: an upload that is not done. COPY would take it for loaded
	Ignored     FileState = "ignored"     // hidden, _SUCCESS, another extension, or not matched by PATTERN
	Failed      FileState = "failed"      // tried, bad, and nothing has changed since
	Quarantined FileState = "quarantined" // marked as skipped by a person
)

// FileOutcome is what a run did with a file.
type FileOutcome string

// The outcomes of a file.
const (
	FilePlanned  FileOutcome = "planned" // a dry run: it would be loaded
	FileSkipped  FileOutcome = "skipped"
	FileLoaded   FileOutcome = "loaded"
	FileReplaced FileOutcome = "replaced" // its earlier rows were deleted
	FileFailed   FileOutcome = "failed"
	FileValid    FileOutcome = "valid" // looked at, and not loaded
	FileInvalid  FileOutcome = "invalid"
	FileMarked   FileOutcome = "marked" // by a person's word
)

// Result is what became of one object when a migration was rolled back.
type Result string

// The results.
const (
	Restored  Result = "restored"  // moved back, and checked
	Untouched Result = "untouched" // was as before already
	Kept      Result = "kept"      // holds something of others: left as it is, or kept beside
	Differs   Result = "differs"   // could not be moved back, and why
)
