// Package journal is who ran what when: the runs of migrations, written ahead, and folded into what each version is now. It is
// append-only; a History is read from it, together with the locks, in one request.
package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/lock"
	"github.com/dbctl/dbctl/internal/state/store"
)

// The events of the journal.
const (
	EventSchema      = store.EventSchema // version is the Schema of the tables
	EventBegin       = "begin"           // a run starts: before, detail
	EventPlan        = "plan"            // one version of a run, as it was going to run: texts, checksums, number of statements
	EventRecapture   = "recapture"       // detail: the part of a mark that is too large for a comment
	EventSnapshot    = "snapshot"        // detail: written in the transaction of a DML, the snapshot that is ours
	EventApplied     = "applied"         // after: definitions
	EventDown        = "down"            // taken back by its Down section
	EventRolledBack  = "rolled_back"     // failed, and nothing of it is left
	EventPartial     = "partial"         // failed, and something could not be put back: a person's turn
	EventUnsupported = "unsupported"     // skipped by consent, with the reason
	EventBaseline    = "baseline"        // recorded as applied without running
	EventAccept      = "accept"          // the checksums of an edited file
	EventMarkApplied = "mark_applied"    // a person's word on a version of an unfinished run, with the reason
	EventMarkUndone  = "mark_rolled_back"
	EventPutBack     = "put_back" // a rollback of subject begins: detail is the mark that it puts back
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
	Direction event.Direction
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
	Actor                                 store.Actor

	project, database string
}

// Sums are the checksums of a migration's sections.
type Sums struct {
	UpSum, DownSum                 string // of the raw text
	UpExpandedSum, DownExpandedSum string // of the text expanded but for secrets
}

// column is one column of the journal: its field of a Row both when written and when read.
type column struct {
	store.Column
	server string // the server's value in an INSERT, instead of the field
	heavy  bool   // not read by History
	field  func(*Row) any
}

// fields are the columns' fields, by name.
var fields = map[string]column{
	"event_id":          {field: func(r *Row) any { return &r.EventID }},
	"project":           {field: func(r *Row) any { return &r.project }},
	"database":          {field: func(r *Row) any { return &r.database }},
	"run":               {field: func(r *Row) any { return &r.Run }},
	"subject":           {field: func(r *Row) any { return &r.Subject }},
	"token":             {field: func(r *Row) any { return &r.Token }},
	"seq":               {field: func(r *Row) any { return &r.Seq }},
	"event":             {field: func(r *Row) any { return &r.Event }},
	"version":           {field: func(r *Row) any { return &r.Version }},
	"name":              {field: func(r *Row) any { return &r.Name }},
	"direction":         {field: func(r *Row) any { return (*string)(&r.Direction) }},
	"up_sum":            {field: func(r *Row) any { return &r.UpSum }},
	"down_sum":          {field: func(r *Row) any { return &r.DownSum }},
	"up_expanded_sum":   {field: func(r *Row) any { return &r.UpExpandedSum }},
	"down_expanded_sum": {field: func(r *Row) any { return &r.DownExpandedSum }},
	"up_text":           {heavy: true, field: func(r *Row) any { return &r.UpText }},
	"down_text":         {heavy: true, field: func(r *Row) any { return &r.DownText }},
	"statements":        {field: func(r *Row) any { return &r.Statements }},
	"before":            {heavy: true, field: func(r *Row) any { return &r.Before }},
	"after":             {heavy: true, field: func(r *Row) any { return &r.After }},
	"detail":            {heavy: true, field: func(r *Row) any { return &r.Detail }},
	"at":                {server: "now()", field: func(r *Row) any { return &r.At }},
	"took_ms":           {field: func(r *Row) any { return &r.TookMS }},
	"reason":            {field: func(r *Row) any { return &r.Reason }},
	"query_ids":         {heavy: true, field: func(r *Row) any { return &r.QueryIDs }},
	"actor":             {server: "current_user()", field: func(r *Row) any { return &r.ServerUser }},
	"role":              {server: "current_role()", field: func(r *Row) any { return &r.ServerRole }},
	"os_user":           {field: func(r *Row) any { return &r.Actor.OSUser }},
	"host":              {field: func(r *Row) any { return &r.Actor.Host }},
	"git_commit":        {field: func(r *Row) any { return &r.Actor.GitCommit }},
	"git_dirty":         {field: func(r *Row) any { return &r.Actor.GitDirty }},
	"label":             {field: func(r *Row) any { return &r.Actor.Label }},
	"flags":             {field: func(r *Row) any { return &r.Actor.Flags }},
	"dbctl_version":     {field: func(r *Row) any { return &r.Actor.DBCTLVersion }},
	"server_version":    {server: "version()", field: func(r *Row) any { return &r.ServerVersion }},
}

// columns are the journal's, in the table's order.
var columns = func() (all []column) {
	for _, c := range store.Journal {
		f := fields[c.Name]
		f.Column = c
		all = append(all, f)
	}
	return all
}()

// Journal reads the journal of a scope, and writes it for who holds the scope's lock.
type Journal struct{ db *store.DB }

// Of is the journal of a scope.
func Of(db *store.DB) *Journal { return &Journal{db: db} }

