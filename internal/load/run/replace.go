package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// deleteOld removes the rows that came from the files, inside the transaction that loads them again. Of a file of which fewer are found
// than the ledger counts, the others would stay beside the new ones: rows from before the column was there, or changed by somebody. Such
// files are left out, and the rest is planned again; so are those whose rows have a name that rows of others have too. Where more are found
// than it counts, they go with the others, and that is said.
func (r *run) deleteOld(ctx context.Context, files []plan.File) error {
	id := sqltext.Ident
	rows := " FROM " + id(r.j.Database) + "." + id(r.j.Table) + " WHERE " + id(r.j.FilenameColumn) + " IN (" +
		sqltext.Literals(r.rowNames(files...)) + ")"
	there, err := r.Work.Query(ctx, databend.Statement{SQL: "SELECT " + id(r.j.FilenameColumn) + ", count(*)" + rows + " GROUP BY 1"})
	if err != nil {
		return err
	}
	found := map[string]int64{}
	for _, row := range there.Rows {
		found[row[0].String] = row.Int(1)
	}
	mixed, err := r.mixed(ctx, files)
	if err != nil {
		return err
	}
	var short, more []string
	for _, f := range files {
		n := int64(0)
		for _, name := range r.rowNames(f) {
			n += found[name]
		}
		if n < f.Rows || n == 0 && f.Rows == plan.UnknownRows || slices.ContainsFunc(f.Aliases, func(a string) bool { return mixed[a] }) {
			short = append(short, f.Path)
			r.done[f.Path] = true
		} else if f.Rows > 0 && n > f.Rows {
			more = append(more, fmt.Sprintf("%s: %s its name, and it brought %s: all of them make place", f.Path,
				event.Number(n, "row has", "rows have"), event.Count(f.Rows)))
		}
	}
	if len(short) > 0 {
		r.kept = append(r.kept, short...)
		return errAgain{fmt.Errorf("column %s does not tell the rows of %s", r.j.FilenameColumn, event.Some(short, 3))}
	}
	for _, text := range more {
		r.cfg.Sink.Note(event.Warn, "load %s: %s", r.j.Name, text)
	}
	_, err = r.Work.Exec(ctx, databend.Statement{SQL: "DELETE" + rows})
	return err
}

// mixed are those names of the files' rows, through other places, that the rows of other files have too.
func (r *run) mixed(ctx context.Context, files []plan.File) (map[string]bool, error) {
	var names, whole []string
	for _, f := range files {
		names, whole = append(names, f.Aliases...), append(whole, r.plan.StageURL+f.Path)
	}
	if len(names) == 0 {
		return nil, nil
	}
	return r.Store.LoadedOf(ctx, r.plan.TableID, names, whole)
}

// rowNames are what metadata$filename can be in the rows of files: the path below the stage of a Parquet file, bucket and key of
// a text file, by HTTP its path from the root (tried on 1.2.895).
func (r *run) rowNames(files ...plan.File) []string {
	names := plan.Paths(files)
	_, root, _ := strings.Cut(r.plan.StageURL, "://")
	if r.j.Unlisted() {
		root = "/"
	}
	for _, f := range files {
		names = append(append(names, root+f.Path), f.Aliases...)
	}
	return names
}
