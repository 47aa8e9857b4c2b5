package savepoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// asNow is said of every object that was defined anew from the journal.
const asNow = "defined again from the journal, secrets as of now"

// others puts back the objects that have no history in the engine: what was made is dropped, what was changed or dropped is
// defined again, from what the engine shows of it where that is all, else from dbctl's own earlier definition.
func (x *restorer) others() error {
	var scope []sqltext.Object
	for _, o := range x.r.order {
		_, known := x.r.before[o]
		if known && len(x.r.written[o]) > 0 && o.Kind != sqltext.Table && o.Kind != sqltext.Database {
			scope = append(scope, o)
		}
	}
	slices.SortStableFunc(scope, func(a, b sqltext.Object) int { return cmp.Compare(rank(a.Kind), rank(b.Kind)) })
	for _, o := range scope {
		was, now := x.r.before[o], x.live.state(o)
		if x.untaken(now) && now.Facts["current"] != was.Facts["current"] {
			now.Facts = map[string]string{} // it is as it was made: it may go back to where the earlier one was
		} else if now.Exists == was.Exists && (!was.Exists || same(was, now) && !x.opaque(o)) {
			continue
		}
		var err error
		if was.Exists {
			err = x.redefine(was, now)
		} else {
			err = x.dropOther(now)
		}
		if refused(err) {
			x.note(o, "it cannot be put back: %s", message(err))
			continue
		}
		if err != nil {
			return fmt.Errorf("restore %s: %w", o, err)
		}
	}
	return nil
}

// rank orders kinds: what is used before what uses it.
func rank(k sqltext.ObjectKind) int {
	order := []sqltext.ObjectKind{
		sqltext.Setting, sqltext.Tag, sqltext.NetworkPolicy, sqltext.PasswdPolicy, sqltext.Role, sqltext.User, sqltext.Connection,
		sqltext.FileFormat, sqltext.Stage, sqltext.Sequence, sqltext.Function, sqltext.MaskingPolicy, sqltext.RowPolicy,
		sqltext.Index, sqltext.Procedure, sqltext.Dictionary, sqltext.Notification, sqltext.Task, sqltext.Grant,
	}
	return slices.Index(order, k)
}

// opaque reports whether equal looks say nothing: a connection's values, and those of a stage made with keys, are not shown.
// Such an object is defined again whenever a reached statement wrote it.
func (x *restorer) opaque(o sqltext.Object) bool {
	switch o.Kind {
	case sqltext.Connection, sqltext.User, sqltext.Notification, sqltext.Warehouse, sqltext.MaskingPolicy, sqltext.RowPolicy, sqltext.Dictionary:
		return true
	case sqltext.Stage:
		return x.r.before[o].Facts["type"] == "External"
	}
	return false
}

// same compares definitions, and for a sequence that it did not go back: values given away are never given again.
func same(was, now ObjectState) bool {
	if was.Kind == sqltext.Sequence && behind(now.Facts["current"], was.Facts["current"]) {
		return false
	}
	return was.Definition() == now.Definition()
}

// untaken reports whether a reached statement made the sequence and no value was taken from it since.
func (x *restorer) untaken(now ObjectState) bool {
	if now.Kind != sqltext.Sequence || !now.Exists {
		return false
	}
	for _, i := range slices.Backward(x.r.written[now.Object]) {
		for _, w := range x.r.reached[i].Effect.Writes {
			if w.Object != now.Object || w.Verb != effect.Create && w.Verb != effect.Replace {
				continue
			}
			return now.Facts["current"] == w.Start
		}
	}
	return false
}

func behind(a, b string) bool {
	x, errA := strconv.ParseInt(a, 10, 64)
	y, errB := strconv.ParseInt(b, 10, 64)
	return errA == nil && errB == nil && x < y
}

