package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
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
		database := d.Project.Env.Database
		for _, st := range m.Up.Statements {
			e := effect.Analyze(st.SQL, database)
			if e.Use != "" {
				database = e.Use
			}
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
	role, err := d.one(ctx, databend.Statement{SQL: "SELECT current_role()"})
	if err == nil && role[0] == admin {
		d.ok("rights", fmt.Sprintf("role %s may do all that the project needs (%d privileges)", admin, len(needed)))
		return
	}
	res, err := d.session.Query(ctx, databend.Statement{SQL: "SHOW GRANTS"})
	if err != nil {
		d.failed("rights", "they cannot be read: "+err.Error(), hintOf(err, `dbctl sql "SHOW GRANTS"`))
		return
	}
	held := heldBy(res)
	var missing []string
	for _, n := range needed {
		if !held.has(n) {
			missing = append(missing, n.String())
		}
	}
	if len(missing) == 0 {
		d.ok("rights", fmt.Sprintf("all %d privileges that the project's statements need", len(needed)))
		return
	}
	to := "USER of the environment"
	if len(role) > 0 && role[0] != "" && role[0] != "public" {
		to = "ROLE " + role[0]
	}
	d.failed("rights", "these privileges are missing: "+strings.Join(missing, ", "),
		fmt.Sprintf("as an administrator: GRANT %s TO %s; and so on", strings.Replace(missing[0], " on ", " ON ", 1), to))
}

// heldBy reads the answer of SHOW GRANTS, whose columns are found by name.
func heldBy(res databend.Result) held {
	privileges, object := slices.Index(res.Columns, "privileges"), slices.Index(res.Columns, "object_name")
	h := held{}
	for _, row := range res.Rows {
		if privileges < 0 || object < 0 {
			continue
		}
		database, rest, _ := strings.Cut(strings.NewReplacer("'", "", "`", "", `"`, "").Replace(row[object].String), ".")
		if third, table, ok := strings.Cut(rest, "."); ok { // catalog.database.table
			database, rest = third, table
		}
		switch {
		case database == "*":
			database = ""
		case rest != "*": // one table: what a database needs is not known from it
			continue
		}
		for p := range strings.SplitSeq(row[privileges].String, ",") {
			h[database] = append(h[database], strings.ToUpper(strings.TrimSpace(p)))
		}
	}
	return h
}
