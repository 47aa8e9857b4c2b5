package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/scaffold"
	"github.com/dbctl/dbctl/internal/shell"
)

func initCommand() *command {
	return &command{
		name:  "init",
		args:  "[DIR]",
		short: "write a new project that runs at once",
		long: `
dbctl.yaml, migrations/, loads/ with a small example and its data, .env.example, .gitignore and a CI workflow, in DIR (default:
here). It runs on the local engine as it is: no server, no account. A file that is there already is kept as it is; the
examples are left out where migrations/ or loads/ hold files.`,
		exits: []ending{
			{exit.Done, "the project was written; its files are listed"},
			{exit.Failed, "a file could not be written"},
			{exit.Usage, "wrong usage, or the folder holds a project already"},
		},
		bind: func(a *app, f *pflag.FlagSet) runner {
			example := ""
			f.Var(choice(&example, scaffold.Examples...), "example", "another example instead: `NAME` is citydrive, a dash-cam project")
			return func(_ context.Context, args []string) error {
				typed := "."
				if len(args) == 1 {
					typed = args[0]
				} else if a.dir != "" {
					typed = a.dir
				}
				return a.init(typed, example)
			}
		},
	}
}

func (a *app) init(typed, example string) error {
	made, err := scaffold.New(a.below(typed), example, version().installable())
	if errors.Is(err, scaffold.ErrProject) {
		return usageError(fmt.Sprintf("%s holds a project already: nothing was written", filepath.Join(typed, "dbctl.yaml")),
			"`dbctl init OTHER_FOLDER`, or `dbctl plan` in this one")
	}
	for _, path := range made.Created {
		a.ui.Record("created", "created  "+path, map[string]string{"path": path})
	}
	for _, path := range made.Kept {
		a.ui.Record("kept", "kept     "+path, map[string]string{"path": path})
	}
	if err != nil {
		return err
	}
	if slices.Contains(made.Kept, ".gitignore") {
		a.note(event.Warn, "your .gitignore was kept: it must have the lines .env and .dbctl/")
	}
	if made.Bare {
		a.note(event.Warn, "migrations/ and loads/ are yours: the example was left out")
	}
	next := []string{"export DBCTL_ENV=local", "dbctl plan", "dbctl migrate up", "dbctl load --all"}
	if example == "" && !made.Bare {
		next = append(next, `dbctl sql "SELECT * FROM orders"`)
	}
	if filepath.Clean(typed) != "." {
		next = append([]string{"cd " + shell.Quote(typed)}, next...)
	}
	a.note(event.Info, "next:\n  "+strings.Join(next, "\n  "))
	return nil
}
