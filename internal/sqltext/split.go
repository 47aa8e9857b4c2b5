package sqltext

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Statement is one statement of a text: from its first token to its last, without the semicolon and without comments around it.
type Statement struct {
	Text       string
	Start, End int // span in the text that was split
}

// Split cuts src at the semicolons that end a statement. Empty statements are dropped. A semicolon inside a body, BEGIN … END
// of CREATE TASK, ALTER TASK … MODIFY AS or CREATE PROCEDURE, ends none; BEGIN; and BEGIN TRANSACTION; are statements.
func Split(src string) ([]Statement, error) {
	statements, _, err := split(src)
	return statements, err
}

// split is Split; open says that the last statement has no semicolon.
func split(src string) (statements []Statement, open bool, err error) {
	tokens, err := Scan(src)
	if err != nil {
		return nil, false, err
	}
	tokens = significant(tokens)
	for _, t := range tokens {
		if r, _ := utf8.DecodeRuneInString(src[t.Start:t.End]); t.Kind == Other && r >= utf8.RuneSelf {
			return nil, false, errorAt(src, t.Start, fmt.Sprintf("%#U is no character of SQL", r), instead(r))
		}
	}
	for i := 0; i < len(tokens); {
		end, err := statementEnd(src, tokens, i)
		if err != nil {
			return nil, false, err
		}
		if i < end {
			start, stop := tokens[i].Start, tokens[end-1].End
			statements = append(statements, Statement{Text: src[start:stop], Start: start, End: stop})
			open = end == len(tokens)
		}
		i = end + 1
	}
	return statements, open, nil
}

// instead says what to write for a character that word processors and web pages put into a text.
func instead(r rune) string {
	switch {
	case strings.ContainsRune("‘’‚‛′´", r):
		return "write ' in its place"
	case strings.ContainsRune("“”„‟″«»", r):
		return `write ' around a text, and " around a name`
	case unicode.Is(unicode.Pd, r) || r == '−':
		return "write - in its place"
	case unicode.IsSpace(r) || unicode.Is(unicode.Cf, r):
		return "write a blank in its place"
	}
	return "it may stand in quotes and in comments"
}

// significant drops white space, comments and hints, in place.
func significant(tokens []Token) []Token {
	return slices.DeleteFunc(tokens, func(t Token) bool { return t.Kind == Space || t.Kind == Comment || t.Kind == Hint })
}

// statementEnd returns the index of the semicolon that ends the statement that starts at tokens[i], or len(tokens).
func statementEnd(src string, tokens []Token, i int) (int, error) {
	end, err := bodyEnd(src, tokens, i)
	if err != nil {
		return 0, err
	}
	i = max(i, end)
	for i < len(tokens) && tokens[i].Kind != Semicolon {
		i++
	}
	return i, nil
}

// bodyEnd is behind the body of the statement that starts at tokens[i], 0 where it has none: after the AS of CREATE TASK, CREATE PROCEDURE,
// ALTER TASK … MODIFY AS, after EXECUTE IMMEDIATE, or the statement itself where it is DECLARE … or a BEGIN that opens no transaction.
// The engine knows bodies without $$ in tasks only; the others are read so that its own error names the whole statement.
func bodyEnd(src string, tokens []Token, i int) (int, error) {
	w := Words{src, tokens}
	switch {
	case w.Is(i, "BEGIN"), w.Is(i, "DECLARE"):
		if opensBlock(w, i) {
			return blockEnd(w, i)
		}
	case w.Is(i, "EXECUTE") && w.Is(i+1, "IMMEDIATE"):
		if opensBlock(w, i+2) {
			return blockEnd(w, i+2)
		}
	case w.Is(i, "CREATE"), w.Is(i, "ALTER"):
		kind := i + 1
		if w.Is(kind, "OR") && w.Is(kind+1, "REPLACE") {
			kind += 2
		}
		if !w.Is(kind, "TASK") && !w.Is(kind, "PROCEDURE") {
			break
		}
		depth := 0
		for j := kind + 1; j < len(tokens) && tokens[j].Kind != Semicolon; j++ {
			switch {
			case w.Symbol(j, "("):
				depth++
			case w.Symbol(j, ")"):
				depth--
			case depth == 0 && w.Is(j, "AS") && opensBlock(w, j+1):
				return blockEnd(w, j+1)
			}
		}
	}
	return 0, nil
}

