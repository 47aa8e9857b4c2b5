package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// proofWorld is a catalogue of all kinds with random options, of which random migrations fail. {db} is the test's database, {x} the
// prefix of what it made account-wide, {y} its second database.
type proofWorld struct {
	*world
	*rand.Rand
	names   *strings.Replacer
	prefix  string
	version int
	columns map[string]string // system table → the columns that the fingerprint reads
	tally   map[string]int
	setting [2]string // of the account, that no other test looks at
	twin    *proofWorld
	takes   bool // a table's default takes values of a sequence
	isTwin  bool // what its catalogue shows is to be compared with another's
}

// settings are those of the account that the proof of each stream changes.
var settings = map[uint64][2]string{
	21: {"inlist_to_join_threshold", "sort_spilling_batch_bytes"}, 22: {"min_max_runtime_filter_threshold", "lazy_read_across_join_threshold"},
	23: {"inlist_runtime_filter_threshold", "window_spill_unit_size_mb"},
}

func newProofWorld(t testing.TB, rnd *rand.Rand, setting [2]string) *proofWorld {
	t.Helper()
	w := newWorld(t)
	w.remains()
	t.Cleanup(func() { w.SQL(t, "UNSET GLOBAL ("+setting[0]+", "+setting[1]+")") })
	p := &proofWorld{world: w, Rand: rnd, prefix: w.Database + "_", columns: map[string]string{}, setting: setting}
	p.names = strings.NewReplacer("{db}", w.Database, "{x}", p.prefix, "{y}", p.prefix+"y", "{setting}", setting[0],
		"{setting2}", setting[1], "{prefix}", w.Prefix)
	return p
}

// remains lets a failed test's catalogue go with it.
func (w *world) remains() {
	prefix := w.Database + "\\\\_%"
	w.T.Cleanup(func() {
		drop := func(kind, sql string) {
			for _, r := range w.SQL(w.T, sql) {
				if strings.HasPrefix(r[0], w.Database+"_") && r[0] != w.StateDB {
					_, _ = w.Err(w.T, "DROP "+kind+" IF EXISTS "+sqltext.Ident(r[0]))
				}
			}
		}
		drop("DATABASE", "SELECT name FROM system.databases WHERE name LIKE '"+prefix+"'")
		drop("STAGE", "SELECT name FROM system.stages")
		drop("FUNCTION", "SELECT name FROM system.user_functions")
		drop("SEQUENCE", "SELECT name FROM show_sequences()")
		drop("FILE FORMAT", "SHOW FILE FORMATS")
		drop("CONNECTION", "SHOW CONNECTIONS")
		drop("USER", "SELECT name FROM system.users")
		drop("NETWORK POLICY", "SHOW NETWORK POLICIES")
		drop("PASSWORD POLICY", "SELECT name FROM system.password_policies")
		drop("TAG", "SELECT name FROM system.tags")
		drop("ROLE", "SELECT name FROM system.roles")
		drop("AGGREGATING INDEX", "SELECT name FROM system.indexes WHERE type='AGGREGATING'")
	})
}

// passing are the columns of system tables that move by themselves.
var passing = []string{
	"created_on", "updated_on", "dropped_on", "num_rows", "data_size", "data_compressed_size", "index_size", "number_of_segments",
	"number_of_blocks", "number_of_files", "bloom_index_size", "ngram_index_size",
	"inverted_index_size", "vector_index_size", "virtual_column_size", "update_on", "snapshot_location", "catalog", "table_option",
	"last_analyzed", "invalid_reason", "mode",
}

// identities are the columns that are another in a twin.
var identities = []string{"table_id", "database_id", "stream_id", "procedure_id", "table_version"}

// texts makes one text of columns, as an expression.
func texts(columns []string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = "coalesce(to_string(to_variant(" + sqltext.Ident(c) + ")), 'NULL')"
	}
	return "concat_ws(' | ', " + strings.Join(parts, ", ") + ")"
}

// shown is the query of what a system table shows in all columns but passing ones.
func (p *proofWorld) shown(table, where string) string {
	p.T.Helper()
	expression, ok := p.columns[table]
	if !ok {
		var names []string
		for _, r := range p.SQL(p.T, "SELECT name FROM system.columns WHERE database='system' AND `table`='"+table+"'") {
			if !slices.Contains(passing, r[0]) && !(p.isTwin && slices.Contains(identities, r[0])) {
				names = append(names, r[0])
			}
		}
		if len(names) > 0 {
			expression = texts(names)
		}
		p.columns[table] = expression
	}
	if expression == "" {
		return ""
	}
	return "SELECT " + sqltext.Quote(table) + ", " + expression + " FROM system." + table + " WHERE " + where
}

