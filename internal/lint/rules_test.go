package lint

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/project"
)

// exampleStage is what loads need.
const exampleStage = `-- migrations/00001_orders.sql
CREATE STAGE lake URL = 's3://bucket/' CONNECTION = (CONNECTION_NAME = 'c');
CREATE TABLE orders (id INT NOT NULL, placed DATE);
`

const orders = `-- migrations/00001_orders.sql
-- +goose Up
CREATE TABLE orders (id BIGINT NOT NULL, placed TIMESTAMP, state STRING DEFAULT 'new', amount DECIMAL(10, 2));
-- +goose Down
DROP TABLE orders;
-- migrations/00002_change.sql
`

// TestRules is what each rule finds, and does not find, besides its examples: the whole list of findings.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		text string // files, or the second migration behind orders
		want string // "line rule" of the last file, one a line
	}{
		{"drop of the migration's own table", "CREATE TABLE tmp (a INT);\nDROP TABLE tmp;", ""},
		{"drop in another database", "DROP TABLE IF EXISTS d.orders;", "2 drop-table"},
		{"drop database", "DROP DATABASE shop;", "2 down-incomplete\n2 drop-table"},
		{"drop of a view", "CREATE VIEW v AS SELECT 1;\nDROP VIEW v;", ""},
		{"drop in Down", "CREATE TABLE a (b INT);\n-- +goose Down\nDROP TABLE a;", ""},
		{"drop of a column just added", "ALTER TABLE orders ADD COLUMN x INT;\nALTER TABLE orders DROP COLUMN x;", ""},
		{"insert overwrite", "INSERT OVERWRITE orders SELECT * FROM orders;", "2 empty-table"},
		{"delete all", "DELETE FROM orders;", "2 empty-table"},
		{"delete some", "DELETE FROM orders WHERE id = 1;", ""},
		{"delete with a subquery alone is not all", "DELETE FROM orders WHERE id IN (SELECT 1);", ""},
		{"widening", "ALTER TABLE orders MODIFY COLUMN amount DECIMAL(12, 2);\n-- +goose Down\n" +
			"ALTER TABLE orders MODIFY COLUMN amount DECIMAL(10, 2);", ""},
		{
			"time of day lost", "ALTER TABLE orders MODIFY placed DATE;\n-- +goose Down\nALTER TABLE orders MODIFY placed TIMESTAMP;",
			"2 narrow-column",
		},
		{"not null", "ALTER TABLE orders MODIFY placed TIMESTAMP NOT NULL;\n-- +goose Down\nALTER TABLE orders MODIFY placed TIMESTAMP;", "2 narrow-column"},
		{
			"scale", "ALTER TABLE orders MODIFY amount DECIMAL(10, 3);\n-- +goose Down\nALTER TABLE orders MODIFY amount DECIMAL(10, 2);",
			"2 narrow-column",
		},
		{"narrow of a table that nobody knows", "ALTER TABLE other MODIFY a TINYINT;", ""},
		{"default kept", "ALTER TABLE orders MODIFY state STRING NOT NULL DEFAULT 'new'; -- dbctl: " +
			"lint-ignore=narrow-column,down-incomplete \"no NULLs\"", ""},
		{
			"comment is no new definition",
			"ALTER TABLE orders MODIFY COLUMN state COMMENT 'x';\n-- +goose Down\nALTER TABLE orders MODIFY COLUMN state COMMENT '';", "",
		},
		{"rebuilt from its own rows", "CREATE OR REPLACE TABLE orders AS SELECT * FROM orders;\n-- +goose Down\n" +
			"CREATE OR REPLACE TABLE orders AS SELECT * FROM orders;", ""},
		{
			"replaced", "CREATE OR REPLACE TABLE orders (id INT);\n-- +goose Down\nALTER TABLE orders RENAME TO o2;\nUNDROP TABLE orders;",
			"2 replace-table",
		},
		{"retention", "ALTER TABLE orders SET OPTIONS (DATA_RETENTION_PERIOD_IN_HOURS = 1);\n-- +goose Down\nALTER TABLE orders UNSET " +
			"OPTIONS (DATA_RETENTION_PERIOD_IN_HOURS);", "2 vacuum"},
		{"longer retention", "ALTER TABLE orders SET OPTIONS (DATA_RETENTION_PERIOD_IN_HOURS = 240);\n-- +goose Down\nALTER TABLE orders " +
			"UNSET OPTIONS (DATA_RETENTION_PERIOD_IN_HOURS);", ""},
		{"optimize purge", "OPTIMIZE TABLE orders PURGE;", "2 irreversible\n2 vacuum"},
		{"vacuum dry run", "VACUUM TABLE orders DRY RUN;", ""},
		{"spelling", "CRAETE TABLE x (a INT);", "2 irreversible"},
		{"added column stays", "ALTER TABLE orders ADD COLUMN x INT;", "2 down-incomplete"},
		{"type stays", "ALTER TABLE orders MODIFY COLUMN amount DECIMAL(12, 2);", "2 down-incomplete"},
		{"rename undone", "ALTER TABLE orders RENAME TO sales;\n-- +goose Down\nALTER TABLE sales RENAME TO orders;", ""},
		{"rename not undone", "ALTER TABLE orders RENAME TO sales;", "2 down-incomplete"},
		{"rows stay", "INSERT INTO orders (id) VALUES (1);", "2 down-incomplete"},
		{"rows in a new table", "CREATE TABLE a (b INT);\nINSERT INTO a VALUES (1);\n-- +goose Down\nDROP TABLE a;", ""},
		{"replaced view undone by the earlier text", "CREATE OR REPLACE VIEW v AS SELECT 1;\n-- +goose Down\nDROP VIEW v;", ""},
		{"swap", "CREATE TABLE b LIKE orders;\nALTER TABLE orders SWAP WITH b;\nDROP TABLE b; -- dbctl: lint-ignore=drop-table " +
			"\"copied\"\n" +
			"-- +goose Down\nSELECT 1;", "3 down-incomplete"},
		{"key of a known shape", "SELECT 'ghp_abcdefghijklmnopqrstuvwxyz0123456789';", "2 secret-literal"},
		{"key in a comment", "-- the key is AKIAQWERTY2PLMOKNIJB\nSELECT 1;", "2 secret-literal"},
		{"random text", "SELECT 'q8Zr1LmX0vBn7KtY3wPd5HsJ9cFg2RaT';", "2 secret-literal"},
		{"password", "CREATE USER u IDENTIFIED BY 'abc123';\n-- +goose Down\nDROP USER u;", "2 secret-literal\n4 irreversible"},
		{"placeholder", "CREATE CONNECTION c STORAGE_TYPE = 's3' ACCESS_KEY_ID = '<your-key>' SECRET_ACCESS_KEY = '****';\n-- +goose " +
			"Down\nDROP CONNECTION c;", ""},
		{"no key", "SELECT 'capture_date=%Y-%m-%d/[^_.][^/]*[.]parquet', '0123456789abcdef0123456789abcdef', " +
			"'s3://bucket/A1b2C3d4/E5f6G7h8/I9j0K1l2/x.parquet';", ""},
		{"type in an array", "CREATE TABLE a (b ARRAY(TXT));\n-- +goose Down\nDROP TABLE a;", "2 unknown-type"},
		{"column that is there", "ALTER TABLE orders ADD COLUMN state STRING;", "2 unknown-column"},
		{"column if not exists", "ALTER TABLE orders ADD COLUMN IF NOT EXISTS state STRING;", ""},
		{"column that is not there", "ALTER TABLE orders RENAME COLUMN stat TO s;", "2 unknown-column"},
		{"column of a derived table", "CREATE TABLE a AS SELECT 1 AS b;\nINSERT INTO a (c) VALUES (1);\n-- +goose Down\nDROP TABLE a;", ""},
		{"insert by a quoted column", "INSERT INTO orders (`id`, \"placed\") VALUES (1, now()); -- dbctl: lint-ignore=down-incomplete " +
			"\"x\"", ""},
		{"dropped before", "DROP TABLE orders; -- dbctl: lint-ignore=drop-table,down-incomplete \"x\"\nDELETE FROM orders WHERE id = 1;", "3 gone-name"},
		{"made again", "DROP TABLE orders; -- dbctl: lint-ignore=drop-table,down-incomplete \"x\"\nCREATE TABLE orders (a INT);", ""},
		{
			"a temporary table under a dropped name", "DROP TABLE orders; -- dbctl: lint-ignore=drop-table,down-incomplete \"x\"\n" +
				"CREATE TEMP TABLE orders (a INT);\nINSERT INTO orders (a) VALUES (1);\nDROP TABLE orders;\nDELETE FROM orders;",
			"6 empty-table\n6 gone-name",
		},
		{"a temporary table under a name", "CREATE TEMPORARY TABLE orders (a INT);\nINSERT INTO orders (a) VALUES (1);\nDROP TABLE orders;\n" +
			"ALTER TABLE orders ADD COLUMN b INT;\n-- +goose Down\nALTER TABLE orders DROP COLUMN b;", ""},
		{"is it there", "DROP TABLE orders; -- dbctl: lint-ignore=drop-table,down-incomplete \"x\"\nEXISTS TABLE orders;", ""},
		{
			"files written where files were removed",
			"REMOVE @st/x/; -- dbctl: lint-ignore=irreversible \"x\"\nCOPY INTO @st/x/ FROM orders FILE_FORMAT = (TYPE = CSV); -- dbctl: lint-ignore=irreversible \"x\"", "",
		},
		{"use of the same database, qualified", "USE shop;\nCREATE TABLE shop.a (b INT);\n-- +goose Down\nDROP TABLE shop.a;", ""},
		{"consumed by CREATE TABLE AS", "CREATE STREAM s ON TABLE orders;\nCREATE TABLE a AS SELECT * FROM s;\n-- +goose Down\nDROP " +
			"TABLE a;\nDROP STREAM s;", "3 stream-consumed"},
		{
			"a view over a stream reads it",
			"CREATE STREAM s ON TABLE orders;\nCREATE VIEW v AS SELECT * FROM s;\n-- +goose Down\nDROP VIEW v;\nDROP STREAM s;", "",
		},
		{"with consume in DML", "CREATE STREAM s ON TABLE orders;\nCREATE TABLE a (b INT);\nINSERT INTO a SELECT 1 FROM s WITH CONSUME;\n" +
			"-- +goose Down\nDROP TABLE a;\nDROP STREAM s;", "4 stream-consumed"},
		{"task suspended on purpose", "CREATE TASK a WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1;\nALTER TASK a RESUME;\nALTER TASK " +
			"a SUSPEND;\n-- +goose Down\nDROP TASK a;", ""},
		{
			"task made anew", "CREATE TASK a WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1;\nALTER TASK a RESUME;\n" +
				"CREATE OR REPLACE TASK a WAREHOUSE = 'w' SCHEDULE = 2 MINUTE AS SELECT 1;\n-- +goose Down\nDROP TASK a;",
			"4 task-not-resumed",
		},
		{
			"stage URL", "CREATE STAGE s URL = 's3://bucket/raw' CONNECTION = (CONNECTION_NAME = 'c');\n-- +goose Down\nDROP STAGE s;",
			"2 stage-slash",
		},
		{
			"stage of a bucket", "CREATE STAGE s URL = 's3://bucket' CONNECTION = (CONNECTION_NAME = 'c');\n-- +goose Down\nDROP STAGE s;",
			"",
		},
		{"copy in a migration", "COPY INTO orders FROM @st/orders FILE_FORMAT = (TYPE = PARQUET); -- dbctl: lint-ignore=down-incomplete " +
			"\"x\"", "2 stage-slash"},
		{"external stage dropped", "CREATE STAGE s URL = 's3://bucket/raw/' CONNECTION = (CONNECTION_NAME = 'c');\nDROP STAGE s;", ""},
		{"internal stage dropped", "DROP STAGE s;", "2 down-incomplete"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range lint(t, exampleFiles(orders+tt.text)) {
				if filepath.Base(f.File) != "00002_change.sql" {
					continue
				}
				got = append(got, strings.TrimSpace(strings.TrimPrefix(lines(oneFinding(f)), "00002_change.sql:")))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("%s\n(-want +got)\n%s", tt.text, diff)
			}
		})
	}
}

