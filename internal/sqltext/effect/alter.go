package effect

import (
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
)

// alter analyzes ALTER.
func (a *analysis) alter(start int) {
	if a.IsWord("MATERIALIZED") && a.Is(a.I+1, "VIEW") {
		a.I += 2
		a.alterTable("ALTER MATERIALIZED VIEW", start)
		return
	}
	switch {
	case a.Take("TABLE"):
		a.alterTable("ALTER TABLE", start)
	case a.Take("VIEW"):
		a.alterView(start)
	case a.Take("STREAM"):
		a.ifExists()
		o, ok := a.tableName(sqltext.Table)
		if !ok || !a.tags() {
			a.unknown("ALTER STREAM", "it is no change of a stream that dbctl knows")
			return
		}
		a.write(o, Alter, Attachments).IsStream = true
		a.redefined("ALTER STREAM TAG")
		a.needs(Streams)
	case a.Take("DATABASE"), a.Take("SCHEMA"):
		a.alterDatabase()
	case a.IsWord("WAREHOUSE"):
		a.alterWarehouse("ALTER WAREHOUSE")
	default:
		kind, words, ok := a.takeKind()
		if !ok {
			a.unknown("ALTER", "it changes no object that dbctl knows")
			return
		}
		a.alterOther(kind, words)
	}
}

// tags says whether SET TAG or UNSET TAG follows.
func (a *analysis) tags() bool {
	return (a.IsWord("SET") || a.IsWord("UNSET")) && a.Is(a.I+1, "TAG")
}

// redefined is the class of a change whose earlier value is set again.
func (a *analysis) redefined(kind string) {
	a.set(kind, Redefine, "the change has no history; the earlier definition is set again", "the earlier definition")
}

func (a *analysis) alterView(start int) {
	a.ifExists()
	o := a.table("ALTER VIEW")
	if a.tags() {
		a.write(o, Alter, Attachments)
		a.redefined("ALTER VIEW TAG")
		return
	}
	if a.Find("AS") < 0 {
		a.unknown("ALTER VIEW", "it is no change of a view that dbctl knows")
		return
	}
	a.write(o, Alter, Text, Columns)
	a.addReads(start)
	a.filledFrom(start)
	a.set("ALTER VIEW", Exact, "a view's earlier text can be read", "ALTER VIEW "+o.Pasted()+" AS its earlier text")
}

func (a *analysis) alterDatabase() {
	a.ifExists()
	o, ok := a.databaseName()
	a.require("ALTER DATABASE", ok)
	switch {
	case a.Take("RENAME", "TO"):
		to, ok := a.databaseName()
		a.require("ALTER DATABASE RENAME", ok)
		a.renamed(o, to)
		a.set("ALTER DATABASE RENAME", Exact, "it is renamed back, by its id", "ALTER DATABASE "+to.Pasted()+" RENAME TO "+o.Display())
	case a.Take("REFRESH", "CACHE"):
		a.none("ALTER DATABASE REFRESH CACHE")
	case a.tags():
		a.write(o, Alter, Attachments)
		a.redefined("ALTER DATABASE TAG")
	case a.Take("SET", "OPTIONS"):
		a.write(o, Alter, Options)
		a.set("ALTER DATABASE SET OPTIONS", Irreversible, "the earlier options are not known", "")
	default:
		a.unknown("ALTER DATABASE", "it is no change of a database that dbctl knows")
	}
}

// alterTable analyzes ALTER TABLE, and ALTER MATERIALIZED VIEW, which shares its actions.
func (a *analysis) alterTable(kind string, start int) {
	a.ifExists()
	o := a.table(kind)
	table, ok := define.ReadAlter(*a.Reader)
	if ok {
		a.e.Table = &table
	}
	switch {
	case a.Take("RENAME", "TO"):
		to := a.table(kind + " RENAME")
		to.Database = o.Database
		a.renamed(o, to)
		a.set(kind+" RENAME", Exact, "it is renamed back, by its id", "ALTER TABLE "+to.Pasted()+" RENAME TO "+o.Pasted())
	case a.Take("SWAP", "WITH"):
		with := a.table(kind + " SWAP")
		with.Database = o.Database
		a.write(o, Swap).To = with
		a.write(with, Swap)
		a.set(kind+" SWAP", Exact, "both are renamed back, by their ids", "ALTER TABLE "+o.Pasted()+" SWAP WITH "+with.Name)
	case !a.plainAction(kind, o):
		a.action(kind, o, table, start)
	}
	if kind == "ALTER MATERIALIZED VIEW" && a.e.Class == Exact {
		a.e.Class, a.e.Reason, a.e.Undo = Redefine, "the engine keeps no earlier materialized view", "the earlier definition"
	}
}

