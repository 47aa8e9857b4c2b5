package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// State is the state of a set of objects at one moment. It is kept in the journal as JSON and holds no secret.
type State struct {
	Server  string        `json:"server"`         // version() of the engine
	At      time.Time     `json:"at,omitzero"`    // server's clock
	Role    string        `json:"role,omitempty"` // as which it was read: what the same user makes is this role's
	Objects []ObjectState `json:"objects"`
}

// Find returns the state of an object.
func (s State) Find(o sqltext.Object) (ObjectState, bool) {
	for _, x := range s.Objects {
		if x.Object == o {
			return x, true
		}
	}
	return ObjectState{}, false
}

// Merge returns s with the objects of later replaced or added: a capture right before a statement knows better. At stays
// the earlier one.
func (s State) Merge(later State) State {
	out := State{Server: s.Server, At: s.At, Role: s.Role, Objects: slices.Clone(s.Objects)}
	if out.Server == "" {
		out.Server = later.Server
	}
	if out.At.IsZero() {
		out.At = later.At
	}
	type id struct {
		kind sqltext.ObjectKind
		id   string
	}
	now := map[id]sqltext.Object{}
	for _, o := range later.Objects {
		if o.Exists && o.ID != "" {
			now[id{o.Kind, o.ID}] = o.Object
		}
	}
	at := map[sqltext.Object]int{}
	for i, o := range out.Objects {
		at[o.Object] = i
		if name, ok := now[id{o.Kind, o.ID}]; ok && name != o.Object {
			out.Objects[i] = ObjectState{Object: o.Object} // it has another name now, its database perhaps
		}
	}
	for _, o := range later.Objects {
		if i, ok := at[o.Object]; ok {
			out.Objects[i] = o
			continue
		}
		at[o.Object] = len(out.Objects)
		out.Objects = append(out.Objects, o)
	}
	return out
}

// ObjectState is the state of one object. Which fields are set depends on the kind: tables and views have most of them,
// other kinds have Facts.
type ObjectState struct {
	sqltext.Object
	Exists bool   `json:"exists"`
	ID     string `json:"id,omitempty"`    // table_id, database_id
	Owner  string `json:"owner,omitempty"` // role
	// Created is the server's time at which it was made, zero for a kind that does not show it.
	Created time.Time `json:"created,omitzero"`
	Engine  string    `json:"engine,omitempty"`
	// Head is the id of the newest snapshot of a FUSE table, "" for a never-written one.
	Head        string            `json:"head,omitempty"`
	Transient   bool              `json:"transient,omitempty"`
	Comment     string            `json:"comment,omitempty"`
	ClusterBy   string            `json:"cluster_by,omitempty"`
	Columns     []Column          `json:"columns,omitempty"` // none where the engine derives them
	Options     map[string]string `json:"options,omitempty"` // upper case names; without those that are no one's choice
	Indexes     []Index           `json:"indexes,omitempty"`
	Constraints []Constraint      `json:"constraints,omitempty"`
	// Unread says that the table's constraints could not be read: a CHECK on a renamed column makes system.constraints fail, and not every
	// role may read it.
	Unread bool   `json:"unread,omitempty"`
	Query  string `json:"query,omitempty"` // a view's
	// List are the columns of a view that has a column list, as the engine reads them: none when it cannot.
	List []string `json:"list,omitempty"`
	// Dead says of a view that the engine cannot read it: what it reads is gone.
	Dead bool `json:"dead,omitempty"`
	// Gone are the tables of this name that were dropped already, oldest first.
	Gone []Gone `json:"gone,omitempty"`
	// Newest is, of a database, the highest id that any database had: a younger one was made since.
	Newest string `json:"newest,omitempty"`
	// Loaded are the files that COPY takes for loaded (Loaded fills it), nil when not asked.
	Loaded []string          `json:"loaded,omitempty"`
	Known  bool              `json:"known,omitempty"` // Loaded was asked
	Asked  string            `json:"asked,omitempty"` // the head when it was
	Facts  map[string]string `json:"facts,omitempty"` // what the engine shows of other kinds, without secrets
	Grants []string          `json:"grants,omitempty"`
	// Lost is what no GRANT gives a role or user again: roles, and objects that it has privileges on.
	Lost []sqltext.Object `json:"lost,omitempty"`
	// masked is what the engine shows of its keys: their ends. It is compared, and never written down.
	masked string
}

// SameKeys reports whether two looks at an object show the same of its keys, as far as both were made by this process. Of a user, or of
// what it was granted, they tell when it was changed.
func (o ObjectState) SameKeys(p ObjectState) bool {
	same := func(a, b string) bool { return a == "" || b == "" || a == b }
	return same(o.masked, p.masked) && same(o.Facts[changed], p.Facts[changed])
}

// Granting is the user while it is granted something: when that changes it is not known.
func (o ObjectState) Granting() ObjectState {
	o.Facts = maps.Clone(o.Facts)
	delete(o.Facts, changed)
	return o
}

// WithRolesOf is a user with the roles of another look at it.
func (o ObjectState) WithRolesOf(p ObjectState) ObjectState { return o.with("roles", p) }

// WithCommentOf is an object with the comment of another look at it.
func (o ObjectState) WithCommentOf(p ObjectState) ObjectState { return o.with("comment", p) }

