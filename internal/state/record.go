package state

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
)

// readRows reads whole rows of the journal, oldest first.
func (s *Store) readRows(ctx context.Context, where string) ([]Row, error) {
	list := make([]string, len(journalColumns))
	for i, c := range journalColumns {
		list[i] = readExpr(c)
	}
	res, err := s.db.Query(ctx, databend.Statement{SQL: "SELECT " + strings.Join(list, ",") + " FROM " + s.name(journalTable) +
		" WHERE " + s.journalScope() + " AND event<>" + literal(EventSchema) + where})
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	rows := make([]Row, len(res.Rows))
	for i, r := range res.Rows {
		for j, c := range journalColumns {
			scan(r[j], c.field(&rows[i]))
		}
	}
	return rows, nil
}

// Record is everything that the journal and the catalogue know of one run: what its recovery needs.
type Record struct {
	Rows []Row // in order; those of EventEnd and the like from others about it too
	// Mark is the run's last mark, nil when it made none; Claim is whose it was. It is read from the run's table, or where that was
	// dropped from the catalogue's history, or from what was journaled when it was taken over or ended as partial.
	Mark  json.RawMessage
	Claim *Claim
}

// Record reads one run: two requests.
func (s *Store) Record(ctx context.Context, run string) (Record, error) {
	rows, err := s.readRows(ctx, " AND (run="+literal(run)+" OR subject="+literal(run)+")")
	if err != nil {
		return Record{}, err
	}
	rec := Record{Rows: sortRows(rows)}
	res, err := s.db.Query(ctx, databend.Statement{SQL: "SELECT name,table_id::STRING,comment,to_int64(updated_on)::STRING FROM system.tables_with_history WHERE database=" +
		literal(s.scope.StateDatabase) + " AND name=" + literal(runPrefix+run)})
	if err != nil {
		return Record{}, fmt.Errorf("read mark: %w", err)
	}
	for _, r := range res.Rows {
		if c, ok := parseClaim(readTable(r)); ok && (rec.Claim == nil || c.Beat >= rec.Claim.Beat) {
			rec.Claim, rec.Mark = &c, c.Mark
		}
	}
	if rec.Claim == nil {
		for _, r := range rec.Rows {
			text := r.Detail
			switch r.Event {
			case EventTakeover:
			case EventPartial:
				text = r.Before
			default:
				continue
			}
			if c, ok := parseClaim(table{comment: text}); ok {
				rec.Claim, rec.Mark = &c, c.Mark
			}
		}
	}
	return rec, nil
}

// FenceRun drops the run's claim: from then on no mark of its owner succeeds. The claim stays readable by Record.
func (l *Lock) FenceRun(ctx context.Context, run string) error {
	if err := l.dropRun(ctx, run); err != nil {
		return fmt.Errorf("fence run %s: %w", run, err)
	}
	return nil
}

// Claim is our claim as Record reads it, for a row that keeps it.
func (l *Lock) Claim() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claim.comment()
}

// TakeoverRow is the row that keeps the last claim of a run that was cut off.
func (r Record) TakeoverRow(run string) Row {
	row := Row{Event: EventTakeover, Subject: run}
	if r.Claim != nil {
		row.Detail = r.Claim.comment()
	}
	return row
}

// Text is the text of a section that ran, as it was expanded.
type Text struct {
	Version   int64
	Direction string
	SQL       string
}

// Texts are the texts of all sections that ran and were not rolled back, in the order in which they ran: where dbctl's own
// earlier definition of an object is found. One request.
func (s *Store) Texts(ctx context.Context) ([]Text, error) {
	rows, err := s.readRows(ctx, " AND event IN ("+literal(EventPlan)+","+literal(EventApplied)+","+literal(EventDown)+","+literal(EventBaseline)+
		","+literal(EventMarkApplied)+","+literal(EventMarkUndone)+","+literal(EventTakeover)+")")
	if err != nil {
		return nil, err
	}
	type key struct {
		run, direction string
		version        int64
	}
	plans := map[key]Row{}
	var out []Text
	for _, r := range sortRows(rows) {
		k := key{r.Run, r.Direction, r.Version}
		if r.Subject != "" {
			k.run = r.Subject
		}
		switch r.Event {
		case EventPlan:
			plans[k] = r
		case EventApplied, EventDown, EventMarkApplied:
			if p, ok := plans[k]; ok {
				out = append(out, Text{Version: r.Version, Direction: r.Direction, SQL: p.text()})
			}
		case EventBaseline:
			out = append(out, Text{Version: r.Version, Direction: "up", SQL: r.UpText})
		}
	}
	return out, nil
}

func (r Row) text() string {
	if r.Direction == "down" {
		return r.DownText
	}
	return r.UpText
}

// DownTexts are the Down sections of applied versions as they were when they were applied, for files that are gone: one request.
func (s *Store) DownTexts(ctx context.Context, h History, versions []int64) (map[int64]string, error) {
	var in []string
	for _, v := range versions {
		in = append(in, fmt.Sprint(v))
	}
	rows, err := s.readRows(ctx, " AND version IN ("+strings.Join(in, ",")+") AND event IN ("+literal(EventPlan)+","+literal(EventBaseline)+")")
	if err != nil {
		return nil, err
	}
	out := map[int64]string{}
	for _, r := range sortRows(rows) {
		if r.Run == h.Versions[r.Version].Run {
			out[r.Version] = r.DownText
		}
	}
	return out, nil
}
