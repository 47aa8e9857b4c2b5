package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/project"
)

func sqlCommand() *command {
	return &command{
		name:  "sql",
		args:  "[SQL]",
		short: "run SQL in the environment: an argument, -f FILE or stdin",
		long: `
One statement or several, in one session, until one fails. Templates work as in migrations: {{ var "bucket" }}, {{ database }},
{{ secret "NAME" }}, whose value never shows. For questions and repairs: what belongs to the schema belongs in a migration,
which can be undone, and a statement that writes says so.`,
		exits: []ending{
			{exit.Done, "all statements ran"},
			{exit.Failed, "a statement failed; those before it stay"},
			exitBadUsage, exitNoServer, exitReadSignal,
		},
		bind: func(a *app, f *pflag.FlagSet) runner {
			file := f.StringP("file", "f", "", "read the SQL from `FILE`; - is stdin")
			asCSV := f.Bool("csv", false, "write rows as CSV, a header first")
			a.bindYes(f)
			return func(ctx context.Context, args []string) error {
				if *asCSV && a.json {
					return usageError("sql: --csv and --json contradict each other", "use one of them")
				}
				name, text, err := a.sqlText(args, *file)
				if err != nil {
					return err
				}
				return a.sql(ctx, name, text, *asCSV)
			}
		},
	}
}

// sqlText reads the SQL, and says where it is from.
func (a *app) sqlText(args []string, file string) (name, text string, err error) {
	switch {
	case len(args) == 1 && file != "":
		return "", "", usageError("sql: an argument and -f FILE contradict each other", "use one of them")
	case len(args) == 1 && args[0] != "-":
		return "argument", args[0], nil
	case file != "" && file != "-":
		b, err := os.ReadFile(a.below(file))
		if err != nil {
			return "", "", usageError("sql: "+err.Error(), "-f names a file of SQL")
		}
		return file, string(b), nil
	case a.inTerminal && file == "" && len(args) == 0:
		return "", "", usageError("sql: no SQL is given", `dbctl sql "SHOW TABLES", or -f FILE, or SQL on stdin`)
	}
	b, err := io.ReadAll(a.Stdin)
	return "stdin", string(b), err
}

func (a *app) sql(ctx context.Context, name, text string, asCSV bool) error {
	var script project.Section
	read := func(p *project.Project) (err error) {
		script, err = p.Script(name, text)
		return err
	}
	w, err := a.open(ctx, access{check: func(p *project.Project) error {
		if err := read(p); err != nil {
			return err
		}
		if len(script.Statements) == 0 {
			return usageError("sql: there is no statement", `dbctl sql "SHOW TABLES"`)
		}
		if writing(script.Statements, p.Env.Database) == "" {
			return nil
		}
		return a.mayWrite(ctx, p)
	}})
	if err != nil {
		return err
	}
	defer w.close()
	if err := read(w.project); err != nil { // the engine may have given it variables
		return err
	}
	if w.engine != nil {
		if err := a.forSQL(ctx, w, script.Statements); err != nil {
			return err
		}
	}
	secrets, err := w.secrets.Resolve(ctx, script.Secrets)
	if err != nil {
		return err
	}
	session := w.server.Session(nil)
	out := &rowWriter{a: a, csv: asCSV}
	for i, s := range script.Statements {
		out.statement = i + 1
		st := databend.Statement{SQL: s.SQL, Secrets: secrets, Place: s.Place, At: s.At}
		out.clean = session.CleanResult(st)
		res, err := session.Each(ctx, st, out.row)
		if err != nil {
			if len(res.Columns) > 0 {
				err = errors.Join(out.end(res), err)
			}
			return err
		}
		if err := out.end(res); err != nil {
			return err
		}
	}
	if kind := writing(script.Statements, w.project.Env.Database); kind != "" {
		a.note(event.Info, kind+" wrote past the journal: what belongs to the schema belongs in a migration (`dbctl migrate create "+
			"NAME`), rows of files in a load")
	}
	return nil
}

// writing is the kind of the first statement that writes, or "".
func writing(statements []project.Statement, database string) string {
	for _, e := range project.Effects(statements, database) {
		if len(e.Writes) > 0 || e.Unknown && !e.Session {
			return e.Kind
		}
	}
	return ""
}

// rowWriter shows the rows of statements, one after the other.
type rowWriter struct {
	a         *app
	csv       bool
	statement int
	rows      []databend.Row
	clean     func(string) string // of the statement: before a cell is written in any form, and a name becomes a key of JSON
}

// row takes a row. All are kept until the columns are known, which is with the statement's end.
func (w *rowWriter) row(r databend.Row) error {
	w.rows = append(w.rows, r)
	return nil
}

// end shows what a statement gave.
func (w *rowWriter) end(res databend.Result) error {
	rows := w.rows
	w.rows = nil
	columns := slices.Clone(res.Columns)
	for i, c := range columns {
		columns[i] = w.clean(c)
	}
	if len(res.Columns) == 0 {
		if w.a.json || !w.csv {
			text := "done"
			if res.Affected > 0 {
				text = event.Plural(res.Affected, "row") + " written"
			}
			w.a.ui.Record("result", text, map[string]any{"statement": w.statement, "affected": res.Affected, "query_id": res.ID})
		}
		return nil
	}
	switch {
	case w.a.json:
		names := unique(columns)
		for _, r := range rows {
			values := map[string]any{}
			for i, v := range r {
				value := jsonValue(v.String, v.Valid, res.Types[i])
				if text, ok := value.(string); ok {
					value = w.clean(text)
				}
				values[names[i]] = value
			}
			w.a.ui.Record("row", "", map[string]any{"statement": w.statement, "row": values})
		}
		w.a.ui.Record("result", "", map[string]any{
			"statement": w.statement, "rows": len(rows), "columns": columns, "types": res.Types,
			"query_id": res.ID,
		})
	case w.csv:
		w.writeCSV(columns, rows)
	default:
		p := event.Preview{Columns: columns, Types: res.Types}
		for _, r := range rows {
			p.Rows = append(p.Rows, r.Texts(w.clean))
		}
		w.a.ui.Event(p)
	}
	return nil
}

func (w *rowWriter) writeCSV(columns []string, rows []databend.Row) {
	if w.statement > 1 {
		_, _ = io.WriteString(w.a.Stdout, "\n")
	}
	c := csv.NewWriter(w.a.Stdout)
	_ = c.Write(columns)
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, v := range r {
			cells[i] = w.clean(v.String) // NULL is an empty cell
		}
		_ = c.Write(cells)
	}
	c.Flush() // what does not arrive is told at the end, as for all output
}

// unique are columns as the keys of an object: a name that stood before gets a number.
func unique(columns []string) []string {
	names := slices.Clone(columns)
	for i, c := range columns {
		for n := 2; slices.Contains(names[:i], names[i]); n++ {
			names[i] = fmt.Sprintf("%s_%d", c, n)
		}
	}
	return names
}

// jsonValue is a value of the server's text as JSON has it: whole numbers, floats and booleans as such, everything else as text.
func jsonValue(text string, valid bool, typ string) any {
	typ = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(typ, "Nullable("), ")"))
	switch {
	case !valid:
		return nil
	case typ == "boolean":
		return text == "1" || strings.EqualFold(text, "true")
	case strings.HasPrefix(typ, "int"), strings.HasPrefix(typ, "uint"), strings.HasPrefix(typ, "float"):
		if f, err := strconv.ParseFloat(text, 64); err == nil && f-f == 0 { // NaN and infinities are no JSON
			return json.Number(text)
		}
	}
	return text
}
