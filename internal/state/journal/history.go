package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/lock"
	"github.com/dbctl/dbctl/internal/state/store"
)

// The states of a Version that are a migration's own: the others are told by its file, or by who asks.
const (
	Pending     = event.Pending // its Down ran
	Applied     = event.Applied
	RolledBack  = event.RolledBack
	Partial     = event.Partial
	Unsupported = event.Unsupported
)

// Version is what the journal knows of one migration.
type Version struct {
	Version int64
	Name    string
	State   event.MigrationState
	Sums    Sums      // as applied or accepted
	At      time.Time // applied; zero when it never was
	Took    time.Duration
	Run     string // that applied it: its plan row has the texts
	Adopted bool   // recorded by baseline: what it makes was there before
	Reason  string // why unsupported, why accepted, a person's word
	Refused int64  // unsupported: the statement that the server refused when it ran, from 1; 0: none was tried
}

// Run is a run of migrations that the journal has no end of.
type Run struct {
	ID      string
	At      time.Time
	Actor   store.Actor
	Command string // up, down, redo
	Plan    []Planned
	Partial bool        // its rollback had to keep something: a person's turn
	Claim   *lock.Claim // its live claim, when there is one; else it was dropped by who took over
	Alive   bool        // it is running now
}

// Planned is one version of a Run, in the order of the run.
type Planned struct {
	Version   int64
	Name      string
	Direction event.Direction
	Done      bool // the journal has its outcome
}

// History is the journal folded into what it means now.
type History struct {
	Exists     bool // the state tables exist
	Schema     int64
	Versions   map[int64]Version
	Unfinished []Run     // oldest first
	Now        time.Time // server's clock when it was read
	Claimed    bool      // the migrations' lock is held, or its last owner died with it
	Locks      lock.View // at the same moment
	Read       time.Time // local clock when the answer came
	count      int64     // of the journal's rows
	token      int64     // greatest
}

// History reads the journal and the locks: one request (two for a long journal), nothing written. Without state tables it is empty. A
// state schema newer than Schema is a *NewerSchemaError.
func (j *Journal) History(ctx context.Context) (History, error) {
	return j.history(ctx, func(c column) bool { return !c.heavy }, j.folded())
}

// runs is the part of the History that says who is running, or was cut off: it reads no versions.
func (j *Journal) runs(ctx context.Context) (History, error) {
	return j.history(ctx, func(c column) bool {
		return slices.Contains([]string{"event_id", "run", "subject", "token", "seq", "event", "version", "at", "os_user", "host"}, c.Name)
	}, []string{j.unended()})
}

// folded chooses the rows that are enough for the History.
func (j *Journal) folded() []string { return []string{j.lastOutcomes(), j.unended()} }

// outcomes are the events that say what became of a version.
var outcomes = []string{
	EventApplied, EventDown, EventRolledBack, EventPartial, EventUnsupported, EventBaseline, EventAccept, EventMarkApplied, EventMarkUndone,
}

// subject is the run that a row is about.
const subject = "if(subject='',run,subject)"

func events(list ...string) string {
	return "event IN (" + sqltext.Literals(list) + ")"
}

// counted is the condition that a row was not written by a run that had been cut off by then.
func (j *Journal) counted() string {
	return "run NOT IN (SELECT subject FROM " + j.db.Name(store.JournalTable) + " WHERE " + j.scope() + " AND " + events(EventTakeover) + ")"
}

// lastOutcomes chooses, of each kind of outcome of each version, the last row: the server keeps the rest of a long history, since what a
// version is now depends on no other (History.fold). The columns are those of the journal, r: a bare token would be the text that the
// query selects under that name, in which 9 comes after 10.
func (j *Journal) lastOutcomes() string {
	return events(outcomes...) + " AND " + j.counted() +
		" QUALIFY row_number() OVER (PARTITION BY r.version, r.event, r.direction ORDER BY r.token DESC, r.run DESC, r.seq DESC, r.at DESC) = 1"
}

// unended chooses the rows that say what the runs without an end were doing, and the schema's.
func (j *Journal) unended() string {
	about := events(slices.Concat(outcomes, []string{EventBegin, EventPlan, EventTakeover})...)
	open := "SELECT " + subject + " FROM " + j.db.Name(store.JournalTable) + " WHERE " + j.scope() + " AND (" + events(EventBegin) + " OR " +
		events(EventEnd) + " AND " + j.counted() + ") GROUP BY 1 HAVING count_if(" + events(EventEnd) + ")=0"
	return "(" + events(EventSchema) + " OR " + about + " AND " + subject + " IN (" + open + "))"
}

// UndoneSQL selects the migrations that were put back, or may be in part: run, a blank and version.
func (j *Journal) UndoneSQL() string {
	return "SELECT concat(run, ' ', to_string(version)) FROM " + j.db.Name(store.JournalTable) + " WHERE " + j.scope() + " AND " +
		events(EventRolledBack, EventPartial, EventMarkUndone)
}

