package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// kind is what dbctl knows of the objects of one kind that the engine keeps no history of: how they are read, told apart, dropped and
// made again. Tables, views, streams and databases have history, and are no such kind.
type kind struct {
	of       sqltext.ObjectKind
	word     string   // as DROP and DESC name it, "" when it cannot be dropped
	given    string   // as GRANT names it, where that is another word
	from     string   // the system table that lists it, "" when a statement of its own reads it
	columns  []string // of that table, after the name
	facts    []string // what these columns, or those that a statement shows, are called in Facts
	volatile []string // facts that are no part of its definition: they move by themselves, or no definition gives them back

	// the condition on names, where it is not that the column name is one of them
	list   func(names []string) string
	adjust func(*ObjectState)                                                              // puts right what a row says
	read   func(ctx context.Context, c Conn, cat *Catalog, objects []sqltext.Object) error // what no table lists
	ask    func(ObjectState) []question                                                    // and what is asked of many at a time
	tags   func(sqltext.Object) string                                                     // the arguments of tag_references
	opaque func(ObjectState) bool                                                          // equal facts do not mean that it is the same
	// makes it as it was; nil when facts do not tell how
	rebuild func(was, now ObjectState, wrote effect.Aspect) []string
}

func always(ObjectState) bool { return true }

// made is the column that says when an object was made. It stands behind those of its facts.
const made = "to_int64(created_on)"

// kinds are all of them, what is used before what uses it.
var kinds []kind

func init() {
	kinds = []kind{
		{
			of: sqltext.Setting, facts: []string{"value", "level"}, adjust: adjustSetting, read: readSettings, rebuild: rebuildSetting,
		},
		{
			of: sqltext.Tag, word: "TAG", from: "system.tags", columns: []string{"allowed_values", "comment", made},
			facts: []string{"allowed values", "comment"}, rebuild: rebuildTag,
		},
		{
			of: sqltext.NetworkPolicy, word: "NETWORK POLICY", read: shown("SHOW NETWORK POLICIES"),
			facts: []string{"allowed", "blocked", "comment"}, rebuild: rebuildNetworkPolicy,
		},
		{
			of: sqltext.PasswdPolicy, word: "PASSWORD POLICY", from: "system.password_policies",
			columns: []string{"options", "comment", made}, facts: []string{"options", "comment"}, rebuild: rebuildPasswordPolicy,
		},
		{
			of: sqltext.Role, word: "ROLE", from: "system.roles", columns: []string{"inherited_roles_name", made}, facts: []string{"roles"},
			adjust: adjustRoles, ask: askGrants, tags: nameIn("role"), rebuild: rebuildRole,
		},
		{
			of: sqltext.User, word: "USER", from: "system.users", volatile: []string{changed}, opaque: always, adjust: adjustUser,
			rebuild: rebuildUser, tags: nameIn("user"),
			columns: []string{
				"auth_type", "default_role", "roles", "disabled", "must_change_password", "network_policy", "password_policy", userChanged, made,
			},
			facts: []string{
				"authentication", "default role", "roles", "disabled", "must change password", "network policy", "password policy", changed,
			},
		},
		{
			of: sqltext.Connection, word: "CONNECTION", read: shown("SHOW CONNECTIONS"), facts: []string{"storage", "options"},
			adjust: adjustConnection, ask: askGiven, tags: nameIn("connection"), opaque: always,
		},
		{
			of: sqltext.FileFormat, word: "FILE FORMAT", read: shown("SHOW FILE FORMATS"), facts: []string{"format"}, rebuild: rebuildFormat,
		},
		{
			of: sqltext.Stage, word: "STAGE", from: "system.stages", volatile: []string{"owner", "files"},
			columns: []string{"stage_type", "url", "endpoint", "storage_params", "file_format_options", "comment", "owner", made},
			facts:   []string{"type", "url", "endpoint", "storage", "file format", "comment", "owner"},
			adjust:  adjustStage, ask: askFiles, tags: nameIn("stage"), rebuild: rebuildStage,
			opaque: func(o ObjectState) bool { return !o.IsInternalStage() }, // its keys are not shown
		},
		{
			of: sqltext.Sequence, word: "SEQUENCE", from: "show_sequences()", volatile: []string{"current"},
			columns: []string{"current", `"interval"`, "comment", made}, facts: []string{"current", "interval", "comment"}, ask: askGiven,
			rebuild: rebuildSequence,
		},
		{
			of: sqltext.Function, word: "FUNCTION", given: "UDF", from: "system.user_functions",
			columns: []string{"language", "definition", "arguments", "description", made},
			facts:   []string{"language", "definition", "arguments", "description"}, ask: askGiven, tags: textIn("udf"), rebuild: rebuildFunction,
		},
		{of: sqltext.MaskingPolicy, word: "MASKING POLICY", read: readDescribed, opaque: always},
		{of: sqltext.RowPolicy, word: "ROW ACCESS POLICY", read: readDescribed, opaque: always},
		{
			of: sqltext.Index, word: "AGGREGATING INDEX", from: "system.indexes", columns: []string{"original", "database", "`table`", made},
			facts: []string{"as", "database", "table"}, rebuild: rebuildIndex,
			// Not to be pushed down: see detailBranches.
			list: func(names []string) string {
				return "type = 'AGGREGATING' and name||'' in (" + sqltext.Literals(names) + ")"
			},
		},
		{
			of: sqltext.Procedure, word: "PROCEDURE", from: "system.procedures", columns: []string{"arguments", "comment", "procedure_id", made},
			facts: []string{"arguments", "comment", number}, volatile: []string{number, granted}, adjust: adjustProcedure, read: readProcedures,
			ask: askGiven, tags: textIn("procedure"),
		},
		{
			of: sqltext.Dictionary, word: "DICTIONARY", from: "system.dictionaries", opaque: always, adjust: adjustDictionary,
			columns: []string{
				"database", "key_names::variant", "key_types::variant", "attribute_names::variant", "attribute_types::variant", "source", "comment",
				made,
			},
			facts: []string{"database", "key names", "key types", "attribute names", "attribute types", "source", "comment"},
		},
		{of: sqltext.Notification, word: "NOTIFICATION INTEGRATION", read: readDescribed, opaque: always},
		{of: sqltext.Task, word: "TASK", read: readTasks},
		{of: sqltext.Pipe, word: "PIPE", read: readDescribed},
		{of: sqltext.Catalog, word: "CATALOG", from: "system.catalogs"},
		{of: sqltext.Warehouse, opaque: always},
		{
			of: sqltext.Grant, from: "(select concat('ROLE ', name) as name, inherited_roles_name as roles, null as update_on, created_on " +
				"from system.roles union all select concat('USER ', name), roles, update_on, created_on from system.users)",
			columns: []string{"roles", userChanged, made}, facts: []string{"roles", changed}, volatile: []string{changed}, adjust: adjustRoles,
			ask: askGrants,
		},
	}
}

