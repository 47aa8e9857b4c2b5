package lint

import (
	"slices"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
)

// table is what the cases below begin with, as exampleFiles reads it: a table, a stage, and the second migration.
const table = `-- migrations/00001_orders.sql
CREATE TABLE orders (id BIGINT NOT NULL, placed TIMESTAMP, state STRING DEFAULT 'new', amount DECIMAL(10, 2), note STRING);
CREATE STAGE lake URL = 's3://bucket/' CONNECTION = (CONNECTION_NAME = 'c');
-- +goose Down
DROP STAGE lake;
DROP TABLE orders;
-- migrations/00002_change.sql
`

// aLoad ends a case's migrations and begins the load orders.
const aLoad = "\n-- loads/orders.sql\n"

const parquet = " FILE_FORMAT = (TYPE = PARQUET);"

// cases are, of each rule, what it finds and what looks like it and is not found. They stand behind table.
var cases = map[string]struct{ bad, good []string }{
	"drop-table": {
		[]string{"DROP TABLE orders;", "DROP SCHEMA IF EXISTS shop;", "ALTER TABLE orders RENAME TO o;\nDROP TABLE o ALL;"},
		[]string{"CREATE TABLE t (a INT);\nDROP TABLE t;", "DROP VIEW v;", "SELECT 1;\n-- +goose Down\nDROP TABLE IF EXISTS orders;"},
	},
	"drop-column": {
		[]string{"ALTER TABLE orders DROP COLUMN note;", "ALTER TABLE default.orders DROP `note`;", "ALTER TABLE orders DROP COLUMN IF EXISTS note;"},
		[]string{
			"ALTER TABLE orders ADD COLUMN x INT;\nALTER TABLE orders DROP COLUMN x;", "ALTER TABLE orders DROP COLUMN nota;",
			"ALTER TABLE orders DROP CLUSTER KEY;",
		},
	},
	"empty-table": {
		[]string{
			"TRUNCATE orders;", "DELETE FROM orders WHERE 1=1;", "DELETE FROM orders AS o WHERE o.id = o.id OR o.id > 3;",
			"INSERT OVERWRITE TABLE orders SELECT * FROM orders WHERE id > 1;", "BEGIN;\nDELETE FROM orders WHERE (true);\nCOMMIT;",
		},
		[]string{
			"DELETE FROM orders WHERE placed < '2020-01-01';", "DELETE FROM orders WHERE 1 = 0;",
			"CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\nTRUNCATE TABLE t;", "DELETE FROM orders WHERE id IN (SELECT 1) AND true;",
		},
	},
	"narrow-column": {
		[]string{
			"ALTER TABLE orders MODIFY COLUMN note STRING, COLUMN id INT;", "ALTER TABLE orders MODIFY note STRING NOT NULL;",
			"ALTER TABLE orders MODIFY COLUMN amount DECIMAL(10, 1);", "ALTER TABLE orders MODIFY COLUMN placed DATE;",
		},
		[]string{
			"ALTER TABLE orders MODIFY COLUMN amount DECIMAL(12, 2);", "ALTER TABLE orders MODIFY COLUMN note STIRNG;",
			"ALTER TABLE orders MODIFY COLUMN note COMMENT 'x';",
		},
	},
	"vacuum": {
		[]string{"VACUUM DROP TABLE FROM default;", "OPTIMIZE TABLE orders ALL;", "CREATE TABLE t (a INT) DATA_RETENTION_PERIOD_IN_HOURS = 1;"},
		[]string{"VACUUM TEMPORARY FILES;", "VACUUM TABLE orders DRY RUN;", "SET data_retention_time_in_days = 7;", "OPTIMIZE TABLE orders COMPACT;"},
	},
	"replace-table": {
		[]string{
			"CREATE OR REPLACE TABLE orders (id INT);", "CREATE OR REPLACE TABLE orders LIKE orders;", "CREATE OR REPLACE DATABASE default;",
			"CREATE OR REPLACE TABLE orders (id BIGINT);" + aLoad + "COPY INTO orders (id) FROM (SELECT id::BIGINT FROM @lake/o/)" + parquet,
		},
		[]string{
			"CREATE OR REPLACE TABLE orders AS SELECT * FROM orders WHERE id > 0;", "CREATE OR REPLACE TABLE items (id INT);",
			"CREATE OR REPLACE VIEW v AS SELECT * FROM orders;", "CREATE OR REPLACE DATABASE shop;",
		},
	},
	"replace-dependency": {
		[]string{
			"CREATE STREAM s ON TABLE orders;\nCREATE OR REPLACE TABLE orders (id INT);",
			"CREATE OR REPLACE TABLE orders (id BIGINT);" + aLoad + "COPY INTO orders (id) FROM (SELECT id::BIGINT FROM @lake/o/)" + parquet,
			"CREATE STREAM s ON TABLE orders;\nCREATE OR REPLACE TABLE orders AS SELECT * FROM orders;",
		},
		[]string{
			"CREATE OR REPLACE TABLE orders AS SELECT * FROM orders;" + aLoad + "COPY INTO orders (id) FROM (SELECT id::BIGINT FROM @lake/o/)" + parquet,
			"CREATE STREAM s ON TABLE orders;\nCREATE OR REPLACE VIEW v AS SELECT * FROM orders;", "CREATE OR REPLACE TABLE orders (id INT);",
		},
	},
	"internal-stage": {
		[]string{
			"CREATE OR REPLACE STAGE s FILE_FORMAT = (TYPE = CSV);", "CREATE STAGE s;\n-- migrations/00003_drop.sql\nDROP STAGE IF EXISTS s;",
			"CREATE STAGE s;\n-- migrations/00003_moved.sql\nCREATE OR REPLACE STAGE s URL = 's3://b/' CONNECTION = (CONNECTION_NAME = 'c');",
		},
		[]string{
			"CREATE OR REPLACE STAGE lake URL = 's3://other/' CONNECTION = (CONNECTION_NAME = 'c');",
			"CREATE STAGE s;\n-- +goose Down\nDROP STAGE s;", "DROP STAGE lake;",
		},
	},
	"irreversible": {
		[]string{
			"REMOVE @lake/2020/;", "CRAETE TABLE t (a INT);", "COPY INTO orders FROM @lake/o/ PURGE = TRUE" + parquet, "DROP USER u;",
			"-- dbctl: allow=irreversible \"no consent helps\"\nBEGIN\nDELETE FROM orders WHERE false;\nEND;",
		},
		[]string{
			"-- dbctl: allow=irreversible \"old files\"\nREMOVE @lake/2020/;", "DROP TABLE orders;",
			"COPY INTO orders FROM @lake/o/ PURGE = FALSE" + parquet,
		},
	},
	"no-down": {
		[]string{
			"-- +goose Up\nSELECT 1;", "-- +goose Up\nCREATE TABLE t (a INT);\n-- a comment\n",
			"-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n",
		},
		[]string{"-- +goose Up\nSELECT 1;\n-- +goose Down\n", "-- +goose Up\nCREATE TABLE t (a INT);\n-- +goose Down\nDROP TABLE t;", "-- +goose Up\n"},
	},
	"down-incomplete": {
		[]string{
			"CREATE VIEW v AS SELECT 1;", "ALTER TABLE orders RENAME COLUMN note TO remark;", "CREATE INVERTED INDEX i ON orders (note);",
			"COMMENT ON TABLE orders IS 'x';", "CREATE TABLE a (b INT);\nCREATE TABLE c (d INT);\n-- +goose Down\nDROP TABLE c;",
			"CREATE AGGREGATING INDEX i AS SELECT sum(amount) FROM orders;", "ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0);",
		},
		[]string{
			"CREATE VIEW v AS SELECT 1;\n-- +goose Down\nDROP VIEW v;", "ANALYZE TABLE orders;\nOPTIMIZE TABLE orders COMPACT;",
			"CREATE INVERTED INDEX i ON orders (note);\n-- +goose Down\nDROP INVERTED INDEX i ON orders;",
			"CREATE STREAM s ON TABLE orders;\n-- +goose Down\nDROP STREAM s;", "CREATE ROLE IF NOT EXISTS r;",
			"CREATE AGGREGATING INDEX i AS SELECT sum(amount) FROM orders;\n-- +goose Down\nDROP AGGREGATING INDEX i;",
		},
	},
	"drops-default": {
		[]string{
			"ALTER TABLE orders MODIFY COLUMN state STRING;", "ALTER TABLE orders MODIFY state STRING COMMENT 'x';",
			"ALTER TABLE orders ADD COLUMN n INT DEFAULT 3;\n-- migrations/00003_wide.sql\nALTER TABLE orders MODIFY COLUMN n BIGINT;",
		},
		[]string{
			"ALTER TABLE orders MODIFY COLUMN state STRING DEFAULT 'open';", "ALTER TABLE orders MODIFY COLUMN note STRING;",
			"ALTER TABLE orders MODIFY COLUMN state COMMENT 'x';",
		},
	},
	"unfilled-placeholder": {
		[]string{
			"CREATE STAGE s URL = 's3://${BUCKET}/';", "INSERT INTO orders (note) VALUES ('a ${X_1} b');",
			aLoad + "COPY INTO orders FROM 's3://b/p/' CONNECTION = (ACCESS_KEY_ID = '${KEY}' SECRET_ACCESS_KEY = {{ secret \"S\" }})" + parquet,
		},
		[]string{
			"INSERT INTO orders (note) VALUES ('$X', '${x}', '$ {X}', '${}');", "SELECT 1; -- '${X}'", "SELECT $$ ${X} $$;",
		},
	},
	"secret-literal": {
		[]string{
			"CREATE USER u IDENTIFIED BY 'abc123';", "SELECT 'mysql://root:hunter2@host/db';", "-- -----BEGIN RSA PRIVATE KEY-----\nSELECT 1;",
			"SELECT 'q8Zr1LmX0vBn7KtY3wPd5HsJ9cFg2RaT';",
			"CREATE STAGE s URL = 'azblob://c/' CONNECTION = (ACCOUNT_NAME = 'me' ACCOUNT_KEY = 'bXkga2V5IGlzIGEga2V5IGlzIGEga2V5');",
			aLoad + "COPY INTO orders FROM 's3://b/p/' CONNECTION = (ACCESS_KEY_ID = 'AKIAQWERTY2PLMOKNIJB' SECRET_ACCESS_KEY = 'x1')" + parquet,
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\nINSERT INTO orders (note) VALUES ('AKIAQWERTY2PLMOKNIJB');",
			"SELECT 1;\n-- dbctl.yaml\nproject: p\nvars: { db_password: hunter2 }\nenvironments: { l: { engine: embedded } }\n",
			"SELECT 1;\n-- dbctl.yaml\nproject: p\nvars:\n  x: \"q8Zr1LmX0vBn7KtY3wPd5HsJ9cFg2RaT\"\nenvironments: { l: { engine: embedded } }\n",
		},
		[]string{
			"SELECT '550e8400-e29b-41d4-a716-446655440000', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';",
			"CREATE USER u IDENTIFIED BY {{ secret \"PASSWORD\" }};", "SELECT 'databend://app:{password}@{host}:443/{database}';",
			"CREATE CONNECTION c STORAGE_TYPE = 's3' ROLE_ARN = 'arn:aws:iam::1:role/x' EXTERNAL_ID = 'my-external-id';",
			"CREATE CONNECTION c STORAGE_TYPE = 's3' ACCESS_KEY_ID = '<key>' SECRET_ACCESS_KEY = '${SECRET}';",
			"SELECT 1;\n-- dbctl.yaml\nproject: p\nvars: { token: { env: TOKEN }, dim: 768 }\nsecrets: { API_KEY: { file: /run/secrets/key } }\n" +
				"environments: { l: { engine: embedded }, p: { host: h, password: db_password }, q: { dsn: \"databend://u@h:443/d\" } }\n",
		},
	},
	"unknown-type": {
		[]string{
			"CREATE TABLE t (a INT, b VARCHR(10));", "ALTER TABLE orders ADD COLUMN a TUPLE(x INTT, y STRING);",
			"ALTER TABLE orders MODIFY COLUMN note MEDIUMTXT;", "CREATE TABLE t (a MAP(STRING, NUMBER));",
		},
		[]string{
			"CREATE TABLE t (a DOUBLE PRECISION, b CHARACTER(3), c TIMESTAMP WITH TIME ZONE, d NULLABLE(INT), e BIGINT UNSIGNED);",
			"CREATE TABLE t (a VECTOR(3), b GEOMETRY, c VARIANT NULL, d BITMAP, e INTERVAL, f LONGBLOB);",
			"CREATE TABLE t AS SELECT 1 AS a;",
		},
	},
	"unknown-column": {
		[]string{
			"INSERT INTO orders (id, ammount) VALUES (1, 2);", "UPDATE orders SET ammount = 1;", "ALTER TABLE orders RENAME COLUMN nota TO n;",
			"ALTER TABLE orders ADD COLUMN note INT;", "REPLACE INTO orders (id, ammount) ON (id) VALUES (1, 2);",
			"CREATE TABLE values (a INT);\nINSERT INTO values VALUES (1, 2);", "ALTER TABLE orders MODIFY COLUMN nota COMMENT 'x';",
			"INSERT OVERWRITE INTO orders (id, nota) VALUES (1, 2);",
			"INSERT INTO orders (id, note) VALUES (1), (2, 'b');", "INSERT INTO orders VALUES (1, now(), 'a');",
			"MERGE INTO orders AS o USING s ON o.id = s.id WHEN MATCHED AND s.x = 1 THEN UPDATE SET o.note = s.note, o.ammount = f(1, 2);",
			"MERGE INTO orders USING s ON orders.id = s.id WHEN MATCHED THEN UPDATE * WHEN NOT MATCHED THEN INSERT (id, nota) VALUES (1, 2);",
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\nINSERT INTO orders (id, nota) VALUES (1, 2);",
		},
		[]string{
			"INSERT INTO orders (id, note) VALUES (1, concat('a', 'b')), (2, '(');", "INSERT INTO orders VALUES (1, now(), 'a', 2.5, NULL);",
			"CREATE TABLE t (a INT, b INT AS (a + 1) VIRTUAL);\nINSERT INTO t VALUES (1);", "INSERT INTO orders (id) SELECT 1;",
			"MERGE INTO orders AS o USING s ON o.id = s.id WHEN MATCHED THEN UPDATE SET note = (SELECT nota FROM s), o.amount = 1 " +
				"WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT *;",
			"INSERT INTO orders (ID, `amount`) VALUES (1, 2);", "CREATE TABLE t AS SELECT 1 AS a;\nINSERT INTO t (b) VALUES (1);",
			"UPDATE other SET ammount = 1;", "CREATE TEMP TABLE orders (b INT);\nUPDATE orders SET b = 1;", "ALTER TABLE orders ADD COLUMN IF NOT EXISTS note INT;",
			"INSERT ALL INTO orders (id, note) VALUES (id, note) INTO other VALUES (id) SELECT id, note FROM s;",
			"INSERT OVERWRITE FIRST WHEN id > 5 THEN INTO orders (id, note) VALUES (id, note) ELSE INTO other SELECT id, note FROM s;",
		},
	},
	"ignored-check": {
		[]string{
			"ALTER TABLE orders ADD COLUMN n INT CHECK (n > 0);", "ALTER TABLE orders ADD n INT NOT NULL DEFAULT 1 CHECK (n > 0) COMMENT 'x' FIRST;",
			"ALTER TABLE other ADD COLUMN IF NOT EXISTS check INT check(check > 0);",
		},
		[]string{
			"CREATE TABLE t (n INT CHECK (n > 0));", "ALTER TABLE orders ADD CHECK (id > 0);", "ALTER TABLE orders ADD COLUMN check INT COMMENT 'CHECK (1)';",
		},
	},
	"taken-name": {
		[]string{
			"CREATE TABLE orders (id INT);", "CREATE VIEW default.orders AS SELECT 1;", "CREATE STAGE lake;",
			"CREATE ROLE r;\n-- migrations/00003_again.sql\nCREATE ROLE r;",
		},
		[]string{
			"CREATE TABLE IF NOT EXISTS orders (id INT);", "DROP TABLE orders;\nCREATE TABLE orders (id INT);", "CREATE TEMP TABLE orders (id INT);",
			"ALTER TABLE orders RENAME TO o;\nCREATE TABLE orders (id INT);", "CREATE TABLE shop.orders (id INT);",
			"SELECT 1;\n-- +goose Down\nDROP TABLE orders;\nCREATE TABLE orders (id INT);",
		},
	},
	"gone-name": {
		[]string{
			"DROP TABLE orders;\nCREATE VIEW v AS SELECT * FROM orders;", "ALTER TABLE orders RENAME TO o;\nINSERT INTO orders (id) VALUES (1);",
			"DROP STAGE lake;\nCOPY INTO orders FROM @lake/o/" + parquet, "DROP DATABASE default;\nUPDATE orders SET id = 1;",
		},
		[]string{
			"DROP TABLE orders;\nDROP TABLE IF EXISTS orders;", "DROP TABLE orders;\nUNDROP TABLE orders;\nUPDATE orders SET id = 1;",
			"ALTER TABLE orders RENAME TO o;\n-- +goose Down\nALTER TABLE o RENAME TO orders;",
			"DROP TABLE orders;\nCREATE TEMP TABLE t (a INT);\nRENAME TABLE t TO orders;\nSELECT * FROM orders;",
			"DROP TABLE orders;\nEXPLAIN CREATE TABLE orders (a INT);", "DROP ROLE r;\nREVOKE ROLE r FROM USER u;",
		},
	},
	"unqualified-after-use": {
		[]string{"USE shop;\nINSERT INTO t VALUES (1);", "USE shop;\nCREATE VIEW v AS SELECT 1;", "SELECT 1;\n-- +goose Down\nUSE shop;\nDROP TABLE t;"},
		[]string{"USE shop;\nINSERT INTO shop.t VALUES (1);", "USE shop;\nSELECT * FROM t;", "INSERT INTO orders (id) VALUES (1);\nUSE shop;"},
	},
	"schedule-and-after": {
		[]string{
			"CREATE TASK t WAREHOUSE = 'w' AFTER 'a' SCHEDULE = USING CRON '0 0 1 * * *' 'UTC' AS SELECT 1;",
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1;\nALTER TASK t ADD AFTER 'a';",
			"CREATE TASK t WAREHOUSE = 'w' AFTER 'a' AS SELECT 1;\nALTER TASK t SET SCHEDULE = 5 MINUTE;",
		},
		[]string{
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 'after', after FROM t;",
			"CREATE TASK t WAREHOUSE = 'w' AFTER 'a' AS SELECT 1;\nALTER TASK t REMOVE AFTER 'a';\nALTER TASK t SET SCHEDULE = 5 MINUTE;",
			"CREATE TASK t WAREHOUSE = 'w' AFTER 'a', 'b' AS SELECT 1;\nALTER TASK t ADD AFTER 'c';",
		},
	},
	"task-not-resumed": {
		[]string{
			"CREATE TASK IF NOT EXISTS t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1;",
			"CREATE TASK a WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1;\nCREATE TASK b WAREHOUSE = 'w' AFTER 'a' AS SELECT 1;\nALTER TASK a RESUME;",
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1;\nALTER TASK t RESUME;\nCREATE OR REPLACE TASK t WAREHOUSE = 'w' SCHEDULE = 2 MINUTE AS SELECT 1;",
		},
		[]string{
			"CREATE TASK \"My Task\" WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1;\nALTER TASK \"My Task\" RESUME;",
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1;\n-- migrations/00003_go.sql\nALTER TASK IF EXISTS t RESUME;",
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1;\nALTER TASK t SUSPEND;",
		},
	},
	"stream-consumed": {
		[]string{
			"CREATE STREAM s ON TABLE orders;\nCREATE TABLE t AS SELECT * FROM s;",
			"CREATE STREAM s ON TABLE orders;\nMERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *;",
			"CREATE STREAM s ON TABLE orders;\nINSERT INTO t WITH c AS (SELECT id FROM s) SELECT * FROM c;",
		},
		[]string{
			"CREATE STREAM s ON TABLE orders;\nSELECT count(*) FROM s;", "CREATE STREAM s ON TABLE orders;\nCREATE VIEW v AS SELECT * FROM s;",
			"CREATE STREAM s ON TABLE orders;\nCREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS INSERT INTO t SELECT * FROM s;",
		},
	},
	"consume-outside-dml": {
		[]string{
			"SELECT * FROM s WITH (CONSUME = TRUE);", "CREATE VIEW v AS SELECT * FROM s WITH CONSUME;",
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE WHEN (SELECT count(*) FROM s WITH CONSUME) > 0 AS SELECT 1;",
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS BEGIN SELECT * FROM s WITH CONSUME; END;",
		},
		[]string{
			"INSERT INTO t SELECT * FROM s WITH CONSUME;", "SELECT consume.id FROM orders AS consume;",
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE WHEN STREAM_STATUS('s') AS INSERT INTO t SELECT * FROM s WITH CONSUME;",
		},
	},
	"load-column": {
		[]string{
			aLoad + "COPY INTO orders (id, ammount) FROM (SELECT id::BIGINT, amount FROM @lake/o/)" + parquet,
			aLoad + "COPY INTO orders (placed) FROM (SELECT placed::TIMESTAMP FROM @lake/o/)" + parquet,
			aLoad + "COPY INTO orders (id, placed) FROM (SELECT id::BIGINT FROM @lake/o/)" + parquet,
			aLoad + "COPY INTO orders FROM (SELECT $1, $2 FROM @lake/o/) FILE_FORMAT = (TYPE = CSV);",
		},
		[]string{
			aLoad + "COPY INTO orders (ID, amount) FROM (SELECT id::BIGINT, amount FROM @lake/o/)" + parquet,
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet, aLoad + "COPY INTO orders FROM (SELECT * FROM @lake/o/)" + parquet,
		},
	},
	"load-cast": {
		[]string{
			aLoad + "COPY INTO orders (id, amount) FROM (SELECT id::BIGINT, amount::DOUBLE FROM @lake/o/)" + parquet,
			aLoad + "COPY INTO orders (id) FROM (SELECT CAST(id AS DATE) FROM @lake/o/)" + parquet,
			aLoad + "COPY INTO orders (id) FROM (SELECT TRY_CAST($1 AS DECIMAL(20, 4)) FROM @lake/o/) FILE_FORMAT = (TYPE = CSV);",
		},
		[]string{
			aLoad + "COPY INTO orders (id, placed) FROM (SELECT id::INT, placed::DATE FROM @lake/o/)" + parquet,
			aLoad + "COPY INTO orders (id, amount) FROM (SELECT id::STRING, amount::VARIANT FROM @lake/o/)" + parquet,
			aLoad + "COPY INTO orders (id, note) FROM (SELECT coalesce(id, 0), upper(note) FROM @lake/o/)" + parquet,
		},
	},
	"vector-width": {
		[]string{
			"CREATE TABLE d (v VECTOR(768));" + aLoad + "COPY INTO d (v) FROM (SELECT v::VECTOR(512) FROM @lake/d/)" + parquet,
			"CREATE TABLE d (v VECTOR(768));\n-- dbctl.yaml\nproject: p\nvars: { embedding_size: 512 }\nenvironments: { l: { engine: embedded } }\n",
			"CREATE TABLE d (v VECTOR(768));" + aLoad + "COPY INTO d (v) FROM (SELECT CAST($1:v AS VECTOR(3)) FROM @lake/d/) FILE_FORMAT = (TYPE = NDJSON);",
		},
		[]string{
			"CREATE TABLE d (v VECTOR(768));\nCREATE TABLE e (v VECTOR(3));" + aLoad + "COPY INTO d (v) FROM (SELECT v::VECTOR(768) FROM @lake/d/)" + parquet,
			"CREATE TABLE d (v VECTOR(768));\n-- dbctl.yaml\nproject: p\nvars: { batch_size: 512, dim: 768 }\nenvironments: { l: { engine: embedded } }\n",
			"CREATE TABLE d (v VECTOR(768));" + aLoad + "COPY INTO d (v) FROM (SELECT v::ARRAY(FLOAT) FROM @lake/d/)" + parquet,
		},
	},
	"load-target": {
		[]string{
			aLoad + "COPY INTO order FROM @lake/o/" + parquet, aLoad + "COPY INTO orders FROM @lakes/o/" + parquet,
			"ALTER TABLE orders RENAME TO sales;" + aLoad + "COPY INTO orders FROM @lake/o/" + parquet,
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\nINSERT INTO day SELECT id FROM orders;",
		},
		[]string{
			aLoad + "COPY INTO default.orders FROM @lake/o/" + parquet, aLoad + "COPY INTO orders FROM @~/o/" + parquet,
			aLoad + "COPY INTO orders FROM 's3://b/p/' CONNECTION = (CONNECTION_NAME = 'c')" + parquet,
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\nINSERT INTO orders (id) SELECT o.id FROM orders AS o, system.one;",
		},
	},
	"positional-copy": {
		[]string{
			"ALTER TABLE orders ADD COLUMN x INT;" + aLoad + "COPY INTO orders FROM @lake/o/ FILE_FORMAT = (TYPE = CSV);",
			"ALTER TABLE orders ADD COLUMN x INT FIRST;" + aLoad + "COPY INTO orders FROM (SELECT $1, $2, $3, $4, $5, $6 FROM @lake/o/) FILE_FORMAT = (TYPE = TSV);",
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS COPY INTO orders FROM @lake/o/ FILE_FORMAT = (TYPE = CSV);\n" +
				"-- migrations/00003_wide.sql\nALTER TABLE orders ADD COLUMN x INT;",
		},
		[]string{
			"ALTER TABLE orders ADD COLUMN x INT;" + aLoad + "COPY INTO orders (id, note) FROM @lake/o/ FILE_FORMAT = (TYPE = CSV);",
			"ALTER TABLE orders ADD COLUMN x INT;" + aLoad + "COPY INTO orders FROM @lake/o/ FILE_FORMAT = (TYPE = NDJSON);",
			"COPY INTO orders FROM @lake/o/ FILE_FORMAT = (TYPE = CSV);\n-- migrations/00003_wide.sql\nALTER TABLE orders ADD COLUMN x INT;",
			"CREATE TEMP TABLE t (a INT);\nCOPY INTO t FROM @lake/o/ FILE_FORMAT = (TYPE = CSV);\nALTER TABLE orders ADD COLUMN x INT;",
			"ALTER TABLE orders ADD COLUMN x INT;\nCREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS COPY INTO orders FROM @lake/o/ FILE_FORMAT = (TYPE = CSV);",
		},
	},
	"unfilled-table": {
		[]string{
			"CREATE TABLE t (a INT);", "CREATE TABLE t (a INT);\nCREATE VIEW v AS SELECT * FROM t;", "CREATE TABLE t LIKE orders;\nDELETE FROM u;",
		},
		[]string{
			"CREATE TABLE orders2 AS SELECT * FROM orders;\nINSERT INTO orders (id) VALUES (1);",
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS INSERT INTO orders (id) VALUES (1);",
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet,
			"INSERT INTO orders (id) VALUES (1);\nRENAME TABLE theirs TO ours;\nUNDROP TABLE other;",
			"INSERT INTO orders (id) VALUES (1);\nALTER TABLE theirs SWAP WITH others;",
		},
	},
	"two-loads": {
		[]string{
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\n-- loads/b.sql\nCOPY INTO default.orders FROM @lake/b/" + parquet,
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\n-- loads/daily/b.sql\nCOPY INTO ORDERS FROM @lake/o/b/" + parquet,
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\n-- loads/b.sql\nCOPY INTO orders FROM 's3://b/p/' CONNECTION = (CONNECTION_NAME = 'c')" + parquet,
		},
		[]string{
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\n-- loads/b.sql\nCOPY INTO shop.orders FROM @lake/o/" + parquet,
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\n-- loads/b.sql\nCOPY INTO orders2 FROM @lake/o/" + parquet,
			aLoad + "COPY INTO orders FROM @lake/o/" + parquet + "\nINSERT INTO orders (id) VALUES (1);",
		},
	},
	"stage-slash": {
		[]string{
			aLoad + "COPY INTO orders FROM @lake/o" + parquet, "CREATE STAGE s URL = 's3://b/raw' CONNECTION = (CONNECTION_NAME = 'c');",
			aLoad + "COPY INTO orders FROM 's3://b/raw' CONNECTION = (CONNECTION_NAME = 'c')" + parquet,
			aLoad + "COPY INTO orders FROM @lake/v1.2" + parquet,
			"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS COPY INTO orders FROM @lake/o" + parquet,
		},
		[]string{
			aLoad + "COPY INTO orders FROM @lake" + parquet, aLoad + "COPY INTO orders FROM @lake/o/x.parquet" + parquet,
			aLoad + "COPY INTO orders FROM @lake/o FILES = ('/a.parquet')" + parquet, "CREATE STAGE s URL = 's3://b' CONNECTION = (CONNECTION_NAME = 'c');",
		},
	},
	"stray-file": {
		[]string{
			"SELECT 1;\n-- migrations/2026/00003_a.sql\nSELECT 1;", "SELECT 1;\n-- migrations/old/a.sql\nSELECT 1;",
			"SELECT 1;\n-- migrations/a/b/00003_c.sql\nSELECT 1;",
		},
		[]string{"SELECT 1;", aLoad + "COPY INTO orders FROM @lake/o/" + parquet, "\n-- loads/daily/orders.sql\nCOPY INTO orders FROM @lake/o/" + parquet},
	},
	"unused-ignore": {
		[]string{
			"CREATE TABLE t (a INT); -- dbctl: lint-ignore=drop-table \"x\"", "DROP TABLE orders; -- dbctl: lint-ignore=drop-tabel \"x\"",
			"-- dbctl: lint-ignore=project \"x\"\nSELECT 1;", "DROP TABLE orders;\n-- dbctl: lint-ignore=drop-table \"x\"",
		},
		[]string{
			"DROP TABLE orders; -- dbctl: lint-ignore=drop-table \"x\"", "-- dbctl: lint-ignore=drop-table \"x\"\nDROP TABLE\n  orders;",
			"SELECT '-- dbctl: lint-ignore=drop-table';",
		},
	},
}

