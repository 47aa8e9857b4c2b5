package plan

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// listed is one file that is there. Of a question that is Joined its words come with it.
type listed struct {
	path string
	object
	matched bool // it is one of the load's
	words   []told
}

// told is a word of the ledger, about this place's file or another's.
type told struct {
	here bool
	word ledger.Word
}

// atOnce is how many loads one request asks about: the server's time grows with the square of it.
const atOnce = 50

// list tells what is in the stages, in the order of their names: each file once. There may be millions, and one page of them is held.
func (l *Planner) list(ctx context.Context, looks []*look, tell func(k *look, f listed) error) error {
	joined := slices.ContainsFunc(looks, func(k *look) bool { return k.scope.files().Joined() })
	var stages [][]string
	for i, k := range looks {
		if !k.Job.Unlisted() {
			stages = append(stages, l.inStage(i, k.scope, joined))
		}
	}
	var of *look
	var f listed
	next := func(k *look, path string) (err error) {
		if of != nil && (k != of || path != f.path) {
			err = tell(of, f)
			f = listed{}
		}
		of, f.path = k, path
		return err
	}
	for some := range slices.Chunk(stages, atOnce) {
		sql := strings.Join(slices.Concat(some...), "\nUNION ALL ") + "\nORDER BY i, path"
		_, err := l.Look.Each(ctx, databend.Statement{Reads: true, SQL: sql}, func(r databend.Row) error {
			k := looks[r.Int(0)]
			if err := next(k, r[1].String); err != nil {
				return err
			}
			f.object, f.matched = readObject(r[2:]), r.Bool(5)
			if joined && r[6].Valid {
				f.words = append(f.words, told{r[6].String == k.StageURL, ledger.ReadWord(r[7:])})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return next(nil, "")
}

// inStage lists what is there: size, etag, mtime, and whether it is one of the load's; joined with the ledger's words, a row for each.
func (l *Planner) inStage(i int, q scope, joined bool) []string {
	var listed []string
	for _, folder := range q.folders {
		listed = append(listed, "SELECT "+strconv.Itoa(i)+" AS i, name AS path, size AS listed_size, coalesce(md5, '') AS listed_etag, "+
			"to_int64(TRY_CAST(last_modified AS TIMESTAMP)) AS listed_mtime, "+q.job.Matches("name")+" AS matched FROM LIST_STAGE(location=>"+
			sqltext.Literal("@"+q.job.Copy.Stage+"/"+folder)+")"+q.globbed(" WHERE ", "name"))
	}
	if !joined {
		return listed
	}
	const there = "SELECT i, s.path AS path, listed_size, listed_etag, listed_mtime, matched, "
	all := "(" + strings.Join(listed, " UNION ALL ") + ") AS s"
	if f := q.files(); f.Joined() {
		return []string{there + "place, " + ledger.WordColumns + " FROM " + l.Store.WordsBeside(f) + " AS w RIGHT JOIN " + all +
			" ON w.name = s.path"}
	}
	nothing := strings.Repeat(", NULL", strings.Count(ledger.WordColumns, ", "))
	return []string{there + "NULL, NULL" + nothing + " FROM " + all}
}
