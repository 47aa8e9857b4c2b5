package cli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/project"
)

func createCommand() *command {
	return &command{
		name:  "migrate create",
		args:  "NAME",
		try:   "add_country",
		short: "a new file in migrations/ (timestamp; --sequential for numbers)",
		exits: []ending{
			{exit.Done, "the file was written; its path is shown"},
			{exit.Failed, "the file could not be written"},
			{exit.Usage, "wrong usage, or no name for a migration"},
		},
		bind: func(a *app, f *pflag.FlagSet) runner {
			sequential := f.Bool("sequential", false, "the next number instead of the time")
			return func(_ context.Context, args []string) error {
				// CreateMigration would make the folder; in the wrong place that only puzzles.
				if config := filepath.Join(a.projectDir(), project.ConfigFile); !exists(config) {
					return project.NoProject(config)
				}
				path, err := project.CreateMigration(a.projectDir(), args[0], "", *sequential, time.Now())
				if err != nil {
					return err
				}
				a.ui.Record("created", path, map[string]string{"path": path})
				return nil
			}
		},
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
