package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/store"
)

// stampLayout is how a time stands in SQL and in the ledger: in UTC, which is the time zone of every session.
const stampLayout = "2006-01-02 15:04:05.000000"

// Stamp is t as the ledger has it; "" for none.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(stampLayout)
}

// one asks for one row, and reports whether there is one.
func (l *Ledger) one(ctx context.Context, s store.Session, text string) (databend.Row, bool, error) {
	res, err := s.Query(ctx, databend.Statement{SQL: text, Reads: true})
	if err != nil || len(res.Rows) == 0 {
		return nil, false, err
	}
	return res.Rows[0], true, nil
}

// SaidSince reports whether something was said about a table's files at some time or later.
func (l *Ledger) SaidSince(ctx context.Context, s store.Session, tableID string, at time.Time) (bool, error) {
	_, found, err := l.one(ctx, s, "SELECT 1"+l.from(ofTable(tableID), isWord, "`at` >= "+sqltext.Quote(Stamp(at)))+" LIMIT 1")
	return found, err
}

// SaidBy reports whether a query brought files.
func (l *Ledger) SaidBy(ctx context.Context, queryID string) (bool, error) {
	_, found, err := l.one(ctx, l.db.Conn(), "SELECT 1"+l.from("query_id = "+sqltext.Quote(queryID), isWord)+" LIMIT 1")
	return found, err
}

// LoadedWith reports whether a load whose text has this checksum brought files into a table.
func (l *Ledger) LoadedWith(ctx context.Context, tableID, checksum string) (bool, error) {
	_, found, err := l.one(ctx, l.db.Conn(), "SELECT 1"+l.from(ofTable(tableID), isLoaded, "checksum = "+sqltext.Quote(checksum))+" LIMIT 1")
	return found, err
}

// LastLoaded is the name of the last file with rows that a load brought into a table from a place; "" when there is none.
func (l *Ledger) LastLoaded(ctx context.Context, tableID, place, load string) (string, error) {
	row, found, err := l.one(ctx, l.db.Conn(), "SELECT path"+l.from(ofTable(tableID), isLoaded, "load_name = "+sqltext.Quote(load),
		"stage_url = "+sqltext.Literal(place), "row_count > 0")+" ORDER BY `at` DESC LIMIT 1")
	if !found {
		return "", err
	}
	return row[0].String, nil
}

// LoadedOf tells which of the names files had, in a table, whose whole URLs are none of these.
func (l *Ledger) LoadedOf(ctx context.Context, tableID string, names, not []string) (map[string]bool, error) {
	res, err := l.db.Query(ctx, "SELECT DISTINCT path"+l.from(ofTable(tableID), isLoaded,
		oneOf("path", names), "NOT "+oneOf(whole, not)))
	out := map[string]bool{}
	for _, row := range res.Rows {
		out[row[0].String] = true
	}
	return out, err
}

// Undone are the files, by their whole URLs, of which a rollback said last that the engine takes them for loaded and their rows are not in
// the table.
func (l *Ledger) Undone(ctx context.Context, s store.Session, tableID string) ([]string, error) {
	res, err := s.Query(ctx, databend.Statement{SQL: "SELECT " + whole + " AS url" + l.from(ofTable(tableID), isWord) +
		" GROUP BY url HAVING arg_max(state, `at`) = " + sqltext.Quote(FileUndone)})
	out := make([]string, len(res.Rows))
	for i, r := range res.Rows {
		out[i] = r[0].String
	}
	return out, err
}

// LoadedRows are how many rows the ledger has in a table of those of the files, by their whole URLs, that are loaded; -1: nobody counted
// them.
func (l *Ledger) LoadedRows(ctx context.Context, s store.Session, tableID string, urls []string) (map[string]int64, error) {
	out := map[string]int64{}
	for some := range slices.Chunk(urls, PerStatement) {
		res, err := s.Query(ctx, databend.Statement{SQL: "SELECT " + whole + " AS url, arg_max(row_count, `at`)" +
			l.from(ofTable(tableID), isWord, oneOf(whole, some)) + " GROUP BY url HAVING arg_max(state, `at`) = 'loaded'"})
		if err != nil {
			return nil, err
		}
		for _, r := range res.Rows {
			out[r[0].String] = r.Int(1)
		}
	}
	return out, nil
}

