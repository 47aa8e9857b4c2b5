package load

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// State is what a plan knows of one file.
type State string

// The states of a file (DESIGN.md section 2).
const (
	New         State = "new"         // to be loaded
	Loaded      State = "loaded"      // loaded, and the engine still knows
	Expired     State = "expired"     // loaded, and only the ledger still knows: a COPY would load it again
	Changed     State = "changed"     // overwritten since it was loaded: a COPY would pass over it
	Emptied     State = "emptied"     // loaded, and its rows are gone from the table: TRUNCATE, DELETE
	Vanished    State = "vanished"    // loaded, and no longer in the stage
	Unfinished  State = "unfinished"  // 0 bytes: an upload that is not done. COPY would take it for loaded
	Ignored     State = "ignored"     // hidden, _SUCCESS, another extension, or not matched by PATTERN
	Failed      State = "failed"      // tried, bad, and nothing has changed since
	Quarantined State = "quarantined" // marked as skipped by a person
)

// File is one file of a plan.
type File struct {
	Path    string // below the stage root
	State   State
	Bytes   int64
	ETag    string
	Mtime   string
	Planned bool   // Run loads it
	Replace bool   // Run deletes its old rows first
	Reason  string // why it is in this state, in words

	told     bool   // the ledger knows it
	rows     int64  // that the ledger counts of the version that was loaded; unknownRows
	force    bool   // the engine remembers the path: only FORCE loads it
	checksum string // of the load that it failed under
	filled   bool   // of an expired file: dbctl loaded it, and it brought rows
	again    bool   // of a failed or forced file: the table holds the rows of an earlier version
	twin     bool   // another stage's file of this path is in the table
}

// Count is files and bytes.
type Count struct{ Files, Bytes int64 }

// Plan is what a run would do.
type Plan struct {
	Load      string
	Table     string // database.table
	TableID   string
	TableRows int64
	Stage     string
	StageURL  string
	Known     bool            // the ledger knows where the table's rows are from
	Counts    map[State]Count // files by state
	Files     []File          // those that a run touches or names; all with Options.Verbose
	Engine    int64           // files loaded past us that a run takes into the ledger

	job                      *job
	scope                    scope
	engine                   []File          // loaded past us
	listedNames              map[string]bool // likewise
	unseen                   map[string]bool // of the COPY's FILES: in no list
	words                    []string        // those names, where each vanished file is to be named
	flashed                  map[string]bool // paths whose rows went with a FLASHBACK
	cleared                  bool            // the engine was made to forget a file
	expired                  Count           // files that dbctl loaded, with rows, and that the engine has forgotten
	moved                    bool            // the stage had another URL when some of the files were loaded
	ledgerKnown, listedKnown int64           // names that the ledger has for loaded or failed: all, and those listed
	lastWord                 int64           // microseconds, of the ledger's last row about these files
	knownRows                int64           // that the ledger counts
	absent                   []string        // of the COPY's FILES, when the plan is about all of them
	kept                     []string        // changed files that are not replaced
	keptWhy                  string          // of the last of them
	exact                    bool            // prefix and pattern send exactly the planned files
}

// Planned are the files that Run loads, in the order in which it does.
func (p *Plan) Planned() []File {
	var out []File
	for _, f := range p.Files {
		if f.Planned {
			out = append(out, f)
		}
	}
	return out
}

// Bytes is the size of the planned files.
func (p *Plan) Bytes() int64 {
	var n int64
	for _, f := range p.Files {
		if f.Planned {
			n += f.Bytes
		}
	}
	return n
}

// listed is how many objects the listing held that are this load's.
func (p *Plan) listed() int64 {
	var n int64
	for s, c := range p.Counts {
		if s != Vanished && s != Ignored {
			n += c.Files
		}
	}
	return n
}

// want is what a plan is made for.
type want struct {
	Options
	vanished bool            // count what is no longer in the stage: a run has no use for it
	settled  map[string]bool // paths that this run has loaded or found bad: not planned again
	denied   int             // of those: the store does not give them, and --limit does not count them
}

