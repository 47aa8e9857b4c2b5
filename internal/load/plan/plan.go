// Package plan says what a load would do. A plan is the join of three lists, read beside each other: what is there (LIST_STAGE), what
// the engine remembers (copy_history) and what the ledger knows. Each file is in exactly one State. A plan is a value: nothing is
// written for it, and nothing of it changes while it is run.
package plan

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// State is what a plan knows of one file.
type State string

// The states of a file.
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
	Mtime   time.Time
	Planned bool   // Run loads it
	Replace bool   // Run deletes its old rows first
	Reason  string // why it is in this state, in words

	told     bool     // the ledger knows it
	Rows     int64    // that the table has of it, by the ledger; or UnknownRows
	Force    bool     // the engine remembers the path: only FORCE loads it
	checksum string   // of the load that it failed under
	filled   bool     // of an expired file: dbctl loaded it, and it brought rows
	twin     bool     // another stage's file of this path is in the table
	Aliases  []string // its names in rows that came through other places: the path below those
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

	Job                      *source.Load
	scope                    scope
	Past                     []File          // loaded past us
	listedNames              map[string]bool // likewise
	unseen                   map[string]bool // of the COPY's FILES: in no list
	words                    []string        // those names, where each vanished file is to be named
	flashed                  map[string]bool // paths whose rows went with a FLASHBACK
	cleared                  bool            // the engine was made to forget a file
	expired                  Count           // files that dbctl loaded, with rows, and that the engine has forgotten
	moved                    bool            // the stage had another URL when some of the files were loaded
	ledgerKnown, listedKnown int64           // names that the ledger has for loaded or failed: all, and those listed
	lastWord, lastLoaded     int64           // microseconds, of the ledger's last row about these files, and of the last that says loaded
	lastFailed               word            // the newest failure that stands
	failedPath               string          // of it
	outside                  int64           // new files outside of the window, where they are listed
	knownRows                int64           // that the ledger counts
	absent                   []string        // of the COPY's FILES, when the plan is about all of them
	Kept                     []string        // changed files that are not replaced
	KeptWhy                  string          // of the last of them
	Exact                    bool            // prefix and pattern send exactly the planned files
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

