package internal

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const module = "github.com/dbctl/dbctl/"

// The layers of the design, from the bottom up. A package may import what its rule names, and nothing else of ours.
var (
	lowest  = []string{"internal/crash", "internal/exit", "internal/databend", "internal/sqltext", "internal/sqltext/effect", "internal/sqltext/copytext", "internal/sqltext/define", "internal/event", "internal/secret", "internal/shell"}
	middle  = append([]string{"internal/project", "internal/catalog", "internal/rights", "internal/savepoint", "internal/savepoint/blame", "internal/state", "internal/state/store", "internal/state/journal", "internal/state/ledger", "internal/state/lock"}, lowest...)
	loading = append([]string{"internal/load/fault", "internal/load/source", "internal/load/session"}, middle...)
	top     = append([]string{"internal/load/draft", "internal/lint", "internal/schema", "internal/preflight", "internal/doctor", "internal/migrate", "internal/migrate/plan", "internal/load", "internal/local", "internal/ui"}, middle...)
)

var rules = map[string][]string{
	"github.com/dbctl/dbctl":    nil, // the shipped project, embedded
	"internal":                  nil,
	"internal/crash":            nil,
	"internal/exit":             nil,
	"internal/secret":           {"internal/exit", "internal/sqltext"},
	"internal/shell":            nil,
	"internal/sqltext":          nil,
	"internal/sqltext/effect":   {"internal/sqltext", "internal/sqltext/define"},
	"internal/sqltext/copytext": {"internal/sqltext"},
	"internal/sqltext/define":   {"internal/sqltext"},
	"internal/event":            {"internal/sqltext"},
	"internal/databend":         {"internal/crash", "internal/exit", "internal/secret", "internal/shell", "internal/sqltext", "internal/sqltext/effect"},
	"internal/schema":           {"internal/sqltext", "internal/sqltext/effect", "internal/sqltext/define"},
	"internal/project":          {"internal/databend", "internal/exit", "internal/secret", "internal/sqltext", "internal/sqltext/effect", "internal/sqltext/copytext"},
	"internal/catalog":          lowest,
	"internal/rights":           append([]string{"internal/catalog"}, lowest...),
	"internal/savepoint/blame":  append([]string{"internal/catalog"}, lowest...),
	"internal/savepoint":        append([]string{"internal/catalog", "internal/savepoint/blame"}, lowest...),
	"internal/state":            append([]string{"internal/state/store", "internal/state/journal", "internal/state/ledger", "internal/state/lock"}, lowest...),
	"internal/state/store":      lowest,
	"internal/state/lock":       append([]string{"internal/state/store"}, lowest...),
	"internal/state/journal":    append([]string{"internal/state/store", "internal/state/lock"}, lowest...),
	"internal/state/ledger":     append([]string{"internal/state/store", "internal/state/lock"}, lowest...),
	"internal/lint":             append([]string{"internal/project", "internal/schema"}, lowest...),
	"internal/migrate/lineage":  {"internal/sqltext", "internal/sqltext/effect"},
	"internal/migrate/plan":     middle,
	"internal/migrate/run":      append([]string{"internal/migrate/lineage", "internal/migrate/plan"}, middle...),
	"internal/migrate":          append([]string{"internal/migrate/plan", "internal/migrate/run"}, middle...),
	"internal/doctor":           append([]string{"internal/migrate/plan", "internal/migrate/run", "internal/schema"}, middle...),
	"internal/preflight":        append([]string{"internal/migrate/plan", "internal/migrate/run", "internal/lint", "internal/schema"}, middle...),
	"internal/load":             append(loading, "internal/load/plan", "internal/load/inspect", "internal/load/run", "internal/load/draft"),
	"internal/load/draft":       append(loading, "internal/load/plan"),
	"internal/load/fault":       {"internal/databend", "internal/event", "internal/exit", "internal/shell", "internal/sqltext"},
	"internal/load/source":      append([]string{"internal/load/fault", "internal/project"}, lowest...),
	"internal/load/session":     append([]string{"internal/state"}, lowest...),
	"internal/load/plan":        loading,
	"internal/load/inspect":     append(loading, "internal/load/plan"),
	"internal/load/run":         append(loading, "internal/load/plan", "internal/load/inspect"),
	"internal/ui":               middle,
	"internal/local":            {"internal/crash", "internal/secret"},
	"internal/databendtest":     {"internal/databend", "internal/local", "internal/secret", "internal/sqltext"},
	"internal/golden":           nil,
	"internal/proof":            nil,
	"internal/citydrive":        nil,
	"internal/scaffold":         {"internal/citydrive", "internal/project"},
	"internal/cli":              append([]string{"internal/scaffold"}, top...),
	"cmd/dbctl":                 {"internal/cli"},
	"cmd/citydrive-sample":      {"internal/citydrive"},
}

