package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/catalog"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/google/go-cmp/cmp"
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
}

func newProofWorld(t testing.TB, rnd *rand.Rand) *proofWorld {
	t.Helper()
	w := newWorld(t)
	w.remains()
	p := &proofWorld{world: w, Rand: rnd, prefix: w.env.Database + "_", columns: map[string]string{}}
	p.names = strings.NewReplacer("{db}", w.env.Database, "{x}", p.prefix, "{y}", p.prefix+"y")
	return p
}

// remains lets a failed test's catalogue go with it.
func (w *world) remains() {
	prefix := w.env.Database + "\\\\_%"
	w.t.Cleanup(func() {
		drop := func(kind, sql string) {
			for _, r := range w.env.SQL(w.t, sql) {
				if strings.HasPrefix(r[0], w.env.Database+"_") && r[0] != w.env.StateDB {
					_, _ = w.env.Err(w.t, "DROP "+kind+" IF EXISTS "+sqltext.Ident(r[0]))
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
	})
}

func (p *proofWorld) one(of ...string) string { return of[p.IntN(len(of))] }

// some is a random few of the parts, in order.
func (p *proofWorld) some(of ...string) string {
	var out []string
	for _, s := range of {
		if p.IntN(2) == 0 {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

func (p *proofWorld) columnType() string {
	return p.one("INT", "BIGINT NULL", "STRING", "STRING NOT NULL DEFAULT 'it''s'", "DECIMAL(10, 2)", "INT NOT NULL DEFAULT 7",
		"ARRAY(INT)", "DATE", "VARIANT",
		"TIMESTAMP NULL DEFAULT now()", "BOOLEAN DEFAULT true", "TUPLE(a INT, b STRING)", "MAP(STRING, INT)", "DOUBLE COMMENT 'of \"it''s\"'")
}

func (p *proofWorld) tableEnd() string {
	return p.some("CLUSTER BY (a)", "COMMENT = 'it''s; \\\\ a table'", "ROW_PER_BLOCK = 5000", "BLOCK_PER_SEGMENT = 77",
		"BLOOM_INDEX_COLUMNS = 'a'", "COMPRESSION = 'zstd'",
		"STORAGE_FORMAT = 'parquet'", "DATA_RETENTION_PERIOD_IN_HOURS = 30", "CHANGE_TRACKING = true")
}

// An option that a kind's CREATE takes, by random.
func (p *proofWorld) fileFormat() string {
	return p.one("TYPE = CSV "+p.some("FIELD_DELIMITER = '|'", "SKIP_HEADER = 1", "RECORD_DELIMITER = '\\n'", "NULL_DISPLAY = 'it''s'",
		"ESCAPE = '\\\\'", "QUOTE = '\\''", "NAN_DISPLAY = 'nil'"),
		"TYPE = TSV "+p.some("FIELD_DELIMITER = ','"), "TYPE = NDJSON "+p.some("MISSING_FIELD_AS = FIELD_DEFAULT",
			"COMPRESSION = gzip"), "TYPE = PARQUET "+p.some("MISSING_FIELD_AS = FIELD_DEFAULT"),
		"TYPE = JSON")
}

func (p *proofWorld) function() string {
	return p.one("AS (a) -> a + 1", "AS (a, b) -> concat(a, ' AS $$ ', b)", "AS (a) -> if(a > 1, 'it''s', '-- x')",
		"(a INT) RETURNS INT AS $$ a + 2 $$",
		"(a INT) RETURNS TABLE(a INT) AS $$ SELECT a $$", "AS (a) -> array_map([1, 2], x -> x + a)") + p.one("", " DESC = 'it''s'")
}

func (p *proofWorld) stage() string {
	return p.one("", "FILE_FORMAT = ("+p.one("TYPE = CSV", "TYPE = CSV SKIP_HEADER = 1", "TYPE = PARQUET")+")") + " " + p.one("",
		"COMMENT = 'it''s'")
}

func (p *proofWorld) privilege() string {
	return p.one("SELECT", "INSERT", "UPDATE", "DELETE", "ALTER", "SELECT, INSERT", "ALL", "OWNERSHIP")
}

func (p *proofWorld) onWhat() string {
	return p.one("{db}.a", "{db}.b", "{db}.*", "*.*", "{db}.v", "{y}.*")
}

// setup is a catalogue. A statement that the engine refuses for its random options is left out.
func (p *proofWorld) setup() []string {
	out := []string{
		"CREATE DATABASE {y}", "CREATE TABLE {y}.t (a INT, s STRING) " + p.tableEnd(), "INSERT INTO {y}.t VALUES (1, 'y')",
		"CREATE VIEW {y}.v AS SELECT a FROM {y}.t",
		"CREATE TABLE gate (x STRING)",
	}
	for _, t := range []string{"a", "b", "c"} {
		out = append(out, fmt.Sprintf("CREATE %s TABLE %s (a INT, s STRING COMMENT 'c', d %s) %s", p.one("", "",
			"TRANSIENT"), t, p.columnType(), p.tableEnd()))
		if p.IntN(4) > 0 {
			out = append(out, "INSERT INTO "+t+" (a, s) VALUES (1, 'x'), (1, 'x'), (2, 'y')", "INSERT INTO "+t+" (a, s) VALUES (3, 'z')")
		}
		out = append(out, strings.Split(p.one("SELECT 1", "CREATE INVERTED INDEX i1 ON {t}(s) "+p.one("", "index_record = 'basic'",
			"tokenizer = 'chinese'", "filters = 'english_stop'"),
			"CREATE NGRAM INDEX i2 ON {t}(s) gram_size = 3 bloom_size = 1048576", "CREATE ASYNC INVERTED INDEX i3 ON {t}(s)",
			"ALTER TABLE {t} ADD CONSTRAINT k1 CHECK (a > 0)",
			"ALTER TABLE {t} ADD CONSTRAINT k2 CHECK (a > 0 AND s <> 'it''s')"), "\n")...)
		out[len(out)-1] = strings.ReplaceAll(out[len(out)-1], "{t}", t)
	}
	out = append(out, "CREATE VIEW v "+p.one("", "(one)")+" AS SELECT a FROM a", "CREATE VIEW w AS SELECT * FROM b WHERE s = 'it''s'",
		"CREATE TABLE m (a INT) ENGINE = "+p.one("MEMORY", "NULL", "FUSE"),
		"CREATE STREAM st ON TABLE c "+p.one("", "APPEND_ONLY = false")+p.one("", " COMMENT = 'it''s'"),
		"CREATE AGGREGATING INDEX {x}ai AS SELECT s, count(*) FROM b GROUP BY s",
		"CREATE STAGE {x}s "+p.stage(), "CREATE FILE FORMAT {x}ff "+p.fileFormat(), "CREATE FUNCTION {x}f "+p.function(),
		"CREATE SEQUENCE {x}q "+p.some("START = 10", "INCREMENT = 5", "COMMENT = 'it''s'"),
		"CREATE CONNECTION {x}c STORAGE_TYPE = 's3' ACCESS_KEY_ID = 'aaaaaaaa' SECRET_ACCESS_KEY = 'bbbbbbbb' "+p.one("",
			"ENDPOINT_URL = 'http://127.0.0.1:1'"),
		"CREATE NETWORK POLICY {x}n ALLOWED_IP_LIST = ('10.0.0.0/8', '1.2.3.4') "+p.some("BLOCKED_IP_LIST = ('10.1.0.0/16')",
			"COMMENT = 'it''s'"),
		"CREATE PASSWORD POLICY {x}p "+p.some("PASSWORD_MIN_LENGTH = 9", "PASSWORD_MAX_AGE_DAYS = 30", "COMMENT = 'it''s'"),
		"CREATE TAG {x}g "+p.some("ALLOWED_VALUES = ('a', 'it''s')", "COMMENT = 'it''s'"),
		"CREATE ROLE {x}r", "CREATE ROLE {x}r2", "CREATE USER {x}u IDENTIFIED BY 'Secret_1' "+p.one("", "WITH DISABLED = true",
			"WITH DEFAULT_ROLE = '{x}r'"), "GRANT ROLE {x}r TO USER {x}u",
		"CREATE PROCEDURE {x}pr(x INT) RETURNS INT NOT NULL LANGUAGE SQL "+p.one("", "COMMENT = 'it''s'")+" AS $$ BEGIN RETURN x; END; $$",
		"GRANT ROLE {x}r2 TO ROLE {x}r")
	for range 3 {
		out = append(out, "GRANT "+p.privilege()+" ON "+p.onWhat()+" TO "+p.one("ROLE {x}r", "ROLE {x}r2"))
	}
	return out
}

// statement is a random one; many are refused by the engine for what is there, which is a failure like another.
func (p *proofWorld) statement() string {
	t, u := p.one("a", "b", "c", "m", "{y}.t"), p.one("a", "b", "c", "new1", "{y}.t", "{y}.new2")
	if p.IntN(8) == 0 {
		t = p.one("new1", "v", "st", "{y}.v")
	}
	kinds := []struct{ kind, name, body string }{
		{"STAGE", p.one("{x}s", "{x}s9"), p.stage()},
		{"FILE FORMAT", p.one("{x}ff", "{x}ff9"), p.fileFormat()},
		{"FUNCTION", p.one("{x}f",
			"{x}f9"), p.function()},
		{"SEQUENCE", p.one("{x}q", "{x}q9"), p.some("START = 100", "INCREMENT = 2", "COMMENT = 'new'")},
		{"CONNECTION", p.one("{x}c", "{x}c9"), "STORAGE_TYPE = 's3' ACCESS_KEY_ID = 'cccccccc' SECRET_ACCESS_KEY = 'dddddddd'"},
		{"NETWORK POLICY", p.one("{x}n", "{x}n9"), "ALLOWED_IP_LIST = ('9.9.9.9') " + p.some("COMMENT = 'new'")},
		{"PASSWORD POLICY", p.one("{x}p", "{x}p9"), p.some("PASSWORD_MIN_LENGTH = 12", "COMMENT = 'new'")},
		{"TAG", p.one("{x}g", "{x}g9"), p.some("ALLOWED_VALUES = ('b')", "COMMENT = 'new'")},
		{"ROLE", p.one("{x}r", "{x}r2", "{x}r9"), ""},
		{"USER", p.one("{x}u", "{x}u9"), "IDENTIFIED BY 'Secret_9'"},
		{"VIEW", p.one("v", "w", "new3", "a",
			"{y}.v"), "AS SELECT a FROM " + p.one("a", "b", "{y}.t")},
		{"DATABASE", p.one("{y}", "{x}z"), ""},
		{"TABLE", p.one("a", "b", "c", "new1",
			"v"), p.one("(a INT, z "+p.columnType()+") "+p.tableEnd(), "AS SELECT a, s FROM b", "LIKE a")},
		{"STREAM", p.one("st", "new4"), "ON TABLE " + p.one("a", "c")},
		{"AGGREGATING INDEX", p.one("{x}ai",
			"{x}ai9"), "AS SELECT s, max(a) FROM b GROUP BY s"},
		{"PROCEDURE", p.one("{x}pr", "{x}pr9"), "(x INT) RETURNS INT NOT NULL LANGUAGE SQL AS $$ BEGIN RETURN x + 1; END; $$"},
	}
	k := kinds[p.IntN(len(kinds))]
	args := ""
	if k.kind == "PROCEDURE" {
		args = "(INT)"
	}
	switch p.IntN(10) {
	case 0:
		return "CREATE " + k.kind + " " + k.name + " " + k.body
	case 1:
		return "CREATE " + k.kind + " IF NOT EXISTS " + k.name + " " + k.body
	case 2:
		return "CREATE OR REPLACE " + k.kind + " " + k.name + " " + k.body
	case 3:
		return "DROP " + k.kind + " " + p.one("", "IF EXISTS ") + k.name + args
	}
	return strings.NewReplacer("{t}", t, "{u}", u, "{type}", p.columnType()).Replace(p.one(
		"ALTER TABLE {t} ADD COLUMN n {type}", "ALTER TABLE {t} ADD COLUMN n INT FIRST", "ALTER TABLE {t} DROP COLUMN s",
		"ALTER TABLE {t} DROP COLUMN d", "ALTER TABLE {t} RENAME COLUMN a TO z",
		"ALTER TABLE {t} MODIFY COLUMN a BIGINT", "ALTER TABLE {t} MODIFY COLUMN d {type}", "ALTER TABLE {t} MODIFY COLUMN s COMMENT 'm'",
		"ALTER TABLE {t} COMMENT = 'it''s ours'",
		"ALTER TABLE {t} SET OPTIONS (block_per_segment = 55)", "ALTER TABLE {t} SET OPTIONS (bloom_index_columns = 's')",
		"ALTER TABLE {t} SET OPTIONS (data_retention_period_in_hours = 10, row_per_block = 6000)",
		"ALTER TABLE {t} SET OPTIONS (change_tracking = true)", "ALTER TABLE {t} SET OPTIONS (change_tracking = false)",
		"ALTER TABLE {t} UNSET OPTIONS (block_per_segment)", "ALTER TABLE {t} UNSET OPTIONS (bloom_index_columns)",
		"ALTER TABLE {t} CLUSTER BY (s)", "ALTER TABLE {t} DROP CLUSTER KEY", "ALTER TABLE {t} RECLUSTER", "ALTER TABLE {t} RENAME TO {u}",
		"RENAME TABLE {t} TO {u}", "ALTER TABLE {t} SWAP WITH {u}",
		"ALTER TABLE {t} ADD CONSTRAINT k1 CHECK (a > -5)", "ALTER TABLE {t} DROP CONSTRAINT k1", "CREATE INVERTED INDEX i9 ON {t}(s)",
		"CREATE OR REPLACE INVERTED INDEX i1 ON {t}(s)",
		"DROP INVERTED INDEX i1 ON {t}", "DROP NGRAM INDEX i2 ON {t}", "DROP INVERTED INDEX i3 ON {t}", "REFRESH INVERTED INDEX i1 ON {t}",
		"CREATE NGRAM INDEX i8 ON {t}(s) gram_size = 4",
		"TRUNCATE TABLE {t}", "DELETE FROM {t} WHERE a = 1", "UPDATE {t} SET a = a + 1 WHERE a > 1", "INSERT INTO {t} (a) VALUES (5), (5)",
		"INSERT OVERWRITE {t} (a) VALUES (8)", "REPLACE INTO {t} (a) ON (a) VALUES (1)",
		"INSERT INTO {t} (a) SELECT a FROM {u}",
		"MERGE INTO {t} USING (SELECT 1 z) q ON {t}.a = q.z WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (a) VALUES (q.z)",
		"INSERT INTO {t} (a) SELECT a FROM st", "INSERT ALL INTO a (a) INTO b (a) SELECT 4", "INSERT INTO {t} (a) SELECT nextval({x}q)",
		"ANALYZE TABLE {t}", "OPTIMIZE TABLE {t} COMPACT",
		"DROP TABLE {t}", "DROP TABLE IF EXISTS {t}", "DROP TABLE {t} ALL", "UNDROP TABLE {t}", "ALTER VIEW v AS SELECT s FROM b",
		"ALTER VIEW {t} AS SELECT 1 a", "DROP VIEW {t}",
		"ALTER DATABASE {y} RENAME TO {x}z", "DROP DATABASE {y}", "UNDROP DATABASE {y}", "CREATE TABLE {u} AS SELECT * FROM {t}",
		"CREATE TABLE {u} LIKE {t}", "CREATE OR REPLACE TABLE {t} AS SELECT * FROM {u}",
		"CREATE TEMP TABLE {u} (a INT)", "ALTER TABLE {t} FLASHBACK TO (OFFSET => -1)",
		"GRANT "+p.privilege()+" ON "+p.onWhat()+" TO ROLE {x}r", "REVOKE "+p.privilege()+" ON "+p.onWhat()+" FROM ROLE {x}r",
		"GRANT ROLE {x}r TO ROLE {x}r2", "REVOKE ROLE {x}r2 FROM ROLE {x}r",
		"GRANT ROLE {x}r2 TO USER {x}u", "REVOKE ROLE {x}r FROM USER {x}u", "GRANT USAGE ON UDF {x}f TO ROLE {x}r",
		"GRANT READ ON STAGE {x}s TO ROLE {x}r2", "GRANT OWNERSHIP ON UDF {x}f TO ROLE {x}r",
		"GRANT OWNERSHIP ON STAGE {x}s TO ROLE {x}r", "GRANT "+p.privilege()+" ON "+p.onWhat()+" TO USER {x}u",
		"ALTER STAGE {x}s SET COMMENT = 'new'", "ALTER STAGE {x}s SET FILE_FORMAT = (TYPE = NDJSON)", "ALTER FUNCTION {x}f AS (a) -> a * 3",
		"ALTER NETWORK POLICY {x}n SET ALLOWED_IP_LIST = ('8.8.8.8') COMMENT = 'new'",
		"ALTER PASSWORD POLICY {x}p SET PASSWORD_MIN_LENGTH = 10", "ALTER PASSWORD POLICY {x}p UNSET PASSWORD_MIN_LENGTH",
		"ALTER USER {x}u WITH DISABLED = true", "ALTER USER {x}u WITH SET NETWORK POLICY = '{x}n'",
		"ALTER TABLE {t} SET TAG {x}g = 'a'", "ALTER TABLE {t} UNSET TAG {x}g", "ALTER ROLE {x}r SET COMMENT = 'new'",
		"COMMENT ON TABLE {t} IS 'new'", "COPY INTO @{x}s FROM (SELECT 1)", "REMOVE @{x}s",
		"SELECT nextval({x}q)", "SET max_threads = 4", "USE {y}",
	))
}

// passing are the columns of system tables that move by themselves.
var passing = []string{
	"created_on", "updated_on", "dropped_on", "num_rows", "data_size", "data_compressed_size", "index_size", "number_of_segments",
	"number_of_blocks", "number_of_files", "bloom_index_size", "ngram_index_size",
	"inverted_index_size", "vector_index_size", "virtual_column_size", "update_on", "snapshot_location", "catalog", "table_option",
	"last_analyzed", "invalid_reason", "mode",
}

// shown is what a system table shows in all columns but passing ones, as lines that begin with its name.
func (p *proofWorld) shown(table, where string) [][]string {
	p.t.Helper()
	cols, ok := p.columns[table]
	if !ok {
		var names []string
		for _, r := range p.env.SQL(p.t, "SELECT name, type FROM system.columns WHERE database='system' AND `table`='"+table+"'") {
			switch {
			case slices.Contains(passing, r[0]):
			case strings.HasPrefix(strings.ToUpper(r[1]), "VARIANT"):
				names = append(names, "to_string("+sqltext.Ident(r[0])+")")
			default:
				names = append(names, sqltext.Ident(r[0]))
			}
		}
		cols = strings.Join(names, ", ")
		p.columns[table] = cols
	}
	if cols == "" {
		return nil
	}
	sql := "SELECT " + cols + " FROM system." + table + " WHERE " + where
	if code, _ := p.env.Err(p.t, sql); table == "constraints" && code == databend.CodeSemantic {
		return [][]string{{"a CHECK names a renamed column"}}
	}
	return p.env.SQL(p.t, sql)
}

// print is everything that the engine shows of the catalogue, as sorted lines.
func (p *proofWorld) print() []string {
	p.t.Helper()
	var out []string
	add := func(kind string, rows [][]string) {
		for _, r := range rows {
			out = append(out, kind+" "+strings.Join(r, " | "))
		}
	}
	mine := func(column string) string {
		return fmt.Sprintf("(%[1]s='%[2]s' OR left(%[1]s, %[3]d)='%[4]s') AND %[1]s<>'%[5]s'", column,
			p.env.Database, len(p.prefix), p.prefix, p.env.StateDB)
	}
	add("database", p.shown("databases", mine("name")))
	for _, table := range []string{"tables", "columns", "views", "streams", "dictionaries"} {
		add(table, p.shown(table, mine("database")))
	}
	// One by one: a CHECK of any database that is looked at may make it fail, also one of a test beside this.
	for _, r := range p.env.SQL(p.t, "SELECT name FROM system.databases WHERE "+mine("name")) {
		add("constraints of "+r[0], p.shown("constraints", "database = "+sqltext.Quote(r[0])))
	}
	for _, r := range p.shown("indexes", "true") {
		// The database of an aggregating index is not its own: one of a dropped database is shown for another.
		if text := strings.Join(r, " | "); strings.HasPrefix(r[0], p.prefix) ||
			!strings.Contains(text, "AGGREGATING") && strings.Contains(text, p.env.Database) {
			out = append(out, "index "+text)
		}
	}
	for _, r := range p.env.SQL(p.t, "SELECT database, name, engine FROM system.tables WHERE "+mine("database")) {
		name := sqltext.Ident(r[0]) + "." + sqltext.Ident(r[1])
		for _, q := range []string{"SHOW CREATE TABLE " + name, "SELECT * FROM " + name} {
			// What a view reads may be gone, and a table that a restore has put aside is not where its aggregating index reads it.
			if r[2] == "VIEW" || r[2] == "STREAM" || catalog.IsAside(r[1]) {
				if code, msg := p.env.Err(p.t, q); code != 0 {
					out = append(out, q+" "+firstLine(msg))
					continue
				}
			}
			add(q, p.env.SQL(p.t, q))
		}
	}
	of := func(rows [][]string) (kept [][]string) {
		for _, r := range rows {
			if strings.HasPrefix(r[0], p.prefix) {
				kept = append(kept, r)
			}
		}
		return kept
	}
	for _, table := range []string{"stages", "user_functions", "procedures", "tags", "password_policies", "roles", "users"} {
		add(table, of(p.shown(table, "left(name, "+fmt.Sprint(len(p.prefix))+")='"+p.prefix+"'")))
	}
	add("sequence", of(p.env.SQL(p.t, `SELECT name, "interval", current, comment FROM show_sequences()`)))
	for kind, show := range map[string]string{
		"CONNECTION": "SHOW CONNECTIONS", "NETWORK POLICY": "SHOW NETWORK POLICIES",
		"FILE FORMAT": "SHOW FILE FORMATS",
	} {
		rows := of(p.env.SQL(p.t, show))
		add(kind, rows)
		for _, r := range rows {
			if kind == "NETWORK POLICY" {
				add(kind, p.env.SQL(p.t, "DESC "+kind+" "+r[0]))
			}
		}
	}
	for _, kind := range []string{"role", "user"} {
		for _, r := range p.env.SQL(p.t, "SELECT name FROM system."+kind+"s WHERE left(name, "+fmt.Sprint(len(p.prefix))+")='"+p.prefix+"'") {
			add("grant "+r[0], p.env.SQL(p.t, "SELECT grants FROM show_grants('"+kind+"', '"+r[0]+"')"))
		}
	}
	for _, r := range of(p.env.SQL(p.t, "SELECT name FROM system.stages WHERE stage_type='Internal'")) {
		add("file of "+r[0], p.env.SQL(p.t, "SELECT name, size FROM list_stage(location => '@"+r[0]+"')"))
	}
	slices.Sort(out)
	return out
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s, _, _ = strings.Cut(s, ", while") // where in a plan it stood
	return s
}

// ways are how a migration fails: in up, in one of several files of one savepoint, in down, in the Up half of a redo.
var ways = []string{"up", "up", "atomic", "down", "redo"}

// play lets a random migration fail and says what is wrong with what is left. The class is read by the run itself: what it refuses as
// irreversible did not begin, and what it runs it promised to undo.
func (p *proofWorld) play(was []string, statements []string, way string, hand hand) (now []string, wrong string) {
	p.t.Helper()
	p.version += 2
	mark := fmt.Sprintf("t%d", 70000+p.version)
	text := func(s ...string) string { return p.names.Replace(strings.Join(s, ";\n") + ";\n") }
	failed := append(slices.Clone(statements), "INSERT INTO {db}.nowhere VALUES (1)")
	var err error
	kept := way == "down" || way == "redo"
	switch way {
	case "up":
		p.migration(p.version, text(failed...))
	case "atomic":
		p.migration(p.version, text(statements...))
		p.migration(p.version+1, text("INSERT INTO {db}.nowhere VALUES (1)"))
	case "down":
		p.migration(p.version, "SELECT 1;\n--down\n"+text(failed...))
	case "redo":
		p.migration(p.version, "SELECT to_int32(x) FROM gate;\n--down\n"+text(statements...))
	}
	if kept {
		if err := p.up(); err != nil {
			p.t.Fatalf("%s: %v", statements, err)
		}
	}
	if way == "redo" {
		p.env.SQL(p.t, "INSERT INTO gate VALUES ('no number')")
		was = p.print()
	}
	healthy, theirs, did := p.srv, was, false
	at, later := hand.moment(statements)
	p.meanwhile(p.names.Replace(at), later, func() {
		for _, s := range hand.statements {
			code, _ := p.env.Err(p.t, strings.NewReplacer("{mark}", mark, "{number}", mark[1:]).Replace(p.names.Replace(s)))
			did = did || code == 0
		}
		theirs = p.print()
	})
	marked := func(lines []string) []string {
		return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, mark[1:]) })
	}
	m := p.migrator(Options{PlanOptions: PlanOptions{Atomic: way == "atomic"}})
	switch way {
	case "down":
		err = m.Down(p.t.Context(), 0, true)
	case "redo":
		err = m.Redo(p.t.Context())
	default:
		err = m.Up(p.t.Context())
	}
	_ = m.Close()
	p.srv = healthy
	if !kept {
		p.remove(p.version)
		if way == "atomic" {
			p.remove(p.version + 1)
		}
	}
	report := fmt.Sprintf("%v\n%s", err, p.said())
	now = p.print()
	if strings.Contains(strings.Join(statements, " "), "nextval(") { // values that were taken are not given back
		theirs, was = took(theirs, now), took(was, now)
	}
	var run *RunError
	var refused *PlanError
	exit := "no error"
	switch {
	case errors.As(err, &run):
		exit = fmt.Sprint("exit ", int(run.ExitCode()))
	case errors.As(err, &refused) && refused.Kind == plan.Irreversible:
		exit = "irreversible"
	case errors.As(err, &refused):
		exit = "refused"
	}
	p.tally[exit]++
	p.tally["statements"] += len(statements)
	if run != nil && strings.Contains(run.Error(), "nowhere") {
		p.tally["reached the end"]++
	}
	if hand.when != first && !did { // it was refused: all is as it was
		theirs = was
	}
	lost := len(marked(theirs)) > 0 && len(marked(now)) == 0
	p.tally["second hands"] += min(len(marked(theirs)), 1)
	switch d := cmp.Diff(theirs, now); {
	case exit == "exit 4" && len(hand.statements) > 0:
		p.must(p.recover(MarkRolledBack, "for the test"))
		silent := ""
		switch {
		case hand.when == first:
			silent = p.unnamed(theirs, now, report)
		case lost:
			silent = p.unnamed(marked(theirs), now, report)
		}
		if silent != "" {
			return now, fmt.Sprintf("exit 4 that does not name %s: %v\n%s", silent, err, p.said())
		}
	case hand.when != first && did && exit != "no error":
		if lost {
			return now, fmt.Sprintf("%s that lost %q: %s\n%s", exit, marked(theirs), report, d)
		}
	case exit == "exit 4", exit == "no error":
		return now, fmt.Sprintf("%s: %s\n%s", exit, report, d)
	case d != "":
		return now, fmt.Sprintf("%s with a difference (-before +after): %s\n%s", exit, report, d)
	}
	if way == "redo" {
		p.env.SQL(p.t, "TRUNCATE TABLE gate")
		now = p.print()
	}
	return now, ""
}

// took is was, with the values that sequences have in now.
func took(was, now []string) []string {
	values := map[string]string{}
	for _, l := range now {
		if f := strings.Split(l, " | "); strings.HasPrefix(l, "sequence ") {
			values[f[0]] = f[2]
		}
	}
	out := slices.Clone(was)
	for i, l := range out {
		if f := strings.Split(l, " | "); strings.HasPrefix(l, "sequence ") && values[f[0]] != "" {
			f[2] = values[f[0]]
			out[i] = strings.Join(f, " | ")
		}
	}
	return out
}

// unnamed is a line that is in one and not in the other and none of whose names the report says.
func (p *proofWorld) unnamed(was, now []string, report string) string {
	for _, pair := range [][2][]string{{was, now}, {now, was}} {
		for _, line := range pair[0] {
			if slices.Contains(pair[1], line) {
				continue
			}
			named := slices.ContainsFunc(strings.FieldsFunc(line, func(r rune) bool {
				return strings.ContainsRune(" |`.'\"()",
					r)
			}), func(f string) bool {
				return f != "" && f != p.env.Database && strings.Contains(report, f)
			})
			if !named {
				return line
			}
		}
	}
	return ""
}

// hand is what another session does during a run, and when.
type hand struct {
	statements []string
	when       moment
	nth        int // the statement of ours before which it comes, or the request behind the failure
}

// moment is when a second hand comes.
type moment int

const (
	first   moment = iota // behind the plan's reading, before any statement of ours
	between               // two statements of ours, or behind the last
	marked                // a mark and its statement
	restore               // two requests of the rollback
)

// moment is the text of the request before which it comes, and how many requests later.
func (h hand) moment(ours []string) (text string, later int) {
	switch h.when {
	case marked:
		text, _ := json.Marshal(ours[h.nth%len(ours)])
		return strings.Trim(string(text), `"`), 0
	case restore:
		return "INSERT INTO {db}.nowhere", 1 + h.nth
	}
	return "SELECT 'now'", 0
}

// theirs is what only another session writes, {mark} or {number} in it: it is there at the end, or what became of it is named.
func (p *proofWorld) theirs() string {
	return strings.NewReplacer("{t}", p.one("a", "b", "c", "new1", "{y}.t", "{y}.new2"), "{9}", p.one("", "9")).Replace(p.one(
		"INSERT INTO {t} (a) VALUES ({number})", "ALTER TABLE {t} COMMENT = '{mark}'", "ALTER TABLE {t} ADD COLUMN {mark} INT",
		"ALTER TABLE {t} MODIFY COLUMN s COMMENT '{mark}'", "CREATE NGRAM INDEX {mark} ON {t}(s)",
		"ALTER TABLE {t} ADD CONSTRAINT {mark} CHECK (a > -99)", "CREATE OR REPLACE TABLE {t} (a INT, {mark} INT)",
		"CREATE OR REPLACE TABLE {t} AS SELECT {number} AS a", "CREATE TABLE {t} (a INT, s STRING) COMMENT = '{mark}'",
		"ALTER TABLE {t} RENAME TO {mark}", "UPDATE {t} SET s = '{mark}' WHERE true", "CREATE TABLE {y}.{mark} (a INT)",
		"CREATE OR REPLACE VIEW v AS SELECT {number} AS a", "ALTER VIEW v AS SELECT {number} AS a", "CREATE VIEW new3 AS SELECT {number} AS a",
		"CREATE OR REPLACE FUNCTION {x}f{9} AS (a) -> a + {number}", "ALTER STAGE {x}s SET COMMENT = '{mark}'",
		"CREATE OR REPLACE FILE FORMAT {x}ff{9} TYPE = CSV NULL_DISPLAY = '{mark}'",
		"CREATE OR REPLACE SEQUENCE {x}q{9} COMMENT = '{mark}'", "ALTER NETWORK POLICY {x}n SET COMMENT = '{mark}'",
		"CREATE OR REPLACE NETWORK POLICY {x}n{9} ALLOWED_IP_LIST = ('9.9.9.9') COMMENT = '{mark}'",
		"CREATE OR REPLACE PASSWORD POLICY {x}p{9} COMMENT = '{mark}'", "ALTER PASSWORD POLICY {x}p SET COMMENT = '{mark}'",
		"CREATE TAG {x}g{9} COMMENT = '{mark}'",
		"CREATE OR REPLACE PROCEDURE {x}pr{9}(x INT) RETURNS INT NOT NULL LANGUAGE SQL COMMENT = '{mark}' AS $$ BEGIN RETURN 7; END; $$",
	))
}

// proof plays random rounds, twenty in each of random catalogues. second gives what another session does meanwhile.
func proof(t *testing.T, stream uint64, second func(p *proofWorld) hand) {
	seed, tally, bad := databendtest.Seed(), map[string]int{}, 0
	var p *proofWorld
	var made, was []string
	for round := range databendtest.Rounds(t, 5, 3000) {
		if round%20 == 0 || p == nil {
			p = newProofWorld(t, rand.New(rand.NewPCG(seed, stream)))
			p.tally = tally
			seed++
			made = nil
			for _, s := range p.setup() {
				if code, _ := p.env.Err(t, p.names.Replace(s)); code == 0 {
					made = append(made, s)
				}
			}
			was = p.print()
		}
		var statements []string
		var theirs hand
		for range 1 + p.IntN(3) {
			statements = append(statements, p.statement())
		}
		way := p.one(ways...)
		if second != nil {
			theirs = second(p)
			switch theirs.when {
			case between:
				statements = slices.Insert(statements, theirs.nth%(len(statements)+1), "SELECT 'now'")
			default:
				way = "up"
				statements = slices.Insert(statements, 0, "SELECT 'now'")
			}
		}
		tally["rounds"]++
		now, wrong := p.play(was, statements, way, theirs)
		was = now
		if wrong != "" {
			t.Errorf("BAD seed %d round %d, %s:\n  %s\n  -- theirs\n  %v\n%s\nof\n  %s",
				seed-1, round, way, strings.Join(statements, ";\n  "), theirs, wrong, strings.Join(made, ";\n  "))
			p = nil // what it left would be found again
			if bad++; bad == 40 {
				break
			}
		}
	}
	t.Logf("%v, %d bad", tally, bad)
}

// TestProofStatements lets random statements over all kinds be undone. DBCTL_PROOF_SEED chooses the first catalogue.
func TestProofStatements(t *testing.T) {
	t.Parallel()
	proof(t, 21, nil)
}

// TestProofSecondHand lets another session do random things to the same objects after a run has read them and before it writes:
// what they did is there at the end, or what became of it is named.
func TestProofSecondHand(t *testing.T) {
	t.Parallel()
	proof(t, 22, func(p *proofWorld) hand {
		h := hand{statements: []string{p.statement()}, when: first}
		if p.IntN(2) == 0 {
			h.statements = append(h.statements, p.statement())
		}
		return h
	})
}

// TestProofSecondHandMeanwhile lets another session do it at any moment of the run and of its rollback: between two statements, between a
// mark and its statement, between two requests of the restore. What it does then is judged by the name that it leaves: `make proof` alone
// runs it.
func TestProofSecondHandMeanwhile(t *testing.T) {
	t.Parallel()
	if !databendtest.Full() {
		t.Skip("part of make proof")
	}
	proof(t, 23, func(p *proofWorld) hand {
		return hand{statements: []string{p.theirs()}, when: moment(1 + p.IntN(3)), nth: p.IntN(16)}
	})
}
