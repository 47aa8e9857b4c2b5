package doctor

import (
	"context"
	"fmt"
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

// needs are the privileges that the statements of the migrations, the loads and dbctl's own tables take (databend
// src/query/service/src/interpreters/access/privilege_access.rs), by what they write.
func (d *doctor) needs() []need {
	wanted := map[need]bool{}
	add := func(privilege, database string) { wanted[need{privilege, database}] = true }
	for _, m := range d.Project.Migrations {
		for _, e := range project.Effects(m.Up.Statements, d.Project.Env.Database) {
			for _, w := range e.Writes {
				add(privilege(w), databaseOf(w))
			}
		}
	}
	for _, l := range d.Project.Loads {
		database := l.Copy.Database
		if database == "" {
			database = d.Project.Env.Database
		}
		add("INSERT", database)
		add("SELECT", database)
	}
	for _, p := range []string{"SELECT", "INSERT"} {
		add(p, d.Scope.StateDatabase)
	}
	var all []need
	for n := range wanted {
		if n.privilege != "" {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b need) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// databaseOf is where a privilege for the write must be held.
func databaseOf(w effect.Write) string {
	if w.Kind == sqltext.Table || w.Kind == sqltext.Dictionary {
		return w.Database
	}
	return ""
}

func privilege(w effect.Write) string {
	switch w.Kind {
	case sqltext.Table, sqltext.Dictionary:
		switch w.Verb {
		case effect.Create, effect.CreateNew, effect.Replace, effect.Undrop, effect.RenameIn:
			return "CREATE"
		case effect.Drop:
			return "DROP"
		case effect.WriteData:
			return "INSERT"
		case effect.Alter, effect.Swap, effect.RenameOut:
			return "ALTER"
		}
	case sqltext.Database:
		if w.Verb == effect.Drop {
			return "DROP"
		}
		return "CREATE DATABASE"
	case sqltext.StageFiles, sqltext.Setting, sqltext.Index, sqltext.Unknown:
		return ""
	case sqltext.User, sqltext.Role, sqltext.Grant:
		return "GRANT"
	}
	return "SUPER"
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

// rights compares what is needed with what is held. account_admin may do everything.
func (d *doctor) rights(ctx context.Context) {
	const admin = "account_admin"
	needed := d.needs()
	role, user := "", "" // where they cannot be read, grants names a role to make
	if who, err := d.one(ctx, databend.Statement{SQL: "SELECT current_role(), current_user()"}); err == nil {
		role, user = who[0].String, who[1].String
	}
	if role == admin {
		d.ok("rights", fmt.Sprintf("role %s may do all that the project needs (%d privileges)", admin, len(needed)))
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
		d.ok("rights", fmt.Sprintf("all %d privileges that the project's statements need", len(needed)))
		return
	}
	d.failed("rights", "these privileges are missing: "+strings.Join(names, ", "),
		"an administrator gives them: `dbctl sql "+shell.Quote(grants(missing, role, user))+"`")
}

// grants are the statements that give privileges to a role. A user without a role of its own gets one: Databend grants CREATE and the
// like to roles alone.
func grants(missing []need, role, user string) string {
	own := role != "" && role != "public"
	if !own {
		role = "dbctl"
	}
	var statements []string
	if !own {
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
	if !own && user != "" {
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
