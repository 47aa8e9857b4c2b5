package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// fieldsBeyond is how many fields behind the last that a load reads are looked at for its columns' names.
const fieldsBeyond = 8

// headers runs the rule header over text files. A COPY goes by position: it reads another column's values where a header's names are in
// other places, a header as a row, and passes over a row where there is no header.
func (r *Inspector) headers(ctx context.Context, files []plan.File) (map[string]Finding, error) {
	if !r.Load.ByPosition() || len(files) == 0 {
		return nil, nil
	}
	cells, err := r.cells(ctx)
	if err == nil && cells == nil {
		cells, err = r.fields(ctx)
	}
	reads, last, typed := map[string]int{}, 0, []string(nil) // the field of each column
	for _, c := range cells {
		if n, err := strconv.Atoi(strings.TrimPrefix(c.expr, "$")); err == nil && c.target != "" {
			reads[strings.ToLower(c.target)], last = n, max(last, n)
			if is(c.cast, slices.Concat(wholeNumbers, times, decimals)) {
				typed = append(typed, "TRY_CAST("+c.expr+" AS "+c.cast+") IS NOT NULL")
			}
		}
	}
	if err != nil || last == 0 {
		return nil, err
	}
	skipped, _ := strconv.Atoi(r.Load.FormatOptions()["SKIP_HEADER"])
	j := r.Load
	if skipped > 0 || j.Untold() != "" {
		var sql, drop string
		j, sql, drop = j.OtherwiseFormat("SKIP_HEADER = 0")
		if _, err := r.Work.Exec(ctx, databend.Statement{SQL: sql}); databend.IsAnswered(err) {
			return nil, nil // who may not make a format is told so by the other rules
		} else if err != nil {
			return nil, err
		}
		r.Made(drop)
	}
	list := []string{cmp.Or(strings.Join(typed, " AND "), "false")}
	for n := range last + fieldsBeyond {
		list = append(list, fmt.Sprint("$", n+1))
	}
	out, listed := map[string]Finding{}, asListed(plan.Paths(files))
	_, err = r.Work.Each(ctx, databend.Statement{
		SQL: fmt.Sprintf("SELECT metadata$filename, %s FROM %s WHERE metadata$file_row_number = %d LIMIT %d", strings.Join(list, ", "),
			j.From(plan.Paths(files)), max(0, skipped-1), len(files)), Secrets: r.Secrets,
	}, func(row databend.Row) error {
		var right, moved int
		var where string
		for i, cell := range row[2:] {
			name := strings.TrimSpace(cell.String)
			switch n := reads[strings.ToLower(name)]; {
			case n == i+1:
				right++
			case n > 0:
				moved++
				where = cmp.Or(where, fmt.Sprintf("%s is field %d of its header, and the COPY reads field %[3]d as %[1]s", name, i+1, n))
			}
		}
		var why string
		switch {
		case right+moved > 1 && moved > 0:
			why = where
		case right > 1 && skipped == 0:
			why = "its first row is a header, and is loaded: SKIP_HEADER = 1 passes over it"
		case right+moved == 0 && skipped > 0 && row.Bool(1):
			why = "what SKIP_HEADER passes over looks like a row: has it no header?"
		default:
			return nil
		}
		out[listed(row[0].String)] = Finding{Why: why + " (rule " + header + ")"}
		return nil
	})
	if fault.IsRefusal(err) { // the COPY says more of it
		err = nil
	}
	return out, err
}

// Headed reports whether each of the bad files is bad in its first row, of which the load takes no header away.
func (r *Inspector) Headed() bool {
	return r.Load.ByPosition() && r.Load.FormatOptions()["SKIP_HEADER"] == "" &&
		!slices.ContainsFunc(r.Bad, func(b BadFile) bool { return b.Row == nil || *b.Row != 1 })
}

// PassHeader is what to do where files begin with a header that is taken for a row.
const PassHeader = "say SKIP_HEADER = 1 in FILE_FORMAT where the files begin with a header"

// headed runs the rule header over files, and returns those that it lets through. In a run that is to warn Warm has done it.
func (r *Inspector) headed(ctx context.Context, files []plan.File, validating bool) ([]plan.File, error) {
	level := levelOf(header, r.Load, validating)
	if level == "off" || level == "warn" && !validating {
		return files, nil
	}
	found, err := r.headers(ctx, files)
	return r.judged(files, found, level), err
}
