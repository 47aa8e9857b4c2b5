package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"regexp"
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
	if out, err := git(ctx, dir, "rev-parse", "HEAD"); err == nil {
		act.GitCommit = strings.TrimSpace(out)
		// Only what is below the project counts: a repository may hold much else. One whose own configuration names filters would run
		// them to compare files: of it we do not know.
		filters, err := git(ctx, dir, "config", "--includes", "--show-scope", "--get-regexp", `^filter\.`)
		if none, ok := errors.AsType[*exec.ExitError](err); ok && none.ExitCode() == 1 || err == nil && !repositorys.MatchString(filters) {
			out, err := git(ctx, dir, "status", "--porcelain", "--ignore-submodules=all", "--", ".")
			act.GitDirty = err == nil && out != ""
		}
	}
	return act
}

// repositorys finds, in what git config --show-scope lists, what is not the user's own or the machine's.
var repositorys = regexp.MustCompile(`(?m)^(?:local|worktree|unknown)\b`)

// git asks git about the project's folder, which may come from anybody: nothing that its configuration names is run, a bare repository
// in a folder of it is none, what is missing is not fetched, and nothing is written.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	safe := []string{
		"-C", dir, "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit", "-c",
		"core.hooksPath=/dev/null", "-c", "protocol.allow=never",
	}
	cmd := exec.CommandContext(ctx, "git", append(safe, args...)...)
	cmd.Env = append(os.Environ(), "GIT_NO_LAZY_FETCH=1")
	out, err := cmd.Output()
	return string(out), err
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
