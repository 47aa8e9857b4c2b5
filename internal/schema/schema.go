// Package schema folds statements into the objects that exist after them: tables with their columns, views, streams, stages, tasks.
// Nothing is asked of a server. What a fold cannot know (the columns of a CREATE TABLE … AS SELECT, what a script does) is said to
// be unknown, and never guessed: who asks can tell "it is not there" from "nobody can say".
//
// A Schema's objects are never changed, only replaced by others, so that Clone is cheap and what was before can be kept.
package schema

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Relation is what a name in the namespace of tables stands for.
type Relation uint8

// The relations.
const (
	Base Relation = iota
	View
	Stream
)

// Place is the statement that did something.
type Place struct {
	Version int64
	sqltext.Place
}

// Object is one object as the statements so far made it.
type Object struct {
	sqltext.Object
	Relation Relation
	Columns  []define.Column
	Known    bool             // Columns is all of them
	On       sqltext.Object   // a stream's table
	Stage    define.Stage     // of a stage
	Options  string           // of a file format: the text of its options
	Task     define.Task      // of a task
	Resumed  bool             // a task that was started
	Paused   bool             // a task whose last word is SUSPEND
	Filled   bool             // statements write rows into it
	Made     Place            // the statement that made it, as it is now
	Changed  Place            // the last that changed its definition
	Widened  map[string]Place // the columns that were added later, and where
}

// String is "view default.v": views and streams are called what they are.
func (o *Object) String() string {
	switch o.Relation {
	case View:
		return "view " + o.Display()
	case Stream:
		return "stream " + o.Display()
	case Base:
	}
	return o.Object.String()
}

