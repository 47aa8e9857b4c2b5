package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
)

// The events of the journal.
const (
	EventSchema      = "schema"       // version is the Schema of the tables
	EventBegin       = "begin"        // a run starts: before, detail
	EventPlan        = "plan"         // one version of a run, as it was going to run: texts, checksums, number of statements
	EventRecapture   = "recapture"    // detail: the part of a mark that is too large for a comment
	EventSnapshot    = "snapshot"     // detail: written in the transaction of a DML, the snapshot that is ours
	EventApplied     = "applied"      // after: definitions
	EventDown        = "down"         // taken back by its Down section
	EventRolledBack  = "rolled_back"  // failed, and nothing of it is left
	EventPartial     = "partial"      // failed, and something could not be put back: a person's turn
	EventUnsupported = "unsupported"  // skipped by consent, with the reason
	EventBaseline    = "baseline"     // recorded as applied without running
	EventAccept      = "accept"       // the checksums of an edited file
	EventMarkApplied = "mark_applied" // a person's word on a version of an unfinished run, with the reason
	EventMarkUndone  = "mark_rolled_back"
	EventTakeover    = "takeover" // subject was cut off: detail is its last mark; what it writes from now on does not count
	EventEnd         = "end"      // of the run, or of subject when it was recovered by this one
)

// Row is one row of the journal. Append fills in the scope, the actor and, by the server, the times.
type Row struct {
	EventID   string // empty: a new one
	Run       string // who writes
	Subject   string // the run that it is about, when that is not Run
	Token     int64  // of Run: later runs have greater ones
	Seq       int64  // order within Run
	Event     string
	Version   int64
	Name      string
	Direction string // up, down
	Sums
	UpText, DownText      string // expanded, with placeholders for secrets
	Statements            int64
	Before, After, Detail string // JSON
	TookMS                int64
	Reason                string
	QueryIDs              string // separated by commas

	// Only when read.
	At                                    time.Time
	ServerUser, ServerRole, ServerVersion string
	Actor                                 Actor

	project, database string
}

// Sums are the checksums of a migration's sections.
type Sums struct {
	UpSum, DownSum                 string // of the raw text
	UpExpandedSum, DownExpandedSum string // of the text expanded but for secrets
}

// column is one column of the journal: its field of a Row both when written and when read.
type column struct {
	name, typ string
	server    string // the server's value in an INSERT, instead of the field
	heavy     bool   // not read by History
	field     func(*Row) any
}

var journalColumns = []column{
	{name: "event_id", typ: "STRING", field: func(r *Row) any { return &r.EventID }},
	{name: "project", typ: "STRING", field: func(r *Row) any { return &r.project }},
	{name: "database", typ: "STRING", field: func(r *Row) any { return &r.database }},
	{name: "run", typ: "STRING", field: func(r *Row) any { return &r.Run }},
	{name: "subject", typ: "STRING", field: func(r *Row) any { return &r.Subject }},
	{name: "token", typ: "BIGINT", field: func(r *Row) any { return &r.Token }},
	{name: "seq", typ: "BIGINT", field: func(r *Row) any { return &r.Seq }},
	{name: "event", typ: "STRING", field: func(r *Row) any { return &r.Event }},
	{name: "version", typ: "BIGINT", field: func(r *Row) any { return &r.Version }},
	{name: "name", typ: "STRING", field: func(r *Row) any { return &r.Name }},
	{name: "direction", typ: "STRING", field: func(r *Row) any { return &r.Direction }},
	{name: "up_sum", typ: "STRING", field: func(r *Row) any { return &r.UpSum }},
	{name: "down_sum", typ: "STRING", field: func(r *Row) any { return &r.DownSum }},
	{name: "up_expanded_sum", typ: "STRING", field: func(r *Row) any { return &r.UpExpandedSum }},
	{name: "down_expanded_sum", typ: "STRING", field: func(r *Row) any { return &r.DownExpandedSum }},
	{name: "up_text", typ: "STRING", heavy: true, field: func(r *Row) any { return &r.UpText }},
	{name: "down_text", typ: "STRING", heavy: true, field: func(r *Row) any { return &r.DownText }},
	{name: "statements", typ: "BIGINT", field: func(r *Row) any { return &r.Statements }},
	{name: "before", typ: "STRING", heavy: true, field: func(r *Row) any { return &r.Before }},
	{name: "after", typ: "STRING", heavy: true, field: func(r *Row) any { return &r.After }},
	{name: "detail", typ: "STRING", heavy: true, field: func(r *Row) any { return &r.Detail }},
	{name: "at", typ: "TIMESTAMP", server: "now()", field: func(r *Row) any { return &r.At }},
	{name: "took_ms", typ: "BIGINT", field: func(r *Row) any { return &r.TookMS }},
	{name: "reason", typ: "STRING", field: func(r *Row) any { return &r.Reason }},
	{name: "query_ids", typ: "STRING", heavy: true, field: func(r *Row) any { return &r.QueryIDs }},
	{name: "actor", typ: "STRING", server: "current_user()", field: func(r *Row) any { return &r.ServerUser }},
	{name: "role", typ: "STRING", server: "current_role()", field: func(r *Row) any { return &r.ServerRole }},
	{name: "os_user", typ: "STRING", field: func(r *Row) any { return &r.Actor.OSUser }},
	{name: "host", typ: "STRING", field: func(r *Row) any { return &r.Actor.Host }},
	{name: "git_commit", typ: "STRING", field: func(r *Row) any { return &r.Actor.GitCommit }},
	{name: "git_dirty", typ: "BOOLEAN", field: func(r *Row) any { return &r.Actor.GitDirty }},
	{name: "label", typ: "STRING", field: func(r *Row) any { return &r.Actor.Label }},
	{name: "flags", typ: "STRING", field: func(r *Row) any { return &r.Actor.Flags }},
	{name: "dbctl_version", typ: "STRING", field: func(r *Row) any { return &r.Actor.DBCTLVersion }},
	{name: "server_version", typ: "STRING", server: "version()", field: func(r *Row) any { return &r.ServerVersion }},
}

