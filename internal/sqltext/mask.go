package sqltext

import (
	"regexp"
	"slices"
	"strings"
)

// redacted is the text inside the quotes of a masked literal.
const redacted = "[redacted]"

// Mask replaces the literals of key-like options (SECRET_ACCESS_KEY = '…', IDENTIFIED BY '…', …) by '[redacted]', in strings
// and $$…$$ too, and the user and password of URLs. A literal that holds a placeholder stays. It never fails: text that does
// not scan, as an error that quotes half a statement, is masked by pattern. Masking twice changes nothing.
func Mask(sql string) string { return maskByPattern(maskTokens(sql)) }

// Masked reports whether Mask replaced something in a text, so that it cannot be run any more.
func Masked(sql string) bool { return strings.Contains(sql, redacted) }

// SecretLiterals returns the spans [start, end) of the literals of sql that Mask would redact, wholly or in part. Text that
// does not scan has none.
func SecretLiterals(sql string) [][2]int {
	var spans [][2]int
	for _, e := range maskEdits(sql) {
		spans = append(spans, [2]int{e.Start, e.End})
	}
	return spans
}

// Secretive says whether a statement carries a secret, as a placeholder or as a key written by hand: EXPLAIN would echo it.
func Secretive(sql string) bool {
	holders, err := Placeholders(sql)
	return err != nil || len(holders) > 0 || len(maskEdits(sql)) > 0
}

func maskTokens(sql string) string { return Apply(sql, maskEdits(sql)) }

func maskEdits(sql string) []Edit {
	w, err := ReadWords(sql)
	if err != nil {
		return nil
	}
	var edits []Edit
	var option string // what the innermost list of options belongs to: HEADERS = ( … ), WEBHOOK = ( … ), CREATE CONNECTION
	bareEnd := 0      // of the last bare key
	for i, t := range w.Tokens {
		switch {
		case t.Start < bareEnd:
			continue
		case w.Symbol(i, "(") && w.Symbol(i-1, "="):
			option = w.Upper(i - 2)
		case w.Is(i, "CONNECTION") && (w.Is(i-1, "CREATE") || w.Is(i-1, "REPLACE")):
			option = "CONNECTION"
		case w.Symbol(i, ")"), t.Kind == Semicolon:
			option = ""
		}
		if end := bareKey(w, i, option); end > 0 {
			bareEnd = end
			edits = append(edits, Edit{t.Start, end, "'" + redacted + "'"})
			continue
		}
		text := w.Text(i)
		switch t.Kind {
		case String, Code, Quoted, Number:
		default:
			continue
		}
		if strings.Contains(text, secretOpen) {
			continue
		}
		if keyBefore(w, i) || valueOf(w, i, option) {
			q := text[:1]
			if t.Kind == Number || t.Kind == Code {
				q = "'"
			}
			// A quoted identifier after = is a column, save where the dialect reads it as a string: better one masked too many.
			if masked := q + redacted + q; masked != text {
				edits = append(edits, Edit{t.Start, t.End, masked})
			}
			continue
		}
		if t.Kind == String || t.Kind == Code {
			if masked, ok := maskInside(text, t.Kind); ok {
				edits = append(edits, Edit{t.Start, t.End, masked})
			}
		}
	}
	return edits
}

// bareKey is the end of the key at tokens[i] whose quotes were forgotten: it goes on to a space, a comma, a bracket or a semicolon. It is
// looked for only where a word cannot be a column; 0 means that there is none.
func bareKey(w Words, i int, option string) int {
	inQuotes := slices.Contains([]Kind{String, Code, Quoted, Secret}, w.Tokens[i].Kind)
	if inQuotes || option != "CONNECTION" && !w.Is(i-1, "BY") || !keyBefore(w, i) {
		return 0
	}
	end := 0
	for next := w.Tokens[i].Start; i < len(w.Tokens) && w.Tokens[i].Start == next; i++ {
		if w.Symbol(i, ",") || w.Symbol(i, ")") || w.Tokens[i].Kind == Semicolon {
			break
		}
		next = w.Tokens[i].End
		end = next
	}
	return end
}

