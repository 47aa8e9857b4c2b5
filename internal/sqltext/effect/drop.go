package effect

import "github.com/dbctl/dbctl/internal/sqltext"

// drop analyzes DROP. What has history is undropped, the rest made again.
func (a *analysis) drop() {
	if index := a.indexKind(); index != "" {
		a.I += 2
		a.ifExists()
		a.dropIndex(index)
		return
	}
	materialized := a.IsWord("MATERIALIZED") && a.Is(a.I+1, "VIEW")
	if materialized {
		a.I++
	}
	switch {
	case a.Take("TABLE"):
		a.ifExists()
		o := a.table("DROP TABLE")
		w := a.write(o, Drop)
		if a.Take("ALL") {
			w.Aspects |= Rows
			w.Forgets, a.e.Prunes = true, true
			a.set("DROP TABLE ALL", Flashback,
				"the dropped table comes back empty and goes back to its earlier snapshot; with a vacuum licence its history is gone at once",
				"UNDROP TABLE "+o.Pasted()+"; FLASHBACK")
			return
		}
		a.set("DROP TABLE", Exact, "the engine keeps a dropped table as long as retention lasts", "UNDROP TABLE "+o.Pasted())
	case a.Take("VIEW"):
		a.ifExists()
		o := a.table("DROP VIEW")
		a.write(o, Drop).IsView = true
		if materialized {
			a.set("DROP MATERIALIZED VIEW", Redefine, "the engine undrops no materialized view; it is made again",
				"the earlier CREATE MATERIALIZED VIEW "+o.Pasted())
			return
		}
		a.set("DROP VIEW", Exact, "the engine keeps a dropped view as long as retention lasts", "UNDROP TABLE "+o.Pasted())
	case a.Take("STREAM"):
		a.ifExists()
		o := a.table("DROP STREAM")
		a.write(o, Drop).IsStream = true
		a.set("DROP STREAM", Exact, "the engine keeps a dropped stream, offset included, as long as retention lasts", "UNDROP TABLE "+o.Pasted())
		a.needs(Streams)
	case a.Take("DATABASE"), a.Take("SCHEMA"):
		a.ifExists()
		o, ok := a.databaseName()
		a.require("DROP DATABASE", ok)
		a.write(o, Drop)
		a.set("DROP DATABASE", Exact, "the engine keeps a dropped database and its tables as long as retention lasts",
			"UNDROP DATABASE "+o.Pasted())
	default:
		kind, words, ok := a.takeKind()
		if !ok {
			a.unknown("DROP", "it drops no object that dbctl knows")
			return
		}
		a.dropOther(kind, words)
	}
}

func (a *analysis) dropOther(kind sqltext.ObjectKind, words string) {
	a.ifExists()
	o, ok := a.object(kind, false)
	a.require("DROP "+words, ok)
	w := a.write(o, Drop)
	a.set("DROP "+words, Redefine, "the engine keeps no dropped "+string(kind)+"; it is made again from dbctl's own text",
		"the earlier CREATE "+words+" "+o.Pasted())
	switch kind {
	case sqltext.Stage:
		w.Aspects |= Files
		a.e.Reason = "the engine keeps no dropped stage; it is made again from dbctl's own text, but the files of an internal stage are gone"
	case sqltext.Sequence:
		a.e.Class, a.e.Reason = Exact, sequenceAgain
	case sqltext.Task:
		a.needs(Tasks)
	case sqltext.User:
		a.irreversible("the user's password cannot be read back")
	case sqltext.Warehouse, sqltext.Worker, sqltext.Catalog, sqltext.WorkloadGroup:
		a.irreversible("a dropped " + string(kind) + " cannot be made again as it was")
	}
}

// sequenceAgain says how a sequence is put back: the engine shows all of it.
const sequenceAgain = "it is made again, and goes on where it stood"

func (a *analysis) undrop() {
	switch {
	case a.Take("TABLE"):
		o := a.table("UNDROP TABLE")
		a.write(o, Undrop)
		a.set("UNDROP TABLE", Exact, "what was undropped is dropped again", "DROP TABLE "+o.Pasted())
	case a.Take("DATABASE"):
		o, ok := a.databaseName()
		a.require("UNDROP DATABASE", ok)
		a.write(o, Undrop)
		a.set("UNDROP DATABASE", Exact, "what was undropped is dropped again", "DROP DATABASE "+o.Pasted())
	default:
		a.unknown("UNDROP", "it undrops no object that dbctl knows")
	}
}
