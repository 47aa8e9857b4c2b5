package effect

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// truth is what a condition says of the rows, whatever is in them.
type truth uint8

const (
	some   truth = iota // it depends on the row
	always              // 1 = 1, a column that is compared to itself
	never
)

// condition reads a condition to its end, which may be the bracket that it stands in. What it cannot read depends on the row.
func condition(p *sqltext.Reader) truth {
	result := conjunction(p)
	for p.Take("OR") {
		result = both(result, conjunction(p), always)
	}
	return result
}

func conjunction(p *sqltext.Reader) truth {
	result := term(p)
	for p.Take("AND") {
		result = both(result, term(p), never)
	}
	return result
}

// both joins two truths, of which one that is decisive is enough.
func both(a, b, decisive truth) truth {
	switch {
	case a == decisive || b == decisive:
		return decisive
	case a == b:
		return a
	}
	return some
}

func term(p *sqltext.Reader) truth {
	if p.Take("NOT") {
		switch term(p) {
		case always:
			return never
		case never:
			return always
		default:
			return some
		}
	}
	from := p.I
	if p.TakeSymbol("(") {
		if inner := condition(p); p.TakeSymbol(")") && termEnds(p) {
			return inner
		}
	} else if t, ok := comparison(p); ok && termEnds(p) {
		return t
	}
	for p.I = from; !termEnds(p); p.Skip() {
	}
	return some
}

func termEnds(p *sqltext.Reader) bool {
	return p.I >= len(p.Tokens) || p.Symbol(p.I, ")") || p.IsWord("AND") || p.IsWord("OR")
}

// comparison reads a literal that stands alone, or two operands with a comparison between them.
func comparison(p *sqltext.Reader) (truth, bool) {
	a, ok := readOperand(p)
	if !ok {
		return some, false
	}
	if termEnds(p) {
		if !a.number {
			return some, true
		}
		return says(a.value != 0), true
	}
	holds, ok := comparisons[p.Text(p.I)]
	if !ok {
		return some, false
	}
	p.I++
	b, ok := readOperand(p)
	if !ok || a.number != b.number || a.column != b.column {
		return some, ok
	}
	order := strings.Compare(a.text, b.text)
	if a.number {
		order = cmp.Compare(a.value, b.value)
	} else if a.column && order != 0 {
		return some, true
	}
	return says(slices.Contains(holds, order)), true
}

// comparisons are the operators, by the orders of two operands for which they hold.
var comparisons = map[string][]int{
	"=": {0}, "==": {0}, "<>": {-1, 1}, "!=": {-1, 1}, "<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1},
}

func says(holds bool) truth {
	if holds {
		return always
	}
	return never
}

// operand is a column or a literal.
type operand struct {
	column, number bool
	text           string
	value          float64 // of a number; TRUE is 1, FALSE 0
}

func readOperand(p *sqltext.Reader) (o operand, ok bool) {
	t, ok := p.Peek()
	if !ok {
		return o, false
	}
	o.text = p.Text(p.I)
	switch {
	case p.IsWord("TRUE"), p.IsWord("FALSE"):
		if o.number = true; p.IsWord("TRUE") {
			o.value = 1
		}
		p.I++
	case t.Kind == sqltext.Number:
		value, err := strconv.ParseFloat(o.text, 64)
		o.number, o.value, ok = true, value, err == nil
		p.I++
	case t.Kind == sqltext.String:
		p.I++
	case p.IsWord("NULL"):
		return o, false
	default:
		var parts []string
		parts, ok = p.Name()
		o.column, o.text = true, strings.Join(parts, "\x00")
	}
	return o, ok
}