// maskInside masks the text of a string or $$…$$, which may be SQL, JSON or a URL.
func maskInside(text string, kind Kind) (string, bool) {
	if len(text) < 8 || !strings.ContainsAny(text, "=:") && !strings.Contains(strings.ToUpper(text), "IDENTIFIED") {
		return "", false
	}
	value, err := Unquote(text)
	if err != nil {
		return "", false
	}
	masked := Mask(value)
	if masked == value {
		return "", false
	}
	if kind == Code && !strings.Contains(masked, "$$") {
		return "$$" + masked + "$$", true
	}
	return Quote(masked), true
}

// valueOf says whether tokens[i] is a value that is a key whatever its name: each header that a function sends, and the address of a
// webhook, which is all that one needs to call it.
func valueOf(w Words, i int, option string) bool {
	switch option {
	case "HEADERS":
		return w.Symbol(i-1, "=") || w.Symbol(i-1, "=>")
	case "WEBHOOK":
		return w.Symbol(i-1, "=") && w.Is(i-2, "URL")
	}
	return false
}

// keyBefore says whether tokens[i] is the value of a key-like option: KEY = '…', 'key' = '…', "key": "…", IDENTIFIED [WITH x] BY
// '…'.
func keyBefore(w Words, i int) bool {
	if w.Is(i-1, "BY") && i >= 2 {
		return w.Is(i-2, "IDENTIFIED") || i >= 4 && w.Is(i-3, "WITH") && w.Is(i-4, "IDENTIFIED")
	}
	if i < 2 || !w.Symbol(i-1, "=") && !w.Symbol(i-1, "=>") && !w.Symbol(i-1, ":=") && !w.Symbol(i-1, ":") && !w.Symbol(i-1, "==") {
		return false
	}
	switch key := w.Text(i - 2); w.Tokens[i-2].Kind {
	case Word:
		return isSecretKey(key)
	case String:
		name, err := Unquote(key)
		return err == nil && isSecretKey(name)
	case Quoted:
		return isSecretKey(key[1 : len(key)-1])
	}
	return false
}

// secretKeys are the names of options whose values are keys: those that the engine masks (databend
// src/common/base/src/base/string.rs), and the others that its storages, dictionaries, notifications and UDF headers take.
var secretKeys = map[string]bool{}

func init() {
	for name := range strings.FieldsSeq(`access_key access_key_id access_key_secret secret_access_key master_key account_key account_name
		password passwd pwd security_token session_token secret_id secret_key secret credential credentials external_id delegation token
		authorization authorization_header proxy_authorization api_key apikey x_api_key x_auth_token x_authorization private_key sas_token
		encryption_key passphrase cookie enterprise_license license_key awsaccesskeyid x_amz_signature x_amz_credential
		x_amz_security_token`) {
		secretKeys[strings.ReplaceAll(name, "_", "")] = true
	}
}

