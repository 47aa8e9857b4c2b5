package proof

// kind is a migration of one kind over the base, with what undoes it in its Down section.
type kind struct {
	name     string
	setup    []string // beside base
	files    map[string]string
	up, down []string
	single   bool     // the migrations around it are of one statement too
	clean    []string // of objects that belong to the account
	adopt    bool     // what it replaces is the account's and was not made by dbctl
	// mayRefuse says that dbctl may refuse it because it could not be undone; then it must not have begun.
	mayRefuse bool
}

// base is what every migration finds: a table with data and everything a column can have, a plain one, one that was never
// written, and a view.
var base = []string{
	"CREATE TABLE a (id INT NOT NULL COMMENT 'key', name STRING DEFAULT 'x' COMMENT 'the name', n INT) CLUSTER BY (id) COMMENT = 'table a'",
	"INSERT INTO a VALUES (1, 'one', 10), (2, 'two', 20)",
	"INSERT INTO a VALUES (3, 'three', 30)",
	"CREATE TABLE b (id INT, v STRING)",
	"INSERT INTO b VALUES (1, 'b'), (1, 'b'), (2, NULL)",
	"CREATE TABLE e (id INT, v STRING NOT NULL)",
	"CREATE VIEW w AS SELECT id, name FROM a",
}

// first and last are the migrations around the one of a kind.
var (
	firstUp   = []string{"CREATE TABLE m1 (x INT)", "INSERT INTO m1 VALUES (1)"}
	firstDown = []string{"DROP TABLE m1"}
	lastUp    = []string{"CREATE TABLE m3 (x INT)", "CREATE VIEW m3v AS SELECT x FROM m3"}
	lastDown  = []string{"DROP VIEW m3v", "DROP TABLE m3"}
)

// failing is the statement that fails: it would write a table that is not there.
const failing = "INSERT INTO no_such_table VALUES (1)"

