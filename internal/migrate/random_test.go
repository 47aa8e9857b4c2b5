package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// proofWorld is a catalogue of all kinds with random options, of which random migrations fail. {db} is the test's database, {x} the
// prefix of what it made account-wide, {y} its second database.
type proofWorld struct {
	*world
	*rand.Rand
	names   *strings.Replacer
	prefix  string
	version int
	columns map[string]string // system table → the columns that the fingerprint reads
	tally   map[string]int
	setting [2]string // of the account, that no other test looks at
	twin    *proofWorld
	takes   bool // a table's default takes values of a sequence
	isTwin  bool // what its catalogue shows is to be compared with another's
}

// settings are those of the account that the proof of each stream changes: tests that run at once change different ones.
var settings = map[uint64][2]string{
	21: {"inlist_to_join_threshold", "sort_spilling_batch_bytes"}, 22: {"min_max_runtime_filter_threshold", "lazy_read_across_join_threshold"},
	23: {"inlist_runtime_filter_threshold", "window_spill_unit_size_mb"},
	24: {"hash_shuffle_rows_threshold", "spilling_to_disk_vacuum_unknown_temp_dirs_limit"}, 25: {"hash_shuffle_bytes_threshold", "spatial_runtime_filter_threshold"},
}

func newProofWorld(t testing.TB, rnd *rand.Rand, setting [2]string) *proofWorld {
	t.Helper()
	w := newWorld(t)
	w.remains()
	t.Cleanup(func() { w.SQL(t, "UNSET GLOBAL ("+setting[0]+", "+setting[1]+")") })
	p := &proofWorld{world: w, Rand: rnd, prefix: w.Database + "_", columns: map[string]string{}, setting: setting}
	p.names = strings.NewReplacer("{db}", w.Database, "{x}", p.prefix, "{y}", p.prefix+"y", "{setting}", setting[0],
		"{setting2}", setting[1], "{prefix}", w.Prefix)
	return p
}

// remains lets a failed test's catalogue go with it.
func (w *world) remains() {
	prefix := w.Database + "\\\\_%"
	w.T.Cleanup(func() {
		drop := func(kind, sql string) {
			for _, r := range w.SQL(w.T, sql) {
				if strings.HasPrefix(r[0], w.Database+"_") && r[0] != w.StateDB {
					_, _ = w.Err(w.T, "DROP "+kind+" IF EXISTS "+sqltext.Ident(r[0]))
				}
			}
		}
		drop("DATABASE", "SELECT name FROM system.databases WHERE name LIKE '"+prefix+"'")
		drop("STAGE", "SELECT name FROM system.stages")
		drop("FUNCTION", "SELECT name FROM system.user_functions")
		drop("SEQUENCE", "SELECT name FROM show_sequences()")
		drop("FILE FORMAT", "SHOW FILE FORMATS")
		drop("CONNECTION", "SHOW CONNECTIONS")
		drop("USER", "SELECT name FROM system.users")
		drop("NETWORK POLICY", "SHOW NETWORK POLICIES")
		drop("PASSWORD POLICY", "SELECT name FROM system.password_policies")
		drop("TAG", "SELECT name FROM system.tags")
		drop("ROLE", "SELECT name FROM system.roles")
		drop("AGGREGATING INDEX", "SELECT name FROM system.indexes WHERE type='AGGREGATING'")
	})
}

// passing are the columns of system tables that move by themselves, and the number that a procedure which is made again has anew: dbctl lets
// none go that has privileges by it.
var passing = []string{
	"created_on", "updated_on", "dropped_on", "num_rows", "data_size", "data_compressed_size", "index_size", "number_of_segments",
	"number_of_blocks", "number_of_files", "bloom_index_size", "ngram_index_size",
	"inverted_index_size", "vector_index_size", "virtual_column_size", "update_on", "snapshot_location", "catalog", "table_option",
	"last_analyzed", "invalid_reason", "mode", "procedure_id",
}

