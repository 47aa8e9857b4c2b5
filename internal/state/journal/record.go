package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/lock"
	"github.com/dbctl/dbctl/internal/state/store"
)

// readRows reads whole rows of the journal, oldest first.
func (j *Journal) readRows(ctx context.Context, where string) ([]Row, error) {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = readExpr(c)
	}
	res, err := j.db.Query(ctx, "SELECT "+strings.Join(list, ",")+" FROM "+j.db.Name(store.JournalTable)+" WHERE "+j.scope()+
		" AND event<>"+sqltext.Literal(EventSchema)+where)
	if store.Missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	rows := make([]Row, len(res.Rows))
	for i, r := range res.Rows {
		for k, c := range columns {
			r.Scan(k, c.field(&rows[i]))
		}
	}
	return rows, nil
}

// Record is everything that the journal and the catalogue know of one run: what its recovery needs.
type Record struct {
	Rows []Row // in order; those of EventEnd and the like from others about it too
	// Mark is the run's last mark, nil when it made none; Claim is whose it was. It is read from the run's table, or where that was
	// dropped from the catalogue's history, or from what was journaled when it was taken over or ended as partial. Once a rollback of it
	// has begun, the mark is the one that this journaled.
	Mark  json.RawMessage
	Claim *lock.Claim
}

// RowsOf are the rows of one run and about it, in order: one request.
func (j *Journal) RowsOf(ctx context.Context, run string) ([]Row, error) {
	rows, err := j.readRows(ctx, " AND (run="+sqltext.Literal(run)+" OR subject="+sqltext.Literal(run)+")")
	return sortRows(rows), err
}

// Record reads one run: two requests, or one where its last claim is known, which does not change once the run is fenced off.
func (j *Journal) Record(ctx context.Context, run string, claim *lock.Claim) (Record, error) {
	rows, err := j.RowsOf(ctx, run)
	if err != nil {
		return Record{}, err
	}
	if claim == nil {
		if claim, err = lock.LastClaim(ctx, j.db, run); err != nil {
			return Record{}, err
		}
	}
	rec := Record{Rows: rows, Claim: claim}
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
			if c, ok := lock.ReadClaim(text); ok {
				rec.Claim = &c
			}
		}
	}
	if rec.Claim != nil {
		rec.Mark = rec.Claim.Mark
	}
	for _, r := range rec.Rows {
		if r.Event == EventPutBack {
			rec.Mark = json.RawMessage(r.Detail)
		}
	}
	return rec, nil
}

// TakeoverRow is the row that keeps the last claim of a run that was cut off.
func (r Record) TakeoverRow(run string) Row {
	row := Row{Event: EventTakeover, Subject: run}
	if r.Claim != nil {
		row.Detail = r.Claim.Comment()
	}
	return row
}

// Text is the text of a section that ran, as it was expanded.
type Text struct {
	Version   int64
	Direction event.Direction
	SQL       string
	Sum       string // checksum of the section
	After     string // JSON: what it wrote, as it left it; "" when that was not looked at
}

// Texts are the texts of all sections that ran and were not rolled back, in the order in which they ran: where dbctl's own
// earlier definition of an object is found. One request.
func (j *Journal) Texts(ctx context.Context) ([]Text, error) {
	rows, err := j.readRows(ctx, " AND "+events(EventPlan, EventApplied, EventDown, EventBaseline, EventMarkApplied, EventMarkUndone,
		EventTakeover))
	if err != nil {
		return nil, err
	}
	type key struct {
		run       string
		direction event.Direction
		version   int64
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
				text, sum := p.section()
				out = append(out, Text{Version: r.Version, Direction: r.Direction, SQL: text, Sum: sum, After: r.After})
			}
		case EventBaseline:
			out = append(out, Text{Version: r.Version, Direction: event.Up, SQL: r.UpText, Sum: r.UpSum})
		}
	}
	return out, nil
}

func (r Row) section() (text, sum string) {
	if r.Direction == event.Down {
		return r.DownText, r.DownSum
	}
	return r.UpText, r.UpSum
}

// AppliedText is what the journal has of a migration: its sections expanded, with placeholders for secrets, and its file.
type AppliedText struct {
	Up, Down string
	File     string // "" where the sections make it again
}

// fileDetail is the Detail of a row that has a migration's texts.
type fileDetail struct {
	File string `json:"file"`
}

// FileDetail is the Detail of a row of a migration whose file is more than its expanded sections: headers, templates, comments.
func FileDetail(text string) string {
	if text == "" {
		return ""
	}
	b, _ := json.Marshal(fileDetail{text}) // a text always can be
	return string(b)
}

// File is the file that FileDetail was made of, "" when the row has none.
func (r Row) File() string {
	var d fileDetail
	_ = json.Unmarshal([]byte(r.Detail), &d) // no JSON is no file
	return d.File
}

// AppliedTexts are the texts of applied versions as they were applied, or accepted since: one request.
func (j *Journal) AppliedTexts(ctx context.Context, h History, versions []int64) (map[int64]AppliedText, error) {
	var in []string
	for _, v := range versions {
		in = append(in, fmt.Sprint(v))
	}
	rows, err := j.readRows(ctx, " AND version IN ("+strings.Join(in, ",")+") AND "+events(EventPlan, EventBaseline, EventAccept))
	if err != nil {
		return nil, err
	}
	out := map[int64]AppliedText{}
	for _, r := range sortRows(rows) {
		if r.Event == EventAccept || r.Run == h.Versions[r.Version].Run && r.Direction != event.Down {
			out[r.Version] = AppliedText{r.UpText, r.DownText, r.File()}
		}
	}
	return out, nil
}