// isSecretKey says whether an option of this name holds a key. Every AWS_ name counts but those that are no secret anywhere.
func isSecretKey(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	if rest, ok := strings.CutPrefix(name, "aws_"); ok {
		return rest != "region" && rest != "endpoint" && rest != "endpoint_url" && rest != "role_arn"
	}
	if secretKeys[strings.ReplaceAll(name, "_", "")] { // accessKeyId
		return true
	}
	for _, suffix := range []string{"_password", "_secret", "_token", "_secret_key", "_access_key", "_api_key", "_private_key"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

var (
	// keyWord matches what may be the name of an option.
	keyWord = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_-]*`)
	// keyValue matches what follows one: a separator and a literal, which may lack its end; quotes may be escaped or doubled,
	// as in a string that holds SQL.
	keyValue = regexp.MustCompile("^\\\\?[\"'`]{0,2}\\s*(?:=>|:=|==|=|:)\\s*(?:Some\\()?(" + anyLiteral + ")")
	byValue  = regexp.MustCompile(`^(?:\s+WITH\s+\S+|\s+with\s+\S+)?\s+(?i:BY)\s+(` + anyLiteral + `)`)
	// bareValue matches a parameter of a URL.
	bareValue = regexp.MustCompile(`^=([^\s&;'",)]+)`)
	// signed matches what a signature is made of: hexadecimal digits or base64. Under the names of signature they are columns as well.
	signed   = regexp.MustCompile(`^=([A-Za-z0-9%+/_-]{16,}=*)`)
	userInfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)([^\s/'"@?#]+)@`)
	// webhook matches an address that whoever knows it may call: its host, and the path that is the key.
	webhook = regexp.MustCompile(`(?i)(https?://(?:hooks?\.[^\s/'"]+|[^\s/'"]*\.webhook\.office\.com|[^\s'"?]+/(?:web)?hooks?|` +
		`[^\s/'"]*logic\.azure\.com)/)([^\s'"\\[][^\s'"\\]*)`)
)

// urlKey says whether a parameter of this name signs a URL, whosever it is: X-Amz-Signature, x-oss-credential, sig. Outside of a URL such a
// name may mean something else.
func urlKey(name string) bool {
	name = strings.ToLower(name)
	switch last := name[strings.LastIndexByte(name, '-')+1:]; last {
	case "sig", "signature", "awsaccesskeyid", "ossaccesskeyid":
		return true
	default:
		return last == "credential" && last != name
	}
}

// anyLiteral matches what stands between single or double quotes, with or without backslashes before them or an end behind it, or
// between doubled single quotes.
const anyLiteral = `\\'(?s:.*?)(?:\\'|$)|''[^'\s,;)][^']*''|'(?:[^'\\]|\\(?s:.)|'')*(?:'|\\?$)|` +
	`\\"(?s:.*?)(?:\\"|$)|"(?:[^"\\]|\\(?s:.)|"")*(?:"|\\?$)`

// maskByPattern masks without reading tokens.
func maskByPattern(text string) string {
	if !strings.ContainsAny(text, "=:") && !strings.Contains(strings.ToUpper(text), "IDENTIFIED") {
		return text
	}
	text = webhook.ReplaceAllString(userInfo.ReplaceAllString(text, "${1}"+redacted+"@"), "${1}"+redacted)
	var b strings.Builder
	from := 0
	for _, at := range keyWord.FindAllStringIndex(text, -1) {
		if at[0] < from {
			continue
		}
		word, rest := text[at[0]:at[1]], text[at[1]:]
		parameter := at[0] > 0 && strings.IndexByte("?&;", text[at[0]-1]) >= 0
		var m []int
		switch {
		case strings.EqualFold(word, "IDENTIFIED"):
			m = byValue.FindStringSubmatchIndex(rest)
		case urlKey(word):
			if m = signed.FindStringSubmatchIndex(rest); m == nil && parameter {
				m = bareValue.FindStringSubmatchIndex(rest)
			}
			if m == nil && isSecretKey(word) {
				m = keyValue.FindStringSubmatchIndex(rest)
			}
		case isSecretKey(word):
			if m = keyValue.FindStringSubmatchIndex(rest); m == nil && parameter {
				m = bareValue.FindStringSubmatchIndex(rest)
			}
		}
		if m == nil {
			continue
		}
		value := rest[m[2]:m[3]]
		if strings.Contains(value, secretOpen) {
			continue
		}
		b.WriteString(text[from : at[1]+m[2]])
		b.WriteString(redactLike(value))
		from = at[1] + m[3]
	}
	b.WriteString(text[from:])
	return b.String()
}

// redactLike returns the redacted text between the quotes of literal.
func redactLike(literal string) string {
	for _, q := range []string{`\'`, `\"`, `''`, `'`, `"`} {
		if strings.HasPrefix(literal, q) {
			if q == "''" && (len(literal) < 5 || !strings.HasSuffix(literal, q)) {
				continue
			}
			return q + redacted + q
		}
	}
	return redacted
}
