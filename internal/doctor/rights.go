package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// need is a privilege on a database ("" for the whole account).
type need struct{ privilege, database string }

func (n need) String() string {
	if n.database == "" {
		return n.privilege + " on *.*"
	}
	return n.privilege + " on " + n.database + ".*"
}

// needs are the privileges that the statements of the migrations, the loads and dbctl's own tables take, and those that a rollback takes.
func (d *doctor) needs() []need {
	wanted := map[need]bool{}
	for _, m := range d.Project.Migrations {
		made := map[sqltext.Object]bool{}
		for _, e := range project.Effects(m.Up.Statements, d.Project.Env.Database) {
			want(wanted, e)
			for _, w := range e.Writes {
				made[w.Object] = made[w.Object] || w.Verb == effect.Create
				if w.Kind == sqltext.Table && !made[w.Object] && w.Changes(effect.Rewound) && (w.Verb == effect.Alter || w.Verb == effect.WriteData) {
					wanted[need{"ALTER", ""}] = true // the engine asks for it before a FLASHBACK, by which a rollback undoes this
				}
			}
		}
	}
	for _, l := range d.Project.Loads {
		database := l.Copy.Target(d.Project.Env.Database).Database
		wanted[need{"INSERT", database}], wanted[need{"SELECT", database}] = true, true
		if l.OnChanged == "replace" {
			wanted[need{"DELETE", database}] = true
		}
		for _, e := range project.Effects(l.After, d.Project.Env.Database) {
			want(wanted, e)
		}
	}
	for _, p := range []string{"SELECT", "INSERT", "CREATE"} {
		wanted[need{p, d.Scope.StateDatabase}] = true
	}
	all := slices.Collect(maps.Keys(wanted))
	slices.SortFunc(all, func(a, b need) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// want adds what a statement takes.
func want(wanted map[need]bool, e effect.Effect) {
	for _, o := range e.Sources {
		if !sqltext.EnginesOwn(o.Database) {
			wanted[need{"SELECT", o.Database}] = true
		}
	}
	for _, w := range e.Writes {
		database := "" // the whole account
		if w.Kind == sqltext.Table {
			database = w.Database
		}
		for _, p := range privileges(w) {
			wanted[need{p, database}] = true
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

// held is what SHOW GRANTS says of the user: privileges by the database they are for, "" for the whole account.
type held map[string][]string

func (h held) has(n need) bool {
	for _, database := range []string{"", n.database} {
		for _, p := range h[database] {
			if p == "ALL" || p == "OWNERSHIP" || p == n.privilege || p == "CREATE" && n.privilege == "CREATE DATABASE" && database == "" {
				return true
			}
		}
	}
	return false
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
	res, err := d.session.Query(ctx, databend.Statement{SQL: "SHOW GRANTS", Reads: true})
	if err != nil {
		d.failed("rights", "they cannot be read: "+err.Error(), hintOf(err, `dbctl sql "SHOW GRANTS"`))
		return
	}
	held := heldBy(res)
	var missing []need
	var names []string
	for _, n := range needed {
		if !held.has(n) {
			missing, names = append(missing, n), append(names, n.String())
		}
	}
	if len(missing) == 0 {
		d.ok("rights", fmt.Sprintf("all %d privileges that the project's statements, and a rollback of them, need", len(needed)))
		return
	}
	d.failed("rights", "these privileges are missing: "+strings.Join(names, ", "),
		"an administrator gives them: `dbctl sql "+shell.Quote(grants(missing, role, user))+"`")
}

// grants are the statements that give privileges to a role. A user without a role of its own gets one: Databend grants CREATE and the
// like to roles alone.
func grants(missing []need, role, user string) string {
	var statements []string
	without := role == "" || role == "public"
	if without {
		role = "dbctl"
		statements = append(statements, "CREATE ROLE IF NOT EXISTS "+role)
	}
	objects, privileges := []string{}, map[string][]string{}
	for _, n := range missing {
		on := "*.*"
		if n.database != "" {
			on = sqltext.Ident(n.database) + ".*"
		}
		if privileges[on] == nil {
			objects = append(objects, on)
		}
		privileges[on] = append(privileges[on], n.privilege)
	}
	for _, on := range objects {
		statements = append(statements, "GRANT "+strings.Join(privileges[on], ", ")+" ON "+on+" TO ROLE "+sqltext.Ident(role))
	}
	if without && user != "" {
		statements = append(statements, "GRANT ROLE "+role+" TO USER "+user)
	}
	return strings.Join(statements, "; ")
}

// heldBy reads the answer of SHOW GRANTS, whose columns are found by name. Which object a grant is on stands in the GRANT alone
// ("GRANT ALL ON 'default'.'shop'.* TO ROLE `r`"): by object_name a database looks like a stage.
func heldBy(res databend.Result) held {
	privileges, grant := slices.Index(res.Columns, "privileges"), slices.Index(res.Columns, "grants")
	h := held{}
	for _, row := range res.Rows {
		if privileges < 0 || grant < 0 {
			continue
		}
		_, object, _ := strings.Cut(row[grant].String, " ON ")
		object = object[:max(0, strings.LastIndex(object, " TO "))]
		database := ""
		if object != "*.*" {
			all, ok := strings.CutSuffix(object, "'.*")
			if !ok { // one table, or a stage: what a database needs is not known from it
				continue
			}
			_, database, _ = strings.Cut(all, "'.'") // behind the catalog
		}
		for p := range strings.SplitSeq(row[privileges].String, ",") {
			h[database] = append(h[database], strings.ToUpper(strings.TrimSpace(p)))
		}
	}
	return h
}
