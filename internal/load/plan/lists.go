package plan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// scope is which files a plan is about.
type scope struct {
	job      *source.Load
	place    place
	prefixes []string       // of the names to look at, below the stage root
	recent   []string       // of the window, where the names outside are looked at too
	glob     *regexp.Regexp // of --path over whole names; nil: all
	verbose  bool           // name each file, whatever its state
	force    bool           // whatever is known of them, they are to be loaded
	vanished bool           // count what is no longer in the stage, too
	sums     bool           // and how many rows those files brought, and when
}

// seen is what the lists say of one path below the stage's root.
type seen struct {
	path              string
	here, matched     bool   // in the stage; one of the load's
	remembered        bool   // by the engine
	forgotten         bool   // by the engine, under the name by which it was loaded: it may have come through another place
	elsewhere         string // the name by which the engine may remember it, where it was loaded through another place past us
	listed, recorded  object
	word, otherStages word     // the ledger's last words: of this stage's file, and of others' of this path
	aliases           []string // its path below the roots of other places that it was loaded through
}

// largeFrom is the number of rows in the ledger from which on it is large: most of them are about files that are no longer listed, and the
// server is to send only the others. It then joins the listing with the ledger's words for loaded; a plan of few files takes twice as
// long that way.
const largeFrom = 100_000

// large reports whether the ledger is.
func (at place) large() bool { return at.ledgerRows >= largeFrom }

// joined reports whether the server joins the listing with the ledger. A COPY with FILES names what it asks about.
func (q scope) joined() bool { return q.place.large() && q.job.Files == nil }

// lists reads, beside each other, what is in the stages, what the engine remembers and what the ledger knows of the files of plans, and
// gives take what they say of each path, in order: the server sorts them. Of what is in the stages, which may be millions, one page is
// held; what the engine remembers is a day's. Beside a small ledger a plan of 40 files took twice as long when the server joined them:
// simple texts are planned faster, and the server lists while it reads.
func (l *Planner) lists(ctx context.Context, plans []*Plan, take func(p *Plan, s seen)) error {
	var inStage, recorded []string
	for i, p := range plans {
		if !p.Job.Unlisted() {
			inStage = append(inStage, p.scope.inStage(i, l.Store)...)
		}
		if !p.scope.place.unwritten { // each table asked about costs the server 10 ms
			recorded = append(recorded, p.scope.recorded(i))
		}
	}
	words := l.questions(plans, func(scope) bool { return true }, func(q scope, i int) []string { return q.words(i, l.Store) }, wordsTogether)
	held := memory{map[key]object{}, map[key][]string{}} // noted before its list sends a row, and the loop waits for that
	outer := ctx                                         // of what is asked when the lanes are over
	lanes, ctx := errgroup.WithContext(ctx)
	lists := [...]*list{
		{s: l.Look, parts: inStage},
		{s: l.Work, parts: recorded, whole: true, each: func(r databend.Row) []databend.Row {
			held.note(key{int(session.Number(r[0].String)), r[1].String}, readObject(r[2:]))
			return []databend.Row{r}
		}},
		{
			s: l.Words, parts: words, whole: true,
			each: func(r databend.Row) []databend.Row {
				if p := plans[session.Number(r[0].String)]; !p.scope.place.large() {
					return bothReadings(r, p.StageURL)
				}
				return []databend.Row{r} // each reading is a row of its own
			},
			then: func(ctx context.Context) error { return l.known(ctx, plans) },
		},
		{from: func(ctx context.Context) ([]databend.Row, error) { return byHTTP(ctx, plans) }},
	}
	last := map[*Plan][]seen{} // remembered, and not listed, or under another name
	for _, s := range lists {
		s.rows = make(chan databend.Row, 256)
		lanes.Go(crash.Caught(func() error {
			err := s.read(ctx)
			close(s.rows)
			if err != nil || s.then == nil {
				return err
			}
			return s.then(ctx)
		}))
	}
	for {
		at := key{plan: len(plans)}
		for _, s := range lists {
			if s.peek(); s.ok && s.at.less(at) {
				at = s.at
			}
		}
		if at.plan == len(plans) {
			break
		}
		p := plans[at.plan]
		what := seen{path: at.path}
		for _, there := range []*list{lists[0], lists[3]} {
			for r, ok := there.next(at); ok; r, ok = there.next(at) {
				what.here, what.listed, what.matched = true, readObject(r), truth(r[3].String)
				if word := r[4:]; len(word) > 0 && word[0].Valid {
					what.hear(p, word)
				}
			}
		}
		for r, ok := lists[1].next(at); ok; r, ok = lists[1].next(at) {
			what.remembered, what.recorded = true, readObject(r)
		}
		for r, ok := lists[2].next(at); ok; r, ok = lists[2].next(at) {
			what.hear(p, r)
		}
		_, known := held.objects[key{at.plan, strings.TrimPrefix(p.StageURL+at.path, what.word.url)}]
		what.forgotten = !known
		if what.here && !what.remembered && what.word.state != ledger.FileLoaded {
			what.elsewhere, what.recorded = held.elsewhere(at, p.StageURL, what.listed)
		}
		switch {
		case !what.here && !p.scope.covers(at.path):
		case what.elsewhere != "" || what.remembered && !what.here && (what.word.state == "" || p.scope.joined()):
			last[p] = append(last[p], what)
		default:
			take(p, what)
		}
	}
	if err := lanes.Wait(); err != nil {
		return err
	}
	for p, files := range last {
		if err := l.takeLast(outer, p, files, take); err != nil {
			return err
		}
	}
	return nil
}

