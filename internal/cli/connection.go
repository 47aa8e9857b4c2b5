package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

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
	cfg := databend.Config{
		Host: e.Host, Port: e.Port, Plain: e.Plain, User: e.User, AccessTokenFile: e.AccessTokenFile, Role: e.Role, Tenant: e.Tenant,
		Settings: e.Settings,
	}
	names := slices.DeleteFunc([]string{e.Password, e.AccessToken}, func(name string) bool { return name == "" })
	set, err := secrets.Resolve(ctx, names)
	cfg.Password, cfg.AccessToken = set[e.Password], set[e.AccessToken]
	return cfg, err
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
