// Package preflight proves before a run what can be proved without running it: that the server reads each pending statement and each
// load, that the names they need are there or will be by then, that secrets have values, and that loads fit the tables as they will be.
//
// It takes the plan as a value. What the server has of the names is read once (warehouse.go) and the pending statements are folded
// over it (package schema), so that a table which version 7 makes is there for version 8. What nobody can know is not said: after a
// statement of unknown effect a missing name is no mistake.
package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/lint"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Input is what is checked, and who is asked.
type Input struct {
	Project *project.Project
	Steps   []plan.Step // what would run, in order
	Server  *databend.Server
	Secrets func(ctx context.Context, names []string) (secret.Set, error)
}

// Check returns all that is sure to fail, joined: *plan.Error and, of the server's own words, *databend.Error. Any other error is of the
// way to the server.
func Check(ctx context.Context, in Input) error {
	c := &checker{in: in, database: in.Project.Env.Database}
	w := &c.warehouse
	tasks := append(w.reads(c.names()), c.syntax()...)
	if err := c.run(ctx, tasks); err != nil {
		return err
	}
	if err := c.run(ctx, c.fold(w.schema())); err != nil {
		return err
	}
	c.secrets(ctx)
	return c.joined()
}

// checker collects what is wrong.
type checker struct {
	in        Input
	database  string
	warehouse warehouse

	mu     sync.Mutex
	wrong  []error
	unread []project.Statement // that the server cannot read: what one would have made is not known, and nothing that it names is missed
}

// joined is what was found, in the order of the files.
func (c *checker) joined() error {
	slices.SortStableFunc(c.wrong, func(a, b error) int { return sqltext.PlaceOf(a).Compare(sqltext.PlaceOf(b)) })
	return errors.Join(slices.CompactFunc(c.wrong, func(a, b error) bool { // the server says of a place what we have said
		at := sqltext.PlaceOf(a)
		return at.File != "" && at == sqltext.PlaceOf(b)
	})...)
}

func (c *checker) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, err)
}

func (c *checker) at(st project.Statement, offset int, msg, hint string) {
	c.add(plan.WouldFail(st.At(offset), msg, hint))
}

// task is one question to the server.
type task func(context.Context, *databend.Session) error

// lanes is how many questions are asked beside each other: a warehouse is often 60 ms away.
const lanes = 8

// run asks the server, several questions at a time, each lane on a session of its own.
func (c *checker) run(ctx context.Context, tasks []task) error {
	if len(tasks) == 0 {
		return nil
	}
	next := make(chan task, len(tasks))
	for _, t := range tasks {
		next <- t
	}
	close(next)
	var wait sync.WaitGroup
	failed := make([]error, min(lanes, len(tasks)))
	for i := range failed {
		wait.Go(crash.Caught(func() {
			session := c.in.Server.Session(nil)
			defer session.Close()
			for t := range next {
				if failed[i] = t(ctx, session); failed[i] != nil {
					return
				}
			}
		}))
	}
	wait.Wait()
	return errors.Join(failed...)
}

// question is an EXPLAIN of a statement, or of the query that begins at from in it, with what has to stand before and behind it.
type question struct {
	before string
	from   int
	to     int // 0: the statement's end
	behind string
	load   bool   // of a load, which makes nothing
	within string // the database whose name is left out: its tables stand before the query

	columns []string      // of the tables that it reads, as they will be
	makes   *define.Table // what the statement says of a table's columns
}

