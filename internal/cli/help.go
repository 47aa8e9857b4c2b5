package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/ui"
)

// ending is one line of an EXIT STATUS section.
type ending struct {
	code exit.Code
	text string
}

// allExits is the whole contract, for `dbctl help`.
var allExits = []ending{
	{exit.Done, "done"},
	{exit.Failed, "failed or refused, and nothing of it was left behind"},
	{exit.Usage, "usage, configuration or template error; nothing was tried"},
	{exit.Check, "--check found something; a changed file, an empty listing, or rows without a ledger stopped a load"},
	{exit.Partly, "partly done: a person or a retry is needed"},
	{exit.Locked, "locked by another run"},
	{exit.Unreachable, "the server was not reached and nothing was tried: safe to retry"},
	{exit.HungUp, "hung up (the terminal was closed), and rolled back"},
	{exit.Interrupted, "interrupted, and rolled back"},
	{exit.Terminated, "terminated, and rolled back"},
}

// The codes that any command which talks to a server can end with.
var (
	exitBadUsage   = ending{exit.Usage, "wrong usage, project or configuration, or a secret that has no value; nothing was tried"}
	exitNoServer   = ending{exit.Unreachable, "the server was not reached and nothing was tried: safe to retry"}
	exitOtherRun   = ending{exit.Locked, "another run holds the lock; nothing was tried"}
	exitOnSignal   = ending{exit.Interrupted, "interrupted (Ctrl-C), and what was begun was put back"}
	exitOnTerm     = ending{exit.Terminated, "terminated (SIGTERM; 129: the terminal was closed), and what was begun was put back"}
	exitReadSignal = ending{exit.Interrupted, "interrupted (143: terminated, 129: hung up)"}
)

// helpFor is the help text of a command, of a group, or of dbctl for "".
func helpFor(name string) string {
	c := find(name)
	switch {
	case c == nil:
		return overview()
	case c.bind == nil:
		return groupHelp(c)
	}
	return commandHelp(c)
}

func overview() string {
	var b strings.Builder
	b.WriteString(reflow("dbctl brings a Databend warehouse in step with a folder: migrations/ and loads/.") +
		"\n\nUSAGE\n  dbctl [global flags] COMMAND [flags] [arguments]\n\nCOMMANDS\n")
	for _, c := range below("") {
		if c.bind != nil {
			listCommand(&b, c)
			continue
		}
		for _, sub := range below(c.name) {
			listCommand(&b, sub)
		}
	}
	b.WriteString("\n`dbctl help COMMAND` says more about each.\n")
	writeGlobals(&b)
	writeExits(&b, allExits)
	return b.String()
}

func groupHelp(c *command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUSAGE\n  %s [flags] [arguments]\n\nCOMMANDS\n", reflow("dbctl "+c.name+": "+c.short), c.usage())
	for _, sub := range below(c.name) {
		listCommand(&b, sub)
	}
	fmt.Fprintf(&b, "\n`dbctl help %s COMMAND` says more about each.\n", c.name)
	writeGlobals(&b)
	writeExits(&b, allExits)
	return b.String()
}

func commandHelp(c *command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUSAGE\n  %s [flags]\n", reflow("dbctl "+c.name+": "+c.short), c.usage())
	if c.long != "" {
		b.WriteString("\n" + reflow(strings.TrimSpace(c.long)) + "\n")
	}
	flags := newFlagSet()
	c.bind(&app{}, flags)
	if usage := flags.FlagUsagesWrapped(helpWidth); usage != "" {
		b.WriteString("\nFLAGS\n" + usage)
	}
	writeGlobals(&b)
	writeExits(&b, c.exits)
	return b.String()
}

func listCommand(b *strings.Builder, c *command) {
	b.WriteString(ui.Wrap(fmt.Sprintf("  %-26s %s", strings.TrimSpace(c.name+" "+c.args), c.short), helpWidth, 29) + "\n")
}

// helpWidth is how many columns a help text takes: it is read in terminals, pagers and pages.
const helpWidth = 80

// reflow writes paragraphs in lines of helpWidth; lines that begin with a blank stay as they are.
func reflow(text string) string {
	var out []string
	paragraph := ""
	end := func() {
		if paragraph != "" {
			out = append(out, ui.Wrap(paragraph, helpWidth, 0))
		}
		paragraph = ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == ' ' {
			end()
			out = append(out, line)
			continue
		}
		paragraph = strings.TrimSpace(paragraph + " " + line)
	}
	end()
	return strings.Join(out, "\n")
}

func writeGlobals(b *strings.Builder) {
	globals := newFlagSet()
	(&app{}).bindGlobals(globals)
	b.WriteString("\nGLOBAL FLAGS\n" + globals.FlagUsagesWrapped(helpWidth))
}

// writeExits writes the section that ends every help text.
func writeExits(b *strings.Builder, exits []ending) {
	b.WriteString("\nEXIT STATUS\n")
	for _, e := range exits {
		b.WriteString(ui.Wrap(fmt.Sprintf("  %3d  %s", e.code, e.text), helpWidth, 7) + "\n")
	}
}

func helpCommand() *command {
	return &command{
		name:     "help",
		args:     "[COMMAND...]",
		short:    "what a command does, its flags and its exit codes",
		exits:    []ending{{exit.Done, "the help was shown"}, {exit.Usage, "there is no such command"}},
		complete: "command",
		bind: func(a *app, _ *pflag.FlagSet) runner {
			return func(_ context.Context, args []string) error {
				name := strings.Join(args, " ")
				if name != "" && find(name) == nil {
					group, verb := cutLast(name)
					if group == "" || find(group) == nil {
						group, verb = "", args[0]
					}
					return unknownVerb(group, verb)
				}
				return &helpRequest{helpFor(name)}
			}
		},
	}
}
