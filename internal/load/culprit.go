package load

import (
	"cmp"
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
	reason  string // in words
	column  string
	row     *int64 // from 1
	value   string
	passing bool // not of the file's content: it is tried again in the next run, and not recorded
	warns   bool // not enough to leave the file out
}

// A COPY is atomic and seldom names what it stumbled over. isRefusal reports whether err is the engine's word about the files or
// the text of a COPY, and not about the way to it.
func isRefusal(err error) bool {
	return databend.IsCode(err, 1001, 1006, 1010, 1046, 1065, 1090, 1303) && !textMistake.MatchString(err.Error())
}

// movedUnder reports whether err says that one of the files was deleted or overwritten while it was read, or may not be read.
func movedUnder(err error, files []File) bool {
	return databend.IsCode(err, 3001, 3002, 4000) && named(err, files) != ""
}

// outOfReach condemns a file that the store lists and did not give, twice: forbidden, archived, or of a name that cannot be asked
// for (control characters, "//"). Without that one such file would stop every load of its folder. It reports whether it did; where
// the store gives none of the first files, they are not to blame.
func (r *run) outOfReach(err error) bool {
	files := r.plan.Planned()
	name := named(err, files)
	if !databend.IsCode(err, 3001, 3002) || name == "" || r.res.Files == 0 && len(r.bad) >= alike {
		return false
	}
	if r.denied == nil {
		r.denied = map[string]int{}
	}
	if r.denied[name]++; r.denied[name] < 2 {
		return false
	}
	f := files[slices.IndexFunc(files, func(f File) bool { return f.Path == name })]
	r.condemn(f, notGiven(err))
	return true
}

func notGiven(err error) finding {
	return finding{reason: "the store lists it and does not give it: " + inWords(err), passing: true}
}

