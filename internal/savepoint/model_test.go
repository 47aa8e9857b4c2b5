package savepoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// round is one random migration: what is there, what it runs, what goes wrong.
type round struct {
	setup      []string
	statements []string
	maybe      bool           // the last statement's answer is lost
	ran        bool           // it ran all the same
	crashes    []crashAt      // restores that are killed
	foreign    map[int]string // what another session does right before a statement
}

// crashAt kills a restore at its nth writing request, before it is sent or after it was answered.
type crashAt struct {
	at    int
	after bool
}

func (r round) String() string {
	var b strings.Builder
	for _, s := range r.setup {
		fmt.Fprintf(&b, "  %s;\n", s)
	}
	b.WriteString("  -- migration\n")
	for i, s := range r.statements {
		if f := r.foreign[i]; f != "" {
			fmt.Fprintf(&b, "  %s; -- another session\n", f)
		}
		fmt.Fprintf(&b, "  %s;\n", s)
	}
	fmt.Fprintf(&b, "  -- maybe %v, ran %v, crashes %v\n", r.maybe, r.ran, r.crashes)
	return b.String()
}

var (
	modelNames   = []string{"ta", "tb", "tc", "td", "te"}
	modelColumns = []string{"a", "b", "c", "d", "e"}
	modelTypes   = []string{"int", "bigint", "string", "decimal(10, 2)", "int not null default 7", "string default 'it''s'", "array(int)", "date"}
)

// dice throws, and knows roughly what is under each name: "table", "view" or "".
type dice struct {
	*rand.Rand
	is map[string]string
}

func newDice(seed, stream uint64) dice {
	return dice{rand.New(rand.NewPCG(seed, stream)), map[string]string{}}
}

func (d dice) one(of []string) string { return of[d.IntN(len(of))] }
func (d dice) column() string         { return d.one(modelColumns) }

// table is a name, most often of something that is what.
func (d dice) table(what string) string {
	for range 6 {
		if t := d.one(modelNames); d.is[t] == what {
			return t
		}
	}
	return d.one(modelNames)
}

// learn follows a statement.
func (d dice) learn(sql string) {
	e := effect.Analyze(sql, "")
	writes := e.Writes
	for i, w := range writes {
		switch w.Verb {
		case effect.Create, effect.Replace, effect.Undrop:
			d.is[w.Name] = "table"
			if strings.Contains(e.Kind, "VIEW") {
				d.is[w.Name] = "view"
			}
		case effect.CreateNew:
			if d.is[w.Name] == "" {
				d.is[w.Name] = "table"
			}
		case effect.Drop:
			d.is[w.Name] = ""
		case effect.RenameIn:
			if from := writes[i-1].Name; d.is[w.Name] == "" {
				d.is[w.Name], d.is[from] = d.is[from], ""
			}
		}
	}
}

