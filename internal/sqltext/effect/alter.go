package effect

import (
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
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
		a.write(o, Alter).IsStream = true
		a.redefined("ALTER STREAM TAG")
		a.e.Stream = true
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
	a.e.Attaches = (a.IsWord("SET") || a.IsWord("UNSET")) && a.Is(a.I+1, "TAG")
	return a.e.Attaches
}

// redefined is the class of a change whose earlier value is set again.
func (a *analysis) redefined(kind string) {
	a.set(kind, Redefine, "the change has no history; the earlier definition is set again", "the earlier definition")
}

func (a *analysis) alterView(start int) {
	a.ifExists()
	o, ok := a.table("ALTER VIEW")
	if !ok {
		return
	}
	w := a.write(o, Alter)
	if a.tags() {
		a.redefined("ALTER VIEW TAG")
		return
	}
	if a.find("AS") < 0 {
		a.unknown("ALTER VIEW", "it is no change of a view that dbctl knows")
		return
	}
	w.Columns = true
	a.addReads(start)
	a.set("ALTER VIEW", Exact, "a view's earlier text can be read", "ALTER VIEW "+o.Display()+" AS its earlier text")
}

func (a *analysis) alterDatabase() {
	a.ifExists()
	o, ok := a.databaseName()
	if !ok {
		a.unknown("ALTER DATABASE", noName)
		return
	}
	switch {
	case a.Take("RENAME", "TO"):
		to, ok := a.databaseName()
		if !ok {
			a.unknown("ALTER DATABASE RENAME", noName)
			return
		}
		a.renamed(o, to)
		a.set("ALTER DATABASE RENAME", Exact, "it is renamed back, by its id", "ALTER DATABASE "+to.Display()+" RENAME TO "+o.Display())
	case a.Take("REFRESH", "CACHE"):
		a.none("ALTER DATABASE REFRESH CACHE")
	case a.tags():
		a.write(o, Alter)
		a.redefined("ALTER DATABASE TAG")
	case a.Take("SET", "OPTIONS"):
		a.write(o, Alter)
		a.set("ALTER DATABASE SET OPTIONS", Irreversible, "the earlier options are not known", "")
	default:
		a.unknown("ALTER DATABASE", "it is no change of a database that dbctl knows")
	}
}

