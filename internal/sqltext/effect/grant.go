package effect

import (
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// grant analyzes GRANT and REVOKE: the privileges of one role or user change.
func (a *analysis) grant(verb string) {
	preposition := "TO"
	if verb == "REVOKE" {
		preposition = "FROM"
	}
	kind := verb
	if a.IsWord("OWNERSHIP") || a.IsWord("ROLE") {
		kind += " " + a.Upper(a.I)
	}
	g := a.granted(verb == "REVOKE")
	// The last TO or FROM is ours: an object may be named so.
	at := -1
	for i := a.I; i < len(a.Tokens); i++ {
		if a.Is(i, preposition) {
			at = i
		}
	}
	if at < 0 {
		a.unknown(kind, "it names no role or user")
		return
	}
	a.I = at + 1
	who, what := sqltext.User, "USER "
	switch named := a.I+1 < len(a.Tokens) && a.Tokens[a.I+1].Kind != sqltext.At; { // else the user is called role, or user
	case named && a.Take("ROLE"):
		who, what = sqltext.Role, "ROLE "
	case named:
		a.Take("USER")
	}
	name, ok := a.ObjectName(who)
	a.require(kind, ok)
	inverse := "REVOKE"
	if verb == "REVOKE" {
		inverse = "GRANT"
	}
	a.write(sqltext.Object{Kind: sqltext.Grant, Name: what + name}, Alter, Grants).Grant = g
	owned := false
	if kind == grantOwnership {
		for _, o := range a.e.Names {
			if slices.Contains([]sqltext.ObjectKind{sqltext.Table, sqltext.Database, sqltext.Function, sqltext.Stage}, o.Kind) {
				a.write(o, Alter, Owner)
				owned = true
			}
		}
	}
	a.name(sqltext.Object{Kind: who, Name: name})
	a.set(kind, Redefine, "privileges have no history; the earlier ones are granted again", inverse+" what changed")
	if i := slices.IndexFunc(numbered, func(kind string) bool { return strings.HasPrefix(g.On, kind+" ") }); i >= 0 {
		a.irreversible("Databend shows privileges on a " + strings.ToLower(numbered[i]) + " by a number, not by its name")
	}
	if kind == grantOwnership {
		a.e.Undo = "GRANT OWNERSHIP to the earlier owner"
		if !owned {
			a.irreversible("the earlier owner is not known")
		}
	}
}

// grantOwnership is the kind of the statement that gives an object to a role.
const grantOwnership = "GRANT OWNERSHIP"

// numbered are the kinds that the server shows by a number in what was granted.
var numbered = []string{"PROCEDURE", "WAREHOUSE", "MASKING POLICY", "ROW ACCESS POLICY"}

// Grant is what GRANT or REVOKE gives or takes: privileges on something, or a role.
type Grant struct {
	Revoke     bool
	Privileges []string       // upper case; ALL is all of them
	On         string         // "db.t", "db.*", "*.*", "STAGE s": names as the engine has them
	Of         sqltext.Object // the table or database that On is about, if it is one
	Role       string         // of GRANT ROLE
}

// Covers reports whether g gives or takes all that h names. Nothing covers what could not be read.
func (g Grant) Covers(h Grant) bool {
	return g.Role == h.Role && g.On == h.On && (h.Role != "" || h.On != "") && !slices.ContainsFunc(h.Privileges, func(p string) bool {
		return !slices.Contains(g.Privileges, p) && !slices.Contains(g.Privileges, "ALL")
	})
}

// granted reads what follows GRANT or REVOKE, up to TO or FROM, and names what it is about.
func (a *analysis) granted(revoke bool) *Grant {
	g := &Grant{Revoke: revoke}
	if a.Take("ROLE") {
		var ok bool
		if g.Role, ok = a.ObjectName(sqltext.Role); ok && !revoke { // one that is gone may be taken away
			a.name(sqltext.Object{Kind: sqltext.Role, Name: g.Role})
		}
		return g
	}
	for words := []string(nil); a.I < len(a.Tokens); a.I++ {
		end := a.IsWord("ON")
		if end || a.Symbol(a.I, ",") {
			g.Privileges = append(g.Privileges, strings.TrimSuffix(strings.Join(words, " "), " PRIVILEGES"))
			words = nil
		} else {
			words = append(words, a.Upper(a.I))
		}
		if end {
			a.I++
			break
		}
	}
	from := a.I
	kind, words, ok := a.takeKind()
	if !ok && a.Take("UDF") {
		kind, words, ok = sqltext.Function, "UDF", true
	}
	if ok && !a.Symbol(a.I, ".") && !a.IsWord("TO") && !a.IsWord("FROM") { // not a database or table of such a name
		if o, ok := a.object(kind, false); ok {
			g.On = words + " " + o.Name
			a.name(o)
		}
		return g
	}
	a.I = from
	parts, named := a.Reader.Name()
	switch {
	case named && a.Symbol(a.I, "."): // db.*
		g.Of = sqltext.Object{Kind: sqltext.Database, Name: parts[len(parts)-1]}
		a.name(g.Of)
		parts = append(parts, "*")
	case named:
		g.Of, _ = a.qualify(sqltext.Table, parts)
		a.name(g.Of)
	case a.Symbol(a.I+1, "."): // *.*
		parts = []string{"*", "*"}
	default:
		g.Of, parts = sqltext.Object{Kind: sqltext.Database, Name: a.database}, []string{"*"}
	}
	if len(parts) == 3 && parts[0] == "default" { // the catalog
		parts = parts[1:]
	}
	if len(parts) == 1 {
		parts = append([]string{a.database}, parts...)
	}
	g.On = strings.Join(parts, ".")
	return g
}
