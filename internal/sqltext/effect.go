package sqltext

// ObjectKind is the kind of a thing that statements write.
type ObjectKind string

// The kinds of objects. TABLE and VIEW share a namespace; a Table object may turn out to be a view.
const (
	Database      ObjectKind = "database"
	Table         ObjectKind = "table" // also views and streams: one namespace
	Stage         ObjectKind = "stage"
	StageFiles    ObjectKind = "stage files"
	Connection    ObjectKind = "connection"
	FileFormat    ObjectKind = "file format"
	Function      ObjectKind = "function"
	Procedure     ObjectKind = "procedure"
	Sequence      ObjectKind = "sequence"
	Task          ObjectKind = "task"
	Dictionary    ObjectKind = "dictionary"
	Role          ObjectKind = "role"
	User          ObjectKind = "user"
	Grant         ObjectKind = "grant"
	MaskingPolicy ObjectKind = "masking policy"
	RowPolicy     ObjectKind = "row access policy"
	NetworkPolicy ObjectKind = "network policy"
	PasswdPolicy  ObjectKind = "password policy"
	Tag           ObjectKind = "tag"
	Setting       ObjectKind = "setting"
	Notification  ObjectKind = "notification integration"
	Warehouse     ObjectKind = "warehouse"
	Unknown       ObjectKind = "unknown"
)

// Object names one object. Database is set for tables, views, streams, dictionaries; account-wide kinds have none.
type Object struct {
	Kind     ObjectKind `json:"kind"`
	Database string     `json:"database,omitempty"`
	Name     string     `json:"name"`
	Args     string     `json:"args,omitempty"` // a procedure's argument types: its name is not unique without
}

// String is "table default.frame_events", "connection citydrive_s3".
func (o Object) String() string {
	name := o.Name + o.Args
	if o.Database != "" {
		name = o.Database + "." + name
	}
	return string(o.Kind) + " " + name
}

// Class says how a statement is undone.
type Class string

// The classes, from the best to the worst (DESIGN.md section 7).
const (
	None         Class = "none" // writes nothing: SELECT, SHOW, USE, SET
	Exact        Class = "exact"
	Flashback    Class = "flashback"
	Redefine     Class = "redefine"
	Irreversible Class = "irreversible"
)

// Verb is what a statement does to an object.
type Verb string

// The verbs.
const (
	Create    Verb = "create"
	Replace   Verb = "create or replace"
	CreateNew Verb = "create if not exists"
	Drop      Verb = "drop"
	Undrop    Verb = "undrop"
	RenameOut Verb = "rename from" // the object leaves this name
	RenameIn  Verb = "rename to"   // the object arrives under this name
	Swap      Verb = "swap"
	Alter     Verb = "alter"
	WriteData Verb = "write"
)

// Write is one object that a statement writes.
type Write struct {
	Object
	Verb       Verb
	Data       bool // rows change
	Columns    bool // columns change
	Definition bool // existence, comment, options, indexes, constraints, or the text of a definition change
	IsView     bool // the statement says VIEW
	IsStream   bool // the statement says STREAM
}

// Effect is what one statement does.
type Effect struct {
	Kind    string   // "CREATE TABLE", "COPY INTO", "ALTER TABLE RENAME"
	Writes  []Write  // empty for class none
	Names   []Object // what it reads or depends on: base tables, stages, connections
	Class   Class
	Reason  string // why it is of that class
	Undo    string // how it would be undone, for people: "UNDROP TABLE t"
	Unknown bool   // the statement or its effect is unknown (EXECUTE IMMEDIATE, CALL, an unknown verb)
	DML     bool   // INSERT, UPDATE, DELETE, MERGE, REPLACE, COPY INTO table: may run in a transaction with its journal row
	Use     string // USE db: the database afterwards
	Set     string // SET/UNSET name of a session setting
	Txn     string // BEGIN, COMMIT, ROLLBACK
	Plain   bool   // a plain CREATE (no OR REPLACE, no IF NOT EXISTS, no AS SELECT) of one object: may share a mark
	Stream  bool   // needs the stream feature (1402)
	Task    bool   // needs tasks (1702, 1402)
}

// Analyze says what stmt does when the current database is database. It never guesses: what it does not know is Unknown and Irreversible.
func Analyze(stmt, database string) Effect { panic("not built yet") }
