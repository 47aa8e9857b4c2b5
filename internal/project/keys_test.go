package project

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/golden"
)

// key is one key of dbctl.yaml, and what docs/config.md and docs/dbctl.schema.json say of it.
type key struct {
	name  string
	form  form
	about string
}

// form is what stands behind a key.
type form string

const (
	formText    form = "text"
	formNumber  form = "number"
	formSwitch  form = "true or false"
	formTime    form = "a time such as 90s or 10m"
	formFiles   form = "a file, or a list of them"
	formFolders form = "a folder, or bucket: folder"
	formVars    form = "name: value, or name: { env: NAME }"
	formSecrets form = "name: { env | file | command, json }"
	formEngine  form = "embedded"
	formWords   form = "a list of words"
	formEnvs    form = "name: the keys below"
)

var (
	aboutTopKeys = []key{
		{"project", formText, "The project's name, up to 64 letters, digits, `_`, `-` and dots. Required: it is part of every key in the " +
			"state tables."},
		{"default_env", formText, "The environment that is used where none is named. An embedded one must be named when not on a " +
			"terminal."},
		{"vars", formVars, `Plain values for the templates: {{ var "name" }}. { env: NAME } takes one from the environment. Never a secret.`},
		{"secrets", formSecrets, "Where the value of a secret comes from when it is not the environment variable of its name."},
		{"environments", formEnvs, "The servers that the project is brought to."},
	}
	aboutEnvironmentKeys = []key{
		{"dsn", formText, "The server: databend://user@host:443/database. Without a password."},
		{"host", formText, "The server's host, instead of dsn."},
		{"port", formNumber, "The server's port; default 443, or 80 with tls: false."},
		{"user", formText, "The user, instead of dsn's."},
		{"database", formText, "The current database of every migration and load; default: default, or the dsn's."},
		{"tls", formSwitch, "false: no encryption, for a server on this machine."},
		{"password", formText, "The name of the secret that is the user's password."},
		{"access_token", formText, "The name of the secret that is an access token, instead of password."},
		{"access_token_file", formText, "A file that holds an access token; it is read for each request, so that a rotated token is used."},
		{"role", formText, "The role of every session."},
		{"warehouse", formText, "The warehouse, of Databend Cloud; {{ warehouse }} in templates."},
		{"tenant", formText, "The tenant, of Databend Cloud."},
		{"vars", formVars, "As above, for this environment: they win over the file's."},
		{"secrets", formSecrets, "As above, for this environment."},
		{"env_file", formFiles, "Files of NAME=value lines, for variables that the process does not have. They are read as written: no $ " +
			"expansion, quotes optional."},
		{"engine", formEngine, "embedded: a Databend engine and an object store on this machine, for trying and for tests. It needs no " +
			"connection."},
		{"data", formFolders, "Of an embedded engine: what is put into its buckets at start."},
		{"state_database", formText, "The database of dbctl's own tables; default dbctl."},
		{"connect_timeout", formTime, "How long a sleeping or starting server is waited for; default 30s."},
		{"lock_wait", formTime, "How long another run is waited for; default 0: exit 5 at once. --lock-wait wins."},
		{
			"skip_unsupported", formSwitch,
			"true: versions that need what the server lacks (streams, tasks, what needs a licence) are skipped, as with --skip-unsupported.",
		},
		{"protected", formSwitch, "true: a command that writes asks on a terminal, and needs --yes off one."},
	}
	aboutSourceKeys = []key{
		{"env", formText, "The environment variable that has the value."},
		{"file", formText, "The file that has it; one trailing newline is dropped."},
		{"command", formWords, "The program that writes it, with its arguments: run once, without a shell."},
		{"json", formText, "The field, where the file or the command gives JSON: data.key."},
	}
)

// TestConfigReference holds docs/config.md and the JSON schema to the keys that are read.
func TestConfigReference(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		read  []string
		about []key
	}{{topKeys, aboutTopKeys}, {environmentKeys, aboutEnvironmentKeys}, {sourceKeys, aboutSourceKeys}} {
		var names []string
		for _, k := range tc.about {
			names = append(names, k.name)
		}
		if !slices.Equal(names, tc.read) {
			t.Errorf("told of are %q, read are %q", names, tc.read)
		}
	}
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
	}{{"The file", aboutTopKeys}, {"environments: NAME:", aboutEnvironmentKeys}, {"secrets: NAME:", aboutSourceKeys}} {
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
	forms[formSecrets] = object{"type": "object", "additionalProperties": properties(aboutSourceKeys)}
	forms[formEnvs] = object{"type": "object", "additionalProperties": properties(aboutEnvironmentKeys)}
	schema := properties(aboutTopKeys)
	schema["$schema"], schema["title"], schema["required"] = "http://json-schema.org/draft-07/schema#", "dbctl.yaml", []string{"project"}
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}