// Pace is how many bytes a second the last month's COPYs into a table loaded; 0 when there were none.
func (l *Ledger) Pace(ctx context.Context, tableID string) (float64, error) {
	copies := "(SELECT sum(size) AS bytes, max(took_ms) AS ms" + l.from(ofTable(tableID), isWord, "`at` > date_sub(day, 30, now())") +
		" GROUP BY query_id)"
	row, found, err := l.one(ctx, l.db.Conn(), "SELECT sum_if(bytes, ms > 0), sum_if(ms, ms > 0) FROM "+copies)
	if !found || row.Int(1) == 0 {
		return 0, err
	}
	return float64(row.Int(0)) / float64(row.Int(1)) * 1000, nil
}

// Accounts reports whether the ledger knows where the rows of a table are from: it says so of files of the question, or of others of the
// table. Where a person's word was needed for those, it is needed for these too.
func (l *Ledger) Accounts(ctx context.Context, s store.Session, f Files) (bool, error) {
	row, found, err := l.one(ctx, s, fmt.Sprintf("SELECT count_if(%s), count_if(source = 'adopted'), count(*)%s",
		strings.Join(append(f.named(f.below()), f.here()), " AND "), l.from(ofTable(f.TableID), "state IN ('loaded', 'new', 'emptied')")))
	if !found {
		return false, err
	}
	own, adopted, all := row.Int(0), row.Int(1), row.Int(2)
	return own > 0 || all > 0 && adopted == 0, nil
}

// Consumed is the reason of rows about files whose rows went on: what stands behind their load's COPY left the table empty, in the
// transaction that loaded them.
const Consumed = "what stands behind the COPY left the table empty"

// LeftEmpty are those of the tables that were left empty behind their last load.
func (l *Ledger) LeftEmpty(ctx context.Context, ids []string) (map[string]bool, error) {
	res, err := l.db.Query(ctx, "SELECT table_id"+
		l.from("table_id IN ("+sqltext.Literals(ids)+")", isLoaded)+
		" GROUP BY table_id HAVING arg_max(reason, `at`) = "+sqltext.Quote(Consumed))
	out := map[string]bool{}
	for _, r := range res.Rows {
		out[r[0].String] = true
	}
	return out, err
}

// WithETags are the files of the place that have rows in the table and one of these etags: their names. An etag of very many files tells
// of none of them (the same few bytes are written again and again), and is left out. Mostly no file has one, and the first question, which
// reads a column, is the only one.
func (l *Ledger) WithETags(ctx context.Context, s store.Session, f Files, etags []string) (map[Object]string, error) {
	const many = 1_000
	rows := f.asWritten(isWord, "stage_url = "+sqltext.Literal(f.Place)).where
	loaded := append(slices.Clone(rows), isLoaded)
	of := func(etags []string) string {
		return l.from(append(slices.Clone(loaded), oneOf("etag", etags))...)
	}
	res, err := s.Query(ctx, databend.Statement{SQL: fmt.Sprintf("SELECT etag%s GROUP BY etag HAVING count(*) <= %d", of(etags), many)})
	if err != nil || len(res.Rows) == 0 {
		return nil, err
	}
	var known []string
	for _, r := range res.Rows {
		known = append(known, r[0].String)
	}
	res, err = s.Query(ctx, databend.Statement{SQL: "SELECT path, arg_max(size, `at`), arg_max(etag, `at`)" +
		l.from(append(rows, "path IN (SELECT path"+of(known)+")")...) +
		" GROUP BY path HAVING arg_max(state, `at`) = 'loaded' AND arg_max(row_count, `at`) <> 0"})
	out := map[Object]string{}
	for _, r := range res.Rows {
		out[Object{Size: r.Int(1), ETag: r[2].String}] = r[0].String
	}
	return out, err
}

// FullPass is the reason of the row that says that a load with a window looked at everything.
const FullPass = "full pass"

// Pass is a full pass of a load.
type Pass struct{ Load, TableID, Place, Prefix string }

// Passes are the full passes of loads that are not longer ago.
func (l *Ledger) Passes(ctx context.Context, s store.Session, loads []string, ago time.Duration) (map[Pass]bool, error) {
	res, err := s.Query(ctx, databend.Statement{SQL: "SELECT DISTINCT load_name, table_id, stage_url, path" + l.from(
		"load_name IN ("+sqltext.Literals(loads)+")", "reason = "+sqltext.Quote(FullPass), "state = 'begin'",
		"`at` > date_sub(hour, "+strconv.Itoa(int(ago.Hours()))+", now())")})
	out := map[Pass]bool{}
	for _, r := range res.Rows {
		out[Pass{r[0].String, r[1].String, r[2].String, r[3].String}] = true
	}
	return out, err
}