// short is up to how many rows a journal is read whole. To plan the query that folds a long one takes the server five times as long as to
// read a short one: 130 ms and 25 ms.
const short = 500

// history reads the chosen columns: of a short journal every row, of a long one the rows that are enough.
func (j *Journal) history(ctx context.Context, chosen func(column) bool, enough []string) (History, error) {
	h, err := j.read(ctx, chosen, nil)
	if err == nil && h.count > short {
		return j.read(ctx, chosen, enough)
	}
	return h, err
}

// read reads the chosen columns of the rows that are enough, beside the size of the journal and the locks, all at one moment; of every row
// where enough is nil, and then no more than a short journal has, and one.
func (j *Journal) read(ctx context.Context, chosen func(column) bool, enough []string) (History, error) {
	var light []column
	var list, none []string
	for _, c := range columns {
		if !chosen(c) {
			continue
		}
		light = append(light, c)
		list = append(list, readExpr(c))
		none = append(none, "''")
	}
	// Every branch has as many columns, all text.
	branch := func(kind string, exprs []string, from string) string {
		all := slices.Clone(none)
		copy(all, exprs)
		return "SELECT " + sqltext.Literal(kind) + "," + strings.Join(all, ",") + from
	}
	journal := " FROM " + j.db.Name(store.JournalTable) + " AS r WHERE " + j.scope()
	branches := []string{
		branch("t", lock.ViewColumns, " FROM system.tables WHERE "+lock.ViewFilter(j.db)),
		branch("n", []string{"to_int64(now())::STRING"}, ""),
	}
	if enough == nil {
		branches = append(branches, "SELECT * FROM ("+branch("j", list, journal+" LIMIT "+strconv.Itoa(short+1))+")")
	} else {
		branches = append(branches, branch("c", []string{"count(*)::STRING", "coalesce(max(token),0)::STRING"}, journal))
	}
	for _, where := range enough {
		branches = append(branches, "SELECT * FROM ("+branch("j", list, journal+" AND "+where)+")")
	}
	asked := time.Now()
	res, err := j.db.Query(ctx, strings.Join(branches, " UNION ALL "))
	switch {
	case store.Missing(err):
		return History{Versions: map[int64]Version{}, Locks: lock.View{Missing: true, Read: asked}, Read: time.Now()}, nil
	case databend.IsCode(err, databend.CodeSemantic):
		if newer := j.db.CheckSchema(ctx); newer != nil {
			return History{}, newer
		}
		fallthrough
	case err != nil:
		return History{}, fmt.Errorf("read journal: %w", err)
	}
	h := History{Exists: true, Locks: lock.View{Read: asked}, Read: time.Now()}
	var read []Row
	for _, r := range res.Rows {
		switch r[0].String {
		case "c":
			h.count, h.token = r.Int(1), r.Int(2)
		case "n":
			h.Now = r.Time(1)
			h.Locks.Now = h.Now
		case "t":
			h.Locks.Add(r[1:])
		case "j":
			var row Row
			for i, c := range light {
				r.Scan(i+1, c.field(&row))
			}
			read = append(read, row)
			h.token = max(h.token, row.Token)
		}
	}
	if h.Now.IsZero() { // of an answer in which something is missing nothing is certain
		return History{}, errors.New("read journal: the server's answer has no time")
	}
	if enough == nil {
		h.count = int64(len(read))
	}
	h.fold(read, j.db.Scope())
	_, h.Claimed = h.Locks.Claims(j.db.Scope())
	if h.Schema > store.Schema {
		return History{}, &store.NewerSchemaError{Database: j.db.Scope().StateDatabase, Found: h.Schema}
	}
	return h, nil
}

// scope chooses this project's rows in this database, and the schema row.
func (j *Journal) scope() string {
	scope := j.db.Scope()
	return "(project=" + sqltext.Literal(scope.Project) + " AND " + sqltext.Ident("database") + "=" + sqltext.Literal(scope.Database) +
		" OR event=" + sqltext.Literal(EventSchema) + ")"
}

// readExpr is how a column of the journal is read as text.
func readExpr(c column) string {
	id := sqltext.Ident(c.Name)
	switch c.Type {
	case "TIMESTAMP":
		return "to_int64(" + id + ")::STRING"
	case "STRING":
		return id
	}
	return id + "::STRING"
}

