package define

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Type is a data type, its synonyms folded into one name: BIGINT and SIGNED are INT64.
type Type struct {
	Name      string // upper case: INT32, STRING, VECTOR
	Precision int    // of DECIMAL
	Scale     int    // of DECIMAL
	Width     int    // of VECTOR
	Elements  []Type // of ARRAY, MAP and TUPLE
	Unknown   bool   // the engine has no type of this name

	Null, NotNull bool // what stands behind it, if anything; NULLABLE(…) is NULL

	Start, End int // its span in the statement, without NULL
}

// typeNames are the types that the engine's grammar has (databend src/query/ast/src/parser/expr.rs, type_name), and their synonyms.
var typeNames = map[string]string{
	"BOOL": "BOOLEAN", "TINYINT": "INT8", "SMALLINT": "INT16", "INT": "INT32", "INTEGER": "INT32", "BIGINT": "INT64", "SIGNED": "INT64",
	"UNSIGNED": "UINT64", "FLOAT": "FLOAT32", "REAL": "FLOAT32", "DOUBLE": "FLOAT64", "NUMERIC": "DECIMAL", "VARCHAR": "STRING",
	"TEXT": "STRING", "CHAR": "STRING", "CHARACTER": "STRING", "VARBINARY": "BINARY", "BLOB": "BINARY", "TINYBLOB": "BINARY",
	"MEDIUMBLOB": "BINARY", "LONGBLOB": "BINARY", "JSON": "VARIANT", "DATETIME": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMP_TZ",
	"STAGELOCATION": "STAGE_LOCATION",
}

func init() {
	for name := range strings.FieldsSeq(`BOOLEAN INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FLOAT32 FLOAT64 DECIMAL DATE TIMESTAMP
		TIMESTAMP_TZ INTERVAL BINARY STRING VARIANT GEOMETRY GEOGRAPHY VECTOR ARRAY MAP BITMAP TUPLE NULLABLE STAGE_LOCATION`) {
		typeNames[name] = name
	}
}

// TypeNames are the names that a type may be written with, for "did you mean".
func TypeNames() []string { return slices.Sorted(maps.Keys(typeNames)) }

// ParseType reads a type that stands alone, as a COPY's cast has it.
func ParseType(text string) (Type, bool) {
	r := read(text)
	t, ok := readType(r)
	return t, ok && r.I == len(r.Tokens)
}

// ProcedureArgs writes "(int, Decimal)", the types of a procedure as the engine has them, as sqltext.Object.Args does.
func ProcedureArgs(list string) string {
	args, _ := ReadProcedureArgs(read(list), false)
	return args
}

// ReadProcedureArgs reads the argument list of a procedure and returns its types; named says that names stand before them.
func ReadProcedureArgs(r *sqltext.Reader, named bool) (string, bool) {
	if r.Symbol(r.I, "(") && r.Symbol(r.I+1, ")") {
		r.I += 2
		return "()", true
	}
	var types []string
	ok := r.List(func() bool {
		if named {
			r.I++
		}
		t, ok := readType(r)
		types = append(types, t.text(func(t Type) string { return t.Name }, true))
		return ok
	})
	if !ok {
		return "", false
	}
	return "(" + strings.Join(types, ", ") + ")", true
}

