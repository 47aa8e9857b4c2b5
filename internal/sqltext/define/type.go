package define

import (
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

	Start, End int // its span in the statement
}

// typeNames are the types that the engine's grammar has (databend src/query/ast/src/parser/expr.rs, type_name), after synonyms are folded.
var typeNames = map[string]bool{}

func init() {
	for name := range strings.FieldsSeq(`BOOLEAN INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FLOAT32 FLOAT64 DECIMAL DATE TIMESTAMP
		TIMESTAMP_TZ INTERVAL BINARY STRING VARIANT GEOMETRY GEOGRAPHY VECTOR ARRAY MAP BITMAP TUPLE NULLABLE STAGE_LOCATION`) {
		typeNames[name] = true
	}
}

// TypeNames are the names that a type may be written with, for "did you mean".
func TypeNames() []string {
	var names []string
	for name := range typeNames {
		names = append(names, name)
	}
	return append(names, sqltext.TypeSynonyms()...)
}

// ParseType reads a type that stands alone, as a COPY's cast has it.
func ParseType(text string) (Type, bool) {
	r := read(text)
	t, _, ok := readType(r)
	return t, ok && r.I == len(r.Tokens)
}

// readType reads a type and NULL or NOT NULL behind it. null is what was said: true, false, or nil for nothing.
func readType(r *sqltext.Reader) (t Type, null *bool, ok bool) {
	token, ok := r.Peek()
	if !ok || token.Kind != sqltext.Word {
		return t, nil, false
	}
	t.Start = token.Start
	t.Name = sqltext.TypeName(r.Upper(r.I))
	r.I++
	switch t.Name {
	case "ARRAY", "MAP", "TUPLE", "NULLABLE":
		if !readElements(r, &t) {
			return t, nil, false
		}
	default:
		numbers, ok := readNumbers(r)
		if !ok {
			return t, nil, false
		}
		switch {
		case t.Name == "VECTOR" && len(numbers) == 1:
			t.Width = numbers[0]
		case t.Name == "DECIMAL":
			t.Precision, t.Scale = 18, 3
			if len(numbers) > 0 {
				t.Precision, t.Scale = numbers[0], 0
			}
			if len(numbers) > 1 {
				t.Scale = numbers[1]
			}
		}
	}
	if r.Take("UNSIGNED") && strings.HasPrefix(t.Name, "INT") {
		t.Name = "U" + t.Name
	}
	r.Take("PRECISION")
	if t.Name == "TIMESTAMP" && r.Take("WITH", "TIME", "ZONE") {
		t.Name = "TIMESTAMP_TZ"
	}
	t.End = r.EndOffset()
	t.Unknown = !typeNames[t.Name]
	if t.Name == "NULLABLE" && len(t.Elements) == 1 {
		inner, yes := t.Elements[0], true
		inner.Start, inner.End = t.Start, t.End
		return inner, &yes, true
	}
	switch {
	case r.Take("NOT", "NULL"):
		no := false
		return t, &no, true
	case r.Take("NULL"):
		yes := true
		return t, &yes, true
	}
	return t, nil, true
}

// readElements reads the types in the brackets of ARRAY, MAP and TUPLE. A tuple's may have names.
func readElements(r *sqltext.Reader, t *Type) bool {
	if !r.TakeSymbol("(") {
		return false
	}
	for {
		if t.Name == "TUPLE" && r.I+1 < len(r.Tokens) {
			next := r.Tokens[r.I+1].Kind
			named := r.Tokens[r.I].Kind == sqltext.Quoted || next == sqltext.Word && !isTypeWord(r, r.I+1)
			if named {
				r.I++
			}
		}
		element, _, ok := readType(r)
		if !ok {
			return false
		}
		t.Elements = append(t.Elements, element)
		if r.TakeSymbol(")") {
			return true
		}
		if !r.TakeSymbol(",") {
			return false
		}
	}
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

// readNumbers reads (a, b), which may be missing.
func readNumbers(r *sqltext.Reader) ([]int, bool) {
	if !r.TakeSymbol("(") {
		return nil, true
	}
	var numbers []int
	for {
		token, ok := r.Peek()
		if !ok || token.Kind != sqltext.Number {
			return nil, false
		}
		n, err := strconv.Atoi(r.Text(r.I))
		if err != nil {
			return nil, false
		}
		numbers = append(numbers, n)
		r.I++
		if r.TakeSymbol(")") {
			return numbers, true
		}
		if !r.TakeSymbol(",") {
			return nil, false
		}
	}
}

// String writes the type as SQL has it.
func (t Type) String() string {
	switch {
	case t.Name == "DECIMAL":
		return "DECIMAL(" + strconv.Itoa(t.Precision) + ", " + strconv.Itoa(t.Scale) + ")"
	case t.Name == "VECTOR":
		return "VECTOR(" + strconv.Itoa(t.Width) + ")"
	case len(t.Elements) > 0:
		var elements []string
		for _, e := range t.Elements {
			elements = append(elements, e.String())
		}
		return t.Name + "(" + strings.Join(elements, ", ") + ")"
	}
	return t.Name
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
	case "TIMESTAMP", "TIMESTAMP_TZ":
		return "time", 2
	}
	return t.Name, 0
}

// Holds says whether every value of from has a place in t: as INT64 has for INT32, and STRING for everything.
func (t Type) Holds(from Type) bool {
	if t.Equal(from) || t.Name == "STRING" || t.Name == "VARIANT" {
		return true
	}
	if t.Name == from.Name && len(t.Elements) == len(from.Elements) && len(t.Elements) > 0 {
		for i := range t.Elements {
			if !t.Elements[i].Holds(from.Elements[i]) {
				return false
			}
		}
		return true
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
	case t.Name == from.Name && len(t.Elements) == len(from.Elements) && len(t.Elements) > 0:
		for i := range t.Elements {
			if !t.Elements[i].Casts(from.Elements[i]) {
				return false
			}
		}
		return true
	case t.Name == "GEOMETRY" || t.Name == "GEOGRAPHY":
		return from.Name == "BINARY" || from.Name == "GEOMETRY" || from.Name == "GEOGRAPHY"
	case t.Name == "BITMAP":
		return from.Name == "ARRAY" || fromTime == "signed" || fromTime == "unsigned"
	}
	return false
}
