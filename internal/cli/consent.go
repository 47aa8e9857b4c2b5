package cli

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/shell"
)

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