func (o ObjectState) with(fact string, p ObjectState) ObjectState {
	o.Facts = maps.Clone(o.Facts)
	delete(o.Facts, fact)
	if v, has := p.Facts[fact]; has {
		o.Facts[fact] = v
	}
	return o
}

// ShowsKeys reports whether this process saw what the engine shows of its keys.
func (o ObjectState) ShowsKeys() bool { return o.masked != "" }

// Gone is a table or database that was dropped before the capture.
type Gone struct {
	ID   string `json:"id"`
	Head string `json:"head,omitempty"`
}

// Column is one column of a table or view.
type Column struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	DefaultKind string `json:"default_kind,omitempty"`
	Default     string `json:"default,omitempty"`
	Nullable    bool   `json:"nullable,omitempty"`
	Comment     string `json:"comment,omitempty"`
}

// Index is one index of a table.
type Index struct {
	Name       string `json:"name"`
	Type       string `json:"type"`            // INVERTED, NGRAM, VECTOR, SPATIAL, AGGREGATING
	Definition string `json:"definition"`      // (cols)k='v'; the query of an aggregating index
	Async      bool   `json:"async,omitempty"` // filled by REFRESH alone
}

// Constraint is one CHECK constraint of a table.
type Constraint struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
}

// Definition is what the object is, as lines for people and for comparing: the same on two engines, whatever the ids.
// It is "" for an object that does not exist. Rows, snapshots, owner and times are not part of it.
func (o ObjectState) Definition() string {
	if !o.Exists {
		return ""
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", o.Object)
	if o.Engine != "" {
		line("engine %s", o.Engine)
	}
	if o.Transient {
		line("transient")
	}
	if o.Comment != "" {
		line("comment %s", sqltext.Quote(o.Comment))
	}
	if o.ClusterBy != "" {
		line("cluster by %s", o.ClusterBy)
	}
	for _, c := range o.Columns {
		line("column %s", c)
	}
	for _, k := range slices.Sorted(maps.Keys(o.Options)) {
		line("option %s = %s", strings.ToLower(k), sqltext.Quote(o.Options[k]))
	}
	for _, x := range o.Indexes {
		async := ""
		if x.Async {
			async = "async "
		}
		line("index %s%s %s %s", async, strings.ToLower(x.Type), x.Name, x.Definition)
	}
	for _, c := range o.Constraints {
		line("constraint %s check (%s)", c.Name, c.Expression)
	}
	if o.Query != "" {
		line("as %s", o.Query)
	}
	for _, k := range slices.Sorted(maps.Keys(o.Facts)) {
		if o.Facts[k] != "" && !o.volatile(k) {
			line("%s %s", k, o.Facts[k])
		}
	}
	for _, g := range o.Grants {
		line("%s", g)
	}
	return b.String()
}

func (c Column) String() string {
	s := c.Name + " " + c.Type
	if !c.Nullable {
		s += " not null"
	}
	if c.DefaultKind != "" || c.Default != "" {
		s += " " + strings.ToLower(c.DefaultKind) + " " + c.Default
	}
	if c.Comment != "" {
		s += " comment " + sqltext.Quote(c.Comment)
	}
	return s
}

// SortParts brings indexes and constraints into the order in which they are compared.
func (o *ObjectState) SortParts() {
	slices.SortFunc(o.Indexes, func(a, b Index) int { return strings.Compare(a.Type+" "+a.Name, b.Type+" "+b.Name) })
	slices.SortFunc(o.Constraints, func(a, b Constraint) int { return strings.Compare(a.Name, b.Name) })
}

// IsFuse reports whether the table has snapshots.
func (o ObjectState) IsFuse() bool { return o.Engine == "FUSE" }

// Rows is how many rows a table without history has, "" where that was not asked.
func (o ObjectState) Rows() string { return o.Facts[rowCount] }

// KeepsNothing reports whether the table takes rows and has none to put back.
func (o ObjectState) KeepsNothing() bool { return o.Engine == "NULL" || o.Engine == "RANDOM" }

// derived reports whether its columns are not its own: those of a view come from its text and the tables it reads, a stream's from
// its table. They change, and go, with those tables.
func (o ObjectState) derived() bool { return o.Engine == "VIEW" || o.Engine == "STREAM" }

// IsInternalStage reports whether it is a stage whose files live and die with it.
func (o ObjectState) IsInternalStage() bool {
	return o.Kind == sqltext.Stage && o.Exists && o.Facts["type"] != "External"
}

// Files is how many files an internal stage holds: DROP STAGE and CREATE OR REPLACE STAGE delete them.
func (o ObjectState) Files() int {
	n, _ := strconv.Atoi(o.Facts["files"]) // "" for everything else
	return n
}

// Granted reports whether there are privileges on a procedure. They are given to its number, and go with it.
func (o ObjectState) Granted() bool { return o.Facts[granted] != "" }

// Tagged reports whether an object without history has tags.
func (o ObjectState) Tagged() bool { return o.Facts[tagged] != "" }

// DropWord is the word that drops it: TABLE, VIEW or STREAM.
func (o ObjectState) DropWord() string {
	switch o.Engine {
	case "VIEW", "STREAM":
		return o.Engine
	}
	return "TABLE"
}
