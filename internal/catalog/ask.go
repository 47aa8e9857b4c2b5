package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// question is what no table lists of one object: a function of the server tells it. An answer is two texts a row.
type question struct {
	columns, from string
	tell          func(*ObjectState, databend.Row)
	optional      bool // where the server refuses to say, the object is known all the same
}

// ask asks about the objects that are there, about many in one request.
func (cat *Catalog) ask(ctx context.Context, c Conn, objects []sqltext.Object) error {
	type asked struct {
		question
		of sqltext.Object
	}
	var all []asked
	seen := map[sqltext.Object]bool{}
	for _, o := range objects {
		if s, there := cat.others[o]; there && !seen[o] {
			seen[o] = true
			for _, q := range cat.questions(s) {
				all = append(all, asked{q, o})
			}
		}
	}
	request := func(some []asked) error {
		parts := make([]string, len(some))
		for i, q := range some {
			parts[i] = fmt.Sprintf("select %s, %s from %s", asText(fmt.Sprint(i)), q.columns, q.from)
		}
		rows, err := Query(ctx, c, own+strings.Join(parts, " union all "))
		if err != nil {
			return err
		}
		for _, r := range rows {
			q := some[r.Int(0)]
			if s, there := cat.others[q.of]; there {
				q.tell(&s, r[1:])
				cat.others[q.of] = s
			}
		}
		return nil
	}
	for some := range slices.Chunk(all, atOnce) {
		err := request(some)
		if err != nil && !databend.IsAnswered(err) {
			return err
		}
		for i := 0; err != nil && i < len(some); i++ { // one may not be looked at, or is gone by now
			no := request(some[i : i+1])
			if databend.IsAnswered(no) && some[i].optional {
				continue
			}
			if no = cat.refuse(no, []sqltext.Object{some[i].of}); no != nil {
				return no
			}
		}
	}
	for o := range seen {
		slices.Sort(cat.others[o].Grants)
	}
	return nil
}

// questions are those about an object that is there: of its kind, and whether it has tags, where the account has some.
func (cat *Catalog) questions(o ObjectState) (out []question) {
	k := kindOf(o.Kind)
	if k.ask != nil {
		out = k.ask(o)
	}
	if k.tags != nil && cat.tags {
		tell := func(o *ObjectState, _ databend.Row) { o.Facts[tagged] = "yes" }
		out = append(out, question{columns: "tag_name, ''", from: "tag_references(" + k.tags(o.Object) + ")", tell: tell, optional: true})
	}
	return out
}

// nameIn and textIn are the arguments of tag_references for an object of a domain, by its name and as statements write it.
func nameIn(domain string) func(sqltext.Object) string {
	return func(o sqltext.Object) string { return sqltext.Quote(o.Name) + ", " + sqltext.Quote(domain) }
}

func textIn(domain string) func(sqltext.Object) string {
	return func(o sqltext.Object) string { return sqltext.Quote(o.SQL()) + ", " + sqltext.Quote(domain) }
}

// askGrants asks what is granted to a role or user itself.
func askGrants(o ObjectState) []question {
	kind, name := Grantee(o.Object)
	return []question{{columns: "grants, ''", from: grantsTo(kind, name), tell: func(o *ObjectState, r databend.Row) {
		o.Grants = append(o.Grants, grantSQL(r[0].String, name)...)
	}}}
}

// askFiles asks how many files an internal stage has.
func askFiles(o ObjectState) []question {
	if !o.IsInternalStage() {
		return nil
	}
	return []question{{
		columns: "to_string(count(*)), ''", from: "list_stage(location => " + sqltext.Quote("@"+o.Name) + ")",
		tell: func(o *ObjectState, r databend.Row) { o.Facts["files"] = r[0].String },
	}}
}

// ownership is the privilege of the role that an object belongs to.
const ownership = "OWNERSHIP"

// askGiven asks whose an object is, and whether there are other privileges on a procedure.
func askGiven(o ObjectState) []question {
	from := "'udf', " + sqltext.Quote(o.Name)
	switch o.Kind {
	case sqltext.Procedure:
		from = "'procedure', " + sqltext.Quote(o.Facts[number])
	case sqltext.Sequence, sqltext.Connection:
		from = sqltext.Literals([]string{string(o.Kind), o.Name})
	}
	tell := func(o *ObjectState, r databend.Row) {
		switch {
		case r[0].String == ownership:
			o.Owner = r[1].String
		case o.Kind == sqltext.Procedure: // they are given to its number, and those on a function to its name
			o.Facts[granted] = "yes"
		}
	}
	return []question{{columns: "privileges, name", from: "show_grants(" + from + ")", tell: tell, optional: true}}
}