func (d dice) columns() string {
	n := 2 + d.IntN(3)
	parts := []string{"a int"}
	for i := 1; i < n; i++ {
		c := modelColumns[i] + " " + d.one(modelTypes)
		if d.IntN(3) == 0 {
			c += " comment 'c" + strconv.Itoa(d.IntN(9)) + "'"
		}
		parts = append(parts, c)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// statement gives a random one. Some fail on what happens to be there; those count as not reached.
func (d dice) statement() string {
	c, e, n := d.column(), d.column(), d.IntN(100)
	t, u := d.table("table"), d.table("table")
	free, view := d.table(""), d.table("view")
	forms := []func() string{
		func() string { return fmt.Sprintf("create table %s %s", free, d.columns()) },
		func() string { return fmt.Sprintf("create table %s as select %d a, 'x' b", free, n) },
		func() string { return fmt.Sprintf("create or replace table %s %s", t, d.columns()) },
		func() string { return fmt.Sprintf("create or replace table %s as select * from %s", t, u) },
		func() string { return fmt.Sprintf("create or replace table %s as select %d a, 'y' b", t, n) },
		func() string { return fmt.Sprintf("create table if not exists %s %s", t, d.columns()) },
		func() string { return fmt.Sprintf("create table %s like %s", free, u) },
		func() string { return fmt.Sprintf("create transient table %s %s", free, d.columns()) },
		func() string { return "drop table " + t },
		func() string { return "drop table if exists " + t },
		func() string { return "drop table " + t + " all" },
		func() string { return "drop view " + view },
		func() string { return "undrop table " + free },
		func() string { return fmt.Sprintf("alter table %s rename to %s", t, free) },
		func() string { return fmt.Sprintf("rename table %s to %s", t, free) },
		func() string { return fmt.Sprintf("alter table %s swap with %s", t, u) },
		func() string { return fmt.Sprintf("create view %s as select a from %s", free, u) },
		func() string { return fmt.Sprintf("create or replace view %s as select %d a", t, n) },
		func() string { return fmt.Sprintf("alter view %s as select %d a, %d b", view, n, n+1) },
		func() string { return fmt.Sprintf("alter table %s add column %s %s", t, c, d.one(modelTypes)) },
		func() string { return fmt.Sprintf("alter table %s add column %s int first", t, c) },
		func() string { return fmt.Sprintf("alter table %s add column %s string after %s", t, c, e) },
		func() string { return fmt.Sprintf("alter table %s drop column %s", t, c) },
		func() string { return fmt.Sprintf("alter table %s drop column %s", t, c) },
		func() string { return fmt.Sprintf("alter table %s rename column %s to %s", t, c, e) },
		func() string { return fmt.Sprintf("alter table %s modify column %s %s", t, c, d.one(modelTypes)) },
		func() string { return fmt.Sprintf("alter table %s modify column %s string comment 'm%d'", t, c, n) },
		func() string { return fmt.Sprintf("alter table %s modify column %s comment 'n%d'", t, c, n) },
		func() string { return fmt.Sprintf("alter table %s comment = 'it''s %d'", t, n) },
		func() string { return fmt.Sprintf("alter table %s set options (block_per_segment = %d)", t, 10+n) },
		func() string { return fmt.Sprintf("alter table %s unset options (block_per_segment)", t) },
		func() string { return fmt.Sprintf("alter table %s cluster by (%s)", t, c) },
		func() string { return fmt.Sprintf("alter table %s drop cluster key", t) },
		func() string { return fmt.Sprintf("alter table %s add constraint k%d check (%s > 0)", t, n%3, c) },
		func() string { return fmt.Sprintf("alter table %s drop constraint k%d", t, n%3) },
		func() string { return fmt.Sprintf("create inverted index i%d on %s(%s)", n%3, t, c) },
		func() string { return fmt.Sprintf("create ngram index g%d on %s(%s) gram_size = 3", n%3, t, c) },
		func() string { return fmt.Sprintf("drop inverted index i%d on %s", n%3, t) },
		func() string { return fmt.Sprintf("drop ngram index g%d on %s", n%3, t) },
		func() string { return "truncate table " + t },
		func() string { return fmt.Sprintf("delete from %s where a > %d", t, n%5) },
		func() string { return "delete from " + t },
		func() string { return fmt.Sprintf("update %s set a = a + 1", t) },
		func() string { return fmt.Sprintf("insert into %s (a) values (%d), (%d)", t, n, n) },
		func() string { return fmt.Sprintf("insert into %s (a) values (%d)", t, n) },
		func() string { return fmt.Sprintf("insert into %s select * from %s", t, u) },
		func() string { return fmt.Sprintf("insert overwrite %s (a) values (%d)", t, n) },
		func() string { return fmt.Sprintf("replace into %s (a) on (a) values (%d)", t, n%5) },
		func() string {
			return fmt.Sprintf("merge into %s using (select %d z) s on %s.a = s.z when matched then delete when not matched then insert (a) values (s.z)", t, n%5, t)
		},
		func() string { return "analyze table " + t },
		func() string { return fmt.Sprintf("optimize table %s compact", t) },
	}
	return forms[d.IntN(len(forms))]()
}

// newRound makes a round of a seed.
func newRound(seed uint64) round {
	d := newDice(seed, 7)
	var r round
	for _, t := range modelNames {
		switch d.IntN(8) {
		case 0:
			continue
		case 1:
			r.setup = append(r.setup, fmt.Sprintf("create view %s as select %d a", t, d.IntN(9)))
			continue
		case 2: // dropped ones of the same name
			r.setup = append(r.setup, "create table "+t+" (a int)", "drop table "+t, "create table "+t+" (a int)", "insert into "+t+" values (99)", "drop table "+t)
		}
		r.setup = append(r.setup, "create table "+t+" "+d.columns()+d.one([]string{"", "", " comment = 'tt'", " cluster by (a)", " block_per_segment = 77"}))
		for range d.IntN(3) {
			r.setup = append(r.setup, fmt.Sprintf("insert into %s (a) values (%d), (%d)", t, d.IntN(5), d.IntN(5)))
		}
		if d.IntN(4) == 0 {
			r.setup = append(r.setup, fmt.Sprintf("alter table %s add constraint k0 check (a >= 0)", t))
		}
	}
	for _, s := range r.setup {
		d.learn(s)
	}
	for range 1 + d.IntN(12) {
		s := d.statement()
		d.learn(s)
		r.statements = append(r.statements, s)
	}
	r.maybe, r.ran = d.IntN(3) == 0, d.IntN(2) == 0
	for range d.IntN(4) {
		r.crashes = append(r.crashes, crashAt{at: 1 + d.IntN(10), after: d.IntN(2) == 0})
	}
	return r
}

var errCrash = errors.New("killed")

// crashing ends a restore at a request that writes: what it does between two of them is as if it had not been.
type crashing struct {
	Conn
	crashAt
	n int
}

func (c *crashing) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if c.n >= c.at {
		return databend.Result{}, errCrash
	}
	return c.Conn.Query(ctx, st)
}

func (c *crashing) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if c.n++; c.n > c.at || c.n == c.at && !c.after {
		return databend.Result{}, errCrash
	}
	res, err := c.Conn.Exec(ctx, st)
	if c.n == c.at {
		return databend.Result{}, errCrash
	}
	return res, err
}