// opensBlock says whether tokens[i] is a BEGIN or DECLARE that opens a block; BEGIN alone and BEGIN TRANSACTION start a transaction.
func opensBlock(w Words, i int) bool {
	if w.Is(i, "DECLARE") {
		return true
	}
	return w.Is(i, "BEGIN") && i+1 < len(w.Tokens) && w.Tokens[i+1].Kind != Semicolon && !w.Is(i+1, "TRANSACTION") && !w.Is(i+1, "WORK")
}

// block is what BEGIN, IF, LOOP … opened, and END closes.
type block uint8

const (
	blockBegin  block = iota
	blockDo           // IF, FOR, WHILE, LOOP
	blockRepeat       // REPEAT … UNTIL … END REPEAT
	blockCase         // CASE as a statement: its THEN and ELSE are followed by statements
	blockExpr         // CASE as an expression
)

// blockEnd is behind the block that opens at tokens[i].
func blockEnd(w Words, i int) (int, error) {
	var (
		open  []block
		start = i
		first = true // the next token starts a statement
		task  bool   // this statement is a CREATE TASK or ALTER TASK, whose AS may open a block
	)
	top := func() block { return open[len(open)-1] }
	for ; i < len(w.Tokens); i++ {
		t := w.Tokens[i]
		switch t.Kind {
		case Semicolon:
			first, task = true, false
			continue
		case Word:
		default:
			first = false
			continue
		}
		// A keyword after a dot or colon is a name.
		if !first && i > 0 && (w.Symbol(i-1, ".") || w.Symbol(i-1, ":")) {
			continue
		}
		was := first
		first = false
		switch word := w.Upper(i); {
		case word == "END" && len(open) > 0:
			closed := top()
			open = open[:len(open)-1]
			if closed == blockExpr {
				continue
			}
			if len(open) == 0 {
				return i + 1, nil
			}
			for _, kind := range []string{"IF", "FOR", "WHILE", "LOOP", "REPEAT", "CASE"} {
				if w.Is(i+1, kind) {
					i++
					break
				}
			}
		case was && word == "BEGIN":
			if len(open) == 0 || opensBlock(w, i) {
				open = append(open, blockBegin)
				first = true
			}
		case was && len(open) > 0 && (word == "IF" || word == "FOR" || word == "WHILE"):
			open = append(open, blockDo)
		case was && len(open) > 0 && word == "LOOP":
			open = append(open, blockDo)
			first = true
		case was && len(open) > 0 && word == "REPEAT" && !w.Symbol(i+1, "("):
			open = append(open, blockRepeat)
			first = true
		case word == "CASE" && len(open) > 0:
			if was {
				open = append(open, blockCase)
			} else {
				open = append(open, blockExpr)
			}
		case (word == "THEN" || word == "ELSE") && len(open) > 0 && top() != blockExpr && top() != blockBegin:
			first = true
		case was && (word == "CREATE" || word == "ALTER"):
			task = w.Is(i+1, "TASK") || w.Is(i+1, "OR") && w.Is(i+2, "REPLACE") && w.Is(i+3, "TASK")
		case word == "AS" && task && opensBlock(w, i+1):
			first = true
		case word == "DO" && len(open) > 0 && top() == blockDo:
			first = true
		}
	}
	at := w.Tokens[start].Start
	return 0, errorAt(w.Src, at, strings.ToUpper(w.Text(start))+" has no END",
		"close the body with END; a transaction is opened by BEGIN;")
}

// Joined reports whether the line of an offset begins like a statement though it is not the first: the one above it may lack its semicolon.
func Joined(sql string, offset int) bool {
	start := strings.LastIndexByte(sql[:offset], '\n') + 1
	words := strings.Fields(sql[start:])
	return start > 0 && len(words) > 0 && slices.Contains(beginnings, strings.ToUpper(words[0]))
}

var beginnings = []string{"ALTER", "COPY", "CREATE", "DELETE", "DROP", "GRANT", "INSERT", "MERGE", "SELECT", "TRUNCATE", "UPDATE"}