// Doubled is how many of the planned files have rows in the table that stay there.
func (p *Plan) Doubled() (n int64) {
	for _, f := range p.Files {
		if f.Planned && !f.Replace && f.Rows != 0 {
			n++
		}
	}
	return n
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

// Listed is how many objects the listing held that are this load's.
func (p *Plan) Listed() int64 {
	var n int64
	for s, c := range p.Counts {
		if s != Vanished && s != Ignored {
			n += c.Files
		}
	}
	return n
}

const (
	// UnknownRows is the row count of a file that dbctl did not load itself.
	UnknownRows = -1
	// LedgerRows is how many of the ledger's rows one statement is about.
	LedgerRows = 2_000
	// Replans bounds how often is planned again after a collision with somebody else, or a lost answer.
	Replans = 4
)

// At is the server's time before the plan was made.
func (p *Plan) At() time.Time { return p.scope.place.at }

// Ledger reports whether there is a ledger.
func (p *Plan) Ledger() bool { return p.scope.place.ledger }

// A Planner makes plans.
type Planner struct {
	*session.Sessions
	Scope state.Scope
	// Secrets resolves those of a load that makes a stage of its own.
	Secrets func(ctx context.Context, names []string) (secret.Set, error)

	checked bool // the state tables' schema is one that we know
}

// Source makes a load ready whose text is sql, as if it stood in its file.
func (l *Planner) Source(ld project.Load, sql string) (*source.Load, error) {
	var err error
	if ld.Copy, err = copytext.Parse(sql); err != nil {
		return nil, err
	}
	ld.Statement, ld.Expanded = project.Statement{SQL: sql, Line: 1, Column: 1}, sql
	if ld.Secrets, err = sqltext.SecretNames(sql); err != nil {
		return nil, err
	}
	return source.New(ld, l.Scope.Project, l.Scope.Database)
}

// Want is what a plan is made for.
type Want struct {
	Options
	Vanished bool            // count what is no longer in the stage: a run has no use for it
	Settled  map[string]bool // paths that this run has loaded or found bad: not planned again
	Denied   int             // of those: the store does not give them, and --limit does not count them
}

// Plan asks the server and decides. It does not refuse: Refusal does.
func (l *Planner) Plan(ctx context.Context, j *source.Load, o Want) (*Plan, error) {
	if err := o.check(j); err != nil {
		return nil, err
	}
	var p *Plan
	for try := 0; p == nil; try++ {
		var err error
		// Another command that ends takes the load's own stage away: the next try makes it again.
		if p, err = l.look(ctx, j, o); err != nil && !(j.Own() && source.UnknownStage(err) && try < Replans) {
			return nil, fault.Wrap(j.Name, "plan", j.Placed(err))
		}
	}
	return p, l.finish(ctx, p, o)
}

// Plans looks at the files of many loads at once, in as many requests as one takes. Where something is wrong with one of them, or it needs
// a look of its own, there is no plan for it.
func (l *Planner) Plans(ctx context.Context, loads []*source.Load, o Want) (map[*source.Load]*Plan, error) {
	places, err := l.places(ctx, loads...)
	if err != nil || o.Path != "" {
		return nil, ctx.Err()
	}
	var plans []*Plan
	for i, j := range loads {
		if places[i].err == nil && places[i].tableID != "" && o.check(j) == nil {
			plans = append(plans, l.newPlan(j, places[i], o))
		}
	}
	if l.recent(ctx, o.Full, plans...) != nil || l.files(ctx, plans, true) != nil {
		return nil, ctx.Err() // of one of them: its own plan says whose
	}
	out := map[*source.Load]*Plan{}
	for _, p := range plans {
		if missed, err := l.missed(ctx, p); err == nil && !missed && l.finish(ctx, p, o) == nil {
			out[p.Job] = p
		}
	}
	return out, ctx.Err()
}

// check refuses options that the load cannot do.
func (o Want) check(j *source.Load) error {
	switch {
	case o.Force && o.Path == "":
		return fault.Errorf(j.Name, exit.Usage, "dbctl load "+j.Name+" --force --path GLOB", "--force needs --path: the files to load again")
	case o.Reload && o.Path == "":
		return fault.Errorf(j.Name, exit.Usage, "dbctl load "+j.Name+" --reload --path GLOB",
			"--reload needs --path: the files to load again")
	case o.Reload || j.OnChanged == "replace": // by the header, which must be right before it is needed
		return j.MayReplace()
	}
	return nil
}

// finish decides about what was seen.
func (l *Planner) finish(ctx context.Context, p *Plan, o Want) (err error) {
	if o.Path == "" && !p.Windowed() {
		p.absent = slices.Sorted(maps.Keys(p.unseen))
	}
	if p.TableRows > 0 && !p.Known {
		if p.Known, err = l.knows(ctx, p); err != nil {
			return fault.Wrap(p.Load, "read the ledger", err)
		}
	}
	if err := l.retries(ctx, p, o.Options); err != nil {
		return err
	}
	p.order(o.Order)
	return p.Decide(o)
}

// look sees the load's files where it happens.
func (l *Planner) look(ctx context.Context, j *source.Load, o Want) (*Plan, error) {
	places, err := l.places(ctx, j)
	if err != nil {
		return nil, err
	}
	if err := places[0].err; err != nil {
		return nil, err
	}
	p := l.newPlan(j, places[0], o)
	if p.TableID == "" {
		return nil, j.NoTable()
	}
	if o.Path != "" {
		if p.scope.glob, err = source.Glob(o.Path); err != nil {
			return nil, fault.Errorf(j.Name, exit.Usage, "", "--path: %v", err)
		}
	} else if err := l.recent(ctx, o.Full, p); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		if err := l.files(ctx, []*Plan{p}, true); err != nil {
			return nil, err
		}
		missed, err := l.missed(ctx, p)
		switch {
		case err != nil:
			return nil, fault.Wrap(j.Name, "read the ledger", err)
		case missed && try == Replans:
			return nil, fault.Errorf(j.Name, exit.Failed, "dbctl load "+j.Name, "files are replaced again and again while they are looked at")
		}
		if !missed {
			break
		}
		p = p.fresh()
	}
	return p, nil
}