// ask asks queries of two columns at once; where that is refused one by one, and what is refused then is an answer too.
func (p *proofWorld) ask(queries ...string) [][]string {
	p.T.Helper()
	queries = slices.DeleteFunc(queries, func(q string) bool { return q == "" })
	if len(queries) == 0 {
		return nil
	}
	all := "(" + strings.Join(queries, ") UNION ALL (") + ")"
	if rows, err := p.Try(all); err == nil {
		return rows
	}
	var out [][]string
	for _, q := range queries {
		rows, err := p.Try(q)
		if err != nil {
			rows = [][]string{{"refused", refusal(err)}}
		}
		out = append(out, rows...)
	}
	return out
}

// refusal is what an error says, without where in a plan it stood.
func refusal(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	text, _, _ = strings.Cut(text, ", while")
	return text
}

// print is everything that the engine shows of the catalogue, as sorted lines.
func (p *proofWorld) print() []string {
	p.T.Helper()
	var out []string
	add := func(rows [][]string) {
		for _, r := range rows {
			out = append(out, r[0]+" "+r[1])
		}
	}
	mine := func(column string) string {
		// A database that a restore has put aside has its name in it.
		return fmt.Sprintf("(%[1]s='%[2]s' OR instr(%[1]s, '%[3]s') > 0) AND %[1]s<>'%[4]s'", column, p.Database, p.prefix, p.StateDB)
	}
	named := "left(name, " + fmt.Sprint(len(p.prefix)) + ")='" + p.prefix + "'"
	queries := []string{p.shown("databases", mine("name"))}
	for _, table := range []string{"tables", "columns", "views", "streams", "dictionaries"} {
		queries = append(queries, p.shown(table, mine("database")))
	}
	for _, table := range []string{"stages", "user_functions", "procedures", "tags", "password_policies", "roles", "users"} {
		queries = append(queries, p.shown(table, named))
	}
	add(p.ask(append(queries,
		// The database of an aggregating index is not its own: one of a dropped database is shown for another.
		p.shown("indexes", named+" OR type<>'AGGREGATING' AND "+mine("database")),
		"SELECT 'sequence '||name, "+texts([]string{"interval", "current", "comment"})+" FROM show_sequences() WHERE "+named,
		fmt.Sprintf("SELECT 'setting', "+texts([]string{"name", "value", "level"})+" FROM system.settings WHERE name IN ('%s', '%s')",
			p.setting[0], p.setting[1]))...))
	// One by one: a CHECK of any database that is looked at may make it fail, also one of a test beside this.
	for _, r := range p.SQL(p.T, "SELECT name FROM system.databases WHERE "+mine("name")) {
		q := p.shown("constraints", "database = "+sqltext.Quote(r[0]))
		if code, _ := p.Err(p.T, q); code == databend.CodeSemantic {
			out = append(out, r[0]+": a CHECK names a renamed column")
			continue
		}
		add(p.ask(q))
	}
	add(p.ask(p.rows(mine, false)...))
	add(p.ask(p.rows(mine, true)...)) // what a view reads may be gone
	for _, r := range p.SQL(p.T, "SELECT DISTINCT database, `table` FROM system.indexes WHERE type<>'AGGREGATING' AND "+mine("database")) {
		if rows, err := p.Try("SHOW CREATE TABLE " + sqltext.Ident(r[0]) + "." + sqltext.Ident(r[1])); err == nil { // ASYNC shows there alone
			add(rows)
		}
	}
	for _, show := range []string{"SHOW CONNECTIONS", "SHOW NETWORK POLICIES", "SHOW FILE FORMATS"} {
		for _, r := range p.SQL(p.T, show) {
			if strings.HasPrefix(r[0], p.prefix) {
				out = append(out, show+" "+strings.Join(r, " | "))
			}
		}
	}
	queries = nil
	for _, kind := range []string{"role", "user"} {
		for _, r := range p.SQL(p.T, "SELECT name FROM system."+kind+"s WHERE "+named) {
			queries = append(queries, "SELECT 'grant "+r[0]+"', grants FROM show_grants('"+kind+"', '"+r[0]+"')")
		}
	}
	for _, r := range p.SQL(p.T, "SELECT name FROM system.stages WHERE stage_type='Internal' AND "+named) {
		queries = append(queries, "SELECT 'file of "+r[0]+"', "+texts([]string{"name", "size"})+" FROM list_stage(location => '@"+r[0]+"')")
	}
	add(p.ask(queries...))
	slices.Sort(out)
	return out
}

