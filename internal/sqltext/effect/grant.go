package effect

import "github.com/dbctl/dbctl/internal/sqltext"

// grant analyzes GRANT and REVOKE: the privileges of one role or user change.
func (a *analysis) grant(verb string) {
	preposition := "TO"
	if verb == "REVOKE" {
		preposition = "FROM"
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
	if !ok {
		a.unknown(kind, noName)
		return
	}
	inverse := "REVOKE"
	if verb == "REVOKE" {
		inverse = "GRANT"
	}
	a.write(sqltext.Object{Kind: sqltext.Grant, Name: what + name}, Alter, Grants)
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
	if kind == "GRANT OWNERSHIP" {
		a.e.Undo = "GRANT OWNERSHIP to the earlier owner"
		if !owned {
			a.e.Class, a.e.Reason, a.e.Undo = Irreversible, "the earlier owner is not known", ""
		}
	}
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
	on := a.find("ON")
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
