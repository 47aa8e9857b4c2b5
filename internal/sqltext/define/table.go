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

// Column is one column that a CREATE TABLE or ALTER TABLE names.
type Column struct {
	Name      string
	NewName   string // of RenameColumn
	Type      Type   // of one that is made or modified
	NotNull   bool
	Default   string // the expression as written; empty where there is none
	Generated bool   // computed from others, or counted: nobody writes it
	Checked   bool   // it has a CHECK of its own
	Comment   string

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
	ModifyColumn  // a new type, default or NOT NULL
	CommentColumn // a new comment, and nothing else
	Rewind        // FLASHBACK: the columns are those of an earlier time
)

// Beside says whether it changes something beside the names and types of columns.
func (a Action) Beside() bool { return a == Other || a == CommentColumn || a == Rewind }

// Table is what a CREATE TABLE or an ALTER TABLE says of a table's columns.
type Table struct {
	Action   Action
	Columns  []Column // those that the statement names
	Checks   []string // the constraints of CREATE TABLE (…), "" for one without a name
	Indexes  []string // the indexes of CREATE TABLE (…)
	Listed   bool     // CREATE TABLE has a list of columns, and Columns is all of it
	Like     []string // CREATE TABLE … LIKE a.b
	AsSelect bool     // CREATE TABLE … AS SELECT
	External bool     // the table's data lies at a location of its own, or is another table's
	First    bool     // ADD COLUMN … FIRST
	After    string   // ADD COLUMN … AFTER c
	If       bool     // … COLUMN IF [NOT] EXISTS
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
	c, ok := nameColumn(r)
	if !ok {
		return c, false
	}
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
		case r.Take("COMMENT"):
			c.Comment = readNote(r)
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

// ReadAlter reads what stands behind the name in an ALTER TABLE. ok is false where what it says of a column cannot be read.
func ReadAlter(behind sqltext.Reader) (t Table, ok bool) {
	r := &behind
	switch {
	case r.IsWord("ADD") && (r.Is(r.I+1, "CONSTRAINT") && r.Is(r.I+3, "CHECK") || r.Is(r.I+1, "ROW") ||
		r.Is(r.I+1, "CHECK") && r.Symbol(r.I+2, "(")):
		return t, true
	case r.Take("ADD"):
		t.Action = AddColumn
		r.Take("COLUMN")
		t.If = r.Take("IF", "NOT", "EXISTS")
		c, ok := readColumn(r)
		t.Columns = []Column{c}
		t.First = r.Take("FIRST")
		if r.Take("AFTER") {
			t.After, _ = r.Ident()
		}
		return t, ok
	case r.IsWord("RENAME") && !r.Is(r.I+1, "TO"):
		t.Action = RenameColumn
		r.I++
		r.Take("COLUMN")
		c, ok := nameColumn(r)
		if ok = ok && r.Take("TO"); ok {
			c.NewName, ok = r.Ident()
		}
		t.Columns = []Column{c}
		return t, ok
	case r.Take("MODIFY"):
		return t, t.modify(r)
	case r.Take("FLASHBACK"):
		t.Action = Rewind
	case r.IsWord("DROP"):
		for _, other := range [][]string{{"CLUSTER", "KEY"}, {"ROW", "ACCESS"}, {"ALL", "ROW"}} {
			if r.Is(r.I+1, other[0]) && r.Is(r.I+2, other[1]) {
				return t, true
			}
		}
		for _, other := range []string{"CONSTRAINT", "BRANCH", "TAG"} {
			if r.Is(r.I+1, other) && r.I+2 < len(r.Tokens) {
				return t, true
			}
		}
		t.Action = DropColumn
		r.I++
		r.Take("COLUMN")
		t.If = r.Take("IF", "EXISTS") // which the engine does not take
		c, ok := nameColumn(r)
		t.Columns = []Column{c}
		return t, ok
	}
	return t, true
}

// nameColumn reads a column's name.
func nameColumn(r *sqltext.Reader) (c Column, ok bool) {
	c.Start = r.Offset()
	c.Name, ok = r.Ident()
	return c, ok
}

// modify reads [COLUMN] c …, [COLUMN] d …: types or comments. A masking policy and DROP STORED only name their column.
func (t *Table) modify(r *sqltext.Reader) bool {
	for more := true; more; more = r.TakeSymbol(",") {
		r.Take("COLUMN")
		p := *r
		c, ok := nameColumn(&p)
		switch {
		case p.IsWord("SET"), p.IsWord("UNSET"), p.IsWord("DROP"):
			t.Columns = []Column{c}
			return ok
		case p.Take("COMMENT"):
			t.Action, *r = CommentColumn, p
			c.Comment = readNote(r)
		default:
			t.Action = ModifyColumn
			c, ok = readColumn(r)
		}
		if t.Columns = append(t.Columns, c); !ok {
			return false
		}
	}
	return true
}

// readNote reads a literal, as COMMENT has one.
func readNote(r *sqltext.Reader) string {
	note := ""
	if t, ok := r.Peek(); ok && t.Kind == sqltext.String {
		note, _ = sqltext.Unquote(r.Text(r.I))
		r.I++
	}
	return note
}