// rows are queries of the rows of tables, or of views.
func (p *proofWorld) rows(mine func(column string) string, views bool) []string {
	p.T.Helper()
	columns, names := map[string][]string{}, []string{}
	for _, r := range p.SQL(p.T, "SELECT c.database, c.`table`, c.name, t.engine FROM system.columns c JOIN system.tables t "+
		"ON c.database = t.database AND c.`table` = t.name WHERE "+mine("t.database")+" AND t.engine <> 'RANDOM'") { // whose rows are others each time
		derived := r[3] == "VIEW" || r[3] == "STREAM"
		// A table that a restore has put aside is not where its aggregating index reads it.
		if derived != views || catalog.IsAside(r[1]) {
			continue
		}
		n := sqltext.Ident(r[0]) + "." + sqltext.Ident(r[1])
		if columns[n] == nil {
			names = append(names, n)
		}
		columns[n] = append(columns[n], r[2])
	}
	var out []string
	for _, n := range names {
		slices.Sort(columns[n]) // system.columns shows their order
		out = append(out, "SELECT "+sqltext.Quote("row of "+n)+", "+texts(columns[n])+" FROM "+n)
	}
	return out
}

// ways are how a migration fails: in up, in one of several files of one savepoint, in down, in the Up half of a redo.
var ways = []string{"up", "up", "atomic", "down", "redo"}

// play lets a random migration fail and says what is wrong with what is left. The class is read by the run itself: what it refuses as
// irreversible did not begin, and what it runs it promised to undo.
func (p *proofWorld) play(was []string, statements []string, way string, hand hand) (now []string, wrong string) {
	p.T.Helper()
	p.version += 2
	mark := fmt.Sprintf("t%d", 70000+p.version)
	text := func(s ...string) string { return p.names.Replace(strings.Join(s, ";\n") + ";\n") }
	failed := append(slices.Clone(statements), "INSERT INTO {db}.nowhere VALUES (1)")
	var err error
	kept := way == "down" || way == "redo"
	switch way {
	case "up":
		p.Migration(p.version, text(failed...))
	case "atomic":
		p.Migration(p.version, text(statements...))
		p.Migration(p.version+1, text("INSERT INTO {db}.nowhere VALUES (1)"))
	case "down":
		p.Migration(p.version, "SELECT 1;\n--down\n"+text(failed...))
	case "redo":
		p.Migration(p.version, "SELECT to_int32(x) FROM gate;\n--down\n"+text(statements...))
	}
	if kept {
		if err := p.up(); err != nil {
			p.T.Fatalf("%s: %v", statements, err)
		}
	}
	if way == "redo" {
		p.SQL(p.T, "INSERT INTO gate VALUES ('no number')")
		was = p.print()
	}
	healthy, theirs, did, depends := p.srv, was, false, false
	at, later := hand.moment(statements)
	p.meanwhile(p.names.Replace(at), later, func() {
		for _, s := range hand.statements {
			s = strings.NewReplacer("{mark}", mark, "{number}", mark[1:]).Replace(s)
			code, _ := p.Err(p.T, p.names.Replace(s))
			did = did || code == 0
			if p.twin != nil && code == 0 {
				code, _ = p.twin.Err(p.T, p.twin.names.Replace(s))
				depends = depends || code != 0
			}
		}
		theirs = p.print()
	})
	marked := func(lines []string) []string {
		return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, mark[1:]) })
	}
	m := p.migrator(Options{PlanOptions: PlanOptions{Atomic: way == "atomic"}})
	switch way {
	case "down":
		err = m.Down(p.T.Context(), 0, true)
	case "redo":
		err = m.Redo(p.T.Context())
	default:
		err = m.Up(p.T.Context())
	}
	_ = m.Close()
	p.srv = healthy
	if !kept {
		p.RemoveMigration(p.version)
		if way == "atomic" {
			p.RemoveMigration(p.version + 1)
		}
	}
	report := fmt.Sprintf("%v\n%s", err, p.said())
	now = p.print()
	if p.takes || strings.Contains(strings.Join(statements, " "), "nextval(") { // values that were taken are not given back
		theirs, was = took(theirs, now), took(was, now)
	}
	left := now
	if strings.Contains(strings.Join(statements, " "), "IF NOT EXISTS") { // it gives what has no owner one, for good
		theirs, was, left = ownerless(theirs), ownerless(was), ownerless(now)
	}
	var run *RunError
	var refused *PlanError
	exit := "no error"
	switch {
	case errors.As(err, &run):
		exit = fmt.Sprint("exit ", int(run.ExitCode()))
	case errors.As(err, &refused) && refused.Kind == plan.Irreversible:
		exit = "irreversible"
	case errors.As(err, &refused):
		exit = "refused"
	}
	p.tally[exit]++
	p.tally["statements"] += len(statements)
	if run != nil && strings.Contains(run.Error(), "nowhere") {
		p.tally["reached the end"]++
	}
	if way == "redo" {
		p.SQL(p.T, "TRUNCATE TABLE gate")
		defer func() { now = p.print() }()
	}
	if hand.when != first && !did { // it was refused: all is as it was
		theirs = was
	}
	lost := len(marked(theirs)) > 0 && len(marked(now)) == 0
	if did {
		p.tally["second hands"]++
		p.tally["that left a name"] += min(len(marked(theirs)), 1)
	}
	if did && hand.gone != "" && exit != "exit 4" && exit != "no error" {
		if code, _ := p.Err(p.T, p.names.Replace(hand.gone)); code == 0 && len(p.SQL(p.T, p.names.Replace(hand.gone))) > 0 {
			return now, fmt.Sprintf("%s, and what they took away is back: %s", exit, report)
		}
	}
	switch d := cmp.Diff(theirs, left); {
	case exit == "exit 4" && len(hand.statements) > 0:
		p.must(p.recover(MarkRolledBack, "for the test"))
		silent := ""
		switch {
		case hand.when == first:
			silent = p.unnamed(theirs, now, report)
		case lost:
			silent = p.unnamed(marked(theirs), now, report)
		}
		if silent != "" {
			return now, fmt.Sprintf("exit 4 that does not name %s: %v\n%s", silent, err, p.said())
		}
	case hand.when != first && did && exit != "no error":
		if lost {
			return now, fmt.Sprintf("%s that lost %q: %s\n%s", exit, marked(theirs), report, d)
		}
		if d := p.apart(); d != "" {
			return now, fmt.Sprintf("%s with a difference (-what they alone would have left +what is left; theirs needed ours: %t): %s\n%s",
				exit, depends, report, d)
		}
	case exit == "exit 4", exit == "no error":
		return now, fmt.Sprintf("%s: %s\n%s", exit, report, d)
	case d != "":
		return now, fmt.Sprintf("%s with a difference (-before +after): %s\n%s", exit, report, d)
	}
	if exit == "exit 4" && p.twin != nil {
		return now, again
	}
	return now, ""
}

