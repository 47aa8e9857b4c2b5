package savepoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/savepoint/blame"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// used says what others do by now with an object that a reached statement made, and that must not go from under them: "" for nothing. DROP
// STAGE deletes files, a value of a sequence would be given again, and nothing brings up what a role or user was granted.
func (x *restorer) used(now catalog.ObjectState) (why string, err error) {
	o := now.Object
	switch o.Kind {
	case sqltext.Stage:
		if n := now.Files(); n > 0 {
			why = event.Number(n, "file is in it", "files are in it")
		}
	case sqltext.Sequence:
		if !x.untaken(now) && !x.r.Reads(o) {
			why = "another session took values from it"
		} else if user, failed := x.calls(o); user != "" || failed != nil {
			why, err = user+", which stays, takes its values", failed
		}
	case sqltext.Function:
		if user, failed := x.calls(o); user != "" || failed != nil {
			why, err = user+" of another session calls it", failed
		}
	case sqltext.Procedure:
		if now.Granted() && !x.r.Reads(o) {
			why = "another session gave privileges on it"
		}
	case sqltext.Role, sqltext.User:
		if holder, failed := x.holder(o); holder != "" || failed != nil {
			why, err = "another session gave it to "+holder, failed
		} else if given, failed := x.givenByOthers(now); given != "" || failed != nil {
			why, err = "another session gave it "+given, failed
		}
	}
	if why != "" || err != nil {
		return why, err
	}
	if x.r.GivenAway(now) {
		return "another session gave it to role " + now.Owner, nil
	}
	if now.Tagged() && !x.r.Wrote(o).Has(effect.Attachments) {
		return "another session gave it tags", nil
	}
	return "", nil
}

// calls is a table whose default takes values of a sequence, or a view or function that is not this migration's and takes them, or calls a
// function; "" when there is none. A table or view that was not changed since named it before it was made.
func (x *restorer) calls(o sqltext.Object) (string, error) {
	since := " and concat(database, '.', name) in (select concat(database, '.', name) from system.tables where " +
		x.since(o, "updated_on") + ")"
	find := func(kind, database, text, from string) string {
		return "select " + sqltext.Quote(kind) + ", " + database + ", name, " + text + " from " + from +
			" where instr(" + text + ", " + sqltext.Quote(o.Name) + ") > 0"
	}
	sql := find("view", "database", "view_query", "system.views") + since + " union all " +
		find("function", "''", "definition", "system.user_functions")
	sequence := o.Kind == sqltext.Sequence
	if sequence {
		sql += " union all " + find("table", "database", "default_expression",
			"(select database, `table` as name, default_expression from system.columns)") + since
	}
	rows, err := catalog.Query(x.ctx, x.c, sql)
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		user := sqltext.Object{Kind: sqltext.ObjectKind(r[0].String), Database: r[1].String, Name: r[2].String}
		ours := strings.HasPrefix(user.Database, catalog.ParkedPrefix) || strings.HasPrefix(user.Name, catalog.ParkedPrefix) ||
			len(x.r.Written[user]) > 0
		words, err := sqltext.ReadWords(strings.ReplaceAll(r[3].String, "$$", " ")) // of a function's text too
		if err != nil || !sequence && ours {
			continue
		}
		for i := range words.Tokens {
			p := sqltext.Reader{Words: words, I: i}
			if sequence && !(p.Take("nextval") && p.TakeSymbol("(")) {
				continue
			}
			if name, ok := p.Ident(); ok && name == o.Name && (sequence || p.TakeSymbol("(")) {
				return user.String(), nil
			}
		}
	}
	return "", nil
}

// since is the condition that a column's time may be after the first reached statement that wrote an object.
func (x *restorer) since(o sqltext.Object, column string) string {
	if written := x.r.Written[o]; len(written) > 0 {
		return fmt.Sprintf("coalesce(%s >= to_timestamp(%d), true)", column, max(0, x.r.Statements[written[0]].At.UnixMicro()))
	}
	return "true"
}

// givenByOthers is something that a new role or user has and that no reached statement gave it, "" for nothing.
func (x *restorer) givenByOthers(now catalog.ObjectState) (string, error) {
	word := strings.ToLower(string(now.Kind))
	grantee := sqltext.Object{Kind: sqltext.Grant, Name: strings.ToUpper(word) + " " + now.Name}
	for _, role := range catalog.RoleNames(now.Facts["roles"]) {
		if !slices.ContainsFunc(x.r.Grants(grantee), func(g effect.Grant) bool { return g.Role == role && !g.Revoke }) {
			return "the role " + role, nil
		}
	}
	has, err := catalog.GrantsOf(x.ctx, x.c, word, now.Name)
	if err != nil {
		return "", err
	}
	for _, l := range has {
		if !x.ownsOurs(l) && !putAside(l) && !x.r.Gave(grantee, l) {
			return strings.TrimPrefix(l, "GRANT "), nil
		}
	}
	return "", nil
}

// holder is a user or role to whom another session gave a new role, "" for none. One that was not changed since, or that had it when it was
// captured, had it before, when there was an earlier role of that name: the engine leaves it there.
func (x *restorer) holder(o sqltext.Object) (string, error) {
	if o.Kind != sqltext.Role {
		return "", nil
	}
	since := " where " + x.since(o, "update_on")
	rows, err := catalog.Query(x.ctx, x.c, "select concat('USER ', name), roles from system.users"+since+
		" union all select concat('ROLE ', name), inherited_roles_name from system.roles"+since)
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		grants := sqltext.Object{Kind: sqltext.Grant, Name: r[0].String}
		gave := func(g effect.Grant) bool { return g.Role == o.Name && !g.Revoke }
		had := func(grantee sqltext.Object) bool {
			return slices.Contains(catalog.RoleNames(x.r.Before[grantee].Facts["roles"]), o.Name)
		}
		if slices.Contains(catalog.RoleNames(r[1].String), o.Name) && !slices.ContainsFunc(x.r.Grants(grants), gave) &&
			!had(grants) && !had(catalog.GranteeOf(grants)) {
			return r[0].String, nil
		}
	}
	return "", nil
}

// ownsOurs reports whether a line of grants is of the ownership of what reached statements made, or may have: of tables and databases that
// is known.
func (x *restorer) ownsOurs(line string) bool {
	o := blame.GrantIn(line).Of
	return owning(line) && (o == sqltext.Object{} || len(x.r.Written[o]) > 0)
}

// putAside reports whether what a line of grants is about was made by reached statements, and put aside to be dropped.
func putAside(line string) bool {
	return slices.ContainsFunc(strings.Split(blame.GrantIn(line).On, "."), catalog.IsAside)
}
