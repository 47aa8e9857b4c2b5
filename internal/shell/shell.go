// Package shell quotes words for a person's shell: what a hint asks to paste, and what a shell completes.
package shell

import "strings"

// plain are the characters that no shell reads, whatever stands around them.
const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=@%+,-"

// Plain reports whether a word is one for every shell as it stands, and no flag.
func Plain(word string) bool {
	return word != "" && strings.Trim(word, plain) == "" && !strings.HasPrefix(word, "-")
}

// Quote returns word as one word of a command line, for the shells of POSIX; fish reads it alike unless it holds a backslash.
func Quote(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Join is a command line of words.
func Join(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Quote(w)
	}
	return strings.Join(quoted, " ")
}
