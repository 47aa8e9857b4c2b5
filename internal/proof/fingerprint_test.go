package proof

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

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
	for _, r := range w.sql("SELECT name, table_id::STRING, engine, comment, cluster_by, is_transient, table_option FROM system.tables WHERE database='{db}'") {
		name, origin := r[0], w.ids[r[1]]
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
		add("%s: %s, was %s, comment %q, cluster by %q, transient %q, %s", name, r[2], origin, r[3], r[4], r[5], strings.Join(options, " "))
		if code, _ := w.Err(w.T, "SELECT * FROM "+sqltext.Ident(name)+" LIMIT 0"); r[2] == "VIEW" && code != 0 {
			add("%s cannot be read: %d", name, code)
			continue
		}
		relations = append(relations, name)
	}
	at := map[string]int{}
	for _, r := range w.sql("SELECT `table`, name, type, default_kind, default_expression, is_nullable, comment FROM system.columns WHERE database='{db}'") {
		at[r[0]]++
		add("%s column %02d %s", r[0], at[r[0]], strings.Join(r[1:], " | "))
	}
	for _, r := range w.sql("SELECT name, view_query FROM system.views WHERE database='{db}'") {
		add("%s is %s", r[0], r[1])
	}
	for _, r := range w.sql("SELECT `table`, name, type, definition, original FROM system.indexes WHERE database='{db}'") {
		add("%s index %s", r[0], strings.Join(r[1:], " | "))
	}
	for _, r := range w.sql("SELECT `table`, name, type, expression FROM system.constraints WHERE database='{db}'") {
		add("%s constraint %s", r[0], strings.Join(r[1:], " | "))
	}
	for _, n := range relations {
		for _, r := range w.sql("SELECT * FROM " + sqltext.Ident(n)) {
			add("%s row %s", n, strings.Join(r, " | "))
		}
	}
	for _, r := range w.sql("SELECT name, url, stage_type, file_format_options, comment FROM system.stages WHERE name LIKE '%{db}%'") {
		add("stage %s", strings.Join(r, " | "))
		if r[2] == "Internal" {
			for _, f := range w.sql("SELECT name, size FROM list_stage(location => '@" + r[0] + "')") {
				add("stage %s holds %s", r[0], strings.Join(f, " | "))
			}
		}
	}
	for _, r := range w.sql("SELECT name, definition, description FROM system.user_functions WHERE name LIKE '%{db}%'") {
		add("function %s", strings.Join(r, " | "))
	}
	for _, r := range w.sql("SELECT name, \"interval\", current, comment FROM show_sequences() WHERE name LIKE '%{db}%'") {
		add("sequence %s", strings.Join(r, " | "))
	}
	for _, r := range w.sql("SHOW FILE FORMATS") {
		if strings.Contains(r[0], w.Database) {
			add("file format %s", strings.Join(r, " | "))
		}
	}
	for _, r := range w.sql("SHOW CONNECTIONS") {
		if strings.Contains(r[0], w.Database) {
			add("connection %s", strings.Join(r, " | "))
		}
	}
	slices.Sort(out)
	return out
}
