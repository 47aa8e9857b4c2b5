package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/local"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
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

func (w *warehouse) close() { _ = w.server.Close() }

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
	opts.LocalVars = map[string]string{
		"s3_endpoint": "http://127.0.0.1:0", "s3_region": "us-east-1",
		"bucket": cmp.Or(p.Env.Vars["bucket"], defaultBucket),
	}
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
		opts.LocalVars = engineVars(p, engine)
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

// complete adds to a connection what is the same for all of them.
func (a *app) complete(cfg *databend.Config, p *project.Project) {
	a.scrub.Add(cfg.Password)
	a.scrub.Add(cfg.AccessToken)
	cfg.Database = p.Env.Database
	cfg.Warehouse = p.Env.Warehouse
	cfg.MayLackDatabase = func() bool {
		// What mends a project whose database was dropped must not need it.
		mends := []string{"migrate down", "migrate recover", "sql", "unlock"}
		return slices.Contains(mends, a.cmd.name) || createsDatabase(p, p.Env.Database)
	}
	cfg.ConnectTimeout = cmp.Or(p.Env.ConnectTimeout, cfg.ConnectTimeout)
	cfg.Timeout = a.timeout.d
	cfg.UserAgent = "dbctl/" + version().Version
	cfg.Scrub = a.scrub
	cfg.Warn = func(line string) { a.note(event.Warn, line) }
	if !a.lockWait.set {
		a.lockWait.d = p.Env.LockWait
	}
}

// environmentConfig is the connection that dbctl.yaml describes.
func environmentConfig(ctx context.Context, e project.Environment, secrets *secret.Resolver) (databend.Config, error) {
	cfg := databend.Config{Host: e.Host, Port: e.Port, Plain: e.Plain, User: e.User}
	if e.DSN != "" {
		var err error
		if cfg, err = databend.ParseDSN(e.DSN); err != nil {
			return cfg, err
		}
	}
	var names []string
	for _, n := range []string{e.Password, e.AccessToken} {
		if n != "" {
			names = append(names, n)
		}
	}
	set, err := secrets.Resolve(ctx, names)
	if err != nil {
		return cfg, err
	}
	if e.Password != "" {
		cfg.Password = set[e.Password]
	}
	if e.AccessToken != "" {
		cfg.AccessToken = set[e.AccessToken]
	}
	cfg.AccessTokenFile = e.AccessTokenFile
	cfg.Role = cmp.Or(e.Role, cfg.Role)
	cfg.Tenant = cmp.Or(e.Tenant, cfg.Tenant)
	return cfg, nil
}

// mayWrite asks before a command writes where an environment is protected.
func (a *app) mayWrite(ctx context.Context, p *project.Project) error {
	dsn, _ := databend.ParseDSN(a.dsn) // read before; none has no host
	if env := protectedBy(ctx, p, dsn); env != "" {
		return a.consent(ctx, env)
	}
	return nil
}

// protectedBy is the name of the protected environment that a command would write to, or "": the one that is named, or with --dsn any
// on the same server.
func protectedBy(ctx context.Context, p *project.Project, dsn databend.Config) string {
	if p.Env.Protected {
		return p.Env.Name
	}
	for _, s := range p.Protected {
		// On this machine each port is a server of its own; elsewhere a host may have several doors to one.
		if dsn.Host != "" && sameHost(ctx, s.Host, dsn.Host) && (!loopback(s.Host) || s.Port == dsn.Port) {
			return s.Env
		}
	}
	return ""
}

// sameHost reports whether two names are of one host: the same, both this machine, or with an address in common.
func sameHost(ctx context.Context, a, b string) bool {
	a, b = strings.TrimSuffix(strings.Trim(a, "[]"), "."), strings.TrimSuffix(strings.Trim(b, "[]"), ".")
	if strings.EqualFold(a, b) || loopback(a) && loopback(b) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // one that is not known is not reached either
	defer cancel()
	var of [2][]string
	var asked sync.WaitGroup
	for i, name := range []string{a, b} {
		asked.Go(crash.Caught(func() { of[i], _ = net.DefaultResolver.LookupHost(ctx, name) }))
	}
	asked.Wait()
	return slices.ContainsFunc(of[0], func(address string) bool { return slices.Contains(of[1], address) })
}

// loopback reports whether a host is this machine: what is sent to it leaves it over no network.
func loopback(host string) bool {
	return strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") ||
		net.ParseIP(strings.Trim(host, "[]")).IsLoopback()
}

var errNotConfirmed = &mistake{"not confirmed: nothing was done", "answer y, or add --yes", exit.Failed}

// consent asks before a command writes to a protected environment.
func (a *app) consent(ctx context.Context, env string) error {
	if a.yes {
		return nil
	}
	if !a.inTerminal || a.json {
		return usageError(fmt.Sprintf("environment %q is protected, and nobody can be asked here", env),
			fmt.Sprintf("add --yes: `dbctl %s --yes`", shell.Join(a.Args...)))
	}
	a.ui.Prompt(fmt.Sprintf("environment %s is protected. `dbctl %s` writes to it. Go on? [y/N] ", env, a.cmd.name))
	answer, err := a.readLine(ctx)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errNotConfirmed
}

// readLine reads a line of Stdin, or ends with ctx.
func (a *app) readLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go crash.Caught(func() {
		var line []byte
		b := make([]byte, 1)
		for {
			n, err := a.Stdin.Read(b) // byte by byte: what follows the line is not ours
			if n == 1 && b[0] != '\n' {
				line = append(line, b[0])
			}
			if err != nil || n == 1 && b[0] == '\n' {
				got <- answer{string(line), nil}
				return
			}
		}
	})()
	select {
	case g := <-got:
		return g.line, g.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// createsDatabase reports whether a migration creates the database: then it may be missing.
func createsDatabase(p *project.Project, database string) bool {
	for _, m := range p.Migrations {
		for _, e := range project.Effects(m.Up.Statements, database) {
			for _, w := range e.Writes {
				if w.Kind == sqltext.Database && strings.EqualFold(w.Name, database) && w.Verb != effect.Drop {
					return true
				}
			}
		}
	}
	return false
}

// versionArg reads a migration's version.
func versionArg(s string) (int64, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		return 0, usageError(fmt.Sprintf("%q is no version", s),
			"a version is the number that a migration's file name begins with: `dbctl migrate status` lists them")
	}
	return v, nil
}

// anyProject is the check of a command that no broken file concerns.
func anyProject(*project.Project) error { return nil }
