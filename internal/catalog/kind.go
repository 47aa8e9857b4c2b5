package catalog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// rank orders kinds: what is used before what uses it.
func Rank(k sqltext.ObjectKind) int {
	order := []sqltext.ObjectKind{
		sqltext.Setting, sqltext.Tag, sqltext.NetworkPolicy, sqltext.PasswdPolicy, sqltext.Role, sqltext.User, sqltext.Connection,
		sqltext.FileFormat, sqltext.Stage, sqltext.Sequence, sqltext.Function, sqltext.MaskingPolicy, sqltext.RowPolicy,
		sqltext.Index, sqltext.Procedure, sqltext.Dictionary, sqltext.Notification, sqltext.Task, sqltext.Grant,
	}
	return slices.Index(order, k)
}

func Behind(a, b string) bool {
	x, errA := strconv.ParseInt(a, 10, 64)
	y, errB := strconv.ParseInt(b, 10, 64)
	return errA == nil && errB == nil && x < y
}

// dropWords is how a kind is dropped.
var DropWords = map[sqltext.ObjectKind]string{
	sqltext.Stage: "STAGE", sqltext.Connection: "CONNECTION", sqltext.FileFormat: "FILE FORMAT", sqltext.Function: "FUNCTION",
	sqltext.Procedure: "PROCEDURE", sqltext.Sequence: "SEQUENCE", sqltext.Task: "TASK", sqltext.Dictionary: "DICTIONARY",
	sqltext.Role: "ROLE", sqltext.User: "USER", sqltext.MaskingPolicy: "MASKING POLICY", sqltext.RowPolicy: "ROW ACCESS POLICY",
	sqltext.NetworkPolicy: "NETWORK POLICY", sqltext.PasswdPolicy: "PASSWORD POLICY", sqltext.Tag: "TAG",
	sqltext.Notification: "NOTIFICATION INTEGRATION", sqltext.Index: "AGGREGATING INDEX", sqltext.Pipe: "PIPE",
	sqltext.Catalog: "CATALOG",
}

// rebuild writes the definition of an object from what the engine shows, nil when that is not all of it.
func Rebuild(was, now ObjectState) []string {
	f, name := was.Facts, was.Object.SQL()
	comment := func() string {
		if f["comment"] == "" {
			return ""
		}
		return " COMMENT = " + sqltext.Quote(f["comment"])
	}
	switch was.Kind {
	case sqltext.Setting:
		return []string{"SET GLOBAL " + was.Name + " = " + sqltext.Quote(f["value"])}
	case sqltext.Index:
		return []string{"CREATE OR REPLACE AGGREGATING INDEX " + name + " AS " + f["as"]}
	case sqltext.Sequence:
		start := f["current"]
		if now.Exists && Behind(start, now.Facts["current"]) {
			start = now.Facts["current"]
		}
		return []string{fmt.Sprintf("CREATE OR REPLACE SEQUENCE %s START = %s INCREMENT = %s%s", name, start, f["interval"], comment())}
	case sqltext.Function:
		return rebuildFunction(name, f)
	case sqltext.FileFormat:
		return rebuildFormat(name, f["format"])
	case sqltext.NetworkPolicy:
		lists := "ALLOWED_IP_LIST = " + quotedList(f["allowed"])
		if f["blocked"] != "" {
			lists += " BLOCKED_IP_LIST = " + quotedList(f["blocked"])
		}
		return []string{"CREATE OR REPLACE NETWORK POLICY " + name + " " + lists + comment()}
	case sqltext.PasswdPolicy:
		var options []string
		for kv := range strings.SplitSeq(f["options"], ",") {
			options = append(options, "PASSWORD_"+strings.TrimSpace(kv))
		}
		return []string{"CREATE OR REPLACE PASSWORD POLICY " + name + " " + strings.Join(options, " ") + comment()}
	case sqltext.Tag:
		values := ""
		if v := strings.TrimSuffix(strings.TrimPrefix(f["allowed values"], "["), "]"); v != "" {
			values = " ALLOWED_VALUES = (" + v + ")"
		}
		out := []string{"CREATE TAG IF NOT EXISTS " + name + values + comment()}
		if now.Exists { // there is no ALTER TAG
			out = append([]string{"DROP TAG IF EXISTS " + name}, out...)
		}
		return out
	case sqltext.Role:
		return []string{"CREATE ROLE IF NOT EXISTS " + name}
	}
	return nil
}

// rebuildFunction turns the shown definition into a statement: " (x) -> x + 1" of a lambda needs AS, a table function shows
// RETURNS (…). A script's runtime version and options are shown in a form that is not read back.
func rebuildFunction(name string, f map[string]string) []string {
	if !strings.EqualFold(f["language"], "SQL") {
		return nil
	}
	def := strings.TrimSpace(f["definition"])
	switch head, body, ok := strings.Cut(def, " AS $$"); {
	case isLambda(def):
		def = "AS " + def
	case ok:
		def = strings.Replace(head, " RETURNS (", " RETURNS TABLE (", 1) + " AS $$" + body
	default:
		return nil
	}
	if f["description"] != "" {
		def += " DESC = " + sqltext.Quote(f["description"])
	}
	return []string{"CREATE OR REPLACE FUNCTION " + name + " " + def}
}