// apart is how the catalogue differs from its twin, in which another session alone did what it did here meanwhile.
func (p *proofWorld) apart() string {
	if p.twin == nil {
		return ""
	}
	// Times, and the names that the engine gives to files.
	passing := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+|data_[-_0-9a-f]+`)
	look := func(p *proofWorld) []string {
		q := *p
		q.isTwin, q.columns = true, map[string]string{}
		out := q.print()
		for i, l := range out {
			l = strings.ReplaceAll(l, p.Prefix, "{prefix}")
			out[i] = passing.ReplaceAllString(strings.ReplaceAll(l, p.Database, "{db}"), "then")
		}
		slices.Sort(out)
		return out
	}
	theirs, now := look(p.twin), look(p)
	return cmp.Diff(took(theirs, now), now)
}

// ownerless is a catalogue's lines, but for who owns a table or view that has no owner or the usual one.
func ownerless(lines []string) []string {
	out := slices.Clone(lines)
	for i, l := range out {
		if strings.HasPrefix(l, "tables ") || strings.HasPrefix(l, "views ") {
			out[i] = strings.NewReplacer(" | NULL", "", " | account_admin", "").Replace(l)
		}
	}
	slices.Sort(out)
	return out
}

// took is was, with the values that sequences have in now.
func took(was, now []string) []string {
	values := map[string]string{}
	for _, l := range now {
		if f := strings.Split(l, " | "); strings.HasPrefix(l, "sequence ") {
			values[f[0]] = f[1]
		}
	}
	out := slices.Clone(was)
	for i, l := range out {
		if f := strings.Split(l, " | "); strings.HasPrefix(l, "sequence ") && values[f[0]] != "" {
			f[1] = values[f[0]]
			out[i] = strings.Join(f, " | ")
		}
	}
	return out
}

// unnamed is a line that is in one and not in the other and none of whose names the report says.
func (p *proofWorld) unnamed(was, now []string, report string) string {
	for _, pair := range [][2][]string{{was, now}, {now, was}} {
		for _, line := range pair[0] {
			if slices.Contains(pair[1], line) {
				continue
			}
			named := slices.ContainsFunc(strings.FieldsFunc(line, func(r rune) bool {
				return strings.ContainsRune(" |`.'\"()",
					r)
			}), func(f string) bool {
				return f != "" && f != p.Database && strings.Contains(report, f)
			})
			if !named {
				return line
			}
		}
	}
	return ""
}

