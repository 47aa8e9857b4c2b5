// Package preflight proves before a run what can be proved without running it: that the server reads each pending statement, that the
// names it needs are there or will be by then, that secrets have values, and that loads fit the tables as they will be.
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

	"github.com/dbctl/dbctl/internal/databend"
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
	w := warehouse{server: in.Server}
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
	in       Input
	database string

	mu    sync.Mutex
	wrong []error
}

// joined is what was found, in the order of the files.
func (c *checker) joined() error {
	place := func(err error) (string, int, int) {
		if e, ok := errors.AsType[*plan.Error](err); ok {
			return e.File, e.Line, e.Column
		}
		if e, ok := errors.AsType[*databend.Error](err); ok {
			return e.File, e.Line, e.Column
		}
		return "", 0, 0
	}
	slices.SortStableFunc(c.wrong, func(a, b error) int {
		fileA, lineA, columnA := place(a)
		fileB, lineB, columnB := place(b)
		return cmp.Or(cmp.Compare(fileA, fileB), lineA-lineB, columnA-columnB)
	})
	return errors.Join(c.wrong...)
}

func (c *checker) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, err)
}

func (c *checker) at(file string, st project.Statement, offset int, msg, hint string) {
	line, column := st.Pos(offset)
	c.add(plan.WouldFail(file, line, column, msg, hint))
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
		wait.Go(func() {
			session, err := c.in.Server.Session(ctx, nil)
			if err != nil {
				failed[i] = err
				return
			}
			defer session.Close()
			for t := range next {
				if err := t(ctx, session); err != nil {
					failed[i] = err
					return
				}
			}
		})
	}
	wait.Wait()
	return errors.Join(failed...)
}

// ask sends an EXPLAIN of a statement, and takes what the server has against it for what is wrong.
func (c *checker) ask(prefix, file string, st plan.Statement, counts func(error) bool) task {
	return func(ctx context.Context, session *databend.Session) error {
		_, err := session.Query(ctx, st.Explain(prefix, file))
		e, ok := errors.AsType[*databend.Error](err)
		switch {
		case err == nil:
		case !ok || e.Code == 0:
			return err
		case counts(err) && !c.unknownType(file, st.Statement):
			own := *e
			own.Caret = withoutPrefix(own.Caret, prefix)
			c.add(&own)
		}
		return nil
	}
}

// unknownType reports the types of a refused statement that Databend does not have, in fewer words than the server's list of all types.
func (c *checker) unknownType(file string, st project.Statement) bool {
	table, _ := define.ParseTable(st.SQL)
	found := false
	for _, column := range table.Columns {
		column.Type.Each(func(t define.Type) {
			if t.Unknown {
				found = true
				c.at(file, st, t.Start, fmt.Sprintf("column %s has the type %s, which Databend does not have", column.Name, t.Name),
					"did you mean "+cmp.Or(project.Nearest(t.Name, define.TypeNames()), "STRING")+"?")
			}
		})
	}
	return found
}

// withoutPrefix takes what we put before a statement out of the drawing of its line.
func withoutPrefix(caret, prefix string) string {
	line, mark, ok := strings.Cut(caret, "\n")
	if rest, first := strings.CutPrefix(line, prefix); ok && first && len(mark) > len(prefix) {
		return rest + "\n" + mark[len(prefix):]
	}
	return caret
}

// syntax lets the server read each pending statement but those with a secret, and those that EXPLAIN does not take.
func (c *checker) syntax() []task {
	var tasks []task
	for _, s := range c.in.Steps {
		for _, st := range s.Statements {
			e := st.Effect
			if e.Txn != "" || e.Use != "" || e.Session || len(e.Settings) > 0 || e.Script || sqltext.Secretive(st.SQL) {
				continue
			}
			tasks = append(tasks, c.ask("EXPLAIN SYNTAX ", s.File, st, func(error) bool { return true }))
		}
	}
	return tasks
}

// names are the objects that the pending statements and the loads need or make.
func (c *checker) names() []sqltext.Object {
	var all []sqltext.Object
	for _, s := range c.in.Steps {
		for _, st := range s.Statements {
			all = append(all, st.Effect.Names...)
			for _, w := range st.Effect.Writes {
				all = append(all, w.Object)
			}
		}
	}
	for i := range c.in.Project.Loads {
		l := &c.in.Project.Loads[i]
		all = append(all, c.target(l), stageOf(l))
	}
	return all
}

func (c *checker) target(l *project.Load) sqltext.Object {
	return sqltext.Object{Kind: sqltext.Table, Database: cmp.Or(l.Copy.Database, c.database), Name: l.Copy.Table}
}

func stageOf(l *project.Load) sqltext.Object {
	return sqltext.Object{Kind: sqltext.Stage, Name: l.Copy.Stage}
}

