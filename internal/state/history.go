package state

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// The states of a Version.
const (
	Applied     = "applied"
	RolledBack  = "rolled_back"
	Partial     = "partial"
	Unsupported = "unsupported"
	Removed     = "removed" // its Down ran: pending again
)

// Version is what the journal knows of one migration.
type Version struct {
	Version int64
	Name    string
	State   string    // Applied, RolledBack, Partial, Unsupported, Removed
	Sums    Sums      // as applied or accepted
	At      time.Time // applied; zero when it never was
	Took    time.Duration
	Run     string // that applied it: its plan row has the texts
	Reason  string // why unsupported, why accepted, a person's word
}

// Run is a run of migrations that the journal has no end of.
type Run struct {
	ID      string
	At      time.Time
	Actor   Actor
	Command string // up, down, redo
	Plan    []Planned
	Partial bool   // its rollback had to keep something: a person's turn
	Claim   *Claim // its live claim, when there is one; else it was dropped by who took over
	Alive   bool   // it is running now
}

// Planned is one version of a Run, in the order of the run.
type Planned struct {
	Version   int64
	Name      string
	Direction string
	Done      bool // the journal has its outcome
}

// History is the journal folded into what it means now.
type History struct {
	Exists     bool // the state tables exist
	Schema     int64
	Versions   map[int64]Version
	Unfinished []Run     // oldest first
	Now        time.Time // server's clock when it was read
	Read       time.Time // local clock when the answer came
	Claimed    bool      // the migrations' lock is held, or its last owner died with it
	locks      []table
	count      int64 // of the journal's rows
	token      int64 // greatest
}

// History reads the journal and the locks: one request, nothing written. Without state tables it is empty. A state schema newer
// than Schema is a *NewerSchemaError.
func (s *Store) History(ctx context.Context) (History, error) {
	return s.history(ctx, func(c column) bool { return !c.heavy }, s.lastOutcomes(), s.unended())
}

// runs is the part of the History that says who is running, or was cut off: it reads no versions.
func (s *Store) runs(ctx context.Context) (History, error) {
	return s.history(ctx, func(c column) bool {
		return slices.Contains([]string{"event_id", "run", "subject", "token", "seq", "event", "version", "at", "os_user", "host"}, c.name)
	}, s.unended())
}

// outcomes are the events that say what became of a version.
var outcomes = []string{
	EventApplied, EventDown, EventRolledBack, EventPartial, EventUnsupported, EventBaseline, EventAccept, EventMarkApplied, EventMarkUndone,
}

// subject is the run that a row is about.
const subject = "if(subject='',run,subject)"

func events(list ...string) string {
	quoted := make([]string, len(list))
	for i, e := range list {
		quoted[i] = literal(e)
	}
	return "event IN (" + strings.Join(quoted, ",") + ")"
}

// counted is the condition that a row was not written by a run that had been cut off by then.
func (s *Store) counted() string {
	return "run NOT IN (SELECT subject FROM " + s.name(journalTable) + " WHERE " + s.journalScope() + " AND " + events(EventTakeover) + ")"
}

// lastOutcomes chooses, of each kind of outcome of each version, the last row: the server keeps the rest of a long history, since what a
// version is now depends on no other (History.fold).
func (s *Store) lastOutcomes() string {
	return events(outcomes...) + " AND " + s.counted() +
		" QUALIFY row_number() OVER (PARTITION BY version, event, direction ORDER BY token DESC, run DESC, seq DESC, at DESC) = 1"
}

// unended chooses the rows that say what the runs without an end were doing, and the schema's.
func (s *Store) unended() string {
	return "(" + events(EventSchema) + " OR " + events(append(outcomes, EventBegin, EventPlan, EventTakeover)...) + " AND " + subject + " IN (SELECT " + subject +
		" FROM " + s.name(journalTable) + " WHERE " + s.journalScope() + " AND (" + events(EventBegin) + " OR " + events(EventEnd) + " AND " + s.counted() +
		") GROUP BY 1 HAVING count_if(" + events(EventEnd) + ")=0))"
}