// readType reads a type and NULL or NOT NULL behind it.
func readType(r *sqltext.Reader) (t Type, ok bool) {
	token, ok := r.Peek()
	if !ok || token.Kind != sqltext.Word {
		return t, false
	}
	t.Start = token.Start
	written := r.Upper(r.I)
	if t.Name = typeNames[written]; t.Name == "" {
		t.Name, t.Unknown = written, true
	}
	r.I++
	if t.Name == "DECIMAL" {
		t.Precision, t.Scale = 18, 3
	}
	switch t.Name {
	case "ARRAY", "MAP", "TUPLE", "NULLABLE":
		ok = r.List(func() bool { return readElement(r, &t) })
	default:
		ok = !r.Symbol(r.I, "(") || readNumbers(r, &t)
	}
	if !ok {
		return t, false
	}
	if r.Take("UNSIGNED") && strings.HasPrefix(t.Name, "INT") {
		t.Name = "U" + t.Name
	}
	r.Take("PRECISION")
	if t.Name == "TIMESTAMP" && r.Take("WITH", "TIME", "ZONE") {
		t.Name = "TIMESTAMP_TZ"
	}
	t.End = r.EndOffset()
	if t.Name == "NULLABLE" && len(t.Elements) == 1 {
		inner := t.Elements[0]
		inner.Null, inner.Start, inner.End = true, t.Start, t.End
		return inner, true
	}
	t.NotNull = r.Take("NOT", "NULL")
	t.Null = !t.NotNull && r.Take("NULL")
	return t, true
}

// readElement reads one of the types in the brackets of ARRAY, MAP and TUPLE. A tuple's may have names.
func readElement(r *sqltext.Reader, t *Type) bool {
	if t.Name == "TUPLE" && r.I+1 < len(r.Tokens) &&
		(r.Tokens[r.I].Kind == sqltext.Quoted || r.Tokens[r.I+1].Kind == sqltext.Word && !isTypeWord(r, r.I+1)) {
		r.I++
	}
	element, ok := readType(r)
	t.Elements = append(t.Elements, element)
	return ok
}

// isTypeWord says whether the word goes on with the type before it, instead of being one.
func isTypeWord(r *sqltext.Reader, i int) bool {
	for _, word := range []string{"NULL", "NOT", "UNSIGNED", "PRECISION", "WITH"} {
		if r.Is(i, word) {
			return true
		}
	}
	return false
}

// readNumbers reads the numbers in the brackets of a type: VECTOR(768), DECIMAL(10, 2), VARCHAR(20).
func readNumbers(r *sqltext.Reader, t *Type) bool {
	var numbers []int
	ok := r.List(func() bool {
		token, ok := r.Peek()
		if !ok || token.Kind != sqltext.Number {
			return false
		}
		n, err := strconv.Atoi(r.Text(r.I))
		numbers = append(numbers, n)
		r.I++
		return err == nil
	})
	if !ok {
		return false
	}
	switch {
	case t.Name == "VECTOR" && len(numbers) == 1:
		t.Width = numbers[0]
	case t.Name == "DECIMAL" && len(numbers) == 1:
		t.Precision, t.Scale = numbers[0], 0
	case t.Name == "DECIMAL":
		t.Precision, t.Scale = numbers[0], numbers[1]
	}
	return true
}

// sqlNames are the types of numbers as people write them, and as DESC shows them.
var sqlNames = map[string]string{
	"INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INT", "INT64": "BIGINT", "FLOAT32": "FLOAT", "FLOAT64": "DOUBLE",
	"UINT8": "TINYINT UNSIGNED", "UINT16": "SMALLINT UNSIGNED", "UINT32": "INT UNSIGNED", "UINT64": "BIGINT UNSIGNED",
}

// String writes the type as SQL has it.
func (t Type) String() string {
	return t.text(func(t Type) string { return cmp.Or(sqlNames[t.Name], t.Name) }, false)
}

// text writes the type, by the name that each type in it has; with null, NULL as well where it says so.
func (t Type) text(name func(Type) string, null bool) string {
	s := name(t)
	switch {
	case t.Name == "DECIMAL":
		s = fmt.Sprintf("DECIMAL(%d, %d)", t.Precision, t.Scale)
	case t.Name == "VECTOR" && t.Width > 0:
		s = fmt.Sprintf("VECTOR(%d)", t.Width)
	case len(t.Elements) > 0:
		var elements []string
		for _, e := range t.Elements {
			elements = append(elements, e.text(name, null))
		}
		s += "(" + strings.Join(elements, ", ") + ")"
	}
	if null && t.Null {
		s += " NULL"
	}
	return s
}

