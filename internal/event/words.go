package event

import (
	"fmt"
	"strconv"
	"strings"
)

// Bytes is n bytes for people: 4.1 kB, 12 MB, in decimal units, as object stores bill.
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, units := float64(n), "kMGTPE"
	i := -1
	for f >= 999.5 && i < len(units)-1 {
		f /= 1000
		i++
	}
	if f < 9.95 {
		return fmt.Sprintf("%.1f %cB", f, units[i])
	}
	return fmt.Sprintf("%.0f %cB", f, units[i])
}

// whole is a number of things.
type whole interface{ ~int | ~int64 }

// Count is 1,234,567.
func Count[N whole](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural is "1 file", "2 files", "1,234 files".
func Plural[N whole](n N, noun string) string { return Number(n, noun, noun+"s") }

// Number is "1 file was", "1,234 files were".
func Number[N whole](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// And is "a", "a and b", "a, b and c".
func And(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// Some lists the first n names.
func Some(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:n], ", ") + " and " + Count(len(names)-n) + " more"
}
