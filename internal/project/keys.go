package project

// key is one key of dbctl.yaml: which ones there are, and what docs/config.md and docs/dbctl.schema.json say of each.
type key struct {
	name  string
	form  form
	about string
}

// form is what stands behind a key.
type form string

// The forms.
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

// The keys of dbctl.yaml.
var (
	topKeys = []key{
		{"project", formText, "The project's name, up to 64 letters, digits, `_`, `-` and dots. Required: it is part of every key in the " +
			"state tables."},
		{"default_env", formText, "The environment that is used where none is named. An embedded one must be named when not on a " +
			"terminal."},
		{"vars", formVars, `Plain values for the templates: {{ var "name" }}. { env: NAME } takes one from the environment. Never a secret.`},
		{"secrets", formSecrets, "Where the value of a secret comes from when it is not the environment variable of its name."},
		{"environments", formEnvs, "The servers that the project is brought to."},
	}
	environmentKeys = []key{
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
	sourceKeys = []key{
		{"env", formText, "The environment variable that has the value."},
		{"file", formText, "The file that has it; one trailing newline is dropped."},
		{"command", formWords, "The program that writes it, with its arguments: run once, without a shell."},
		{"json", formText, "The field, where the file or the command gives JSON: data.key."},
	}
)

func keyNames(keys []key) []string {
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	return names
}