// Reasons and ways back that several actions of ALTER TABLE have. {t} stands for the table.
const (
	inverse   = "the inverse change restores it"
	unproven  = "it is not known how to undo it"
	keyIsRead = "the earlier cluster key can be read"
	addPolicy = "ALTER TABLE {t} ADD ROW ACCESS POLICY"
	flashback = "ALTER TABLE {t} FLASHBACK TO its earlier snapshot"
)

// plainActions are those of ALTER TABLE of which the first words say all.
var plainActions = []struct {
	words        string
	aspects      Aspect
	class        Class
	reason, undo string
}{
	{"ADD ROW ACCESS POLICY", Attachments, Redefine, inverse, "ALTER TABLE {t} DROP ROW ACCESS POLICY"},
	{"DROP ROW ACCESS POLICY", Attachments, Redefine, inverse, addPolicy},
	{"DROP ALL ROW ACCESS POLICIES", Attachments, Redefine, inverse, addPolicy},
	{"DROP CLUSTER KEY", Cluster, Exact, keyIsRead, "ALTER TABLE {t} CLUSTER BY the earlier key"},
	{"CLUSTER BY", Cluster, Exact, keyIsRead, "ALTER TABLE {t} CLUSTER BY the earlier key, or DROP CLUSTER KEY"},
	{"PARTITION BY", Layout, Irreversible, unproven, ""},
	{"RECLUSTER", Layout, Exact, "rows are only rearranged", "nothing, or " + flashback},
}

// plainAction reads one of plainActions, if one follows.
func (a *analysis) plainAction(kind string, o sqltext.Object) bool {
	for _, p := range plainActions {
		if !a.Take(strings.Fields(p.words)...) {
			continue
		}
		if strings.HasSuffix(p.words, " POLICY") {
			if name, ok := a.ObjectName(sqltext.RowPolicy); ok {
				a.name(sqltext.Object{Kind: sqltext.RowPolicy, Name: name})
			}
		}
		a.altered(Write{Object: o}, p.aspects, kind+" "+p.words, p.class, p.reason, p.undo)
		return true
	}
	return false
}

// altered notes what an action of ALTER TABLE writes, and its class.
func (a *analysis) altered(w Write, aspects Aspect, kind string, class Class, reason, undo string) {
	w.Verb, w.Aspects = Alter, aspects
	a.e.Writes = append(a.e.Writes, w)
	a.set(kind, class, reason, strings.ReplaceAll(undo, "{t}", w.Pasted()))
}

// action reads the actions of ALTER TABLE of which more than the first words matters.
func (a *analysis) action(kind string, o sqltext.Object, table define.Table, start int) {
	w := Write{Object: o, Verb: Alter, Columns: table.Columns, Change: table.Action}
	done := func(aspects Aspect, action string, class Class, reason, undo string) {
		a.altered(w, aspects, kind+" "+action, class, reason, undo)
	}
	switch {
	case len(table.Columns) > 0 && table.Columns[0].Name == "":
		a.unknown(kind, noName)
	case len(table.Columns) > 0:
		a.e.If = a.e.If || table.If
		a.columnAction(table, done)
	case a.Take("COMMENT"):
		w.Note = a.note()
		done(Comment, "COMMENT", Exact, "the earlier comment can be read", "ALTER TABLE {t} COMMENT = the earlier one")
	case a.IsWord("ADD"):
		w.Checks = a.constraint("ADD")
		done(Constraints, "ADD CONSTRAINT", Exact, "a constraint can be read and dropped", "ALTER TABLE {t} DROP CONSTRAINT")
	case a.IsWord("DROP") && a.Is(a.I+1, "CONSTRAINT"):
		w.Checks = a.constraint("DROP")
		done(Constraints, "DROP CONSTRAINT", Exact, "a constraint can be read and added again", "ALTER TABLE {t} ADD CONSTRAINT")
	case a.Take("CREATE"), a.Take("DROP"):
		done(Attachments, "BRANCH OR TAG", Irreversible, unproven, "")
	case a.Take("FLASHBACK"):
		w.GoesBack = true
		done(Rows|Columns|Cluster, "FLASHBACK", Irreversible, "FLASHBACK goes backwards only: later snapshots cannot be reached again", "")
	case a.tags():
		done(Attachments, "TAG", Redefine, "tags have no history; the earlier ones are set again", "ALTER TABLE {t} SET TAG as before")
	case a.Take("SET", "OPTIONS"), a.Take("UNSET", "OPTIONS"):
		action := a.Upper(a.I-2) + " OPTIONS"
		w.Options = a.options(action == "UNSET OPTIONS")
		a.e.Retention = slices.ContainsFunc(w.Options, retains)
		done(Options, action, Exact, "the earlier options can be read", "ALTER TABLE {t} SET OPTIONS as before")
	case a.Take("REFRESH", "CACHE"):
		a.none(kind + " REFRESH CACHE")
	case a.Take("CONNECTION"):
		a.addReads(start)
		done(Text, "CONNECTION", Irreversible, "the earlier keys cannot be read back", "")
	default:
		a.unknown(kind, "it is no change of a table that dbctl knows")
	}
}

