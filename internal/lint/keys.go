package lint

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

var secretLiteral = Rule{
	Name: "secret-literal", Level: Error,
	Short: "a literal or a comment that looks like a key",
	Why: "A key in a file is in the repository's history for good, and in the journal of every warehouse. The literals of options that " +
		"hold keys, keys of known shapes (AKIA…, ghp_…, -----BEGIN PRIVATE KEY-----), and long random texts are found.",
	text: secretsIn,
	whole: func(p *pass) {
		for _, m := range p.migrations {
			p.keysInComments(m.Path, m.Text)
		}
		for i := range p.Loads {
			p.keysInComments(p.Loads[i].Path, p.text(p.Loads[i].Path))
		}
		for _, line := range keyLines(p.text(project.ConfigFile)) {
			p.add(sqltext.Place{File: project.ConfigFile, Line: line, Column: 1}, nil, "this looks like a key, and stands in clear",
				"put it into the environment, and name it under secrets: or in password:")
		}
	},
}

var unfilledPlaceholder = Rule{
	Name: "unfilled-placeholder", Level: Warning,
	Short: "${NAME} in a literal",
	Why: "Other tools fill it from the environment. dbctl fills templates only, and sends ${NAME} as it stands: a key that is wrong, " +
		"a bucket that is not there.",
	text: func(sql string, report Report) {
		words, err := sqltext.ReadWords(sql)
		if err != nil {
			return
		}
		for i, t := range words.Tokens {
			if name := variable.FindString(words.Text(i)); t.Kind == sqltext.String && name != "" {
				report(t.Start, "dbctl does not fill "+name, `write {{ var "name" }} in its place, with the value under vars: in `+
					`dbctl.yaml; for a key {{ secret "NAME" }}, without quotes around it`)
			}
		}
	},
}

// variable matches what shells and other tools fill.
var variable = regexp.MustCompile(`\$\{[A-Z][A-Z0-9_]*\}`)

// secretsIn reports the literals of a statement that are keys by the option that they stand in, by their shape, or by their entropy.
func secretsIn(sql string, report Report) {
	const hint = `write {{ secret "NAME" }} in its place, give NAME its value in the environment, and make the key void: ` +
		"it is in the repository's history"
	seen := map[int]bool{}
	words, err := sqltext.ReadWords(sql)
	if err != nil {
		return
	}
	for _, span := range sqltext.SecretLiterals(sql) {
		text := strings.Trim(sql[span[0]:span[1]], "'\"`$")
		i := slices.IndexFunc(words.Tokens, func(t sqltext.Token) bool { return t.Start == span[0] })
		if isPlaceholder(text) || words.Is(i-2, "EXTERNAL_ID") && !random(text) { // an external id is a name, which AWS calls no secret
			continue
		}
		seen[span[0]] = true
		report(span[0], "a key stands here as a literal", hint)
	}
	for i, t := range words.Tokens {
		if t.Kind != sqltext.String && t.Kind != sqltext.Code || seen[t.Start] {
			continue
		}
		text, err := sqltext.Unquote(words.Text(i))
		switch {
		case err != nil || strings.Contains(text, "{{"):
		case keyShape.MatchString(text), t.Kind == sqltext.String && random(text):
			report(t.Start, "this literal looks like a key", hint)
		}
	}
}

// keysInComments finds keys of known shapes in the comments of a file. Those in statements are found there.
func (p *pass) keysInComments(path, text string) {
	tokens, err := sqltext.Scan(text)
	if err != nil {
		return
	}
	for _, t := range tokens {
		if t.Kind != sqltext.Comment {
			continue
		}
		if at := keyShape.FindStringIndex(text[t.Start:t.End]); at != nil {
			p.add(sqltext.PosAt(text, t.Start+at[0]).In(path), nil, "this comment holds what looks like a key",
				"take it out, and make the key void: it is in the repository's history")
		}
	}
}

// keyLines are the lines of dbctl.yaml that hold a key: one of a known shape, a random text, or the value of a name that keys have.
func keyLines(text string) []int {
	var lines []int
	for i, line := range strings.Split(text, "\n") {
		if keyShape.MatchString(line) || slices.ContainsFunc(yamlPair.FindAllStringSubmatch(line, -1), isKeyPair) {
			lines = append(lines, i+1)
		}
	}
	return lines
}

// yamlPair matches name: value, and secretName what names a secret, or stands in the place of a value.
var (
	yamlPair   = regexp.MustCompile(`([A-Za-z_][\w-]*)["']?\s*:\s+["']?([^\s"',{}\[\]#]+)`)
	secretName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

func isKeyPair(pair []string) bool {
	name, value := pair[1], pair[2]
	switch {
	case random(value):
		return true
	case name == "password", name == "access_token", secretName.MatchString(value), isPlaceholder(value): // they hold a secret's name
		return false
	}
	return len(sqltext.SecretLiterals(name+" = 'any value'")) > 0
}

// keyShape matches keys that can be told by their look: of AWS, GitHub, GitLab, Slack, Stripe, Google, OpenAI, npm, Databend Cloud's
// JWTs, and PEM.
var keyShape = regexp.MustCompile(`\b(AKIA|ASIA|AIDA|AROA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_\w{22,}|` +
	`\bglpat-[\w-]{20,}|` +
	`\bxox[abprs]-[\w-]{10,}|\b[sr]k_(live|test)_[A-Za-z0-9]{16,}|\bAIza[\w-]{35}|\bsk-[A-Za-z0-9_-]{32,}|` +
	`\bnpm_[A-Za-z0-9]{36}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}|` +
	`-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAccountKey=[A-Za-z0-9+/=]{40,}`)

// blank matches the name of what goes there: <your-key>, {password}, ${KEY}.
var blank = regexp.MustCompile(`<[^>]*>|\{[\w .-]+\}`)

// isPlaceholder says whether a text only shows where a key goes: as blank matches it, ****, xxxx.
func isPlaceholder(text string) bool {
	return blank.MatchString(text) || strings.Contains(strings.ToLower(text), "your") || strings.Trim(text, "*xX.-… \t\n") == ""
}

// random says whether a text is one long word of letters and digits mixed as only chance mixes them.
func random(text string) bool {
	const shortest, bits = 32, 4.2
	if len(text) < shortest || len(text) > 256 {
		return false
	}
	var upper, lower, digit int
	counts := map[rune]int{}
	for _, r := range text {
		switch {
		case r > unicode.MaxASCII:
			return false
		case unicode.IsUpper(r):
			upper++
		case unicode.IsLower(r):
			lower++
		case unicode.IsDigit(r):
			digit++
		case !strings.ContainsRune("+/=_-", r):
			return false
		}
		counts[r]++
	}
	if upper < 4 || lower < 4 || digit < 3 || strings.Count(text, "/")+strings.Count(text, "_")+strings.Count(text, "-") > 4 {
		return false
	}
	entropy := 0.0
	for _, n := range counts {
		share := float64(n) / float64(len(text))
		entropy -= share * math.Log2(share)
	}
	return entropy >= bits
}
