package plan

import (
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// Of many loads the ledger is asked once, joined with a table of the loads: the server plans a UNION of one question for each for as
// long as a minute (200 loads: 34 s, and 0.2 s together).

// alike reports whether nothing but its place and its folders tells the load's questions from those of others.
func (q scope) alike() bool { return q.glob == nil && q.job.Files == nil && !q.place.large() }

// questions are the parts of a UNION ALL that ask the ledger about those plans that want it: alone about one, joined about all that are
// alike.
func (l *Planner) questions(plans []*Plan, wants func(scope) bool, one func(scope, int) []string, joined string) (parts []string) {
	var alike, values []string
	joins := 0
	for i, p := range plans {
		q := p.scope
		switch {
		case q.place.ledgerRows == 0 || !wants(q):
		case !q.alike():
			parts = append(parts, one(q, i)...)
		default:
			alike = append(alike, one(q, i)...)
			joins++
			for _, folder := range q.prefixes {
				id, url := sqltext.Quote(q.place.tableID), sqltext.Literal(q.place.url)
				values = append(values, fmt.Sprintf("(%d, %s, %s, %s)", i, id, url, sqltext.Literal(folder)))
			}
		}
	}
	if joins < 2 {
		return append(parts, alike...)
	}
	id := sqltext.Ident
	whole := fmt.Sprintf("concat(%s, %s)", id(ledger.ColStageURL), id(ledger.ColPath))
	here := "left(" + whole + ", char_length(loads.url)) = loads.url"
	below := fmt.Sprintf("if(%s, substr(%s, char_length(loads.url)+1), %s)", here, whole, id(ledger.ColPath))
	from := "FROM " + l.Store.LedgerName() + " JOIN (VALUES " + strings.Join(values, ", ") + ") AS loads(i, id, url, folder) ON " +
		id(ledger.ColTableID) + " = loads.id WHERE " + l.Store.LedgerScope() + " AND " + id(ledger.ColState) + " <> 'begin' AND "
	in := func(path string) string { return "left(" + path + ", char_length(loads.folder)) = loads.folder" }
	return append(parts, strings.NewReplacer(
		"{HERE}", here, "{BELOW}", below, "{SAID}", id(ledger.ColAt), "{STATE}", id(ledger.ColState), "{ROWS}", id(ledger.ColRows), "{URL}",
		id(ledger.ColStageURL),
		"{WORD}", wordColumns,
		"{PATH}", id(ledger.ColPath), "{FROM}", from, "{PLAIN}", in(id(ledger.ColPath)), "{FOLDER}", in(below), "{FROM_LEDGER}", from+in(below),
	).Replace(joined))
}

// wordsTogether are scope.words of many.
const wordsTogether = `SELECT loads.i AS i, {PATH} AS path, {URL} AS url, {WORD} {FROM}({PLAIN} OR {HERE} AND {FOLDER})`

// knownTogether are scope.known of many.
func knownTogether(named, sums bool) string {
	return counted("(SELECT loads.i AS i, {BELOW} AS path, to_int64({SAID}) AS said, {STATE} AS st, {ROWS} AS n {FROM_LEDGER} AND {HERE})",
		named, sums)
}
