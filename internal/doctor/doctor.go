// Package doctor looks at all that a project needs to work: the server, the user's rights, secrets, stages, locks, the local engine. Each
// thing is one check, and each failure names its mend. One that fails does not stop the others.
//
//	doctor.go   the checks of the server and of the project's state in it
//	rights.go   the privileges that the project's own statements need, against those that the user has
//	stages.go   the object store, as the server reaches it
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/migrate/run"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/journal"
	"github.com/dbctl/dbctl/internal/state/lock"
)

// Patient is what is looked at.
type Patient struct {
	Project *project.Project
	Secrets func(ctx context.Context, names []string) (secret.Set, error)
	Server  *databend.Server // nil: it was not reached, and Unreached says why
	Scope   state.Scope

	Unreached error

	// Expecting lists the loads that say how often a file comes (expect-every), as `load --list` does; none: they are not asked for.
	Expecting func(ctx context.Context) ([]event.LoadState, error)
}

// Run looks at everything, tells each check to sink, and returns how many failed.
func Run(ctx context.Context, p Patient, sink event.Sink) (failed int) {
	d := &doctor{Patient: p, sink: sink}
	d.secrets(ctx)
	if p.Server == nil {
		d.broken("server", p.Unreached, "dbctl.yaml says where it is: dsn, or host and port")
		return d.bad
	}
	d.session = p.Server.Session(nil)
	defer d.session.Close()
	d.server(ctx)
	d.clock()
	d.rights(ctx)
	d.features(ctx)
	d.retention(ctx)
	d.memory(ctx)
	d.stages(ctx)
	d.fresh(ctx)
	return d.bad
}

// fresh says which loads have brought no file for longer than they expect.
func (d *doctor) fresh(ctx context.Context) {
	if d.Expecting == nil {
		return
	}
	loads, err := d.Expecting(ctx)
	if err != nil {
		d.broken("loads", err, "dbctl load --list")
	}
	for _, l := range loads {
		switch {
		case l.Late == "":
			d.ok("load "+l.Load, "its last file came in time")
		case l.Reason != "":
			d.failed("load "+l.Load, l.Late+": "+strings.TrimPrefix(l.Reason, "load "+l.Load+": "), "dbctl load "+l.Load+" --plan")
		default:
			d.failed("load "+l.Load, l.Late, "dbctl load "+l.Load)
		}
	}
}

type doctor struct {
	Patient
	sink    event.Sink
	session *databend.Session
	history state.History
	bad     int
}

func (d *doctor) ok(name, detail string) {
	d.sink(event.Check{Name: name, OK: true, Detail: detail})
}

func (d *doctor) failed(name, detail, hint string) {
	d.bad++
	d.sink(event.Check{Name: name, Detail: detail, Hint: hint})
}

// broken is a check that an error ended, with its hint, or otherwise.
func (d *doctor) broken(name string, err error, otherwise string) {
	d.failed(name, err.Error(), cmp.Or(exit.Hint(err), otherwise))
}

// one asks for one row of text.
func (d *doctor) one(ctx context.Context, st databend.Statement) (databend.Row, error) {
	st.Reads = true
	res, err := d.session.Query(ctx, st)
	if err != nil {
		return nil, err
	}
	if len(res.Rows) == 0 {
		return nil, errors.New("the server gave no row")
	}
	return res.Rows[0], nil
}

// secrets checks that each secret of migrations and loads has a value.
func (d *doctor) secrets(ctx context.Context) {
	names := d.Project.Secrets()
	_, err := d.Secrets(ctx, names)
	switch {
	case err != nil:
		d.broken("secrets", err, "see secrets: in dbctl.yaml")
	case len(names) == 0:
		d.ok("secrets", "the project names none")
	default:
		d.ok("secrets", strings.Join(names, ", "))
	}
}

// oldest is the oldest version of Databend that the tests run on.
const oldest = "1.2.895"

func (d *doctor) server(ctx context.Context) {
	row, err := d.one(ctx, databend.Statement{SQL: "SELECT version(), current_user(), current_role(), currentDatabase()"})
	if err != nil {
		d.broken("server", err, "dbctl status")
		return
	}
	version := row[0].String
	number := number(version)
	if older(number, oldest) {
		d.failed("server", fmt.Sprintf("%s at %s is older than %s, which dbctl is tested with", version, d.Server.Host(), oldest),
			"upgrade the server, or expect surprises: `dbctl migrate up` on a copy first")
	} else {
		d.ok("server", fmt.Sprintf("%s at %s", short(version), d.Server.Host()))
	}
	d.ok("user", fmt.Sprintf("%s, role %s, database %s", row[1].String, cmp.Or(row[2].String, "none"), row[3].String))
}

