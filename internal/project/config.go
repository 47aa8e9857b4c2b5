package project

import (
	"errors"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/goccy/go-yaml/token"

	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// config is dbctl.yaml as it stands, all environments checked alike.
type config struct {
	doc          *document
	project      string
	named        bool // project: is there, be it wrong
	defaultEnv   string
	firstEngine  string // of the first embedded environment
	defaultEnvAt *token.Token
	vars         []variable
	secrets      map[string]secret.Source
	environments []*environment
}

// variable is one of vars: a value, or the name of an environment variable that has it.
type variable struct {
	name, value string
	env         string
	at          *token.Token
}

// environment is one of environments. at has the key's place for each key that is set.
type environment struct {
	Environment
	nameAt   *token.Token
	dsn      string
	at       map[string]*token.Token
	envFiles []string
	vars     []variable
	secrets  map[string]secret.Source
}

// NoProject is the error of a folder without a dbctl.yaml, whose path would be this one.
func NoProject(path string) error {
	return &Error{
		Place: sqltext.Place{File: path}, Msg: "there is no dbctl.yaml here",
		Advice: "go to a project or name its folder with -C DIR; `dbctl init` makes a new one",
	}
}

// readConfig reads and checks dbctl.yaml.
func readConfig(path string) (*config, error) {
	text, err := ReadFile(filepath.Dir(path), filepath.Base(path), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, NoProject(path)
	}
	if err != nil {
		e := unreadable(path, err)
		if dir, bad := os.Stat(filepath.Dir(path)); errors.Is(bad, syscall.ENOTDIR) || bad == nil && !dir.IsDir() {
			e.Advice = "-C DIR names a project's folder"
		}
		return nil, e
	}
	doc, root, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	c := &config{doc: doc}
	if root != nil {
		c.read(doc.mapping(root, ConfigFile, topKeys))
	}
	if c.project == "" && !c.named {
		doc.errs = append(doc.errs, &Error{
			Place: sqltext.Place{File: ConfigFile, Line: 1, Column: 1}, Msg: "no project name",
			Advice: "add a line such as project: citydrive; it is part of every key in the state tables",
		})
	}
	return c, doc.mistakes()
}

func (c *config) read(entries []entry) {
	for _, e := range entries {
		switch e.key {
		case "project":
			c.project, c.named = c.doc.text(e), true
			if !validName(c.project) {
				c.doc.failAt(e.at, "the value of project is not a name", "write up to 64 letters, digits, _, - and dots")
			}
		case "default_env":
			c.defaultEnv, c.defaultEnvAt = c.doc.text(e), e.at
		case "vars":
			c.vars = c.readVars(e)
		case "secrets":
			c.secrets = c.readSecrets(e)
		case "environments":
			for _, e := range c.doc.mapping(e.value, "environments", nil) {
				c.environments = append(c.environments, c.readEnvironment(e))
			}
		}
	}
	if c.defaultEnv != "" && c.find(c.defaultEnv) == nil {
		c.doc.failAt(c.defaultEnvAt, "default_env names the unknown environment "+c.defaultEnv, DidYouMean(c.defaultEnv, c.names(), c.listed()))
	}
	for _, env := range append([]*environment{nil}, c.environments...) {
		c.checkVars(env, nil)
	}
	c.nameEngines()
}

// nameEngines gives each embedded environment the engine that it shares with those of the same database alone: connections and stages
// belong to no database, so two environments in one engine would see each other's.
func (c *config) nameEngines() {
	for _, env := range c.environments {
		if !env.Embedded {
			continue
		}
		env.Engine = "env-" + env.Name
		if env.Database != "" {
			env.Engine = "db-" + url.PathEscape(env.Database)
		}
		if c.firstEngine == "" {
			c.firstEngine = env.Engine
		}
	}
}

// checkVars refuses a var that takes its value from where a secret stands, one of dbctl.yaml or of used, which the templates name: vars
// are written into plans, the journal and output.
func (c *config) checkVars(env *environment, used []string) {
	vars, secrets := c.vars, maps.Clone(c.secrets)
	if secrets == nil {
		secrets = map[string]secret.Source{}
	}
	if env != nil {
		vars = slices.Concat(vars, env.vars)
		maps.Copy(secrets, env.secrets)
		for _, name := range append([]string{env.Password, env.AccessToken}, used...) {
			if _, ok := secrets[name]; name != "" && !ok {
				secrets[name] = secret.Source{}
			}
		}
	}
	for _, v := range vars {
		for _, name := range slices.Sorted(maps.Keys(secrets)) {
			src := secrets[name]
			if v.env != "" && (v.env == src.Env || v.env == name && src.Env == "" && src.File == "" && len(src.Command) == 0) {
				c.doc.failAt(v.at, "var "+v.name+" takes its value from the secret "+name,
					`vars are shown and stored in clear; write {{ secret "`+name+`" }} in the SQL`)
			}
		}
	}
}

// isName holds for the names of vars and secrets: what an environment variable may be called.
func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// validName holds for the names of projects and environments, which become part of keys and table names.
func validName(s string) bool {
	for i, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && (i == 0 || !strings.ContainsRune("_.-", c)) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func (c *config) readVars(e entry) []variable {
	var all []variable
	for _, e := range c.doc.mapping(e.value, "vars", nil) {
		v := variable{name: e.key, at: e.at}
		if !isName(e.key) {
			c.doc.failAt(e.at, "var "+shown(e.key)+" is not a name", "write letters, digits and _")
		}
		var plain bool
		if v.value, plain = scalar(e.value); !plain {
			const form = "write name: value, or name: { env: NAME } for one from the environment"
			if isList(e.value) {
				c.doc.fail(e.value, "var "+e.key+" is a list, and a var is one value", form+"; several values are several vars")
				continue
			}
			before := len(c.doc.errs)
			source := c.doc.mapping(e.value, "var "+e.key, []string{"env"})
			if len(c.doc.errs) > before {
				continue
			}
			if len(source) != 1 {
				c.doc.failAt(e.at, "var "+e.key+" has no value", form)
				continue
			}
			v.env = c.variable(source[0])
		}
		if why := badValue(v.value); why != "" {
			c.doc.failAt(e.at, "var "+e.key+" "+why, "vars are plain values")
		}
		all = append(all, v)
	}
	return all
}

// badValue says why a var may not have this value: it would read as a template action, or as a secret's placeholder, in the
// expanded text.
func badValue(value string) string {
	switch {
	case strings.Contains(value, "{{"):
		return "holds {{"
	case strings.Contains(value, "\x00"):
		return "holds a NUL byte"
	}
	return ""
}

func (c *config) readSecrets(e entry) map[string]secret.Source {
	all := map[string]secret.Source{}
	for _, e := range c.doc.mapping(e.value, "secrets", nil) {
		const form = "write NAME: { env: OTHER }, { file: path } or { command: [program, argument] }, with json: data.key where the " +
			"output is JSON"
		if !isName(e.key) {
			c.doc.failAt(e.at, "secret "+shown(e.key)+" is not a name", "write letters, digits and _")
		}
		if _, plain := scalar(e.value); plain {
			c.doc.failAt(e.at, "secret "+e.key+" says a value: no value may stand in this file", form)
			continue
		}
		var src secret.Source
		n, before := 0, len(c.doc.errs)
		for _, e := range c.doc.mapping(e.value, "secret "+e.key, sourceKeys) {
			n++
			switch e.key {
			case "env":
				src.Env = c.variable(e)
			case "file":
				src.File = c.doc.text(e)
			case "command":
				src.Command = c.doc.list(e)
			case "json":
				src.JSON = c.doc.text(e)
				n--
			}
		}
		switch {
		case len(c.doc.errs) > before:
		case n != 1:
			c.doc.failAt(e.at, "secret "+e.key+" has not exactly one of env, file and command", form)
		case src.JSON != "" && src.Env != "":
			c.doc.failAt(e.at, "secret "+e.key+" has json: with env:", "json: goes with file: or command:")
		}
		all[e.key] = src
	}
	return all
}

func (c *config) readEnvironment(e entry) *environment {
	d := c.doc
	before := len(d.errs)
	env := &environment{nameAt: e.at, at: map[string]*token.Token{}}
	env.Name = e.key
	if !validName(e.key) {
		d.failAt(e.at, "environment "+shown(e.key)+" is not a name", "write letters, digits, _, - and dots")
	}
	for _, e := range d.mapping(e.value, "environment "+shown(e.key), environmentKeys) {
		env.at[e.key] = e.at
		switch e.key {
		case "dsn":
			env.dsn = d.text(e)
		case "host":
			env.Host = d.host(e)
		case "port":
			env.Port = d.port(e)
		case "user":
			env.User = d.user(e)
		case "database":
			env.Database = d.text(e)
		case "tls":
			env.Plain = !d.boolean(e)
		case "password":
			env.Password = c.secretName(e)
		case "access_token":
			env.AccessToken = c.secretName(e)
		case "access_token_file":
			env.AccessTokenFile = d.text(e)
		case "role":
			env.Role = d.text(e)
		case "warehouse":
			env.Warehouse = d.text(e)
		case "tenant":
			env.Tenant = d.text(e)
		case "vars":
			env.vars = c.readVars(e)
		case "secrets":
			env.secrets = c.readSecrets(e)
		case "env_file":
			if env.envFiles = []string{""}; isList(e.value) {
				env.envFiles = d.list(e)
			} else {
				env.envFiles[0] = d.text(e)
			}
		case "engine":
			env.Embedded = true
			if d.text(e) != "embedded" {
				d.failAt(e.at, "engine is not embedded", "write engine: embedded for the engine on this machine; a server has dsn or host instead")
			}
		case "data":
			env.Data = d.data(e)
		case "state_database":
			env.StateDatabase = d.text(e)
		case "connect_timeout":
			env.ConnectTimeout = d.duration(e)
		case "lock_wait":
			env.LockWait = d.duration(e)
		case "skip_unsupported":
			env.SkipUnsupported = d.boolean(e)
		case "protected":
			env.Protected = d.boolean(e)
		}
	}
	if len(d.errs) == before {
		c.checkConnection(env)
	}
	return env
}

// variable reads the name of an environment variable, which a hint may ask to export.
func (c *config) variable(e entry) string {
	s := c.doc.text(e)
	if s != "" && !isName(s) {
		c.doc.failAt(e.at, "env: is not the name of an environment variable",
			"write letters, digits and _: the name of the variable, never its value")
	}
	return s
}

// secretName reads a key that names a secret. What is no name may be the secret itself, so it is not quoted.
func (c *config) secretName(e entry) string {
	s, ok := scalar(e.value)
	if !ok || !isName(s) {
		c.doc.failAt(e.at, e.key+" is not the name of a secret",
			"write "+e.key+": DATABEND_"+strings.ToUpper(e.key)+" and put the value into that environment variable; no value may stand in this file")
	}
	return s
}

// checkNames refuses a password or access_token that names nothing and may be the value itself, which no error may show: "no value for
// the secret Hunter2Secret".
func (c *config) checkNames(env *environment, getenv func(string) (string, bool)) {
	for key, name := range map[string]string{"password": env.Password, "access_token": env.AccessToken} {
		_, declared := c.sources(env)[name]
		if value, _ := getenv(name); name == "" || declared || value != "" || secret.Usual(name) {
			continue
		}
		c.doc.failAt(env.at[key], key+" names no environment variable that is set, and no secret of secrets:",
			"write "+key+": DATABEND_"+strings.ToUpper(key)+" and put the value into that environment variable; no value may stand in this file")
	}
}

// checkConnection refuses keys that contradict each other.
func (c *config) checkConnection(env *environment) {
	has := func(key string) bool { return env.at[key] != nil }
	refuse := func(key, msg, hint string) { c.doc.failAt(env.at[key], msg, hint) }
	connection := []string{
		"dsn", "host", "port", "user", "tls", "password", "access_token", "access_token_file", "role",
		"warehouse", "tenant",
	}
	switch {
	case has("engine"):
		for _, key := range connection {
			if has(key) {
				refuse(key, key+" does not go with engine: embedded", "the embedded engine needs no connection; remove the line")
			}
		}
		return
	case has("data"):
		refuse("data", "data goes with engine: embedded only", "dbctl puts no files into a bucket that is not its own")
	case has("dsn"):
		for _, key := range []string{"host", "port", "user", "tls"} {
			if has(key) {
				refuse(key, key+" stands beside dsn", "write it into the dsn, or write host, port and user without a dsn")
			}
		}
		c.readDSN(env)
	}
	if has("access_token") && has("access_token_file") {
		refuse("access_token_file", "access_token_file stands beside access_token", "keep one of them")
	}
	if has("password") && (has("access_token") || has("access_token_file")) {
		refuse("password", "password stands beside an access token", "keep one of them")
	}
}

// find returns the environment with this name, or nil.
func (c *config) find(name string) *environment {
	for _, e := range c.environments {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// varNames are the vars that dbctl.yaml has for an environment.
func (c *config) varNames(chosen *environment) []string {
	vars := c.vars
	if chosen != nil {
		vars = slices.Concat(vars, chosen.vars)
	}
	names := make([]string, len(vars))
	for i, v := range vars {
		names[i] = v.name
	}
	return names
}

func (c *config) names() []string {
	var all []string
	for _, e := range c.environments {
		all = append(all, e.Name)
	}
	return all
}

// listed is a hint that lists the environments.
func (c *config) listed() string {
	if len(c.environments) == 0 {
		return "add one below environments: in " + ConfigFile
	}
	return "there are " + strings.Join(c.names(), ", ")
}
