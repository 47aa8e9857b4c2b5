package cli

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/local"
	"github.com/dbctl/dbctl/internal/project"
)

func devGroup() *command {
	return &command{name: "dev", short: "an embedded Databend and an object store on this machine"}
}

// devExits are the codes of the dev commands.
func devExits(done string) []ending {
	return []ending{
		{exit.Done, done},
		{exit.Failed, "the engine could not be started or stopped: what to install is named"},
		{exit.Usage, "wrong usage, or a mistake in the project"},
		exitReadSignal,
	}
}

// devState is what the dev commands tell programs. It has no password: .dbctl/dev.json has, readable by its owner only.
type devState struct {
	Running    bool   `json:"running"`
	Host       string `json:"host,omitempty"`
	Port       int    `json:"port,omitempty"`
	User       string `json:"user,omitempty"`
	S3Endpoint string `json:"s3_endpoint,omitempty"`
	S3Region   string `json:"s3_region,omitempty"`
	PID        int    `json:"pid,omitempty"`
}

func devStateOf(e *local.Engine) devState {
	return devState{Running: true, Host: e.Host, Port: e.Port, User: e.User, S3Endpoint: e.S3.Endpoint, S3Region: e.S3.Region, PID: e.PID}
}

// showEngine says where a running engine is.
func (a *app) showEngine(e *local.Engine) {
	a.ui.Record("dev", fmt.Sprintf("databend  http://%s:%d  user %s\ns3        %s  region %s\nprocess   %d",
		e.Host, e.Port, e.User, e.S3.Endpoint, e.S3.Region, e.PID), devStateOf(e))
}

// openEmbedded opens the project for a dev command; its environment must be an embedded one.
func (a *app) openEmbedded() (*project.Project, error) {
	opts, _, err := a.projectOptions(true)
	if err != nil {
		return nil, err
	}
	opts.DSNGiven = false // it has nothing to do with the engine
	p, err := a.openBeforeEngine(opts)
	if err != nil { // an engine does not need a whole project; only the buckets that its SQL names are not known then
		opts.NoFolders = true
		p, err = a.openProject(opts)
	}
	if err != nil {
		return nil, err
	}
	if !p.Env.Embedded {
		return nil, usageError(fmt.Sprintf("environment %q is not embedded: there is no local engine to speak of", p.Env.Name),
			"name one that has `engine: embedded` in dbctl.yaml: `dbctl dev start -e local`")
	}
	return p, nil
}

// onEmbedded binds a command without arguments that is about the engine of an embedded environment.
func onEmbedded(run func(context.Context, *app, *project.Project) error) func(*app, *pflag.FlagSet) runner {
	return func(a *app, _ *pflag.FlagSet) runner {
		return func(ctx context.Context, args []string) error {
			p, err := a.openEmbedded()
			if err != nil {
				return err
			}
			a.reaches.Store(true)
			return run(ctx, a, p)
		}
	}
}

func devStartCommand() *command {
	return &command{
		name:  "dev start",
		short: "start the local engine, or find it running",
		long: `
The real Databend engine, from a Python wheel that is fetched once, and an S3 object store beside it. Any command whose
environment is embedded starts them by itself. The catalogue lives as long as the engine: for trying and for tests.`,
		exits: devExits("the engine runs"),
		bind: onEmbedded(func(ctx context.Context, a *app, p *project.Project) error {
			e, err := a.engine(ctx, p)
			if err != nil {
				return err
			}
			a.showEngine(e)
			return nil
		}),
	}
}

func devStatusCommand() *command {
	return &command{
		name:  "dev status",
		short: "where the local engine is, if it runs",
		exits: devExits("shown, whether it runs or not"),
		bind: onEmbedded(func(ctx context.Context, a *app, p *project.Project) error {
			e, err := local.Running(ctx, local.Home(p.Dir, p.FirstEngine, p.Env.Engine))
			if err != nil {
				return err
			}
			if e == nil {
				a.ui.Record("dev", "no local engine runs for this project", devState{})
				return nil
			}
			a.showEngine(e)
			return nil
		}),
	}
}

func devStopCommand() *command {
	return &command{
		name:  "dev stop",
		short: "stop the local engine; its catalogue and data are gone then",
		exits: devExits("no engine runs any more"),
		bind: onEmbedded(func(ctx context.Context, a *app, p *project.Project) error {
			ran, err := local.Stop(ctx, local.Home(p.Dir, p.FirstEngine, p.Env.Engine))
			if err != nil {
				return err
			}
			text := "no local engine ran"
			if ran {
				text = "the local engine was stopped"
			}
			a.ui.Record("dev", text, devState{})
			return nil
		}),
	}
}

func devDSNCommand() *command {
	return &command{
		name:  "dev dsn",
		short: "the local engine's address with its password, for other programs; starts it when it does not run",
		long: `
For bendsql, a notebook, or dbctl itself (--dsn). The password is one of this engine alone, and new at each start.`,
		exits: devExits("the address was shown"),
		bind: onEmbedded(func(ctx context.Context, a *app, p *project.Project) error {
			e, err := a.engine(ctx, p)
			if err != nil {
				return err
			}
			cfg := engineConfig(e)
			cfg.Database = p.Env.Database
			if err := ensureDatabase(ctx, cfg); err != nil {
				return err
			}
			dsn := (&url.URL{
				Scheme: "databend", User: url.UserPassword(e.User, e.Password.Reveal()), Host: net.JoinHostPort(e.Host, strconv.Itoa(e.Port)),
				Path: "/" + cfg.Database, RawQuery: "sslmode=disable",
			}).String()
			a.ui.Record("dsn", dsn, map[string]string{"dsn": dsn})
			return nil
		}),
	}
}

// devDaemonCommand is what local re-executes this binary as.
func devDaemonCommand() *command {
	return &command{
		name:   "dev daemon",
		args:   "[ARG...]",
		short:  "the process behind dev start",
		exits:  devExits("it was stopped"),
		hidden: true,
		bind: func(a *app, _ *pflag.FlagSet) runner {
			return func(ctx context.Context, args []string) error {
				a.reaches.Store(true)
				return local.Daemon(ctx, args)
			}
		},
	}
}
