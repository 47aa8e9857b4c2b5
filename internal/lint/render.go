package lint

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
)

// GitHub writes findings as workflow commands, which GitHub shows beside the lines of a pull request. prefix is the project's folder
// below the repository's.
func GitHub(findings []event.Finding, prefix string) string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "::%s ", f.Level)
		if f.File != "" {
			fmt.Fprintf(&b, "file=%s,", property.Replace(path.Join(prefix, f.File)))
		}
		if f.Line > 0 {
			fmt.Fprintf(&b, "line=%d,", f.Line)
		}
		if f.Column > 0 {
			fmt.Fprintf(&b, "col=%d,", f.Column)
		}
		message := f.Message
		if f.Hint != "" {
			message += "\nhint: " + f.Hint
		}
		fmt.Fprintf(&b, "title=%s::%s\n", property.Replace("dbctl lint: "+f.Rule), data.Replace(message))
	}
	return b.String()
}

// SARIF writes findings as SARIF 2.1.0, which code scanning services read.
func SARIF(findings []event.Finding, version, prefix string) string {
	type text struct {
		Text string `json:"text"`
	}
	type ruleInfo struct {
		ID      string            `json:"id"`
		Short   text              `json:"shortDescription"`
		Full    text              `json:"fullDescription"`
		Default map[string]string `json:"defaultConfiguration"`
	}
	type region struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	type location struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region *region `json:"region,omitempty"`
		} `json:"physicalLocation"`
	}
	type result struct {
		RuleID    string     `json:"ruleId"`
		RuleIndex int        `json:"ruleIndex"`
		Level     string     `json:"level"`
		Message   text       `json:"message"`
		Locations []location `json:"locations,omitempty"`
	}
	infos, index := []ruleInfo{}, map[string]int{}
	for i, r := range rules {
		index[r.Name] = i
		infos = append(infos, ruleInfo{r.Name, text{sentence(r.Short)}, text{r.Why}, map[string]string{"level": string(r.Level)}})
	}
	results := []result{}
	for _, f := range findings {
		res := result{RuleID: f.Rule, RuleIndex: index[f.Rule], Level: f.Level, Message: text{f.Message}}
		if f.Hint != "" {
			res.Message.Text += ". hint: " + f.Hint
		}
		if f.File != "" {
			var l location
			l.Physical.Artifact.URI = (&url.URL{Path: path.Join(prefix, f.File)}).EscapedPath()
			if f.Line > 0 {
				l.Physical.Region = &region{f.Line, f.Column}
			}
			res.Locations = []location{l}
		}
		results = append(results, res)
	}
	doc := map[string]any{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []any{map[string]any{
			"tool":       map[string]any{"driver": map[string]any{"name": "dbctl lint", "version": version, "rules": infos}},
			"columnKind": "unicodeCodePoints",
			"results":    results,
		}},
	}
	out, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // only texts and numbers
	}
	return string(out) + "\n"
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// List names each rule with its level and what it finds, for `dbctl lint --rules`.
func List() string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%-7s  %-22s %s\n", r.Level, r.Name, r.Short)
	}
	return b.String()
}

// markdown is docs/lint.md.
func markdown() string {
	var b strings.Builder
	b.WriteString(`# The rules of dbctl lint

This page is written from the rules themselves (` + "`go test ./internal/lint -update`" + `).

` + "`dbctl lint`" + ` reads the whole project and finds everything at once; it asks no server and needs no secret. It
exits with 1 when there is an error, with 0 when there are only warnings (` + "`--strict`" + `: 1).
` + "`--format json|sarif|github`" + ` writes for programs,
` + "`--base REF`" + ` compares the versions with those of another git commit.

A rule is silenced where it is wrong, with a reason:

` + "```sql" + `
DROP TABLE staging_orders; -- dbctl: lint-ignore=drop-table "filled anew every night"

-- dbctl: lint-ignore=empty-table,narrow-column "rows until 2020 are wrong anyway"
DELETE FROM orders;
` + "```" + `

On the first or last line of a statement, or on a line of its own above it, it silences the rules in that statement; above
` + "`-- +goose Up`" + `, or above the COPY of a load, in the file. One that silences nothing is found itself.

| rule | level | finds |
|---|---|---|
`)
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](#%[1]s) | %s | %s |\n", r.Name, r.Level, r.Short)
	}
	for _, r := range rules {
		fmt.Fprintf(&b, "\n## %s\n\n%s: %s.\n\n%s\n", r.Name, sentence(string(r.Level))[:len(r.Level)], r.Short, r.Why)
		if r.Bad != "" {
			fmt.Fprintf(&b, "\nFound:\n\n```sql\n%s\n```\n\nNot found:\n\n```sql\n%s\n```\n", strings.TrimSpace(r.Bad),
				strings.TrimSpace(r.Good))
		} else {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.TrimSpace(r.Shown))
		}
	}
	return b.String()
}

// exampleFiles takes an example apart. It holds the files of a project, each below a line "-- migrations/….sql" or "-- loads/….sql";
// without such a line it is one migration. A migration without annotations is its Up section, and its Down section is empty.
func exampleFiles(example string) map[string]string {
	files := map[string]string{}
	name := project.MigrationsDir + "/00001_example.sql"
	for line := range strings.Lines(example + "\n") {
		if file, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(file, ".sql") &&
			strings.Contains(file, "/") {
			name = file
			continue
		}
		files[name] += line
	}
	for name, text := range files {
		if !strings.HasPrefix(name, project.MigrationsDir+"/") {
			continue
		}
		if !strings.Contains(text, "-- +goose Up") {
			header, rest := "", text
			for strings.HasPrefix(rest, "-- dbctl: allow") {
				line, after, _ := strings.Cut(rest, "\n")
				header, rest = header+line+"\n", after
			}
			text = header + "-- +goose Up\n" + rest
			if !strings.Contains(text, "-- +goose Down") {
				text += "-- +goose Down\n"
			}
		}
		files[name] = text
	}
	return files
}