// files looks at the files of plans. keep is whether their Files get what is to be named.
func (l *Planner) files(ctx context.Context, plans []*Plan, keep bool) error {
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
		if p.scope.force {
			p.forced()
		}
		p.vanish()
	}
	return nil
}

// known asks what the ledger has for loaded or failed, listed or not, where a plan wants to know what has vanished.
func (l *Planner) known(ctx context.Context, plans []*Plan) error {
	var named, rows bool
	for _, p := range plans {
		named, rows = named || p.scope.verbose, rows || p.scope.rows
	}
	parts := l.questions(plans, func(q scope) bool { return q.vanished },
		func(q scope, i int) []string { return []string{q.known(i, l.Store)} }, knownTogether(named, rows))
	if len(parts) == 0 {
		return nil
	}
	_, err := l.Words.Each(ctx, databend.Statement{SQL: strings.Join(parts, "\nUNION ALL ")}, func(r databend.Row) error {
		p := plans[session.Number(r[0].String)]
		p.ledgerKnown += session.Number(r[2].String)
		p.knownRows += session.Number(r[3].String)
		p.lastWord = max(p.lastWord, session.Number(r[4].String))
		p.lastLoaded = max(p.lastLoaded, session.Number(r[5].String))
		if path := r[1].String; path != "" && session.Number(r[2].String) > 0 {
			p.words = append(p.words, path)
		}
		return nil
	})
	return err
}

// newPlan is a plan that knows its place and has seen no file.
func (l *Planner) newPlan(j *source.Load, at place, o Want) *Plan {
	p := &Plan{
		Load: j.Name, Table: j.Target, TableID: at.tableID, TableRows: at.rows, Stage: j.StageName(), StageURL: at.url, Job: j,
		scope: scope{
			job: j, place: at, prefixes: []string{j.Prefix}, verbose: o.Verbose || o.Reload, force: o.Force,
			vanished: o.Vanished || o.Verbose,
		},
	}
	return p.fresh()
}

// fresh is p as it was before it saw a file.
func (p *Plan) fresh() *Plan {
	return &Plan{
		Load: p.Load, Table: p.Table, TableID: p.TableID, TableRows: p.TableRows, Stage: p.Stage, StageURL: p.StageURL,
		Counts: map[State]Count{}, Job: p.Job,
		listedNames: map[string]bool{}, unseen: maps.Clone(p.Job.Files), scope: p.scope,
	}
}

// Windowed reports whether only recent partitions were listed.
func (p *Plan) Windowed() bool {
	return len(p.scope.prefixes) != 1 || p.scope.prefixes[0] != p.Job.Prefix
}

// skew is by how much the clocks of the server and of the store may differ.
const skew = 15 * time.Second

// missed looks for words about new files that were put a moment ago: beside a large ledger the words are those about the names of
// another listing, in which a file that was just being replaced is not.
func (l *Planner) missed(ctx context.Context, p *Plan) (bool, error) {
	if !p.scope.place.semiJoined() || p.Job.Files != nil {
		return false, nil
	}
	young := p.scope.place.at.Add(-skew)
	var names []string
	for _, f := range p.Files {
		if f.State == New && !f.told && f.Mtime.After(young) {
			names = append(names, f.Path)
		}
	}
	for names := range slices.Chunk(names, LedgerRows) {
		var parts []string
		for _, another := range []bool{false, true} {
			path, from := p.scope.rowsHere(l.Store, another)
			parts = append(parts, "SELECT 1"+from+" AND "+path+" IN ("+source.Quoted(names)+")")
		}
		res, err := l.Words.Query(ctx, databend.Statement{SQL: strings.Join(parts, " UNION ALL ") + " LIMIT 1"})
		if err != nil || len(res.Rows) > 0 {
			return true, err
		}
	}
	return false, nil
}