// identities are the columns that are another in a twin.
var identities = []string{"table_id", "database_id", "stream_id", "table_version"}

// texts makes one text of columns, given as expressions. A text for each column takes the server twice as long to plan.
func texts(columns []string) string {
	return "to_string(to_variant(tuple(" + strings.Join(columns, ", ") + ")))"
}

// joined is what texts made, with bars between the values.
func joined(text string) string {
	var values map[string]json.RawMessage
	if !strings.HasPrefix(text, `{"1":`) || json.Unmarshal([]byte(text), &values) != nil {
		return text
	}
	out := make([]string, len(values))
	for i := range out {
		v := values[strconv.Itoa(i+1)]
		if out[i] = string(v); out[i] == "null" {
			out[i] = "NULL"
		}
		_ = json.Unmarshal(v, &out[i])
	}
	return strings.Join(out, " | ")
}

// shown is the query of what a system table shows in all columns but passing ones.
func (p *proofWorld) shown(table, where string) string {
	p.T.Helper()
	expression, ok := p.columns[table]
	if !ok {
		var columns []string
		for _, r := range p.SQL(p.T, "SELECT name, type FROM system.columns WHERE database='system' AND `table`='"+table+"'") {
			switch {
			case slices.Contains(passing, r[0]), p.isTwin && slices.Contains(identities, r[0]):
			case strings.Contains(r[1], "Variant"): // some hold what no tuple can
				columns = append(columns, "to_string("+sqltext.Ident(r[0])+")")
			default:
				columns = append(columns, sqltext.Ident(r[0]))
			}
		}
		if len(columns) > 0 {
			expression = texts(columns)
		}
		p.columns[table] = expression
	}
	if expression == "" {
		return ""
	}
	return "SELECT " + sqltext.Quote(table) + ", " + expression + " FROM system." + table + " WHERE " + where
}

// ask asks queries of two columns at once; where that is refused one by one, and what is refused then is an answer too.
func (p *proofWorld) ask(queries ...string) [][]string {
	p.T.Helper()
	queries = slices.DeleteFunc(queries, func(q string) bool { return q == "" })
	if len(queries) == 0 {
		return nil
	}
	all := "(" + strings.Join(queries, ") UNION ALL (") + ")"
	if rows, err := p.Try(all); err == nil {
		return rows
	}
	var out [][]string
	for _, q := range queries {
		rows, err := p.Try(q)
		if err != nil {
			rows = [][]string{{"refused", refusal(err)}}
		}
		out = append(out, rows...)
	}
	return out
}

// refusal is what an error says, without where in a plan it stood.
func refusal(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	text, _, _ = strings.Cut(text, ", while")
	return text
}