// alterTable analyzes the actions of ALTER TABLE, and of ALTER MATERIALIZED VIEW, which shares them.
func (a *analysis) alterTable(kind string, start int) {
	a.ifExists()
	o, ok := a.table(kind)
	if !ok {
		return
	}
	t := o.Display()
	w := Write{Object: o, Verb: Alter}
	done := func(action string, class Class, reason, undo string) {
		a.e.Writes = append(a.e.Writes, w)
		a.set(kind+" "+action, class, reason, undo)
	}
	const (
		inverse   = "the inverse change restores it"
		rows      = "values are lost or rewritten; the table goes back to its earlier snapshot"
		unproven  = "it is not known how to undo it"
		flashback = " FLASHBACK TO its earlier snapshot"
	)
	switch {
	case a.Take("RENAME", "TO"):
		to, ok := a.table(kind + " RENAME")
		if !ok {
			return
		}
		to.Database = o.Database
		a.renamed(o, to)
		a.set(kind+" RENAME", Exact, "it is renamed back, by its id", "ALTER TABLE "+to.Display()+" RENAME TO "+o.Name)
	case a.Take("SWAP", "WITH"):
		with, ok := a.table(kind + " SWAP")
		if !ok {
			return
		}
		with.Database = o.Database
		for _, x := range []sqltext.Object{o, with} {
			s := a.write(x, Swap)
			s.Data, s.Columns = true, true
		}
		a.set(kind+" SWAP", Exact, "both are renamed back, by their ids", "ALTER TABLE "+t+" SWAP WITH "+with.Name)
	case a.Take("RENAME"):
		w.Columns = true
		a.column()
		done("RENAME COLUMN", Exact, inverse, "ALTER TABLE "+t+" RENAME COLUMN back")
	case a.Take("COMMENT"):
		done("COMMENT", Exact, "the earlier comment can be read", "ALTER TABLE "+t+" COMMENT = the earlier one")
	case a.Take("ADD", "ROW", "ACCESS", "POLICY"):
		a.e.Attaches = true
		if name, ok := a.ObjectName(sqltext.RowPolicy); ok {
			a.name(sqltext.Object{Kind: sqltext.RowPolicy, Name: name})
		}
		done("ADD ROW ACCESS POLICY", Redefine, inverse, "ALTER TABLE "+t+" DROP ROW ACCESS POLICY")
	case a.Take("DROP", "ROW", "ACCESS", "POLICY"):
		a.e.Attaches = true
		if name, ok := a.ObjectName(sqltext.RowPolicy); ok {
			a.name(sqltext.Object{Kind: sqltext.RowPolicy, Name: name})
		}
		done("DROP ROW ACCESS POLICY", Redefine, inverse, "ALTER TABLE "+t+" ADD ROW ACCESS POLICY")
	case a.Take("DROP", "ALL", "ROW", "ACCESS", "POLICIES"):
		a.e.Attaches = true
		done("DROP ALL ROW ACCESS POLICIES", Redefine, inverse, "ALTER TABLE "+t+" ADD ROW ACCESS POLICY")
	case a.IsWord("ADD") && (a.Is(a.I+1, "CONSTRAINT") && a.Is(a.I+3, "CHECK") || a.Is(a.I+1, "CHECK") && a.Symbol(a.I+2, "(")):
		done("ADD CONSTRAINT", Exact, "a constraint can be read and dropped", "ALTER TABLE "+t+" DROP CONSTRAINT")
	case a.IsWord("DROP") && a.Is(a.I+1, "CONSTRAINT") && a.I+2 < len(a.Tokens):
		done("DROP CONSTRAINT", Exact, "a constraint can be read and added again", "ALTER TABLE "+t+" ADD CONSTRAINT")
	case a.Take("ADD"):
		w.Columns = true
		a.column()
		a.addReads(a.I)
		done("ADD COLUMN", Exact, inverse, "ALTER TABLE "+t+" DROP COLUMN")
	case a.Take("DROP", "CLUSTER", "KEY"):
		done("DROP CLUSTER KEY", Exact, "the earlier cluster key can be read", "ALTER TABLE "+t+" CLUSTER BY the earlier key")
	case a.Take("CREATE"), a.IsWord("DROP") && (a.Is(a.I+1, "BRANCH") || a.Is(a.I+1, "TAG")) && a.I+2 < len(a.Tokens):
		done("BRANCH OR TAG", Irreversible, unproven, "")
	case a.Take("DROP"):
		w.Columns, w.Data = true, true
		a.column()
		done("DROP COLUMN", Flashback, rows, "ALTER TABLE "+t+flashback)
	case a.Take("MODIFY"):
		a.modifyColumn(kind, w)
	case a.Take("CLUSTER", "BY"):
		done("CLUSTER BY", Exact, "the earlier cluster key can be read", "ALTER TABLE "+t+" CLUSTER BY the earlier key, or DROP CLUSTER KEY")
	case a.Take("PARTITION", "BY"):
		done("PARTITION BY", Irreversible, unproven, "")
	case a.Take("RECLUSTER"):
		done("RECLUSTER", Exact, "rows are only rearranged", "nothing, or ALTER TABLE "+t+flashback)
	case a.Take("FLASHBACK"):
		w.Data, w.Columns = true, true
		done("FLASHBACK", Irreversible, "FLASHBACK goes backwards only: later snapshots cannot be reached again", "")
	case a.tags():
		done("TAG", Redefine, "tags have no history; the earlier ones are set again", "ALTER TABLE "+t+" SET TAG as before")
	case a.Take("SET", "OPTIONS"), a.Take("UNSET", "OPTIONS"):
		action := a.Upper(a.I-2) + " OPTIONS"
		for i := a.I; i < len(a.Tokens); i++ {
			a.e.Retention = a.e.Retention || a.Tokens[i].Kind == sqltext.Word && isRetention(a.Text(i))
			if action == "SET OPTIONS" && a.Tokens[i].Kind == sqltext.Word && a.Symbol(i+1, "=") {
				a.e.Options = append(a.e.Options, a.Upper(i))
			}
		}
		done(action, Exact, "the earlier options can be read", "ALTER TABLE "+t+" SET OPTIONS as before")
	case a.Take("REFRESH", "CACHE"):
		a.none(kind + " REFRESH CACHE")
	case a.Take("CONNECTION"):
		a.addReads(start)
		done("CONNECTION", Irreversible, "the earlier keys cannot be read back", "")
	default:
		a.unknown(kind, "it is no change of a table that dbctl knows")
	}
	if kind == "ALTER MATERIALIZED VIEW" && a.e.Class != None {
		if a.e.Class == Exact {
			a.e.Class, a.e.Reason, a.e.Undo = Redefine, "the engine keeps no earlier materialized view", "the earlier definition"
		}
	}
}