// clean takes secrets out of what people, files and other users' objects brought into a row.
func (j *Journal) clean(r *Row) {
	for _, text := range []*string{&r.Reason, &r.Actor.Label, &r.Actor.Flags, &r.Actor.Host, &r.Actor.OSUser} {
		*text = j.db.Clean(*text)
	}
	r.UpText, r.DownText = j.db.CleanText(r.UpText), j.db.CleanText(r.DownText)
	for _, text := range []*string{&r.Before, &r.After, &r.Detail} {
		*text = j.db.CleanJSON(*text)
	}
}

// insert is one INSERT of rows, all or none: none when condition (may be empty) does not hold. computed gives columns their value as an
// SQL expression.
func (j *Journal) insert(rows []Row, a store.Actor, condition string, computed map[string]string) string {
	in := store.Insert{Table: j.db.Name(store.JournalTable), Condition: condition}
	var literals []column
	for _, c := range columns {
		in.Into = append(in.Into, c.Name)
		expr := c.server
		if e, ok := computed[c.Name]; ok {
			expr = e
		}
		if expr == "" {
			literals = append(literals, c)
		}
		in.Exprs = append(in.Exprs, expr)
	}
	for _, r := range rows {
		if r.EventID == "" {
			r.EventID = databend.NewID()
		}
		if r.Event != EventSchema {
			r.project, r.database = j.db.Scope().Project, j.db.Scope().Database
		}
		r.Actor = a
		j.clean(&r)
		values := make([]any, len(literals))
		for i, c := range literals {
			values[i] = c.field(&r)
		}
		in.Tuples = append(in.Tuples, store.Tuple(values...))
	}
	return in.SQL()
}

// Writer writes the rows of one run, as long as its lock is held.
type Writer struct {
	*lock.Lock
	journal *Journal
	actor   store.Actor
	token   int64 // of the run's rows: greater than that of earlier runs
	seq     int64
}

// Writer makes the writer of the run that holds l. h is the journal as read last.
func (j *Journal) Writer(l *lock.Lock, actor store.Actor, h History) *Writer {
	return &Writer{Lock: l, journal: j, actor: actor, token: h.token + 1}
}

// Append writes rows in one INSERT, as long as the lock is still ours: else lock.ErrRobbed, and nothing was written. An answer
// that got lost is asked for again: readers drop repeats.
func (w *Writer) Append(ctx context.Context, rows ...Row) error {
	ok, err := w.append(ctx, rows, w.Fence().SQL())
	if err == nil && !ok {
		err = lock.ErrRobbed
	}
	return err
}

// ErrMoved is returned by Begin when the journal grew since it was read: read it again, and plan again.
var ErrMoved = errors.New("the journal was written by another run meanwhile")

// Begin writes the rows that start a run, if the journal still is what h read, the lock is ours, and no other run holds it.
// Otherwise ErrMoved or lock.ErrRobbed, and nothing was written.
func (w *Writer) Begin(ctx context.Context, h History, rows ...Row) error {
	// A begin that was written already, its answer lost, does not stand in its own way.
	rows[0].EventID = databend.NewID()
	unmoved := fmt.Sprintf("(SELECT count(*)=%d OR count_if(event_id=%s)>0 FROM %s WHERE %s)",
		h.count, sqltext.Literal(rows[0].EventID), w.journal.db.Name(store.JournalTable), w.journal.scope())
	if h.Schema == 0 {
		rows = append([]Row{{Event: EventSchema, Version: store.Schema}}, rows...)
	}
	ok, err := w.append(ctx, rows, unmoved+" AND "+w.Alone())
	if err != nil || ok {
		return err
	}
	if err := w.Beat(ctx); err != nil {
		return err
	}
	return ErrMoved
}

func (w *Writer) append(ctx context.Context, rows []Row, condition string) (bool, error) {
	begins := slices.ContainsFunc(rows, func(r Row) bool { return r.Event == EventBegin })
	w.Unended = w.Unended || begins
	for i := range rows {
		w.seq++
		rows[i].Run, rows[i].Token, rows[i].Seq = w.Run(), w.token, w.seq
		if rows[i].EventID == "" {
			rows[i].EventID = databend.NewID()
		}
	}
	res, err := w.journal.db.Write(ctx, w.journal.insert(rows, w.actor, condition, nil))
	if err != nil {
		return false, fmt.Errorf("write journal: %w", err)
	}
	ok := res.Affected == int64(len(rows))
	w.Unended = w.Unended && (ok || !begins)
	for _, r := range rows {
		switch {
		case !ok || r.Event != EventEnd:
		case r.Subject == "":
			w.Unended = false
		default:
			w.ForgetRun(ctx, r.Subject)
		}
	}
	return ok, nil
}

// SnapshotSQL is the INSERT of one snapshot row, for the transaction of the DML that it is about. It affects no row when the
// lock was lost or the condition only (optional) does not hold, and the transaction must then be rolled back. detail is an SQL
// expression of type STRING.
func (w *Writer) SnapshotSQL(version int64, direction event.Direction, detail, only string) string {
	w.seq++
	r := Row{Run: w.Run(), Token: w.token, Seq: w.seq, Event: EventSnapshot, Version: version, Direction: direction}
	condition := w.Fence().SQL()
	if only != "" {
		condition += " AND " + only
	}
	return w.journal.insert([]Row{r}, w.actor, condition, map[string]string{"detail": detail})
}
