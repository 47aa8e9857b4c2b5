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
	reason  string // in words
	column  string
	row     *int64 // from 1
	value   string
	passing bool  // not of the file's content: it is tried again in the next run, and not recorded
	warns   bool  // not enough to leave the file out
	lacks   error // the COPY's word, of a file that has no such column
}

// A COPY is atomic and seldom names what it stumbled over. isRefusal reports whether err is the engine's word about the files or
// the text of a COPY, and not about the way to it.
func isRefusal(err error) bool {
	return databend.IsCode(err, 1001, 1002, 1006, 1010, 1046, 1065, badCompression, 1090, 1104, 1303) && !noMemory.MatchString(err.Error()) &&
		(atLine.MatchString(err.Error()) || !textMistake.MatchString(err.Error()))
}

// badCompression is Databend's code for a file that cannot be unpacked, which its text names.
const badCompression = 1076

// noMemory is a panic (1104) of a server that has too little for a file: another day it has more.
var noMemory = regexp.MustCompile(`memory usage .* exceeds|memory allocation of|[Oo]ut of memory`)

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
	if m := atLine.FindStringSubmatch(text); m != nil { // what stands before it may be a value of the file
		text = "'" + m[1] + "'"
	}
	quoted := quotedName.FindAllStringSubmatch(text+":", -1)
	best := ""
	for _, m := range quoted {
		for _, f := range files {
			if m[1] == f.Path {
				return f.Path
			}
			if strings.HasSuffix(m[1], "/"+f.Path) && len(f.Path) > len(best) {
				best = f.Path
			}
		}
	}
	if best != "" {
		return best
	}
	// A path with a quote or a bracket in it, or one named without quotes.
	for _, f := range files {
		asked := slashes.ReplaceAllString(f.Path, "/") // the engine asks for no empty folder name
		if (strings.Contains(text, f.Path) || strings.Contains(text, asked)) && len(f.Path) > len(best) {
			best = f.Path
		}
	}
	return best
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
	left, from := 0, len(r.bad)
	for _, g := range groups {
		n, err := r.loadGroup(ctx, b, g)
		if err != nil {
			return 0, err
		}
		left += n
	}
	if left == 0 {
		if err := r.misnamed(ctx, from); err != nil {
			return 0, err
		}
	}
	return left, r.recordBad(ctx)
}

// misnamed is the error of a load whose text names a column that is in none of its files, and acquits those, which are r.bad[from:]: they
// are too many to lack it by chance, and with this text nothing was ever loaded.
func (r *run) misnamed(ctx context.Context, from int) error {
	bad := r.bad[from:]
	if len(bad) < alike || r.res.Files > 0 || slices.ContainsFunc(bad, func(b badFile) bool { return b.lacks == nil || b.column != bad[0].column }) {
		return nil
	}
	id, s := sqltext.Ident, sqltext.Quote
	res, err := r.l.store.Conn().Query(ctx, databend.Statement{SQL: "SELECT 1" + aboutTable(r.l.store, r.plan.TableID) +
		" AND " + id(state.ColState) + "=" + s(state.FileLoaded) + " AND " + id(state.ColChecksum) + "=" + s(r.j.Checksum) + " LIMIT 1"})
	if err != nil || len(res.Rows) > 0 {
		return wrap(r.j.Name, "read the ledger", err)
	}
	n, column, cause := len(bad), bad[0].column, bad[0].lacks
	r.bad = r.bad[:from]
	return &Error{
		Load: r.j.Name, Exit: exitFailed, Msg: fmt.Sprintf("none of %s has the column %s", count(int64(n), "file", "files"), column), Err: cause,
		Advice: fmt.Sprintf("mend its name in %s, or put `-- dbctl: optional=%s` into it for NULLs in its place", r.j.Path, column),
	}
}

// loadGroup loads a group, taking out bad files until the rest loads.
func (r *run) loadGroup(ctx context.Context, b batch, g group) (int, error) {
	before, odd := len(r.bad), 0
	mistake := func(err error) bool {
		return textMistake.MatchString(err.Error()) || databend.IsCode(err, badCompression)
	}
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
				r.condemn(f, finding{reason: "the file has no column " + m[1], column: m[1], lacks: refused.error})
			}
			return 0, nil
		}
		bad, err := r.culprits(ctx, part, refused)
		if err != nil {
			return 0, err
		}
		g.files = r.without(g.files, bad)
		if mistake(refused) {
			odd++
		}
		if odd == alike && len(g.files) > 0 {
			all, err := r.everywhere(ctx, part, g.files, mistake)
			if err != nil {
				return 0, err
			}
			if all {
				r.bad = r.bad[:before]
				return 0, r.alike(refused)
			}
		}
	}
	return 0, nil
}