// column reads [COLUMN] [IF [NOT] EXISTS] c.
func (a *analysis) column() bool {
	a.Take("COLUMN")
	if a.Take("IF", "NOT", "EXISTS") || a.Take("IF", "EXISTS") {
		a.e.If = true
	}
	c, ok := a.Ident()
	a.e.Column = c
	return ok
}

// modifyColumn reads MODIFY [COLUMN] c …: a type, a comment, a masking policy, or DROP STORED.
func (a *analysis) modifyColumn(kind string, w Write) {
	t := w.Display()
	if !a.column() {
		a.unknown(kind+" MODIFY COLUMN", noName)
		return
	}
	switch {
	case a.Take("COMMENT"):
		a.set(kind+" MODIFY COLUMN COMMENT", Exact, "the earlier comment can be read", "ALTER TABLE "+t+" MODIFY COLUMN with the earlier comment")
	case a.Take("SET", "MASKING", "POLICY"):
		a.e.Attaches = true
		if name, ok := a.ObjectName(sqltext.MaskingPolicy); ok {
			a.name(sqltext.Object{Kind: sqltext.MaskingPolicy, Name: name})
		}
		a.set(kind+" SET MASKING POLICY", Redefine, "the inverse change restores it", "ALTER TABLE "+t+" MODIFY COLUMN UNSET MASKING POLICY, or SET the earlier one")
	case a.Take("UNSET", "MASKING", "POLICY"):
		a.e.Attaches = true
		a.set(kind+" UNSET MASKING POLICY", Redefine, "the inverse change restores it", "ALTER TABLE "+t+" MODIFY COLUMN SET MASKING POLICY")
	default:
		// A new type, default or NOT NULL rewrites the column.
		w.Columns, w.Data = true, true
		a.addReads(a.I)
		a.set(kind+" MODIFY COLUMN", Flashback, "values are rewritten; the table goes back to its earlier snapshot", "ALTER TABLE "+t+" FLASHBACK TO its earlier snapshot")
	}
	a.e.Writes = append(a.e.Writes, w)
}

