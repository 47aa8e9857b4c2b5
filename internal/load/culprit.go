package load

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// badFile is a file that cannot be loaded, and why.
type badFile struct {
	File
	finding
}

// finding is what is wrong with a file, as exactly as it can be known.
type finding struct {
	reason string // in words
	column string
	row    *int64 // from 1
	value  string
}

// A COPY is atomic and seldom names what it stumbled over. isRefusal reports whether err is the engine's word about the files or
// the text of a COPY, and not about the way to it.
func isRefusal(err error) bool {
	return databend.IsCode(err, 1001, 1006, 1010, 1046, 1065, 1090, 1303) && !textMistake.MatchString(err.Error())
}

// movedUnder reports whether err says that a file of the batch was deleted or overwritten while it was read.
func movedUnder(err error, b batch) bool {
	return databend.IsCode(err, 3001, 4000) && named(err, b.files) != ""
}

// Texts of the engine, stable since 1.2.700 at least; what they do not match falls back to bisection.
var (
	quotedName    = regexp.MustCompile(`['(]([^'()]+)['):]`)
	missingColumn = regexp.MustCompile(`column "?([^" ]+)"? doesn't exist`)
	unreadable    = regexp.MustCompile(`(?i)not a parquet file|invalid parquet file|parquet file too small|corrupt footer|could not parse metadata`)
)

// named returns the file of files that err's text names, or "".
func named(err error, files []File) string {
	text := err.Error()
	for _, m := range quotedName.FindAllStringSubmatch(text, -1) {
		for _, f := range files {
			if m[1] == f.Path || strings.HasSuffix(m[1], "/"+f.Path) {
				return f.Path
			}
		}
	}
	best := "" // a path with a quote or a bracket in it, or one named without quotes
	for _, f := range files {
		if strings.Contains(text, f.Path) && len(f.Path) > len(best) {
			best = f.Path
		}
	}
	return best
}

// group is files with one Parquet schema.
type group struct {
	files   []File
	missing []string // optional columns that they lack
}

// isolate loads what can be loaded of a batch that the engine refused, and finds out why the rest cannot. It returns how many
// files gave no row.
func (r *run) isolate(ctx context.Context, b batch, cause *copyError) (int, error) {
	r.l.cfg.Sink(event.Note{Level: "detail", Text: fmt.Sprintf("load %s: the engine refused %s (%v); looking for the culprits", r.j.Name, count(int64(len(b.files)), "file", "files"), cause.error)})
	groups := []group{{files: b.files}}
	if databend.IsCode(cause, 1303) || unreadable.MatchString(cause.Error()) || missingColumn.MatchString(cause.Error()) {
		var err error
		if groups, err = r.groups(ctx, b.files); err != nil {
			return 0, err
		}
	}
	left := 0
	for _, g := range groups {
		n, err := r.loadGroup(ctx, b, g)
		if err != nil {
			return 0, err
		}
		left += n
	}
	return left, r.recordBad(ctx)
}

// groups sorts files by Parquet schema, since one COPY takes only one (1303), and takes the unreadable ones out. Counting reads
// nothing but footers. Halves are grouped by themselves and then joined by one file of each: a change of schema on one day costs
// a logarithm.
func (r *run) groups(ctx context.Context, files []File) ([]group, error) {
	if len(files) == 0 {
		return nil, nil
	}
	_, err := r.l.work.Query(ctx, databend.Statement{SQL: "SELECT count(*) FROM " + r.j.from(paths(files))})
	switch {
	case err == nil:
		return []group{{files: files}}, nil
	case !isRefusal(err):
		return nil, err
	case !databend.IsCode(err, 1303):
		if name := named(err, files); name != "" {
			i := slices.IndexFunc(files, func(f File) bool { return f.Path == name })
			r.condemn(files[i], finding{reason: inWords(err)})
			return r.groups(ctx, slices.Delete(slices.Clone(files), i, i+1))
		}
	}
	if len(files) == 1 {
		r.condemn(files[0], finding{reason: inWords(err)})
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
			_, err := r.l.work.Query(ctx, databend.Statement{SQL: "SELECT count(*) FROM " + r.j.from([]string{left[i].files[0].Path, g.files[0].Path})})
			if err == nil {
				left[i].files, joined = append(slices.Clone(left[i].files), g.files...), true
				break
			}
			if !isRefusal(err) {
				return nil, err
			}
		}
		if !joined {
			left = append(left, g)
		}
	}
	return left, nil
}

