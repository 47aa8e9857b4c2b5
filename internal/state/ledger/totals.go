package ledger

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Total is what the ledger has of the files of one question, whether they are still there or not.
type Total struct {
	Tried        int64    // files that were loaded or failed: Word.Tried of the last word
	Names        []string // of those
	Rows         int64    // that all of them have in the table
	Said, Loaded time.Time
}

// Asked is what Totals are asked for beside Tried: what nobody asks for is left out.
type Asked struct {
	Names bool
	Sums  bool // Rows, when the last word was said and when the last file was loaded
}

// Totals counts the files of each question.
func (l *Ledger) Totals(ctx context.Context, s *databend.Session, of []Files, want Asked) ([]Total, error) {
	out := make([]Total, len(of))
	together := "SELECT loads.i AS i, " + belowTogether + " AS name, " + factColumns + fromTogether + hereTogether +
		" AND left(" + belowTogether + inFolder
	parts := l.ask(of, func(i int, f Files) []string { return []string{want.count(strconv.Itoa(i), "name", l.rowsOf(f))} },
		want.count("i", "i, name", together))
	if len(parts) == 0 {
		return out, nil
	}
	_, err := s.Each(ctx, databend.Statement{Reads: true, SQL: strings.Join(parts, "\nUNION ALL ")}, func(r databend.Row) error {
		t, name, tried := &out[r.Int(0)], r[1].String, r.Int(2)
		t.Tried += tried
		t.Rows += r.Int(3)
		if said := r.Time(4); said.After(t.Said) {
			t.Said = said
		}
		if loaded := r.Time(5); loaded.After(t.Loaded) {
			t.Loaded = loaded
		}
		if name != "" && tried > 0 {
			t.Names = append(t.Names, name)
		}
		return nil
	})
	return out, err
}

// factColumns are what count reads of a row, beside the file's name.
const factColumns = "to_int64(`at`) AS said, state, row_count AS n"

// rowsOf are the rows about files of one question.
func (l *Ledger) rowsOf(f Files) string {
	all := []reading{{f.below(), "", append(f.named(f.below()), ofTable(f.TableID), isWord, f.here())}}
	if f.Large {
		all = []reading{f.asWritten(isWord, "stage_url = "+sqltext.Literal(f.Place)), f.fromHere(isWord)}
	}
	var parts []string
	for _, rows := range all {
		parts = append(parts, "SELECT "+rows.name+" AS name, "+factColumns+l.from(rows.where...))
	}
	text := strings.Join(parts, " UNION ALL ")
	if f.Glob != "" {
		text = "SELECT * FROM (" + text + ") WHERE regexp_like(name, " + sqltext.Literal(f.Glob) + ", 'c')"
	}
	return text
}

// countSQL counts the names that were tried: those whose last word, which the even or odd number of its time has, says so. There may be a
// hundred times as many rows as files are listed: what is grouped are numbers.
const countSQL = `
SELECT {I} AS i, {NAME} AS p, sum(word % 2), {SUMS} FROM (
  SELECT {KEYS}, max(said*2 + if(state IN ('loaded', 'failed', 'emptied'), 1, 0)) AS word{MORE} FROM ({ROWS}) GROUP BY {KEYS}
) WHERE word % 2 = 1{ALSO} GROUP BY i, p`

// count asks for the totals of rows, in which each file has these keys.
func (want Asked) count(i, keys, rows string) string {
	name, sums, more, also := "''", "0, 0, 0", "", ""
	if want.Names {
		name = "name"
	}
	if want.Sums {
		more = ", max(if(state = 'loaded', said, 0)) AS loaded, arg_max(if(state IN ('new', 'undone'), 0, n), said) AS n"
		sums = "sum(greatest(n, 0)), max(word % 2 * bit_shift_right(word, 1)), max(loaded)"
		also = " OR n > 0"
	}
	return strings.NewReplacer("{I}", i, "{KEYS}", keys, "{NAME}", name, "{SUMS}", sums, "{MORE}", more, "{ROWS}", rows, "{ALSO}", also).
		Replace(countSQL)
}