// tells reports whether a word of this state says what the table's rows are, or are not, from.
func tells(st string) bool { return st == ledger.FileLoaded || st == ledger.FileNew }

// knows asks whether the ledger knows where the rows of a table are from of which it knows none of the files listed here: another load
// fills it. Where a person's word was needed for that one, it is for this one too.
func (l *Planner) knows(ctx context.Context, p *Plan) (bool, error) {
	if p.scope.place.ledgerRows == 0 {
		return false, nil
	}
	id, s := sqltext.Ident, sqltext.Quote
	res, err := l.Work.Query(ctx, databend.Statement{SQL: "SELECT count_if(" + id(ledger.ColLoad) + "=" + source.Literal(p.Load) +
		" AND " + p.scope.here() + "), " +
		"count_if(" + id(ledger.ColSource) + "=" + s(ledger.SourceAdopted) + "), count(*)" + AboutTable(l.Store, p.TableID) +
		" AND " + id(ledger.ColState) + " IN (" + s(ledger.FileLoaded) + ", " + s(ledger.FileNew) + ")"})
	if err != nil || len(res.Rows) != 1 {
		return false, err
	}
	own, adopted, all := session.Number(res.Rows[0][0].String), session.Number(res.Rows[0][1].String), session.Number(res.Rows[0][2].String)
	return own > 0 || all > 0 && adopted == 0, nil
}

// take takes in what the lists say of one path. keep is whether p.Files gets what is to be named.
func (p *Plan) take(s seen, keep bool) {
	known := s.word.state != ""
	p.Known = p.Known || tells(s.word.state)
	// A copy of an object may have another etag (in parts, with another key).
	p.moved = p.moved || !known && s.here && s.matched && p.Stage != "" && s.otherStages.stage == p.Stage &&
		s.otherStages.state == ledger.FileLoaded &&
		s.listed.size == s.otherStages.size
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
		if f, engine = classify(s); f.State == "" {
			return
		}
		if engine {
			p.Engine++
			p.Past = append(p.Past, s.asRecorded())
		}
		if p.gone(s, f.State) {
			p.cleared = p.cleared || f.State == Expired
			f.State, f.Rows = Emptied, 0
		} else if f.State == Expired && s.word.rows != 0 && s.word.url == p.StageURL && s.word.ours() {
			f.filled = true
			p.expired = Count{p.expired.Files + 1, p.expired.Bytes + f.Bytes}
		}
	}
	switch {
	case f.State == New && p.scope.outsideWindow(s.path):
		p.outside++
		return
	case f.State == Failed && s.word.after(p.lastFailed):
		p.lastFailed, p.failedPath = s.word, s.path
	}
	p.Counts[f.State] = Count{p.Counts[f.State].Files + 1, p.Counts[f.State].Bytes + f.Bytes}
	if keep && (p.scope.verbose || p.scope.force || !slices.Contains(boring, f.State)) {
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
	early := st == Expired && s.word.url == p.StageURL && s.word.source == ledger.SourceDBCTL &&
		p.scope.place.at.Sub(s.word.at) < p.scope.place.memory
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
			f.State, f.Reason, f.Rows = Emptied, reasons[Emptied], 0
		}
	}
}

// forced makes files new whatever is known of them; what the table has of their rows stays known.
func (p *Plan) forced() {
	for i := range p.Files {
		f := &p.Files[i]
		if slices.Contains([]State{New, Unfinished, Vanished, Ignored}, f.State) {
			continue
		}
		p.recount(f, New)
		f.Reason = ""
	}
}

// recount gives a file another state.
func (p *Plan) recount(f *File, st State) {
	p.Counts[f.State] = Count{p.Counts[f.State].Files - 1, p.Counts[f.State].Bytes - f.Bytes}
	f.State = st
	p.Counts[st] = Count{p.Counts[st].Files + 1, p.Counts[st].Bytes + f.Bytes}
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

// Paths are the names of files.
func Paths(files []File) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Path
	}
	return out
}