// play runs a round in a database of its own and says what is wrong, "" when nothing is.
func (r *rig) play(t testing.TB, ro round, stats *tally) string {
	t.Helper()
	stats.rounds++
	db := fmt.Sprintf("%s_r%d", r.db(), stats.rounds)
	r.env.SQL(t, "create database "+db)
	defer r.env.SQL(t, "drop database "+db)
	old := r.env.Database
	r.env.Database = db
	defer func() { r.env.Database = old }()
	exec := func(s *databend.Session, sql string) error {
		_, err := s.Exec(t.Context(), databend.Statement{SQL: sql})
		return err
	}
	for _, s := range []*databend.Session{r.work, r.foreign} {
		if err := exec(s, "use "+db); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range ro.setup {
		_ = exec(r.foreign, s) // a constraint may not fit; what is there counts
	}
	r.capture(ro.statements)
	was := r.look()
	theirs := map[string][]string{} // captured table → values that another session added
	for i, s := range ro.statements {
		last := i == len(ro.statements)-1
		st := r.mark(s, r.now())
		if f := ro.foreign[i]; f != "" {
			r.strange(f, was, theirs)
		}
		if last && ro.maybe && !ro.ran {
			r.reached = append(r.reached, st)
			break
		}
		if err := r.execute(&st, s, i); err != nil {
			if databend.IsUnknownOutcome(err) {
				t.Fatal(err)
			}
			continue
		}
		stats.statements++
		r.reached = append(r.reached, st)
	}
	if f := ro.foreign[len(ro.statements)]; f != "" {
		r.strange(f, was, theirs)
	}
	for _, c := range ro.crashes {
		conn := &crashing{Conn: r.books, crashAt: c}
		_, err := Restore(t.Context(), conn, r.before, r.reached, Options{Run: "model"})
		if err != nil && !errors.Is(err, errCrash) {
			return fmt.Sprintf("restore: %v", err)
		}
		if err != nil {
			stats.crashes++
			_ = exec(r.books, "rollback") // the engine ends the transaction of a client that is gone
		}
	}
	before := r.server.Requests()
	rep, err := Restore(t.Context(), r.books, r.before, r.reached, Options{Run: "model"})
	stats.requests += r.server.Requests() - before
	if err != nil {
		return fmt.Sprintf("restore: %v", err)
	}
	if wrong := r.compare(was, r.look(), theirs, rep, stats); wrong != "" {
		return wrong
	}
	count := &counting{Conn: r.books}
	if _, err := Restore(t.Context(), count, r.before, r.reached, Options{Run: "model"}); err != nil {
		return fmt.Sprintf("second restore: %v", err)
	}
	if len(count.writes) > 0 {
		return fmt.Sprintf("second restore wrote %v", count.writes)
	}
	return ""
}

// strange lets another session insert a value, and notes the captured table that got it.
func (r *rig) strange(sql string, was map[string]string, theirs map[string][]string) {
	if _, err := r.foreign.Exec(r.t.Context(), databend.Statement{SQL: sql}); err != nil {
		return
	}
	var table, value string
	if _, err := fmt.Sscanf(sql, "insert into %s (a) values (%s", &table, &value); err != nil {
		r.t.Fatal(err)
	}
	id := r.rows("select to_string(table_id) from system.tables where name = '" + table + "' and database = '" + r.db() + "'")[0][0]
	for t, text := range was { // one that the migration made may lose it to the migration's own statements
		if strings.HasPrefix(text, "id "+id+"\n") {
			theirs[t] = append(theirs[t], strings.TrimSuffix(value, ")"))
		}
	}
}

// compare says what is not as it was, but for what others did.
func (r *rig) compare(was, now map[string]string, theirs map[string][]string, rep Report, stats *tally) string {
	kept := map[string]bool{}
	for _, o := range rep.Outcomes {
		if o.Result == Differs {
			return fmt.Sprintf("the report says %+v", rep.Outcomes)
		}
		if o.Result == Kept {
			kept[o.Object.Name] = true
			stats.kept++
		}
	}
	for k := range now { // what was put aside holds rows of others
		if strings.HasPrefix(k, catalog.ParkedPrefix) && kept[strings.Fields(k)[0]] {
			delete(now, k)
		}
	}
	for t, values := range theirs {
		stats.theirs += len(values)
		rows := strings.Split(now[t+" rows"], "\n")
		for _, v := range values {
			i := slices.IndexFunc(rows, func(s string) bool { return slices.Contains(strings.Split(s, "|"), v) })
			if i < 0 && !kept[t] {
				return fmt.Sprintf("row %s of another session in %s is lost: %q; report %+v", v, t, rows, rep.Outcomes)
			}
			if i >= 0 {
				rows = slices.Delete(rows, i, i+1)
			}
		}
		now[t+" rows"] = strings.Join(rows, "\n")
		for _, m := range []map[string]string{was, now} { // its head moved
			m[t] = headLine.ReplaceAllString(m[t], "")
		}
	}
	for t := range kept {
		for _, m := range []map[string]string{was, now} {
			for k := range m {
				if strings.Fields(k)[0] == t {
					delete(m, k)
				}
			}
		}
	}
	if d := difference(was, now); d != "" {
		return fmt.Sprintf("state (-before +after):\n%s\nreport: %+v", d, rep.Outcomes)
	}
	if len(theirs) == 0 && !rep.Clean() && stats.foreign == 0 {
		return fmt.Sprintf("all is as before, and the report says %+v", rep.Outcomes)
	}
	return ""
}

var headLine = regexp.MustCompile(`(?m)^head .*$`)

// tally counts what the rounds did.
type tally struct {
	rounds, statements, crashes int
	foreign, theirs, kept       int // rounds with another session, rows of it in captured tables, objects that were kept
	requests                    int64
}

// shrink takes statements and crashes away as long as the round still goes wrong.
func (r *rig) shrink(t testing.TB, ro round, stats *tally) (round, string) {
	wrong := r.play(t, ro, stats)
	if wrong == "" {
		return ro, ""
	}
	for changed := true; changed; {
		changed = false
		try := func(next round) bool {
			if w := r.play(t, next, stats); w != "" {
				ro, wrong, changed = next, w, true
				return true
			}
			return false
		}
		for i := len(ro.crashes) - 1; i >= 0; i-- {
			next := ro
			next.crashes = append(append([]crashAt{}, ro.crashes[:i]...), ro.crashes[i+1:]...)
			try(next)
		}
		for i := range ro.foreign {
			next := ro
			next.foreign = maps.Clone(ro.foreign)
			delete(next.foreign, i)
			try(next)
		}
		for i := len(ro.statements) - 1; i >= 0 && len(ro.statements) > 1; i-- {
			next := ro
			next.statements = append(append([]string{}, ro.statements[:i]...), ro.statements[i+1:]...)
			next.foreign = map[int]string{}
			for k, f := range ro.foreign {
				if k > i {
					k--
				}
				next.foreign[k] = f
			}
			if try(next) && i > len(ro.statements) {
				i = len(ro.statements)
			}
		}
	}
	return ro, wrong
}

// TestModel runs random migrations over a random catalogue, kills the restore at random requests, restores, and compares.
// DBCTL_PROOF_SEED chooses the first.
func TestModel(t *testing.T) {
	t.Parallel()
	model(t, newRound)
}

// TestModelForeign is TestModel with another session that inserts rows between the statements: none of those in a table that was
// there before may be lost, and all else is as before.
func TestModelForeign(t *testing.T) {
	t.Parallel()
	model(t, func(seed uint64) round {
		ro := newRound(seed)
		d := newDice(seed, 8)
		ro.foreign = map[int]string{}
		for i := range len(ro.statements) + 1 {
			if d.IntN(2) == 0 {
				ro.foreign[i] = fmt.Sprintf("insert into %s (a) values (%d)", d.one(modelNames), 100000+1000*i)
			}
		}
		return ro
	})
}

func model(t *testing.T, make func(seed uint64) round) {
	r := newRig(t)
	stats := &tally{}
	seed := databendtest.Seed()
	for range databendtest.Rounds(t, 6, 1000) {
		ro := make(seed)
		for !databendtest.Full() && (len(ro.statements) < 6 || len(ro.crashes) < 2) { // few rounds: those in which much happens
			seed++
			ro = make(seed)
		}
		stats.foreign = len(ro.foreign)
		if wrong := r.play(t, ro, stats); wrong != "" {
			least, what := r.shrink(t, ro, stats)
			t.Fatalf("seed %d: %s\n%s\n\nat first: %s", seed, least, what, wrong)
		}
		seed++
	}
	t.Logf("%d rounds, %d statements, %d crashes, %.1f requests a restore, %d rows of others, %d objects kept", stats.rounds, stats.statements,
		stats.crashes, float64(stats.requests)/float64(stats.rounds), stats.theirs, stats.kept)
}