// print is everything that the engine shows of the catalogue, as sorted lines.
func (p *proofWorld) print() []string {
	p.T.Helper()
	var out []string
	add := func(rows [][]string) {
		for _, r := range rows {
			out = append(out, r[0]+" "+joined(r[1]))
		}
	}
	mine := func(column string) string {
		// A database that a restore has put aside has its name in it.
		return fmt.Sprintf("(%[1]s='%[2]s' OR instr(%[1]s, '%[3]s') > 0) AND %[1]s<>'%[4]s'", column, p.Database, p.prefix, p.StateDB)
	}
	named := "left(name, " + fmt.Sprint(len(p.prefix)) + ")='" + p.prefix + "'"
	queries := []string{p.shown("databases", mine("name"))}
	for _, table := range []string{"tables", "columns", "views", "streams", "dictionaries"} {
		queries = append(queries, p.shown(table, mine("database")))
	}
	for _, table := range []string{"stages", "user_functions", "procedures", "tags", "password_policies", "roles", "users"} {
		queries = append(queries, p.shown(table, named))
	}
	add(p.ask(append(queries,
		// The database of an aggregating index is not its own: one of a dropped database is shown for another.
		p.shown("indexes", named+" OR type<>'AGGREGATING' AND "+mine("database")),
		"SELECT 'sequence '||name, "+texts([]string{`"interval"`, "current", "comment"})+" FROM show_sequences() WHERE "+named,
		fmt.Sprintf("SELECT 'setting', "+texts([]string{"name", "value", "level"})+" FROM system.settings WHERE name IN ('%s', '%s')",
			p.setting[0], p.setting[1]))...))
	queries = nil
	tables, views := map[string][]string{}, map[string][]string{} // their columns
	random := false
	for _, r := range p.SQL(p.T, "SELECT 'database', name, '', '', '' FROM system.databases WHERE "+mine("name")+
		" UNION ALL SELECT 'role', name, '', '', '' FROM system.roles WHERE "+named+
		" UNION ALL SELECT 'user', name, '', '', '' FROM system.users WHERE "+named+
		" UNION ALL SELECT 'stage', name, '', '', '' FROM system.stages WHERE stage_type='Internal' AND "+named+
		" UNION ALL SELECT DISTINCT 'indexed', database, `table`, '', '' FROM system.indexes WHERE type<>'AGGREGATING' AND "+mine("database")+
		" UNION ALL SELECT 'column', c.database, c.`table`, c.name, t.engine FROM system.columns c JOIN system.tables t "+
		"ON c.database = t.database AND c.`table` = t.name WHERE "+mine("t.database")) {
		n := sqltext.Ident(r[1]) + "." + sqltext.Ident(r[2])
		switch r[0] {
		case "database": // one by one: a CHECK of any database that is looked at may make it fail, also one of a test beside this
			rows, err := p.Try(p.shown("constraints", "database = "+sqltext.Quote(r[1])))
			var refused *databendtest.SQLError
			switch {
			case errors.As(err, &refused) && refused.Code == databend.CodeSemantic:
				rows = [][]string{{r[1], "a CHECK names a renamed column"}}
			case err != nil:
				p.T.Fatal(err)
			}
			add(rows)
		case "role", "user":
			queries = append(queries, "SELECT 'grant "+r[1]+"', grants FROM show_grants('"+r[0]+"', '"+r[1]+"')")
		case "stage":
			queries = append(queries, "SELECT 'file of "+r[1]+"', "+texts([]string{"name", "size"})+" FROM list_stage(location => '@"+r[1]+"')")
		case "indexed": // ASYNC shows there alone
			if rows, err := p.Try("SHOW CREATE TABLE " + n); err == nil {
				add(rows)
			}
		case "column":
			switch {
			case catalog.IsAside(r[2]): // it is not where its aggregating index reads it
			case r[4] == "RANDOM": // its rows are others each time
				random = true
			case r[4] == "VIEW", r[4] == "STREAM":
				views[n] = append(views[n], sqltext.Ident(r[3]))
			default:
				tables[n] = append(tables[n], sqltext.Ident(r[3]))
			}
		}
	}
	add(p.ask(append(queries, rowsOf(tables)...)...))
	rows := p.ask(rowsOf(views)...) // what one reads may be gone
	if random {                     // and what it shows be other rows each time
		again := map[string]bool{}
		for _, r := range p.ask(rowsOf(views)...) {
			again[strings.Join(r, "\x00")] = true
		}
		rows = slices.DeleteFunc(rows, func(r []string) bool { return !again[strings.Join(r, "\x00")] })
	}
	add(rows)
	for _, show := range []string{"SHOW CONNECTIONS", "SHOW NETWORK POLICIES", "SHOW FILE FORMATS"} {
		for _, r := range p.SQL(p.T, show) {
			if strings.HasPrefix(r[0], p.prefix) {
				out = append(out, show+" "+strings.Join(r, " | "))
			}
		}
	}
	slices.Sort(out)
	return out
}

// rowsOf are queries of all rows of tables, given by their columns.
func rowsOf(tables map[string][]string) (out []string) {
	for n, columns := range tables {
		slices.Sort(columns) // system.columns shows their order
		out = append(out, "SELECT "+sqltext.Quote("row of "+n)+", "+texts(columns)+" FROM "+n)
	}
	return out
}
