package cli

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// globals are the flags that every command takes, before or after its name.
type globals struct {
	dir      string
	env      string
	dsn      string
	vars     map[string]string
	envFile  string
	json     bool
	quiet    bool
	verbose  bool
	color    string
	timeout  positive
	lockWait positive
	yes      bool // of the commands that bindYes declares it for
}

// bindGlobals declares the global flags on f. Values already read from before the verb stay: they are the defaults.
func (a *app) bindGlobals(f *pflag.FlagSet) {
	g := &a.globals
	f.StringVarP(&g.dir, "dir", "C", g.dir, "project folder `DIR` (default: the nearest upward with a dbctl.yaml)")
	f.StringVarP(&g.env, "env", "e", g.env, "environment `ENV` of dbctl.yaml [DBCTL_ENV]")
	f.StringVar(&g.dsn, "dsn", g.dsn, "connect to this `DSN` instead of the environment's server [DBCTL_DSN]")
	f.Var((*varsFlag)(&g.vars), "var", "set a template's `NAME=VALUE`; may be repeated")
	f.StringVar(&g.envFile, "env-file", g.envFile, "read variables that are not set from this `FILE` [DBCTL_ENV_FILE]")
	f.BoolVar(&g.json, "json", g.json, "one JSON object a line on stdout, nothing on stderr")
	f.BoolVarP(&g.quiet, "quiet", "q", g.quiet, "results and errors only")
	f.BoolVarP(&g.verbose, "verbose", "v", g.verbose, "say more: each file, each statement's SQL")
	f.Var(choice(&g.color, "auto", "always", "never"), "color", "colour `WHEN`: auto, always or never [DBCTL_COLOR]")
	f.Var(&g.timeout, "timeout", "give up on a statement after `D`, like 90s or 10m (default: never) [DBCTL_TIMEOUT]")
	f.Var(&g.lockWait, "lock-wait", "wait `D` for another run to end (default: not at all, exit 5) [DBCTL_LOCK_WAIT]")
}

func (a *app) bindYes(f *pflag.FlagSet) {
	f.BoolVar(&a.yes, "yes", false, "do not ask in a protected environment")
}

// globalVariables are the environment variables of global flags.
var globalVariables = []struct{ flag, variable string }{
	{"env", "DBCTL_ENV"},
	{"dsn", "DBCTL_DSN"},
	{"env-file", "DBCTL_ENV_FILE"},
	{"timeout", "DBCTL_TIMEOUT"},
	{"lock-wait", "DBCTL_LOCK_WAIT"},
	{"color", "DBCTL_COLOR"},
}

// globalsFromEnv fills the flags that were not given from DBCTL_… variables. An empty variable is as good as none.
func (a *app) globalsFromEnv(f *pflag.FlagSet) error {
	for _, v := range globalVariables {
		flag := f.Lookup(v.flag)
		if flag.Value.String() != "" {
			continue
		}
		value, ok := a.Getenv(v.variable)
		if !ok || value == "" {
			continue
		}
		if err := flag.Value.Set(value); err != nil {
			return usageError(fmt.Sprintf("%s=%q: %v", v.variable, value, err),
				fmt.Sprintf("`unset %s`, or give it a value that --%s takes", v.variable, v.flag))
		}
	}
	return nil
}

// width gives how many columns the lines of a stream may take: COLUMNS where that is set, else the terminal's, 80 where that is not known.
// Off a terminal nothing bounds them: a log is searched, and lines that are cut or broken are not found.
func (a *app) width(terminal bool) func() int {
	if v, _ := a.Getenv("COLUMNS"); v != "" {
		if n, err := strconv.Atoi(v); err == nil && n > 0 {
			return func() int { return n }
		}
	}
	if !terminal {
		return nil
	}
	return func() int {
		if a.Width != nil {
			return cmp.Or(a.Width(), 80)
		}
		return 80
	}
}

// useColor says whether text on a stream may carry colour: as --color says, else on a terminal that did not ask for none (no-color.org).
func (a *app) useColor(terminal bool) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	if v, ok := a.Getenv("NO_COLOR"); ok && v != "" {
		return false
	}
	if term, _ := a.Getenv("TERM"); term == "dumb" {
		return false
	}
	return terminal
}
