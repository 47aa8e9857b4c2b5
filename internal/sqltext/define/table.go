// Package define reads what a statement defines: the columns of a table and their types, where a stage lies, when a task runs and
// what it does. It reads tokens as package effect does, and knows nothing of the objects that exist: package schema folds what is
// read here into what a project makes.
package define

import (
	"slices"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// read makes a Reader of a statement; one that does not scan has no words.
func read(stmt string) *sqltext.Reader {
	words, _ := sqltext.ReadWords(stmt)
	return &sqltext.Reader{Words: words}
}

// Column is one column of a CREATE TABLE or ALTER TABLE.
type Column struct {
	Name      string
	Type      Type
	NotNull   bool
	Default   string // the expression as written; empty where there is none
	Generated bool   // computed from others, or counted: nobody writes it
	Checked   bool   // it has a CHECK of its own

	Start, End int // the span of its definition in the statement
}

// Filled says whether a row that leaves the column out gets a value for it.
func (c Column) Filled() bool { return !c.NotNull || c.Default != "" || c.Generated }

// Action is what a statement does to the columns of a table.
type Action uint8

// The actions.
const (
	Other  Action = iota // it leaves the columns alone
	Create               // CREATE TABLE
	AddColumn
	DropColumn
	RenameColumn
	ModifyColumn // a new type, default or NOT NULL
	Rewind       // FLASHBACK: the columns are those of an earlier time
)

// Table is what a CREATE TABLE or an ALTER TABLE says of a table's columns.
type Table struct {
	Action   Action
	Column   string   // the one that is dropped or renamed
	Columns  []Column // of CREATE TABLE (…) and ADD COLUMN; of MODIFY COLUMN those with a new type
	Checks   []string // the constraints of CREATE TABLE (…), "" for one without a name
	Indexes  []string // the indexes of CREATE TABLE (…)
	Listed   bool     // CREATE TABLE has a list of columns, and Columns is all of it
	Like     []string // CREATE TABLE … LIKE a.b
	AsSelect bool     // CREATE TABLE … AS SELECT
	External bool     // the table's data lies at a location of its own, or is another table's
	First    bool     // ADD COLUMN … FIRST
	After    string   // ADD COLUMN … AFTER c
	NewName  string   // RENAME COLUMN … TO this
}

// ParseTable reads a CREATE TABLE or ALTER TABLE. ok is false for other statements, and where the list of columns cannot be read.
func ParseTable(stmt string) (t Table, ok bool) {
	r := read(stmt)
	switch {
	case r.Take("CREATE"):
		r.Take("OR", "REPLACE")
		for r.Take("TEMP") || r.Take("TEMPORARY") || r.Take("TRANSIENT") || r.Take("EXTERNAL") {
		}
		if !r.Take("TABLE") {
			return t, false
		}
		r.Take("IF", "NOT", "EXISTS")
		if _, ok = r.Name(); !ok {
			return t, false
		}
		return ReadTable(*r)
	case r.Take("ALTER", "TABLE"):
		r.Take("IF", "EXISTS")
		if _, ok = r.Name(); !ok {
			return t, false
		}
		return t, t.alter(r)
	}
	return t, false
}

// ReadTable reads what stands behind the name in a CREATE TABLE.
func ReadTable(behind sqltext.Reader) (t Table, ok bool) {
	r := &behind
	t.Action = Create
	if r.Take("LIKE") {
		t.Like, ok = r.Name()
		return t, ok
	}
	if t.Listed = r.Symbol(r.I, "("); t.Listed {
		ok := r.List(func() bool {
			if t.part(r) {
				return true
			}
			c, ok := readColumn(r)
			if c.Checked {
				t.Checks = append(t.Checks, "")
			}
			t.Columns = append(t.Columns, c)
			return ok
		})
		if !ok { // a list of names alone, for one, which the engine does not take
			return t, false
		}
	}
	for ; r.I < len(r.Tokens); r.Skip() {
		switch {
		case r.IsWord("AS"):
			t.AsSelect = true
			return t, true
		case r.Tokens[r.I].Kind == sqltext.String && !r.Symbol(r.I-1, "="):
			t.External = true
		}
	}
	return t, true
}

// part reads an index or a constraint of the list of columns. A column may be called as one begins.
func (t *Table) part(r *sqltext.Reader) bool {
	p := *r
	switch {
	case p.IsWord("CHECK") && p.Symbol(p.I+1, "("):
		t.Checks = append(t.Checks, "")
	case p.IsWord("CONSTRAINT") && p.Is(p.I+2, "CHECK") && typeNames[p.Upper(p.I+1)] == "":
		p.I++
		name, _ := p.Ident()
		t.Checks = append(t.Checks, name)
	case (p.IsWord("PRIMARY") || p.IsWord("FOREIGN")) && p.Is(p.I+1, "KEY"), p.IsWord("UNIQUE") && p.Symbol(p.I+1, "("):
		// the engine has none of them
	default:
		_ = p.Take("ASYNC") || p.Take("SYNC") // as SHOW CREATE TABLE says
		p.I++
		index := p.Take("INDEX")
		name, _ := p.Ident()
		if !index || !p.Symbol(p.I, "(") {
			return false
		}
		t.Indexes = append(t.Indexes, name)
	}
	for r.I < len(r.Tokens) && !itemEnds(r) {
		r.Skip()
	}
	return true
}

// itemEnds says whether the comma or bracket that ends an item of a list is next.
func itemEnds(r *sqltext.Reader) bool { return r.Symbol(r.I, ",") || r.Symbol(r.I, ")") }

// readColumn reads a column up to the comma or bracket behind it, or the end.
func readColumn(r *sqltext.Reader) (Column, bool) {
	var c Column
	c.Start = r.Offset()
	name, ok := r.Ident()
	if !ok {
		return c, false
	}
	c.Name = name
	if c.Type, ok = readType(r); !ok {
		return c, false
	}
	c.NotNull = c.Type.NotNull
	for r.I < len(r.Tokens) {
		switch {
		case itemEnds(r), r.IsWord("FIRST"), r.IsWord("AFTER"):
			c.End = r.EndOffset()
			return c, true
		case r.Take("NOT", "NULL"):
			c.NotNull = true
		case r.Take("NULL"):
			c.NotNull = false
		case r.Take("DEFAULT"):
			c.Default = readExpression(r)
		case r.Take("AUTOINCREMENT"), r.Take("IDENTITY"), r.Take("GENERATED"):
			c.Generated = true
		case r.IsWord("AS") && r.Symbol(r.I+1, "("):
			c.Generated = true
			r.I++
		case r.Take("CHECK"):
			c.Checked = true
		default:
			r.Skip()
		}
	}
	c.End = r.EndOffset()
	return c, true
}

// readExpression reads the expression of a DEFAULT: at least one token, up to a word that begins another clause.
func readExpression(r *sqltext.Reader) string {
	start := r.Offset()
	for first := true; r.I < len(r.Tokens) && !itemEnds(r) && (first || !slices.ContainsFunc(clauses, r.IsWord)); first = false {
		r.Skip()
	}
	return r.Src[start:r.EndOffset()]
}

// clauses are the words that begin what stands behind an expression in a column's definition.
var clauses = []string{
	"NOT", "NULL", "DEFAULT", "COMMENT", "CHECK", "AUTOINCREMENT", "IDENTITY", "GENERATED", "STATS_TRUNCATE_LEN", "FIRST", "AFTER",
}

func (t *Table) alter(r *sqltext.Reader) bool {
	var ok bool
	switch {
	case r.IsWord("ADD") && (r.Is(r.I+1, "CONSTRAINT") && r.Is(r.I+3, "CHECK") || r.Is(r.I+1, "ROW") ||
		r.Is(r.I+1, "CHECK") && r.Symbol(r.I+2, "(")):
		return true
	case r.Take("ADD"):
		t.Action = AddColumn
		r.Take("COLUMN")
		r.Take("IF", "NOT", "EXISTS")
		c, ok := readColumn(r)
		t.Columns = append(t.Columns, c)
		t.First = r.Take("FIRST")
		if r.Take("AFTER") {
			t.After, _ = r.Ident()
		}
		return ok
	case r.IsWord("RENAME") && !r.Is(r.I+1, "TO"):
		t.Action = RenameColumn
		r.I++
		r.Take("COLUMN")
		t.Column, _ = r.Ident()
		if !r.Take("TO") {
			return false
		}
		t.NewName, ok = r.Ident()
		return ok
	case r.Take("MODIFY"):
		return t.modify(r)
	case r.Take("FLASHBACK"):
		t.Action = Rewind
	case r.IsWord("DROP"):
		for _, other := range [][]string{{"CLUSTER", "KEY"}, {"ROW", "ACCESS"}, {"ALL", "ROW"}} {
			if r.Is(r.I+1, other[0]) && r.Is(r.I+2, other[1]) {
				return true
			}
		}
		for _, other := range []string{"CONSTRAINT", "BRANCH", "TAG"} {
			if r.Is(r.I+1, other) && r.I+2 < len(r.Tokens) {
				return true
			}
		}
		t.Action = DropColumn
		r.I++
		r.Take("COLUMN")
		r.Take("IF", "EXISTS")
		t.Column, ok = r.Ident()
		return ok
	}
	return true
}

func (t *Table) modify(r *sqltext.Reader) bool {
	for {
		r.Take("COLUMN")
		// A comment, a masking policy, or DROP STORED: no new type.
		for _, word := range []string{"COMMENT", "SET", "UNSET", "DROP"} {
			if r.Is(r.I+1, word) {
				return true
			}
		}
		c, ok := readColumn(r)
		if !ok {
			return false
		}
		t.Action = ModifyColumn
		t.Columns = append(t.Columns, c)
		if !r.TakeSymbol(",") {
			return true
		}
	}
}
