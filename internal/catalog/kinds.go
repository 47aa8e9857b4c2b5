package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// kindBranch is the part of the catalogue union for objects of a kind other than table and database; "" for kinds that the
// engine shows by a statement of their own, or not at all.
func kindBranch(k sqltext.ObjectKind, objects []sqltext.Object) string {
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.Name
	}
	where := " where " + Either("name", names)
	switch k {
	case sqltext.Stage:
		return branch(string(k), []string{"name", "stage_type", "url", "endpoint", "storage_params", "file_format_options", "comment", "owner"}, " from system.stages"+where)
	case sqltext.Index: // the filter is not to be pushed down: see detailBranches
		return branch(string(k), []string{"name", "original", "database", "`table`"}, " from system.indexes where type = 'AGGREGATING' and name||'' in "+List(names))
	case sqltext.Function:
		return branch(string(k), []string{"name", "language", "definition", "arguments", "description"}, " from system.user_functions"+where)
	case sqltext.Sequence:
		return branch(string(k), []string{"name", "current", `"interval"`, "comment"}, " from show_sequences()"+where)
	case sqltext.Tag:
		return branch(string(k), []string{"name", "allowed_values", "comment"}, " from system.tags"+where)
	case sqltext.PasswdPolicy:
		return branch(string(k), []string{"name", "options", "comment"}, " from system.password_policies"+where)
	case sqltext.Role:
		return branch(string(k), []string{"name", "inherited_roles_name"}, " from system.roles"+where)
	case sqltext.User:
		return branch(string(k), []string{"name", "auth_type", "default_role", "roles", "disabled", "network_policy", "password_policy"}, " from system.users"+where)
	case sqltext.Catalog:
		return branch(string(k), []string{"name"}, " from system.catalogs"+where)
	case sqltext.Procedure:
		return branch(string(k), []string{"name", "arguments", "comment"}, " from system.procedures"+where)
	case sqltext.Dictionary:
		return branch(string(k), []string{"name", "database", "key_names::variant", "key_types::variant", "attribute_names::variant", "attribute_types::variant", "source", "comment"}, " from system.dictionaries"+where)
	}
	return ""
}

// kindFacts names the columns of kindBranch after the name.
var kindFacts = map[sqltext.ObjectKind][]string{
	sqltext.Stage:        {"type", "url", "endpoint", "storage", "file format", "comment", "owner"},
	sqltext.Index:        {"as", "database", "table"},
	sqltext.Function:     {"language", "definition", "arguments", "description"},
	sqltext.Sequence:     {"current", "interval", "comment"},
	sqltext.Tag:          {"allowed values", "comment"},
	sqltext.PasswdPolicy: {"options", "comment"},
	sqltext.Role:         {"roles"},
	sqltext.User:         {"authentication", "default role", "roles", "disabled", "network policy", "password policy"},
	sqltext.Setting:      {"value", "level"},
	sqltext.Procedure:    {"arguments", "comment"},
	sqltext.Dictionary:   {"database", "key names", "key types", "attribute names", "attribute types", "source", "comment"},
}

// volatileFact reports whether a fact is no part of the definition: it moves by itself, or UNDROP and redefinition lose it.
func volatileFact(k sqltext.ObjectKind, fact string) bool {
	switch k {
	case sqltext.Sequence:
		return fact == "current"
	case sqltext.Stage:
		return fact == "owner" || fact == "files"
	case sqltext.Table: // a stream's place
		return fact == "at"
	}
	return false
}

func (cat *Catalog) addKind(kind string, f []string) {
	k := sqltext.ObjectKind(kind)
	s := ObjectState{Object: sqltext.Object{Kind: k, Name: f[0]}, Exists: true, Facts: map[string]string{}}
	for i, fact := range kindFacts[k] {
		if v := f[i+1]; v != "" {
			s.Facts[fact] = v
		}
	}
	switch k {
	case sqltext.Stage:
		s.Facts["storage"] = withoutSecrets(s.Facts["storage"])
	case sqltext.Role, sqltext.User:
		s.Facts["roles"] = strings.Join(RoleNames(s.Facts["roles"]), ", ")
	case sqltext.Dictionary:
		s.Database = s.Facts["database"]
		delete(s.Facts, "database")
	case sqltext.Procedure:
		args, _, _ := strings.Cut(strings.TrimPrefix(s.Facts["arguments"], s.Name), " RETURN")
		s.Args = sqltext.ProcedureArgs(args)
	case sqltext.Setting:
		s.Exists = s.Facts["level"] == "GLOBAL"
		if !s.Exists {
			s.Facts = nil
		}
	}
	cat.others[s.Object] = s
}

