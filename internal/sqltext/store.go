package sqltext

import (
	"slices"
	"strings"
)

// Store is an object store that stands in for S3: where a statement says no endpoint, its S3 locations and connections go there.
type Store struct{ Endpoint, Region, Key, Secret string }

// replaced are the options of an S3 connection that give way to the store's own: who asks, and how its addresses are written.
var replaced = []string{
	"ACCESS_KEY_ID", "AWS_KEY_ID", "SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "SESSION_TOKEN", "AWS_TOKEN", "SECURITY_TOKEN", "ROLE_ARN",
	"EXTERNAL_ID",
	"ENABLE_VIRTUAL_HOST_STYLE",
}

// Edits are what leads the S3 locations and connections of a statement to the store, in order. One that names another endpoint, or a
// connection (CONNECTION_NAME), is left as it is: so are statements that do not scan.
func (s Store) Edits(sql string) []Edit {
	if indexFold(sql, "s3", 0) < 0 {
		return nil
	}
	w, _ := ReadWords(sql) // what does not scan has no words
	p := &Reader{Words: w}
	if p.Take("CREATE") {
		p.Take("OR", "REPLACE")
		if p.Take("CONNECTION") {
			return s.connection(w, p.I)
		}
	}
	var edits []Edit
	for i := range w.Tokens {
		switch {
		case isS3(w, i) && takesConnection(w, i) && !connectionFollows(w, i):
			end := w.Tokens[i].End
			edits = append(edits, Edit{end, end, " CONNECTION = (" + strings.TrimSpace(s.written("=", nil)) + ")"})
		case w.Is(i, "CONNECTION") && (w.Symbol(i+1, "=") || w.Symbol(i+1, "=>")) && w.Symbol(i+2, "(") && followsS3(w, i):
			edits = append(edits, s.options(w, i+3, bracketEnd(w, i+2), w.Text(i+1))...)
		}
	}
	return edits
}

// connection are the edits of CREATE CONNECTION, whose options begin after the name.
func (s Store) connection(w Words, from int) []Edit {
	for i := from; i < len(w.Tokens); i++ {
		if w.Is(i, "STORAGE_TYPE") && w.Symbol(i+1, "=") && i+2 < len(w.Tokens) && strings.EqualFold(strings.Trim(w.Text(i+2), `'"`), "s3") {
			return s.options(w, i+3, len(w.Tokens), "=")
		}
	}
	return nil
}

// options are the edits of the options in tokens[from:end], which say KEY = value, or KEY => value where equal is that.
func (s Store) options(w Words, from, end int, equal string) []Edit {
	var edits []Edit
	said := map[string]bool{}
	for i := from; i+2 < end+1 && i+2 < len(w.Tokens); i++ {
		if !w.Symbol(i+1, "=") && !w.Symbol(i+1, "=>") {
			continue
		}
		key, kind := strings.ToUpper(strings.Trim(w.Text(i), "`'\"")), w.Tokens[i+2].Kind
		said[key] = true
		switch {
		case slices.Contains(replaced, key) && kind != String && kind != Secret && key != "ENABLE_VIRTUAL_HOST_STYLE":
			return nil // a mistake, which the engine is to find as a server does
		case key == "CONNECTION_NAME", key == "ENDPOINT_URL" && unquoted(w.Text(i+2)) != s.Endpoint:
			return nil
		case slices.Contains(replaced, key):
			stop := w.Tokens[i+2].End
			if w.Symbol(i+3, ",") {
				stop = w.Tokens[i+3].End
			}
			edits = append(edits, Edit{w.Tokens[i].Start, stop, ""})
		}
	}
	at := w.Tokens[from-1].End
	return slices.Insert(edits, 0, Edit{at, at, " " + s.written(equal, said)})
}

// written are the options that lead to the store, without those that are said already.
func (s Store) written(equal string, said map[string]bool) string {
	var parts []string
	for _, o := range [][2]string{
		{"ENDPOINT_URL", s.Endpoint},
		{"REGION", s.Region},
		{"ACCESS_KEY_ID", s.Key},
		{"SECRET_ACCESS_KEY", s.Secret},
	} {
		if slices.Contains(replaced, o[0]) || !said[o[0]] {
			parts = append(parts, o[0]+" "+equal+" "+Quote(o[1]))
		}
	}
	if equal == "=>" {
		return strings.Join(parts, ", ") + ", "
	}
	return strings.Join(parts, " ") + " "
}

// Buckets are the names of the S3 buckets that a statement's locations name.
func Buckets(sql string) []string {
	if indexFold(sql, "s3:", 0) < 0 {
		return nil
	}
	var names []string
	seen := map[string]bool{}
	w, _ := ReadWords(sql) // what does not scan has no words
	for i := range w.Tokens {
		if isS3(w, i) {
			name, _, _ := strings.Cut(unquoted(w.Text(i))[len("s3://"):], "/")
			if name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

func isS3(w Words, i int) bool {
	return w.Tokens[i].Kind == String && len(unquoted(w.Text(i))) > len("s3://") &&
		strings.EqualFold(unquoted(w.Text(i))[:len("s3://")], "s3://")
}

// followsS3 reports whether the location before tokens[i], to which a CONNECTION there belongs, is one of S3.
func followsS3(w Words, i int) bool {
	for j := i - 1; j >= 0; j-- {
		if w.Tokens[j].Kind == String && strings.Contains(w.Text(j), "://") {
			return isS3(w, j)
		}
	}
	return false
}

// takesConnection reports whether the location at i is one that takes CONNECTION = (…): a stage's URL, or where a COPY reads or writes.
func takesConnection(w Words, i int) bool {
	return w.Symbol(i-1, "=") && w.Is(i-2, "URL") || w.Is(0, "COPY") && (w.Is(i-1, "FROM") || w.Is(i-1, "INTO"))
}

// connectionFollows reports whether a CONNECTION of its own stands behind the location at i.
func connectionFollows(w Words, i int) bool {
	for j := i + 1; j < len(w.Tokens); j++ {
		if isS3(w, j) {
			return false
		}
		if w.Is(j, "CONNECTION") && w.Symbol(j+1, "=") {
			return true
		}
	}
	return false
}

// bracketEnd is the index of the bracket that closes the one at i.
func bracketEnd(w Words, i int) int {
	p := &Reader{Words: w, I: i}
	if p.SkipBrackets() {
		return p.I - 1
	}
	return len(w.Tokens)
}

func unquoted(literal string) string {
	if v, err := Unquote(literal); err == nil {
		return v
	}
	return literal
}
