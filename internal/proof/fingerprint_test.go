package proof

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// remember notes which tables there are: later fingerprints say of each table which of them it is.
func (w *world) remember() {
	w.T.Helper()
	w.ids = map[string]string{}
	for _, r := range w.sql("SELECT table_id::STRING, name FROM system.tables WHERE database='{db}'") {
		w.ids[r[0]] = r[1]
	}
}

var (
	option = regexp.MustCompile(`(\w+)='([^']*)'`)
	// Options that change by themselves, or that a statement leaves behind by its nature.
	passing = []string{"SNAPSHOT_LOCATION", "CHANGE_TRACKING_BEGIN_VER", "CLUSTER_TYPE"}
)

// fingerprint is everything in the world's database that a migration can change, as sorted lines that are the same in another
// world with another database name. It knows nothing of dbctl's own capture.
func (w *world) fingerprint() []string {
	w.T.Helper()
	var out []string
	add := func(format string, args ...any) {
		out = append(out, strings.ReplaceAll(fmt.Sprintf(format, args...), w.Database, "{db}"))
	}
	var relations []string
	columns := map[string]int{}
	for _, row := range w.shown() {
		switch what, r := row[0], row[1:]; what {
		case "table":
			relations = append(relations, r[0])
			origin := w.ids[r[1]]
			if origin == "" {
				origin = "new"
			}
			var options []string
			for _, o := range option.FindAllStringSubmatch(r[6], -1) {
				if !slices.Contains(passing, o[1]) {
					options = append(options, o[1]+"="+o[2])
				}
			}
			slices.Sort(options)
			add("%s: %s, was %s, comment %q, cluster by %q, transient %q, %s", r[0], r[2], origin, r[3], r[4], r[5], strings.Join(options, " "))
		case "column":
			columns[r[0]]++
			add("%s column %02d %s", r[0], columns[r[0]], strings.Join(r[1:], " | "))
		case "stage":
			add("stage %s", strings.Join(r, " | "))
			if r[2] == "Internal" {
				for _, f := range w.sql("SELECT name, size FROM list_stage(location => '@" + r[0] + "')") {
					add("stage %s holds %s", r[0], strings.Join(f, " | "))
				}
			}
		default:
			add("%s %s", what, strings.Join(r, " | "))
		}
	}
	for _, n := range relations {
		rows, err := w.Try("SELECT * FROM " + sqltext.Ident(n))
		if refused, ok := errors.AsType[*databendtest.SQLError](err); ok {
			add("%s cannot be read: %d", n, refused.Code)
		} else if err != nil {
			w.T.Fatal(err)
		}
		for _, r := range rows {
			add("%s row %s", n, strings.Join(r, " | "))
		}
	}
	for _, show := range []string{"FILE FORMATS", "CONNECTIONS"} {
		for _, r := range w.sql("SHOW " + show) {
			if strings.Contains(r[0], w.Database) {
				add("%s %s", show, strings.Join(r, " | "))
			}
		}
	}
	slices.Sort(out)
	return out
}

// shown is what the system tables show of the world, in one query: what it is, and its columns.
func (w *world) shown() [][]string {
	w.T.Helper()
	const width = 7
	var queries []string
	for _, q := range []struct{ what, columns, from string }{
		{"table", "name, table_id, engine, comment, cluster_by, is_transient, table_option", "system.tables WHERE database='{db}'"},
		{"column", "`table`, name, type, default_kind, default_expression, is_nullable, comment", "system.columns WHERE database='{db}'"},
		{"view", "name, view_query", "system.views WHERE database='{db}'"},
		{"index", "`table`, name, type, definition, original", "system.indexes WHERE database='{db}' AND type<>'AGGREGATING'"},
		{"constraint", "`table`, name, type, expression", "system.constraints WHERE database='{db}'"},
		{"stage", "name, url, stage_type, file_format_options, comment", "system.stages WHERE name LIKE '%{db}%'"},
		{"function", "name, definition, description", "system.user_functions WHERE name LIKE '%{db}%'"},
		{"sequence", "name, \"interval\", current, comment", "show_sequences() WHERE name LIKE '%{db}%'"},
	} {
		columns := strings.Split(q.columns, ", ")
		for len(columns) < width {
			columns = append(columns, "''")
		}
		queries = append(queries, "SELECT '"+q.what+"', "+strings.Join(columns, "::STRING, ")+"::STRING FROM "+q.from)
	}
	return w.sql(strings.Join(queries, " UNION ALL "))
}