// fold goes through the pending statements in order, and then the loads. It returns what is still to ask: statements whose names are all
// there already, which the server can bind.
func (c *checker) fold(now *schema.Schema) []task {
	var bind []task
	changed := map[sqltext.Object]bool{}
	for _, s := range c.in.Steps {
		temporary := map[sqltext.Object]bool{}
		moved := false // a USE or SET: the statement means something else than on a fresh session
		for _, st := range s.Statements {
			e := st.Effect
			if table, ok := define.ParseTable(st.SQL); ok && table.Temporary {
				name := sqltext.Object{Kind: sqltext.Table, Database: c.database, Name: table.Name[len(table.Name)-1]}
				if len(table.Name) > 1 {
					name.Database = table.Name[len(table.Name)-2]
				}
				temporary[name] = true
			}
			if !now.Opaque() {
				c.present(now, s.File, st, temporary)
				lint.CheckColumns(now, st.SQL, e, func(at int, message, hint string) { c.at(s.File, st.Statement, at, message, hint) })
			}
			moved = moved || e.Use != "" || e.Session || len(e.Settings) > 0
			mentions := slices.Clone(e.Names)
			for _, w := range e.Writes {
				mentions = append(mentions, w.Object)
			}
			unsettled := slices.ContainsFunc(mentions, func(o sqltext.Object) bool {
				return changed[o] || temporary[o] || known(o) && now.Find(o) == nil
			})
			binds := (e.DML && !e.Copy || e.Class == effect.None && !e.DDL) && e.Txn == "" && !e.Unknown
			if binds && !moved && !unsettled && !sqltext.Secretive(st.SQL) {
				bind = append(bind, c.ask("EXPLAIN ", s.File, st, unbound))
			}
			now.Apply(st.SQL, e, schema.Place{Version: s.Version, File: s.File, Line: st.Line, Column: st.Column})
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

// unbound says whether the server's error is that a name of the statement means nothing.
func unbound(err error) bool {
	return databend.IsCode(err, databend.CodeUnknownDatabase, databend.CodeUnknownTable, databend.CodeUnknownColumn,
		databend.CodeUnknownFunction, databend.CodeSemantic)
}

// present checks that what a statement needs is there, and that what it makes is not.
func (c *checker) present(now *schema.Schema, file string, st plan.Statement, temporary map[sqltext.Object]bool) {
	for _, o := range schema.Needs(st.Effect) {
		if !known(o) || temporary[o] || now.Find(o) != nil {
			continue
		}
		hint := nearest(now, o)
		if g, ok := now.Gone(o); ok {
			hint = fmt.Sprintf("it is %s before, in %s:%d", g.How, g.File, g.Line)
		}
		c.at(file, st.Statement, define.Find(st.SQL, o.Name, 0), fmt.Sprintf("there is no %s, and nothing makes it before", o), hint)
	}
	for _, w := range st.Effect.Writes {
		switch {
		case !known(w.Object):
		case w.Verb == effect.Create && now.Find(w.Object) != nil:
			c.at(file, st.Statement, define.Find(st.SQL, w.Name, 0), fmt.Sprintf("%s is there already", w.Object),
				"another name, or dbctl migrate baseline VERSION --reason \"why\", where the warehouse is as this version makes it")
		case w.Kind == sqltext.Table && w.Verb != effect.Alter && !foreign(w.Database) &&
			now.Find(sqltext.Object{Kind: sqltext.Database, Name: w.Database}) == nil:
			c.at(file, st.Statement, define.Find(st.SQL, w.Database, 0),
				fmt.Sprintf("there is no database %s, and nothing makes it before", w.Database),
				"CREATE DATABASE IF NOT EXISTS "+sqltext.Ident(w.Database)+";")
		}
	}
}

// nearest is a hint at what may have been meant.
func nearest(now *schema.Schema, o sqltext.Object) string {
	var names []string
	for _, other := range now.Of(o.Kind) {
		if other.Database == o.Database {
			names = append(names, other.Name)
		}
	}
	if near := project.Nearest(o.Name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return shell.Join("dbctl", "sql", "SHOW TABLES FROM "+sqltext.Ident(cmp.Or(o.Database, "default"))) + " lists what is there"
}

// load checks a load against its table as it will be.
func (c *checker) load(now *schema.Schema, l *project.Load) {
	if now.Opaque() {
		return
	}
	missing := func(o sqltext.Object, at int, hint string) {
		msg := fmt.Sprintf("there is no %s, and no migration makes it", o)
		if g, ok := now.Gone(o); ok {
			msg = fmt.Sprintf("%s is %s in %s:%d", o, g.How, g.File, g.Line)
			hint = fmt.Sprintf("where the load is not wanted any more: %s", shell.Join("rm", l.Path))
		}
		c.at(l.Path, l.Statement, at, msg, hint)
	}
	table := now.Find(c.target(l))
	if table == nil {
		missing(c.target(l), l.Copy.TableSpan[0], nearest(now, c.target(l)))
	}
	if stage := stageOf(l); stage.Name != "~" && stage.Name != "" && now.Find(stage) == nil {
		missing(stage, l.Copy.LocationSpan[0], "CREATE STAGE in a migration")
	}
	lint.CheckLoad(l, table, func(rule string, at int, message, hint string) {
		if rule != lint.LoadCast { // the engine casts once more: no failure for sure
			c.at(l.Path, l.Statement, at, message, hint)
		}
	})
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
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 || c.in.Secrets == nil {
		return
	}
	if _, err := c.in.Secrets(ctx, names); err != nil {
		hint := ""
		if missing, ok := errors.AsType[*secret.MissingError](err); ok {
			hint = missing.Hint()
		}
		c.add(plan.WouldFail("", 0, 0, err.Error(), hint))
	}
}
