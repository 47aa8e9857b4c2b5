package project

import (
	"fmt"
	"strings"
)

// Nearest returns the candidate that was probably meant by word, or "". Case, and one mistake in three letters (a letter
// missing, added, wrong, or swapped with its neighbour), are forgiven; of two that are as near, the one that begins alike for longer
// is meant. Else it is the only one that begins with word.
func Nearest(word string, candidates []string) string {
	best, most, alike := "", max(1, len([]rune(word))/3), -1
	for _, c := range candidates {
		a, b := strings.ToLower(word), strings.ToLower(c)
		d, same := distance(a, b), 0
		for same < min(len(a), len(b)) && a[same] == b[same] {
			same++
		}
		if d < most || d == most && same > alike {
			best, most, alike = c, d, same
		}
	}
	if best != "" || word == "" {
		return best
	}
	for _, c := range candidates {
		switch {
		case !strings.HasPrefix(strings.ToLower(c), strings.ToLower(word)):
		case best != "":
			return ""
		default:
			best = c
		}
	}
	return best
}

// DidYouMean is Nearest as a hint, or otherwise.
func DidYouMean(word string, candidates []string, otherwise string) string {
	return DidYouMeanAs("%s", word, candidates, otherwise)
}

// DidYouMeanAs is DidYouMean with what was meant in a form, such as "--%s".
func DidYouMeanAs(form, word string, candidates []string, otherwise string) string {
	if n := Nearest(word, candidates); n != "" {
		return "did you mean " + fmt.Sprintf(form, n) + "?"
	}
	return otherwise
}

// distance is the number of edits between a and b (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