// dropWords is how a kind is dropped.
var dropWords = map[sqltext.ObjectKind]string{
	sqltext.Stage: "STAGE", sqltext.Connection: "CONNECTION", sqltext.FileFormat: "FILE FORMAT", sqltext.Function: "FUNCTION",
	sqltext.Procedure: "PROCEDURE", sqltext.Sequence: "SEQUENCE", sqltext.Task: "TASK", sqltext.Dictionary: "DICTIONARY",
	sqltext.Role: "ROLE", sqltext.User: "USER", sqltext.MaskingPolicy: "MASKING POLICY", sqltext.RowPolicy: "ROW ACCESS POLICY",
	sqltext.NetworkPolicy: "NETWORK POLICY", sqltext.PasswdPolicy: "PASSWORD POLICY", sqltext.Tag: "TAG",
	sqltext.Notification: "NOTIFICATION INTEGRATION", sqltext.Index: "AGGREGATING INDEX", sqltext.Pipe: "PIPE",
	sqltext.Catalog: "CATALOG",
}

// dropOther drops what a reached statement made. An internal stage with files in it stays: DROP STAGE deletes them.
func (x *restorer) dropOther(now ObjectState) error {
	o := now.Object
	switch o.Kind {
	case sqltext.Grant:
		return nil // of a role or user that was made, and goes with it
	case sqltext.Setting:
		x.done[o] = true
		return x.exec("UNSET GLOBAL %s", o.Name)
	case sqltext.Stage:
		if n := now.Files(); n > 0 {
			x.hold(o, "the stage is new and %d files are in it", n)
			return nil
		}
	}
	word, ok := dropWords[o.Kind]
	if !ok {
		x.hold(o, "a %s cannot be taken back", o.Kind)
		return nil
	}
	x.done[o] = true
	return x.exec("DROP %s IF EXISTS %s", word, o.SQL())
}

// redefine defines an object as it was.
func (x *restorer) redefine(was, now ObjectState) error {
	o := was.Object
	if o.Kind == sqltext.Grant {
		return x.regrant(was, now)
	}
	statements := rebuild(was, now)
	if statements == nil {
		if x.o.Redefine == nil {
			x.hold(o, "Databend does not show all of its definition, and dbctl has no earlier one")
			return nil
		}
		sts, err := x.o.Redefine(o)
		note := asNow
		if errors.Is(err, ErrNoDefinition) && was.internalStage() {
			// The files of a stage that was dropped are gone; its name and defaults can be had back.
			sts, err, note = []databend.Statement{{SQL: "CREATE STAGE IF NOT EXISTS " + o.SQL()}}, nil, "made again with the defaults of a stage"
			if was.Facts["comment"] != now.Facts["comment"] {
				sts = append(sts, databend.Statement{SQL: "ALTER STAGE " + o.SQL() + " SET COMMENT = " + sqltext.Quote(was.Facts["comment"])})
			}
		}
		if err != nil {
			x.hold(o, "it cannot be defined again: %s", message(err))
			return nil
		}
		for _, st := range sts {
			x.wrote++
			if _, err := x.c.Exec(x.ctx, st); err != nil {
				return err
			}
		}
		x.note(o, "%s", note)
	}
	for _, sql := range statements {
		if err := x.exec("%s", sql); err != nil {
			return err
		}
	}
	if o.Kind == sqltext.Role {
		if err := x.regrant(was, now); err != nil {
			return err
		}
	}
	x.done[o] = true
	return nil
}

