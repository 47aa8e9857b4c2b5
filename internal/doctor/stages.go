package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
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
		d.failed("stages", err.Error(), hintOf(err, `dbctl sql "SHOW STAGES"`))
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
		database := d.Project.Env.Database
		for _, st := range m.Up.Statements {
			e := effect.Analyze(st.SQL, database)
			if e.Use != "" {
				database = e.Use
			}
			s.Apply(st.SQL, e, schema.Place{Version: m.Version, File: m.Path, Line: st.Line, Column: st.Column})
		}
	}
	return s
}

// created is when each stage was made, by the server's clock.
func (d *doctor) created(ctx context.Context) (map[string]time.Time, error) {
	res, err := d.session.Query(ctx, databend.Statement{SQL: "SELECT name, to_int64(created_on) FROM system.stages"})
	if err != nil {
		return nil, fmt.Errorf("list the stages: %w", err)
	}
	all := map[string]time.Time{}
	for _, row := range res.Rows {
		all[row[0].String] = time.UnixMicro(atoi(row[1].String))
	}
	return all, nil
}

// list asks for one file.
func (d *doctor) list(ctx context.Context, p place) {
	name := "stage " + p.stage
	location := "@" + p.stage + "/" + p.path
	res, err := d.session.Query(ctx,
		databend.Statement{SQL: "SELECT name FROM LIST_STAGE(location => " + sqltext.Quote(location) + ") LIMIT 1"})
	if err != nil {
		detail, hint := plainly(err, location)
		d.failed(name, detail, hint)
		return
	}
	if len(res.Rows) == 0 {
		d.ok(name, location+" can be listed; there is no file yet")
		return
	}
	d.ok(name, location+" can be listed")
}

// complaint is what an object store says, as the server passes it on, and what it means.
var complaints = []struct{ says, means, mend string }{
	{
		"SignatureDoesNotMatch", "the object store refuses the keys: the secret key does not belong to the key id",
		"give the connection the right keys, and make the stage again: a stage keeps the keys it was made with",
	},
	{
		"InvalidAccessKeyId", "the object store does not know the key id",
		"give the connection a key that exists, and make the stage again: a stage keeps the keys it was made with",
	},
	{"ExpiredToken", "the keys have expired", "give the connection new ones, and make the stage again"},
	{
		"RequestTimeTooSkewed", "the clocks of the server and of the object store are too far apart",
		"set the clock of the machine that Databend runs on",
	},
	{"NoSuchBucket", "there is no such bucket", "mend the URL of the stage, or make the bucket"},
	{"PermanentRedirect", "the bucket is in another region", "give the connection the bucket's REGION, and make the stage again"},
	{"AuthorizationHeaderMalformed", "the bucket is in another region", "give the connection the bucket's REGION, and make the stage again"},
	{"IllegalLocationConstraint", "the bucket is in another region", "give the connection the bucket's REGION, and make the stage again"},
	{
		"AccessDenied", "the object store refuses to list (403): the keys have no right to",
		"give the keys s3:ListBucket and s3:GetObject on the bucket",
	},
	{"status: 403", "the object store refuses to list (403)", "check the keys of the connection, and that they may list the bucket"},
	{"status: 301", "the bucket is in another region", "give the connection the bucket's REGION, and make the stage again"},
	{"dns error", "the object store's host name is not known", "mend ENDPOINT_URL of the connection, and make the stage again"},
	{"no such host", "the object store's host name is not known", "mend ENDPOINT_URL of the connection, and make the stage again"},
	{"connection refused", "nothing answers at the object store's address", "mend ENDPOINT_URL of the connection, and make the stage again"},
	{"timed out", "the object store does not answer in time", "mend ENDPOINT_URL of the connection, or open the way to it"},
	{"certificate", "the object store's certificate is not accepted", "mend ENDPOINT_URL of the connection, and make the stage again"},
}

// plainly says what an error of the object store means. The words of the store itself are all there is to tell them apart by.
func plainly(err error, location string) (detail, hint string) {
	text := err.Error()
	for _, c := range complaints {
		if strings.Contains(strings.ToLower(text), strings.ToLower(c.says)) {
			return location + ": " + c.means, c.mend
		}
	}
	return location + ": " + text, hintOf(err, "LIST @stage shows it: dbctl sql \"LIST "+location+"\"")
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
