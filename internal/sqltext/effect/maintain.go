package effect

import "github.com/dbctl/dbctl/internal/sqltext"

// indexKind returns the kind of index that follows.
func (a *analysis) indexKind() string {
	for _, k := range []string{"AGGREGATING", "INVERTED", "NGRAM", "VECTOR", "SPATIAL"} {
		if a.IsWord(k) && a.Is(a.I+1, "INDEX") {
			return k
		}
	}
	return ""
}

func (a *analysis) createIndex(verb Verb, start int) {
	index := a.indexKind()
	if index == "" {
		a.unknown("CREATE", "it makes no object that dbctl knows")
		return
	}
	a.I += 2
	verb = a.ifNotExists(verb)
	kind := createKind(verb, index+" INDEX")
	name, ok := a.ObjectName(sqltext.Index)
	a.require(kind, ok)
	undo := "DROP " + index + " INDEX " + name
	if index == "AGGREGATING" {
		a.write(sqltext.Object{Kind: sqltext.Index, Name: name}, verb)
		for _, o := range a.addReads(start).names {
			if o.Kind == sqltext.Table {
				a.write(o, Alter, Indexes).Indexes = []Named{{Name: name}}
			}
		}
	} else {
		if !a.Take("ON") {
			a.unknown(kind, "an index without ON")
			return
		}
		o := a.table(kind)
		a.write(o, Alter, Indexes).Indexes = []Named{{Name: name}}
		undo += " ON " + o.Pasted()
	}
	if verb == Replace {
		undo = "the earlier CREATE " + index + " INDEX " + name
	}
	a.set(kind, Exact, "an index is made again from its definition, which can be read", undo)
}

func (a *analysis) dropIndex(index string) {
	kind := "DROP " + index + " INDEX"
	name, ok := a.ObjectName(sqltext.Index)
	a.require(kind, ok)
	if a.Take("ON") {
		o := a.table(kind)
		a.write(o, Alter, Indexes).Indexes = []Named{{name, true}}
	} else if index == "AGGREGATING" {
		a.write(sqltext.Object{Kind: sqltext.Index, Name: name}, Drop)
	} else {
		a.unknown(kind, "an index without ON")
		return
	}
	a.set(kind, Exact, "an index is made again from its definition, which can be read", "CREATE "+index+" INDEX "+name)
}

func (a *analysis) truncate() {
	a.Take("TABLE")
	o := a.table("TRUNCATE TABLE")
	w := a.write(o, WriteData, Rows)
	w.Forgets, w.Does = true, DeletesRows|TakesRows
	a.set("TRUNCATE TABLE", Flashback, "the table goes back to its earlier snapshot; the engine's memory of loaded files is gone",
		"ALTER TABLE "+o.Pasted()+" FLASHBACK TO its earlier snapshot")
}

func (a *analysis) optimize() {
	a.Take("TABLE")
	o := a.table("OPTIMIZE TABLE")
	w := a.write(o, Alter, Layout)
	switch {
	case a.Take("COMPACT"):
		a.set("OPTIMIZE TABLE COMPACT", Exact, "rows are only rearranged",
			"nothing, or ALTER TABLE "+o.Pasted()+" FLASHBACK TO its earlier snapshot")
	case a.IsWord("PURGE"), a.IsWord("ALL"):
		w.Aspects |= Rows
		a.e.Prunes = true
		a.set("OPTIMIZE TABLE "+a.Upper(a.I), Irreversible, "old snapshots are deleted, and FLASHBACK with them", "")
	default:
		a.unknown("OPTIMIZE TABLE", "it is no action that dbctl knows")
	}
}

func (a *analysis) analyzeTable() {
	a.Take("TABLE")
	o := a.table("ANALYZE TABLE")
	a.write(o, Alter, Layout)
	a.set("ANALYZE TABLE", Exact, "only statistics change", "nothing, or ALTER TABLE "+o.Pasted()+" FLASHBACK TO its earlier snapshot")
}

func (a *analysis) vacuum() {
	kind := "VACUUM"
	for i := a.I; i < len(a.Tokens) && i < a.I+2; i++ {
		if a.Tokens[i].Kind == sqltext.Word && a.textIs(i, "TABLE", "DROP", "TEMPORARY", "FILES", "TABLES", "VIRTUAL", "COLUMN") {
			kind += " " + a.Upper(i)
		}
	}
	if a.Find("DRY") >= 0 && a.Is(a.Find("DRY")+1, "RUN") {
		a.none(kind + " DRY RUN")
		return
	}
	reason := "what VACUUM deletes is gone, and UNDROP and FLASHBACK with it"
	a.e.Prunes = true
	switch {
	case a.Take("TABLE"), a.Take("VIRTUAL", "COLUMN", "FROM"):
		o := a.table(kind)
		a.write(o, Alter, Rows)
	case a.Take("DROP", "TABLE"):
		o := sqltext.Object{Kind: sqltext.Unknown, Name: "dropped tables"}
		if a.Take("FROM") {
			if database, ok := a.databaseName(); ok {
				o.Name += " of " + database.Name
			}
		}
		a.write(o, Drop, Rows)
	case a.Take("TEMPORARY", "FILES"), a.Take("TEMPORARY", "TABLES"):
		a.write(sqltext.Object{Kind: sqltext.Unknown, Name: "temporary files"}, Drop, Rows)
		reason, a.e.Prunes = "temporary files that are deleted are gone", false
	default:
		a.unknown(kind, "it is no VACUUM that dbctl knows")
		return
	}
	a.set(kind, Irreversible, reason, "")
}

func (a *analysis) refresh() {
	const derived = "what is derived from the rows is only computed again"
	if index := a.indexKind(); index != "" {
		a.I += 2
		kind := "REFRESH " + index + " INDEX"
		name, ok := a.ObjectName(sqltext.Index)
		a.require(kind, ok)
		if a.Take("ON") {
			o := a.table(kind)
			a.write(o, Alter, Layout)
		} else {
			a.write(sqltext.Object{Kind: sqltext.Index, Name: name}, Alter, Layout)
		}
		a.set(kind, Exact, derived, "nothing")
		return
	}
	switch {
	case a.Take("LINEAGE"):
		a.none("REFRESH LINEAGE")
		a.e.Reason = "lineage is only computed again from the views"
	case a.Take("MATERIALIZED", "VIEW"):
		o := a.table("REFRESH MATERIALIZED VIEW")
		a.write(o, WriteData, Rows)
		a.set("REFRESH MATERIALIZED VIEW", Exact, derived, "nothing")
	case a.Take("VIRTUAL", "COLUMN"):
		if !a.Take("FOR") {
			a.Take("ON")
		}
		o := a.table("REFRESH VIRTUAL COLUMN")
		a.write(o, Alter, Layout)
		a.set("REFRESH VIRTUAL COLUMN", Exact, derived, "nothing, or ALTER TABLE "+o.Pasted()+" FLASHBACK TO its earlier snapshot")
	default:
		a.unknown("REFRESH", "it refreshes no object that dbctl knows")
	}
}