// number is 1.2.895 of "Databend Query v1.2.895-nightly-…".
func number(version string) string {
	_, rest, _ := strings.Cut(version, "v1.")
	end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(rest)
	}
	return "1." + rest[:end]
}

// short is the version without what it was built with.
func short(version string) string {
	name, _, _ := strings.Cut(version, "(")
	return strings.TrimSpace(name)
}

// older compares versions number by number; one that cannot be read is not older.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, err1 := strconv.Atoi(x[i])
		n, err2 := strconv.Atoi(y[i])
		if err1 != nil || err2 != nil || m != n {
			return err1 == nil && err2 == nil && m < n
		}
	}
	return false
}

// clock compares the server's clock with ours: what dbctl keeps of times is the server's.
func (d *doctor) clock() {
	const most = time.Minute
	skew := time.Since(d.Server.Now()).Round(time.Second)
	if skew.Abs() > most {
		d.failed("clock", fmt.Sprintf("this machine's clock is %s from the server's", skew.Abs()), "set it: timedatectl set-ntp true")
		return
	}
	d.ok("clock", fmt.Sprintf("within %s of the server's", max(skew.Abs(), time.Second)))
}

// features says what the server lacks, which is bad where the project needs it and does not skip it.
func (d *doctor) features(ctx context.Context) {
	all, err := plan.Features(ctx, d.Project, d.session)
	if err != nil {
		d.broken("features", err, "dbctl plan")
		return
	}
	for _, f := range all {
		switch {
		case f.Lack == "":
			d.ok(f.Name, "the server has them")
		case !f.Used:
			d.ok(f.Name, f.Lack+"; the project uses none")
		case d.Project.Env.SkipUnsupported:
			d.ok(f.Name, f.Lack+"; versions that use them are skipped")
		default:
			d.failed(f.Name, f.Lack+", and migrations use them",
				"`dbctl migrate up --skip-unsupported`, or skip_unsupported: true in the environment of dbctl.yaml")
		}
	}
}

// retention is how long a dropped table can be brought back. Less than a day is short for a migration that is noticed the next morning.
func (d *doctor) retention(ctx context.Context) {
	row, err := d.one(ctx, databend.Statement{
		SQL:     "SELECT value FROM system.settings WHERE name = 'data_retention_time_in_days'",
		Account: true,
	})
	switch {
	case databend.IsCode(err, databend.CodePermissionDenied):
		d.ok("retention", "not known: to read how long Databend keeps history takes SELECT on system.settings")
	case err != nil:
		d.broken("retention", err, `dbctl sql "SHOW SETTINGS LIKE 'data_retention%'"`)
	case row.Int(0) == 0:
		d.failed("retention", "data_retention_time_in_days is 0: what a migration drops may be gone before it can be put back",
			`dbctl sql "SET GLOBAL data_retention_time_in_days = 1"`)
	default:
		d.ok("retention", event.Plural(row.Int(0), "day")+": so long dropped tables and snapshots can be brought back")
	}
}

// memory looks at the state tables: their version, locks, runs without an end.
func (d *doctor) memory(ctx context.Context) {
	store := state.Open(d.session, d.Scope)
	h, err := store.History(ctx)
	if err != nil {
		d.broken("state", err, "dbctl migrate status")
		return
	}
	d.history = h
	if !h.Exists {
		d.ok("state", fmt.Sprintf("no tables in %s yet: the first command that writes makes them", d.Scope.StateDatabase))
		return
	}
	applied := 0
	for _, v := range h.Versions {
		if v.State == journal.Applied {
			applied++
		}
	}
	d.ok("state", fmt.Sprintf("tables in %s, schema %d; %s applied", d.Scope.StateDatabase, h.Schema, event.Plural(applied,
		"migration")))
	locks, err := lock.List(ctx, store.DB)
	if err != nil {
		d.broken("locks", err, "dbctl unlock")
	}
	for _, l := range locks {
		if l.Dead {
			d.failed("locks", fmt.Sprintf("%s is held by %s, who is gone: %s", l.What, l.Owner, l.Why), "dbctl unlock")
		} else {
			d.ok("locks", fmt.Sprintf("%s is held by %s, last heard of %s ago", l.What, l.Owner, l.Age.Round(time.Second)))
		}
	}
	if len(locks) == 0 && err == nil {
		d.ok("locks", "none is held")
	}
	for _, r := range h.Unfinished {
		switch {
		case r.Alive:
			d.ok("runs", run.Describe(r))
		case r.Partial:
			d.failed("runs", run.Describe(r)+": something of it could not be put back", "dbctl migrate recover")
		default:
			d.failed("runs", run.Describe(r)+" was cut off", "dbctl migrate recover")
		}
	}
	if len(h.Unfinished) == 0 {
		d.ok("runs", "none is unfinished")
	}
}
