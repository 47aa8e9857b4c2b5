package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
)

// warehouse is what the server has of the names in question.
type warehouse struct {
	mu      sync.Mutex
	objects map[sqltext.Object]*schema.Object
	columns map[sqltext.Object][]define.Column
	denied  map[sqltext.ObjectKind]bool // kinds that the user may not list
}

// checked are the kinds whose existence is asked: each with one request, whatever the number of names.
var checked = map[sqltext.ObjectKind]string{
	sqltext.Database:   "SELECT name FROM system.databases",
	sqltext.Stage:      "SELECT name FROM system.stages",
	sqltext.Connection: "SHOW CONNECTIONS",
	sqltext.FileFormat: "SHOW FILE FORMATS",
	sqltext.Sequence:   "SHOW SEQUENCES",
	sqltext.Role:       "SELECT name FROM system.roles",
	sqltext.User:       "SELECT name FROM system.users",
}

// known says whether an object is of a kind, and in a place, where its absence means something.
func (w *warehouse) known(o sqltext.Object) bool {
	if o.Kind == sqltext.Table {
		return !foreign(o.Database)
	}
	return checked[o.Kind] != "" && !w.denied[o.Kind] && o.Name != "~" && o.Name != "current_user()"
}

// foreign says whether a database is none of the project's making: the engine's own, or one of another catalog.
func foreign(database string) bool {
	return sqltext.EnginesOwn(database) || strings.Contains(database, ".")
}

// reads are the questions: the kinds that names has, and of tables those that are named.
func (w *warehouse) reads(names []sqltext.Object) []task {
	w.objects, w.columns = map[sqltext.Object]*schema.Object{}, map[sqltext.Object][]define.Column{}
	w.denied = map[sqltext.ObjectKind]bool{}
	kinds := map[sqltext.ObjectKind]bool{}
	tables := map[string][]string{} // by database
	for _, o := range names {
		kinds[o.Kind] = true
		if o.Kind == sqltext.Table && !foreign(o.Database) && !slices.Contains(tables[o.Database], o.Name) {
			tables[o.Database] = append(tables[o.Database], o.Name)
		}
	}
	var tasks []task
	for kind, query := range checked {
		if kinds[kind] || kind == sqltext.Database && len(tables) > 0 {
			tasks = append(tasks, w.list(kind, query))
		}
	}
	if len(tables) > 0 {
		tasks = append(tasks, w.tables(tables), w.tableColumns(tables))
	}
	return tasks
}

func (w *warehouse) put(o *schema.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[o.Object] = o
}

// list reads the names of a kind: the first column.
func (w *warehouse) list(kind sqltext.ObjectKind, query string) task {
	return func(ctx context.Context, session *databend.Session) error {
		res, err := session.Query(ctx, databend.Statement{SQL: query, Reads: true})
		if databend.IsCode(err, databend.CodePermissionDenied) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.denied[kind] = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("list the objects of kind %s: %w", kind, err)
		}
		for _, row := range res.Rows {
			w.put(&schema.Object{Object: sqltext.Object{Kind: kind, Name: row[0].String}})
		}
		return nil
	}
}

// named is a condition on two columns that holds for the tables; many are listed whole.
func named(tables map[string][]string, database, name string) string {
	const most = 1000
	var all []string
	for db, names := range tables {
		condition := database + " = " + sqltext.Quote(db)
		if len(names) <= most {
			condition += " AND " + catalog.Either(name, names)
		}
		all = append(all, condition)
	}
	slices.Sort(all)
	return "(" + strings.Join(all, ") OR (") + ")"
}

func (w *warehouse) tables(tables map[string][]string) task {
	return func(ctx context.Context, session *databend.Session) error {
		res, err := session.Query(ctx, databend.Statement{
			SQL: "SELECT database, name, engine FROM system.tables WHERE " + named(tables, "database", "name"), Reads: true,
		})
		if err != nil {
			return fmt.Errorf("list the tables: %w", err)
		}
		for _, row := range res.Rows {
			o := &schema.Object{Object: sqltext.Object{Kind: sqltext.Table, Database: row[0].String, Name: row[1].String}}
			switch row[2].String {
			case "VIEW", "MATERIALIZED_VIEW":
				o.Relation = schema.View
			case "STREAM":
				o.Relation = schema.Stream
			}
			w.put(o)
		}
		return nil
	}
}

func (w *warehouse) tableColumns(tables map[string][]string) task {
	return func(ctx context.Context, session *databend.Session) error {
		res, err := session.Query(ctx, databend.Statement{
			SQL: "SELECT database, `table`, name, data_type, is_nullable, default_kind, default_expression FROM system.columns WHERE " +
				named(tables, "database", "`table`"),
			Reads: true,
		})
		if err != nil {
			return fmt.Errorf("list the columns of tables: %w", err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, row := range res.Rows {
			o := sqltext.Object{Kind: sqltext.Table, Database: row[0].String, Name: row[1].String}
			t, ok := define.ParseType(row[3].String)
			if !ok {
				t = define.Type{Name: row[3].String, Unknown: true}
			}
			c := define.Column{Name: row[2].String, Type: t, NotNull: row[4].String == "NO", Default: row[6].String}
			if row[5].String != "" && row[5].String != "DEFAULT" {
				c.Generated = true
			}
			w.columns[o] = append(w.columns[o], c)
		}
		return nil
	}
}

// schema is what was read.
func (w *warehouse) schema() *schema.Schema {
	var all []*schema.Object
	for _, o := range w.objects {
		if columns := w.columns[o.Object]; len(columns) > 0 && o.Relation == schema.Base {
			o.Columns, o.Known = columns, true
		}
		all = append(all, o)
	}
	return schema.New(all...)
}