// withoutSecrets drops from a JSON object what may be part of a key: the server masks, but shows the ends.
func withoutSecrets(text string) string {
	var all map[string]any
	if json.Unmarshal([]byte(text), &all) != nil {
		return ""
	}
	for k := range all {
		low := strings.ToLower(k)
		for _, word := range []string{"key", "secret", "token", "password", "credential", "user", "external_id", "role_arn", "account_name"} {
			if strings.Contains(low, word) {
				delete(all, k)
			}
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		return ""
	}
	return string(out)
}

// readKind reads the kinds that need a statement of their own: one for the kind, for procedures, grants and dictionaries one each.
func (cat *Catalog) readKind(ctx context.Context, c Conn, k sqltext.ObjectKind, objects []sqltext.Object) error {
	put := func(o sqltext.Object, facts map[string]string) {
		cat.others[o] = ObjectState{Object: o, Exists: true, Facts: facts}
	}
	wanted := func(name string) (sqltext.Object, bool) {
		i := slices.IndexFunc(objects, func(o sqltext.Object) bool { return o.Name == name })
		if i < 0 {
			return sqltext.Object{}, false
		}
		return objects[i], true
	}
	switch k {
	case sqltext.Stage:
		for _, o := range objects {
			if s, ok := cat.others[o]; ok && s.IsInternalStage() {
				rows, err := Query(ctx, c, "select to_string(count(*)) from list_stage(location => "+sqltext.Quote("@"+o.Name)+")")
				if err != nil {
					return err
				}
				s.Facts["files"] = rows[0][0]
			}
		}
	case sqltext.Connection:
		rows, err := Query(ctx, c, "SHOW CONNECTIONS")
		if err != nil {
			return err
		}
		for _, r := range rows {
			if o, ok := wanted(r[0]); ok {
				put(o, map[string]string{"storage": r[1], "options": optionNames(r[2])})
			}
		}
	case sqltext.Setting: // one by one: the account's own limit of rows may be 1
		for _, o := range objects {
			res, err := c.Query(ctx, databend.Statement{Account: true, SQL: "SELECT name, value, level FROM system.settings WHERE name = " + sqltext.Quote(o.Name)})
			if err != nil {
				return err
			}
			for _, r := range res.Rows {
				cat.addKind(string(k), []string{r[0].String, r[1].String, r[2].String})
			}
		}
	case sqltext.FileFormat:
		rows, err := Query(ctx, c, "SHOW FILE FORMATS")
		if err != nil {
			return err
		}
		for _, r := range rows {
			if o, ok := wanted(r[0]); ok {
				put(o, map[string]string{"format": r[1]})
			}
		}
	case sqltext.NetworkPolicy:
		rows, err := Query(ctx, c, "SHOW NETWORK POLICIES")
		if err != nil {
			return err
		}
		for _, r := range rows {
			if o, ok := wanted(r[0]); ok {
				put(o, map[string]string{"allowed": r[1], "blocked": r[2], "comment": r[3]})
			}
		}
	case sqltext.Procedure:
		for _, o := range objects {
			s, ok := cat.procedure(o)
			if !ok {
				continue
			}
			rows, err := Query(ctx, c, "DESC PROCEDURE "+s.Name+s.Args)
			if err != nil {
				return err
			}
			for _, r := range rows {
				s.Facts[r[0]] = r[1]
			}
			s.Object = o
			cat.others[o] = s
		}
	case sqltext.MaskingPolicy, sqltext.RowPolicy, sqltext.Notification, sqltext.Pipe:
		for _, o := range objects {
			res, err := c.Query(ctx, databend.Statement{SQL: "DESC " + DropWords[k] + " " + o.SQL()})
			if Refused(err) {
				continue // there is none, or there can be none here
			}
			if err != nil {
				return err
			}
			facts := map[string]string{}
			for i, col := range res.Columns {
				if col = strings.ToLower(col); len(res.Rows) > 0 && i < len(res.Rows[0]) && !strings.Contains(col, "created") && !strings.Contains(col, "webhook") && col != "id" {
					facts[col] = res.Rows[0][i].String
				}
			}
			if len(res.Rows) > 0 {
				put(o, facts)
			}
		}
	case sqltext.Task:
		for _, o := range objects {
			res, err := c.Query(ctx, databend.Statement{SQL: "SHOW TASKS LIKE " + sqltext.Quote(o.Name)})
			if databend.IsCode(err, databend.CodeNoTasks, databend.CodeNoLicence) {
				return nil // there are none
			}
			if err != nil {
				return err
			}
			for _, row := range res.Rows {
				facts := map[string]string{}
				for i, col := range res.Columns {
					switch col {
					case "state", "schedule", "definition", "warehouse", "comment", "condition_text", "after", "suspend_task_after_num_failures", "error_integration", "name":
						facts[col] = row[i].String
					}
				}
				if facts["name"] == o.Name {
					delete(facts, "name")
					put(o, facts)
				}
			}
		}
	case sqltext.Grant:
		for _, o := range objects {
			if err := cat.readGrants(ctx, c, o); err != nil {
				return err
			}
		}
	case sqltext.Role:
		for _, o := range objects {
			if s, ok := cat.others[o]; ok {
				grants, err := GrantsOf(ctx, c, "role", o.Name)
				if err != nil {
					return err
				}
				s.Grants = grants
				cat.others[o] = s
			}
		}
	}
	return nil
}

// procedure finds a procedure by name and, when the object has them, argument types.
func (cat *Catalog) procedure(o sqltext.Object) (ObjectState, bool) {
	for x, s := range cat.others {
		if x.Kind == sqltext.Procedure && x.Name == o.Name && (o.Args == "" || x.Args == o.Args) {
			return s, true
		}
	}
	return ObjectState{}, false
}

// optionNames keeps the names of "access_key_id=******fgh …": the server shows the last characters of each value.
func optionNames(masked string) string {
	var out []string
	for _, kv := range strings.Fields(masked) {
		if k, _, ok := strings.Cut(kv, "="); ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// grantsOf reads what is granted to a role or user, as statements.
func GrantsOf(ctx context.Context, c Conn, kind, name string) ([]string, error) {
	rows, err := Query(ctx, c, fmt.Sprintf("select grants from show_grants(%s, %s)", sqltext.Quote(kind), sqltext.Quote(name)))
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		out = append(out, grantSQL(r[0])...)
	}
	slices.Sort(out)
	return out, nil
}
