package sqltext

import "strings"

const notRead = "workload groups are not read, so that it is not known what was there"

// rename analyzes RENAME TABLE a TO b [, …], RENAME DICTIONARY and the account-wide kinds.
func (a *analysis) rename() {
	switch {
	case a.isWord("TABLE") || a.isWord("DICTIONARY"):
		kind, words := Table, "RENAME "+a.upper(a.i)
		if a.isWord("DICTIONARY") {
			kind = Dictionary
		}
		a.i++
		a.ifExists()
		var undo []string
		for {
			from, ok := a.tableName(kind)
			if !ok || !a.take("TO") {
				a.unknown(words, noName)
				return
			}
			to, ok := a.tableName(kind)
			if !ok {
				a.unknown(words, noName)
				return
			}
			a.renamed(from, to)
			undo = append(undo, to.Display()+" TO "+from.Display())
			if !a.takeSymbol(",") {
				break
			}
		}
		a.set(words, Exact, "it is renamed back, by its id", words+" "+strings.Join(undo, ", "))
		if kind == Dictionary {
			a.e.Class, a.e.Reason, a.e.Undo = Redefine, "a dictionary has no history; it is made again from dbctl's own text", "the earlier CREATE DICTIONARY"
		}
	case a.take("WAREHOUSE"):
		a.i--
		a.alterWarehouse("RENAME WAREHOUSE")
	case a.take("WORKLOAD", "GROUP"):
		from, ok := a.objectName(WorkloadGroup)
		if !ok || !a.take("TO") {
			a.unknown("RENAME WORKLOAD GROUP", noName)
			return
		}
		to, ok := a.objectName(WorkloadGroup)
		if !ok {
			a.unknown("RENAME WORKLOAD GROUP", noName)
			return
		}
		a.renamed(Object{Kind: WorkloadGroup, Name: from}, Object{Kind: WorkloadGroup, Name: to})
		a.set("RENAME WORKLOAD GROUP", Irreversible, notRead, "")
	default:
		a.unknown("RENAME", "it renames no object that dbctl knows")
	}
}

func (a *analysis) renamed(from, to Object) {
	a.write(from, RenameOut)
	a.write(to, RenameIn)
}
