package cli

import (
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/shell"
)

// The scripts ask dbctl itself, by the hidden __complete, so that they never grow stale.
//
//go:embed completion
var completionScripts embed.FS

func completionCommand() *command {
	return &command{
		name:  "completion",
		args:  "bash|zsh|fish",
		try:   "bash",
		short: "a script that completes commands, flags, versions and loads",
		long: `
In the shell that is running, or for good in its start-up file (~/.bashrc, ~/.zshrc behind compinit, ~/.config/fish/config.fish):

  bash   source <(dbctl completion bash)
  zsh    source <(dbctl completion zsh)
  fish   dbctl completion fish | source`,
		exits:    []ending{{exit.Done, "the script was written"}, {exit.Usage, "no such shell"}},
		complete: "shell",
		bind: func(a *app, _ *pflag.FlagSet) runner {
			return func(_ context.Context, args []string) error {
				script, err := completionScripts.ReadFile("completion/" + args[0])
				if err != nil {
					return usageError(fmt.Sprintf("there is no completion for %q", args[0]), "`dbctl completion bash`, zsh or fish")
				}
				_, err = a.Stdout.Write(script)
				return err
			}
		},
	}
}

// completeCommand is what the scripts call: the words typed so far, the last of them unfinished.
func completeCommand() *command {
	return &command{
		name:   "__complete",
		args:   "-- WORD...",
		short:  "candidates for the last word",
		exits:  []ending{{exit.Done, "listed"}},
		hidden: true,
		bind: func(a *app, _ *pflag.FlagSet) runner {
			return func(_ context.Context, words []string) error {
				var b strings.Builder
				for _, c := range a.candidates(words) {
					fmt.Fprintf(&b, "%s\t%s\n", c.value, c.about)
				}
				_, err := io.WriteString(a.Stdout, b.String())
				return err
			}
		},
	}
}

// candidate is a word that may stand next, and what it means.
type candidate struct{ value, about string }

// candidates lists what may replace the last of words. It reads files only: no server is asked.
func (a *app) candidates(words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	words = apart(words)
	current := words[len(words)-1]
	name, flags, pending := a.typed(words[:len(words)-1])
	var all []candidate
	cmd := find(name)
	switch {
	case pending != nil:
		all = a.flagValues(pending)
	case strings.HasPrefix(current, "--") && strings.Contains(current, "="):
		long, _, _ := strings.Cut(current[2:], "=")
		if f := flags.Lookup(long); f != nil {
			for _, c := range a.flagValues(f) {
				all = append(all, candidate{"--" + long + "=" + c.value, c.about})
			}
		}
	case strings.HasPrefix(current, "-"):
		flags.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				_, usage := pflag.UnquoteUsage(f)
				all = append(all, candidate{"--" + f.Name, usage})
			}
		})
	case cmd == nil || cmd.bind == nil:
		all = verbs(name)
	default:
		if flags.NArg() == 0 {
			all = verbs(name) // load has one below it, and takes names, too
		}
		all = append(all, a.arguments(cmd.complete)...)
	}
	// Names come from files, which anybody may have named: what a shell would read as more than a word is no candidate.
	return slices.DeleteFunc(all, func(c candidate) bool {
		return !strings.HasPrefix(c.value, current) || !shell.Plain(strings.TrimLeft(c.value, "-"))
	})
}

// apart puts words as bash splits them, --name = value, into the form --name value.
func apart(words []string) []string {
	var out []string
	for i, w := range words {
		switch {
		case w == "=" && i > 0 && strings.HasPrefix(words[i-1], "--") && i < len(words)-1:
		case w == "=" && i > 0 && strings.HasPrefix(words[i-1], "--"):
			out = append(out, "")
		default:
			out = append(out, w)
		}
	}
	return out
}

// typed reads the finished words: which command they name, the flags it takes, and the flag that still waits for its value.
func (a *app) typed(words []string) (name string, flags *pflag.FlagSet, pending *pflag.Flag) {
	all := allFlags()
	for i := 0; i < len(words) && pending == nil; i++ {
		if pending = waiting(all, words[i]); pending != nil && i+1 < len(words) {
			pending = nil
			i++
		} else if pending != nil {
			words = words[:i]
		}
	}
	name, rest, _ := a.verbs(words) // what is wrong with them is for the run to complain about
	flags = newFlagSet()
	if cmd := find(name); cmd != nil && cmd.bind != nil {
		cmd.bind(&app{}, flags)
	}
	a.bindGlobals(flags)
	_ = flags.Parse(rest)
	return name, flags, pending
}

func verbs(group string) []candidate {
	var all []candidate
	for _, c := range below(group) {
		all = append(all, candidate{c.verb(), c.short})
	}
	return all
}

func (a *app) flagValues(f *pflag.Flag) []candidate {
	if f.Name == "env" {
		return a.environmentNames()
	}
	var all []candidate
	if v, ok := f.Value.(interface{ words() []string }); ok {
		for _, word := range v.words() {
			all = append(all, candidate{word, ""})
		}
	}
	return all
}

func (a *app) arguments(kinds string) []candidate {
	var all []candidate
	for _, k := range strings.Fields(kinds) {
		switch k {
		case "version":
			all = append(all, a.versionNames()...)
		case "load":
			all = append(all, a.loadNames()...)
		case "shell":
			all = append(all, candidate{"bash", ""}, candidate{"zsh", ""}, candidate{"fish", ""})
		case "command":
			all = append(all, verbs("")...)
		}
	}
	return all
}

func (a *app) environmentNames() []candidate {
	opts, _, err := a.projectOptions(true)
	if err != nil {
		return nil
	}
	opts.NoFolders, opts.Env = true, ""
	p, err := project.Open(opts)
	if err != nil {
		return nil
	}
	var all []candidate
	for _, e := range p.Environments {
		all = append(all, candidate{e, "environment"})
	}
	return all
}

func (a *app) versionNames() []candidate {
	entries, err := project.ReadDir(a.projectDir(), project.MigrationsDir)
	if err != nil {
		return nil
	}
	var all []candidate
	for _, e := range entries {
		version, name, err := project.VersionOf(e.Name())
		if err != nil || path.Ext(e.Name()) != ".sql" {
			continue
		}
		if !shell.Plain(name) { // a terminal shows it
			name = ""
		}
		all = append(all, candidate{strconv.FormatInt(version, 10), name})
	}
	return all
}

func (a *app) loadNames() []candidate {
	var all []candidate
	_ = project.WalkDir(a.projectDir(), project.LoadsDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipAll // no loads, no candidates
		}
		name, ok := strings.CutSuffix(strings.TrimPrefix(path, project.LoadsDir+"/"), ".sql")
		if ok && !d.IsDir() && shell.Plain(name) { // -f.sql would be a flag
			all = append(all, candidate{name, "load"})
		}
		return nil
	})
	return all
}