// alterOther changes what has no history in the engine.
func (a *analysis) alterOther(kind sqltext.ObjectKind, words string) {
	name := "ALTER " + words
	a.ifExists()
	var o sqltext.Object
	ok := true
	if kind == sqltext.User && a.IsWord("USER") && a.Symbol(a.I+1, "(") && a.Symbol(a.I+2, ")") {
		a.I += 3
		o = sqltext.Object{Kind: sqltext.User, Name: "current_user()"}
	} else {
		o, ok = a.object(kind, false)
	}
	if !ok {
		a.unknown(name, noName)
		return
	}
	a.write(o, Alter)
	if a.tags() && kind != sqltext.Worker {
		a.redefined(name + " TAG")
		return
	}
	a.redefined(name)
	a.e.Undo = "the earlier definition of " + o.String()
	switch kind {
	case sqltext.Stage:
		a.stageOptions()
	case sqltext.Task:
		a.e.Task = true
		if t, ok := a.Peek(); ok && t.Kind == sqltext.Word {
			a.e.Kind = name + " " + a.Upper(a.I)
		}
		switch {
		case a.Take("RESUME"):
			a.e.Undo = "ALTER TASK " + o.Name + " SUSPEND, where it was suspended"
		case a.Take("SUSPEND"):
			a.e.Undo = "ALTER TASK " + o.Name + " RESUME, where it was started"
		default:
			a.taskBody()
		}
	case sqltext.Pipe:
		if a.Take("REFRESH") {
			a.e.Kind = "ALTER PIPE REFRESH"
			a.e.Class, a.e.Reason, a.e.Undo, a.e.Unknown = Irreversible, "what the pipe loads is not known here", "", true
		}
	case sqltext.User:
		if a.find("IDENTIFIED") >= 0 {
			a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "the earlier password cannot be read back", ""
		}
	case sqltext.Function:
		a.addReads(a.I)
	case sqltext.Role:
		a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "Databend shows no role's comment", ""
	case sqltext.Worker, sqltext.Warehouse, sqltext.WorkloadGroup, sqltext.Catalog:
		a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "its earlier state is not known", ""
	case sqltext.Connection, sqltext.FileFormat, sqltext.Procedure, sqltext.Sequence, sqltext.Tag, sqltext.Dictionary, sqltext.MaskingPolicy, sqltext.RowPolicy:
		a.unknown(name, "the engine alters no "+string(kind)+" that way")
	}
}

func (a *analysis) alterWarehouse(kind string) {
	a.Take("WAREHOUSE")
	name, ok := a.ObjectName(sqltext.Warehouse)
	if !ok {
		a.unknown(kind, noName)
		return
	}
	a.write(sqltext.Object{Kind: sqltext.Warehouse, Name: name}, Alter)
	a.set(kind, Irreversible, "machines start or stop, and running queries with them", "")
}

// comment analyzes COMMENT [IF EXISTS] ON … IS '…', which the engine turns into ALTER.
func (a *analysis) comment() {
	a.ifExists()
	a.Take("ON")
	switch {
	case a.Take("TABLE"):
		o, ok := a.table("COMMENT ON TABLE")
		if !ok {
			return
		}
		a.write(o, Alter)
		a.set("COMMENT ON TABLE", Exact, "the earlier comment can be read", "COMMENT ON TABLE "+o.Display()+" IS the earlier one")
	case a.Take("COLUMN"):
		parts, ok := a.Reader.Name()
		if !ok || len(parts) < 2 {
			a.unknown("COMMENT ON COLUMN", noName)
			return
		}
		o, ours := a.qualify(sqltext.Table, parts[:len(parts)-1])
		a.foreign = !ours
		a.write(o, Alter)
		a.set("COMMENT ON COLUMN", Exact, "the earlier comment can be read", "COMMENT ON COLUMN "+strings.Join(parts, ".")+" IS the earlier one")
	case a.IsWord("NETWORK"), a.IsWord("PASSWORD"):
		kind, words, ok := a.takeKind()
		if !ok {
			a.unknown("COMMENT", noName)
			return
		}
		o, ok := a.object(kind, false)
		if !ok {
			a.unknown("COMMENT ON "+words, noName)
			return
		}
		a.write(o, Alter)
		a.redefined("COMMENT ON " + words)
	default:
		a.unknown("COMMENT", "it comments no object that dbctl knows")
	}
}
