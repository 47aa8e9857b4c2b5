package inspect

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
)

// BadFile is a file that cannot be loaded, and why.
type BadFile struct {
	plan.File
	Finding
}

// Finding is what is wrong with a file, as exactly as it can be known.
type Finding struct {
	Why     string // in words
	Column  string
	Row     *int64 // from 1
	Value   string
	Passing bool  // not of the file's content: it is tried again in the next run, and not recorded
	warns   bool  // not enough to leave the file out
	unsure  bool  // TRY_CAST refuses what a cast takes, such as the null of JSON: only a COPY tells
	Lacks   error // the COPY's word, of a file that has no such column
}

// Without condemns the files of bad and returns the others.
func (r *Inspector) Without(files []plan.File, bad map[string]Finding) []plan.File {
	return slices.DeleteFunc(slices.Clone(files), func(f plan.File) bool {
		found, ok := bad[f.Path]
		if ok {
			r.Condemn(f, found)
		}
		return ok
	})
}

// Everywhere reports whether the load's text is to blame for what its first files fail on: others of files, each alone, do too.
func (r *Inspector) Everywhere(ctx context.Context, files []plan.File, missing []string, so func(error) bool) (bool, error) {
	n := len(files)
	for _, i := range slices.Compact([]int{n - 1, n * 3 / 4, n / 2}) {
		why, err := r.try(ctx, files[i:i+1], missing)
		if err != nil || why == nil || !so(why) {
			return false, err
		}
	}
	return true, nil
}

// Condemn notes that a file is bad.
func (r *Inspector) Condemn(f plan.File, why Finding) {
	if how, _ := r.Load.LeftPacked(f.Path); how != "" {
		packed := "by its name it is compressed, and the load's FILE_FORMAT does not say COMPRESSION = " + how
		if why.Why != "" {
			packed = why.Why + " (" + packed + ")"
		}
		why.Why = packed
	}
	r.Bad = append(r.Bad, BadFile{f, why})
}