// rebuild writes the definition of an object from what the engine shows, nil when that is not all of it.
func rebuild(was, now ObjectState) []string {
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
		if now.Exists && behind(start, now.Facts["current"]) {
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
	case !ok && strings.Contains(def, "->"):
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
	return list(parts)
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

// regrant grants what was granted and is not now, and revokes what was not. Roles come first: what Databend shows as granted to a
// role or user has what it inherits in it.
func (x *restorer) regrant(was, now ObjectState) error {
	changed, err := x.inherit(was, now)
	if err != nil {
		return err
	}
	kind, grantee := grantee(was.Object)
	if changed {
		if now.Grants, err = grantsOf(x.ctx, x.c, kind, grantee); err != nil {
			return err
		}
	}
	for _, g := range was.Grants {
		if !slices.Contains(now.Grants, g) && !strings.HasPrefix(g, "GRANT OWNERSHIP") { // that is the object's: owners
			x.done[was.Object] = true
			if err := x.exec("%s", g); err != nil {
				return err
			}
		}
	}
	for _, g := range now.Grants {
		if !slices.Contains(was.Grants, g) && was.Kind == sqltext.Grant && !strings.HasPrefix(g, "GRANT OWNERSHIP") {
			x.done[was.Object] = true
			r := strings.Replace(strings.Replace(g, "GRANT ", "REVOKE ", 1), " TO ", " FROM ", 1)
			if err := x.exec("%s", r); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherit gives a role or user the roles that it had, and reports whether there was something to do.
func (x *restorer) inherit(was, now ObjectState) (bool, error) {
	kind, name := grantee(was.Object)
	to := sqltext.Quote(name)
	if kind == "role" {
		to = "ROLE " + sqltext.Ident(name)
	}
	had, has := roleNames(was.Facts["roles"]), roleNames(now.Facts["roles"])
	for _, r := range had {
		if !slices.Contains(has, r) {
			if err := x.exec("GRANT ROLE %s TO %s", sqltext.Ident(r), to); err != nil {
				return false, err
			}
		}
	}
	for _, r := range has {
		if !slices.Contains(had, r) {
			if err := x.exec("REVOKE ROLE %s FROM %s", sqltext.Ident(r), to); err != nil {
				return false, err
			}
		}
	}
	changed := !slices.Equal(had, has)
	if changed {
		x.done[was.Object] = true
	}
	return changed, nil
}

// roleNames are the names of "a, b", sorted.
func roleNames(commas string) []string {
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
func grantee(o sqltext.Object) (kind, name string) {
	if kind, name, ok := strings.Cut(o.Name, " "); ok && o.Kind == sqltext.Grant {
		return strings.ToLower(kind), name
	}
	return "role", o.Name
}

// readGrants reads what the grantee of a Grant object has, and of which roles it inherits.
func (cat *catalog) readGrants(ctx context.Context, c Conn, o sqltext.Object) error {
	kind, name := grantee(o)
	grants, err := grantsOf(ctx, c, kind, name)
	if refused(err) { // there is no such role or user
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
	rows, err := query(ctx, c, "select "+from+" where name = "+sqltext.Quote(name))
	if err != nil {
		return err
	}
	s := ObjectState{Object: o, Exists: true, Grants: grants, Facts: map[string]string{}}
	if len(rows) > 0 {
		s.Facts["roles"] = strings.Join(roleNames(rows[0][0]), ", ")
	}
	cat.others[o] = s
	return nil
}

// differenceOther is difference for kinds other than tables.
func (x *restorer) differenceOther(was, now ObjectState) (mine, theirs string) {
	switch {
	case was.Kind == sqltext.StageFiles:
		return "files that were removed or written cannot be put back", ""
	case was.Exists != now.Exists && was.Exists:
		return "it is not there", ""
	case was.Exists != now.Exists:
		return "it is there", ""
	case was.Files() > now.Files() && slices.ContainsFunc(x.r.written[was.Object], func(i int) bool { return x.r.reached[i].Effect.Changes(effect.Files) }):
		return fmt.Sprintf("%d files that were in it are gone", was.Files()-now.Files()), ""
	case was.Kind == sqltext.Database && was.ID != now.ID:
		return fmt.Sprintf("database %s is there instead of %s", now.ID, was.ID), ""
	case was.Kind != sqltext.Database && was.Definition() != now.Definition():
		return "it is " + oneLine(now) + ", was " + oneLine(was), ""
	}
	return "", ""
}

func oneLine(o ObjectState) string {
	_, rest, _ := strings.Cut(strings.TrimSpace(o.Definition()), "\n")
	return strings.ReplaceAll(rest, "\n", "; ")
}