// ask sends a question about a statement, and takes what the server has against it for what is wrong.
func (c *checker) ask(q question, st project.Statement, counts func(error) bool) task {
	return func(ctx context.Context, session *databend.Session) error {
		sql := st.SQL[:cmp.Or(q.to, len(st.SQL))]
		if q.within != "" {
			sql = define.Unqualified(sql, q.within)
		}
		ours, at := false, -1 // the server speaks of what we put before it; else where in the statement
		_, err := session.Query(ctx, databend.Statement{
			SQL: q.before + sql[q.from:] + q.behind, Secrets: standIns(sql), Place: st.At(q.from), Reads: true,
			At: func(offset int) sqltext.Place {
				ours, at = offset < len(q.before), min(max(q.from, q.from+offset-len(q.before)), len(st.SQL))
				return st.At(at)
			},
		})
		e, ok := errors.AsType[*databend.Error](err)
		switch {
		case err == nil:
		case !ok || e.Code == 0:
			return err
		case counts(err) && !(ours && q.from > 0) && !c.unknownType(st, q.makes):
			if e.Code == databend.CodeSyntax && !q.load {
				c.mu.Lock()
				c.unread = append(c.unread, st)
				c.mu.Unlock()
			}
			own := *e
			own.SQL = sqltext.Mask(st.SQL)
			if at >= 0 {
				own.PlaceAt(databend.Statement{SQL: st.SQL, At: st.At}, at)
			}
			if name := define.NameAt(st.SQL, at); databend.IsCode(err, databend.CodeUnknownColumn, databend.CodeSemantic) && name != "" {
				if len(q.columns) > 0 {
					own.Advice = project.DidYouMean(name, q.columns, "the columns are "+strings.Join(q.columns, ", "))
				}
			}
			c.add(&own)
		}
		return nil
	}
}

// standIns are what a question holds in the place of secrets: EXPLAIN would echo their values.
func standIns(sql string) secret.Set {
	names, _ := sqltext.SecretNames(sql)
	set := secret.Set{}
	for _, name := range names {
		set[name] = secret.New("x")
	}
	return set
}

// unknownType reports the types of a refused statement that Databend does not have, in fewer words than the server's list of all types.
func (c *checker) unknownType(st project.Statement, makes *define.Table) bool {
	found := false
	lint.CheckTypes(makes, func(at int, message, hint string) {
		found = true
		c.at(st, at, message, hint)
	})
	return found
}

// syntax lets the server read each pending statement and each load's, but those with a key written by hand, which EXPLAIN would echo, and
// those that EXPLAIN does not take.
func (c *checker) syntax() []task {
	var tasks []task
	for i := range c.in.Project.Loads {
		l := &c.in.Project.Loads[i]
		for _, st := range l.Statements() {
			if len(sqltext.SecretLiterals(st.SQL)) == 0 {
				tasks = append(tasks, c.ask(question{before: "EXPLAIN SYNTAX ", load: true}, st, misread))
			}
		}
		// A TYPE alone, without quotes, is read with the rest.
		o, ok := l.Copy.Option("FILE_FORMAT")
		if named := l.Copy.Format(); ok && named["FORMAT_NAME"] == "" && (len(named) != 1 || strings.Contains(o.Value, "'")) {
			format := question{before: "EXPLAIN CREATE FILE FORMAT f ", load: true, from: o.Span[1] - len(o.Value) + 1, to: o.Span[1] - 1}
			tasks = append(tasks, c.ask(format, l.Statement, misfit))
		}
	}
	for _, s := range c.in.Steps {
		for _, st := range s.Statements {
			e := st.Effect
			if e.Txn != "" || e.MovesSession() || e.Script || e.Explain || len(sqltext.SecretLiterals(st.SQL)) > 0 {
				continue
			}
			before := "EXPLAIN SYNTAX "
			if len(e.Writes) > 0 && e.Writes[0].Kind == sqltext.FileFormat {
				before = "EXPLAIN " // which knows what options a type has
			}
			tasks = append(tasks, c.ask(question{before: before, makes: e.Table}, st.Statement, misread))
		}
	}
	return tasks
}

// misread says whether the server's error is of the text, and not that it lacks a variable which the session will have, or that who asks
// may not run it: another user may.
func misread(err error) bool {
	return !databend.IsCode(err, databend.CodeSemantic, databend.CodePermissionDenied)
}

// misfit says whether the server's error is of the options of a format.
func misfit(err error) bool {
	return databend.IsCode(err, databend.CodeSyntax, databend.CodeBadArguments, databend.CodeIllegalFormat)
}

