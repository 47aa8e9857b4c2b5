package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/journal"
)

// place is a stage, and the first path that the project reads in it.
type place struct{ stage, path string }

// stages lists one file of each stage that loads read or migrations make, as the server reaches it.
func (d *doctor) stages(ctx context.Context) {
	made := d.fold()
	var places []place
	for _, l := range d.Project.Loads {
		if name := l.Copy.Stage; name != "" && !slices.ContainsFunc(places, func(p place) bool { return p.stage == name }) {
			places = append(places, place{name, l.Copy.Path})
		}
	}
	for _, o := range made.Of(sqltext.Stage) {
		if !slices.ContainsFunc(places, func(p place) bool { return p.stage == o.Name }) {
			places = append(places, place{o.Name, ""})
		}
	}
	if len(places) == 0 {
		d.ok("stages", "the project reads none")
		return
	}
	createdOn, err := d.created(ctx)
	if err != nil {
		d.broken("stages", err, `dbctl sql "SHOW STAGES"`)
		return
	}
	for _, p := range places {
		at, there := createdOn[p.stage]
		o := made.Find(sqltext.Object{Kind: sqltext.Stage, Name: p.stage})
		switch {
		case !there && p.stage != "~" && o != nil && d.history.Versions[o.Made.Version].State != journal.Applied:
			d.ok("stage "+p.stage, fmt.Sprintf("not made yet: version %d is pending", o.Made.Version))
		case !there && p.stage != "~" && o != nil:
			d.failed("stage "+p.stage, fmt.Sprintf("it is gone, although version %d has made it", o.Made.Version),
				fmt.Sprintf("make it again in a new migration, with its statement in %s: dbctl migrate create make_stage_again", o.Made.File))
		case !there && p.stage != "~":
			d.failed("stage "+p.stage, "there is no such stage", "make it in a migration: dbctl migrate create "+strings.Trim(p.stage, "`\""))
		default:
			d.list(ctx, p)
			if o != nil {
				d.age(made, o, at)
			}
		}
	}
}

// fold is what the Up sections make.
func (d *doctor) fold() *schema.Schema {
	s := schema.New()
	for _, m := range d.Project.Migrations {
		for st, e := range project.Effects(m.Up.Statements, d.Project.Env.Database) {
			s.Apply(st.SQL, e, schema.Place{Version: m.Version, Place: st.Place})
		}
	}
	return s
}

// created is when each stage was made, by the server's clock.
func (d *doctor) created(ctx context.Context) (map[string]time.Time, error) {
	res, err := d.session.Query(ctx, databend.Statement{SQL: "SELECT name, to_int64(created_on) FROM system.stages", Reads: true})
	if err != nil {
		return nil, fmt.Errorf("list the stages: %w", err)
	}
	all := map[string]time.Time{}
	for _, row := range res.Rows {
		all[row[0].String] = row.Time(1)
	}
	return all, nil
}

// list asks for one file.
func (d *doctor) list(ctx context.Context, p place) {
	name := "stage " + p.stage
	location := "@" + p.stage + "/" + p.path
	res, err := d.session.Query(ctx, databend.Statement{
		SQL: "SELECT name FROM LIST_STAGE(location => " + sqltext.Quote(location) + ") LIMIT 1", Reads: true,
	})
	if err != nil {
		detail, hint := plainly(err, p.stage, location)
		d.failed(name, detail, hint)
		return
	}
	if len(res.Rows) == 0 {
		d.ok(name, location+" can be listed; there is no file yet")
		return
	}
	d.ok(name, location+" can be listed")
}

// plainly says what an error of the object store means.
func plainly(err error, stage, location string) (detail, hint string) {
	if e, ok := errors.AsType[*databend.Error](err); ok && e.Kind == databend.KindTimeout {
		return location + ": " + err.Error(), e.Advice
	}
	if means, mend, ok := databend.StoreRefusal(err.Error(), databend.InStage(stage)); ok {
		return location + ": " + means, mend
	}
	return location + ": " + err.Error(), cmp.Or(exit.Hint(err), "LIST @stage shows it: dbctl sql \"LIST "+location+"\"")
}

// age compares a stage with its connection: a stage keeps the keys that the connection had when the stage was made.
func (d *doctor) age(made *schema.Schema, stage *schema.Object, createdOn time.Time) {
	connection := made.Find(sqltext.Object{Kind: sqltext.Connection, Name: stage.Stage.Connection})
	if connection == nil {
		return
	}
	v := d.history.Versions[connection.Changed.Version]
	if v.State != journal.Applied || createdOn.IsZero() || !v.At.After(createdOn.Add(time.Minute)) ||
		connection.Changed.Version == stage.Made.Version {
		return
	}
	d.failed("stage "+stage.Name, fmt.Sprintf("it was made at %s, and the connection %s was made anew at %s: the stage still has the "+
		"keys of before",
		createdOn.UTC().Format(time.RFC3339), connection.Name, v.At.UTC().Format(time.RFC3339)),
		fmt.Sprintf("make it again in a new migration, with the CREATE OR REPLACE STAGE of %s", stage.Made.File))
}
