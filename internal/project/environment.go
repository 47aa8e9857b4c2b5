package project

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// choose returns the environment that o asks for; nil when none is needed and none named.
func (c *config) choose(o Options) (*environment, error) {
	name := o.Env
	if name == "" {
		name = c.defaultEnv
	}
	switch env := c.find(name); {
	case env != nil:
		return env, nil
	case name != "":
		hint := c.listed()
		if n := Nearest(name, c.names()); n != "" {
			hint = "did you mean -e " + n + "? " + hint
		}
		return nil, &Error{Place: inConfig, Msg: "unknown environment " + name, Advice: hint}
	case o.NoEnv || o.DSNGiven:
		return nil, nil
	}
	return nil, &Error{Place: inConfig, Msg: "no environment is named, and there is no default_env", Advice: "-e ENV: " + c.listed()}
}

// sources merges the secrets of the file and the environment, which wins. Paths stay relative to the project's folder.
func (c *config) sources(env *environment) map[string]secret.Source {
	all := map[string]secret.Source{}
	maps.Copy(all, c.secrets)
	if env != nil {
		maps.Copy(all, env.secrets)
	}
	return all
}

// environment fills in the defaults of the chosen environment. Vars from low to high: the file's, the environment's, those of
// the embedded engine, --var. A var whose environment variable has no value is put into unset.
func (c *config) environment(
	o Options, chosen *environment, getenv func(string) (string, bool), unset map[string]string,
) (Environment, error) {
	var e Environment
	vars := c.vars
	if chosen != nil {
		e = chosen.Environment
		vars = slices.Concat(vars, chosen.vars)
	}
	if o.DSNGiven {
		e = Environment{
			Name: e.Name, Database: e.Database, Warehouse: e.Warehouse, StateDatabase: e.StateDatabase, ConnectTimeout: e.ConnectTimeout,
			LockWait: e.LockWait, SkipUnsupported: e.SkipUnsupported, Protected: e.Protected,
		}
	} else if chosen != nil && !o.NoEnv && !e.Embedded && e.Host == "" {
		return e, &Error{
			Place: placeOf(chosen.nameAt),
			Msg:   "environment " + e.Name + " says no server", Advice: "give it dsn, or host and user, or engine: embedded; or say --dsn",
		}
	}
	e.Database = cmp.Or(o.Database, e.Database, "default")
	e.Warehouse = cmp.Or(o.Warehouse, e.Warehouse)
	e.StateDatabase = cmp.Or(e.StateDatabase, "dbctl")
	if err := e.findFiles(o.Dir); err != nil {
		return e, err
	}
	var err error
	e.Vars, err = c.values(vars, o, getenv, unset)
	return e, err
}

// findFiles makes the environment's paths absolute: they are relative to the project's folder.
func (e *Environment) findFiles(dir string) error {
	e.Data = slices.Clone(e.Data)
	paths := []*string{&e.AccessTokenFile}
	for i := range e.Data {
		paths = append(paths, &e.Data[i].Folder)
	}
	for _, path := range paths {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(inDir(dir, *path))
		if err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
		*path = abs
	}
	return nil
}

// values are those of the vars, each from where it is said last: dbctl.yaml, the local engine, --var. Those whose environment variable
// is not set go into unset.
func (c *config) values(
	vars []variable, o Options, getenv func(string) (string, bool), unset map[string]string,
) (map[string]string, error) {
	values := map[string]string{}
	for _, v := range vars {
		delete(values, v.name)
		delete(unset, v.name)
		if v.env == "" {
			values[v.name] = v.value
			continue
		}
		value, _ := getenv(v.env)
		if value == "" {
			unset[v.name] = v.env
			continue
		}
		if why := badValue(value); why != "" {
			return nil, &Error{
				Place: placeOf(v.at),
				Msg:   "the environment variable " + v.env + " of var " + v.name + " " + why, Advice: "vars are plain values",
			}
		}
		values[v.name] = value
	}
	maps.Copy(values, o.LocalVars)
	for _, name := range slices.Sorted(maps.Keys(o.Vars)) {
		value := o.Vars[name]
		if !isName(name) {
			return nil, &Error{Msg: "--var " + name + " is not a name", Advice: "--var NAME=VALUE, where a name has letters, digits and _"}
		}
		if why := badValue(value); why != "" {
			return nil, &Error{Msg: "--var " + name + " " + why, Advice: "vars are plain values"}
		}
		values[name] = value
	}
	for name := range values {
		delete(unset, name)
	}
	return values, nil
}