// Column returns the column of this name, as the engine finds it: whatever its case.
func (o *Object) Column(name string) (define.Column, bool) {
	for _, c := range o.Columns {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return define.Column{}, false
}

// ColumnNames are the names of the columns.
func (o *Object) ColumnNames() []string {
	var names []string
	for _, c := range o.Columns {
		names = append(names, c.Name)
	}
	return names
}

// Gone says how an object went, and where.
type Gone struct {
	Place
	How string // "dropped" or "renamed to x"
	To  string // of a renamed one: its name since then, as SQL
}

// Schema is the objects that exist.
type Schema struct {
	objects map[sqltext.Object]*Object
	gone    map[sqltext.Object]Gone
	temp    effect.Temporary
	opaque  bool
}

// New is a schema of objects that exist already.
func New(objects ...*Object) *Schema {
	s := &Schema{objects: map[sqltext.Object]*Object{}, gone: map[sqltext.Object]Gone{}}
	for _, o := range objects {
		s.objects[o.Object] = o
	}
	return s
}

// Clone returns a schema of its own with the same objects.
func (s *Schema) Clone() *Schema {
	return &Schema{objects: maps.Clone(s.objects), gone: maps.Clone(s.gone), temp: maps.Clone(s.temp), opaque: s.opaque}
}

// Find returns the object of this name, or nil. Of a temporary table nothing is known.
func (s *Schema) Find(o sqltext.Object) *Object {
	if s.temp[o] {
		return nil
	}
	return s.objects[o]
}

// Gone says that statements took an object away, and nothing has brought it back.
func (s *Schema) Gone(o sqltext.Object) (Gone, bool) {
	g, ok := s.gone[o]
	return g, ok && !s.temp[o]
}

// Opaque says that a statement ran whose effect is not known: what is not here may be there all the same.
func (s *Schema) Opaque() bool { return s.opaque }

// Of returns the objects of a kind, by name.
func (s *Schema) Of(kind sqltext.ObjectKind) []*Object {
	var all []*Object
	for _, o := range s.objects {
		if o.Kind == kind {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b *Object) int {
		return strings.Compare(a.Database+"\x00"+a.Name, b.Database+"\x00"+b.Name)
	})
	return all
}

// Apply folds one statement, whose effect is e.
func (s *Schema) Apply(sql string, e effect.Effect, at Place) {
	if e.Unknown {
		s.opaque = true
	}
	for _, w := range s.temp.Follow(e).Writes {
		switch w.Verb {
		case effect.Create, effect.CreateNew, effect.Replace:
			if w.Verb != effect.Replace && s.objects[w.Object] != nil {
				continue // it stays as it is; CREATE fails
			}
			if w.Kind == sqltext.Database && w.Verb == effect.Replace {
				s.drop(w.Object, Gone{Place: at, How: "dropped"})
			}
			s.make(sql, e, w, at)
		case effect.Undrop:
			s.undrop(w.Object, at)
		case effect.Drop:
			s.drop(w.Object, Gone{Place: at, How: "dropped"})
		case effect.RenameOut:
			s.rename(w.Object, w.To, at)
		case effect.Swap:
			if w.To != (sqltext.Object{}) {
				s.swap(w.Object, w.To, at)
			}
		case effect.Alter:
			s.alter(e, w, at)
		case effect.WriteData:
			if o := s.objects[w.Object]; o != nil && !o.Filled && !e.Unknown {
				filled := *o
				filled.Filled = true
				s.put(&filled)
			}
		}
	}
}

// Temporary says whether a name stands for a temporary table.
func (s *Schema) Temporary(o sqltext.Object) bool { return s.temp[o] }

// EndSession takes the temporary tables away, as the end of a migration's session does.
func (s *Schema) EndSession() { s.temp = nil }

// Lasting is an effect without what it does to temporary tables.
func (s *Schema) Lasting(e effect.Effect) effect.Effect {
	temp := s.temp
	return temp.Follow(e)
}

func (s *Schema) put(o *Object) {
	s.objects[o.Object] = o
	delete(s.gone, o.Object)
}

func (s *Schema) drop(o sqltext.Object, how Gone) {
	if o.Kind == sqltext.StageFiles || o.Kind == sqltext.Unknown {
		return // these are no names: files come again, and nobody knows of what else
	}
	delete(s.objects, o)
	s.gone[o] = how
	if o.Kind != sqltext.Database {
		return
	}
	for other := range s.objects {
		if other.Database == o.Name {
			delete(s.objects, other)
			s.gone[other] = how
		}
	}
}

// found is an object that was there before the statements, and that one of them gave its name: what is in it they do not say.
func found(o sqltext.Object, at Place) *Object {
	return &Object{Object: o, Made: at, Changed: at, Filled: true}
}

// undrop brings an object back, and with a database what went with it.
func (s *Schema) undrop(o sqltext.Object, at Place) {
	how, ok := s.gone[o]
	s.put(found(o, at))
	switch {
	case o.Kind != sqltext.Database:
	case !ok:
		s.opaque = true // it went before, and nobody knows with what
	default:
		for other, went := range s.gone {
			if other.Database == o.Name && went == how {
				s.put(found(other, at))
			}
		}
	}
}

func (s *Schema) rename(from, to sqltext.Object, at Place) {
	if from.Kind == sqltext.Database {
		for other := range s.objects {
			if other.Database == from.Name {
				s.rename(other, sqltext.Object{Kind: other.Kind, Database: to.Name, Name: other.Name}, at)
			}
		}
	}
	moved := *cmp.Or(s.objects[from], found(from, at))
	moved.Object, moved.Changed = to, at
	s.drop(from, Gone{Place: at, How: "renamed to " + to.Display(), To: to.Pasted()})
	s.put(&moved)
}

func (s *Schema) swap(a, b sqltext.Object, at Place) {
	x, y := *cmp.Or(s.objects[a], found(a, at)), *cmp.Or(s.objects[b], found(b, at))
	x.Object, y.Object = b, a
	s.put(&x)
	s.put(&y)
}

// make folds a CREATE.
func (s *Schema) make(sql string, e effect.Effect, w effect.Write, at Place) {
	o := &Object{Object: w.Object, Made: at, Changed: at, Filled: w.Derived}
	switch w.Kind {
	case sqltext.Table:
		switch table := e.Table; {
		case w.IsStream:
			o.Relation = Stream
			for _, other := range e.Writes {
				if other.Object != w.Object {
					o.On = other.Object
				}
			}
		case table != nil:
			o.Columns, o.Known, o.Filled = table.Columns, table.Listed && !table.External, table.AsSelect || table.External
			if table.Like != nil {
				s.like(o, table.Like)
			}
		case w.IsView:
			o.Relation = View
		}
	case sqltext.Stage:
		o.Stage = *cmp.Or(e.Stage, &define.Stage{})
	case sqltext.Task:
		o.Task = *cmp.Or(e.Task, &define.Task{})
	case sqltext.FileFormat:
		o.Options = sql
	}
	s.put(o)
}

// like gives a table the columns of the one that it is made like.
func (s *Schema) like(o *Object, name []string) {
	database := o.Database
	if len(name) > 1 {
		database = name[len(name)-2]
	}
	if source := s.Find(sqltext.Object{Kind: sqltext.Table, Database: database, Name: name[len(name)-1]}); source != nil {
		o.Columns, o.Known = source.Columns, source.Known
	}
}

// alter folds an ALTER.
func (s *Schema) alter(e effect.Effect, w effect.Write, at Place) {
	was := s.objects[w.Object]
	if was == nil {
		return
	}
	o := *was
	switch w.Kind {
	case sqltext.Task:
		switch task := cmp.Or(e.Task, &define.Task{}); {
		case task.Resumes:
			o.Resumed, o.Paused = true, false
		case task.Suspends:
			o.Resumed, o.Paused = false, true
		default:
			o.Changed = at
			o.Task.Schedule = o.Task.Schedule || task.Schedule
			o.Task.After = slices.DeleteFunc(slices.Concat(o.Task.After, task.After), func(name string) bool {
				return slices.Contains(task.Removed, name)
			})
		}
	case sqltext.Table:
		switch table := e.Table; {
		case table == nil && !w.Changes(effect.Columns):
			if by := e.Writes[0].Object == w.Object; by && w.Changes(effect.Comment|effect.Options|effect.Constraints|effect.Indexes) {
				o.Changed = at // and not only because a stream or an index of its own is made on it
			}
		case table == nil:
			o.Known, o.Changed = false, at
		default:
			o.alter(*table, at)
			if same := slices.EqualFunc(was.Columns, o.Columns, sameColumn); !same || table.Action.Beside() {
				o.Changed = at
			}
		}
	default:
		o.Changed = at
	}
	s.put(&o)
}

func sameColumn(a, b define.Column) bool {
	return a.Name == b.Name && a.Type.Equal(b.Type) && a.NotNull == b.NotNull && a.Default == b.Default && a.Generated == b.Generated
}

// SameColumns says whether two objects are known to have the same columns, in the same order.
func SameColumns(a, b *Object) bool {
	return a.Known && b.Known && slices.EqualFunc(a.Columns, b.Columns, sameColumn)
}

// alter folds what an ALTER TABLE does to the columns. The slices and maps that others may hold stay as they are.
func (o *Object) alter(table define.Table, at Place) {
	index := func(name string) int {
		return slices.IndexFunc(o.Columns, func(c define.Column) bool { return strings.EqualFold(c.Name, name) })
	}
	o.Columns = slices.Clone(o.Columns)
	switch table.Action {
	case define.AddColumn:
		c, to := table.Columns[0], len(o.Columns)
		if index(c.Name) >= 0 {
			return
		}
		if after := index(table.After); table.First {
			to = 0
		} else if table.After != "" && after >= 0 {
			to = after + 1
		}
		o.Columns = slices.Insert(o.Columns, to, c)
		if o.Widened = maps.Clone(o.Widened); o.Widened == nil {
			o.Widened = map[string]Place{}
		}
		o.Widened[c.Name] = at
	case define.DropColumn:
		if i := index(table.Columns[0].Name); i >= 0 {
			o.Columns = slices.Delete(o.Columns, i, i+1)
		}
	case define.RenameColumn:
		if i := index(table.Columns[0].Name); i >= 0 {
			o.Columns[i].Name = table.Columns[0].NewName
		}
	case define.ModifyColumn:
		for _, c := range table.Columns {
			if i := index(c.Name); i >= 0 {
				o.Columns[i] = c
			}
		}
	case define.Rewind:
		o.Known = false
	case define.Create, define.CommentColumn, define.Other:
	}
}

// Needs are the objects that must be there for a statement to run.
func Needs(e effect.Effect) []sqltext.Object {
	if e.Unknown || e.If && e.Class == effect.None {
		return nil
	}
	if e.If {
		return e.Names
	}
	all := slices.Clone(e.Names)
	for _, w := range e.Writes {
		switch w.Verb {
		case effect.Alter, effect.Swap, effect.WriteData, effect.RenameOut, effect.Drop:
			all = append(all, w.Object)
		case effect.Create, effect.Replace, effect.CreateNew, effect.Undrop, effect.RenameIn:
		}
	}
	return all
}
