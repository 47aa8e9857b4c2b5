package effect

import (
	"slices"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Again makes of a CREATE one that may run where the object is: CREATE OR REPLACE. A stage that keeps its own files is only made where
// it is missing, since replacing it deletes them. Every other statement stays as it is.
func Again(stmt string) string {
	words, err := sqltext.ReadStatement(stmt)
	p := &sqltext.Reader{Words: words}
	if err != nil || !p.Take("CREATE") {
		return stmt
	}
	create := p.EndOffset()
	p.Take("OR", "REPLACE")
	kind := p.EndOffset()
	guarded := *p // IF NOT EXISTS stands behind the words of the kind
	for guarded.I < len(words.Tokens) && words.Tokens[guarded.I].Kind == sqltext.Word && !guarded.IsWord("IF") {
		guarded.I++
	}
	before := guarded.EndOffset()
	guard := guarded.Take("IF", "NOT", "EXISTS")
	internal := slices.ContainsFunc(Analyze(stmt, "default").Writes, func(w Write) bool { return w.Internal })
	switch {
	case internal && guard:
		return stmt
	case internal && p.Take("STAGE"):
		return stmt[:create] + " STAGE IF NOT EXISTS" + stmt[p.EndOffset():]
	case guard:
		return stmt[:create] + " OR REPLACE" + stmt[kind:before] + stmt[guarded.EndOffset():]
	}
	return stmt[:create] + " OR REPLACE" + stmt[kind:]
}
