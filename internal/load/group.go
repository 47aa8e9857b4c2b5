package load

import (
	"context"
	"regexp"
	"slices"

	"github.com/dbctl/dbctl/internal/databend"
)

// group is files with one Parquet schema.
type group struct {
	files   []File
	missing []string // optional columns that they lack
}

// groups sorts files by Parquet schema, since one COPY takes only one (1303), and takes the unreadable ones out. Counting reads
// nothing but footers. Halves are grouped by themselves and then joined by one file of each: a change of schema on one day costs
// a logarithm.
func (r *run) groups(ctx context.Context, files []File) ([]group, error) {
	if len(files) == 0 {
		return nil, nil
	}
	err := r.footers(ctx, files)
	switch {
	case err == nil:
		return []group{{files: files}}, nil
	case !isRefusal(err):
		return nil, err
	case len(files) == 1:
		r.condemn(files[0], r.refused(err))
		return nil, nil
	}
	half := len(files) / 2
	left, err := r.groups(ctx, files[:half])
	if err != nil {
		return nil, err
	}
	right, err := r.groups(ctx, files[half:])
	if err != nil {
		return nil, err
	}
	for _, g := range right {
		joined := false
		for i := range left {
			same, err := r.sameSchema(ctx, left[i].files[0], g.files[0])
			if err != nil {
				return nil, err
			}
			if same {
				left[i].files, joined = append(slices.Clone(left[i].files), g.files...), true
				break
			}
		}
		if !joined {
			left = append(left, g)
		}
	}
	return left, nil
}

// footers reads the footers of files, and nothing else: it fails when one cannot be read, or when their schemas differ.
func (r *run) footers(ctx context.Context, files []File) error {
	_, err := r.l.work.Query(ctx, databend.Statement{SQL: "SELECT count(*) FROM " + r.j.from(paths(files))})
	if m := differ.FindStringSubmatch(message(err)); m != nil && databend.IsCode(err, 1303) {
		if r.schemas == nil {
			r.schemas = map[string]string{}
		}
		r.schemas[m[1]], r.schemas[m[2]] = m[3], m[4]
	}
	return err
}

// differ is what a 1303 says of two files: their names, and all of their schemas.
var differ = regexp.MustCompile(`(?s)infer schema from '(.*)', but get diff schema in file '(.*)'\. Expected schema: (.*), actual: (.*)`)

// sameSchema asks whether one COPY takes both files, unless an earlier answer has told: of many schemas each is asked about once.
func (r *run) sameSchema(ctx context.Context, a, b File) (bool, error) {
	sa, sb := r.schemas[a.Path], r.schemas[b.Path]
	if sa != "" && sb != "" {
		return sa == sb, nil
	}
	err := r.footers(ctx, []File{a, b})
	if err == nil && r.schemas != nil {
		if sa == "" {
			sa = sb
		}
		r.schemas[a.Path], r.schemas[b.Path] = sa, sa
	}
	if err != nil && isRefusal(err) {
		return false, nil
	}
	return err == nil, err
}