// without condemns the files of bad and returns the others.
func (r *run) without(files []File, bad map[string]finding) []File {
	return slices.DeleteFunc(slices.Clone(files), func(f File) bool {
		found, ok := bad[f.Path]
		if ok {
			r.condemn(f, found)
		}
		return ok
	})
}

// everywhere reports whether the load's text is to blame for what its first files fail on: others of files, each alone, do too.
func (r *run) everywhere(ctx context.Context, b batch, files []File, so func(error) bool) (bool, error) {
	n := len(files)
	for _, i := range []int{n - 1, n / 2, n * 3 / 4} {
		why, err := r.try(ctx, b, files[i:i+1])
		if err != nil || why == nil || !so(why) {
			return false, err
		}
	}
	return true, nil
}

// condemn notes that a file is bad.
func (r *run) condemn(f File, why finding) {
	r.leaveOut(f.Path)
	r.bad = append(r.bad, badFile{f, why})
}

// leaveOut keeps a file out of the run's next plans.
func (r *run) leaveOut(path string) {
	if r.settled == nil {
		r.settled = map[string]bool{}
	}
	r.settled[path] = true
}

// forgive drops what was found, and not yet recorded, in files that somebody else loaded or took away meanwhile.
func (r *run) forgive() {
	open := map[string]bool{}
	for i := range r.plan.Files {
		switch f := &r.plan.Files[i]; f.State {
		case New, Changed, Failed:
			open[f.Path] = true
		}
	}
	n := r.told
	for i := n; i < len(r.bad); i++ {
		if open[r.bad[i].Path] {
			r.bad[n] = r.bad[i]
			n++
		}
	}
	r.bad = r.bad[:n]
}

// recordBad writes what was found into the ledger and tells of it: each file once.
func (r *run) recordBad(ctx context.Context) error {
	if r.told == len(r.bad) {
		return nil
	}
	if err := r.held(); err != nil {
		return err
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
		fmt.Sprintf("mend the files and run it again; dbctl load %s --retry-failed tries them as they are; --mark skipped --path GLOB --reason '…' gives them up", r.j.Name),
		"%s, %s: %s", count(int64(len(r.bad)), "bad file", "bad files"), verb, some(names, 3))
}

// culprits finds the bad files of a batch that the engine refused, at least one: by the name in the error, by queries over the
// casts, or by trying halves.
func (r *run) culprits(ctx context.Context, b batch, cause *copyError) (map[string]finding, error) {
	if unreadable.MatchString(cause.Error()) || databend.IsCode(cause, badCompression) {
		if name := named(cause, b.files); name != "" {
			return map[string]finding{name: {reason: inWords(cause)}}, nil
		}
	}
	if m := atLine.FindStringSubmatch(cause.Error()); m != nil {
		if name := named(cause, b.files); name != "" {
			line := number(m[2]) + 1
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
	atLine       = regexp.MustCompile(`(?s).*at file '(.*)', line (\d+)`)
	invalidValue = regexp.MustCompile(`(?s)(?:Invalid value '(.*?)'|Missing value) for column \d+ \((\S+) `)
	// textMistake is what no file can be blamed for.
	textMistake = regexp.MustCompile(`does not have a column with name|number of columns|Number of columns|aggregate|no function matches the given name|` + unfilled.String())
)

// alike is the error of files that the engine refuses one by one with the same words.
func (r *run) alike(cause *copyError) error {
	return &Error{
		Load: r.j.Name, Exit: exitFailed, Msg: "its files fail alike, so that its text is held to blame", Err: cause.error,
		Advice: fmt.Sprintf("mend %s; or, if the files are bad, give them up with --mark skipped --path GLOB --reason '…'", r.j.Path),
	}
}

// alike is how many files must fail with one text before it is held for the load's mistake and not for theirs.
const alike = 6

// bisect tries halves of a batch in transactions that are rolled back. When the first files fail alike, one by one, the cause is
// the load, and it is returned as the error.
func (r *run) bisect(ctx context.Context, b batch, cause *copyError) (map[string]finding, error) {
	bad := map[string]finding{}
	same, tried := 0, 0
	alikeCause := func(why error) bool { return wording(why, b.files) == wording(cause, b.files) }
	var split func(files []File, err error) error
	split = func(files []File, why error) error {
		if len(files) == 1 {
			tried++
			if len(bad) == same && alikeCause(why) {
				same++
			}
			bad[files[0].Path] = r.refused(why)
			if same == tried && same == alike && same < len(b.files) {
				all, err := r.everywhere(ctx, b, b.files, alikeCause)
				if err != nil {
					return err
				}
				if all {
					return r.alike(cause)
				}
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

// wording is err's text without the name of the file that it is about.
func wording(err error, files []File) string {
	if name := named(err, files); name != "" {
		return strings.ReplaceAll(message(err), name, "")
	}
	return message(err)
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