// loadGroup loads a group, taking out bad files until the rest loads.
func (r *run) loadGroup(ctx context.Context, b batch, g group) (int, error) {
	for len(g.files) > 0 {
		part := batch{files: g.files, send: send{files: paths(g.files), force: b.send.force, missing: g.missing}, replace: b.replace}
		if err := r.obey(ctx, &part); err != nil {
			return 0, err
		}
		if g.files = part.files; len(g.files) == 0 {
			return 0, nil
		}
		left, err := r.transaction(ctx, part)
		var refused *copyError
		if !errors.As(err, &refused) {
			return left, err
		}
		if m := missingColumn.FindStringSubmatch(refused.Error()); m != nil {
			if slices.ContainsFunc(r.j.Optional, func(c string) bool { return strings.EqualFold(c, m[1]) }) && !slices.Contains(g.missing, m[1]) {
				g.missing = append(slices.Clone(g.missing), m[1])
				continue
			}
			for _, f := range g.files {
				r.condemn(f, finding{reason: "the file has no column " + m[1], column: m[1]})
			}
			return 0, nil
		}
		bad, err := r.culprits(ctx, part, refused)
		if err != nil {
			return 0, err
		}
		g.files = slices.DeleteFunc(slices.Clone(g.files), func(f File) bool {
			found, ok := bad[f.Path]
			if ok {
				r.condemn(f, found)
			}
			return ok
		})
	}
	return 0, nil
}

// condemn notes that a file is bad.
func (r *run) condemn(f File, why finding) {
	r.bad = append(r.bad, badFile{f, why})
}

// unplanBad takes the files found bad in this run out of a new plan.
func (r *run) unplanBad() {
	for i := range r.plan.Files {
		f := &r.plan.Files[i]
		if slices.ContainsFunc(r.bad, func(b badFile) bool { return b.Path == f.Path }) {
			f.Planned, f.Replace = false, false
		}
	}
}

// recordBad writes what was found into the ledger and tells of it: each file once.
func (r *run) recordBad(ctx context.Context) error {
	if r.told == len(r.bad) {
		return nil
	}
	basis, err := r.basis(ctx)
	if err != nil {
		return err
	}
	var ledger []state.LedgerRow
	for _, b := range r.bad[r.told:] {
		row := r.row(b.File, state.FileFailed)
		row.Error, row.Checksum = b.reason, basis
		ledger = append(ledger, row)
	}
	if err := r.l.store.AppendLedger(ctx, ledger, r.lock.Fence()); err != nil {
		return err
	}
	for _, b := range r.bad[r.told:] {
		r.l.cfg.Sink(r.badEvent(b))
	}
	r.told = len(r.bad)
	return nil
}

func (r *run) badEvent(b badFile) event.File {
	return event.File{
		Load: r.j.Name, Table: r.j.target, Path: b.Path, Before: string(b.State), Outcome: "failed", Bytes: b.Bytes,
		Reason: b.reason, Column: b.column, Row: b.row, Value: b.value,
	}
}

// failed is the error of a run that had bad files.
func (r *run) failed() error {
	if len(r.bad) == 0 {
		return nil
	}
	var names []string
	for _, b := range r.bad {
		names = append(names, b.Path+" ("+b.reason+")")
	}
	verb := "the others are loaded"
	if r.res.Files == 0 {
		verb = "nothing was loaded"
	}
	return errorf(r.j.Name, exitPartly,
		fmt.Sprintf("mend the files and run it again; dbctl load %s --retry-failed tries them as they are; --mark skipped --path GLOB gives them up", r.j.Name),
		"%s, %s: %s", count(int64(len(r.bad)), "bad file", "bad files"), verb, some(names, 3))
}

