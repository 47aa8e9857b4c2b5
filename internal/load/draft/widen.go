package draft

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// writable is a type of INFER_SCHEMA as a table takes it: the smallest whole numbers are made wider, since the next file may need that;
// what is nested becomes VARIANT, but for lists of numbers and texts. It is "" where the file has no value that shows it.
func writable(typ string) string {
	t := strings.ToUpper(strings.TrimSpace(typ))
	if inner, ok := strings.CutPrefix(t, "ARRAY("); ok {
		inner = strings.TrimSuffix(strings.TrimSuffix(inner, ")"), " NULL")
		of := writable(inner)
		if of == "" || strings.ContainsAny(inner, "(") {
			return "VARIANT"
		}
		return "ARRAY(" + of + " NULL)"
	}
	switch t {
	case "NULL":
		return ""
	case "TINYINT", "SMALLINT", "INT", "INTEGER", "INT8", "INT16", "INT32", "TINYINT UNSIGNED", "SMALLINT UNSIGNED", "UINT8", "UINT16":
		return "INT"
	case "BIGINT", "INT64", "INT UNSIGNED", "UINT32":
		return "BIGINT"
	case "BIGINT UNSIGNED", "UINT64":
		return "BIGINT UNSIGNED"
	case "FLOAT32", "REAL":
		return "FLOAT"
	case "FLOAT64":
		return "DOUBLE"
	case "VARCHAR", "TEXT":
		return "STRING"
	case "FLOAT", "DOUBLE", "STRING", "BOOLEAN", "DATE", "TIMESTAMP", "BINARY", "GEOMETRY", "GEOGRAPHY", "VARIANT", "INTERVAL":
		return t
	}
	if decimal.MatchString(t) {
		return t
	}
	return "VARIANT"
}

var decimal = regexp.MustCompile(`^DECIMAL\((\d+), ?(\d+)\)$`)

// numbers from the narrowest on; times likewise.
var (
	numbers = []string{"INT", "BIGINT", "BIGINT UNSIGNED", "DECIMAL", "DOUBLE"}
	times   = []string{"DATE", "TIMESTAMP"}
)

// widen is a type that takes the values of both; "" is one of which nothing is known.
func widen(a, b string) string {
	if a == b || b == "" {
		return a
	}
	if a == "" {
		return b
	}
	class := func(t string) string {
		if decimal.MatchString(t) {
			return "DECIMAL"
		}
		if t == "FLOAT" {
			return "DOUBLE"
		}
		return t
	}
	ca, cb := class(a), class(b)
	if cb == "DECIMAL" {
		a, b, ca, cb = b, a, cb, ca
	}
	if m, n := decimal.FindStringSubmatch(a), decimal.FindStringSubmatch(b); m != nil && n != nil {
		return wideDecimal(m, n)
	}
	if i, k := slices.Index(times, ca), slices.Index(times, cb); i >= 0 && k >= 0 {
		return times[max(i, k)]
	}
	i, k := slices.Index(numbers, ca), slices.Index(numbers, cb)
	if i < 0 || k < 0 {
		if strings.HasPrefix(a, "ARRAY") || strings.HasPrefix(b, "ARRAY") || a == "VARIANT" || b == "VARIANT" {
			return "VARIANT"
		}
		return "STRING"
	}
	wide := numbers[max(i, k)]
	switch {
	case wide == "BIGINT UNSIGNED": // beside a signed one
		return "DECIMAL(20, 0)"
	case wide == "DECIMAL": // beside a whole number, which has up to 20 digits
		return wideDecimal(decimal.FindStringSubmatch(a), []string{"", "20", "0"})
	}
	return wide
}

// wideDecimal takes the digits of both before the point and behind it.
func wideDecimal(a, b []string) string {
	n := func(s string) int { v, _ := strconv.Atoi(s); return v }
	scale := max(n(a[2]), n(b[2]))
	whole := max(n(a[1])-n(a[2]), n(b[1])-n(b[2]))
	if whole+scale > 76 {
		return "DOUBLE"
	}
	return fmt.Sprintf("DECIMAL(%d, %d)", whole+scale, scale)
}