func inDir(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// readDSN takes from the DSN what it says of the connection, and refuses a secret in it. No error quotes it.
func (c *config) readDSN(env *environment) {
	cfg, err := databend.ParseDSN(env.dsn)
	secretIn := func(what, key string) {
		c.doc.failAt(env.at["dsn"], "dsn holds "+what,
			"take it out and write "+key+": DATABEND_"+strings.ToUpper(key)+", the environment variable that has it")
	}
	switch {
	case err != nil:
		c.doc.failAt(env.at["dsn"], err.Error(),
			`write dsn: "databend://user@host:443/database"; the password stands in the secret that password: names`)
		return
	case !cfg.Password.IsZero():
		secretIn("a password", "password")
		return
	case !cfg.AccessToken.IsZero():
		secretIn("access_token", "access_token")
		return
	case env.Database != "" && cfg.Database != "" && env.Database != cfg.Database:
		c.doc.failAt(env.at["database"], "database differs from that of the dsn", "write it in one place")
	}
	env.Host, env.Port, env.Plain, env.User, env.Settings = cfg.Host, cfg.Port, cfg.Plain, cfg.User, cfg.Settings
	env.Database = cmp.Or(cfg.Database, env.Database)
	env.Warehouse, env.Tenant, env.Role = cmp.Or(env.Warehouse, cfg.Warehouse), cmp.Or(env.Tenant, cfg.Tenant), cmp.Or(env.Role, cfg.Role)
	if env.Password == "" && env.AccessToken == "" { // the keys win
		env.AccessTokenFile = cmp.Or(env.AccessTokenFile, cfg.AccessTokenFile)
	}
	env.ConnectTimeout = cmp.Or(env.ConnectTimeout, cfg.ConnectTimeout)
}

// environ is the process's environment with the env files behind it: a variable that the process has, and not as an empty text, wins over
// the files, and a later file over one before. They never enter the process's own environment. A file that is named and is not there is a
// mistake, but for a command that needs no environment.
func environ(o Options, chosen *environment) (func(string) (string, bool), error) {
	var paths []string
	named := o.EnvFile != ""
	if named {
		paths = []string{o.EnvFile}
	} else if chosen != nil {
		paths = chosen.envFiles
	}
	vars := map[string]string{}
	var mistakes []error
	for _, path := range paths {
		if !named {
			path = inDir(o.Dir, path)
		}
		text, err := readEnvFile(path, named)
		switch {
		case errors.Is(err, fs.ErrNotExist) && named:
			mistakes = append(mistakes, &Error{
				Place: sqltext.Place{File: path}, Msg: "the env file does not exist", Advice: "--env-file names a file of NAME=value lines",
			})
		case errors.Is(err, fs.ErrNotExist) && o.NoEnv: // an offline command, as in CI, where the file is not
		case errors.Is(err, fs.ErrNotExist):
			mistakes = append(mistakes, &Error{
				Place: placeOf(chosen.at["env_file"]), Msg: "the env file " + path + " does not exist",
				Advice: "write it (.env.example is one, to be filled in), or take env_file out and set the variables",
			})
		case err != nil:
			mistakes = append(mistakes, unreadable(path, err))
		default:
			more, err := parseEnv(path, string(text))
			maps.Copy(vars, more)
			mistakes = append(mistakes, err)
		}
	}
	if err := errors.Join(mistakes...); err != nil || len(vars) == 0 {
		return o.Getenv, err
	}
	return func(name string) (string, bool) {
		value, ok := o.Getenv(name)
		if own, in := vars[name]; in && value == "" {
			return own, true
		}
		return value, ok
	}, nil
}

// readEnvFile reads an env file. One that a person names may be a pipe, as of a shell's <(…); one of dbctl.yaml is a regular file.
func readEnvFile(path string, named bool) ([]byte, error) {
	if named {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, maxConfig))
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return readRegular(f, maxConfig)
}
