package ui

import (
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
)

// previewValue is how many characters of a value a preview shows. JSON has it whole.
const previewValue = 40

// previewText is the rows of a load's preview as a table: names, types, values.
func previewText(p event.Preview, width int, color bool) string {
	types := make([]string, len(p.Columns))
	for i := range min(len(types), len(p.Types)) {
		types[i] = strings.ToLower(unwrapNullable(p.Types[i]))
	}
	rows := [][]string{types}
	for _, r := range p.Rows {
		cells := make([]string, len(r))
		for i, v := range r {
			cells[i] = previewCell(v, types[i])
		}
		rows = append(rows, cells)
	}
	head := Wrap(visible("load "+p.Load)+", "+event.Plural(len(p.Rows), "row"), width, 2) + "\n"
	return head + valueTable(p.Columns, rows, width, color)
}

// previewCell shortens a value: the first numbers of a vector and how many there are, the beginning of anything else.
func previewCell(v *string, typ string) string {
	if v == nil {
		return "NULL"
	}
	if strings.HasPrefix(typ, "vector") {
		if nums := strings.FieldsFunc(*v, func(r rune) bool { return strings.ContainsRune("[], ", r) }); len(nums) > 4 {
			return fmt.Sprintf("[%s, … %d]", strings.Join(nums[:3], ", "), len(nums))
		}
	}
	return shorten(*v, previewValue)
}

// unwrapNullable takes "Nullable(…)" away: nearly every column of a file is nullable, and saying so hides the type.
func unwrapNullable(t string) string {
	if inner, ok := strings.CutPrefix(t, "Nullable("); ok {
		return strings.TrimSuffix(inner, ")")
	}
	return t
}