// names are the objects that the pending statements and the loads need or make.
func (c *checker) names() []sqltext.Object {
	var all []sqltext.Object
	for _, s := range c.in.Steps {
		for _, st := range s.Statements {
			all = append(all, st.Effect.Objects()...)
		}
	}
	for i := range c.in.Project.Loads {
		l := &c.in.Project.Loads[i]
		all = append(all, l.Copy.Target(c.database), l.Copy.Source())
		for _, e := range project.Effects(l.Statements(), c.database) {
			all = append(all, schema.Needs(e)...)
		}
	}
	return all
}

// changes are the objects that pending statements make or change, and not only write.
type changes map[sqltext.Object]bool

// to says whether an object is not what the server has, or its database is not.
func (c changes) to(o sqltext.Object) bool {
	return c[o] || c[sqltext.Object{Kind: sqltext.Database, Name: o.Database}]
}

// fold goes through the pending statements in order, and then the loads. It returns what is still to ask: statements whose names are all
// there already, which the server can bind.
func (c *checker) fold(now *schema.Schema) []task {
	var bind []task
	changed := changes{}
	for _, s := range c.in.Steps {
		now.EndSession()
		moved := false // a USE or SET: the statement means something else than on a fresh session
		for _, st := range s.Statements {
			if slices.ContainsFunc(c.unread, func(u project.Statement) bool { return u.Place == st.Place }) {
				continue
			}
			e := st.Effect
			if !now.Opaque() {
				c.present(now, &s, st)
				lint.CheckColumns(now, st.SQL, e, func(at int, message, hint string) { c.at(st.Statement, at, message, hint) })
			}
			moved = moved || e.MovesSession()
			mentions := e.Objects()
			calls := callsOne(st.SQL, changed)
			settled := !slices.ContainsFunc(mentions, func(o sqltext.Object) bool {
				return changed.to(o) || now.Temporary(o) || c.warehouse.known(o) && now.Find(o) == nil
			})
			if e.Txn == "" && !moved && !sqltext.Secretive(st.SQL) && !e.Unknown && !e.Copy && !calls {
				q, ok := question{before: "EXPLAIN "}, settled && (e.DML || e.Query)
				if !ok {
					q, ok = c.query(now, st, changed)
				}
				if q.columns = columnsOf(now, mentions); ok {
					bind = append(bind, c.ask(q, st.Statement, unbound))
				}
			}
			now.Apply(st.SQL, e, schema.Place{Version: s.Version, Place: st.Place})
			for _, w := range e.Writes {
				changed[w.Object] = changed[w.Object] || w.Verb != effect.WriteData
			}
		}
	}
	for i := range c.in.Project.Loads {
		c.load(now, &c.in.Project.Loads[i])
	}
	return bind
}

// callsOne says whether a statement may call one of the functions that are among the objects: one that is not there yet.
func callsOne(sql string, objects changes) bool {
	words, _ := sqltext.ReadWords(sql)
	for o := range objects {
		if o.Kind == sqltext.Function && words.Mentions(o.Name) {
			return true
		}
	}
	return false
}

