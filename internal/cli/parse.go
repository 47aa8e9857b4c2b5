package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/shell"
)

// parse reads the command line: verbs, flags and arguments, the flags anywhere. It leaves the globals and the command in a, also where
// it fails, so that the error is shown as was asked for.
func (a *app) parse() (runFunc, error) {
	// Even a command line that cannot be read should fail in the form that its reader expects.
	a.json = wantsJSON(a.Args)

	name, args, err := a.verbs(a.Args)
	if err != nil {
		return nil, err
	}
	flags := newFlagSet()
	var run runner = func(context.Context, []string) error { return a.noVerb(name) }
	versionAsked := new(bool)
	switch a.cmd = find(name); {
	case a.cmd == nil: // no verb at all
		a.cmd = &command{}
		flags.BoolVar(versionAsked, "version", false, "which dbctl this is")
	case a.cmd.bind != nil:
		run = a.cmd.bind(a, flags)
	}
	a.bindGlobals(flags)
	if err := flags.Parse(args); err != nil {
		return nil, a.flagError(err, flags, name)
	}
	if err := a.globalsFromEnv(flags); err != nil {
		return nil, err
	}
	if *versionAsked {
		a.cmd = versionCommand()
		run = a.cmd.bind(a, newFlagSet())
	}
	if err := emptyFlag(flags); err != nil {
		return nil, err
	}
	a.given = givenFlags(flags)
	for _, named := range [][2]string{{"-C", "dir"}, {"-e", "env"}, {"--env-file", "env-file"}} {
		if f := flags.Lookup(named[1]); f.Changed {
			a.where = append(a.where, named[0], f.Value.String())
		}
	}
	if flags.Changed("dsn") { // which has a password
		a.where = append(a.where, "--dsn", "DSN")
	}
	a.rest = flags.Args()
	return func(ctx context.Context) error {
		if err := a.countArgs(); err != nil {
			return err
		}
		return run(ctx, a.rest)
	}, nil
}

// verbs finds the command's name among args, and returns it and what else there is. Flags may stand before a verb, so it must be known
// which of them take the next word as their value: a flag means the same in every command that has it.
func (a *app) verbs(args []string) (name string, rest []string, err error) {
	all := allFlags()
	for i := 0; i < len(args); i++ {
		word := args[i]
		if word == "--" {
			if c := find(name); i+1 < len(args) && (c == nil || c.bind == nil) {
				return name, nil, usageError(strings.TrimSpace(name+" --")+" stands in front of the command", listed(name))
			}
			return name, append(rest, args[i:]...), nil
		}
		if len(word) > 1 && word[0] == '-' {
			rest = append(rest, word)
			if waiting(all, word) != nil && i+1 < len(args) {
				i++
				rest = append(rest, args[i])
			}
			continue
		}
		full := strings.TrimSpace(name + " " + word)
		cmd := find(full)
		switch {
		case cmd == nil && unknownFlag(all, rest) != nil: // whose value the word may be
			return name, nil, a.flagError(unknownFlag(all, rest), all, name)
		case cmd == nil:
			return name, nil, unknownVerb(name, word)
		case cmd.bind != nil && (i+1 == len(args) || find(full+" "+args[i+1]) == nil): // load has a verb below it, and takes names, too
			return full, append(rest, args[i+1:]...), nil
		}
		name = full
	}
	return name, rest, nil
}

// allFlags has the flags of all commands.
func allFlags() *pflag.FlagSet {
	all := newFlagSet()
	(&app{}).bindGlobals(all)
	for _, c := range commands() {
		if c.bind != nil {
			own := newFlagSet()
			c.bind(&app{}, own)
			all.AddFlagSet(own)
		}
	}
	return all
}

// waiting is the flag that a word names, or the last of the short flags that it names, where its value is the next word; else nil.
func waiting(flags *pflag.FlagSet, word string) *pflag.Flag {
	if long, ok := strings.CutPrefix(word, "--"); ok {
		if f := flags.Lookup(long); f != nil && f.NoOptDefVal == "" { // --name=value is not found: it has its value
			return f
		}
		return nil
	}
	for i := 1; i < len(word) && word[0] == '-'; i++ {
		if f := flags.ShorthandLookup(word[i : i+1]); f != nil && f.NoOptDefVal == "" {
			if i == len(word)-1 {
				return f
			}
			return nil
		}
	}
	return nil
}

