package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/project"
)

// parse reads the command line: global flags, verbs, then flags and arguments in any order. It leaves the globals and the command
// in a, also where it fails, so that the error is shown as was asked for.
func (a *app) parse() (runFunc, error) {
	// Even a command line that cannot be read should fail in the form that its reader expects.
	a.json = wantsJSON(a.Args)

	args, name, before := a.Args, "", ""
	for {
		root := newFlagSet()
		a.bindGlobals(root)
		root.SetInterspersed(false)
		if err := root.Parse(args); err != nil {
			return nil, a.flagError(err, root, name)
		}
		args, before = root.Args(), before+givenFlags(root)+" "
		if len(args) == 0 {
			return nil, a.noVerb(name)
		}
		full := strings.TrimSpace(name + " " + args[0])
		cmd := find(full)
		if cmd == nil {
			return nil, unknownVerb(name, args[0])
		}
		a.cmd, name, args = cmd, full, args[1:]
		if cmd.bind != nil {
			break
		}
	}

	flags := newFlagSet()
	run := a.cmd.bind(a, flags)
	a.bindGlobals(flags)
	if err := flags.Parse(args); err != nil {
		return nil, a.flagError(err, flags, name)
	}
	if err := a.globalsFromEnv(flags); err != nil {
		return nil, err
	}
	a.given = strings.TrimSpace(before + givenFlags(flags))
	a.rest = flags.Args()
	return func(ctx context.Context) error { return run(ctx, a.rest) }, nil
}

func newFlagSet() *pflag.FlagSet {
	f := pflag.NewFlagSet("dbctl", pflag.ContinueOnError)
	f.SetOutput(io.Discard) // errors are printed once, by Main
	f.Usage = func() {}
	f.SortFlags = false
	return f
}

// wantsJSON looks for --json before anything is parsed.
func wantsJSON(args []string) bool {
	for _, a := range args {
		switch a {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}

// noVerb is a command line that ends in a group, or is empty.
func (a *app) noVerb(group string) error {
	if group == "" {
		return usageError("no command given", "`dbctl help` lists the commands")
	}
	return usageError(fmt.Sprintf("%s: no command given", group), fmt.Sprintf("`dbctl %s %s`", group, oneOf(below(group))))
}

// oneOf is up|down|….
func oneOf(cs []*command) string {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = c.verb()
	}
	return strings.Join(names, "|")
}

func unknownVerb(group, verb string) error {
	cs := below(group)
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = c.verb()
	}
	msg := fmt.Sprintf("unknown command %q", strings.TrimSpace(group+" "+verb))
	if near := project.Nearest(verb, names); near != "" {
		return usageError(msg, fmt.Sprintf("did you mean `dbctl %s`?", strings.TrimSpace(group+" "+near)))
	}
	if group == "" {
		// `dbctl up` is what users of other tools type.
		for _, c := range commands() {
			if c.verb() == verb && !c.hidden {
				return usageError(msg, fmt.Sprintf("did you mean `dbctl %s`?", c.name))
			}
		}
		return usageError(msg, "`dbctl help` lists the commands")
	}
	return usageError(msg, fmt.Sprintf("`dbctl help %s` lists the commands", group))
}

// flagError turns pflag's error into ours. name is the command as far as it was read.
func (a *app) flagError(err error, flags *pflag.FlagSet, name string) error {
	if errors.Is(err, pflag.ErrHelp) {
		return &helpRequest{helpFor(name)}
	}
	help := strings.TrimSpace("dbctl help " + name)
	hint := fmt.Sprintf("`%s` lists the flags", help)
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if unknown.GetSpecifiedShortnames() == "" {
			var names []string
			flags.VisitAll(func(f *pflag.Flag) {
				if !f.Hidden {
					names = append(names, f.Name)
				}
			})
			if near := project.Nearest(unknown.GetSpecifiedName(), names); near != "" {
				hint = fmt.Sprintf("did you mean --%s?", near)
			}
		}
		return usageError(err.Error(), hint)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		// pflag's own text quotes the value and the flag's short name in one; name the flag only.
		return usageError(fmt.Sprintf("--%s %q: %v", invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap()), hint)
	}
	return usageError(err.Error(), hint)
}

// exactArgs checks how many arguments there are.
func (a *app) exactArgs(args []string, atLeast, atMost int) error {
	switch {
	case len(args) < atLeast:
		return usageError(fmt.Sprintf("%s: an argument is missing", a.cmd.name), fmt.Sprintf("`%s`", a.cmd.usage()))
	case atMost >= 0 && len(args) > atMost:
		return usageError(fmt.Sprintf("%s: unexpected argument %q", a.cmd.name, args[atMost]), fmt.Sprintf("`%s`", a.cmd.usage()))
	}
	return nil
}