// plan asks the server and decides. It does not refuse: see refusal.
func (l *Loader) plan(ctx context.Context, j *job, o want) (*Plan, error) {
	if o.Force && o.Path == "" {
		return nil, errorf(j.Name, exitUsage, "dbctl load "+j.Name+" --force --path GLOB", "--force needs --path: the files to load again")
	}
	if j.OnChanged == "replace" { // by the header, which must be right before it is needed
		if err := j.mayReplace(); err != nil {
			return nil, err
		}
	}
	places, err := l.places(ctx, j)
	if err != nil {
		return nil, wrap(j.Name, "plan", err)
	}
	p := l.newPlan(j, places[0], o)
	if p.TableID == "" {
		return nil, j.noTable()
	}
	if o.Path != "" {
		if p.scope.glob, err = globRegexp(o.Path); err != nil {
			return nil, errorf(j.Name, exitUsage, "", "--path: %v", err)
		}
	} else if err := l.recent(ctx, o.Full, p); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		if err := l.files(ctx, []*Plan{p}, true); err != nil {
			return nil, wrap(j.Name, "plan", l.placed(err, j))
		}
		missed, err := l.missed(ctx, p)
		switch {
		case err != nil:
			return nil, wrap(j.Name, "read the ledger", err)
		case missed && try == replans:
			return nil, errorf(j.Name, exitFailed, "dbctl load "+j.Name, "files are replaced again and again while they are looked at")
		}
		if !missed {
			break
		}
		p = p.fresh()
	}
	if o.Path == "" && !p.windowed() {
		p.absent = slices.Sorted(maps.Keys(p.unseen))
	}
	if p.TableRows > 0 && !p.Known {
		if p.Known, err = l.knows(ctx, p); err != nil {
			return nil, wrap(j.Name, "read the ledger", err)
		}
	}
	if err := l.retries(ctx, p, o.Options); err != nil {
		return nil, err
	}
	p.order(o.Order)
	return p, p.decide(o)
}

// files looks at the files of plans. keep is whether their Files get what is to be named.
func (l *Loader) files(ctx context.Context, plans []*Plan, keep bool) error {
	both, ctx := errgroup.WithContext(ctx)
	flashed := make(chan struct{})
	both.Go(func() error {
		defer close(flashed)
		if !keep {
			return nil
		}
		return l.flashedBack(ctx, plans)
	})
	both.Go(func() error {
		return l.lists(ctx, plans, func(p *Plan, s seen) {
			<-flashed
			p.take(s, keep)
		})
	})
	if err := both.Wait(); err != nil {
		return err
	}
	for _, p := range plans {
		p.clear()
		p.vanish()
	}
	return nil
}