// kindOf is the value of a kind; one that dbctl neither reads nor makes has an empty one.
func kindOf(k sqltext.ObjectKind) kind {
	if i := Rank(k); i >= 0 {
		return kinds[i]
	}
	return kind{of: k}
}

// Rank orders kinds: what is used before what uses it. It is -1 for those with history.
func Rank(k sqltext.ObjectKind) int {
	return slices.IndexFunc(kinds, func(x kind) bool { return x.of == k })
}

// Opaque reports whether equal looks at the object say nothing: values of it are not shown. Once it was written it is defined again.
func Opaque(o ObjectState) bool {
	k := kindOf(o.Kind)
	return k.opaque != nil && k.opaque(o)
}

// Rebuild writes the statements that make of now what was, where statements wrote these aspects of it: nil when what the engine shows
// is not all that they need. Its owner is given back by who restores it.
func Rebuild(was, now ObjectState, wrote effect.Aspect) []string {
	if now.Exists && wrote == effect.Owner {
		return []string{}
	}
	if k := kindOf(was.Kind); k.rebuild != nil {
		return k.rebuild(was, now, wrote)
	}
	return nil
}

// HalfOf reports whether an object may be what a rebuild of was leaves when it is cut off: nothing of it is another than it was, but part
// of it is missing.
func HalfOf(now, was ObjectState) bool {
	part := func(now, was []string) bool {
		return !slices.ContainsFunc(now, func(s string) bool { return !slices.Contains(was, s) })
	}
	switch was.Kind {
	case sqltext.Role:
		return now.Exists && part(now.Grants, was.Grants) && part(RoleNames(now.Facts["roles"]), RoleNames(was.Facts["roles"]))
	case sqltext.Stage:
		return now.IsInternalStage() && was.IsInternalStage() && now.Facts["comment"] == ""
	case sqltext.Tag, sqltext.Index: // it is dropped, an index for the FLASHBACK of its table, and made again
		return !now.Exists
	}
	return false
}

