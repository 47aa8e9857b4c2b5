package define

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Stage is what a CREATE STAGE says of where its files lie.
type Stage struct {
	URL        string // empty for an internal stage
	Internal   bool
	Format     string // what stands in FILE_FORMAT = (…)
	Connection string // CONNECTION_NAME
	Start, End int    // the span of the URL
}

// ReadStage reads what stands behind the name in a CREATE STAGE.
func ReadStage(behind sqltext.Reader) (s Stage, ok bool) {
	r := &behind
	s.Internal = true
	first := r.I
	for ; r.I < len(r.Tokens); r.I++ {
		switch {
		case r.Symbol(r.I, "="):
		case r.IsWord("URL"):
			s.Internal = false
		case r.Tokens[r.I].Kind == sqltext.String && (r.I == first || r.Is(r.I-1, "URL") || r.Symbol(r.I-1, "=") && r.Is(r.I-2, "URL")):
			s.Internal = false
			s.Start, s.End = r.Tokens[r.I].Start, r.Tokens[r.I].End
			s.URL, _ = sqltext.Unquote(r.Text(r.I))
		case r.Tokens[r.I].Kind == sqltext.String && r.Is(r.I-2, "CONNECTION_NAME"):
			s.Connection, _ = sqltext.Unquote(r.Text(r.I))
		case r.Is(r.I-2, "FILE_FORMAT") && r.Symbol(r.I, "("):
			start := r.Tokens[r.I].Start
			if !r.SkipBrackets() {
				return s, false
			}
			s.Format = r.Src[start:r.EndOffset()]
			r.I--
		}
	}
	return s, true
}

// Task is what a CREATE TASK or ALTER TASK says of when a task runs, and what it runs.
type Task struct {
	Schedule bool
	After    []string
	Removed  []string            // ALTER TASK … REMOVE AFTER
	When     string              // its condition
	Body     []sqltext.Statement // offsets are of the statement that defines the task
	At       int                 // where the later of SCHEDULE and AFTER stands
	Resumes  bool                // ALTER TASK … RESUME
	Suspends bool                // ALTER TASK … SUSPEND
}

// ReadTask reads what stands behind the name in a CREATE TASK or ALTER TASK.
func ReadTask(behind sqltext.Reader) Task {
	r := &behind
	t := Task{Resumes: r.Take("RESUME"), Suspends: r.Take("SUSPEND")}
	if r.Take("REMOVE", "AFTER") {
		t.Removed = names(r)
	}
	_ = r.Take("SET") || r.Take("ADD") || r.Take("MODIFY")
	t.read(r)
	return t
}

// read reads the options of a task, its condition and its body.
func (t *Task) read(r *sqltext.Reader) {
	when := -1
	for ; r.I < len(r.Tokens); r.Skip() {
		switch {
		case r.IsWord("SCHEDULE") && r.Symbol(r.I+1, "="):
			t.Schedule, t.At = true, max(t.At, r.Offset())
		case r.IsWord("AFTER") && r.I+1 < len(r.Tokens) && r.Tokens[r.I+1].Kind == sqltext.String:
			t.At = max(t.At, r.Offset())
			r.I++
			t.After = names(r)
			r.I--
		case r.IsWord("WHEN") && when < 0:
			when = r.Tokens[r.I].End
		case r.IsWord("AS") && r.I+1 < len(r.Tokens):
			t.Body = Body(r, r.I+1)
			if when >= 0 {
				t.When = r.Src[when:r.Offset()]
			}
			return
		}
	}
	if when >= 0 {
		t.When = r.Src[when:]
	}
}

// names reads 'a', 'b'.
func names(r *sqltext.Reader) []string {
	var all []string
	for r.I < len(r.Tokens) && r.Tokens[r.I].Kind == sqltext.String {
		name, _ := sqltext.Unquote(r.Text(r.I))
		all = append(all, name)
		if r.I++; !r.TakeSymbol(",") {
			break
		}
	}
	return all
}

// Body splits the statements of a task or pipe, which stand alone or between BEGIN and END, from a token on to the end.
func Body(r *sqltext.Reader, from int) []sqltext.Statement {
	to := len(r.Tokens)
	if r.Is(from, "BEGIN") && r.Is(to-1, "END") && from+1 < to-1 {
		from, to = from+1, to-1
	}
	start := r.Tokens[from].Start
	statements, err := sqltext.Split(r.Src[start:r.Tokens[to-1].End])
	if err != nil {
		return nil
	}
	for i := range statements {
		statements[i].Start += start
		statements[i].End += start
	}
	return statements
}

// Named is a name in a statement, and where it begins.
type Named struct {
	Name  string
	Start int
}

// InsertColumns are the columns that an INSERT or REPLACE of one table lists before its values; nil where it lists none.
func InsertColumns(stmt string) []Named {
	r := read(stmt)
	if !r.InsertInto() {
		return nil
	}
	var names []Named
	ok := r.List(func() bool {
		at := r.Offset()
		name, ok := r.Ident()
		names = append(names, Named{name, at})
		return ok
	})
	if !ok {
		return nil
	}
	return names
}

// SetColumns are the columns that an UPDATE of one table sets; nil for any other statement.
func SetColumns(stmt string) []Named {
	r, ok := changing(stmt)
	if !ok || !r.Take("SET") {
		return nil
	}
	var names []Named
	for ; r.I < len(r.Tokens); r.Skip() {
		switch {
		case r.IsWord("WHERE") || r.IsWord("FROM"):
			return names
		case r.Symbol(r.I+1, "=") && (len(names) == 0 || r.Symbol(r.I-1, ",")):
			t := r.Tokens[r.I]
			names = append(names, Named{sqltext.FoldIdent(stmt[t.Start:t.End]), t.Start})
		}
	}
	return names
}