// options reads (k = v, …), or (k, …) of those that are taken away.
func (a *analysis) options(unset bool) []Option {
	p := *a.Reader
	p.TakeSymbol("(")
	var options []Option
	for {
		name, ok := p.Ident()
		if !ok {
			return options
		}
		o := Option{Name: strings.ToUpper(name), Unset: unset}
		if p.TakeSymbol("=") {
			if t, ok := p.Peek(); ok && t.Kind == sqltext.String {
				o.Value, _ = sqltext.Unquote(p.Text(p.I))
			} else if ok {
				o.Value = p.Text(p.I)
			}
			p.I++
		}
		options = append(options, o)
		p.TakeSymbol(",")
	}
}

// note reads the literal of COMMENT [=] 'x' and of COMMENT ON … IS 'x'.
func (a *analysis) note() string {
	p := *a.Reader
	p.TakeSymbol("=")
	p.Take("IS")
	if t, ok := p.Peek(); ok && t.Kind == sqltext.String {
		note, _ := sqltext.Unquote(p.Text(p.I))
		return note
	}
	return ""
}

// constraint reads the name of ADD or DROP CONSTRAINT c; an added one may have none.
func (a *analysis) constraint(verb string) []Named {
	p := *a.Reader
	p.Take(verb)
	if !p.Take("CONSTRAINT") {
		return []Named{{}}
	}
	name, _ := p.Ident()
	return []Named{{name, verb == "DROP"}}
}

// columnAction analyzes an action on columns, which package define read.
func (a *analysis) columnAction(table define.Table, done func(aspects Aspect, action string, class Class, reason, undo string)) {
	c := table.Columns[0]
	for a.Offset() <= c.Start { // to what stands behind the name
		a.I++
	}
	switch table.Action {
	case define.RenameColumn:
		done(Columns, "RENAME COLUMN", Exact, inverse, "ALTER TABLE {t} RENAME COLUMN back")
	case define.AddColumn:
		a.addReads(a.I)
		added := sqltext.Object{Kind: sqltext.Table, Name: c.Name}.Pasted() // a column is pasted as a table is
		done(Columns, "ADD COLUMN", Exact, inverse, "ALTER TABLE {t} DROP COLUMN "+added)
	case define.DropColumn:
		done(Columns|Rows, "DROP COLUMN", Flashback, "values are lost or rewritten; the table goes back to its earlier snapshot", flashback)
	case define.CommentColumn:
		done(ColumnNotes, "MODIFY COLUMN COMMENT", Exact, "the earlier comment can be read",
			"ALTER TABLE {t} MODIFY COLUMN with the earlier comment")
	default:
		switch {
		case a.Take("SET", "MASKING", "POLICY"):
			if name, ok := a.ObjectName(sqltext.MaskingPolicy); ok {
				a.name(sqltext.Object{Kind: sqltext.MaskingPolicy, Name: name})
			}
			done(Attachments, "SET MASKING POLICY", Redefine, inverse, "ALTER TABLE {t} MODIFY COLUMN UNSET MASKING POLICY, or SET the earlier one")
		case a.Take("UNSET", "MASKING", "POLICY"):
			done(Attachments, "UNSET MASKING POLICY", Redefine, inverse, "ALTER TABLE {t} MODIFY COLUMN SET MASKING POLICY")
		default:
			a.addReads(a.I)
			// A new type, default or NOT NULL rewrites the column; a type may have a comment behind it.
			done(Columns|Rows|ColumnNotes, "MODIFY COLUMN", Flashback,
				"values are rewritten; the table goes back to its earlier snapshot", flashback)
		}
	}
}

// currentUser stands for who runs it, whose name is not known here.
const currentUser = "current_user()"