// culprits finds the bad files of a batch that the engine refused, at least one: by the name in the error, by queries over the
// casts, or by trying halves.
func (r *run) culprits(ctx context.Context, b batch, cause *copyError) (map[string]finding, error) {
	if unreadable.MatchString(cause.Error()) {
		if name := named(cause, b.files); name != "" {
			return map[string]finding{name: {reason: inWords(cause)}}, nil
		}
	}
	if m := atLine.FindStringSubmatch(cause.Error()); m != nil {
		if name := named(cause, b.files); name != "" {
			line := number(m[1]) + 1
			f := finding{reason: fmt.Sprintf("line %d: %s", line, inWords(cause)), row: &line}
			if v := invalidValue.FindStringSubmatch(cause.Error()); v != nil {
				f.value, f.column = v[1], v[2]
			}
			return map[string]finding{name: f}, nil
		}
	}
	bad, err := r.examine(ctx, b.files, b.send.missing, r.casts())
	if err != nil || len(bad) > 0 {
		return bad, err
	}
	bad, err = r.bisect(ctx, b, cause)
	if err == nil && len(bad) == 0 { // each half loads and the whole does not
		err = cause.error
	}
	return bad, err
}

// The engine's word about a text format: the line counts from 0.
var (
	atLine       = regexp.MustCompile(`at file '.*', line (\d+)`)
	invalidValue = regexp.MustCompile(`(?s)(?:Invalid value '(.*?)'|Missing value) for column \d+ \((\S+) `)
	// textMistake is what no file can be blamed for.
	textMistake = regexp.MustCompile(`does not have a column with name|number of columns|Number of columns|aggregate|no function matches the given name`)
)

// alike is how many files must fail with one text before it is held for the load's mistake and not for theirs.
const alike = 6