// MergeColumns are the columns that a MERGE sets and inserts; nil for any other statement.
func MergeColumns(stmt string) []Named {
	r := read(stmt)
	if !r.Take("MERGE") {
		return nil
	}
	var names []Named
	column := func() bool {
		at := r.Offset()
		parts, ok := r.Name() // t.a is a of t
		if ok {
			names = append(names, Named{parts[len(parts)-1], at})
		}
		return ok
	}
	for ; r.I < len(r.Tokens); r.Skip() {
		switch {
		case r.Take("THEN", "INSERT"):
			r.List(column)
			r.I--
		case r.Take("THEN", "UPDATE", "SET"):
			for more := true; more && column(); more = r.TakeSymbol(",") {
				for r.I < len(r.Tokens) && !r.Symbol(r.I, ",") && !r.IsWord("WHEN") {
					r.Skip()
				}
			}
			r.I--
		}
	}
	return names
}

// Condition is where the WHERE of an UPDATE or DELETE of one table begins, and its table as it is written, with its alias.
func Condition(stmt string) (table string, at int, ok bool) {
	r, ok := changing(stmt)
	if !ok {
		return "", 0, false
	}
	from := r.Tokens[0].End
	if r.Is(0, "DELETE") {
		from = r.Tokens[1].End
	}
	table = stmt[from:r.Offset()]
	for ; r.I < len(r.Tokens); r.Skip() {
		switch {
		case r.IsWord("FROM") || r.IsWord("USING"): // other tables
			return "", 0, false
		case r.IsWord("WHERE"):
			return table, r.Offset(), true
		}
	}
	return "", 0, false
}

// changing reads an UPDATE or DELETE up to what stands behind its table and alias.
func changing(stmt string) (*sqltext.Reader, bool) {
	r := read(stmt)
	if !r.Take("UPDATE") && !r.Take("DELETE", "FROM") {
		return r, false
	}
	_, ok := r.Name()
	if r.Take("AS"); ok && !r.IsWord("SET") && !r.IsWord("WHERE") && !r.IsWord("USING") {
		_, ok = r.Ident()
	}
	return r, ok
}

// Query is where the query begins whose rows a statement takes: that of a view, of CREATE TABLE … AS and of INSERT … SELECT. It goes to
// the statement's end; false where there is none, or it stands in brackets.
func Query(stmt string) (int, bool) {
	r := read(stmt)
	with := -1
	for ; r.I < len(r.Tokens); r.Skip() {
		switch {
		case r.IsWord("WITH") && !r.Symbol(r.I+1, "("):
			with = r.Offset()
		case r.IsWord("FROM"): // FROM t SELECT a, where the list comes last
			return 0, false
		case r.IsWord("SELECT") && with >= 0:
			return with, true
		case r.IsWord("SELECT"):
			return r.Offset(), true
		}
	}
	return 0, false
}

// NameAt is the name that begins at an offset of a statement, or "".
func NameAt(stmt string, at int) string {
	for _, t := range read(stmt).Tokens {
		if t.Start == at && (t.Kind == sqltext.Word || t.Kind == sqltext.Quoted) {
			return sqltext.FoldIdent(stmt[t.Start:t.End])
		}
	}
	return ""
}

// Unqualified is a statement with blanks in the place of a database before names of its tables: what is left has its place.
func Unqualified(stmt, database string) string {
	r := read(stmt)
	out := []byte(stmt)
	for i, t := range r.Tokens {
		if r.Symbol(i+1, ".") && !r.Symbol(i-1, ".") && sqltext.FoldIdent(stmt[t.Start:t.End]) == database {
			copy(out[t.Start:r.Tokens[i+1].End], bytes.Repeat([]byte(" "), r.Tokens[i+1].End-t.Start))
		}
	}
	return string(out)
}

// Find is where a name stands in a statement, from an offset on: as an identifier, a stage's location or a string. It is from where
// the name is not found.
func Find(stmt, name string, from int) int {
	w := read(stmt).Words
	for i, t := range w.Tokens {
		if t.Start < from {
			continue
		}
		switch t.Kind {
		case sqltext.Word, sqltext.Quoted:
			if sqltext.FoldIdent(w.Text(i)) == name {
				return t.Start
			}
		case sqltext.At:
			if text := w.Text(i)[1:]; text == name || strings.HasPrefix(text, name+"/") {
				return t.Start
			}
		case sqltext.String:
			if value, err := sqltext.Unquote(w.Text(i)); err == nil && value == name {
				return t.Start
			}
		}
	}
	return from
}

// ShortRetention says whether a statement sets an option or setting that keeps history for less than a day, or a number of snapshots.
func ShortRetention(stmt string) bool {
	w := read(stmt).Words
	for i := range w.Tokens {
		if !w.Symbol(i+1, "=") || i+2 >= len(w.Tokens) || w.Tokens[i].Kind != sqltext.Word {
			continue
		}
		value, err := strconv.Atoi(strings.Trim(w.Text(i+2), "'"))
		switch name := w.Upper(i); {
		case err != nil:
		case name == "DATA_RETENTION_PERIOD_IN_HOURS" && value < 24, name == "DATA_RETENTION_TIME_IN_DAYS" && value < 1,
			name == "DATA_RETENTION_NUM_SNAPSHOTS_TO_KEEP" && value > 0:
			return true
		}
	}
	return false
}