// isLambda reports whether an arrow follows the parameters.
func isLambda(def string) bool {
	words, err := sqltext.ReadWords(def)
	r := sqltext.Reader{Words: words}
	return err == nil && r.Symbol(0, "(") && r.SkipBrackets() && r.I < len(r.Tokens) && strings.HasPrefix(def[r.Tokens[r.I].Start:], "->")
}

// rebuildFormat turns the shown options into a statement for the types whose text is whole. NDJSON's has a comma and a misspelt
// name.
func rebuildFormat(name, format string) []string {
	rest, ok := strings.CutPrefix(format, "TYPE = ")
	if !ok {
		return nil
	}
	kind := rest[:strings.IndexFunc(rest+" ", func(c rune) bool { return c < 'A' || c > 'Z' })]
	switch kind {
	case "CSV", "TSV", "TEXT", "JSON", "ORC":
	case "NDJSON":
		format = strings.Replace(strings.Replace(format, "NDJSON,", "NDJSON", 1), "NULL_FIELDS_AS", "NULL_FIELD_AS", 1)
	default:
		return nil
	}
	return []string{"CREATE OR REPLACE FILE FORMAT " + name + " " + format}
}

func quotedList(commas string) string {
	parts := strings.Split(commas, ",")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
	}
	return List(parts)
}

// grantSQL rewrites a line of show_grants as statements, one for each privilege: "GRANT SELECT,INSERT ON 'default'.'d'.'t' TO ROLE `r`"
// are two, of which each can be taken back by itself.
func grantSQL(line string) []string {
	on, to, ok := strings.Cut(line, " TO ")
	head, object, has := strings.Cut(on, " ON ")
	if !ok || !has {
		return []string{line}
	}
	object = strings.ReplaceAll(strings.TrimPrefix(object, "'default'."), "'", "`")
	var out []string
	for privilege := range strings.SplitSeq(strings.TrimPrefix(head, "GRANT "), ",") {
		out = append(out, "GRANT "+strings.TrimSpace(privilege)+" ON "+object+" TO "+to)
	}
	return out
}

// roleNames are the names of "a, b", sorted.
func RoleNames(commas string) []string {
	var out []string
	for r := range strings.SplitSeq(commas, ",") {
		if r = strings.TrimSpace(r); r != "" {
			out = append(out, r)
		}
	}
	slices.Sort(out)
	return out
}

// grantee is who a Role or Grant object ("ROLE r", "USER u") is about: "role" or "user", and the name.
func Grantee(o sqltext.Object) (kind, name string) {
	if kind, name, ok := strings.Cut(o.Name, " "); ok && o.Kind == sqltext.Grant {
		return strings.ToLower(kind), name
	}
	return "role", o.Name
}

// readGrants reads what the grantee of a Grant object has, and of which roles it inherits.
func (cat *Catalog) readGrants(ctx context.Context, c Conn, o sqltext.Object) error {
	kind, name := Grantee(o)
	grants, err := GrantsOf(ctx, c, kind, name)
	if Refused(err) { // there is no such role or user
		cat.others[o] = ObjectState{Object: o}
		return nil
	}
	if err != nil {
		return err
	}
	from := "inherited_roles_name from system.roles"
	if kind == "user" {
		from = "roles from system.users"
	}
	rows, err := Query(ctx, c, "select "+from+" where name = "+sqltext.Quote(name))
	if err != nil {
		return err
	}
	s := ObjectState{Object: o, Exists: true, Grants: grants, Facts: map[string]string{}}
	if len(rows) > 0 {
		s.Facts["roles"] = strings.Join(RoleNames(rows[0][0]), ", ")
	}
	cat.others[o] = s
	return nil
}

// unsettable options can be taken away again; Databend knows only SET for the others.
var Unsettable = []string{
	"BLOCK_PER_SEGMENT", "ROW_PER_BLOCK", "BLOCK_SIZE_THRESHOLD", "ROW_AVG_DEPTH_THRESHOLD", "FILE_SIZE",
	"DATA_RETENTION_PERIOD_IN_HOURS", "DATA_RETENTION_NUM_SNAPSHOTS_TO_KEEP", "COPY_DEDUP_FULL_PATH",
}

// neutral are the values that mean the same as no value, for options that cannot be taken away.
var Neutral = map[string]string{"CHANGE_TRACKING": "false", "ENABLE_SCHEMA_EVOLUTION": "false", "ENABLE_AUTO_ANALYZE": "1", "COMPRESSION": "lz4"}

// Stays reports whether a table's option, by its upper case name, cannot be taken back once it is set for the first time.
func Stays(option string) bool { return !slices.Contains(Unsettable, option) && Neutral[option] == "" }

// residue reports whether an option is there now only because Databend cannot take it away.
func Residue(k, now string, was map[string]string) bool {
	_, had := was[k]
	return !had && !slices.Contains(Unsettable, k) && now != ""
}

// mentions reports whether a text of SQL names something. One that cannot be read may.
func mentions(sql, name string) bool {
	words, err := sqltext.ReadWords(sql)
	return err != nil || words.Mentions(name)
}