// bisect tries halves of a batch in transactions that are rolled back. When the first files fail alike, one by one, the cause is
// the load, and it is returned as the error.
func (r *run) bisect(ctx context.Context, b batch, cause *copyError) (map[string]finding, error) {
	bad := map[string]finding{}
	same, tried := 0, 0
	var split func(files []File, err error) error
	split = func(files []File, why error) error {
		if len(files) == 1 {
			tried++
			if len(bad) == same && why.Error() == cause.Error() {
				same++
			}
			bad[files[0].Path] = finding{reason: inWords(why)}
			if same == tried && same >= alike && same < len(b.files) {
				return cause.error
			}
			return nil
		}
		half := len(files) / 2
		for _, part := range [][]File{files[:half], files[half:]} {
			why, err := r.try(ctx, b, part)
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
	if err := split(b.files, cause.error); err != nil {
		return nil, err
	}
	return bad, nil
}

// try loads files and takes it back. why is the engine's refusal.
func (r *run) try(ctx context.Context, b batch, files []File) (why, err error) {
	if _, err := r.l.work.Exec(ctx, databend.Statement{SQL: "BEGIN"}); err != nil {
		return nil, err
	}
	defer r.rollback(ctx)
	_, err = r.l.work.Query(ctx, databend.Statement{SQL: r.j.sql(send{files: paths(files), force: true, missing: b.send.missing}), Secrets: r.secrets})
	if err != nil && isRefusal(err) {
		return err, nil
	}
	return nil, err
}

// check is a condition on a row of a file that makes it bad.
type check struct {
	column string
	bad    string // SQL; true for a bad row
	reason string // in words; %s is the value
	value  string // SQL of the value shown
}

// examine runs checks over files in one query, or, where one of them does not bind, check by check; then it asks each bad file
// for its first bad row.
func (r *run) examine(ctx context.Context, files []File, missing []string, checks []check) (map[string]finding, error) {
	checks = slices.DeleteFunc(slices.Clone(checks), func(c check) bool { return slices.Contains(missing, c.column) })
	if len(checks) == 0 {
		return nil, nil
	}
	hits, err := r.count(ctx, files, checks)
	if err != nil && !isRefusal(err) {
		return nil, err
	}
	if err != nil {
		hits = map[string]check{}
		for _, c := range checks {
			one, err := r.count(ctx, files, []check{c})
			if err != nil && !isRefusal(err) {
				return nil, err
			}
			for path := range one {
				if _, ok := hits[path]; !ok {
					hits[path] = c
				}
			}
		}
	}
	out := make(map[string]finding, len(hits))
	for path, c := range hits {
		f, err := r.firstBad(ctx, path, c)
		if err != nil {
			return nil, err
		}
		out[path] = f
	}
	return out, nil
}

// count returns for each file with bad rows the first check that finds them.
func (r *run) count(ctx context.Context, files []File, checks []check) (map[string]check, error) {
	var list, any []string
	for i, c := range checks {
		list = append(list, fmt.Sprintf("count_if(%s) AS bad%d", c.bad, i))
		any = append(any, fmt.Sprintf("bad%d>0", i))
	}
	out := map[string]check{}
	_, err := r.l.work.Each(ctx, databend.Statement{SQL: "SELECT metadata$filename, " + strings.Join(list, ", ") + " FROM " + r.j.from(paths(files)) +
		" GROUP BY 1 HAVING " + strings.Join(any, " OR "), Secrets: r.secrets}, func(row databend.Row) error {
		for i, c := range checks {
			if row[i+1].String != "0" {
				out[row[0].String] = c
				break
			}
		}
		return nil
	})
	return out, err
}

// firstBad asks for the first bad row of a file.
func (r *run) firstBad(ctx context.Context, path string, c check) (finding, error) {
	res, err := r.l.work.Query(ctx, databend.Statement{SQL: "SELECT metadata$file_row_number, " + c.value + " FROM " + r.j.from([]string{path}) +
		" WHERE " + c.bad + " ORDER BY 1 LIMIT 1", Secrets: r.secrets})
	if err != nil {
		return finding{}, err
	}
	f := finding{column: c.column, reason: c.reason}
	if len(res.Rows) == 1 {
		row := number(res.Rows[0][0].String) + 1
		f.row, f.value = &row, shorten(res.Rows[0][1].String, 80)
		if !res.Rows[0][1].Valid {
			f.value = "NULL"
		}
		f.reason = fmt.Sprintf("row %d: %s = %s %s", row, c.column, show(f.value), c.reason)
	}
	return f, nil
}

func show(value string) string {
	if value == "NULL" {
		return value
	}
	return "'" + value + "'"
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// casts are the checks that find what a cast of the select list fails on.
func (r *run) casts() []check {
	var out []check
	for _, it := range r.j.Copy.Select {
		if it.Column == "" || it.Type == "" {
			continue
		}
		col := sqltext.Ident(it.Column)
		c := check{column: it.Column, value: "to_string(" + col + ")", reason: "is no " + it.Type}
		typ := strings.ToUpper(strings.TrimSpace(it.Type))
		switch {
		case strings.HasPrefix(typ, "VECTOR"):
			width := vectorWidth.FindString(typ)
			out = append(out,
				check{column: it.Column, bad: col + " IS NULL", value: "NULL", reason: "where the vector should be"},
				check{column: it.Column, bad: col + " IS NOT NULL AND array_length(" + col + ")<>" + width, value: "to_string(array_length(" + col + "))", reason: "values in the vector, not " + width})
			continue
		case typ == "GEOMETRY":
			c.bad = col + " IS NOT NULL AND TRY_TO_GEOMETRY(" + col + ") IS NULL"
		case typ == "VARIANT" || typ == "JSON":
			c.bad, c.reason = col+" IS NOT NULL AND TRY_PARSE_JSON("+col+") IS NULL", "is no JSON"
		default:
			c.bad = col + " IS NOT NULL AND TRY_CAST(" + col + " AS " + it.Type + ") IS NULL"
		}
		out = append(out, c)
	}
	return out
}

var vectorWidth = regexp.MustCompile(`\d+`)

// inWords is what the engine's error means for a file.
func inWords(err error) string {
	text := err.Error()
	var e *databend.Error
	if errors.As(err, &e) {
		text = e.Message
	}
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "not a parquet file") || strings.Contains(lower, "too small"):
		return "not a Parquet file (cut off, or something else): " + oneLine(text)
	case unreadable.MatchString(text):
		return "its footer cannot be read: cut off, damaged, or no Parquet: " + oneLine(text)
	case databend.IsCode(err, 1001):
		return "its data is damaged, or of a type that cannot be read: " + oneLine(text)
	case strings.Contains(lower, "null value in column") || strings.Contains(lower, "fail to auto cast column"):
		return "NULL where the table takes none: " + oneLine(text)
	}
	return oneLine(text)
}

func oneLine(s string) string {
	return shorten(strings.Join(strings.Fields(s), " "), 300)
}
