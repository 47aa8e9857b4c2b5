package inspect

import (
	"cmp"
	"context"
	"slices"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// A run looks into so many files for rows that are no objects, and but for those of one row into so many bytes.
const looked, lookedBytes = 100, 8 << 20

// Objects runs the rule json-object over some of the files of which a COPY took rows, and returns the paths of those that it condemned. A
// file that is one JSON array is one row: such files come first, the largest ahead.
func (r *Inspector) Objects(ctx context.Context, files []plan.File, rows map[string]int64) (bad []string, err error) {
	slices.SortFunc(files, func(a, b plan.File) int {
		switch one, other := rows[a.Path] == 1, rows[b.Path] == 1; {
		case one && other:
			return cmp.Compare(b.Bytes, a.Bytes)
		case one:
			return -1
		case other:
			return 1
		default:
			return cmp.Compare(a.Bytes, b.Bytes)
		}
	})
	some, bytes := []plan.File(nil), int64(0)
	for _, f := range files[:min(len(files), looked)] {
		if bytes += f.Bytes; rows[f.Path] == 1 || bytes <= lookedBytes {
			some = append(some, f)
		}
	}
	before := len(r.Bad)
	_, err = r.objects(ctx, some, false)
	for _, b := range r.Bad[before:] {
		bad = append(bad, b.Path)
	}
	return bad, err
}

// objects runs the rule json-object over files, and returns those that it lets through.
func (r *Inspector) objects(ctx context.Context, files []plan.File, validating bool) ([]plan.File, error) {
	level := levelOf(object, r.Load, validating)
	if level == "off" || len(files) == 0 || !r.Load.ReadsKeys() {
		return files, nil
	}
	if err := r.format(ctx); err != nil || r.Load.Untold() != "" {
		return files, err
	}
	found := map[string]Finding{}
	if err := r.noObjects(ctx, files, found); err != nil {
		return nil, err
	}
	return r.judged(files, found, level), nil
}

// noObjects finds the files with a row that is no object. It asks beside the COPY's transaction, which a query that is refused would end,
// and by halves where one is: with ON_ERROR = CONTINUE a COPY takes files that no query reads.
func (r *Inspector) noObjects(ctx context.Context, files []plan.File, found map[string]Finding) error {
	listed := asListed(plan.Paths(files))
	_, err := r.Look.Each(ctx, databend.Statement{SQL: "SELECT metadata$filename, min(metadata$file_row_number), min(is_array($1)) FROM " +
		r.Load.From(plan.Paths(files)) + " WHERE NOT is_object($1) GROUP BY 1"}, func(row databend.Row) error {
		n, what := row.Int(1)+1, "no JSON object"
		if row.Bool(2) {
			what = "a JSON array, which NDJSON has not: one object a line"
		}
		found[listed(row[0].String)] = Finding{
			Why: "row " + event.Count(n) + " is " + what + ": each column would be NULL (rule " + object + ")", Row: &n,
		}
		return nil
	})
	switch half := len(files) / 2; {
	case !fault.IsRefusal(err):
		return err
	case half == 0: // the COPY says more of it
		return nil
	default:
		return cmp.Or(r.noObjects(ctx, files[:half], found), r.noObjects(ctx, files[half:], found))
	}
}
