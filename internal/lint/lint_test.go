package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
)

// write makes a project of files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if files[project.ConfigFile] == "" {
		files[project.ConfigFile] = "project: example\ndefault_env: local\nenvironments:\n  local: { engine: embedded }\n"
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lint returns the findings of a project of files.
func lint(t *testing.T, files map[string]string) []event.Finding {
	t.Helper()
	p, err := project.Open(project.Options{Dir: write(t, files), NoEnv: true})
	if err != nil {
		t.Fatal(err)
	}
	return Run(p, Options{})
}

// of keeps the findings of one rule.
func of(rule string, findings []event.Finding) []event.Finding {
	var kept []event.Finding
	for _, f := range findings {
		if f.Rule == rule {
			kept = append(kept, f)
		}
	}
	return kept
}

// TestExamples holds each rule to the example that it finds and the one that it does not, as docs/lint.md shows them; and each finding
// to a place, a message and a hint.
func TestExamples(t *testing.T) {
	t.Parallel()
	for name := range examples() {
		if rule, _, _ := strings.Cut(name, "/"); find(rule) == nil {
			t.Errorf("%s is an example of no rule", name)
		}
	}
	for _, r := range rules {
		x := exampleOf(r.Name)
		if (x.bad == "") == (x.shown == "") {
			t.Errorf("%s has no example, or two", r.Name)
		}
		if x.bad == "" {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			found := of(r.Name, lint(t, exampleFiles(x.bad)))
			if len(found) == 0 {
				t.Errorf("nothing is found in\n%s", x.bad)
			}
			for _, f := range found {
				if f.Line < 1 || f.Column < 1 || f.Message == "" || f.Hint == "" || f.Level == string(Error) && r.Level == Warning &&
					r.Name != "stage-slash" {
					t.Errorf("%+v", f)
				}
			}
			if wrong := of(r.Name, lint(t, exampleFiles(x.good))); len(wrong) > 0 {
				t.Errorf("found in\n%s\n%+v", x.good, wrong)
			}
		})
	}
}

// TestShipped: the project in this repository has no finding.
func TestShipped(t *testing.T) {
	t.Parallel()
	p, err := project.Open(project.Options{Dir: "../..", NoEnv: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Run(p, Options{}) {
		t.Errorf("%+v", f)
	}
}

// lines writes findings as "file:line rule".
func lines(findings []event.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s:%d %s\n", filepath.Base(f.File), f.Line, f.Rule)
	}
	return b.String()
}

func oneFinding(f event.Finding) []event.Finding { return []event.Finding{f} }
