package lint

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
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