// readObject reads size, etag and mtime.
func readObject(r databend.Row) object {
	return object{session.Number(r[0].String), r[1].String, moment(r[2].String)}
}

// memory is what the engine remembers of plans' tables.
type memory struct {
	objects map[key]object
	names   map[key][]string // by their last part
}

func (m memory) note(k key, o object) {
	m.objects[k] = o
	last := key{k.plan, path.Base(k.path)}
	m.names[last] = append(m.names[last], k.path)
}

// elsewhere is the name under which the engine remembers a listed file that was loaded through a stage over what is above the place, or
// below it: the end of its URL, with the size, the etag and the time of the file. "" when there is none.
func (m memory) elsewhere(at key, url string, listed object) (string, object) {
	for _, name := range m.names[key{at.plan, path.Base(at.path)}] {
		was := m.objects[key{at.plan, name}]
		if strings.HasSuffix("/"+url+at.path, "/"+name) && listed.same(was) && listed.mtime.Unix() == was.mtime.Unix() {
			return name, was
		}
	}
	return "", object{}
}

// hear takes in a word of the ledger, as readWord reads it.
func (s *seen) hear(p *Plan, r databend.Row) {
	url, w := readWord(r)
	last := &s.word
	if url != p.StageURL {
		last = &s.otherStages
	}
	if w.after(*last) {
		*last = w
	}
	if url == p.StageURL && w.url != url && w.state == ledger.FileLoaded {
		s.aliases = append(s.aliases, strings.TrimPrefix(url+s.path, w.url))
	}
}