// query is the question about the query of a statement whose tables, or some of them, are not yet as they will be: those stand before it
// as tables without rows. false where that cannot be asked.
func (c *checker) query(now *schema.Schema, st plan.Statement, changed changes) (question, bool) {
	from, ok := define.Query(st.SQL)
	target := "" // of an UPDATE or DELETE: its condition is the query's
	reads := append(st.Effect.Names[:len(st.Effect.Names):len(st.Effect.Names)], st.Effect.Sources...)
	if !ok {
		if target, from, ok = define.Condition(st.SQL); !ok {
			return question{}, false
		}
	}
	for _, w := range st.Effect.Writes {
		if target != "" || w.Verb == effect.Alter { // by an index of its query's rows
			reads = append(reads, w.Object)
		}
	}
	var tables []string
	var seen []sqltext.Object
	for _, o := range reads {
		if slices.Contains(seen, o) {
			continue
		}
		seen = append(seen, o)
		is := now.Find(o)
		switch {
		case now.Temporary(o) || c.warehouse.known(o) && is == nil || changed.to(o) && o.Kind != sqltext.Table:
			return question{}, false
		case !changed.to(o):
			continue
		case is == nil || !is.Known || is.Relation != schema.Base || o.Database != c.database:
			return question{}, false
		}
		columns := make([]string, len(is.Columns))
		for i, column := range is.Columns {
			askable := true
			column.Type.Each(func(t define.Type) { askable = askable && !t.Unknown && t.Name != "TUPLE" && t.Name != "MAP" })
			if !askable {
				return question{}, false
			}
			columns[i] = "CAST(NULL AS " + column.Type.String() + " NULL) AS " + sqltext.Ident(column.Name)
		}
		tables = append(tables, sqltext.Ident(o.Name)+" AS (SELECT "+strings.Join(columns, ", ")+")")
	}
	q := question{before: "EXPLAIN ", from: from}
	if len(tables) > 0 {
		q.within = c.database
		q.before += "WITH " + strings.Join(tables, ", ") + " "
	}
	switch {
	case target != "":
		q.before += "SELECT 1 FROM " + define.Unqualified(target, q.within)
	case len(tables) > 0:
		q.before, q.behind = q.before+"SELECT * FROM (", "\n)"
	}
	return q, true
}

// columnsOf are the names of the columns of tables as they will be.
func columnsOf(now *schema.Schema, objects []sqltext.Object) []string {
	var names []string
	for _, o := range objects {
		if is := now.Find(o); is != nil {
			names = append(names, is.ColumnNames()...)
		}
	}
	return names
}

// unbound says whether the server's error is that a name of the statement means nothing.
func unbound(err error) bool {
	return databend.IsCode(err, databend.CodeUnknownDatabase, databend.CodeUnknownTable, databend.CodeUnknownColumn,
		databend.CodeUnknownFunction, databend.CodeSemantic)
}

// present checks that what a statement needs is there, and that what it makes is not.
func (c *checker) present(now *schema.Schema, step *plan.Step, st plan.Statement) {
	for _, o := range schema.Needs(st.Effect) {
		if !c.warehouse.known(o) || now.Temporary(o) || now.Find(o) != nil || c.excused(o) {
			continue
		}
		hint := nearest(now, o)
		if g, ok := now.Gone(o); ok {
			hint = fmt.Sprintf("it is %s before, in %s:%d", g.How, g.File, g.Line)
		}
		c.at(st.Statement, define.Find(st.SQL, o.Name, 0), fmt.Sprintf("there is no %s, and nothing makes it before", o), hint)
	}
	for _, w := range st.Effect.Writes {
		switch {
		case !c.warehouse.known(w.Object):
		case w.Verb == effect.Create && now.Find(w.Object) != nil:
			c.at(st.Statement, define.Find(st.SQL, w.Name, 0), fmt.Sprintf("%s is there already", w.Object),
				fmt.Sprintf("give it another name, or, where the warehouse is as this version makes it: `dbctl migrate baseline %d --reason why`",
					step.Version))
		case w.Kind == sqltext.Table && w.Verb != effect.Alter && !foreign(w.Database) &&
			now.Find(sqltext.Object{Kind: sqltext.Database, Name: w.Database}) == nil:
			c.at(st.Statement, define.Find(st.SQL, w.Database, 0),
				fmt.Sprintf("there is no database %s, and nothing makes it before", w.Database),
				"CREATE DATABASE IF NOT EXISTS "+sqltext.Ident(w.Database)+";")
		}
	}
}

// excused says whether a statement that cannot be read may have been meant to make an object.
func (c *checker) excused(o sqltext.Object) bool {
	return slices.ContainsFunc(c.unread, func(u project.Statement) bool {
		words, _ := sqltext.ReadWords(u.SQL)
		return words.Mentions(o.Name)
	})
}