// alterOther changes what has no history in the engine.
func (a *analysis) alterOther(kind sqltext.ObjectKind, words string) {
	name := "ALTER " + words
	a.ifExists()
	var o sqltext.Object
	ok := true
	if kind == sqltext.User && a.IsWord("USER") && a.Symbol(a.I+1, "(") && a.Symbol(a.I+2, ")") {
		a.I += 3
		o = sqltext.Object{Kind: sqltext.User, Name: currentUser}
	} else {
		o, ok = a.object(kind, false)
	}
	a.require(name, ok)
	if a.tags() && kind != sqltext.Worker {
		a.write(o, Alter, Attachments)
		a.redefined(name + " TAG")
		return
	}
	w := a.write(o, Alter, Text)
	a.redefined(name)
	a.e.Undo = "the earlier definition of " + o.String()
	switch kind {
	case sqltext.Stage:
		w.Aspects = a.stageAspects()
		a.stageOptions()
	case sqltext.Task:
		if t, ok := a.Peek(); ok && t.Kind == sqltext.Word {
			a.e.Kind = name + " " + a.Upper(a.I)
		}
		switch task := a.task(); {
		case task.Resumes:
			a.e.Undo = "ALTER TASK " + o.Name + " SUSPEND, where it was suspended"
		case task.Suspends:
			a.e.Undo = "ALTER TASK " + o.Name + " RESUME, where it was started"
		}
	case sqltext.Pipe:
		if a.Take("REFRESH") {
			a.e.Kind = "ALTER PIPE REFRESH"
			a.e.Unknown = true
			a.irreversible("what the pipe loads is not known here")
		}
	case sqltext.User:
		switch hidden := []string{"TENANTSETTING", "NOTENANTSETTING", "WORKLOAD"}; {
		case a.Find("IDENTIFIED") >= 0:
			a.irreversible("the earlier password cannot be read back")
		case o.Name == currentUser, slices.ContainsFunc(hidden, func(word string) bool { return a.Find(word) >= 0 }):
			a.irreversible("its earlier state is not known")
		}
	case sqltext.Function:
		a.addReads(a.I)
	case sqltext.Role:
		a.irreversible("Databend shows no role's comment")
	case sqltext.Worker, sqltext.Warehouse, sqltext.WorkloadGroup, sqltext.Catalog:
		a.irreversible("its earlier state is not known")
	case sqltext.Connection, sqltext.FileFormat, sqltext.Procedure, sqltext.Sequence, sqltext.Tag, sqltext.Dictionary,
		sqltext.MaskingPolicy, sqltext.RowPolicy:
		a.unknown(name, "the engine alters no "+string(kind)+" that way")
	}
}

// stageAspects are what ALTER STAGE … SET changes: its comment, or more.
func (a *analysis) stageAspects() Aspect {
	p := *a.Reader
	if !p.Take("SET") {
		return Text
	}
	var aspects Aspect
	for p.I < len(p.Tokens) {
		if p.IsWord("COMMENT") && p.Symbol(p.I+1, "=") {
			aspects |= Comment
			p.I += 3
		} else if p.Symbol(p.I, "(") && p.SkipBrackets() || p.TakeSymbol(",") {
			continue
		} else {
			aspects |= Text
			p.I++
		}
	}
	return aspects
}

func (a *analysis) alterWarehouse(kind string) {
	a.Take("WAREHOUSE")
	name, ok := a.ObjectName(sqltext.Warehouse)
	a.require(kind, ok)
	a.write(sqltext.Object{Kind: sqltext.Warehouse, Name: name}, Alter, Text)
	a.set(kind, Irreversible, "machines start or stop, and running queries with them", "")
}

// comment analyzes COMMENT [IF EXISTS] ON … IS '…', which the engine turns into ALTER.
func (a *analysis) comment() {
	a.ifExists()
	a.Take("ON")
	switch {
	case a.Take("TABLE"):
		o := a.table("COMMENT ON TABLE")
		a.write(o, Alter, Comment).Note = a.note()
		a.set("COMMENT ON TABLE", Exact, "the earlier comment can be read", "COMMENT ON TABLE "+o.Pasted()+" IS the earlier one")
	case a.Take("COLUMN"):
		parts, ok := a.Reader.Name()
		if !ok || len(parts) < 2 {
			a.unknown("COMMENT ON COLUMN", noName)
			return
		}
		o, ours := a.qualify(sqltext.Table, parts[:len(parts)-1])
		a.foreign = !ours
		w := a.write(o, Alter, ColumnNotes)
		w.Change, w.Columns = define.CommentColumn, []define.Column{{Name: parts[len(parts)-1], Comment: a.note()}}
		a.set("COMMENT ON COLUMN", Exact, "the earlier comment can be read", "COMMENT ON COLUMN "+strings.Join(parts, ".")+" IS the earlier one")
	case a.IsWord("NETWORK"), a.IsWord("PASSWORD"):
		kind, words, ok := a.takeKind()
		a.require("COMMENT", ok)
		o, ok := a.object(kind, false)
		a.require("COMMENT ON "+words, ok)
		a.write(o, Alter, Comment)
		a.redefined("COMMENT ON " + words)
	default:
		a.unknown("COMMENT", "it comments no object that dbctl knows")
	}
}