// Shown reports whether what a statement that writes these aspects does to an object can be undone from what the engine shows of it.
// What has history needs no definition, and privileges are given and taken one by one.
func Shown(o ObjectState, wrote effect.Aspect) bool {
	return o.Kind == sqltext.Table || o.Kind == sqltext.Database || o.Kind == sqltext.Grant || Rebuild(o, o, wrote) != nil
}

// Drop is the statement that drops an object, false for one that cannot be dropped.
func Drop(o sqltext.Object) (string, bool) {
	k := kindOf(o.Kind)
	return "DROP " + k.word + " IF EXISTS " + o.SQL(), k.word != ""
}

// GiveTo is the statement that makes an object a role's.
func GiveTo(o sqltext.Object, role string) string {
	k, on := kindOf(o.Kind), o.SQL()
	switch {
	case o.Kind == sqltext.Database:
		on += ".*"
	case o.Kind == sqltext.Sequence, o.Kind == sqltext.Connection: // their quotes are part of the name to the engine
		on = k.word + " " + o.Pasted()
	case o.Kind != sqltext.Table:
		on = cmp.Or(k.given, k.word) + " " + on
	}
	return "GRANT OWNERSHIP ON " + on + " TO ROLE " + sqltext.Quote(role)
}

// changed is the fact that says when a user was changed last, and userChanged the column that tells it. What it is granted changes it too.
const (
	changed     = "changed"
	userChanged = "to_int64(update_on)"
)

// Facts of a procedure: the number by which the server keeps the privileges on it, and whether there are any. Other objects too can have
// tags, which the server deletes with them: making them again brings none back.
const number, granted, tagged = "number", "granted", "tagged"

// rowCount is the fact that says how many rows a table without history has.
const rowCount = "rows"

// volatile reports whether a fact is no part of the definition of an object.
func (o ObjectState) volatile(fact string) bool {
	return fact == tagged || slices.Contains(kindOf(o.Kind).volatile, fact) ||
		o.Kind == sqltext.Table && (fact == "at" || fact == rowCount) // a stream's place, and rows
}

// branch is the part of the catalogue union for objects of the kind, "" when no table lists it.
func (k kind) branch(objects []sqltext.Object) string {
	if k.from == "" {
		return ""
	}
	names := make([]string, len(objects))
	for i, o := range objects {
		names[i] = o.Name
	}
	list := k.list
	if list == nil {
		list = func(names []string) string { return Either("name", names) }
	}
	columns := []string{"name"}
	for _, c := range k.columns {
		columns = append(columns, asText(c))
	}
	return branch(string(k.of), columns, " from "+k.from+" where "+list(names))
}

func (cat *Catalog) addKind(of sqltext.ObjectKind, f databend.Row) {
	k := kindOf(of)
	s := ObjectState{Object: sqltext.Object{Kind: of, Name: f[0].String}, Exists: true, Facts: map[string]string{}}
	for i, fact := range k.facts {
		if v := f[i+1].String; v != "" {
			s.Facts[fact] = v
		}
	}
	if slices.Contains(k.columns, made) {
		s.Created = f.Time(1 + len(k.facts))
	}
	if k.adjust != nil {
		k.adjust(&s)
	}
	cat.others[s.Object] = s
}

func adjustSetting(s *ObjectState) {
	if s.Exists = s.Facts["level"] == "GLOBAL"; !s.Exists {
		s.Facts = nil
	}
}

func adjustRoles(s *ObjectState) { s.Facts["roles"] = strings.Join(RoleNames(s.Facts["roles"]), ", ") }

func adjustUser(s *ObjectState) {
	adjustRoles(s)
	for _, o := range userOptions {
		if o.flag && s.Facts[o.fact] != "true" {
			delete(s.Facts, o.fact)
		}
	}
}

func adjustConnection(s *ObjectState) {
	s.masked = s.Facts["options"]
	s.Facts["options"] = optionNames(s.masked)
}

func adjustStage(s *ObjectState) {
	s.masked = s.Facts["storage"]
	s.Facts["storage"] = withoutSecrets(s.masked)
	s.Owner = s.Facts["owner"]
}

func adjustProcedure(s *ObjectState) {
	args, _, _ := strings.Cut(strings.TrimPrefix(s.Facts["arguments"], s.Name), " RETURN")
	s.Args = define.ProcedureArgs(args)
}

func adjustDictionary(s *ObjectState) {
	s.Database = s.Facts["database"]
	delete(s.Facts, "database")
}