// TestLoadRules is what is found in a load, and what not.
func TestLoadRules(t *testing.T) {
	t.Parallel()
	const lake = `-- migrations/00001_lake.sql
CREATE FILE FORMAT rows TYPE = CSV;
CREATE FILE FORMAT objects TYPE = NDJSON;
CREATE STAGE lake URL = 's3://bucket/' CONNECTION = (CONNECTION_NAME = 'c') FILE_FORMAT = (TYPE = CSV);
CREATE TABLE t (id INT NOT NULL, at TIMESTAMP, v VECTOR(3), n DECIMAL(10, 2), seq INT NOT NULL DEFAULT 0);
-- migrations/00002_wide.sql
ALTER TABLE t ADD COLUMN note STRING;
-- loads/t.sql
`
	for _, tt := range []struct{ load, want string }{
		{"COPY INTO t (id, at) FROM (SELECT id::INT, at::TIMESTAMP FROM @lake/t/) FILE_FORMAT = (TYPE = PARQUET)", ""},
		{"COPY INTO t (id, at, v) FROM (SELECT id::INT, CAST(at AS TIMESTAMP), v::VECTOR(4) FROM @lake/t/) FILE_FORMAT = (TYPE = " +
			"PARQUET)", "vector-width"},
		{"COPY INTO t (at) FROM (SELECT at::TIMESTAMP FROM @lake/t/) FILE_FORMAT = (TYPE = PARQUET)", "load-column"},
		{"COPY INTO t (id, at) FROM (SELECT id::INT FROM @lake/t/) FILE_FORMAT = (TYPE = PARQUET)", "load-column"},
		{"COPY INTO t (id) FROM (SELECT id::BIGINT FROM @lake/t/) FILE_FORMAT = (TYPE = PARQUET)", "load-cast"},
		{"COPY INTO t (id) FROM (SELECT id::DATE FROM @lake/t/) FILE_FORMAT = (TYPE = PARQUET)", "load-cast"},
		{"COPY INTO t (id, n) FROM (SELECT id::SMALLINT, n::STRING FROM @lake/t/) FILE_FORMAT = (TYPE = PARQUET)", ""},
		{"COPY INTO t (id) FROM (SELECT coalesce(id, 0) FROM @lake/t/) FILE_FORMAT = (TYPE = PARQUET)", ""},
		{"COPY INTO t (id, at) FROM (SELECT $1::BIGINT, $2::TIMESTAMP FROM @lake/t/) FILE_FORMAT = (TYPE = CSV)", "load-cast"},
		{"COPY INTO t (id, v) FROM (SELECT $1:id::INT, $1:a.b['c']::VECTOR(4) FROM @lake/t/) FILE_FORMAT = (TYPE = NDJSON)", "vector-width"},
		{"COPY INTO t (id, n) FROM (SELECT TRY_CAST(nullif($1, '') AS DATE), $2::STRING || ''::INT FROM @lake/t/) FILE_FORMAT = (TYPE = CSV)", "load-cast"},
		{"COPY INTO t FROM @lake/t/ FILE_FORMAT = (TYPE = PARQUET)", ""},
		{"COPY INTO t FROM @lake/t/ FILE_FORMAT = (TYPE = NDJSON)", ""},
		{"COPY INTO t (id, at) FROM (SELECT $1:id::INT, at::TIMESTAMP FROM @lake/t/) FILE_FORMAT = (TYPE = NDJSON)", "load-column"},
		{"COPY INTO t (id) FROM (SELECT f.id FROM @lake/t/ AS f) FILE_FORMAT = (TYPE = AVRO)", "load-column"},
		{"COPY INTO t (id, at) FROM (SELECT CAST(id AS INT), $2::TIMESTAMP FROM @lake/t/) FILE_FORMAT = (TYPE = CSV)", "load-column"},
		{"COPY INTO t (id, at) FROM (SELECT f.$1::INT, CURRENT_TIMESTAMP FROM @lake/t/ AS f) FILE_FORMAT = (TYPE = CSV)", ""},
		{"COPY INTO t (id, seq) FROM (SELECT $1:id::INT, NULL::INT FROM @lake/t/) FILE_FORMAT = (TYPE = AVRO)", ""},
		{"COPY INTO t FROM @lake/t/", "positional-copy"},
		{"COPY INTO t FROM @lake/t/ FILE_FORMAT = (FORMAT_NAME = 'rows')", "positional-copy"},
		{"COPY INTO t FROM @lake/t/ FILE_FORMAT = (FORMAT_NAME = objects)", ""},
		{"COPY INTO t (id) FROM @lake/t/x.csv", ""},
		{"COPY INTO t (id) FROM @lake/t FILES = ('a.csv')", ""},
		{"COPY INTO tt (id) FROM @lake/t/", "load-target"},
		{"COPY INTO t (id) FROM @lakes/t/", "load-target"},
		{"COPY INTO t (id) FROM @~/t/", ""},
		{"COPY INTO t (id) FROM 's3://lake/t/' CONNECTION = (CONNECTION_NAME = 'c') FILE_FORMAT = (TYPE = CSV)", ""},
	} {
		var got []string
		for _, f := range lint(t, exampleFiles(lake+tt.load)) {
			if f.File == "loads/t.sql" {
				got = append(got, f.Rule)
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.load, diff)
		}
	}
}

