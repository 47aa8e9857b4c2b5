package cli

import (
	"context"
	"math"
	"strings"

	"github.com/spf13/pflag"
)

// command is one verb, or a group of verbs ("migrate", which runs nothing itself).
type command struct {
	name  string // "migrate up"
	args  string // "[VERSION]", "NAME...": as help shows it, and as they are counted
	short string // one line, for lists
	try   string // arguments that it may have, for the hint of a command line without them
	long  string // what a person needs to know before typing it; may be empty

	// exits are the codes that this command can end with, and what they mean for it.
	exits []ending

	// recovers is the command that finishes what this one left when it was cut off; empty where it leaves nothing.
	recovers string

	hidden  bool // not in help and completion
	fullSQL bool // statement lists show the SQL

	// complete says what its arguments may be, for completion: "version", "load", "shell" or "command", several with blanks between.
	complete string

	// bind declares the flags and returns what runs the command with its arguments. Nil for a group.
	bind func(a *app, f *pflag.FlagSet) runner
}

// runner runs a command with its arguments.
type runner func(ctx context.Context, args []string) error

// count is how many arguments the command takes, by the first word of args: [X] may be left out, and so may one that a flag replaces;
// X... may stand several times.
func (c *command) count() (least, most int) {
	first, _, _ := strings.Cut(c.args, " ")
	if first == "" {
		return 0, 0
	}
	least, most = 1, 1
	if first[0] == '[' || strings.Contains(first, "--") {
		least = 0
	}
	if strings.Contains(first, "...") || first == "--" {
		most = math.MaxInt
	}
	return least, most
}

// commands are all verbs in the order that help lists them.
func commands() []*command {
	return []*command{
		initCommand(), planCommand(), statusCommand(), showCommand(), sqlCommand(),
		migrateGroup(), upCommand(), downCommand(), redoCommand(), migrateStatusCommand(), recoverCommand(), createCommand(),
		baselineCommand(), acceptCommand(), restoreCommand(),
		loadCommand(), loadCreateCommand(),
		devGroup(), devStartCommand(), devStopCommand(), devStatusCommand(), devDSNCommand(), devDaemonCommand(),
		lintCommand(), doctorCommand(),
		unlockCommand(),
		versionCommand(), completionCommand(), completeCommand(), helpCommand(),
	}
}

// find returns the command of this name, or nil.
func find(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

// below returns the visible commands of a group, or those of the top for "".
func below(group string) []*command {
	var cs []*command
	for _, c := range commands() {
		if parent, _ := cutLast(c.name); parent == group && !c.hidden {
			cs = append(cs, c)
		}
	}
	return cs
}

// verb is the last word of the name.
func (c *command) verb() string {
	_, last := cutLast(c.name)
	return last
}

// cutLast is a command's group, "" for none, and its verb.
func cutLast(name string) (group, verb string) {
	i := strings.LastIndexByte(name, ' ')
	return name[:max(i, 0)], name[i+1:]
}

// usage is the line to type.
func (c *command) usage() string {
	s := "dbctl " + c.name
	if c.bind == nil {
		return s + " COMMAND"
	}
	if c.args != "" {
		s += " " + c.args
	}
	return s
}
