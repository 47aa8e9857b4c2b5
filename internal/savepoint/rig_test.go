package savepoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// rig runs statements as migrate does: captured, seeded, marked, each with the heads read right before it and DML in a
// transaction with its own snapshot and blocks.
type rig struct {
	t       testing.TB
	env     *databendtest.Env
	server  *databend.Server
	work    *databend.Session
	books   *databend.Session
	foreign *databend.Session
	conn    Conn // over books

	before  catalog.State
	reached []blame.Reached

	// beforeStatement runs between the mark and statement i (from 0): another session's moment.
	beforeStatement func(i int)
	inTransaction   func(i int) // between a DML and its COMMIT
}

func newRig(t testing.TB) *rig {
	t.Helper()
	env := databendtest.New(t)
	srv, err := databend.Connect(t.Context(), env.Config)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(srv.Close)
	quiet := map[string]string{"enable_auto_analyze": "0", "enable_compact_after_write": "0"}
	r := &rig{t: t, env: env, server: srv, work: srv.Session(quiet), books: srv.Session(quiet), foreign: srv.Session(nil)}
	r.conn = r.books
	return r
}

// ownOf gives the tables and views in a text names of the case i, so that several cases are put back together.
func ownOf(i int, text string) string {
	return aTable.ReplaceAllString(text, fmt.Sprintf("${0}_%02d", i))
}

var aTable = regexp.MustCompile(`\b([abcghiklnotvw]|agg)\b`)

func (r *rig) db() string { return r.env.Database }

func (r *rig) table(n string) sqltext.Object {
	return catalog.Name{DB: r.db(), Table: n}.Object()
}

// sql runs statements in the foreign session and fails the test on an error.
func (r *rig) sql(statements ...string) {
	r.t.Helper()
	for _, s := range statements {
		if _, err := r.foreign.Exec(r.t.Context(), databend.Statement{SQL: s}); err != nil {
			r.t.Fatalf("%s: %v", s, err)
		}
	}
}

