package effect

import (
	"maps"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Temporary are the temporary tables of a session. Each hides the table of its name, and ends with the session.
type Temporary map[sqltext.Object]bool

// Follow takes in the next statement of the session, and returns its effect without what it does to temporary tables.
func (t *Temporary) Follow(e Effect) Effect {
	if e.Temp == nil && len(*t) == 0 {
		return e
	}
	now := maps.Clone(*t)
	var lasting []Write
	for _, w := range e.Writes {
		if !now[w.Object] {
			lasting = append(lasting, w)
			continue
		}
		if w.Verb == Drop || w.Verb == RenameOut {
			delete(now, w.Object) // what is behind it can be seen again
		}
		if w.Verb == RenameOut {
			now[w.To] = true
		}
	}
	if len(lasting) == 0 && len(e.Writes) > 0 {
		e.Class, e.Reason, e.Undo, e.Copy = None, "a temporary table ends with the session", "", false
	}
	if e.Temp != nil {
		if now == nil {
			now = Temporary{}
		}
		now[*e.Temp] = true
	}
	e.Writes, *t = lasting, now
	return e
}
