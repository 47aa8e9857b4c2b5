package project

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/golden"
)

// TestConfigReference holds docs/config.md and the JSON schema to the keys that are read.
func TestConfigReference(t *testing.T) {
	t.Parallel()
	golden.Check(t, "../../docs/config.md", configReference())
	golden.Check(t, "../../docs/dbctl.schema.json", configSchema(t))
}

func configReference() string {
	var b strings.Builder
	b.WriteString("# dbctl.yaml\n\nThis page is written from the keys that dbctl reads. An unknown key is an error, with line and " +
		"column. Editors check the file by\n" +
		"[dbctl.schema.json](dbctl.schema.json): copy that beside your dbctl.yaml, and put\n`# yaml-language-server: $schema=dbctl.schema.json` into its first line.\n")
	for _, part := range []struct {
		title string
		keys  []key
	}{{"The file", topKeys}, {"environments: NAME:", environmentKeys}, {"secrets: NAME:", sourceKeys}} {
		fmt.Fprintf(&b, "\n## %s\n\n| key | value | |\n|---|---|---|\n", part.title)
		for _, k := range part.keys {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, strings.ReplaceAll(string(k.form), "|", "\\|"), strings.ReplaceAll(k.about,
				"|", "\\|"))
		}
	}
	return b.String()
}

func configSchema(t *testing.T) string {
	t.Helper()
	type object = map[string]any
	text := object{"type": "string"}
	plain := object{"type": []string{"string", "number", "boolean"}}
	var properties func([]key) object
	var forms map[form]object
	properties = func(keys []key) object {
		all := object{}
		for _, k := range keys {
			one := object{"description": k.about}
			for name, value := range forms[k.form] {
				one[name] = value
			}
			all[k.name] = one
		}
		return object{"type": "object", "additionalProperties": false, "properties": all}
	}
	fromEnv := object{"type": "object", "additionalProperties": false, "required": []string{"env"}, "properties": object{"env": text}}
	forms = map[form]object{
		formText: plain, formTime: text, formNumber: {"type": "integer"}, formSwitch: {"type": "boolean"},
		formEngine:  {"const": "embedded"},
		formFiles:   {"oneOf": []object{text, {"type": "array", "items": text}}},
		formFolders: {"oneOf": []object{text, {"type": "object", "additionalProperties": text}}},
		formWords:   {"type": "array", "items": text},
		formVars:    {"type": "object", "additionalProperties": object{"oneOf": []object{plain, fromEnv}}},
	}
	forms[formSecrets] = object{"type": "object", "additionalProperties": properties(sourceKeys)}
	forms[formEnvs] = object{"type": "object", "additionalProperties": properties(environmentKeys)}
	schema := properties(topKeys)
	schema["$schema"], schema["title"], schema["required"] = "http://json-schema.org/draft-07/schema#", "dbctl.yaml", []string{"project"}
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}