// unpacked returns the files of a text load that the engine unpacks, where they are compressed by their names: another it would read as it
// is, and one without a line break in it for a header.
func (r *Inspector) unpacked(files []plan.File) (kept []plan.File) {
	for _, f := range files {
		if how, meant := r.Load.LeftPacked(f.Path); how != "" && !meant {
			r.Condemn(f, Finding{})
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

// Rowless returns those of the files, of a format other than Parquet, in which a query finds no row.
func (r *Inspector) Rowless(ctx context.Context, files []plan.File) ([]plan.File, error) {
	if r.Load.FileType() == "PARQUET" || len(files) == 0 {
		return nil, nil
	}
	if err := r.format(ctx); err != nil || r.Load.Untold() != "" {
		return nil, err
	}
	rows := "count($1)" // without a position the engine refuses to read a text file
	if r.Load.FileType() == "ORC" {
		rows = "count(*)"
	}
	some, listed := map[string]bool{}, asListed(plan.Paths(files))
	sql := "SELECT metadata$filename, " + rows + " FROM " + r.Load.From(plan.Paths(files)) + " GROUP BY 1"
	_, err := r.Work.Each(ctx, databend.Statement{SQL: sql},
		func(row databend.Row) error {
			some[listed(row[0].String)] = true
			return nil
		})
	if err != nil {
		if fault.IsRefusal(err) {
			err = nil
		}
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(files), func(f plan.File) bool { return some[f.Path] }), nil
}

// condemned reports whether a file was found bad.
func (r *Inspector) condemned(f plan.File) bool {
	return slices.ContainsFunc(r.Bad, func(b BadFile) bool { return b.Path == f.Path })
}

// Culprits finds the bad files of a batch that the engine refused, at least one: by the name in the error, by queries over the
// casts, or by trying halves.
func (r *Inspector) Culprits(ctx context.Context, files []plan.File, missing []string, cause error) (map[string]Finding, error) {
	if fault.Unreadable.MatchString(cause.Error()) || databend.IsCode(cause, databend.CodeBadCompression) {
		if name := fault.Named(cause, plan.Paths(files)); name != "" {
			return map[string]Finding{name: {Why: fault.InWords(cause)}}, nil
		}
	}
	if m := fault.AtLine.FindStringSubmatch(cause.Error()); m != nil {
		if name := fault.Named(cause, plan.Paths(files)); name != "" {
			n, _ := strconv.ParseInt(m[2], 10, 64) // digits
			f, err := r.atLine(ctx, n+1, cause)
			return map[string]Finding{name: f}, err
		}
	}
	checks, err := r.casts(ctx)
	if err != nil {
		return nil, err
	}
	found, err := r.examine(ctx, files, missing, checks)
	if err != nil && !fault.IsRefusal(err) {
		return nil, err
	}
	bad := map[string]Finding{}
	for _, f := range files {
		if why := found[f.Path]; len(why) > 0 {
			if so, err := r.proved(ctx, f, missing, why[0]); err != nil {
				return nil, err
			} else if so {
				bad[f.Path] = why[0]
			}
		}
	}
	if len(bad) > 0 {
		return bad, nil
	}
	bad, err = r.bisect(ctx, files, missing, cause)
	if err == nil && len(bad) == 0 { // each half loads and the whole does not
		err = cause
	}
	return bad, err
}

// atLine is what the engine says of a line of a text file: a value that is none of its column's type, or a line that is odd as a whole.
func (r *Inspector) atLine(ctx context.Context, line int64, cause error) (Finding, error) {
	f := Finding{Why: fmt.Sprintf("row %d: %s", line, fault.InWords(cause)), Row: &line}
	m := fault.InvalidValue.FindStringSubmatch(cause.Error())
	if m == nil {
		return f, nil
	}
	f.Value, f.Column = m[1], m[2]
	columns, err := plan.Columns(ctx, r.Work, r.Load)
	at := slices.IndexFunc(columns, func(c plan.Column) bool { return c.Name == f.Column })
	if at >= 0 && f.Value != "" && !fault.NotUTF8(cause) {
		f.Value = fault.Shorten(f.Value, shown)
		f.Why = fmt.Sprintf("row %d: %s = '%s' is no %s", line, f.Column, f.Value, strings.TrimSuffix(columns[at].Typ, " NULL"))
	}
	return f, err
}

// proved asks the engine whether it refuses a file of which a finding is not sure.
func (r *Inspector) proved(ctx context.Context, f plan.File, missing []string, why Finding) (bool, error) {
	if !why.unsure {
		return true, nil
	}
	refused, err := r.try(ctx, []plan.File{f}, missing)
	return refused != nil, err
}

// AlikeError is the error of files that the engine refuses one by one with the same words.
func AlikeError(j *source.Load, cause error) error {
	return &fault.Error{
		Load: j.Name, Exit: exit.Failed, Msg: "its files fail alike, so that its text is held to blame", Err: cause,
		Advice: fmt.Sprintf("mend %s; or, if the files are bad, give them up with --mark quarantined --path GLOB --reason '…'", j.Path),
	}
}

// Alike is how many files must fail with one text before it is held for the load's mistake and not for theirs.
const Alike = 6

// bisect tries halves of a batch in transactions that are rolled back. When the first files fail alike, one by one, the cause is
// the load, and it is returned as the error.
func (r *Inspector) bisect(ctx context.Context, all []plan.File, missing []string, cause error) (map[string]Finding, error) {
	bad := map[string]Finding{}
	same, tried := 0, 0
	alikeCause := func(why error) bool {
		return fault.Wording(why, plan.Paths(all)) == fault.Wording(cause, plan.Paths(all))
	}
	var split func(files []plan.File, err error) error
	split = func(files []plan.File, why error) error {
		if len(files) == 1 {
			tried++
			if len(bad) == same && alikeCause(why) {
				same++
			}
			bad[files[0].Path] = r.refused(why)
			if same == tried && same == Alike && same < len(all) {
				so, err := r.Everywhere(ctx, all, missing, alikeCause)
				if err != nil {
					return err
				}
				if so {
					return AlikeError(r.Load, cause)
				}
			}
			return nil
		}
		half := len(files) / 2
		for _, part := range [][]plan.File{files[:half], files[half:]} {
			why, err := r.try(ctx, part, missing)
			if err != nil {
				return err
			}
			if why == nil {
				tried++ // something of it loads: the load's text is not to blame
				continue
			}
			if err := split(part, why); err != nil {
				return err
			}
		}
		return nil
	}
	if err := split(all, cause); err != nil {
		return nil, err
	}
	return bad, nil
}

// try loads files and takes it back. why is the engine's refusal.
func (r *Inspector) try(ctx context.Context, files []plan.File, missing []string) (why, err error) {
	if _, err := r.Work.Exec(ctx, databend.Statement{SQL: "BEGIN"}); err != nil {
		return nil, err
	}
	defer r.Rollback(ctx, r.Load.Name, r.Sink)
	_, err = r.Work.Query(ctx, databend.Statement{
		SQL:     r.Load.SQL(source.Send{Files: plan.Paths(files), Force: true, Missing: missing}),
		Secrets: r.Secrets,
	})
	if err != nil && fault.IsRefusal(err) {
		return err, nil
	}
	return nil, err
}
