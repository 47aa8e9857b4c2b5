package load

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// mayReplace refuses to replace changed files of a load that does not say which rows came from which file.
func (j *job) mayReplace(o Options) error {
	if cmp.Or(o.OnChanged, j.OnChanged) != "replace" {
		return nil
	}
	advice := "give the table a column filled from metadata$filename, and say `-- dbctl: filename-column=NAME` in " + j.Path
	if j.FilenameColumn == "" {
		return errorf(j.Name, exitUsage, advice, "replacing a changed file needs the column that holds its name")
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
func isFilename(it sqltext.SelectItem) bool { return filenameItem.MatchString(it.Text) }

// deleteOld removes the rows that came from the files, inside the transaction that loads them again.
func (r *run) deleteOld(ctx context.Context, files []File) error {
	_, err := r.l.work.Exec(ctx, databend.Statement{SQL: "DELETE FROM " + sqltext.Ident(r.j.database) + "." + sqltext.Ident(r.j.table) +
		" WHERE " + sqltext.Ident(r.j.FilenameColumn) + " IN (" + quoted(r.rowNames(files)) + ")"})
	return err
}

// rowNames are what metadata$filename can be in the rows of files: the path below the stage of a Parquet file, bucket and key of
// a text file (tried on 1.2.895).
func (r *run) rowNames(files []File) []string {
	names := paths(files)
	if r.j.FileType() == "PARQUET" {
		return names
	}
	_, root, _ := strings.Cut(r.plan.StageURL, "://")
	for _, f := range files {
		names = append(names, root+f.Path)
	}
	return names
}