// A finding about an item of a SELECT list stands at the item, and not where its words stand before.
func TestPlaceOfAnItem(t *testing.T) {
	t.Parallel()
	var got []int
	for _, f := range lint(t, exampleFiles(exampleStage+"-- loads/t.sql\n"+
		"COPY INTO orders (id, placed) FROM (SELECT id, placed::DATE FROM @lake/o/) FILE_FORMAT = (TYPE = CSV)")) {
		if f.Rule == LoadColumn {
			got = append(got, f.Column)
		}
	}
	if diff := cmp.Diff([]int{44, 48}, got); diff != "" {
		t.Errorf("columns (-want +got)\n%s", diff)
	}
}

// Two loads of one table share files only where one place is in the other; a location is named as it is written.
func TestPlacesOfLoads(t *testing.T) {
	t.Parallel()
	const into = "COPY INTO t FROM %s FILE_FORMAT = (TYPE = PARQUET)"
	for _, tt := range []struct{ a, b, want string }{
		{"'s3://lake/a/'", "'s3://lake/b/'", "table default.t is filled by the load a too"},
		{"'s3://lake/a/'", "@lake/a/", "table default.t is filled by the load a too"},
		{"'s3://lake/a/'", "'s3://lake/a/b/'", "table default.t is filled by the load a too, from the same files"},
		{"@lake/a/", "'s3://lake/b/x'", "table default.t is filled by the load a too s3://lake/b/x is a prefix: it reads x_old/ and x2 too"},
		{"@lake/a/", "'https://lake/b/x'", "table default.t is filled by the load a too"},
	} {
		var got []string
		for _, f := range lint(t, exampleFiles("-- loads/a.sql\n"+fmt.Sprintf(into, tt.a)+";\n-- loads/b.sql\n"+fmt.Sprintf(into, tt.b)+";\n")) {
			if f.File == "loads/b.sql" && f.Rule != "load-target" {
				got = append(got, f.Message)
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s, %s (-want +got)\n%s", tt.a, tt.b, diff)
		}
	}
}

// A statement behind a load's COPY fills its table.
func TestFilledBehindACopy(t *testing.T) {
	t.Parallel()
	const text = "-- migrations/00001_t.sql\nCREATE STAGE lake URL = 's3://bucket/' CONNECTION = (CONNECTION_NAME = 'c');\n" +
		"CREATE TABLE t (id INT);\nCREATE TABLE clean (id INT);\n-- loads/t.sql\nCOPY INTO t (id) FROM @lake/t/ FILE_FORMAT = (TYPE = CSV);\n"
	for behind, want := range map[string]int{"": 1, "MERGE INTO clean USING t ON clean.id = t.id WHEN NOT MATCHED THEN INSERT *;": 0} {
		if found := of("unfilled-table", lint(t, exampleFiles(text+behind))); len(found) != want {
			t.Errorf("%s: found %+v, want %d", behind, found, want)
		}
	}
}

// TestReplacedUnderALoad is what is found where a migration replaces a table that a load fills: a rebuilt one keeps its ledger, a stream breaks.
func TestReplacedUnderALoad(t *testing.T) {
	t.Parallel()
	const before = "-- migrations/00001_t.sql\nCREATE TABLE t (id INT);\nCREATE STAGE lake URL = 's3://bucket/' CONNECTION = (CONNECTION_NAME = 'c');\n"
	const load = "\n-- loads/t.sql\nCOPY INTO t (id) FROM @lake/t/"
	for _, tt := range []struct{ replace, want string }{
		{"CREATE OR REPLACE TABLE t (id INT, note STRING);", "breaks load t"},
		{"CREATE OR REPLACE TABLE t AS SELECT 1 AS id;", "breaks load t"},
		{"CREATE OR REPLACE TABLE t CLUSTER BY (id) AS SELECT * FROM t;", ""},
		{"CREATE STREAM s ON TABLE t;\nCREATE OR REPLACE TABLE t AS SELECT * FROM t;", "breaks stream default.s"},
	} {
		found := of("replace-dependency", lint(t, exampleFiles(before+"-- migrations/00002_again.sql\n"+tt.replace+load)))
		switch {
		case tt.want == "" && len(found) > 0:
			t.Errorf("%s: found %+v", tt.replace, found)
		case tt.want != "" && (len(found) != 1 || !strings.Contains(found[0].Message, tt.want)):
			t.Errorf("%s: found %+v, want %q", tt.replace, found, tt.want)
		}
	}
}

// TestVectorVar compares the widths of the tables with a var that names one.
func TestVectorVar(t *testing.T) {
	t.Parallel()
	config := "project: p\ndefault_env: l\nvars: { embedding_dim: 512 }\nenvironments: { l: { engine: embedded } }\n"
	found := lint(t, map[string]string{
		project.ConfigFile:       config,
		"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE a (v VECTOR(768));\n-- +goose Down\nDROP TABLE a;\n",
	})
	if len(found) != 1 || found[0].Rule != VectorWidth || found[0].Line != 2 {
		t.Errorf("%+v", found)
	}
}

// TestIgnore is where a lint-ignore silences, and what is said of one that does not.
func TestIgnore(t *testing.T) {
	t.Parallel()
	const ignore = `-- dbctl: lint-ignore=drop-table "why"`
	for _, tt := range []struct{ text, want string }{
		{ignore + "\n-- +goose Up\nDROP TABLE a;\nDROP TABLE b;\n-- +goose Down\n", ""},
		{"-- +goose Up\n" + ignore + "\nDROP TABLE a;\nDROP TABLE b;\n-- +goose Down\n", "4 drop-table"},
		{"-- +goose Up\nDROP TABLE a; " + ignore + "\nDROP TABLE b;\n-- +goose Down\n", "3 drop-table"},
		{"-- +goose Up\nDROP TABLE " + ignore + "\n  a;\n-- +goose Down\n", ""},
		{"-- +goose Up\nDROP TABLE\n  a; " + ignore + "\n-- +goose Down\n", ""},
		{"-- +goose Up\nDROP TABLE\n  " + ignore + "\n  a;\n-- +goose Down\n", ""},
		{"-- +goose Up\n-- a comment\n" + ignore + "\n-- another\n\nDROP TABLE a;\n-- +goose Down\n", ""},
		{"-- +goose Up\nDROP TABLE a;\n" + ignore + "\n-- +goose Down\n", "2 drop-table\n3 unused-ignore"},
		{"-- +goose Up\nDROP TABLE a; -- dbctl: lint-ignore=drop-tabel \"why\"\n-- +goose Down\n", "2 drop-table\n2 unused-ignore"},
		{"-- +goose Up\nDROP TABLE a; -- dbctl: lint-ignore=drop-table, empty-table \"why\"\n-- +goose Down\n", "2 unused-ignore"},
		{"-- +goose Up\nSELECT '-- dbctl: lint-ignore=drop-table';\nDROP TABLE a;\n-- +goose Down\n", "3 drop-table"},
	} {
		var got []string
		for _, f := range lint(t, map[string]string{"migrations/00001_a.sql": tt.text}) {
			if f.Rule != downIncomplete.Name {
				got = append(got, strings.TrimSpace(strings.TrimPrefix(lines(oneFinding(f)), "00001_a.sql:")))
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
			t.Errorf("%s(-want +got)\n%s", tt.text, diff)
		}
	}
	for _, bad := range []string{"-- dbctl: lint-ignore=drop-table", "-- dbctl: lint-ignore \"why\"", "-- dbctl: lint-ignore=a b \"why\""} {
		dir := write(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nDROP TABLE a; " + bad + "\n"})
		if _, err := project.Open(project.Options{Dir: dir, NoEnv: true}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// TestBase compares a branch with the one that it is to be merged into, which went on meanwhile.
func TestBase(t *testing.T) {
	t.Parallel()
	migration := func(table string) string {
		return "-- +goose Up\nCREATE TABLE " + table + " (a INT);\n-- +goose Down\nDROP TABLE " + table + ";\n"
	}
	dir := write(t, map[string]string{
		"sub/x": "", "migrations/00001_a.sql": migration("a"), "migrations/00002_b.sql": migration("b"),
		"migrations/00003_c.sql": migration("c"), "migrations/00004_d.sql": migration("d"), "migrations/00005_e.sql": migration("e"),
		"migrations/00009_f.sql": "-- +goose Up\nSELECT '1  2';\n-- +goose Down\n",
	})
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{
			"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.com", "-c",
			"commit.gpgsign=false",
		}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	change := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, "migrations", name)
		var err error
		if text == "" {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	git("init", "-q", "-b", "main")
	git("add", "-A")
	git("commit", "-qm", "one")
	git("checkout", "-qb", "work")
	git("checkout", "-q", "main")
	change("00020_theirs.sql", migration("theirs"))
	git("add", "-A")
	git("commit", "-qm", "theirs")
	git("checkout", "-q", "work")
	change("00001_a.sql", "-- +goose Up\n-- a comment\nCREATE   TABLE a ( a INT );\n-- +goose Down\nDROP TABLE a;\n") // no edit
	change("00002_b.sql", migration("bb"))
	change("00003_c.sql", "")
	change("00004_d.sql", strings.Replace(migration("d"), "INT", "BIGINT", 1))
	change("00005_e.sql", strings.Replace(migration("e"), "DROP TABLE", "DROP TABLE IF EXISTS", 1)) // Down alone
	change("00006_late.sql", migration("late"))
	change("00009_f.sql", "-- +goose Up\nSELECT '1 2';\n-- +goose Down\n")
	change("00007_later.sql", migration("later"))
	change("00008_allowed.sql", "-- dbctl: allow=out-of-order \"it touches nothing of theirs\"\n"+migration("allowed"))
	change("00020_mine.sql", migration("mine"))
	change("00021_new.sql", migration("new"))
	change("00022_newer.sql", migration("newer"))

	run := func(args ...string) (string, error) {
		out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).Output()
		return string(out), err
	}
	base, err := ReadBase("main", dir, run)
	if err != nil {
		t.Fatal(err)
	}
	p, err := project.Open(project.Options{Dir: dir, NoEnv: true})
	if err != nil {
		t.Fatal(err)
	}
	want := "00002_b.sql:1 edited-migration\n00003_c.sql:0 edited-migration\n00004_d.sql:1 edited-migration\n" +
		"00006_late.sql:1 version-order\n00007_later.sql:1 version-order\n00009_f.sql:1 edited-migration\n" +
		"00020_mine.sql:1 version-order\n"
	if diff := cmp.Diff(want, lines(Run(p, Options{Base: base}))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, ref := range []string{"no-such", "--upload-pack=x", ""} {
		if _, err := ReadBase(ref, dir, run); err == nil {
			t.Errorf("base %q is read", ref)
		}
	}
	for what, replace := range map[string]func(path string) error{
		"a link to a device": func(path string) error { return os.Symlink("/dev/zero", path) },
		"a FIFO":             func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		change("00001_a.sql", "")
		if err := replace(filepath.Join(dir, "migrations", "00001_a.sql")); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { _, err := ReadBase("main", dir, run); done <- err }()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s is read without end", what)
		}
	}
}

// TestFormats holds the formats for programs to their grammars.
func TestFormats(t *testing.T) {
	t.Parallel()
	found := lint(t, map[string]string{"migrations/00001_a,b.sql": "-- +goose Up\nDROP TABLE `a%\nb`;\n-- +goose Down\nSELECT 1;\n"})
	got := GitHub(of("drop-table", found), "db/")
	want := "::error file=db/migrations/00001_a%2Cb.sql,line=2,col=12,title=dbctl lint%3A drop-table::" +
		"table default.a%25%0Ab and its rows are dropped%0Ahint: -- dbctl: lint-ignore=drop-table \"why\"\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var sarif struct {
		Runs []struct {
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Locations []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
				}
			}
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
		}
	}
	if err := json.Unmarshal([]byte(SARIF(found, "1", "my db/")), &sarif); err != nil {
		t.Fatal(err)
	}
	run := sarif.Runs[0]
	if len(run.Results) != len(found) || run.Tool.Driver.Rules[run.Results[0].RuleIndex].ID != run.Results[0].RuleID {
		t.Errorf("%+v", run.Results)
	}
	if got, want := run.Results[0].Locations[0].PhysicalLocation.ArtifactLocation.URI, "my%20db/migrations/00001_a,b.sql"; got != want {
		t.Errorf("URI %q, want %q", got, want)
	}
}

// TestIncomplete: where a file cannot be read, what it makes is not said to be missing.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	files := exampleFiles(exampleStage + `-- migrations/00002_more.sql
INSERT INTO orders (note) VALUES ('x');
-- loads/orders.sql
COPY INTO orders (id, note) FROM (SELECT id::INT, note::STRING FROM @lake/orders/) FILE_FORMAT = (TYPE = PARQUET);
`)
	files["migrations/00003_broken.sql"] = "-- +goose Up\nALTER TABLE orders ADD COLUMN {{ var \"no_such\" }} STRING;\n"
	p, err := project.Open(project.Options{Dir: write(t, files), NoEnv: true, Partial: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Run(p, Options{}) {
		switch f.Rule {
		case LoadColumn, unknownColumn.Name, unfilledTable.Name, loadTarget.Name:
			t.Errorf("%+v", f)
		}
	}
}
