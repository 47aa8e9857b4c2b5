package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/local"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/ui"
)

// The order in which a command opens things: the project; its environment, and a person's consent where that is protected; the
// embedded engine or the way to a server; the connection's secrets; the server; then the line that says where we are.

// warehouse is a project and the server that it is about.
type warehouse struct {
	project *project.Project
	secrets *secret.Resolver
	server  *databend.Server
	engine  *local.Engine // in an embedded environment
	actor   state.Actor   // who writes; empty for a command that does not
}

// scope is the key of everything that the state tables hold of it.
func (w *warehouse) scope() state.Scope {
	return state.Scope{Project: w.project.Name, Database: w.project.Env.Database, StateDatabase: w.project.Env.StateDatabase}
}

func (w *warehouse) close() { w.server.Close() }

// projectOptions are what the command line says of the project, and the connection of --dsn where there is one. offline commands
// need no environment.
func (a *app) projectOptions(offline bool) (project.Options, databend.Config, error) {
	opts := project.Options{
		Dir: a.projectDir(), Env: a.env, Vars: a.vars, Getenv: a.Getenv, NoEnv: offline, DSNGiven: a.dsn != "",
		Scrub: a.scrub,
	}
	if a.envFile != "" {
		opts.EnvFile = a.below(a.envFile)
	}
	var cfg databend.Config
	if a.dsn != "" {
		var err error
		if cfg, err = databend.ParseDSN(a.dsn); err != nil {
			return opts, cfg, usageError("--dsn: "+err.Error(), "databend://user:password@host:port/database?warehouse=…")
		}
		a.scrub.Add(cfg.Password)
		opts.Database, opts.Warehouse = cfg.Database, cfg.Warehouse
	}
	return opts, cfg, nil
}

// openProject opens the project and tells the ui what it is about.
func (a *app) openProject(opts project.Options) (*project.Project, error) {
	p, err := project.Open(opts)
	if err == nil {
		a.ui.About(ui.Head{Project: p.Name, Env: p.Env.Name, Database: p.Env.Database})
	}
	return p, err
}

// openBeforeEngine is openProject where an embedded engine may have to be started yet; broken files are for the caller to look at. A
// template may need a variable that only the running engine gives: it gets one that leads nowhere, and the project is opened again when
// the engine runs.
func (a *app) openBeforeEngine(opts project.Options) (*project.Project, error) {
	opts.Partial = true
	p, err := a.openProject(opts)
	if err != nil || !p.Env.Embedded || len(p.Broken) == 0 {
		return p, err
	}
	opts.LocalVars = engineVars(local.Store{Endpoint: "http://127.0.0.1:0", Region: "us-east-1"})
	return a.openProject(opts)
}

// below makes a relative path one of the working directory.
func (a *app) below(path string) string {
	if a.Dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(a.Dir, path)
}

// projectDir is the project's folder: that of -C, or the nearest one upward with a dbctl.yaml.
func (a *app) projectDir() string {
	if a.dir != "" {
		return a.below(a.dir)
	}
	here := a.below(".")
	abs, err := filepath.Abs(here)
	if err != nil {
		return here
	}
	for dir := abs; ; dir = filepath.Dir(dir) {
		if exists(filepath.Join(dir, project.ConfigFile)) {
			if dir == abs {
				return here
			}
			return dir
		}
		if dir == filepath.Dir(dir) {
			return here
		}
	}
}

// access says what a command does with the server.
type access struct {
	writes bool
	ahead  bool // its first reads go beside the connecting: the server may prove not to be there behind the first of them

	// check refuses what the project alone shows to be wrong, before anything is started or asked. Optional: without it no file may be
	// broken.
	check func(*project.Project) error
}

// anyProject is the check of a command that no broken file concerns.
func anyProject(*project.Project) error { return nil }

// open opens the project and connects to its server.
func (a *app) open(ctx context.Context, acc access) (*warehouse, error) {
	opts, cfg, err := a.projectOptions(false)
	if err != nil {
		return nil, err
	}
	opts.Partial = true
	p, err := a.openBeforeEngine(opts)
	if err != nil {
		return nil, err
	}
	if p.Env.Embedded && a.env == "" && !a.inTerminal {
		return nil, usageError(
			fmt.Sprintf("the default environment %q is a throw-away engine, and off a terminal it is used only when it is named", p.Env.Name),
			fmt.Sprintf("say which environment is meant: `-e %s`, or DBCTL_ENV=%[1]s; another: `-e ENV`", p.Env.Name))
	}
	check := acc.check
	if check == nil {
		check = (*project.Project).Mistakes
	}
	if err := check(p); err != nil {
		return nil, err
	}
	a.reaches.Store(true)
	a.writes.Store(acc.writes)
	if acc.writes {
		if err := a.mayWrite(ctx, p); err != nil {
			return nil, err
		}
	}

	var engine *local.Engine
	if p.Env.Embedded {
		engine, err = a.engine(ctx, p)
		if err != nil {
			return nil, err
		}
		// What the templates say of the object store is known only now.
		opts.LocalVars = engineVars(engine.S3)
		if p, err = a.openProject(opts); err == nil {
			err = check(p)
		}
		if err != nil {
			return nil, err
		}
	}

	w := &warehouse{project: p, engine: engine, secrets: secret.NewResolver(p.Sources, p.Getenv, p.Dir, a.scrub)}
	switch {
	case engine != nil:
		cfg = engineConfig(engine)
		a.useEngineKeys(p, w.secrets, engine)
	case a.dsn == "":
		if cfg, err = environmentConfig(ctx, p.Env, w.secrets); err != nil {
			return nil, err
		}
	}
	a.complete(&cfg, p)
	if cfg.Plain && !loopback(cfg.Host) {
		a.note(event.Warn, "the connection to "+cfg.Host+" is not encrypted (tls: false, or sslmode=disable): the password, the SQL and "+
			"every secret in it can be read on the way")
	}
	if engine == nil && acc.ahead {
		w.server, err = databend.Hail(ctx, cfg)
	} else {
		w.server, err = databend.Connect(ctx, cfg)
	}
	if engine != nil && databend.IsCode(err, databend.CodeUnknownDatabase) {
		if err = ensureDatabase(ctx, cfg); err == nil {
			w.server, err = databend.Connect(ctx, cfg)
		}
	}
	if err != nil {
		return nil, err
	}
	if acc.writes {
		w.actor = a.actor(ctx, p.Dir)
	}
	a.ui.Event(event.Target{Env: p.Env.Name, Host: w.server.Host(), Database: p.Env.Database, Project: p.Name, Run: a.run})
	return w, nil
}