var kinds = []kind{
	{
		name: "creates",
		up:   []string{"CREATE TABLE c1 (x INT)", "CREATE TABLE c2 LIKE a", "CREATE VIEW c1v AS SELECT x FROM c1"},
		down: []string{"DROP VIEW c1v", "DROP TABLE c2", "DROP TABLE c1"},
	},
	{
		name: "replace",
		up: []string{
			"CREATE OR REPLACE TABLE a (z STRING COMMENT 'zz')", "INSERT INTO a VALUES ('new')",
			"CREATE OR REPLACE TABLE b AS SELECT 9 AS q", "CREATE OR REPLACE TABLE b (w INT)",
		},
		down: []string{"CREATE OR REPLACE TABLE b (id INT, v STRING)", "CREATE OR REPLACE TABLE a (id INT NOT NULL, name STRING, n INT)"},
	},
	{
		name: "columns",
		up: []string{
			"ALTER TABLE a DROP COLUMN n", "ALTER TABLE a ADD COLUMN m STRING NOT NULL DEFAULT 'm' FIRST", "ALTER TABLE a RENAME COLUMN name TO title",
			"ALTER TABLE a COMMENT = 'changed'", "ALTER TABLE b MODIFY COLUMN id STRING",
		},
		down: []string{
			"ALTER TABLE b MODIFY COLUMN id INT", "ALTER TABLE a COMMENT = 'table a'", "ALTER TABLE a RENAME COLUMN title TO name", "ALTER TABLE a DROP COLUMN m",
			"ALTER TABLE a ADD COLUMN n INT",
		},
	},
	{
		name: "cycle",
		up:   []string{"ALTER TABLE a RENAME TO t", "ALTER TABLE b RENAME TO a", "ALTER TABLE t RENAME TO b"},
		down: []string{"RENAME TABLE b TO t", "RENAME TABLE a TO b", "RENAME TABLE t TO a"},
	},
	{
		name: "views",
		up: []string{
			"CREATE OR REPLACE VIEW w AS SELECT id FROM a WHERE id > 1", "CREATE VIEW w2 AS SELECT id FROM w", "ALTER VIEW w2 AS SELECT n FROM a",
			"DROP VIEW w",
		},
		down: []string{"CREATE VIEW w AS SELECT id, name FROM a", "DROP VIEW w2"},
	},
	{
		name: "dml",
		up: []string{
			"UPDATE a SET n = n + 1 WHERE id < 3", "INSERT INTO b SELECT id + 100, name FROM a", "DELETE FROM a WHERE id = 3",
			"UPDATE b SET v = 'nobody' WHERE id = 12345", "INSERT INTO b VALUES (7, 'seven'), (7, 'seven')",
		},
		down: []string{"DELETE FROM b WHERE id = 7 OR id > 100", "INSERT INTO a VALUES (3, 'three', 30)", "UPDATE a SET n = n - 1 WHERE id < 3"},
	},
	{
		name: "ctas",
		up: []string{
			"CREATE TABLE c AS SELECT id, n * 2 AS twice FROM a", "INSERT INTO c VALUES (9, 9)", "ALTER TABLE c ADD COLUMN z INT",
			"CREATE OR REPLACE TABLE e AS SELECT id, name AS v FROM a",
		},
		down: []string{"CREATE OR REPLACE TABLE e (id INT, v STRING NOT NULL)", "DROP TABLE c"},
	},
	{
		name:  "copy",
		files: map[string]string{"in/1.csv": "1001,x\n1002,y\n", "in/2.csv": "1003,z\n"},
		up:    []string{"ALTER TABLE b ADD COLUMN k INT NULL", "COPY INTO b (id, v) FROM (SELECT $1::INT, $2::STRING FROM @{stage}/in/)", "INSERT INTO b (id) VALUES (8)"},
		down:  []string{"DELETE FROM b WHERE id > 1000 OR id = 8", "ALTER TABLE b DROP COLUMN k"},
		clean: []string{"DROP STAGE IF EXISTS {stage}"},
	},
	{
		name: "drops",
		up:   []string{"DROP VIEW w", "DROP TABLE a", "CREATE TABLE a (other INT)", "INSERT INTO a VALUES (4)", "DROP TABLE e", "DROP TABLE a", "CREATE VIEW a AS SELECT id FROM b"},
		down: []string{"DROP VIEW a", "UNDROP TABLE e", "CREATE TABLE a (id INT NOT NULL, name STRING)", "CREATE VIEW w AS SELECT id, name FROM a"},
	},
	{
		name: "swap",
		up:   []string{"ALTER TABLE a SWAP WITH b", "TRUNCATE TABLE a", "DROP TABLE b", "ALTER TABLE a DROP COLUMN v"},
		down: []string{"ALTER TABLE a ADD COLUMN v STRING", "UNDROP TABLE b", "ALTER TABLE b SWAP WITH a"},
	},
	{
		name: "empty",
		up:   []string{"ALTER TABLE e ADD COLUMN k INT", "INSERT INTO e VALUES (1, 'x', 2)", "ALTER TABLE e DROP COLUMN v", "ALTER TABLE e COMMENT = 'no longer'"},
		down: []string{"DELETE FROM e", "ALTER TABLE e COMMENT = ''", "ALTER TABLE e ADD COLUMN v STRING NOT NULL DEFAULT ''", "ALTER TABLE e DROP COLUMN k"},
	},
	{
		name: "transaction",
		up: []string{
			"BEGIN", "INSERT INTO a VALUES (4, 'four', 40)", "UPDATE b SET v = 'u' WHERE id = 1", "DELETE FROM a WHERE id = 1", "COMMIT",
			"INSERT INTO a VALUES (5, 'five', 50)",
		},
		down: []string{"BEGIN", "DELETE FROM a WHERE id > 3", "INSERT INTO a VALUES (1, 'one', 10)", "COMMIT"},
	},
	{
		name: "account",
		up: []string{
			"CREATE STAGE s1_{db}", "CREATE FILE FORMAT ff_{db} TYPE = CSV FIELD_DELIMITER = '|'", "CREATE FUNCTION f_{db} AS (x) -> x + 1",
			"CREATE TABLE c (x INT)",
		},
		down:  []string{"DROP TABLE c", "DROP FUNCTION f_{db}", "DROP FILE FORMAT ff_{db}", "DROP STAGE s1_{db}"},
		clean: []string{"DROP FUNCTION IF EXISTS f_{db}", "DROP FILE FORMAT IF EXISTS ff_{db}", "DROP STAGE IF EXISTS s1_{db}"},
	},
	{
		name: "indexes",
		up: []string{
			"CREATE INVERTED INDEX ix ON a (name)", "ALTER TABLE a ADD COLUMN extra STRING", "CREATE NGRAM INDEX ng ON a (extra)", "ALTER TABLE b ADD CONSTRAINT ck CHECK (id > 0)",
			"ALTER TABLE b SET OPTIONS (row_per_block = 5000)",
		},
		down: []string{
			"ALTER TABLE b UNSET OPTIONS (row_per_block)", "ALTER TABLE b DROP CONSTRAINT ck", "DROP NGRAM INDEX ng ON a", "ALTER TABLE a DROP COLUMN extra",
			"DROP INVERTED INDEX ix ON a",
		},
	},
	// Migrations of one statement share marks, and need no savepoint.
	{name: "one-column", single: true, up: []string{"ALTER TABLE a DROP COLUMN n"}, down: []string{"ALTER TABLE a ADD COLUMN n INT"}},
	{name: "one-replace", single: true, up: []string{"CREATE OR REPLACE TABLE b AS SELECT id FROM a"}, down: []string{"CREATE OR REPLACE TABLE b (id INT, v STRING)"}},
	{name: "one-rename", single: true, up: []string{"ALTER TABLE e RENAME TO r"}, down: []string{"ALTER TABLE r RENAME TO e"}},
	{name: "one-drop", single: true, up: []string{"DROP TABLE a"}, down: []string{"UNDROP TABLE a"}},
	{name: "one-view", single: true, up: []string{"CREATE OR REPLACE VIEW w AS SELECT n FROM a"}, down: []string{"CREATE OR REPLACE VIEW w AS SELECT id, name FROM a"}},
}
