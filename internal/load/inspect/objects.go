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

// oneRow is how many files that gave one row a run looks into: the largest, since an array is larger than one of its objects.
const oneRow = 100

// OneRow runs the rule json-object over files of which a COPY took one row each, and returns the paths of those that it condemned: a file
// that is one JSON array is one row.
func (r *Inspector) OneRow(ctx context.Context, files []plan.File) (bad []string, err error) {
	if r.Load.Untold() != "" { // a format cannot be made in a transaction
		return nil, nil
	}
	slices.SortFunc(files, func(a, b plan.File) int { return cmp.Compare(b.Bytes, a.Bytes) })
	before := len(r.Bad)
	_, err = r.objects(ctx, files[:min(len(files), oneRow)], false)
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

// noObjects finds the files with a row that is no object. It asks beside the COPY's transaction, which a query that is refused would end;
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
