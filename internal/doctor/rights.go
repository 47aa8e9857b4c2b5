package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/rights"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// needs are the privileges that the statements of the migrations, the loads and dbctl's own tables take, and those that a rollback takes.
func (d *doctor) needs() []rights.Need {
	wanted := map[rights.Need]bool{}
	for _, m := range d.Project.Migrations {
		made := map[sqltext.Object]bool{}
		for _, e := range project.Effects(m.Up.Statements, d.Project.Env.Database) {
			want(wanted, e)
			for _, w := range e.Writes {
				made[w.Object] = made[w.Object] || w.Verb == effect.Create
				// Offline nobody knows whose what is there is.
				was := catalog.ObjectState{Object: w.Object, Exists: !made[w.Object], Engine: "FUSE", Owner: "somebody"}
				for _, n := range rights.ToUndo(w, was, "") {
					wanted[n] = true
				}
			}
		}
	}
	for _, l := range d.Project.Loads {
		database := l.Copy.Target(d.Project.Env.Database).Database
		wanted[rights.Need{Privilege: "INSERT", Database: database}], wanted[rights.Need{Privilege: "SELECT", Database: database}] = true, true
		if l.OnChanged == "replace" {
			wanted[rights.Need{Privilege: "DELETE", Database: database}] = true
		}
		for _, e := range project.Effects(l.After, d.Project.Env.Database) {
			want(wanted, e)
		}
	}
	for _, p := range []string{"SELECT", "INSERT", "CREATE"} {
		wanted[rights.Need{Privilege: p, Database: d.Scope.StateDatabase}] = true
	}
	all := slices.Collect(maps.Keys(wanted))
	slices.SortFunc(all, func(a, b rights.Need) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// want adds what a statement takes.
func want(wanted map[rights.Need]bool, e effect.Effect) {
	for _, o := range e.Sources {
		if !sqltext.EnginesOwn(o.Database) {
			wanted[rights.Need{Privilege: "SELECT", Database: o.Database}] = true
		}
	}
	for _, w := range e.Writes {
		database := "" // the whole account
		if w.Kind == sqltext.Table {
			database = w.Database
		}
		for _, p := range privileges(w) {
			wanted[rights.Need{Privilege: p, Database: database}] = true
		}
	}
}

// privileges are those that the engine asks for before it makes a write (databend
// src/query/service/src/interpreters/access/privilege_access.rs), on the table's database or on the whole account, and those that bring
// back what it drops: UNDROP takes DROP.
func privileges(w effect.Write) []string {
	switch w.Kind {
	case sqltext.Table:
		return tablePrivileges(w)
	case sqltext.Database:
		switch w.Verb {
		case effect.Create, effect.CreateNew:
			return []string{"CREATE DATABASE"}
		case effect.Replace:
			return []string{"CREATE DATABASE", "DROP"}
		case effect.Drop, effect.Undrop:
			return []string{"DROP"}
		}
		return []string{"ALTER"}
	case sqltext.StageFiles, sqltext.Unknown:
		return nil
	case sqltext.Grant:
		return []string{"GRANT"}
	case sqltext.User, sqltext.Role:
		switch kind := strings.ToUpper(string(w.Kind)); w.Verb {
		case effect.Create, effect.CreateNew:
			return []string{"CREATE " + kind}
		case effect.Replace:
			return []string{"CREATE " + kind, "DROP " + kind}
		case effect.Drop:
			return []string{"DROP " + kind}
		}
		return []string{"ALTER"}
	case sqltext.Function, sqltext.Index:
		if w.Verb == effect.Drop || w.Verb == effect.Replace {
			return []string{"SUPER", "DROP"}
		}
	case sqltext.Sequence:
		if w.Verb == effect.WriteData { // a value is taken
			return nil
		}
	}
	return []string{"SUPER"}
}

func tablePrivileges(w effect.Write) (all []string) {
	switch w.Verb {
	case effect.Create, effect.CreateNew, effect.RenameIn:
		return []string{"CREATE"}
	case effect.Replace:
		return []string{"CREATE", "DROP"}
	case effect.Drop, effect.Undrop:
		return []string{"DROP"}
	case effect.RenameOut:
		return []string{"ALTER", "DROP"}
	case effect.Alter, effect.Swap:
		return []string{"ALTER"}
	case effect.WriteData:
		for _, p := range []struct {
			does effect.RowVerb
			name string
		}{{effect.AddsRows, "INSERT"}, {effect.UpdatesRows, "UPDATE"}, {effect.DeletesRows, "DELETE"}} {
			if w.Does.Has(p.does) {
				all = append(all, p.name)
			}
		}
	}
	return all
}

// rights compares what is needed with what is held.
func (d *doctor) rights(ctx context.Context) {
	needed := d.needs()
	role, user := "", "" // where they cannot be read, grants names a role to make
	if who, err := d.one(ctx, databend.Statement{SQL: "SELECT current_role(), current_user()"}); err == nil {
		role, user = who[0].String, who[1].String
	}
	if role == databend.AccountAdmin {
		d.ok("rights", fmt.Sprintf("role %s may do all that the project needs (%d privileges)", databend.AccountAdmin, len(needed)))
		return
	}
	held, err := rights.Read(ctx, d.session)
	if err != nil {
		d.failed("rights", "they cannot be read: "+err.Error(), cmp.Or(exit.Hint(err), `dbctl sql "SHOW GRANTS"`))
		return
	}
	var missing []rights.Need
	var names []string
	for _, n := range needed {
		if !held.Has(n) {
			missing, names = append(missing, n), append(names, n.String())
		}
	}
	if len(missing) == 0 {
		d.ok("rights", fmt.Sprintf("all %d privileges that the project's statements, and a rollback of them, need", len(needed)))
		return
	}
	d.failed("rights", "these privileges are missing: "+strings.Join(names, ", "),
		"an administrator gives them: `dbctl sql "+shell.Quote(rights.Grants(missing, role, user))+"`")
}