// sortRows drops repeats and orders rows by what outranks what: a later token, then the order within the run. Rows of runs that
// were cut off (taken) and say how something ended do not count.
func sortRows(rows []Row) []Row {
	seen := make(map[string]bool, len(rows))
	taken := map[string]bool{}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool {
		repeat := seen[r.EventID]
		seen[r.EventID] = true
		if r.Event == EventTakeover {
			taken[r.Subject] = true
		}
		return repeat
	})
	rows = slices.DeleteFunc(rows, func(r Row) bool {
		switch r.Event {
		case EventBegin, EventPlan, EventRecapture, EventSnapshot, EventPutBack, EventSchema:
			return false
		}
		return taken[r.Run]
	})
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Token, b.Token), cmp.Compare(a.Run, b.Run), cmp.Compare(a.Seq, b.Seq), a.At.Compare(b.At))
	})
	return rows
}

// fold makes of rows what they mean. Of the outcomes of a version the last of each kind and direction are enough, here as in lastOutcomes.
func (h *History) fold(rows []Row, scope store.Scope) {
	h.Versions = map[int64]Version{}
	runs := map[string]*Run{}
	var order []string
	for _, r := range sortRows(rows) {
		h.token = max(h.token, r.Token)
		subject := cmp.Or(r.Subject, r.Run)
		run := runs[subject]
		switch r.Event {
		case EventSchema:
			h.Schema = max(h.Schema, r.Version)
		case EventBegin:
			runs[r.Run] = &Run{ID: r.Run, At: r.At, Actor: r.Actor, Command: r.Name}
			order = append(order, r.Run)
		case EventPlan:
			if run != nil {
				run.Plan = append(run.Plan, Planned{Version: r.Version, Name: r.Name, Direction: r.Direction})
			}
		case EventEnd:
			delete(runs, subject)
		default:
			if !slices.Contains(outcomes, r.Event) {
				continue
			}
			h.outcome(r, subject)
			if run == nil {
				continue
			}
			run.Partial = run.Partial || r.Event == EventPartial
			for j := range run.Plan {
				if p := &run.Plan[j]; p.Version == r.Version && !p.Done && (p.Direction == r.Direction || r.Direction == "") {
					p.Done = true
					break
				}
			}
		}
	}
	claims, _ := h.Locks.Claims(scope)
	for _, id := range order {
		run, ok := runs[id]
		if !ok {
			continue
		}
		delete(runs, id)
		for i := range claims {
			if c := &claims[i]; c.Run == id {
				run.Claim = c
				run.Alive = !c.Dead(h.Now)
			}
		}
		h.Unfinished = append(h.Unfinished, *run)
	}
}

// outcome folds one row that says what became of a version.
func (h *History) outcome(r Row, run string) {
	v := h.Versions[r.Version]
	was := v.State
	v.Version, v.Name, v.Reason = r.Version, cmp.Or(r.Name, v.Name), r.Reason
	apply := func() {
		v.State, v.Sums, v.At, v.Took, v.Run = Applied, r.Sums, r.At, time.Duration(r.TookMS)*time.Millisecond, run
		v.Adopted = r.Event == EventBaseline
	}
	switch r.Event {
	case EventApplied, EventBaseline:
		apply()
	case EventDown:
		v.State, v.Took = Pending, time.Duration(r.TookMS)*time.Millisecond
	case EventRolledBack:
		switch {
		case r.Direction != event.Down:
			v.State = RolledBack
		case was == Partial: // a Down that was put back leaves the version applied
			v.State = Applied
		}
	case EventPartial:
		v.State = Partial
	case EventUnsupported:
		v.State, v.Sums, v.Refused = Unsupported, r.Sums, r.Statements
	case EventAccept:
		v.Sums = r.Sums
	case EventMarkApplied:
		if r.Direction == event.Down {
			v.State = Pending
		} else {
			apply()
		}
	case EventMarkUndone:
		if r.Direction == event.Down {
			v.State = Applied // as it was before its Down
		} else {
			v.State = RolledBack
		}
	}
	h.Versions[r.Version] = v
}

// Unended reports whether the journal has a run's begin and not its end: one request.
func (j *Journal) Unended(ctx context.Context, run string) (bool, error) {
	h, err := j.runs(ctx)
	return slices.ContainsFunc(h.Unfinished, func(r Run) bool { return r.ID == run }), err
}

// Standing says who is writing a table (database.table), or left it unfinished: one request. It is what a load asks under its lock.
func (j *Journal) Standing(ctx context.Context, target string) (lock.View, *lock.HeldError, error) {
	h, err := j.runs(ctx)
	if err != nil {
		return lock.View{}, nil, err
	}
	unfinished := map[string]bool{}
	for _, r := range h.Unfinished {
		unfinished[r.ID] = true
		if r.Claim == nil {
			// Who took over died too, and the claim with its list of tables is gone: it may be any table.
			return h.Locks, &lock.HeldError{
				What: "writing or copying " + target, Owner: r.Actor.OSUser + "@" + r.Actor.Host + " (run " + r.ID + ")",
				Age: h.Now.Sub(r.At), Dead: true,
			}, nil
		}
	}
	return h.Locks, h.Locks.Writer(j.db.Scope(), target, func(run string) bool { return unfinished[run] }), nil
}