// TestMistakes: what cannot be read as it is is a mistake of its file, and what looks like one is none.
func TestMistakes(t *testing.T) {
	t.Parallel()
	const config = "project: p\nvars: { bucket: b }\nenvironments: { l: { engine: embedded } }\n"
	for text, bad := range map[string]bool{
		"-- +goose Up\nSELECT '{{ var \"bukcet\" }}';\n":               true,
		"-- +goose Up\n-- +goose StatmentBegin\nSELECT 1;\n":           true,
		"-- dbctl: alow=irreversible \"x\"\n-- +goose Up\nSELECT 1;\n": true,
		"CREATE TABLE t (a INT);\n":                                    true,
		"-- +goose Up\nSELECT '{{ var \"bucket\" }}';\n":               false,
		"\ufeff-- +goose Up\r\nSELECT 1;\r\n":                          false,
		"-- +goose Up\nSELECT '-- +goose Nothing';\n":                  false,
	} {
		files := map[string]string{project.ConfigFile: config, "migrations/00001_a.sql": text}
		if _, err := project.Open(project.Options{Dir: write(t, files), NoEnv: true}); (err != nil) != bad {
			t.Errorf("%q: got %v, want a mistake: %v", text, err, bad)
		}
	}
}

// TestCases holds each rule to what it finds and does not find. The rules of --base are held by TestBase, that of mistakes by TestMistakes.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		of := cases[r.Name]
		if len(of.bad) < 3 || len(of.good) < 3 {
			if !slices.Contains([]string{versionOrder.Name, editedMigration.Name, Mistake}, r.Name) {
				t.Errorf("%s has %d cases that it finds and %d that it does not, want three of each", r.Name, len(of.bad), len(of.good))
			}
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			for _, text := range of.bad {
				found := within(t, r.Name, text)
				if len(found) == 0 {
					t.Errorf("nothing is found in\n%s", text)
				}
				for _, f := range found {
					if f.Line < 1 || f.Column < 1 || f.Message == "" || f.Hint == "" {
						t.Errorf("%+v", f)
					}
				}
			}
			for _, text := range of.good {
				if found := within(t, r.Name, text); len(found) > 0 {
					t.Errorf("found in\n%s\n%+v", text, found)
				}
			}
		})
	}
}

// within is what a rule finds in a case, of what is not in table already.
func within(t *testing.T, rule, text string) []event.Finding {
	t.Helper()
	text, config, _ := strings.Cut(text, "-- dbctl.yaml\n")
	files := exampleFiles(table + text)
	files[project.ConfigFile] = config
	found := of(rule, lint(t, files))
	if rule == unfilledTable.Name && strings.Contains(text, " t ") {
		return slices.DeleteFunc(found, func(f event.Finding) bool { return f.File == "migrations/00001_orders.sql" })
	}
	return found
}
