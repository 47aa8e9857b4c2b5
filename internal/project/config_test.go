package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/exit"
)

// FuzzConfig reads any dbctl.yaml: a config or an *Error, and no error quotes a value.
func FuzzConfig(f *testing.F) {
	shipped, err := os.ReadFile(filepath.Join(root, ConfigFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(shipped))
	for _, seed := range []string{
		devConfig, "", "project: p", "- a", "a: &a { <<: *a }", "project: |\n  x\n", "vars: { a: !!str 1, b: ~, c: .inf, d: 0x1f, e: 2026-01-01 }", "%YAML 1.2\n---\nproject: p",
		"project: p\nsecrets: { A: hunter2 }", "project: p\nenvironments: { a: { password: \"hunter2 \" } }", "? a\n: b\n", "project: \"\\u00e9\"", "&a a: *a",
		"project: p\nenvironments: { a: { dsn: 'databend://hunter2@h:1/d?x=%' } }", "\ufeffproject: p\n", "project: p # c\n...\n", "? [a]\n: hunter2\n",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, ConfigFile)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readConfig(path)
		if err == nil {
			return
		}
		for _, one := range exit.Each(err) {
			if _, ok := one.(*Error); !ok {
				t.Fatalf("got %T: %v", one, one)
			}
		}
		if strings.Contains(err.Error(), "hunter2") && strings.Count(text, "hunter2") == 1 && !strings.Contains(text, "hunter2:") && strings.Contains(text, ": hunter2") {
			t.Fatalf("the error quotes a value: %v", err)
		}
	})
}