// unknownFlag is pflag's error where one of the words is a flag that no command has.
func unknownFlag(flags *pflag.FlagSet, words []string) error {
	err := flags.Parse(words)
	if _, unknown := errors.AsType[*pflag.NotExistError](err); unknown {
		return err
	}
	return nil
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

// noVerb is a command line that ends in a group, which is a mistake, or is empty, which is a question.
func (a *app) noVerb(group string) error {
	if group == "" {
		return &helpRequest{helpFor("")}
	}
	return usageError(fmt.Sprintf("%s: no command given", group), listed(group))
}

// listed is the hint where a verb of a group is wanted.
func listed(group string) string {
	return fmt.Sprintf("`dbctl %s` lists the commands", strings.TrimSpace("help "+group))
}

// othersWords are commands of goose, terraform and dbt that have another name here.
var othersWords = map[string]string{
	"apply": "migrate up", "deploy": "migrate up", "run": "load --all", "rollback": "migrate down", "reset": "migrate down 0",
	"destroy": "migrate down 0", "new": "migrate create NAME", "validate": "lint", "check": "lint", "compile": "show 1",
	"query": "sql 'SELECT 1'", "console": "sql 'SELECT 1'", "shell": "sql 'SELECT 1'", "debug": "doctor", "seed": "load --all",
	"undo": "migrate down", "revert": "migrate down", "add": "migrate create NAME", "diff": "show 1 --diff", "version": "migrate status",
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
	}
	if ours := othersWords[verb]; ours != "" && strings.HasPrefix(ours, group) {
		return usageError(msg, fmt.Sprintf("did you mean `dbctl %s`?", ours))
	}
	return usageError(msg, listed(group))
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
			hint = project.DidYouMeanAs("--%s", unknown.GetSpecifiedName(), names, hint)
		}
		return usageError(err.Error(), hint)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		// pflag's own text quotes the value and the flag's short name in one; name the flag only.
		want := invalid.Unwrap().Error()
		switch invalid.GetFlag().Value.Type() {
		case "int", "int64":
			want = "want a whole number"
		case "duration":
			want = errWantTime.Error()
		}
		return usageError(fmt.Sprintf("--%s %q: %s", invalid.GetFlag().Name, invalid.GetValue(), want), hint)
	}
	return usageError(err.Error(), hint)
}

// emptyFlag refuses a flag whose value is empty. It is mostly a shell variable that is not set: --path "$DAY" would mean every file.
func emptyFlag(flags *pflag.FlagSet) error {
	var err error
	flags.Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" {
			err = usageError("--"+f.Name+" is empty", emptyHint)
		}
	})
	return err
}

// emptyHint is the hint where a word of the command line is empty.
const emptyHint = "is a variable of the shell not set? Give it a value, or leave it out"

// line is this command with other arguments and flags, as a hint that can be pasted.
func (a *app) line(args []string, flags ...string) string {
	return "`" + shell.Join(slices.Concat([]string{"dbctl"}, strings.Fields(a.cmd.name), args, flags)...) + "`"
}

// tryArgs are arguments that this command may have: of this project, where there is one.
func (a *app) tryArgs() []string {
	args := strings.Fields(a.cmd.try)
	if own := a.arguments(a.cmd.complete); len(own) > 0 && len(args) > 0 {
		args[0] = own[len(own)-1].value
	}
	return args
}

// countArgs checks how many arguments there are.
func (a *app) countArgs() error {
	least, most := a.cmd.count()
	switch {
	case slices.Contains(a.rest, "") && !a.cmd.hidden:
		return usageError(fmt.Sprintf("%s: argument %d is empty", a.cmd.name, slices.Index(a.rest, "")+1), emptyHint)
	case len(a.rest) < least:
		return usageError(fmt.Sprintf("%s: an argument is missing", a.cmd.name), a.line(a.tryArgs()))
	case len(a.rest) > most:
		return usageError(fmt.Sprintf("%s: unexpected argument %q", a.cmd.name, a.rest[most]), a.line(a.rest[:most]))
	}
	return nil
}
