package savepoint

import "github.com/dbctl/dbctl/internal/sqltext"

// ObjectState is the state of one object. Which fields are set depends on the kind: tables and views have most of them,
// other kinds have Facts.
type ObjectState struct {
	sqltext.Object
	Exists bool   `json:"exists"`
	ID     string `json:"id,omitempty"`    // table_id, database_id
	Owner  string `json:"owner,omitempty"` // role
	Engine string `json:"engine,omitempty"`
	// Head is the id of the newest snapshot of a FUSE table, "" for a never-written one.
	Head        string            `json:"head,omitempty"`
	Transient   bool              `json:"transient,omitempty"`
	Comment     string            `json:"comment,omitempty"`
	ClusterBy   string            `json:"cluster_by,omitempty"`
	Columns     []Column          `json:"columns,omitempty"`
	Options     map[string]string `json:"options,omitempty"`
	Indexes     []Index           `json:"indexes,omitempty"`
	Constraints []Constraint      `json:"constraints,omitempty"`
	Query       string            `json:"query,omitempty"`  // a view's
	Gone        []string          `json:"gone,omitempty"`   // ids of tables of this name that were dropped already
	Facts       map[string]string `json:"facts,omitempty"`  // what the engine shows of other kinds, without secrets
	Grants      []string          `json:"grants,omitempty"` // GRANT statements
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
	Type       string `json:"type"`       // INVERTED, NGRAM, VECTOR, SPATIAL, AGGREGATING
	Definition string `json:"definition"` // t(cols)k='v'; the query of an aggregating index
}

// Constraint is one CHECK constraint of a table.
type Constraint struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
}
