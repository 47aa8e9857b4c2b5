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
	if w.Kind == sqltext.Table {
		return unheldTable(was, w, followed)
	}
	alters, removes := w.Verb == effect.Alter, w.Verb == effect.Drop || w.Verb == effect.Replace
	switch {
	case !was.Exists:
		return ""
	case w.Changes(effect.Files) && was.Files() > 0:
		return fmt.Sprintf("%s holds %s, deleted with it", w.Object, event.Plural(was.Files(), "file"))
	case !followed:
		return ""
	case alters && w.Changes(effect.Owner) && was.Owner == "":
		return ownerless(w)
	case alters && w.Changes(effect.Text) && was.IsInternalStage():
		return fmt.Sprintf("%s keeps its own files, and cannot be defined again with them in it", w.Object)
	case w.Grant != nil && w.Grant.Revoke && slices.Contains(was.Lost, sqltext.Object{Kind: sqltext.Role, Name: w.Grant.Role}):
		return fmt.Sprintf("role %s is no more, and cannot be granted again", w.Grant.Role)
	case removes && was.Granted():
		return fmt.Sprintf("%s has privileges, which go with it", w.Object)
	case removes && len(was.Lost) > 0:
		return fmt.Sprintf("%s was granted what nobody can be granted again: %s", w.Object, was.Lost[0])
	case w.Verb == effect.Drop && was.Tagged():
		return fmt.Sprintf("%s has tags, which go with it", w.Object)
	}
	return ""
}

// unheldTable is Unheld of a table, view or stream.
func unheldTable(was ObjectState, w effect.Write, followed bool) string {
	alters, reworded := w.Verb == effect.Alter, w.Verb == effect.Alter && w.Changes(effect.Text)
	writes := w.Changes(effect.Rows) && (w.Verb == effect.WriteData || alters || w.Verb == effect.Drop) // of DROP ALL
	switch engine := strings.ToUpper(was.Engine); {
	case writes && strings.Contains(w.Name, "/"):
		return fmt.Sprintf("Databend does not show the snapshots of %s: it takes a slash in a name for a branch", w.Object)
	case !was.Exists:
		return ""
	case alters && w.Changes(effect.Owner) && was.Owner == "" && followed:
		return ownerless(w)
	case engine == "FUSE" && reworded:
		return fmt.Sprintf("%s is a table: ALTER VIEW leaves an option on it that cannot be taken away", w.Object)
	case engine == "FUSE" && alters && w.Changes(effect.Constraints) && was.Unread && followed:
		return fmt.Sprintf("the constraints that %s has cannot be read: the role needs SELECT on system.constraints, or one of its CHECKs "+
			"names a renamed column", w.Object)
	case engine == "FUSE" && alters && followed:
		return unheldOption(was, w)
	case engine == "VIEW" && reworded && followed:
		return unheldText(was, w)
	case engine == "FUSE", engine == "VIEW", engine == "MATERIALIZED_VIEW", engine == "STREAM", was.KeepsNothing():
		return ""
	case writes:
		return fmt.Sprintf("%s is of engine %s, which keeps no earlier rows", w.Object, engine)
	}
	return ""
}

func ownerless(w effect.Write) string {
	return fmt.Sprintf("%s has no owner, and Databend takes none away again", w.Object)
}

// unheldOption is Unheld of ALTER TABLE … SET OPTIONS.
func unheldOption(was ObjectState, w effect.Write) string {
	for _, o := range w.Options {
		if _, set := was.Options[o.Name]; !o.Unset && !set && !slices.Contains(Unsettable, o.Name) {
			return fmt.Sprintf("Databend cannot take the option %s away again, which %s does not have yet", strings.ToLower(o.Name), w.Object)
		}
	}
	return ""
}

// unheldText is Unheld of ALTER VIEW.
func unheldText(was ObjectState, w effect.Write) string {
	switch _, certain := ViewBody(was); {
	case !certain:
		return fmt.Sprintf("Databend keeps the column list of %s in a form that cannot be given again", w.Object)
	case was.Dead:
		return fmt.Sprintf("what %s reads is gone, and Databend takes no text of a view that it cannot read", w.Object)
	}
	return ""
}
