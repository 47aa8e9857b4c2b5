package sqltext

import (
	"regexp"
	"strings"
)

// ObjectKind is the kind of a thing that statements write.
type ObjectKind string

// The kinds of objects. TABLE and VIEW share a namespace; a Table object may turn out to be a view.
const (
	Database      ObjectKind = "database"
	Table         ObjectKind = "table" // also views and streams: one namespace
	Index         ObjectKind = "index" // an aggregating index, which is named without its table; the others are part of theirs
	Stage         ObjectKind = "stage"
	StageFiles    ObjectKind = "stage files" // Name is stage/path, or a URI without its parameters
	Connection    ObjectKind = "connection"
	FileFormat    ObjectKind = "file format"
	Function      ObjectKind = "function"
	Procedure     ObjectKind = "procedure"
	Sequence      ObjectKind = "sequence"
	Task          ObjectKind = "task"
	Pipe          ObjectKind = "pipe"
	Dictionary    ObjectKind = "dictionary"
	Role          ObjectKind = "role"
	User          ObjectKind = "user"
	Grant         ObjectKind = "grant" // the privileges of one role or user: Name is "ROLE r" or "USER u"
	MaskingPolicy ObjectKind = "masking policy"
	RowPolicy     ObjectKind = "row access policy"
	NetworkPolicy ObjectKind = "network policy"
	PasswdPolicy  ObjectKind = "password policy"
	Tag           ObjectKind = "tag"
	Setting       ObjectKind = "setting"
	Notification  ObjectKind = "notification integration"
	Warehouse     ObjectKind = "warehouse"
	Worker        ObjectKind = "worker"
	WorkloadGroup ObjectKind = "workload group"
	Catalog       ObjectKind = "catalog"
	Unknown       ObjectKind = "unknown"
)

// Object names one object. Database is set for tables, views, streams, dictionaries; account-wide kinds have none. Name is
// what the engine's system tables call it, which differs by kind (run on 1.2.895): tables, databases, sequences, dictionaries
// and tags fold an unquoted name to lower case; functions and row access policies do too, but keep the quotes of a quoted one
// as part of its name; stages, connections, file formats, procedures, tasks, network, password and masking policies keep both case
// and quotes; roles and users keep the case and drop the quotes. SQL writes it so that it means the same object.
type Object struct {
	Kind     ObjectKind `json:"kind"`
	Database string     `json:"database,omitempty"`
	Name     string     `json:"name"`
	Args     string     `json:"args,omitempty"` // a procedure's argument types, "(INT32, STRING)": its name is not unique without
}

// String is "table default.frame_events", "connection citydrive_s3".
func (o Object) String() string { return string(o.Kind) + " " + o.Display() }

// Display is the name for people, and of a table its name in the ledger: default.t.
func (o Object) Display() string {
	if o.Database != "" {
		return o.Database + "." + o.Name + o.Args
	}
	return o.Name + o.Args
}

// SQL returns the name as it is written in a statement: quoted where the engine drops the quotes, and bare where quotes would
// name another object. A procedure has its argument types.
func (o Object) SQL() string {
	switch o.Kind {
	case Table, Dictionary:
		if o.Database != "" {
			return Ident(o.Database) + "." + Ident(o.Name)
		}
		return Ident(o.Name)
	case Database, Sequence, Tag, Role, Index:
		return Ident(o.Name)
	case User:
		return Quote(o.Name)
	case StageFiles:
		if strings.Contains(o.Name, "://") {
			return Quote(o.Name)
		}
		return Quote("@" + o.Name)
	}
	return o.Name + o.Args
}

// Pasted is the name in a statement that a person reads and may paste: as in Display where that needs no quotes, else as in SQL.
func (o Object) Pasted() string {
	if bare.MatchString(o.Display()) {
		return o.Display()
	}
	return o.SQL()
}

// bare are the names that need no quotes.
var bare = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$`)

// AccountWide says whether the object belongs to the whole account and not to one database: what one project replaces, all lose.
func (o Object) AccountWide() bool {
	switch o.Kind {
	case Table, Dictionary, StageFiles, Unknown:
		return false
	}
	return true
}

// EnginesOwn says whether a database is the engine's own: nobody writes it, and it is always there.
func EnginesOwn(database string) bool {
	return database == "system" || database == "information_schema"
}

// nameStyle says how the engine makes a name of a token.
type nameStyle uint8

const (
	nameFolded   nameStyle = iota // lower case unless quoted; quotes dropped
	nameLowered                   // lower case unless quoted; quotes kept
	nameVerbatim                  // as written
	nameValue                     // case kept; quotes, also '…', dropped
)

var nameStyles = map[ObjectKind]nameStyle{
	Database: nameFolded, Table: nameFolded, Index: nameFolded, Sequence: nameFolded, Dictionary: nameFolded, Tag: nameFolded,
	Function: nameLowered, RowPolicy: nameLowered, Role: nameValue, User: nameValue,
}

// ObjectName reads the single name of an object of the kind.
func (p *Reader) ObjectName(kind ObjectKind) (string, bool) {
	style, ok := nameStyles[kind]
	if !ok {
		style = nameVerbatim
	}
	t, ok := p.Peek()
	if !ok {
		return "", false
	}
	text := p.Text(p.I)
	switch {
	case t.Kind == Word && strings.EqualFold(text, "IDENTIFIER") && p.Symbol(p.I+1, "("):
		return "", false // a variable names the object
	case t.Kind == Word, t.Kind == Quoted:
	case t.Kind == String && style == nameValue:
		value, err := Unquote(text)
		if err != nil {
			return "", false
		}
		p.I++
		return value, true
	case kind == Stage && p.Symbol(p.I, "~"):
	default:
		return "", false
	}
	p.I++
	switch style {
	case nameFolded:
		return FoldIdent(text), true
	case nameLowered:
		if t.Kind == Quoted {
			return text, true
		}
		return strings.ToLower(text), true
	case nameValue:
		name, _ := unquoteIdent(text)
		return name, true
	}
	return text, true
}

// UnescapeAt returns what follows the @ of an unquoted location (databend src/query/ast/src/ast/quote.rs, AtString).
func UnescapeAt(token string) string {
	s := strings.TrimPrefix(token, "@")
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(" \t'\"\\", s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// StagePath cuts stage/path.
func StagePath(location string) (stage, path string) {
	stage, path, _ = strings.Cut(location, "/")
	return stage, strings.TrimLeft(path, "/")
}