// hand is what another session does during a run, and when.
type hand struct {
	statements []string
	gone       string // a query that finds nothing when they are done
	when       moment
	nth        int // the statement of ours before which it comes, or the request behind the failure
}

// moment is when a second hand comes.
type moment int

const (
	first   moment = iota // behind the plan's reading, before any statement of ours
	between               // two statements of ours, or behind the last
	marked                // a mark and its statement
	restore               // two requests of the rollback
)

// moment is the text of the request before which it comes, and how many requests later.
func (h hand) moment(ours []string) (text string, later int) {
	switch h.when {
	case marked:
		text, _ := json.Marshal(ours[h.nth%len(ours)])
		return strings.Trim(string(text), `"`), 0
	case restore:
		return "INSERT INTO {db}.nowhere", 1 + h.nth
	}
	return "SELECT 'now'", 0
}

// proof plays random rounds, twenty in each of random catalogues. second gives what another session does meanwhile.
func proof(t *testing.T, stream uint64, second func(p *proofWorld) hand) {
	tally, bad, more := map[string]int{}, 0, true
	next, stop := iter.Pull(databendtest.Rounds(t, 5, 3000))
	defer stop()
	for seed := databendtest.Seed(); more && bad < 40; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := newProofWorld(t, rand.New(rand.NewPCG(seed, stream)), settings[stream])
			p.tally = tally
			made := p.make(p.setup())
			p.takes = strings.Contains(strings.Join(made, " "), "nextval(")
			if stream == 23 {
				p.twin = newProofWorld(t, nil, settings[stream])
				p.twin.make(made)
			}
			was := p.print()
			for round := range 20 {
				if _, more = next(); !more {
					return
				}
				statements, way, theirs := p.round(second)
				now, wrong := p.play(was, statements, way, theirs)
				if wrong == again {
					return
				}
				if wrong != "" { // what it left would be found again
					bad++
					t.Errorf("BAD seed %d round %d, %s:\n  %s\n  -- theirs\n  %v\n%s\nof\n  %s",
						seed, round, way, strings.Join(statements, ";\n  "), theirs, wrong, strings.Join(made, ";\n  "))
					return
				}
				was = now
			}
		})
	}
	t.Logf("%v, %d bad", tally, bad)
}

// make runs the statements of a setup and returns those that the engine took.
func (p *proofWorld) make(setup []string) (made []string) {
	for _, s := range setup {
		if code, _ := p.Err(p.T, p.names.Replace(s)); code == 0 {
			made = append(made, s)
		}
	}
	return made
}

// round draws what a round plays.
func (p *proofWorld) round(second func(p *proofWorld) hand) (statements []string, way string, theirs hand) {
	for range 1 + p.IntN(3) {
		statements = append(statements, p.statement())
	}
	way = p.one(ways...)
	p.tally["rounds"]++
	if second == nil {
		return statements, way, theirs
	}
	theirs = second(p)
	if theirs.when == between {
		return slices.Insert(statements, theirs.nth%(len(statements)+1), "SELECT 'now'"), way, theirs
	}
	return slices.Insert(statements, 0, "SELECT 'now'"), "up", theirs
}

// again is what play says of a round after which its catalogue is no longer what its twin is.
const again = "again"

// TestProofStatements lets random statements over all kinds be undone. DBCTL_PROOF_SEED chooses the first catalogue.
func TestProofStatements(t *testing.T) {
	t.Parallel()
	proof(t, 21, nil)
}

// TestProofSecondHand lets another session do random things to the same objects after a run has read them and before it writes:
// what they did is there at the end, or what became of it is named.
func TestProofSecondHand(t *testing.T) {
	t.Parallel()
	proof(t, 22, func(p *proofWorld) hand {
		h := hand{statements: []string{p.statement()}, when: first}
		if p.IntN(2) == 0 {
			h.statements = append(h.statements, p.statement())
		}
		return h
	})
}

// TestProofSecondHandMeanwhile lets another session do it at any moment of the run and of its rollback: between two statements, between a
// mark and its statement, between two requests of the restore. What it does then is judged by the name that it leaves: `make proof` alone
// runs it.
func TestProofSecondHandMeanwhile(t *testing.T) {
	t.Parallel()
	if !databendtest.Full() {
		t.Skip("part of make proof")
	}
	proof(t, 23, func(p *proofWorld) hand {
		theirs, gone := p.theirs()
		return hand{statements: []string{theirs}, gone: gone, when: moment(1 + p.IntN(3)), nth: p.IntN(16)}
	})
}
