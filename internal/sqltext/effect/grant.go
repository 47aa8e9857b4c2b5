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
	g := a.privileges(verb == "REVOKE")
	if g.Role != "" {
		a.name(sqltext.Object{Kind: sqltext.Role, Name: g.Role})
	}
	kind := verb
	if a.IsWord("OWNERSHIP") {
		kind = verb + " OWNERSHIP"
	} else if a.IsWord("ROLE") {
		kind = verb + " ROLE"
	}
	a.grantedOn()
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
	if a.Take("ROLE") {
		who, what = sqltext.Role, "ROLE "
	} else {
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
	if kind == "GRANT OWNERSHIP" {
		for _, o := range a.e.Names {
			if o.Kind == sqltext.Table || o.Kind == sqltext.Database {
				a.write(o, Alter, Owner)
				owned = true
			}
		}
	}
	a.name(sqltext.Object{Kind: who, Name: name})
	a.set(kind, Redefine, "privileges have no history; the earlier ones are granted again", inverse+" what changed")
	if i := slices.IndexFunc(numbered, func(kind string) bool { return strings.HasPrefix(g.On, kind+" ") }); i >= 0 {
		a.e.Class, a.e.Undo = Irreversible, ""
		a.e.Reason = "Databend shows privileges on a " + strings.ToLower(numbered[i]) + " by a number, not by its name"
	}
	if kind == "GRANT OWNERSHIP" {
		a.e.Undo = "GRANT OWNERSHIP to the earlier owner"
		if !owned {
			a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "the earlier owner is not known", ""
		}
	}
}

// numbered are the kinds that the server shows by a number in what was granted.
var numbered = []string{"PROCEDURE", "WAREHOUSE", "MASKING POLICY", "ROW ACCESS POLICY"}

// Grant is what GRANT or REVOKE gives or takes: privileges on something, or a role.
type Grant struct {
	Revoke     bool
	Privileges []string // upper case; ALL is all of them
	On         string   // "db.t", "db.*", "*.*", "STAGE s": names as the engine has them
	Role       string   // of GRANT ROLE
}

// Covers reports whether g gives or takes all that h names. Nothing covers what could not be read.
func (g Grant) Covers(h Grant) bool {
	return g.Role == h.Role && g.On == h.On && (h.Role != "" || h.On != "") && !slices.ContainsFunc(h.Privileges, func(p string) bool {
		return !slices.Contains(g.Privileges, p) && !slices.Contains(g.Privileges, "ALL")
	})
}

// privileges reads what follows GRANT or REVOKE, up to TO or FROM.
func (a *analysis) privileges(revoke bool) *Grant {
	g := &Grant{Revoke: revoke}
	p := *a.Reader
	if p.Take("ROLE") {
		g.Role, _ = p.ObjectName(sqltext.Role)
		return g
	}
	for words := []string(nil); p.I < len(p.Tokens); p.I++ {
		end := p.IsWord("ON")
		if end || p.Symbol(p.I, ",") {
			g.Privileges = append(g.Privileges, strings.TrimSuffix(strings.Join(words, " "), " PRIVILEGES"))
			words = nil
		} else {
			words = append(words, p.Upper(p.I))
		}
		if end {
			p.I++
			break
		}
	}
	if kind, words, ok := (&analysis{Reader: &p}).takeKind(); ok && !p.Symbol(p.I, ".") {
		name, _ := p.ObjectName(kind)
		g.On = words + " " + name
		return g
	}
	if p.Take("UDF") {
		name, _ := p.ObjectName(sqltext.Function)
		g.On = "UDF " + name
		return g
	}
	var parts []string
	for p.I < len(p.Tokens) && !p.IsWord("TO") && !p.IsWord("FROM") {
		if name, ok := p.Ident(); ok {
			parts = append(parts, name)
			continue
		}
		if p.TakeSymbol("*") {
			parts = append(parts, "*")
			continue
		}
		p.I++
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

// grantedOn names the object after ON, and a role that is granted.
func (a *analysis) grantedOn() {
	if a.IsWord("ROLE") {
		p := *a.Reader
		p.I++
		if name, ok := p.ObjectName(sqltext.Role); ok {
			a.name(sqltext.Object{Kind: sqltext.Role, Name: name})
		}
		return
	}
	on := a.Find("ON")
	if on < 0 {
		return
	}
	p := *a.Reader
	p.I = on + 1
	q := &analysis{Reader: &p, database: a.database}
	if kind, _, ok := q.takeKind(); ok && !q.Symbol(q.I, ".") {
		if o, ok := q.object(kind, false); ok {
			a.name(o)
		}
		return
	}
	p.I = on + 1
	if q.Take("UDF") {
		if name, ok := p.ObjectName(sqltext.Function); ok {
			a.name(sqltext.Object{Kind: sqltext.Function, Name: name})
		}
		return
	}
	if parts, ok := p.Name(); ok {
		if p.Symbol(p.I, ".") { // db.*
			a.name(sqltext.Object{Kind: sqltext.Database, Name: parts[len(parts)-1]})
			return
		}
		o, _ := a.qualify(sqltext.Table, parts)
		a.name(o)
	}
}