// history reads the chosen columns of the chosen rows, beside the size of the journal and the locks.
func (s *Store) history(ctx context.Context, chosen func(column) bool, rows ...string) (History, error) {
	var light []column
	var list, none []string
	for _, c := range journalColumns {
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
		return "SELECT " + literal(kind) + "," + strings.Join(all, ",") + from
	}
	journal := " FROM " + s.name(journalTable) + " WHERE " + s.journalScope()
	branches := []string{
		branch("c", []string{"count(*)::STRING", "coalesce(max(token),0)::STRING"}, journal),
		branch("t", tableExprs, " FROM system.tables WHERE "+s.tablesScope()),
		branch("n", []string{"to_int64(now())::STRING"}, ""),
	}
	for _, where := range rows {
		branches = append(branches, "SELECT * FROM ("+branch("j", list, journal+" AND "+where)+")")
	}
	res, err := s.db.Query(ctx, databend.Statement{SQL: strings.Join(branches, " UNION ALL ")})
	switch {
	case missing(err):
		return History{Versions: map[int64]Version{}, Read: time.Now()}, nil
	case databend.IsCode(err, databend.CodeSemantic):
		if newer := s.CheckSchema(ctx); newer != nil {
			return History{}, newer
		}
		fallthrough
	case err != nil:
		return History{}, fmt.Errorf("read journal: %w", err)
	}
	h := History{Exists: true, Read: time.Now()}
	var read []Row
	for _, r := range res.Rows {
		switch r[0].String {
		case "c":
			h.count, h.token = number(r[1]), number(r[2])
		case "n":
			h.Now = micros(r[1])
		case "t":
			h.locks = append(h.locks, readTable(r[1:]))
		case "j":
			var row Row
			for i, c := range light {
				scan(r[i+1], c.field(&row))
			}
			read = append(read, row)
		}
	}
	h.fold(read, s.migrationLock())
	v := h.view()
	h.Claimed = v.find(s.migrationLock()) != nil || len(v.claims(s.migrationLock())) > 0
	if h.Schema > Schema {
		return History{}, &NewerSchemaError{Database: s.scope.StateDatabase, Found: h.Schema}
	}
	return h, nil
}

// CheckSchema refuses a newer state schema with *NewerSchemaError: one request for the schema row alone, whose columns never change.
func (s *Store) CheckSchema(ctx context.Context) error {
	res, err := s.db.Query(ctx, databend.Statement{SQL: "SELECT max(version)::STRING FROM " + s.name(journalTable) + " WHERE event=" + literal(EventSchema)})
	switch {
	case missing(err):
		return nil
	case err != nil:
		return fmt.Errorf("read journal: %w", err)
	case len(res.Rows) == 1 && number(res.Rows[0][0]) > Schema:
		return &NewerSchemaError{Database: s.scope.StateDatabase, Found: number(res.Rows[0][0])}
	}
	return nil
}

// journalScope chooses this project's rows in this database, and the schema row.
func (s *Store) journalScope() string {
	return "(project=" + literal(s.scope.Project) + " AND " + sqltext.Ident("database") + "=" + literal(s.scope.Database) + " OR event=" + literal(EventSchema) + ")"
}

// readExpr is how a column of the journal is read as text.
func readExpr(c column) string {
	id := sqltext.Ident(c.name)
	switch c.typ {
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
		case EventBegin, EventPlan, EventRecapture, EventSnapshot, EventUnsupported, EventSchema:
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
func (h *History) fold(rows []Row, lock string) {
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
		case EventApplied, EventDown, EventRolledBack, EventPartial, EventUnsupported, EventBaseline, EventAccept,
			EventMarkApplied, EventMarkUndone:
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
	claims := h.view().claims(lock)
	for _, id := range order {
		run, ok := runs[id]
		if !ok {
			continue
		}
		delete(runs, id)
		for i := range claims {
			if c := &claims[i]; c.Run == id {
				run.Claim = c
				run.Alive = !c.dead(h.Now)
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
	}
	switch r.Event {
	case EventApplied, EventBaseline:
		apply()
	case EventDown:
		v.State, v.Took = Removed, time.Duration(r.TookMS)*time.Millisecond
	case EventRolledBack:
		switch {
		case r.Direction != "down":
			v.State = RolledBack
		case was == Partial: // a Down that was put back leaves the version applied
			v.State = Applied
		}
	case EventPartial:
		v.State = Partial
	case EventUnsupported:
		v.State, v.Sums = Unsupported, r.Sums
	case EventAccept:
		v.Sums = r.Sums
	case EventMarkApplied, EventMarkUndone:
		switch up := r.Direction != "down"; {
		case up == (r.Event == EventMarkApplied):
			apply()
		case up:
			v.State = RolledBack
		default:
			v.State = Removed
		}
	}
	h.Versions[r.Version] = v
}
