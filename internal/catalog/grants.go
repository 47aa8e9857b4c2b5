package catalog

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// own asks show_grants for what was granted to a role or user itself. By default it shows what is inherited as if that were granted too.
const own = "SETTINGS (enable_expand_roles = 0) "

// grantsTo is where it is told, as one text a line.
func grantsTo(kind, name string) string {
	return "show_grants(" + sqltext.Quote(kind) + ", " + sqltext.Quote(name) + ")"
}

// GrantsOf reads what is granted to a role or user itself, as statements.
func GrantsOf(ctx context.Context, c Conn, kind, name string) ([]string, error) {
	rows, err := Query(ctx, c, own+"select grants from "+grantsTo(kind, name))
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		out = append(out, grantSQL(r[0].String, name)...)
	}
	slices.Sort(out)
	return out, nil
}

// allOf are the privileges that there are on some kinds, where who has them is shown to have ALL.
var allOf = map[string][]string{
	"SEQUENCE": {"ACCESS SEQUENCE"}, "CONNECTION": {"ACCESS CONNECTION"}, "UDF": {"USAGE"}, "STAGE": {"READ", "WRITE"},
}

// grantSQL rewrites a line of show_grants about that grantee as statements, one for each privilege: "GRANT SELECT,INSERT ON
// 'default'.'d'.'t' TO ROLE `r`" are two, of which each can be taken back by itself. The server writes the names of tables and databases
// as they are, between quotes that mean nothing; any other it takes back as it writes it. Roles are no privileges, and stand among them,
// those too that others of them inherit.
func grantSQL(line, grantee string) []string {
	head, rest, has := strings.Cut(line, " ON ")
	to := strings.LastIndex(line[:max(0, len(line)-len(grantee))], " TO ")
	if strings.HasPrefix(line, "GRANT ROLE ") {
		return nil
	}
	if !has || to < len(head) {
		return []string{line}
	}
	object := rest[:to-len(head)-len(" ON ")]
	if names, ok := strings.CutPrefix(object, "'default'.'"); ok {
		table := strings.HasSuffix(names, "'")
		parts := strings.Split(strings.TrimSuffix(strings.TrimSuffix(names, ".*"), "'"), "'.'")
		for i := range parts {
			parts[i] = sqltext.Ident(parts[i])
		}
		if object = strings.Join(parts, "."); !table {
			object += ".*"
		}
	}
	kind, _, _ := strings.Cut(object, " ")
	privileges := strings.Split(strings.ToUpper(strings.TrimPrefix(head, "GRANT ")), ",")
	if all := allOf[kind]; all != nil && privileges[0] == "ALL" {
		privileges = all
	}
	out := make([]string, len(privileges))
	for i, p := range privileges {
		out[i] = "GRANT " + strings.TrimSpace(p) + " ON " + object + line[to:]
	}
	return out
}

// Revoke is the statement that takes a line of Grants back.
func Revoke(grant string) string {
	words, _, to, ok := grantWords(grant)
	if !ok || !words.Is(0, "GRANT") {
		return grant
	}
	return "REVOKE" + grant[words.Tokens[0].End:words.Tokens[to].Start] + "FROM" + grant[words.Tokens[to].End:]
}

// GrantOn is a line of Grants, on a table or database of another name.
func GrantOn(grant string, o sqltext.Object) string {
	words, on, to, ok := grantWords(grant)
	if !ok {
		return grant
	}
	name := o.SQL()
	if o.Kind == sqltext.Database {
		name += ".*"
	}
	return grant[:words.Tokens[on].End] + " " + name + " " + grant[words.Tokens[to].Start:]
}

// grantWords are the words of a line of Grants, with the first ON (0: none) and the last TO: what it is about stands between them.
func grantWords(grant string) (words sqltext.Words, on, to int, ok bool) {
	words, err := sqltext.ReadStatement(grant)
	if err != nil {
		return words, 0, 0, false
	}
	for i := range words.Tokens {
		if words.Is(i, "ON") && on == 0 {
			on = i
		}
		if words.Is(i, "TO") {
			to = i
		}
	}
	return words, on, to, to > 0
}

// readLost looks which of what the roles and users of this look were granted is no more: the server leaves it among what they have.
func (cat *Catalog) readLost(ctx context.Context, c Conn) error {
	has := map[sqltext.Object][]sqltext.Object{}
	for o, s := range cat.others {
		if o.Kind == sqltext.Role || o.Kind == sqltext.Grant {
			has[o], s.Lost = givenTo(s)
			cat.others[o] = s
		}
	}
	all := slices.Concat(slices.Collect(maps.Values(has))...)
	if len(all) == 0 {
		return nil
	}
	now, err := read(ctx, c, wanted{names: true}.with(all), nil)
	if err != nil {
		return err
	}
	for o, all := range has {
		s := cat.others[o]
		for _, g := range all {
			if !now.State(g).Exists && now.Refused[g] == nil && !slices.Contains(s.Lost, g) {
				s.Lost = append(s.Lost, g)
			}
		}
		cat.others[o] = s
	}
	return nil
}

// givenTo are the roles of a role or user and the objects that it has privileges on, as far as these are listed by names; and, as lost,
// those that the server shows by a number, which no GRANT takes. Of a table that is no more it shows no privileges.
func givenTo(s ObjectState) (names, lost []sqltext.Object) {
	for _, r := range RoleNames(s.Facts["roles"]) {
		names = append(names, sqltext.Object{Kind: sqltext.Role, Name: r})
	}
	add := func(o sqltext.Object) {
		switch o.Kind {
		case sqltext.Function, sqltext.Stage, sqltext.Sequence, sqltext.Connection:
			names = append(names, o)
		}
	}
	for _, line := range s.Grants {
		e := effect.Analyze(line, "")
		for _, w := range e.Writes {
			if add(w.Object); w.Grant != nil && w.Grant.On == "" {
				lost = append(lost, numberedIn(line))
			}
		}
		for _, o := range e.Names {
			add(o)
		}
	}
	return names, lost
}

// numberedIn is what a line of Grants is about, with the number that the server shows as its name: PROCEDURE 21.
func numberedIn(line string) sqltext.Object {
	words, on, to, ok := grantWords(line)
	if !ok || to-on < 3 {
		return sqltext.Object{Kind: sqltext.Unknown, Name: line}
	}
	number := words.Tokens[to-1]
	kind := strings.TrimSpace(line[words.Tokens[on+1].Start:number.Start])
	return sqltext.Object{Kind: sqltext.ObjectKind(strings.ToLower(kind)), Name: line[number.Start:number.End]}
}

// RoleNames are the names of "a, b", sorted.
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

// GranteeOf is the role or user of a Grant object.
func GranteeOf(o sqltext.Object) sqltext.Object {
	kind, name := Grantee(o)
	return sqltext.Object{Kind: sqltext.ObjectKind(kind), Name: name}
}

// GrantTo is the Grant object of a user.
func GrantTo(user sqltext.Object) sqltext.Object {
	return sqltext.Object{Kind: sqltext.Grant, Name: "USER " + user.Name}
}

// Grantee is who a Role or Grant object ("ROLE r", "USER u") is about: "role" or "user", and the name.
func Grantee(o sqltext.Object) (kind, name string) {
	if kind, name, ok := strings.Cut(o.Name, " "); ok && o.Kind == sqltext.Grant {
		return strings.ToLower(kind), name
	}
	return "role", o.Name
}
