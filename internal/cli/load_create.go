package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/draft"
	"github.com/dbctl/dbctl/internal/project"
)

func loadCreateCommand() *command {
	return &command{
		name:  "load create",
		args:  "NAME --from @STAGE/PATH/|URI",
		try:   "trips --from @lake/trips/",
		short: "write a load, and the migration of its table, from the files in a place",
		long: `
The columns of some of the files are read; where their types differ, a wider one is taken. What is written is shown before:
loads/NAME.sql, and where there is no such table, the migration that makes it. Look at both, then: dbctl migrate up, and
dbctl load NAME. A URI of a store takes its keys from secrets (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY for s3://), or from a
CONNECTION with --connection NAME. A store that needs more is told by --connection 'ENDPOINT_URL=https://… REGION=…'; a key there
is {{ secret "NAME" }}, never its value.`,
		exits: []ending{
			{exit.Done, "the files were written; their paths are shown"},
			{exit.Failed, "the files could not be read"},
			exitBadUsage,
			{exit.Check, "there is no file at the place"},
			exitNoServer,
		},
		bind: func(a *app, f *pflag.FlagSet) runner {
			var r draft.Request
			f.StringVar(&r.From, "from", "", "`PLACE` of the files: @stage/path/, or a URI such as s3://bucket/path/")
			f.StringVar(&r.Table, "table", "", "[database.]`TABLE` to load into (default: the load's name)")
			f.StringVar(&r.Type, "type", "", "`TYPE` of the files: parquet, csv, tsv, ndjson, orc, avro (default: what their names say)")
			f.StringVar(&r.Connection, "connection", "", "`NAME` of the CONNECTION that has the keys of a URI, "+
				"or options of one: 'REGION=eu-central-1 ENDPOINT_URL=https://…'")
			dry := f.Bool("dry-run", false, "only show what would be written")
			sequential := f.Bool("sequential", false, "number the migration instead of naming it after the time")
			return func(ctx context.Context, args []string) error {
				if r.From == "" {
					return usageError("load create: from which files?", "dbctl load create "+args[0]+" --from @stage/path/")
				}
				r.Name = strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(args[0]), project.LoadsDir+"/"), ".sql")
				if wrong := project.BadLoadName(r.Name); wrong != "" {
					return usageError(fmt.Sprintf("load create: the name %q %s", r.Name, wrong), a.line([]string{"trips"}, "--from", r.From))
				}
				return a.createLoad(ctx, r, *dry, *sequential)
			}
		},
	}
}

func (a *app) createLoad(ctx context.Context, r draft.Request, dry, sequential bool) error {
	if err := r.Check(); err != nil {
		return err
	}
	file := filepath.Join(project.LoadsDir, filepath.FromSlash(r.Name)+".sql")
	w, err := a.open(ctx, access{check: func(p *project.Project) error {
		if _, err := os.Stat(filepath.Join(p.Dir, file)); err == nil {
			return usageError(file+" is there already", "choose another name, or remove it")
		}
		return nil
	}})
	if err != nil {
		return err
	}
	defer w.close()
	loader, err := a.newLoader(ctx, w, a.ui.Event)
	if err != nil {
		return err
	}
	defer loader.Close()
	d, err := loader.Draft(ctx, r)
	if err != nil {
		return err
	}
	for _, n := range d.Notes {
		a.note(event.Info, "load "+r.Name+": "+n)
	}
	a.note(event.Info, fmt.Sprintf("load %s: written from the columns of %s of %s", r.Name, event.Plural(d.Files, "file"), event.Count(d.Of)))
	a.ui.Record("load_text", "-- "+filepath.ToSlash(file)+"\n"+d.Load, map[string]string{"path": filepath.ToSlash(file), "sql": d.Load})
	if d.Migration != "" {
		a.ui.Record("migration_text", "-- "+project.MigrationsDir+"/\n"+d.Migration, map[string]string{"sql": d.Migration})
	}
	if dry {
		return nil
	}
	var paths []string
	if d.Migration != "" {
		p, err := project.CreateMigration(w.project.Dir, "create_"+d.Table, d.Migration, sequential, time.Now())
		if err != nil {
			return err
		}
		paths = append(paths, p)
	}
	p, err := project.CreateLoad(w.project.Dir, r.Name, d.Load)
	if err != nil {
		return err
	}
	for _, p := range append(paths, p) {
		a.ui.Record("created", p, map[string]string{"path": p})
	}
	return nil
}