// nearest is a hint at what may have been meant.
func nearest(now *schema.Schema, o sqltext.Object) string {
	var names []string
	for _, other := range now.Of(o.Kind) {
		if other.Database == o.Database {
			names = append(names, other.Name)
		}
	}
	list := "SHOW " + strings.ToUpper(string(o.Kind)) + "S"
	if o.Kind == sqltext.Table {
		list += " FROM " + sqltext.Object{Kind: sqltext.Database, Name: o.Database}.Pasted()
	}
	return project.DidYouMean(o.Name, names, "`"+shell.Join("dbctl", "sql", list)+"` lists what is there")
}

// load checks a load against its table as it will be.
func (c *checker) load(now *schema.Schema, l *project.Load) {
	if now.Opaque() {
		return
	}
	missing := func(st project.Statement, o sqltext.Object, at int) {
		msg, hint := fmt.Sprintf("there is no %s, and no migration makes it", o), nearest(now, o)
		if g, ok := now.Gone(o); ok {
			msg = fmt.Sprintf("%s is %s in %s:%d", o, g.How, g.File, g.Line)
			hint = fmt.Sprintf("where the load is not wanted any more: %s", shell.Join("rm", l.Path))
			if g.To != "" {
				hint = fmt.Sprintf("write %s into %s", g.To, l.Path)
			}
		} else if by := c.byFiles().Find(o); by != nil {
			msg = fmt.Sprintf("there is no %s, though %s:%d makes it", o, by.Made.File, by.Made.Line)
			hint = "`dbctl migrate status` tells whether that ran; if it was dropped since, make it again in a new migration"
			if o.Kind == sqltext.Table {
				hint += ", or bring it back: `" + shell.Join("dbctl", "sql", "UNDROP TABLE "+o.Pasted()) + "`"
			}
		}
		c.at(st, at, msg, hint)
	}
	target := l.Copy.Target(c.database)
	table := now.Find(target)
	if table == nil && !c.excused(target) {
		missing(l.Statement, target, l.Copy.TableSpan[0])
	}
	stage := l.Copy.Source()
	if c.warehouse.known(stage) && stage.Name != "" && now.Find(stage) == nil && !c.excused(stage) {
		missing(l.Statement, stage, l.Copy.LocationSpan[0])
	}
	for st, e := range project.Effects(l.Statements(), c.database) {
		for _, o := range schema.Needs(e) {
			if c.warehouse.known(o) && o != target && o != stage && now.Find(o) == nil && !c.excused(o) {
				missing(st, o, define.Find(st.SQL, o.Name, 0))
			}
		}
		lint.CheckColumns(now, st.SQL, e, func(at int, message, hint string) { c.at(st, at, message, hint) })
	}
	lint.CheckLoad(l, table, func(rule string, at int, message, hint string) {
		if rule != lint.LoadCast { // the engine casts once more: no failure for sure
			c.at(l.Statement, at, message, hint)
		}
	})
}

// byFiles is what all migrations make, whether they ran or not.
func (c *checker) byFiles() *schema.Schema {
	s := schema.New()
	for _, m := range c.in.Project.Migrations {
		for st, e := range project.Effects(m.Up.Statements, c.database) {
			s.Apply(st.SQL, e, schema.Place{Version: m.Version, Place: st.Place})
		}
		s.EndSession()
	}
	return s
}

// secrets asks for the values of all that would run.
func (c *checker) secrets(ctx context.Context) {
	var names []string
	for _, s := range c.in.Steps {
		names = append(names, s.Secrets...)
	}
	for _, l := range c.in.Project.Loads {
		names = append(names, l.Secrets...)
	}
	if len(names) == 0 {
		return
	}
	if _, err := c.in.Secrets(ctx, names); err != nil {
		c.add(plan.WouldFail(sqltext.Place{}, err.Error(), exit.Hint(err)))
	}
}