func (r *rig) rows(sql string) [][]string {
	r.t.Helper()
	rows, err := readText(context.WithoutCancel(r.t.Context()), r.foreign, sql) // also in a cleanup
	if err != nil {
		r.t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// readText are the rows of a SELECT as text; NULL reads as "".
func readText(ctx context.Context, c catalog.Conn, sql string) ([][]string, error) {
	rows, err := catalog.Query(ctx, c, sql)
	out := make([][]string, len(rows))
	for i, row := range rows {
		for _, v := range row {
			out[i] = append(out[i], v.String)
		}
	}
	return out, err
}

func effects(db string, statements []string) []effect.Effect {
	out := make([]effect.Effect, len(statements))
	for i, s := range statements {
		out[i] = effect.Analyze(s, db)
	}
	return out
}

// run captures and runs statements up to the first that fails, which it returns the error of.
func (r *rig) run(statements ...string) error {
	r.t.Helper()
	r.capture(statements)
	return r.steps(statements)
}

// run1 runs one more statement, and reads what it left right behind it.
func (r *rig) run1(statement string) error {
	r.t.Helper()
	before, reached := r.before, r.reached
	if err := r.run(statement); err != nil {
		return err
	}
	var err error
	last := &r.reached[len(r.reached)-1]
	if last.Left, err = catalog.Capture(r.t.Context(), r.conn, Objects([]effect.Effect{last.Effect})); err != nil {
		return err
	}
	if len(reached) > 0 {
		r.before = r.before.Merge(before)
	}
	r.reached = append(reached, r.reached...)
	return nil
}

func (r *rig) capture(statements []string) {
	r.t.Helper()
	ctx := r.t.Context()
	r.reached = nil
	var err error
	es := effects(r.db(), statements)
	if r.before, err = catalog.Capture(ctx, r.conn, Objects(es), Indexed(es)...); err != nil {
		r.t.Fatalf("capture: %v", err)
	}
	seed, copies := Changed(r.before, es)
	for _, e := range es { // a model goes on behind a statement that fails, which Changed does not think of
		for _, w := range e.Writes {
			if w.Verb == effect.Alter || w.Verb == effect.WriteData {
				seed = append(seed, w.Object)
			}
		}
	}
	if r.before, err = Seed(ctx, r.conn, r.before, seed); err != nil {
		r.t.Fatalf("seed: %v", err)
	}
	if len(copies) > 0 {
		if r.before, err = Loaded(ctx, r.conn, r.before, copies); err != nil {
			r.t.Fatalf("loaded: %v", err)
		}
	}
}

func (r *rig) steps(statements []string) error {
	now := r.now()
	for i, s := range statements {
		st := r.mark(s, now)
		if r.beforeStatement != nil {
			r.beforeStatement(i)
		}
		err := r.execute(&st, s, i)
		if err != nil {
			if databend.IsUnknownOutcome(err) {
				r.reached = append(r.reached, st)
			}
			return fmt.Errorf("statement %d %s: %w", i+1, s, err)
		}
		now = r.now()
		st.Done = now
		r.reached = append(r.reached, st)
	}
	return nil
}

// now is the server's clock.
func (r *rig) now() time.Time {
	r.t.Helper()
	state, err := catalog.Capture(r.t.Context(), r.conn, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return state.At
}

// mark reads what migrate reads right before a statement, at the server's time now.
func (r *rig) mark(s string, now time.Time) blame.Reached {
	r.t.Helper()
	ctx := r.t.Context()
	st := blame.Reached{Effect: effect.Analyze(s, r.db()), At: now}
	var tables []sqltext.Object
	for _, w := range st.Effect.Writes {
		tables = append(tables, w.Object)
	}
	var err error
	if st.Heads, err = Heads(ctx, r.conn, tables); err != nil {
		r.t.Fatal(err)
	}
	return st
}

func (r *rig) execute(st *blame.Reached, sql string, i int) error {
	ctx := r.t.Context()
	exec := func(sql string) error {
		_, err := r.work.Exec(ctx, databend.Statement{SQL: sql})
		return err
	}
	if !st.Effect.DML {
		return exec(sql)
	}
	if err := exec("BEGIN"); err != nil {
		return err
	}
	res, err := r.work.Exec(ctx, databend.Statement{SQL: sql})
	var own []string
	for _, w := range st.Effect.Writes {
		if err == nil && (res.Affected > 0 || st.Effect.Copy || st.Effect.Commits) {
			var more []string
			more, err = r.written(catalog.NameOf(w.Object))
			own = append(own, more...)
		}
	}
	if err != nil {
		return errors.Join(err, exec("ROLLBACK"))
	}
	if r.inTransaction != nil {
		r.inTransaction(i)
	}
	if err := exec("COMMIT"); err != nil {
		return err
	}
	st.Own = own
	return nil
}

// written is what the open transaction wrote to a table: its snapshot, and the blocks that the snapshot before lacks.
func (r *rig) written(n catalog.Name) ([]string, error) {
	at := sqltext.Quote(n.DB) + ", " + sqltext.Quote(n.Table)
	heads, err := readText(r.t.Context(), r.work, "select snapshot_id, coalesce(previous_snapshot_id, '') from fuse_snapshot("+at+") limit 1")
	if err != nil || len(heads) == 0 {
		return nil, err
	}
	blocks := func(snapshot string) (map[string]bool, error) {
		rows, err := readText(r.t.Context(), r.work, "select block_location from fuse_block("+at+", "+sqltext.Quote(snapshot)+")")
		out := map[string]bool{}
		for _, b := range rows {
			out[b[0]] = true
		}
		return out, err
	}
	now, err := blocks(heads[0][0])
	was := map[string]bool{}
	if err == nil && heads[0][1] != "" {
		was, err = blocks(heads[0][1])
	}
	return append([]string{heads[0][0]}, missing(now, was)...), err
}

// restore restores and fails the test on an error.
func (r *rig) restore() Report {
	r.t.Helper()
	rep, err := Restore(r.t.Context(), r.conn, r.before, r.reached, Options{Run: "test"})
	if err != nil {
		r.t.Fatalf("restore: %v", err)
	}
	return rep
}

// restored checks that everything is as look says, that the report says so, and that a second restore writes nothing.
func (r *rig) restored(was map[string]string) {
	r.t.Helper()
	rep := r.restore()
	if !rep.Clean() {
		r.t.Errorf("report: %+v", rep.Outcomes)
	}
	if d := difference(was, r.look()); d != "" {
		r.t.Errorf("state after the restore (-before +after):\n%s", d)
	}
	r.again(rep)
	if left := r.leftovers(); len(left) > 0 {
		r.t.Errorf("leftovers %v", left)
	}
}

// leftovers are those of the test's own database: databases put aside are listed for the whole account.
func (r *rig) leftovers() []string {
	r.t.Helper()
	left, err := Leftovers(r.t.Context(), r.conn, r.db())
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.DeleteFunc(left, func(s string) bool { return !strings.HasPrefix(s, r.db()+".") })
}

// difference compares two looks. An owner that a view did not have cannot be taken away again: CREATE … IF NOT EXISTS over it gives
// it one.
func difference(was, now map[string]string) string {
	for k := range now {
		if _, had := was[k]; strings.HasSuffix(k, " owner") && !had {
			delete(now, k)
		}
	}
	return cmp.Diff(was, now)
}

// again restores a second time: it must write nothing and say the same.
func (r *rig) again(first Report) {
	r.t.Helper()
	count := &counting{Conn: r.conn}
	rep, err := Restore(r.t.Context(), count, r.before, r.reached, Options{Run: "test"})
	if err != nil {
		r.t.Fatalf("second restore: %v", err)
	}
	if len(count.writes) > 0 {
		r.t.Errorf("second restore wrote %v", count.writes)
	}
	if rep.Clean() != first.Clean() {
		r.t.Errorf("second restore says %+v, the first said %+v", rep.Outcomes, first.Outcomes)
	}
}

// counting notes what is written.
type counting struct {
	Conn
	writes []string
}

func (c *counting) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	c.writes = append(c.writes, st.SQL)
	return c.Conn.Exec(ctx, st)
}

var volatileOption = regexp.MustCompile(` ?(SNAPSHOT_LOCATION|CHANGE_TRACKING_BEGIN_VER|QUERY|CLUSTER_TYPE)='[^']*'`)

// look is the state of the test's database by other means than Capture's: SHOW CREATE, rows, ids, heads.
func (r *rig) look() map[string]string { return r.lookAt(r.db()) }

func (r *rig) lookAt(db string) map[string]string {
	r.t.Helper()
	out := map[string]string{}
	in := " where database = " + sqltext.Quote(db)
	put := func(key, value string) {
		if out[key] != "" {
			value = out[key] + "\n" + value
		}
		out[key] = value
	}
	for _, t := range r.rows("select name, to_string(table_id), engine, comment, cluster_by, table_option, coalesce(owner, '') from system.tables" + in) {
		n := catalog.Name{DB: db, Table: t[0]}
		out[t[0]] = strings.Join([]string{"id " + t[1], t[2], "comment " + t[3], "cluster " + t[4], "head " + catalog.Head(t[5]), volatileOption.ReplaceAllString(t[5], "")}, "\n")
		if t[6] != "" {
			out[t[0]+" owner"] = t[6]
		}
		if create, err := readText(r.t.Context(), r.foreign, "show create table "+n.SQL()); err != nil {
			out[t[0]+" ddl"] = err.Error()
		} else {
			out[t[0]+" ddl"] = create[0][1]
		}
		if t[2] == "VIEW" {
			continue
		}
		var rows []string
		if data, err := readText(r.t.Context(), r.foreign, "select * from "+n.SQL()); err != nil {
			out[t[0]+" rows"] = err.Error()
		} else {
			for _, d := range data {
				rows = append(rows, strings.Join(d, "|"))
			}
			slices.Sort(rows)
			out[t[0]+" rows"] = strings.Join(rows, "\n")
		}
	}
	for _, c := range r.rows("select `table`, name || ' ' || type || ' ' || default_expression || ' ' || is_nullable || ' ' || comment from system.columns" + in) {
		put(c[0]+" columns", c[1])
	}
	for _, x := range r.rows("select `table`, name, type, definition from system.indexes" + in) {
		if x[2] == "AGGREGATING" && !strings.Contains(x[3], db) { // of a dropped database, shown for any
			continue
		}
		out[x[0]+" index "+x[1]] = x[2] + " " + x[3]
	}
	if cs, err := readText(r.t.Context(), r.foreign, "select `table`, name, expression from system.constraints"+in); err != nil {
		out["constraints"] = err.Error()
	} else {
		for _, x := range cs {
			out[x[0]+" constraint "+x[1]] = x[2]
		}
	}
	return out
}

// missing are those of a that b has not.
func missing(a, b map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(a)), func(k string) bool { return b[k] })
}