// Equal says whether two types are the same one.
func (t Type) Equal(u Type) bool { return t.String() == u.String() }

// Each calls f for the type and the types within it.
func (t Type) Each(f func(Type)) {
	f(t)
	for _, e := range t.Elements {
		e.Each(f)
	}
}

// family says which kinds of values a type holds, and rank how many of them: within a family a type holds all values of those of
// a lower rank.
func (t Type) family() (name string, rank int) {
	switch t.Name {
	case "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64":
		bits, _ := strconv.Atoi(strings.TrimLeft(t.Name, "UINT"))
		if t.Name[0] == 'U' {
			return "unsigned", bits
		}
		return "signed", bits
	case "FLOAT32":
		return "float", 24
	case "FLOAT64":
		return "float", 53
	case "DECIMAL":
		return "decimal", t.Precision - t.Scale
	case "DATE":
		return "time", 1
	case "TIMESTAMP":
		return "time", 2
	case "TIMESTAMP_TZ":
		return "time", 3
	}
	return t.Name, 0
}

// Holds says whether every value of from has a place in t: as INT64 has for INT32, and STRING for everything.
func (t Type) Holds(from Type) bool {
	if t.Equal(from) || t.Name == "STRING" || t.Name == "VARIANT" || t.Name == "BINARY" && from.Name == "STRING" {
		return true
	}
	if t.Name == from.Name && len(t.Elements) == len(from.Elements) && len(t.Elements) > 0 {
		return slices.EqualFunc(t.Elements, from.Elements, Type.Holds)
	}
	to, rank := t.family()
	was, had := from.family()
	switch {
	case to == was && to == "decimal":
		return rank >= had && t.Scale >= from.Scale
	case to == was:
		return rank >= had && (rank > 0 || t.Name == from.Name) && t.Name != "VECTOR"
	case was == "unsigned" && to == "signed":
		return rank > had
	case (was == "signed" || was == "unsigned") && to == "float":
		return rank >= had || had <= 32 && rank == 53
	case (was == "signed" || was == "unsigned") && to == "decimal":
		return rank >= digits(had)
	case was == "BOOLEAN":
		return to == "signed" || to == "unsigned"
	}
	return false
}

// digits is how many decimal digits a whole number of so many bits has.
func digits(bits int) int {
	return map[int]int{8: 3, 16: 5, 32: 10, 64: 20}[bits]
}

// Casts says whether the engine turns from into t, value by value, where t holds less: a number into a smaller one, a text into
// whatever it is the text of. Nothing else is cast.
func (t Type) Casts(from Type) bool {
	if t.Name == "VECTOR" {
		return from.Name == "ARRAY" || t.Equal(from)
	}
	if t.Holds(from) || from.Name == "STRING" || from.Name == "VARIANT" {
		return true
	}
	numeric := func(u Type) bool {
		name, _ := u.family()
		return name == "signed" || name == "unsigned" || name == "float" || name == "decimal"
	}
	toTime, _ := t.family()
	fromTime, _ := from.family()
	switch {
	case numeric(t) && (numeric(from) || from.Name == "BOOLEAN"), t.Name == "BOOLEAN" && numeric(from):
		return true
	case toTime == "time" && (fromTime == "time" || fromTime == "signed" || fromTime == "unsigned"):
		return true
	case t.Name == from.Name && len(t.Elements) > 0:
		return slices.EqualFunc(t.Elements, from.Elements, Type.Casts)
	case t.Name == "GEOMETRY" || t.Name == "GEOGRAPHY":
		return from.Name == "BINARY" || from.Name == "GEOMETRY" || from.Name == "GEOGRAPHY"
	case t.Name == "BITMAP":
		return from.Name == "ARRAY" || fromTime == "signed" || fromTime == "unsigned"
	}
	return false
}