// Texts of the engine, stable since 1.2.700 at least; what they do not match falls back to bisection.
var (
	slashes       = regexp.MustCompile(`/{2,}`)
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
		asked := slashes.ReplaceAllString(f.Path, "/") // the engine asks for no empty folder name
		if (strings.Contains(text, f.Path) || strings.Contains(text, asked)) && len(f.Path) > len(best) {
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
			r.plan.exact = false
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
		if b.Replace || b.again { // an earlier version of it is in the table
			row.Rows = unknownRows
		}
		if !b.passing {
			ledger = append(ledger, row)
		}
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
	checks, err := r.casts(ctx)
	if err != nil {
		return nil, err
	}
	found, err := r.examine(ctx, b.files, b.send.missing, checks)
	if err != nil && !isRefusal(err) {
		return nil, err
	}
	bad := map[string]finding{}
	for path, f := range found {
		bad[path] = f[0]
	}
	if len(bad) > 0 {
		return bad, nil
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
			bad[files[0].Path] = r.refused(why)
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
	bad    string         // SQL; true for a bad row
	value  string         // SQL of the value shown
	detail string         // SQL of what stands for {} in reason; may be empty
	reason string         // in words, behind "column = value"
	from   *regexp.Regexp // the file's types that it is about; nil all
	warns  bool           // see finding
}

// examine runs checks over files of one schema in one query, or, where one of them does not bind, check by check; then it asks for
// the first bad row of each file. It returns for each file all that is worth a warning, or the first that is worse.
func (r *run) examine(ctx context.Context, files []File, missing []string, checks []check) (map[string][]finding, error) {
	checks = slices.DeleteFunc(slices.Clone(checks), func(c check) bool { return slices.Contains(missing, c.column) })
	if len(checks) == 0 || len(files) == 0 {
		return nil, nil
	}
	types, err := r.types(ctx, files[0], checks)
	if err != nil {
		return nil, err
	}
	checks = slices.DeleteFunc(checks, func(c check) bool { return c.from != nil && !c.from.MatchString(types[c.column]) })
	if len(checks) == 0 {
		return nil, nil
	}
	hits, err := r.count(ctx, files, checks)
	if err != nil && isRefusal(err) {
		hits = make([][]string, len(checks))
		for i, c := range checks {
			if hits[i], err = r.countEach(ctx, files, c); err != nil {
				return nil, err
			}
		}
	}
	if err != nil {
		return nil, err
	}
	out := map[string][]finding{}
	for i, c := range checks {
		bad := slices.DeleteFunc(hits[i], func(path string) bool {
			f := out[path]
			return len(f) > 0 && !f[len(f)-1].warns
		})
		if len(bad) == 0 {
			continue
		}
		found, err := r.firstBad(ctx, bad, c)
		if err != nil {
			return nil, err
		}
		for path, f := range found {
			if !c.warns {
				out[path] = nil
			}
			out[path] = append(out[path], f)
		}
	}
	return out, nil
}

// count returns for each check the files with rows that it finds bad.
func (r *run) count(ctx context.Context, files []File, checks []check) ([][]string, error) {
	var list, any []string
	for i, c := range checks {
		list = append(list, fmt.Sprintf("count_if(%s) AS bad%d", c.bad, i))
		any = append(any, fmt.Sprintf("bad%d>0", i))
	}
	out := make([][]string, len(checks))
	_, err := r.l.work.Each(ctx, databend.Statement{SQL: "SELECT metadata$filename, " + strings.Join(list, ", ") + " FROM " + r.j.from(paths(files)) +
		" GROUP BY 1 HAVING " + strings.Join(any, " OR "), Secrets: r.secrets}, func(row databend.Row) error {
		for i := range checks {
			if row[i+1].String != "0" {
				out[i] = append(out[i], row[0].String)
			}
		}
		return nil
	})
	return out, err
}

// countEach is count for one check that may not bind, which finds nothing, over files of which some may be damaged, which must not
// hide the others.
func (r *run) countEach(ctx context.Context, files []File, c check) ([]string, error) {
	one, err := r.count(ctx, files, []check{c})
	switch {
	case err == nil:
		return one[0], nil
	case !isRefusal(err):
		return nil, err
	case len(files) == 1 || !databend.IsCode(err, 1001):
		return nil, nil
	}
	half := len(files) / 2
	left, err := r.countEach(ctx, files[:half], c)
	if err != nil {
		return nil, err
	}
	right, err := r.countEach(ctx, files[half:], c)
	return append(left, right...), err
}

// firstBad asks for the first bad row of each file. Bytes that are no text are shown as digits.
func (r *run) firstBad(ctx context.Context, files []string, c check) (map[string]finding, error) {
	const rowNumber = "metadata$file_row_number"
	detail := cmp.Or(c.detail, "''")
	out := make(map[string]finding, len(files))
	ask := func(value string) error {
		_, err := r.l.work.Each(ctx, databend.Statement{SQL: "SELECT metadata$filename, min(" + rowNumber + "), arg_min(coalesce(" + value + ", 'NULL'), " + rowNumber + "), arg_min(" + detail + ", " + rowNumber + ") FROM " +
			r.j.from(files) + " WHERE " + c.bad + " GROUP BY 1", Secrets: r.secrets}, func(row databend.Row) error {
			n := number(row[1].String) + 1
			f := finding{column: c.column, row: &n, value: shorten(row[2].String, 80), warns: c.warns}
			f.reason = fmt.Sprintf("row %d: %s = %s %s", n, c.column, show(f.value), strings.ReplaceAll(c.reason, "{}", row[3].String))
			out[row[0].String] = f
			return nil
		})
		return err
	}
	err := ask(c.value)
	if err != nil && isRefusal(err) {
		if err = ask("hex(" + sqltext.Ident(c.column) + ")"); err != nil && isRefusal(err) {
			err = ask("'?'")
		}
	}
	return out, err
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

// casts are the checks that find what a cast fails on, and NULLs where the table takes none.
func (r *run) casts(ctx context.Context) ([]check, error) {
	cells, err := r.cells(ctx)
	if err != nil {
		return nil, err
	}
	columns, err := r.target(ctx)
	if err != nil {
		return nil, err
	}
	var out []check
	for _, it := range cells {
		if it.column == "" {
			continue
		}
		col := sqltext.Ident(it.column)
		c := check{column: it.column, value: "to_string(" + col + ")", reason: "is no " + it.typ}
		switch typ := strings.ToUpper(it.typ); {
		case typ == "":
		case vectors.MatchString(typ):
			width := digits.FindString(typ)
			out = append(out,
				check{column: it.column, bad: col + " IS NULL", value: "'NULL'", reason: "where the vector should be"},
				check{
					column: it.column, bad: col + " IS NOT NULL AND array_length(" + col + ")<>" + width, value: "to_string(" + col + "::VARIANT)", from: lists,
					detail: "to_string(array_length(" + col + "))", reason: "has {} values, not " + width,
				})
		case geometries.MatchString(typ):
			c.bad = col + " IS NOT NULL AND TRY_TO_GEOMETRY(" + col + ") IS NULL"
		case variants.MatchString(typ):
			c.bad, c.reason = col+" IS NOT NULL AND TRY_PARSE_JSON("+col+") IS NULL", "is no JSON"
		default:
			c.bad = col + " IS NOT NULL AND TRY_CAST(" + col + " AS " + it.typ + ") IS NULL"
		}
		if c.bad != "" {
			out = append(out, c)
		}
		if slices.ContainsFunc(columns, func(t column) bool { return !t.nullable && strings.EqualFold(t.name, it.target) }) {
			out = append(out, check{column: it.column, bad: col + " IS NULL", value: "'NULL'", reason: "but column " + it.target + " of the table is NOT NULL"})
		}
	}
	return out, nil
}

var digits = regexp.MustCompile(`\d+`)

// The engine's words about a column of a file.
var (
	castColumn   = regexp.MustCompile(`read_parquet\([^()]*\)\.(.+?) \(#\d+\)|fail to auto cast column (\S+) |null value in column (\S+) |column (\S+) reference or alias is ambiguous`)
	noSuchCast   = regexp.MustCompile("unable to cast type `(.+?)(?: NULL)?` to type `(.+?)(?: NULL)?`")
	unknownArrow = regexp.MustCompile(`Unsupported Arrow type: (.*)`)
)

// refused is what the engine's error says of a file, and of which column of it.
func (r *run) refused(err error) finding {
	f := finding{reason: inWords(err)}
	text := message(err)
	if m := castColumn.FindStringSubmatch(text); m != nil {
		f.column = strings.Join(m[1:], "") // one of them
	}
	m := noSuchCast.FindStringSubmatch(text)
	if m == nil {
		return f
	}
	if f.column == "" { // a vector's cast names no column
		for _, c := range r.made {
			if strings.EqualFold(strings.ReplaceAll(c.typ, " ", ""), strings.ReplaceAll(m[2], " ", "")) {
				if f.column != "" {
					f.column = ""
					break
				}
				f.column = c.column
			}
		}
	}
	which := "a column"
	if f.column != "" {
		which = "column " + f.column
	}
	f.reason = fmt.Sprintf("%s is %s in the file, which cannot become %s", which, m[1], m[2])
	return f
}

func message(err error) string {
	var e *databend.Error
	if err == nil {
		return ""
	}
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// inWords is what the engine's error means for a file.
func inWords(err error) string {
	text := message(err)
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "encrypted"):
		return "it is encrypted: " + oneLine(text)
	case strings.Contains(lower, "not a parquet file") || strings.Contains(lower, "too small"):
		return "not a Parquet file (cut off, or something else): " + oneLine(text)
	case unreadable.MatchString(text):
		return "its footer cannot be read: cut off, damaged, or no Parquet: " + oneLine(text)
	case unknownArrow.MatchString(text):
		return "it has a column of a type that Databend cannot read: " + oneLine(unknownArrow.FindStringSubmatch(text)[1])
	case databend.IsCode(err, 1001):
		return "its data is damaged, or of a type that cannot be read: " + oneLine(text)
	case strings.Contains(lower, "null value in column") || strings.Contains(lower, "unable to cast `null`"):
		return "NULL where the table takes none: " + oneLine(text)
	case strings.Contains(lower, "reference or alias is ambiguous"):
		return "a column is " + twice + ": " + oneLine(text)
	}
	return oneLine(text)
}

func oneLine(s string) string {
	return shorten(strings.Join(strings.Fields(s), " "), 300)
}