// takeLast takes the files of a plan that the engine remembers and that are not listed, or under another name. Such a name may also be
// that of another place's file, which the ledger knows then.
func (l *Planner) takeLast(ctx context.Context, p *Plan, files []seen, take func(p *Plan, s seen)) error {
	var names []string
	var gone []seen
	for _, s := range files {
		if s.elsewhere != "" {
			names = append(names, s.elsewhere)
		} else {
			gone = append(gone, s)
		}
	}
	others, path := map[string]bool{}, sqltext.Ident(ledger.ColPath)
	for some := range slices.Chunk(names, LedgerRows) {
		sql := "SELECT DISTINCT " + path + AboutTable(l.Store, p.TableID) + " AND " + sqltext.Ident(ledger.ColState) + "=" +
			sqltext.Quote(ledger.FileLoaded) + " AND " + path + " IN (" + sqltext.Literals(some) + ")"
		_, err := l.Words.Each(ctx, databend.Statement{SQL: sql}, func(r databend.Row) error {
			others[r[0].String] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, s := range files {
		if s.elsewhere != "" {
			s.remembered = !others[s.elsewhere]
			take(p, s)
		}
	}
	gone = slices.DeleteFunc(gone, func(s seen) bool { return slices.Contains(names, s.path) && !others[s.path] })
	return l.takeGone(ctx, p, gone, take)
}

// takeGone takes files that the engine remembers and the stage has no longer. Where the listing was joined, it asks for the words about
// them, which are in neither answer.
func (l *Planner) takeGone(ctx context.Context, p *Plan, files []seen, take func(p *Plan, s seen)) error {
	for some := range slices.Chunk(files, LedgerRows) {
		if !p.scope.joined() {
			break
		}
		at, names := map[string]*seen{}, make([]string, len(some))
		for i := range some {
			at[some[i].path], names[i] = &some[i], some[i].path
		}
		var parts []string
		for _, rows := range p.scope.readings(l.Store, ledger.FileLoaded) {
			parts = append(parts, "SELECT "+rows.path+", "+rows.url+", "+loadedColumns+rows.from+" AND "+rows.path+" IN ("+
				sqltext.Literals(names)+")")
		}
		_, err := l.Words.Each(ctx, databend.Statement{SQL: strings.Join(parts, " UNION ALL ")}, func(r databend.Row) error {
			at[r[0].String].hear(p, r[1:])
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, s := range files {
		take(p, s)
	}
	return nil
}

// key is where a row belongs.
type key struct {
	plan int
	path string
}

func (k key) less(o key) bool { return k.plan < o.plan || k.plan == o.plan && k.path < o.path }

// list is the rows of one query, in the order of their keys.
type list struct {
	s     *databend.Session
	parts []string // UNION ALL of them; each: number of the plan, path, and more
	// whole is whether it is read at once, and sorted here: the server drops a result that nobody asks a page of for a minute, and a listing
	// may take longer.
	whole bool
	each  func(databend.Row) []databend.Row             // of one that is whole: what a row stands for
	then  func(context.Context) error                   // behind it, on its session
	from  func(context.Context) ([]databend.Row, error) // in the place of a query: sorted
	rows  chan databend.Row

	head databend.Row // without its key
	at   key
	ok   bool // head is the next row
	done bool
}

// read sends the rows into the channel.
func (s *list) read(ctx context.Context) error {
	send := func(r databend.Row) error {
		select {
		case s.rows <- r:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.from != nil {
		rows, err := s.from(ctx)
		for i := 0; i < len(rows) && err == nil; i++ {
			err = send(rows[i])
		}
		return err
	}
	if len(s.parts) == 0 {
		return nil
	}
	sql := strings.Join(s.parts, "\nUNION ALL ")
	if !s.whole {
		_, err := s.s.Each(ctx, databend.Statement{SQL: sql + "\nORDER BY i, path"}, send)
		return err
	}
	res, err := s.s.Query(ctx, databend.Statement{SQL: sql})
	if err != nil {
		return err
	}
	rows := res.Rows
	if s.each != nil {
		rows = nil
		for _, r := range res.Rows {
			rows = append(rows, s.each(r)...)
		}
	}
	slices.SortStableFunc(rows, func(a, b databend.Row) int {
		return cmp.Or(cmp.Compare(session.Number(a[0].String), session.Number(b[0].String)), strings.Compare(a[1].String, b[1].String))
	})
	for _, r := range rows {
		if err := send(r); err != nil {
			return err
		}
	}
	return nil
}

// peek makes the next row head.
func (s *list) peek() {
	if s.ok || s.done {
		return
	}
	r, ok := <-s.rows
	if s.ok, s.done = ok, !ok; ok {
		s.at, s.head = key{int(session.Number(r[0].String)), r[1].String}, r[2:]
	}
}

// next takes the head if it is of this key.
func (s *list) next(at key) (databend.Row, bool) {
	if s.peek(); !s.ok || s.at != at {
		return nil, false
	}
	s.ok = false
	return s.head, true
}

// inStage lists what is there: size, etag, mtime, and whether it is one of the load's; where the listing is joined with the ledger's
// words for loaded, a row for each. What is read of a word is computed behind the join: before it the server would do so for each row of
// the ledger.
func (q scope) inStage(i int, store *state.Store) []string {
	where := ""
	if q.glob != nil {
		where = " WHERE regexp_like(name, " + sqltext.Literal(q.glob.String()) + ", 'c')"
	}
	var listed []string
	for _, p := range q.prefixes {
		listed = append(listed, "SELECT "+strconv.Itoa(i)+" AS i, name AS path, size AS listed_size, coalesce(md5, '') AS listed_etag, "+
			"to_int64(TRY_CAST(last_modified AS TIMESTAMP)) AS listed_mtime, "+q.job.Matches("name")+" AS matched FROM LIST_STAGE(location=>"+
			sqltext.Literal("@"+q.job.Copy.Stage+"/"+p)+")"+where)
	}
	if !q.joined() {
		return listed
	}
	var words []string
	for _, rows := range q.readings(store, ledger.FileLoaded) {
		words = append(words, "SELECT "+rows.path+" AS path, "+rows.url+" AS url, * EXCLUDE(path)"+rows.from)
	}
	return []string{"SELECT s.i AS i, s.path AS path, listed_size, listed_etag, listed_mtime, matched, w.url, " + loadedColumns + " FROM (" +
		strings.Join(words, " UNION ALL ") + ") AS w RIGHT JOIN (" + strings.Join(listed, " UNION ALL ") + ") AS s ON w.path = s.path"}
}

// recorded is what the engine remembers. Of a table with copy_dedup_full_path the names are whole URLs.
func (q scope) recorded(i int) string {
	return "SELECT " + strconv.Itoa(i) + " AS i, " + q.recordedName() +
		" AS path, content_length, coalesce(etag, ''), to_int64(last_modified) FROM copy_history(" + sqltext.Quote(q.job.Target) + ")"
}

func (q scope) recordedName() string {
	return "replace(file_name, " + sqltext.Literal(q.place.url) + ", '')"
}

// A file is the same one whatever stage it is seen through: its identity is the whole URL. So a row of the ledger that was written for
// another place may be about a file of this one, and is then read a second time, under its path here. Beside a large ledger those are asked
// for by themselves: they are few, and plain columns are what blocks are pruned by and names are found by five times as fast. Of a small
// one a second scan takes the server longer than to read the rows here.

// bothReadings are a row of the ledger as it was written, and as it is read from the place with this URL.
func bothReadings(r databend.Row, url string) []databend.Row {
	path, below := strings.CutPrefix(r[2].String+r[1].String, url)
	if r[2].String == url || !below {
		return []databend.Row{r}
	}
	here := slices.Clone(r)
	here[1].String, here[2].String = path, url
	return []databend.Row{r, here}
}

// here is true for the ledger's rows about files below the load's place, whatever they were written for.
func (q scope) here() string {
	return fmt.Sprintf("left(concat(%s, %s), %d)=%s", sqltext.Ident(ledger.ColStageURL), sqltext.Ident(ledger.ColPath),
		utf8.RuneCountInString(q.place.url), sqltext.Literal(q.place.url))
}

// belowHere is a row's path below the load's place.
func (q scope) belowHere() string {
	return fmt.Sprintf("substr(concat(%s, %s), %d)", sqltext.Ident(ledger.ColStageURL), sqltext.Ident(ledger.ColPath),
		utf8.RuneCountInString(q.place.url)+1)
}

// A reading is how rows of the ledger are read from the load's place.
type reading struct{ path, url, from string } // expressions; FROM and WHERE

// readings are what the ledger says about the load's names, of one state if that is given: as it was written, and from another place about
// files of this one.
func (q scope) readings(store *state.Store, only string) []reading {
	path, url, words := sqltext.Ident(ledger.ColPath), sqltext.Ident(ledger.ColStageURL), WordsAbout(store, q.place.tableID)
	if only != "" {
		words = AboutTable(store, q.place.tableID) + " AND " + sqltext.Ident(ledger.ColState) + "=" + sqltext.Quote(only)
	}
	is := sqltext.Literal(q.place.url)
	return []reading{
		{path, url, words + q.named(" AND ", path)},
		{q.belowHere(), is, words + q.named(" AND ", q.belowHere()) + " AND " + url + "<>" + is + " AND " + q.here()},
	}
}

// rowsHere are the readings of rows about files of the load's place.
func (q scope) rowsHere(store *state.Store) []reading {
	if q.place.large() {
		all := q.readings(store, "")
		all[0].from += " AND " + all[0].url + "=" + sqltext.Literal(q.place.url)
		return all
	}
	return []reading{{q.belowHere(), "", WordsAbout(store, q.place.tableID) + " AND " + q.here() + q.named(" AND ", q.belowHere())}}
}

// words are the ledger's rows about the table and the names, for readWord: of a small one all, of a large one with their readings and,
// where the listing has those, without the words for loaded.
func (q scope) words(i int, store *state.Store) (out []string) {
	path, url := sqltext.Ident(ledger.ColPath), sqltext.Ident(ledger.ColStageURL)
	all := []reading{{path, url, WordsAbout(store, q.place.tableID)}}
	if q.place.large() {
		all = q.readings(store, "")
	} else if named := q.named("", path); named != "" {
		all[0].from += " AND (" + named + " OR " + q.here() + q.named(" AND ", q.belowHere()) + ")"
	}
	for _, rows := range all {
		if q.joined() {
			rows.from += " AND " + sqltext.Ident(ledger.ColState) + "<>" + sqltext.Quote(ledger.FileLoaded)
		}
		out = append(out, fmt.Sprintf("SELECT %d AS i, %s AS path, %s AS url, %s%s", i, rows.path, rows.url, wordColumns, rows.from))
	}
	return out
}

// WordsAbout is FROM and WHERE of the ledger's words about a table.
func WordsAbout(store *state.Store, tableID string) string {
	return AboutTable(store, tableID) + " AND " + sqltext.Ident(ledger.ColState) + "<>" + sqltext.Quote(ledger.FileBegin)
}

// named is the condition that a path is one of the names to look at, behind and; "" where all are.
func (q scope) named(and, path string) string {
	var all []string
	if !slices.Contains(q.prefixes, "") {
		all = append(all, below(path, q.prefixes))
	}
	if q.job.Files != nil {
		all = append(all, path+" IN ("+sqltext.Literals(slices.Sorted(maps.Keys(q.job.Files)))+")")
	}
	if all == nil {
		return ""
	}
	return and + strings.Join(all, " AND ")
}

// known is counted for one plan.
func (q scope) known(i int, store *state.Store) string {
	id := sqltext.Ident
	glob := ""
	if q.glob != nil {
		glob = " WHERE regexp_like(path, " + sqltext.Literal(q.glob.String()) + ", 'c')"
	}
	var rows []string
	for _, here := range q.rowsHere(store) {
		rows = append(rows, fmt.Sprintf("SELECT %d AS i, %s AS path, to_int64(%s) AS said, %s AS st, %s AS n%s",
			i, here.path, id(ledger.ColAt), id(ledger.ColState), id(ledger.ColRows), here.from))
	}
	return counted("("+strings.Join(rows, " UNION ALL ")+")"+glob, q.verbose, q.sums)
}

// counted asks how many names there are of each plan whose last word is loaded, failed or emptied; and, where sums is set, how many rows of
// all its names are in the table, and, in microseconds, when the last word was said and when the last file was loaded. It reads rows of the
// ledger (i, path, said, st, n), which may be a hundred times what is listed: it groups numbers, and what nobody asks for is left out.
func counted(rows string, named, sums bool) string {
	path, more, told, also := "''", "", "0, 0, 0", ""
	if named {
		path = "path"
	}
	if sums {
		more = ", max(if(st = 'loaded', said, 0)) AS loaded, arg_max(if(st IN ('new', 'undone'), 0, n), said) AS n"
		told = "sum(greatest(n, 0)), max(w % 2 * bit_shift_right(w, 1)), max(loaded)"
		also = " OR n > 0"
	}
	return strings.NewReplacer("{NAMED}", path, "{MORE}", more, "{TOLD}", told, "{ALSO}", also, "{ROWS}", rows).Replace(`
SELECT i, {NAMED} AS p, sum(w % 2), {TOLD} FROM (
  SELECT i, path, max(said*2 + if(st IN ('loaded', 'failed', 'emptied'), 1, 0)) AS w{MORE} FROM {ROWS} GROUP BY i, path
) WHERE w % 2 = 1{ALSO} GROUP BY i, p`)
}

// covers reports whether a path is one that the plan is about. Of a COPY with FILES that is no other, also in what is no longer listed.
func (q scope) covers(path string) bool {
	return !strings.Contains(path, "://") && (q.job.Files == nil || q.job.Files[path]) &&
		slices.ContainsFunc(q.prefixes, func(p string) bool { return strings.HasPrefix(path, p) }) &&
		(q.glob == nil || q.glob.MatchString(path))
}

// outsideWindow reports whether a run of the load does not look at a path.
func (q scope) outsideWindow(path string) bool {
	return q.recent != nil && !slices.ContainsFunc(q.recent, func(p string) bool { return strings.HasPrefix(path, p) })
}

// below is the condition that column begins with one of the prefixes: a range of bytes, which prunes blocks, and behind that, of several,
// one pattern. Of a list of 200 ranges the server makes a plan for minutes.
func below(column string, prefixes []string) string {
	within := column + ">=" + sqltext.Literal(slices.Min(prefixes))
	var patterns, ends []string
	for _, p := range prefixes {
		patterns = append(patterns, regexp.QuoteMeta(p))
		if last := p[len(p)-1]; last < 0x7e {
			ends = append(ends, p[:len(p)-1]+string(rune(last+1)))
		}
	}
	if len(ends) == len(prefixes) {
		within += " AND " + column + "<" + sqltext.Literal(slices.Max(ends))
	}
	if len(prefixes) > 1 || len(ends) == 0 {
		within += " AND regexp_like(" + column + ", " + sqltext.Literal("^(?:"+strings.Join(patterns, "|")+")") + ", 'c')"
	}
	return "(" + within + ")"
}