// journalInsert is one INSERT of rows, all or none: none when condition (may be empty) does not hold. computed gives columns
// their value as an SQL expression.
func (s *Store) journalInsert(rows []Row, a Actor, condition string, computed map[string]string) string {
	in := insert{table: s.name(journalTable), condition: condition}
	var fields []column
	for _, c := range journalColumns {
		in.into = append(in.into, c.name)
		expr := c.server
		if e, ok := computed[c.name]; ok {
			expr = e
		}
		if expr == "" {
			fields = append(fields, c)
		}
		in.exprs = append(in.exprs, expr)
	}
	for _, r := range rows {
		if r.EventID == "" {
			r.EventID = databend.NewID()
		}
		if r.Event != EventSchema {
			r.project, r.database = s.scope.Project, s.scope.Database
		}
		r.Actor = a
		values := make([]any, len(fields))
		for i, c := range fields {
			values[i] = c.field(&r)
		}
		in.tuples = append(in.tuples, tuple(values...))
	}
	return in.sql()
}

// Append writes rows in one INSERT, as long as the lock is still ours: else ErrRobbed, and nothing was written. An answer
// that got lost is asked for again: readers drop repeats.
func (l *Lock) Append(ctx context.Context, rows ...Row) error {
	ok, err := l.append(ctx, rows, l.Fence().condition())
	if err == nil && !ok {
		err = ErrRobbed
	}
	return err
}

// ErrMoved is returned by Begin when the journal grew since it was read: read it again, and plan again.
var ErrMoved = errors.New("the journal was written by another run meanwhile")

// Begin writes the rows that start a run, if the journal still is what h read, the lock is ours, and no other run holds it.
// Otherwise ErrMoved or ErrRobbed, and nothing was written.
func (l *Lock) Begin(ctx context.Context, h History, rows ...Row) error {
	s := l.store
	// A begin that was written already, its answer lost, does not stand in its own way.
	rows[0].EventID = databend.NewID()
	unmoved := fmt.Sprintf("((SELECT count(*) FROM %[1]s WHERE %[2]s)=%[3]d OR EXISTS (SELECT 1 FROM %[1]s WHERE event_id=%[4]s))",
		s.name(journalTable), s.journalScope(), h.count, literal(rows[0].EventID))
	alone := fmt.Sprintf("NOT EXISTS (SELECT 1 FROM system.tables WHERE database=%s AND left(name,4)=%s AND name<>%s AND position(%s IN comment)>0 AND position(%s IN comment)>0)",
		literal(s.scope.StateDatabase), literal(runPrefix), literal(l.table), literal(claimOf(l.name)), literal(claimHolding))
	if h.Schema == 0 {
		rows = append([]Row{{Event: EventSchema, Version: Schema}}, rows...)
	}
	ok, err := l.append(ctx, rows, l.Fence().condition()+" AND "+unmoved+" AND "+alone)
	if err != nil || ok {
		return err
	}
	if err := l.Beat(ctx); err != nil {
		return err
	}
	return ErrMoved
}

func (l *Lock) append(ctx context.Context, rows []Row, condition string) (bool, error) {
	for i := range rows {
		l.seq++
		rows[i].Run, rows[i].Token, rows[i].Seq = l.run, l.token, l.seq
		if rows[i].EventID == "" {
			rows[i].EventID = databend.NewID()
		}
	}
	var res databend.Result
	err := again(ctx, func() (err error) {
		res, err = l.store.db.Exec(ctx, databend.Statement{SQL: l.store.journalInsert(rows, l.actor, condition, nil)})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("write journal: %w", err)
	}
	return res.Affected == int64(len(rows)), nil
}

// SnapshotSQL is the INSERT of one snapshot row, for the transaction of the DML that it is about. It affects no row when the
// lock was lost or the condition only (optional) does not hold, and the transaction must then be rolled back. detail is an SQL
// expression of type STRING.
func (l *Lock) SnapshotSQL(version int64, direction, detail, only string) string {
	l.seq++
	r := Row{Run: l.run, Token: l.token, Seq: l.seq, Event: EventSnapshot, Version: version, Direction: direction}
	condition := l.Fence().condition()
	if only != "" {
		condition += " AND " + only
	}
	return l.store.journalInsert([]Row{r}, l.actor, condition, map[string]string{"detail": detail})
}

// again calls f until its outcome is known, at most four times.
func again(ctx context.Context, f func() error) error {
	for i := 0; ; i++ {
		err := f()
		if i == 3 || !databend.IsUnknownOutcome(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(1<<i) * 100 * time.Millisecond):
		}
	}
}
