package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// put notes the facts of an object that a statement of its own has read.
func (cat *Catalog) put(o sqltext.Object, facts map[string]string) {
	cat.others[o] = ObjectState{Object: o, Exists: true, Facts: facts}
}

// each reads objects one by one. One that is not there, or not any more, is absent; what the server says of another is noted with it.
func (cat *Catalog) each(objects []sqltext.Object, read func(sqltext.Object) error) error {
	for _, o := range objects {
		if err := cat.refuse(read(o), []sqltext.Object{o}); err != nil {
			return err
		}
	}
	return nil
}

// named finds the object of that name.
func named(objects []sqltext.Object, name string) (sqltext.Object, bool) {
	i := slices.IndexFunc(objects, func(o sqltext.Object) bool { return o.Name == name })
	if i < 0 {
		return sqltext.Object{}, false
	}
	return objects[i], true
}

// readSettings reads the account's own values, which those of the session hide; one by one, since the account's limit of rows may be 1.
func readSettings(ctx context.Context, c Conn, cat *Catalog, objects []sqltext.Object) error {
	for _, o := range objects {
		sql := "SELECT name, value, level FROM system.settings WHERE name = " + sqltext.Quote(o.Name)
		res, err := c.Query(ctx, databend.Statement{Account: true, SQL: sql, Reads: true})
		if err != nil {
			return err
		}
		for _, r := range res.Rows {
			cat.addKind(o.Kind, r)
		}
	}
	return nil
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

// shown reads what a SHOW lists: the name, then the facts of the kind.
func shown(show string) func(context.Context, Conn, *Catalog, []sqltext.Object) error {
	return func(ctx context.Context, c Conn, cat *Catalog, objects []sqltext.Object) error {
		rows, err := Query(ctx, c, show)
		for _, r := range rows {
			if o, ok := named(objects, r[0].String); ok {
				cat.addKind(o.Kind, r)
			}
		}
		return err
	}
}

// optionNames keeps the names of "access_key_id=******fgh …": the server shows the last characters of each value.
func optionNames(masked string) string {
	return strings.Join(slices.Sorted(maps.Keys(shownOptions(masked))), " ")
}

func shownOptions(masked string) map[string]any {
	out, last := map[string]any{}, ""
	for part := range strings.SplitSeq(masked, " ") {
		if k, v, ok := strings.Cut(part, "="); ok {
			out[k], last = v, k
		} else if last != "" {
			out[last] = fmt.Sprint(out[last], " ", part) // of a value that ends in two words
		}
	}
	return out
}

// KeyEnds are the ends of its keys, as the engine shows them.
func (o ObjectState) KeyEnds() []string {
	options := shownOptions(o.masked)
	if o.Kind == sqltext.Stage {
		options = map[string]any{}
		_ = json.Unmarshal([]byte(o.masked), &options)
	}
	var out []string
	for _, v := range options {
		if s, ok := v.(string); ok && strings.HasPrefix(s, "***") {
			out = append(out, strings.TrimLeft(s, "*"))
		}
	}
	return out
}

func readProcedures(ctx context.Context, c Conn, cat *Catalog, objects []sqltext.Object) error {
	return cat.each(objects, func(o sqltext.Object) error {
		s, ok := cat.procedure(o)
		if !ok {
			return nil
		}
		rows, err := Query(ctx, c, "DESC PROCEDURE "+s.Name+s.Args)
		if err != nil {
			return err
		}
		for _, r := range rows {
			s.Facts[r[0].String] = r[1].String
		}
		s.Object = o
		cat.others[o] = s
		return nil
	})
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

// readDescribed reads each object by DESC, which says nothing of one that is not there.
func readDescribed(ctx context.Context, c Conn, cat *Catalog, objects []sqltext.Object) error {
	return cat.each(objects, func(o sqltext.Object) error {
		res, err := c.Query(ctx, databend.Statement{SQL: "DESC " + kindOf(o.Kind).word + " " + o.SQL(), Reads: true})
		if err != nil || len(res.Rows) == 0 {
			return err
		}
		facts := map[string]string{}
		for i, col := range res.Columns {
			if col = strings.ToLower(col); i < len(res.Rows[0]) && !strings.Contains(col, "created") && !strings.Contains(col, "webhook") &&
				col != "id" {
				facts[col] = res.Rows[0][i].String
			}
		}
		cat.put(o, facts)
		return nil
	})
}

// taskFacts are the columns of SHOW TASKS that a person decides.
var taskFacts = []string{
	"state", "schedule", "definition", "warehouse", "comment", "condition_text", "after", "suspend_task_after_num_failures",
	"error_integration",
}

func readTasks(ctx context.Context, c Conn, cat *Catalog, objects []sqltext.Object) error {
	return cat.each(objects, func(o sqltext.Object) error {
		res, err := c.Query(ctx, databend.Statement{SQL: "SHOW TASKS LIKE " + sqltext.Quote(o.Name), Reads: true})
		if err != nil {
			return err
		}
		for _, row := range res.Rows {
			facts, name := map[string]string{}, ""
			for i, col := range res.Columns {
				if col == "name" {
					name = row[i].String
				} else if slices.Contains(taskFacts, col) {
					facts[col] = row[i].String
				}
			}
			if name == o.Name {
				cat.put(o, facts)
			}
		}
		return nil
	})
}
