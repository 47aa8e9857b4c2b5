// Package rights knows which privileges of the server dbctl's work takes beside those of the statements that people write, and which the
// user has.
package rights

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Need is a privilege on a database ("" for the whole account).
type Need struct{ Privilege, Database string }

func (n Need) String() string {
	if n.Database == "" {
		return n.Privilege + " on *.*"
	}
	return n.Privilege + " on " + n.Database + ".*"
}

// ToUndo are the privileges that putting back a write of an object takes beside the write's own, as the object was before it (databend
// src/query/service/src/interpreters/access/privilege_access.rs). What a role makes is its own, and to drop that takes none.
func ToUndo(w effect.Write, was catalog.ObjectState, role string) (out []Need) {
	removes := w.Verb == effect.Drop || w.Verb == effect.Replace
	makes := !was.Exists && (w.Verb == effect.Create || w.Verb == effect.CreateNew || w.Verb == effect.Replace)
	switch kind := strings.ToUpper(string(w.Kind)); {
	case (w.Kind == sqltext.User || w.Kind == sqltext.Role) && makes:
		return []Need{{"DROP " + kind, ""}}
	case !was.Exists:
		return nil
	case (w.Kind == sqltext.User || w.Kind == sqltext.Role) && removes:
		out = append(out, Need{"CREATE " + kind, ""})
		if len(was.Grants) > 0 {
			out = append(out, Need{"GRANT", ""})
		}
	case w.Kind == sqltext.Database && removes:
		out = append(out, Need{"DROP", ""}) // before UNDROP
	case w.Kind == sqltext.Table && removes:
		out = append(out, Need{"DROP", w.Database})
	case w.Kind == sqltext.Table && was.IsFuse() && w.Changes(effect.Rewound) && (w.Verb == effect.Alter || w.Verb == effect.WriteData):
		out = append(out, Need{"ALTER", ""}, Need{"CREATE", w.Database}) // before FLASHBACK, and a RENAME ahead of it
		if was.Owner != role {
			out = append(out, Need{"DROP", w.Database})
		}
	}
	if removes && was.Owner != "" {
		out = append(out, Need{"GRANT", ""}) // before GRANT OWNERSHIP: what is brought back has no owner
	}
	return out
}

// ToSee is the privilege without which an object of a kind may be there though the server shows none: these kinds are shown to those who
// may use them, which SUPER and CREATE DATABASE, that replace them, do not give (databend src/query/users/src/visibility_checker.rs).
func ToSee(kind sqltext.ObjectKind) []Need {
	switch kind {
	case sqltext.Database:
		return []Need{{"SELECT", ""}}
	case sqltext.Stage:
		return []Need{{"READ", ""}}
	case sqltext.Function:
		return []Need{{"USAGE", ""}}
	case sqltext.Procedure:
		return []Need{{"ACCESS PROCEDURE", ""}}
	}
	return nil
}

// Held is what SHOW GRANTS says of the user: privileges by the database they are for, "" for the whole account.
type Held map[string][]string

// Has reports whether a privilege is among them.
func (h Held) Has(n Need) bool {
	for _, database := range []string{"", n.Database} {
		for _, p := range h[database] {
			if p == "ALL" || p == "OWNERSHIP" || p == n.Privilege || p == "CREATE" && n.Privilege == "CREATE DATABASE" && database == "" {
				return true
			}
		}
	}
	return false
}

// Read asks for what the user has.
func Read(ctx context.Context, c catalog.Conn) (Held, error) {
	res, err := c.Query(ctx, databend.Statement{SQL: "SHOW GRANTS", Reads: true})
	if err != nil {
		return nil, fmt.Errorf("read the privileges: %w", err)
	}
	return HeldBy(res), nil
}

// Grants are the statements that give privileges to a role. A user without a role of its own gets one: Databend grants CREATE and the
// like to roles alone.
func Grants(missing []Need, role, user string) string {
	var statements []string
	without := role == "" || role == "public"
	if without {
		role = "dbctl"
		statements = append(statements, "CREATE ROLE IF NOT EXISTS "+role)
	}
	objects, privileges := []string{}, map[string][]string{}
	for _, n := range missing {
		on := "*.*"
		if n.Database != "" {
			on = sqltext.Ident(n.Database) + ".*"
		}
		if privileges[on] == nil {
			objects = append(objects, on)
		}
		privileges[on] = append(privileges[on], n.Privilege)
	}
	for _, on := range objects {
		statements = append(statements, "GRANT "+strings.Join(privileges[on], ", ")+" ON "+on+" TO ROLE "+sqltext.Ident(role))
	}
	if without && user != "" {
		statements = append(statements, "GRANT ROLE "+role+" TO USER "+user)
	}
	return strings.Join(statements, "; ")
}

// HeldBy reads the answer of SHOW GRANTS, whose columns are found by name. Which object a grant is on stands in the GRANT alone
// ("GRANT ALL ON 'default'.'shop'.* TO ROLE `r`"): by object_name a database looks like a stage.
func HeldBy(res databend.Result) Held {
	privileges, grant := slices.Index(res.Columns, "privileges"), slices.Index(res.Columns, "grants")
	h := Held{}
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
