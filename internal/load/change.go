package load

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// mayReplace refuses to replace changed files of a load that does not say which rows came from which file.
func (j *job) mayReplace() error {
	advice := "give the table a column filled from metadata$filename, and say `-- dbctl: filename-column=NAME` in " + j.Path
	if j.FilenameColumn == "" {
		return errorf(j.Name, exitUsage, advice, "replacing a changed file needs the column that holds its name")
	}
	if len(j.Copy.Columns) == 0 {
		return errorf(j.Name, exitUsage, fmt.Sprintf("write COPY INTO %s (…, %s, …) in %s", j.table, j.FilenameColumn, j.Path), "replacing a changed file needs the names of the columns that the COPY fills")
	}
	at := slices.IndexFunc(j.Copy.Columns, func(c string) bool { return strings.EqualFold(c, j.FilenameColumn) })
	if at < 0 || at >= len(j.Copy.Select) || !isFilename(j.Copy.Select[at]) {
		return errorf(j.Name, exitUsage, advice, "filename-column=%s is not filled from metadata$filename by the load's select list", j.FilenameColumn)
	}
	j.FilenameColumn = j.Copy.Columns[at] // as the table spells it
	return nil
}

var filenameItem = regexp.MustCompile("(?i)^metadata\\$filename(::\\s*(STRING|VARCHAR|TEXT))?(\\s+(AS\\s+)?(\\w+|`[^`]+`|\"[^\"]+\"))?$")

// isFilename reports whether an item of the select list is the file's name as it is, which is what rows are deleted by.
func isFilename(it copytext.SelectItem) bool { return filenameItem.MatchString(it.Text) }

// deleteOld removes the rows that came from the files, inside the transaction that loads them again. Of a file of which fewer are found
// than the ledger counts, the others would stay beside the new ones: rows from before the column was there, or changed by somebody. Such
// files are left out, and the rest is planned again.
func (r *run) deleteOld(ctx context.Context, files []File) error {
	id := sqltext.Ident
	rows := " FROM " + id(r.j.database) + "." + id(r.j.table) + " WHERE " + id(r.j.FilenameColumn) + " IN (" + quoted(r.rowNames(files...)) + ")"
	there, err := r.l.work.Query(ctx, databend.Statement{SQL: "SELECT " + id(r.j.FilenameColumn) + ", count(*)" + rows + " GROUP BY 1"})
	if err != nil {
		return err
	}
	found := map[string]int64{}
	for _, row := range there.Rows {
		found[row[0].String] = number(row[1].String)
	}
	var short []string
	for _, f := range files {
		n := int64(0)
		for _, name := range r.rowNames(f) {
			n += found[name]
		}
		if n < f.rows || n == 0 && f.rows == unknownRows {
			short = append(short, f.Path)
			r.leaveOut(f.Path)
		}
	}
	if len(short) > 0 {
		r.kept = append(r.kept, short...)
		return errAgain{fmt.Errorf("column %s finds fewer rows than there were of %s", r.j.FilenameColumn, some(short, 3))}
	}
	_, err = r.l.work.Exec(ctx, databend.Statement{SQL: "DELETE" + rows})
	return err
}

// rowNames are what metadata$filename can be in the rows of files: the path below the stage of a Parquet file, bucket and key of
// a text file (tried on 1.2.895).
func (r *run) rowNames(files ...File) []string {
	names := paths(files)
	_, root, _ := strings.Cut(r.plan.StageURL, "://")
	for _, f := range files {
		names = append(names, root+f.Path)
	}
	return names
}
