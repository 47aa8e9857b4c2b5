package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// MayReplace refuses to replace changed files of a load that does not say which rows came from which file.
func (j *Load) MayReplace() error {
	advice := "give the table a column filled from metadata$filename, and say `-- dbctl: filename-column=NAME` in " + j.Path
	if j.FilenameColumn == "" {
		return fault.Errorf(j.Name, exit.Usage, advice, "replacing a changed file needs the column that holds its name")
	}
	if len(j.Copy.Columns) == 0 {
		return fault.Errorf(j.Name, exit.Usage,
			fmt.Sprintf("write COPY INTO %s (…, %s, …) in %s", j.Table, j.FilenameColumn, j.Path),
			"replacing a changed file needs the names of the columns that the COPY fills")
	}
	at := slices.IndexFunc(j.Copy.Columns, func(c string) bool { return strings.EqualFold(c, j.FilenameColumn) })
	if at < 0 || at >= len(j.Copy.Select) || !isFilename(j.Copy.Select[at]) {
		return fault.Errorf(j.Name, exit.Usage, advice,
			"filename-column=%s is not filled from metadata$filename by the load's select list", j.FilenameColumn)
	}
	j.FilenameColumn = j.Copy.Columns[at] // as the table spells it
	return nil
}

// isFilename reports whether an item of the select list is the file's name as it is, which is what rows are deleted by.
func isFilename(it copytext.SelectItem) bool {
	return strings.EqualFold(it.Column, "metadata$filename") &&
		slices.Contains([]string{"", "STRING", "VARCHAR", "TEXT"}, strings.ToUpper(it.Type))
}
