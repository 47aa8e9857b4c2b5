package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// PerStatement is how many rows or names one statement is about.
const PerStatement = 2_000

// Tell is told what is said about the file of one name: of that of the place asked about, or of another place's.
type Tell func(i int, name string, here bool, w Word)

// Words tells what the ledger says of files, in no order; i is the question's number. Of one that is Joined WordsBeside does.
func (l *Ledger) Words(ctx context.Context, s *databend.Session, of []Files, tell Tell) error {
	asked := slices.Clone(of)
	for i, f := range of {
		if f.Joined() {
			asked[i] = Files{}
		}
	}
	return l.each(ctx, s, asked, l.ask(asked, l.wordsOf, wordsTogether), tell)
}

// wordsOf are the words about the files of one question: of a small ledger in one scan, since a second one takes the server longer than
// each needs to read its rows twice.
func (l *Ledger) wordsOf(i int, f Files) []string {
	if f.Large {
		return l.said(i, f.asWritten(isWord), f.fromHere(isWord))
	}
	all := reading{"path", "stage_url", []string{ofTable(f.TableID), isWord}}
	if named := f.named("path"); named != nil {
		here := append(f.named(f.below()), f.here())
		all.where = append(all.where, "("+strings.Join(named, " AND ")+" OR "+strings.Join(here, " AND ")+")")
	}
	return l.said(i, all)
}

// said selects the words of readings for each.
func (l *Ledger) said(i int, readings ...reading) (out []string) {
	for _, rows := range readings {
		out = append(out, fmt.Sprintf("SELECT %d AS i, %s, %s, %s%s", i, rows.name, rows.place, WordColumns, l.from(rows.where...)))
	}
	return out
}

// each tells the words that the parts of a UNION ALL select. A row of a small ledger that was written for another place is read here for
// files of this one, too.
func (l *Ledger) each(ctx context.Context, s *databend.Session, of []Files, parts []string, tell Tell) error {
	if len(parts) == 0 {
		return nil
	}
	_, err := s.Each(ctx, databend.Statement{Reads: true, SQL: strings.Join(parts, "\nUNION ALL ")}, func(r databend.Row) error {
		i, name, place, w := int(r.Int(0)), r[1].String, r[2].String, ReadWord(r[3:])
		f := of[i]
		tell(i, name, place == f.Place, w)
		if below, here := strings.CutPrefix(place+name, f.Place); here && place != f.Place && !f.Large {
			tell(i, below, true, w)
		}
		return nil
	})
	return err
}

// WordsBeside is a subquery of the words about files that a listing may hold, to be joined with it: their name, their place, and what
// WordColumns need. What those compute is to be computed behind the join: before it the server would do so for each row of the ledger.
func (l *Ledger) WordsBeside(f Files) string {
	var parts []string
	for _, rows := range []reading{f.asWritten(isWord), f.fromHere(isWord)} {
		parts = append(parts, "SELECT "+rows.name+" AS name, "+rows.place+" AS place, * EXCLUDE(path)"+l.from(rows.where...))
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")"
}

// WordsOf tells the words about files whose names a subquery with the column name gives: there may be thousands.
func (l *Ledger) WordsOf(ctx context.Context, s *databend.Session, f Files, names string, tell Tell) error {
	sql := "SELECT 0, w.name, place, " + WordColumns + " FROM " + l.WordsBeside(f) + " AS w JOIN " + names + " AS names ON w.name = names.name"
	return l.each(ctx, s, []Files{f}, []string{sql}, tell)
}

// LoadedAs tells which of the names the files had that came into a table, from whatever place.
func (l *Ledger) LoadedAs(ctx context.Context, s *databend.Session, tableID string, names []string) (map[string]bool, error) {
	out := map[string]bool{}
	for some := range slices.Chunk(names, PerStatement) {
		_, err := s.Each(ctx, databend.Statement{
			Reads: true, SQL: "SELECT DISTINCT path" + l.from(ofTable(tableID), isLoaded, oneOf("path", some)),
		}, func(r databend.Row) error {
			out[r[0].String] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Of many questions the ledger is asked once, joined with a table of them: the server plans a UNION of one question for each for as long as
// a minute (200 loads: 34 s, and 0.2 s together).

// ask are the parts of a UNION ALL that ask what one selects for one question: joined for all that are alike, where there are several.
func (l *Ledger) ask(of []Files, one func(int, Files) []string, joined string) (parts []string) {
	var alike, values []string
	joins := 0
	for i, f := range of {
		switch {
		case f.TableID == "":
		case !f.alike():
			parts = append(parts, one(i, f)...)
		default:
			alike = append(alike, one(i, f)...)
			joins++
			for _, folder := range f.Folders {
				values = append(values, fmt.Sprintf("(%d, %s, %s, %s)", i, sqltext.Quote(f.TableID), sqltext.Literal(f.Place), sqltext.Literal(folder)))
			}
		}
	}
	if joins < 2 {
		return append(parts, alike...)
	}
	return append(parts, l.fill(joined, "{LOADS}", strings.Join(values, ", ")))
}

// What questions are made of where they are asked together: Files.here, Files.below and Files.named of each.
const (
	hereTogether  = "left(" + whole + ", char_length(loads.place)) = loads.place"
	belowTogether = "substr(" + whole + ", char_length(loads.place)+1)"
	fromTogether  = `
FROM {LEDGER} JOIN (VALUES {LOADS}) AS loads(i, id, place, folder) ON table_id = loads.id
WHERE {SCOPE} AND state <> 'begin' AND `
	inFolder = ", char_length(loads.folder)) = loads.folder"

	wordsTogether = "SELECT loads.i AS i, path, stage_url, " + WordColumns + fromTogether +
		"(left(path" + inFolder + " OR " + hereTogether + " AND left(" + belowTogether + inFolder + ")"
)
