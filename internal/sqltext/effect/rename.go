package effect

import (
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

const notRead = "workload groups are not read, so that it is not known what was there"

// rename analyzes RENAME TABLE a TO b [, …], RENAME DICTIONARY and the account-wide kinds.
func (a *analysis) rename() {
	switch {
	case a.IsWord("TABLE") || a.IsWord("DICTIONARY"):
		kind, words := sqltext.Table, "RENAME "+a.Upper(a.I)
		if a.IsWord("DICTIONARY") {
			kind = sqltext.Dictionary
		}
		a.I++
		a.ifExists()
		var undo []string
		for {
			from, ok := a.tableName(kind)
			a.require(words, ok && a.Take("TO"))
			to, ok := a.tableName(kind)
			a.require(words, ok)
			a.renamed(from, to)
			undo = append(undo, to.Pasted()+" TO "+from.Display())
			if !a.TakeSymbol(",") {
				break
			}
		}
		a.set(words, Exact, "it is renamed back, by its id", words+" "+strings.Join(undo, ", "))
		if kind == sqltext.Dictionary {
			a.e.Class, a.e.Reason, a.e.Undo = Redefine, "a dictionary has no history; it is made again from dbctl's own text",
				"the earlier CREATE DICTIONARY"
		}
	case a.Take("WAREHOUSE"):
		a.I--
		a.alterWarehouse("RENAME WAREHOUSE")
	case a.Take("WORKLOAD", "GROUP"):
		from, ok := a.ObjectName(sqltext.WorkloadGroup)
		a.require("RENAME WORKLOAD GROUP", ok && a.Take("TO"))
		to, ok := a.ObjectName(sqltext.WorkloadGroup)
		a.require("RENAME WORKLOAD GROUP", ok)
		a.renamed(sqltext.Object{Kind: sqltext.WorkloadGroup, Name: from}, sqltext.Object{Kind: sqltext.WorkloadGroup, Name: to})
		a.set("RENAME WORKLOAD GROUP", Irreversible, notRead, "")
	default:
		a.unknown("RENAME", "it renames no object that dbctl knows")
	}
}

func (a *analysis) renamed(from, to sqltext.Object) {
	a.write(from, RenameOut).To = to
	a.write(to, RenameIn)
}
