package inspect

import (
	"context"
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// even runs the rule ragged over files of a text format, and returns those that it lets through.
func (r *Inspector) even(ctx context.Context, files []plan.File, validating bool) ([]plan.File, error) {
	level := levelOf(ragged, r.Load, validating)
	if level == "off" || len(files) == 0 {
		return files, nil
	}
	found, err := r.ragged(ctx, files)
	return r.judged(files, found, level), err
}

// judged are the files that a rule of no column lets through: at level fail it condemns those in which it found something.
func (r *Inspector) judged(files []plan.File, found map[string]Finding, level string) (kept []plan.File) {
	warnings := map[string][]Finding{}
	for _, f := range files {
		if why, ok := found[f.Path]; ok && level == "fail" {
			r.Condemn(f, why)
			continue
		} else if ok {
			warnings[f.Path] = []Finding{why}
		}
		kept = append(kept, f)
	}
	r.warn(kept, warnings)
	return kept
}

// ragged finds files whose rows are of several widths, as far as the select list reads and one field more. Told that an empty field is a
// text and that no text is a NULL, a query has a NULL for a field that is not there, and for no other (tried on 1.2.895).
func (r *Inspector) ragged(ctx context.Context, files []plan.File) (map[string]Finding, error) {
	last := r.Load.LastField()
	if last == 0 {
		return nil, nil
	}
	j, sql, drop := r.Load.OtherwiseFormat(`EMPTY_FIELD_AS = STRING NULL_DISPLAY = '\x01\x02'`)
	if _, err := r.Work.Exec(ctx, databend.Statement{SQL: sql}); databend.IsAnswered(err) {
		r.once(fmt.Sprintf("load %s: the rule %s looks at nothing: no format can be made for it: %s", r.Load.Name, ragged, fault.InWords(err)))
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	r.Made(drop)
	out := map[string]Finding{}
	const number = "metadata$file_row_number"
	text := strings.NewReplacer("{LAST}", fmt.Sprint("$", last), "{MORE}", fmt.Sprint("$", last+1), "{ROW}", number)
	var look func(files []plan.File) error
	look = func(files []plan.File) error {
		listed := asListed(plan.Paths(files))
		_, err := r.Work.Each(ctx, databend.Statement{SQL: text.Replace("SELECT metadata$filename, count_if({LAST} IS NULL) AS less, "+
			"min_if({ROW}, {LAST} IS NULL), count_if({MORE} IS NOT NULL) AS more, min_if({ROW}, {MORE} IS NOT NULL)") +
			r.Load.Besides(fmt.Sprint("$", last+1)) + " FROM " +
			j.From(plan.Paths(files)) + " GROUP BY 1 HAVING less > 0 OR more BETWEEN 1 AND count(*) - 1"}, func(row databend.Row) error {
			n, why := row.Int(2)+1, fmt.Sprintf("fewer than %d fields: NULL stands for the others", last)
			if row[1].String == "0" {
				n, why = row.Int(4)+1, fmt.Sprintf("more than %d fields, and others have not: the fields may be shifted", last)
			}
			out[listed(row[0].String)] = Finding{Why: fmt.Sprintf("row %d has %s (rule %s)", n, why, ragged), Row: &n}
			return nil
		})
		if err == nil || !fault.IsRefusal(err) || len(files) == 1 { // one that cannot be read must not hide the others
			if fault.IsRefusal(err) {
				return nil
			}
			return err
		}
		if err := look(files[:len(files)/2]); err != nil {
			return err
		}
		return look(files[len(files)/2:])
	}
	return out, look(files)
}