// owners are the modules, and the package of ours, that only some packages may import: everybody else goes through them.
var owners = map[string][]string{
	"github.com/datafuselabs/databend-go": {"internal/databend"},
	"github.com/johannesboyne/gofakes3":   {"internal/local"},
	"github.com/pressly/goose/v3":         {"internal/migrate/run"},
	"github.com/goccy/go-yaml":            {"internal/project"},
	"github.com/spf13/pflag":              {"internal/cli", "cmd/citydrive-sample"},
	"github.com/parquet-go/parquet-go":    {"internal/citydrive"},
	"github.com/rogpeppe/go-internal":     {"internal/cli"}, // diff
	"github.com/google/go-cmp":            {"internal/golden"},
	module + "internal/databendtest":      nil,
	module + "internal/golden":            nil,
}

// TestImports holds the direction of imports: cli → migrate, load, local, ui → project, savepoint, state → databend, sqltext,
// event, secret. Test files may import more: they stand outside.
func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := rules[name]
		if !known {
			t.Errorf("%s has no rule here: say what it may import", name)
			continue
		}
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s; it may import %v", name, ours, allowed)
			}
			if name == "internal" {
				continue
			}
			for prefix, allowed := range owners {
				if (imp == prefix || strings.HasPrefix(imp, prefix+"/")) && !slices.Contains(allowed, name) {
					t.Errorf("%s imports %s, which only %v may", name, imp, allowed)
				}
			}
		}
	}
}

// TestGoroutinesAreCaught: each goroutine that dbctl starts is started through crash.Caught, or what it panicked with would pass by all that
// takes secrets out.
func TestGoroutinesAreCaught(t *testing.T) {
	t.Parallel()
	caught := func(e ast.Expr) bool {
		call, ok := e.(*ast.CallExpr)
		if !ok {
			return false
		}
		name, ok := call.Fun.(*ast.SelectorExpr)
		return ok && name.Sel.Name == "Caught"
	}
	files, started := token.NewFileSet(), 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "databendtest/") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			var run ast.Expr
			switch n := n.(type) {
			case *ast.GoStmt:
				run = n.Call.Fun
			case *ast.CallExpr:
				if name, ok := n.Fun.(*ast.SelectorExpr); ok && (name.Sel.Name == "Go" || name.Sel.Name == "AfterFunc") {
					run = n.Args[len(n.Args)-1]
				}
			}
			if run != nil {
				started++
				if !caught(run) {
					t.Errorf("%s: a goroutine that is not started through crash.Caught", files.Position(n.Pos()))
				}
			}
			return true
		})
		return nil
	})
	if err != nil || started < 20 {
		t.Errorf("found %d goroutines, %v", started, err)
	}
}

// TestMap holds the README's map of the packages to those that there are.
func TestMap(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	mapped := map[string]bool{}
	for line := range strings.Lines(string(readme)) {
		if name, about, ok := strings.Cut(line, " "); ok && strings.TrimSpace(about) != "" &&
			(strings.HasPrefix(name, "internal/") || strings.HasPrefix(name, "cmd/")) {
			mapped[name] = true
		}
	}
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if !mapped[name] && strings.Contains(name, "/") && !strings.Contains(name, ".") {
			t.Errorf("the README's map lacks %s", name)
		}
		delete(mapped, name)
	}
	for name := range mapped {
		t.Errorf("the README's map has %s, which is no package", name)
	}
}

// TestLineLength: no line of the code, tests and their tables aside, is wider than a reader's window.
func TestLineLength(t *testing.T) {
	t.Parallel()
	const most = 140
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for i, line := range strings.Split(string(text), "\n") {
			if n := utf8.RuneCountInString(line); n > most {
				t.Errorf("%s:%d has %d columns, more than %d", path, i+1, n, most)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

type listed struct {
	ImportPath string
	Imports    []string // of the files that are no tests
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}
