package cli

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/state"
)

// actor says who acts, for the journal. What cannot be found out stays empty: it is no reason not to work.
func (a *app) actor(ctx context.Context, dir string) state.Actor {
	act := state.Actor{DBCTLVersion: version().Version, Flags: a.given}
	act.Label, _ = a.Getenv("DBCTL_LABEL")
	act.Host, _ = os.Hostname()
	if u, err := user.Current(); err == nil {
		act.OSUser = u.Username
	}
	if out, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "HEAD").Output(); err == nil {
		act.GitCommit = strings.TrimSpace(string(out))
		// Only what is below the project counts: a repository may hold much else.
		out, err := exec.CommandContext(ctx, "git", "-C", dir, "status", "--porcelain", "--", ".").Output()
		act.GitDirty = err == nil && len(out) > 0
	}
	return act
}

// givenFlags is the flags of the command line as the journal keeps them. A DSN has a password, and a var may be anything.
func givenFlags(f *pflag.FlagSet) string {
	var all []string
	f.Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "dsn", "var":
			all = append(all, "--"+flag.Name)
		default:
			all = append(all, "--"+flag.Name+"="+flag.Value.String())
		}
	})
	return strings.Join(all, " ")
}
