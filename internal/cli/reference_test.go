package cli

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/golden"
)

// TestReference holds docs/cli.md and docs/json.md to the code: `go test ./internal/cli -run TestReference -update` writes them anew.
func TestReference(t *testing.T) {
	t.Parallel()
	golden.Check(t, "../../docs/cli.md", cliReference())
	golden.Check(t, "../../docs/json.md", jsonReference(t))
}

// cliReference is every help text.
func cliReference() string {
	var b strings.Builder
	b.WriteString("# The command line\n\nThis page is the help texts of dbctl (`dbctl help COMMAND`), written from the code.\n\n```\n" + strings.TrimSpace(overview()) + "\n```\n")
	for _, c := range commands() {
		if c.hidden || c.bind == nil {
			continue
		}
		var text strings.Builder
		text.WriteString(commandHelp(c))
		// The global flags stand above, once.
		before, rest, _ := strings.Cut(text.String(), "\nGLOBAL FLAGS\n")
		_, exits, _ := strings.Cut(rest, "\nEXIT STATUS\n")
		fmt.Fprintf(&b, "\n## dbctl %s\n\n```\n%s\nEXIT STATUS\n%s\n```\n", c.name, before, strings.TrimRight(exits, "\n"))
	}
	return b.String()
}

// jsonTypes are the types of lines that --json writes, and the struct of package event or ui that each is.
var jsonTypes = []struct{ line, file, structure string }{
	{"target", "../event/event.go", "Target"},
	{"note", "../event/event.go", "Note"},
	{"statement", "../event/event.go", "Statement"},
	{"migration", "../event/event.go", "Migration"},
	{"file", "../event/event.go", "File"},
	{"load", "../event/event.go", "LoadState"},
	{"preview", "../event/event.go", "Preview"},
	{"rollback", "../event/event.go", "Rollback"},
	{"progress", "../event/event.go", "Progress"},
	{"finding", "../event/event.go", "Finding"},
	{"check", "../event/event.go", "Check"},
	{"load_run", "../event/event.go", "LoadRun"},
	{"lock", "unlock.go", "lockLine"},
	{"dev", "dev.go", "devState"},
	{"version", "version.go", "build"},
	{"summary", "../event/event.go", "Summary"},
	{"error", "../ui/ui.go", "Failure"},
}

// jsonSmall are the types of lines that are no struct.
var jsonSmall = []struct{ line, about, fields string }{
	{"created", "A file that init, migrate create, migrate restore or load create wrote.", "path"},
	{"kept", "A file that init found there.", "path"},
	{"load_text", "The load that load create writes.", "path, sql"},
	{"migration_text", "The migration of its table.", "sql"},
	{"row", "A row of a query of sql; its values stand under the names of the columns.", "statement, row"},
	{
		"result", "The end of a query of sql: how many rows it gave; of another statement, how many it wrote (affected).",
		"statement, query_id, rows, columns, types, affected",
	},
	{"diff", "What show --diff found.", "version, diff"},
	{"dsn", "The address that dev dsn gives, with its password.", "dsn"},
}

// Every type of line that a command or package ui writes is in docs/json.md.
func TestReferenceHasEveryType(t *testing.T) {
	t.Parallel()
	page := jsonReference(t)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../ui/json.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:\.Record\(|case event\.\w+:\n\t\treturn )"(\w+)"`).FindAllSubmatch(text, -1) {
			if name := string(m[1]); !strings.Contains(page, "## "+name+"\n") {
				t.Errorf("%s writes lines of the type %s, which the page does not have", file, name)
			}
		}
	}
}

// jsonReference is read from the structs' own fields and comments.
func jsonReference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# What --json writes\n\n" +
		"This page is written from the code. One object a line on stdout, and nothing on stderr; it stays whole when lines of type `progress` are dropped.\n" +
		"Every line begins with `v` (1), `type`, `ts` (UTC), `run` (the run's id), `project`, `env` and `database`. Fields that may be missing are marked.\n")
	for _, line := range jsonTypes {
		about, fields := structOf(t, line.file, line.structure)
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | type | |\n|---|---|---|\n", line.line, about)
		if line.line == "target" {
			b.WriteString("| `host` | string | |\n")
			continue
		}
		for _, f := range fields {
			b.WriteString(f)
		}
	}
	for _, line := range jsonSmall {
		fmt.Fprintf(&b, "\n## %s\n\n%s Fields: `%s`.\n", line.line, line.about, strings.ReplaceAll(line.fields, ", ", "`, `"))
	}
	return b.String()
}

// structOf returns a struct's comment, and a table's line for each field with a JSON name.
func structOf(t *testing.T, path, name string) (about string, fields []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, s := range g.Specs {
			spec := s.(*ast.TypeSpec)
			structure, ok := spec.Type.(*ast.StructType)
			if spec.Name.Name != name || !ok {
				continue
			}
			about = strings.Join(strings.Fields(g.Doc.Text()), " ")
			if is, ok := strings.CutPrefix(about, name+" is "); ok { // a name of the code tells a reader of the page nothing
				about = strings.ToUpper(is[:1]) + is[1:]
			}
			for _, f := range structure.Fields.List {
				if len(f.Names) == 0 { // the fields of a place
					_, place := structOf(t, "../sqltext/place.go", "Place")
					fields = append(fields, place...)
				}
				if f.Tag == nil {
					continue
				}
				tag, options, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
				if tag == "" || tag == "-" {
					continue
				}
				comment := strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
				if options == "omitempty" {
					comment = strings.TrimSuffix("may be missing; "+comment, "; ")
				}
				fields = append(fields, fmt.Sprintf("| `%s` | %s | %s |\n", tag, jsonType(f.Type), strings.ReplaceAll(comment, "|", "\\|")))
			}
			return about, fields
		}
	}
	t.Fatalf("there is no struct %s", name)
	return "", nil
}

// jsonType is what a Go type is in JSON.
func jsonType(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return jsonType(e.X) + " or null"
	case *ast.ArrayType:
		return "array of " + jsonType(e.Elt)
	case *ast.MapType:
		return "object: " + jsonType(e.Value) + " by name"
	case *ast.SelectorExpr:
		return "time (RFC 3339)"
	case *ast.Ident:
		switch e.Name {
		case "string":
			return "string"
		case "bool":
			return "true or false"
		case "int", "int64", "float64":
			return "number"
		case "Object":
			return "object: kind and name"
		}
		return "string"
	}
	return "value"
}