// known asks what the ledger has for loaded or failed, listed or not, where a plan wants to know what has vanished.
func (l *Loader) known(ctx context.Context, plans []*Plan) error {
	var parts []string
	for i, p := range plans {
		if p.scope.vanished && p.scope.place.ledgerRows > 0 {
			parts = append(parts, p.scope.known(i, l.store))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	_, err := l.words.Each(ctx, databend.Statement{SQL: strings.Join(parts, "\nUNION ALL ")}, func(r databend.Row) error {
		p := plans[number(r[0].String)]
		p.ledgerKnown += number(r[2].String)
		p.knownRows += number(r[3].String)
		p.lastWord = max(p.lastWord, number(r[4].String))
		if path := r[1].String; path != "" {
			p.words = append(p.words, path)
		}
		return nil
	})
	return err
}

// newPlan is a plan that knows its place and has seen no file.
func (l *Loader) newPlan(j *job, at place, o want) *Plan {
	p := &Plan{
		Load: j.Name, Table: j.target, TableID: at.tableID, TableRows: at.rows, Stage: j.Copy.Stage, StageURL: at.url, job: j,
		scope: scope{job: j, place: at, prefixes: []string{j.prefix}, verbose: o.Verbose, force: o.Force, vanished: o.vanished || o.Verbose},
	}
	return p.fresh()
}

// fresh is p as it was before it saw a file.
func (p *Plan) fresh() *Plan {
	return &Plan{
		Load: p.Load, Table: p.Table, TableID: p.TableID, TableRows: p.TableRows, Stage: p.Stage, StageURL: p.StageURL, Counts: map[State]Count{}, job: p.job,
		listedNames: map[string]bool{}, unseen: maps.Clone(p.job.files), scope: p.scope,
	}
}

// windowed reports whether only recent partitions were listed.
func (p *Plan) windowed() bool {
	return len(p.scope.prefixes) != 1 || p.scope.prefixes[0] != p.job.prefix
}

// skew is by how much the clocks of the server and of the store may differ.
const skew = 15 * time.Second

// missed looks for words about new files that were put a moment ago: beside a large ledger the words are those about the names of
// another listing, in which a file that was just being replaced is not.
func (l *Loader) missed(ctx context.Context, p *Plan) (bool, error) {
	if !p.scope.place.semiJoined() || p.job.files != nil {
		return false, nil
	}
	now, err := time.Parse(serverTime, p.scope.place.at)
	if err != nil {
		return false, fmt.Errorf("read the server's clock: %w", err)
	}
	young := now.Add(-skew).Format(serverTime)
	var names []string
	for _, f := range p.Files {
		if f.State == New && !f.told && f.Mtime > young {
			names = append(names, f.Path)
		}
	}
	for names := range slices.Chunk(names, ledgerRows) {
		res, err := l.words.Query(ctx, databend.Statement{SQL: "SELECT 1" + p.scope.fromLedger(l.store) + " AND " + sqltext.Ident(state.ColStageURL) + "=" + literal(p.StageURL) +
			" AND " + sqltext.Ident(state.ColPath) + " IN (" + quoted(names) + ") LIMIT 1"})
		if err != nil || len(res.Rows) > 0 {
			return true, err
		}
	}
	return false, nil
}

// tells reports whether a word of this state says what the table's rows are, or are not, from.
func tells(st string) bool { return st == state.FileLoaded || st == state.FileNew }

// knows asks whether the ledger knows where the rows of a table are from of which it knows none of the files listed here: another load
// fills it. Where a person's word was needed for that one, it is for this one too.
func (l *Loader) knows(ctx context.Context, p *Plan) (bool, error) {
	if p.scope.place.ledgerRows == 0 {
		return false, nil
	}
	id, s := sqltext.Ident, sqltext.Quote
	res, err := l.work.Query(ctx, databend.Statement{SQL: "SELECT count_if(" + id(state.ColLoad) + "=" + literal(p.Load) + " AND " + id(state.ColStageURL) + "=" + literal(p.StageURL) + "), " +
		"count_if(" + id(state.ColSource) + "=" + s(state.SourceAdopted) + "), count(*)" + aboutTable(l.store, p.TableID) +
		" AND " + id(state.ColState) + " IN (" + s(state.FileLoaded) + ", " + s(state.FileNew) + ")"})
	if err != nil || len(res.Rows) != 1 {
		return false, err
	}
	own, adopted, all := number(res.Rows[0][0].String), number(res.Rows[0][1].String), number(res.Rows[0][2].String)
	return own > 0 || all > 0 && adopted == 0, nil
}

// take takes in what the lists say of one path. keep is whether p.Files gets what is to be named.
func (p *Plan) take(s seen, keep bool) {
	known := s.word.state != ""
	p.Known = p.Known || tells(s.word.state)
	// A copy of an object may have another etag (in parts, with another key).
	p.moved = p.moved || !known && s.here && s.matched && s.otherStages.stage == p.Stage && s.otherStages.state == state.FileLoaded && s.listed.size == s.otherStages.size
	if s.here && kept(s.word.state) {
		p.listedKnown++
	}
	if s.here && p.scope.verbose && p.scope.vanished {
		p.listedNames[s.path] = true
	}
	if s.here || kept(s.word.state) || s.remembered && s.otherStages.state == "" {
		delete(p.unseen, s.path)
	}
	var f File
	switch {
	case !s.here && known:
		return // counted by known
	case s.here && !s.matched:
		f = File{Path: s.path, Bytes: s.listed.size, State: Ignored}
	default:
		var engine bool
		if f, engine = classify(s, p.scope.force); f.State == "" {
			return
		}
		if engine {
			p.Engine++
			p.engine = append(p.engine, s.asRecorded())
		}
		if p.gone(s, f.State) {
			p.cleared = p.cleared || f.State == Expired
			f.State = Emptied
		} else if f.State == Expired && s.word.rows != 0 && s.word.source == state.SourceDBCTL {
			f.filled = true
			p.expired = Count{p.expired.Files + 1, p.expired.Bytes + f.Bytes}
		}
	}
	p.Counts[f.State] = Count{p.Counts[f.State].Files + 1, p.Counts[f.State].Bytes + f.Bytes}
	if keep && (p.scope.verbose || !slices.Contains(boring, f.State)) {
		f.Reason = cmp.Or(f.Reason, reasons[f.State])
		p.Files = append(p.Files, f)
	}
}

// gone reports whether the rows of a file that is as it was loaded are no longer in the table. An engine that forgot a file before its
// time was made to: TRUNCATE and DROP ALL clear its memory.
func (p *Plan) gone(s seen, st State) bool {
	if st != Loaded && st != Expired || s.word.state != "" && s.word.rows == 0 {
		return false
	}
	early := st == Expired && s.word.source == state.SourceDBCTL && s.word.age(p.scope.place.at) < p.scope.place.memory
	return p.TableRows == 0 || early || p.flashed[s.path]
}

// boring are states of files that are named only where each file is.
var boring = []State{Loaded, Expired, Emptied, Vanished, Quarantined, Ignored}

// reasons are the words for states that need no more.
var reasons = map[State]string{
	Unfinished: "0 bytes: its upload is not done",
	Expired:    "the engine has forgotten it, the ledger has not",
	Ignored:    "hidden, or not matched by the load's pattern",
	Vanished:   "no longer in the stage",
	Emptied:    "its rows are gone from the table",
}

// clear takes the rows of all that the engine has forgotten for gone, where it was made to forget some of it: the others are older.
func (p *Plan) clear() {
	if !p.cleared || p.TableRows == 0 {
		return
	}
	p.Counts[Expired] = Count{p.Counts[Expired].Files - p.expired.Files, p.Counts[Expired].Bytes - p.expired.Bytes}
	p.Counts[Emptied] = Count{p.Counts[Emptied].Files + p.expired.Files, p.Counts[Emptied].Bytes + p.expired.Bytes}
	for i := range p.Files {
		if f := &p.Files[i]; f.State == Expired && f.filled {
			f.State, f.Reason = Emptied, reasons[Emptied]
		}
	}
}

// vanish counts what is no longer in the stage, of what the ledger has for loaded or failed.
func (p *Plan) vanish() {
	if n := p.ledgerKnown - p.listedKnown; n > 0 {
		p.Counts[Vanished] = Count{Files: p.Counts[Vanished].Files + n}
	}
	for _, path := range p.words {
		if !p.listedNames[path] {
			p.Files = append(p.Files, File{Path: path, State: Vanished, Reason: reasons[Vanished]})
		}
	}
	p.words = nil
}

func shortTag(etag string) string {
	etag = strings.Trim(etag, `"`)
	if len(etag) > 6 {
		return etag[:6] + "…"
	}
	if etag == "" {
		return "unknown"
	}
	return etag
}

// Plan says what Run would do, and writes nothing: it emits a File for each file that Run would touch or that stands in its way
// (for every file with Options.Verbose) and a Summary. Its error is the one that would stop the run: a *Error, exit 3.
func (l *Loader) Plan(ctx context.Context, ld project.Load, o Options) (*Plan, error) {
	j, err := newJob(ld, l.cfg.Scope.Database)
	if err != nil {
		return nil, err
	}
	p, err := l.plan(ctx, j, want{Options: o, vanished: true})
	if err != nil {
		return nil, err
	}
	p.emit(l.cfg.Sink, "to load")
	if err := p.refusal(o); err != nil {
		return p, err
	}
	return p, p.stopped(o)
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// some lists the first n names.
func some(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:n], ", ") + fmt.Sprintf(" and %d more", len(names)-n)
}
