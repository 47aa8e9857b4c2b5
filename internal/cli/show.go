package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

func showCommand() *command {
	return &command{
		name:  "show",
		args:  "VERSION|LOAD",
		try:   "3",
		short: "a migration's or load's SQL as it will be sent, and what each statement does",
		long: `
For each statement: what it writes, its class (exact, flashback, redefine, irreversible) and how it would be undone.
Secrets stand as {{ secret "NAME" }}; none is needed, and no server is asked, but for --applied and --diff, which show a migration
as it was applied, from the journal, and what the file changes of that.`,
		exits: []ending{
			{exit.Done, "the statements were shown"},
			{exit.Failed, "the server refused"},
			{exit.Usage, "no such migration or load, or a mistake in the project"},
			exitNoServer,
		},
		complete: "version load",
		fullSQL:  true,
		bind: func(a *app, f *pflag.FlagSet) runner {
			applied := f.Bool("applied", false, "a migration as it was applied, from the journal")
			differs := f.Bool("diff", false, "what differs between what was applied and the file, as a unified diff")
			return func(ctx context.Context, args []string) error {
				if *applied || *differs {
					version, err := versionArg(args[0])
					if err != nil {
						return err
					}
					return a.onApplied(ctx, version, func(was migrate.AppliedMigration, p *project.Project) error {
						if *differs {
							return a.showDiff(was, p)
						}
						return a.showApplied(was, p)
					})
				}
				p, err := a.openOffline()
				if err != nil {
					return err
				}
				return a.show(p, args[0])
			}
		},
	}
}

// openOffline opens the project and asks nobody, not even a local engine that runs; broken files are for the caller to look at.
func (a *app) openOffline() (*project.Project, error) {
	opts, _, err := a.projectOptions(true)
	if err != nil {
		return nil, err
	}
	return a.openBeforeEngine(opts)
}

func (a *app) show(p *project.Project, what string) error {
	database := p.Env.Database
	meant := a.loadsMeant(p.Loads, what)
	for _, l := range meant {
		for _, s := range describe(l.Statements(), database) {
			s.Load = l.Name
			a.ui.Event(s)
		}
	}
	if len(meant) > 0 {
		return nil
	}
	version, err := strconv.ParseInt(what, 10, 64)
	for _, m := range p.Migrations {
		if err == nil && m.Version == version {
			a.showSection(m.Version, event.Up, m.Up, database)
			if m.HasDown {
				a.showSection(m.Version, event.Down, m.Down, database)
			}
			return nil
		}
	}
	for _, b := range p.Broken {
		if b.Load != "" && len(a.loadsMeant([]project.Load{{Name: b.Load}}, what)) > 0 || err == nil && b.Version == version {
			return b.Err
		}
	}
	var names []string
	for _, l := range p.Loads {
		names = append(names, l.Name)
	}
	for _, m := range p.Migrations {
		names = append(names, strconv.FormatInt(m.Version, 10))
	}
	if len(p.Broken) > 0 { // a file whose name gives no version may be what is meant
		return p.Mistakes()
	}
	return usageError(fmt.Sprintf("there is no migration and no load %q", what), project.DidYouMeanAs("`dbctl show %s`", what, names,
		"`dbctl migrate status` lists the versions, `dbctl load --list` the loads"))
}

// showApplied shows the statements of a migration as they were applied.
func (a *app) showApplied(was migrate.AppliedMigration, p *project.Project) error {
	for _, part := range []struct {
		direction event.Direction
		text      string
	}{{event.Up, was.Up}, {event.Down, was.Down}} {
		statements, err := sqltext.Split(part.text)
		if err != nil {
			return fmt.Errorf("read the journal's text of version %d: %w", was.Version, err)
		}
		var section project.Section
		for _, s := range statements {
			section.Statements = append(section.Statements, project.Statement{SQL: s.Text, Place: sqltext.PosAt(part.text, s.Start).In("journal")})
		}
		a.showSection(was.Version, part.direction, section, p.Env.Database)
	}
	return nil
}

// showDiff compares a migration as it was applied with its file, both with templates expanded but for secrets.
func (a *app) showDiff(was migrate.AppliedMigration, p *project.Project) error {
	m := p.Migration(was.Version)
	if m == nil {
		return usageError(fmt.Sprintf("version %d has no file that can be read", was.Version),
			fmt.Sprintf("`dbctl migrate restore %d` writes it back", was.Version))
	}
	now := migrate.AppliedMigration{Up: sqltext.Mask(m.Up.Expanded), Down: sqltext.Mask(m.Down.Expanded), HasDown: m.HasDown}
	text := string(diff.Diff("applied", []byte(was.Text()), m.Path, []byte(now.Text())))
	_, text, _ = strings.Cut(text, "\n") // "diff applied …"
	shown := text
	if text == "" {
		shown = "the file is what was applied"
	}
	a.ui.Record("diff", shown, map[string]any{"version": was.Version, "diff": text})
	return nil
}

func (a *app) showSection(version int64, direction event.Direction, s project.Section, database string) {
	for _, st := range describe(s.Statements, database) {
		st.Version, st.Direction = version, direction
		a.ui.Event(st)
	}
}

// describe says of each statement what it does.
func describe(stmts []project.Statement, database string) []event.Statement {
	var out []event.Statement
	for s, e := range project.Effects(stmts, database) {
		out = append(out, plan.StatementEvent(len(out)+1, s, e))
	}
	return out
}
