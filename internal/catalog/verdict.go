package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Unheld says why what a statement writes of an object cannot be undone, as the object was before it; "" when it can. followed says that
// a statement comes behind it which may fail: a statement that is a migration by itself needs no way back.
func Unheld(was ObjectState, w effect.Write, followed bool) string {
	writes := w.Changes(effect.Rows) && (w.Verb == effect.WriteData || w.Verb == effect.Alter || w.Verb == effect.Drop) // of DROP ALL
	switch {
	case writes && w.Kind == sqltext.Table && strings.Contains(w.Name, "/"):
		return fmt.Sprintf("Databend does not show the snapshots of %s: it takes a slash in a name for a branch", w.Object)
	case !was.Exists:
		return ""
	case w.Changes(effect.Files) && was.Files() > 0:
		return fmt.Sprintf("%s holds %s, deleted with it", w.Object, event.Plural(was.Files(), "file"))
	case was.IsInternalStage() && w.Verb == effect.Alter && w.Changes(effect.Text) && followed:
		return fmt.Sprintf("%s keeps its own files, and cannot be defined again with them in it", w.Object)
	case w.Verb == effect.Alter && w.Changes(effect.Owner) && was.Owner == "" && followed:
		return fmt.Sprintf("%s has no owner, and Databend takes none away again", w.Object)
	case was.Granted() && (w.Verb == effect.Drop || w.Verb == effect.Replace) && followed:
		return fmt.Sprintf("%s has privileges, which go with it", w.Object)
	case len(was.Lost) > 0 && (w.Verb == effect.Drop || w.Verb == effect.Replace) && followed:
		return fmt.Sprintf("%s was granted what nobody can be granted again: %s", w.Object, was.Lost[0])
	case w.Grant != nil && w.Grant.Revoke && slices.Contains(was.Lost, sqltext.Object{Kind: sqltext.Role, Name: w.Grant.Role}) && followed:
		return fmt.Sprintf("role %s is no more, and cannot be granted again", w.Grant.Role)
	case was.Tagged() && w.Verb == effect.Drop && followed:
		return fmt.Sprintf("%s has tags, which go with it", w.Object)
	case w.Kind != sqltext.Table:
		return ""
	}
	switch engine := strings.ToUpper(was.Engine); {
	case engine == "FUSE":
		if w.Verb == effect.Alter && w.Changes(effect.Text) {
			return fmt.Sprintf("%s is a table: ALTER VIEW leaves an option on it that cannot be taken away", w.Object)
		}
		stays := slices.IndexFunc(w.Options, func(o effect.Option) bool {
			_, set := was.Options[o.Name]
			return !o.Unset && !set && !slices.Contains(Unsettable, o.Name)
		})
		if w.Verb == effect.Alter && stays >= 0 && followed {
			return fmt.Sprintf("Databend cannot take the option %s away again, which %s does not have yet",
				strings.ToLower(w.Options[stays].Name), w.Object)
		}
	case engine == "VIEW":
		_, certain := ViewBody(was)
		switch reworded := w.Verb == effect.Alter && w.Changes(effect.Text) && followed; {
		case reworded && !certain:
			return fmt.Sprintf("Databend keeps the column list of %s in a form that cannot be given again", w.Object)
		case reworded && was.Dead:
			return fmt.Sprintf("what %s reads is gone, and Databend takes no text of a view that it cannot read", w.Object)
		}
	case engine == "MATERIALIZED_VIEW", engine == "STREAM", was.KeepsNothing():
	default:
		if writes {
			return fmt.Sprintf("%s is of engine %s, which keeps no earlier rows", w.Object, engine)
		}
	}
	return ""
}
