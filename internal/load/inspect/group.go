package inspect

import (
	"cmp"
	"context"
	"regexp"
	"slices"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// Group is files with one Parquet schema.
type Group struct {
	Files   []plan.File
	Missing []string // optional columns that they lack
}

// Groups sorts files by Parquet schema, since one COPY takes only one (1303), and takes the unreadable ones out. Counting reads
// nothing but footers. Halves are grouped by themselves and then joined by one file of each: a change of schema on one day costs
// a logarithm.
func (r *Inspector) Groups(ctx context.Context, files []plan.File) ([]Group, error) {
	if len(files) == 0 {
		return nil, nil
	}
	err := r.footers(ctx, files)
	switch {
	case err == nil:
		return []Group{{Files: files}}, nil
	case !fault.IsRefusal(err):
		return nil, err
	case len(files) == 1:
		r.Condemn(files[0], r.refused(err))
		return nil, nil
	}
	half := len(files) / 2
	left, err := r.Groups(ctx, files[:half])
	if err != nil {
		return nil, err
	}
	right, err := r.Groups(ctx, files[half:])
	if err != nil {
		return nil, err
	}
	for _, g := range right {
		joined := false
		for i := range left {
			same, err := r.sameSchema(ctx, left[i].Files[0], g.Files[0])
			if err != nil {
				return nil, err
			}
			if same {
				left[i].Files, joined = append(slices.Clone(left[i].Files), g.Files...), true
				break
			}
		}
		if !joined {
			left = append(left, g)
		}
	}
	return left, nil
}

// Lacking tells files that lack a column from those that have it; a COPY of them found none. Of ORC a group may hold both: the server takes
// a file for one of the first file's schema that has more columns behind those.
func (r *Inspector) Lacking(ctx context.Context, files []plan.File, column string) (lack, have []plan.File, err error) {
	if r.Load.FileType() == "ORC" {
		lack, have, err = r.lacking(ctx, files, column)
	}
	if err == nil && len(lack) == 0 { // it is the COPY's word that counts
		lack, have = files, nil
	}
	return lack, have, err
}

func (r *Inspector) lacking(ctx context.Context, files []plan.File, column string) (lack, have []plan.File, err error) {
	_, err = r.Work.Query(ctx, databend.Statement{SQL: "SELECT count(" + r.inFile(column) + ") FROM " + r.Load.From(plan.Paths(files))})
	switch {
	case err == nil:
		return nil, files, nil
	case !fault.IsRefusal(err):
		return nil, nil, err
	case len(files) > 1:
		half := len(files) / 2
		if lack, have, err = r.lacking(ctx, files[:half:half], column); err != nil {
			return nil, nil, err
		}
		l, h, err := r.lacking(ctx, files[half:], column)
		return append(slices.Clip(lack), l...), append(slices.Clip(have), h...), err
	case fault.MissingColumn.MatchString(err.Error()):
		return files, nil, nil
	}
	return nil, files, nil
}

// Apart sorts files that one COPY does not take by their schemas, where that may be why; nil where they are of one.
func (r *Inspector) Apart(ctx context.Context, g Group, why error) ([]Group, error) {
	if !fault.OtherSchemas(why) {
		return nil, nil
	}
	groups, err := r.Groups(ctx, g.Files)
	if err != nil || len(groups) == 1 && len(groups[0].Files) == len(g.Files) {
		return nil, err
	}
	for i := range groups {
		groups[i].Missing = g.Missing
	}
	return groups, nil
}

// footers reads the footers of files, and nothing else: it fails when one cannot be read, or when their schemas differ.
func (r *Inspector) footers(ctx context.Context, files []plan.File) error {
	_, err := r.Work.Query(ctx, databend.Statement{SQL: "SELECT count(*) FROM " + r.Load.From(plan.Paths(files))})
	if m := differ.FindStringSubmatch(databend.Message(err)); m != nil && databend.IsCode(err, databend.CodeSchemaMismatch) {
		r.schemas[m[1]], r.schemas[m[2]] = m[3], m[4]
	}
	return err
}

// differ is what a 1303 says of two files: their names, and all of their schemas.
var differ = regexp.MustCompile(`(?s)infer schema from '(.*)', but get diff schema in file '(.*)'\. Expected schema: (.*), actual: (.*)`)

// sameSchema asks whether one COPY takes both files, unless an earlier answer has told: of many schemas each is asked about once.
func (r *Inspector) sameSchema(ctx context.Context, a, b plan.File) (bool, error) {
	sa, sb := r.schemas[a.Path], r.schemas[b.Path]
	if sa != "" && sb != "" {
		return sa == sb, nil
	}
	err := r.footers(ctx, []plan.File{a, b})
	if err == nil && len(r.schemas) > 0 {
		sa = cmp.Or(sa, sb)
		r.schemas[a.Path], r.schemas[b.Path] = sa, sa
	}
	if err != nil && fault.IsRefusal(err) {
		return false, nil
	}
	return err == nil, err
}
