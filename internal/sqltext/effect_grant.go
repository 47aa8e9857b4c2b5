package sqltext

import "slices"

// grant analyzes GRANT and REVOKE: the privileges of one role or user change.
func (a *analysis) grant(verb string) {
	preposition := "TO"
	if verb == "REVOKE" {
		preposition = "FROM"
	}
	kind := verb
	if a.isWord("OWNERSHIP") {
		kind = verb + " OWNERSHIP"
	} else if a.isWord("ROLE") {
		kind = verb + " ROLE"
	}
	a.grantedOn()
	// The last TO or FROM is ours: an object may be named so.
	at := -1
	for i := a.i; i < len(a.tokens); i++ {
		if a.is(i, preposition) {
			at = i
		}
	}
	if at < 0 {
		a.unknown(kind, "it names no role or user")
		return
	}
	a.i = at + 1
	who, what := User, "USER "
	if a.take("ROLE") {
		who, what = Role, "ROLE "
	} else {
		a.take("USER")
	}
	name, ok := a.objectName(who)
	if !ok {
		a.unknown(kind, noName)
		return
	}
	inverse := "REVOKE"
	if verb == "REVOKE" {
		inverse = "GRANT"
	}
	owned := slices.ContainsFunc(a.e.Names, func(o Object) bool { return o.Kind == Table || o.Kind == Database })
	a.write(Object{Kind: Grant, Name: what + name}, Alter)
	a.name(Object{Kind: who, Name: name})
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
	if a.isWord("ROLE") {
		p := *a.parser
		p.i++
		if name, ok := p.objectName(Role); ok {
			a.name(Object{Kind: Role, Name: name})
		}
		return
	}
	on := a.find("ON")
	if on < 0 {
		return
	}
	p := *a.parser
	p.i = on + 1
	q := &analysis{parser: &p, database: a.database}
	if kind, _, ok := q.takeKind(); ok && !q.symbol(q.i, ".") {
		if o, ok := q.object(kind, false); ok {
			a.name(o)
		}
		return
	}
	p.i = on + 1
	if q.take("UDF") {
		if name, ok := p.objectName(Function); ok {
			a.name(Object{Kind: Function, Name: name})
		}
		return
	}
	if parts, ok := p.name(); ok {
		if p.symbol(p.i, ".") { // db.*
			a.name(Object{Kind: Database, Name: parts[len(parts)-1]})
			return
		}
		o, _ := a.qualify(Table, parts)
		a.name(o)
	}
}
