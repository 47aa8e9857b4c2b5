package migrate

import (
	"fmt"
	"strings"
)

// What the proofs draw: a catalogue, statements of a migration, and what another session does meanwhile.

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
		"ARRAY(INT)", "DATE", "VARIANT", "VECTOR(2)", "GEOMETRY", "BITMAP", "INTERVAL", "BINARY", "UINT8 NOT NULL",
		"TIMESTAMP NULL DEFAULT now()", "BOOLEAN DEFAULT true", "TUPLE(a INT, b STRING)", "MAP(STRING, INT)", "DOUBLE COMMENT 'of \"it''s\"'",
		"INT AUTOINCREMENT", "INT DEFAULT nextval({x}q)", "STRING AS (s || 'x') STORED", "INT AS (a + 1) VIRTUAL")
}

func (p *proofWorld) tableEnd() string {
	return p.some("CLUSTER BY (a)", "COMMENT = 'it''s; \\\\ a table'", "ROW_PER_BLOCK = 5000", "BLOCK_PER_SEGMENT = 77",
		"BLOOM_INDEX_COLUMNS = 'a'", "COMPRESSION = 'zstd'",
		"STORAGE_FORMAT = 'parquet'", "DATA_RETENTION_PERIOD_IN_HOURS = 30", "CHANGE_TRACKING = true")
}

// An option that a kind's CREATE takes, by random.
func (p *proofWorld) fileFormat() string {
	return p.one("TYPE = CSV "+p.some("FIELD_DELIMITER = '|'", "SKIP_HEADER = 1", "RECORD_DELIMITER = '\\n'", "NULL_DISPLAY = 'it''s'",
		"ESCAPE = '\\\\'", "QUOTE = '\\''", "NAN_DISPLAY = 'nil'", "COMPRESSION = ZSTD", "EMPTY_FIELD_AS = NULL", "BINARY_FORMAT = 'base64'",
		"OUTPUT_HEADER = true", "ERROR_ON_COLUMN_COUNT_MISMATCH = false", "COMMENT = 'it''s'"),
		"TYPE = TSV "+p.some("FIELD_DELIMITER = ','", "NULL_DISPLAY = '-'", "SKIP_HEADER = 2"),
		"TYPE = TEXT "+p.some("FIELD_DELIMITER = ';'", "COMPRESSION = gzip"),
		"TYPE = NDJSON "+p.some("MISSING_FIELD_AS = FIELD_DEFAULT", "COMPRESSION = gzip", "NULL_FIELD_AS = FIELD_DEFAULT",
			"NULL_IF = ('x', 'it''s')"),
		"TYPE = PARQUET "+p.some("MISSING_FIELD_AS = FIELD_DEFAULT", "NULL_IF = ('x')", "COMPRESSION = SNAPPY"),
		"TYPE = ORC "+p.some("MISSING_FIELD_AS = FIELD_DEFAULT"), "TYPE = AVRO "+p.some("MISSING_FIELD_AS = FIELD_DEFAULT"),
		"TYPE = JSON", "TYPE = XML", "TYPE = LANCE")
}

// A function of each kind: lambda, SQL, of a table, script, server, aggregate.
func (p *proofWorld) function() string {
	return p.one("AS (a) -> a + 1", "AS (a, b) -> concat(a, ' AS $$ ', b)", "AS (a) -> if(a > 1, 'it''s', '-- x')",
		"(a INT) RETURNS INT AS $$ a + 2 $$", "() RETURNS INT AS $$ 3 $$", "AS (a INT) -> a + 4", "AS (`x y`) -> `x y` + 1",
		"(a INT) RETURNS TABLE(a INT) AS $$ SELECT a $$", "() RETURNS TABLE(n INT, s STRING) AS $$ SELECT 1, 'it''s' $$",
		"AS (a) -> array_map([1, 2], x -> x + a)",
		"(INT) RETURNS INT LANGUAGE python HANDLER = 'h' AS $$\ndef h(a):\n    return a + 1\n$$",
		"(a INT) RETURNS INT LANGUAGE python VOLATILE HANDLER = 'h' AS $$\ndef h(a):\n    return a\n$$",
		"(INT, STRING) RETURNS STRING LANGUAGE javascript HANDLER = 'h' AS $$ export function h(a, b) { return 'it''s' + a + b; } $$",
		"(INT) RETURNS INT LANGUAGE python HANDLER = 'h' ADDRESS = 'http://127.0.0.1:1'",
		"(INT) RETURNS INT LANGUAGE python IMMUTABLE HANDLER = 'h' HEADERS = ('x-a' = 'b') ADDRESS = 'http://127.0.0.1:1'",
		"(INT) STATE { sum INT } RETURNS INT LANGUAGE javascript AS $$ export function create_state() { return { sum: 0 } } "+
			"export function accumulate(s, v) { s.sum += v; return s } export function merge(a, b) { a.sum += b.sum; return a } "+
			"export function finish(s) { return s.sum } $$") + p.one("", "", " DESC = 'it''s'")
}

// A stage, internal or of the test's bucket.
func (p *proofWorld) stage() string {
	external := "URL = 's3://" + p.Bucket + "/{prefix}' CONNECTION = (ENDPOINT_URL = '" + p.S3.Endpoint + "' ACCESS_KEY_ID = '" +
		p.S3.Key + "' SECRET_ACCESS_KEY = '" + p.S3.Secret.Reveal() + "' REGION = 'us-east-1')"
	return p.one("", "", external) + " " + p.one("", "FILE_FORMAT = ("+p.one("TYPE = CSV", "TYPE = CSV SKIP_HEADER = 1", "TYPE = PARQUET",
		"FORMAT_NAME = '{x}ff'")+")") + " " + p.one("", "COMMENT = 'it''s'")
}

func (p *proofWorld) dictionary() string {
	return "(a STRING, s STRING " + p.one("", "DEFAULT 'it''s'") + ") PRIMARY KEY a SOURCE(" + p.one(
		"mysql(host='127.0.0.1' port='3306' username='u' password='pw-it''s' db='d' table='t')",
		"redis(host='127.0.0.1' port='6379')") + ") " +
		p.one("", "COMMENT 'it''s'")
}

func (p *proofWorld) privilege() string {
	return p.one("SELECT", "INSERT", "UPDATE", "DELETE", "ALTER", "SELECT, INSERT", "ALL", "OWNERSHIP")
}

func (p *proofWorld) onWhat() string {
	return p.one("{db}.a", "{db}.b", "{db}.*", "*.*", "{db}.v", "{y}.*", "{y}.t", p.one("{db}.new1", "{x}z.*", "{x}z.t"))
}

// setup is a catalogue. A statement that the engine refuses for its random options is left out.
func (p *proofWorld) setup() []string {
	out := []string{
		"CREATE DATABASE {y}", "CREATE TABLE {y}.t (a INT, s STRING) " + p.tableEnd(), "INSERT INTO {y}.t VALUES (1, 'y')",
		"CREATE VIEW {y}.v AS SELECT a FROM {y}.t",
		"CREATE TABLE gate (x STRING)",
		"CREATE FILE FORMAT {x}ff " + p.fileFormat(), "CREATE SEQUENCE {x}q " + p.some("START = 10", "INCREMENT = 5", "COMMENT = 'it''s'"),
	}
	for _, t := range []string{"a", "b", "c"} {
		out = append(out, fmt.Sprintf("CREATE %s TABLE %s (a INT, s STRING COMMENT 'c', d %s) %s", p.one("", "",
			"TRANSIENT"), t, p.columnType(), p.tableEnd()))
		if p.IntN(4) > 0 {
			out = append(out, "INSERT INTO "+t+" (a, s) VALUES (1, 'x'), (1, 'x'), (2, 'y')", "INSERT INTO "+t+" (a, s) VALUES (3, 'z')")
		}
		out = append(out, strings.ReplaceAll(p.one("SELECT 1", "CREATE INVERTED INDEX i1 ON {t}(s) "+p.one("", "index_record = 'basic'",
			"tokenizer = 'chinese'", "filters = 'english_stop'"),
			"CREATE NGRAM INDEX i2 ON {t}(s) gram_size = 3 bloom_size = 1048576", "CREATE ASYNC INVERTED INDEX i3 ON {t}(s)",
			"CREATE VECTOR INDEX i4 ON {t}(d) distance = 'cosine,l2'", "CREATE SPATIAL INDEX i5 ON {t}(d)",
			"ALTER TABLE {t} ADD CONSTRAINT k1 CHECK (a > 0)",
			"ALTER TABLE {t} ADD CONSTRAINT k2 CHECK (a > 0 AND s <> 'it''s')"), "{t}", t))
	}
	out = append(out, "CREATE VIEW v "+p.one("", "(one)")+" AS SELECT a FROM a", "CREATE VIEW w AS SELECT * FROM b WHERE s = 'it''s'",
		"CREATE TABLE m (a INT) ENGINE = "+p.one("MEMORY", "NULL", "FUSE", "RANDOM"),
		"CREATE STREAM st ON TABLE c "+p.one("", "APPEND_ONLY = false")+p.one("", " COMMENT = 'it''s'"),
		"CREATE AGGREGATING INDEX {x}ai AS SELECT s, count(*) FROM b GROUP BY s",
		"CREATE STAGE {x}s "+p.stage(), "CREATE STAGE {x}e "+p.stage(), "CREATE FUNCTION {x}f "+p.function(),
		"CREATE FUNCTION {x}h "+p.function(),
		"CREATE DICTIONARY di "+p.dictionary(),
		"CREATE CONNECTION {x}c STORAGE_TYPE = 's3' ACCESS_KEY_ID = 'aaaaaaaa' SECRET_ACCESS_KEY = 'bbbbbbbb' "+p.one("",
			"ENDPOINT_URL = 'http://127.0.0.1:1'"),
		"CREATE NETWORK POLICY {x}n ALLOWED_IP_LIST = ('10.0.0.0/8', '1.2.3.4') "+p.some("BLOCKED_IP_LIST = ('10.1.0.0/16')",
			"COMMENT = 'it''s'"),
		"CREATE PASSWORD POLICY {x}p "+p.some("PASSWORD_MIN_LENGTH = 9", "PASSWORD_MAX_AGE_DAYS = 30", "COMMENT = 'it''s'"),
		"CREATE TAG {x}g "+p.some("ALLOWED_VALUES = ('a', 'it''s')", "COMMENT = 'it''s'"),
		"CREATE ROLE {x}r", "CREATE ROLE {x}r2", "CREATE USER {x}u IDENTIFIED BY 'Secret_1' "+p.one("", "WITH DISABLED = true",
			"WITH DEFAULT_ROLE = '{x}r'"), "GRANT ROLE {x}r TO USER {x}u",
		"CREATE PROCEDURE {x}pr(x INT) RETURNS INT NOT NULL LANGUAGE SQL "+p.one("", "COMMENT = 'it''s'")+" AS $$ BEGIN RETURN x; END; $$",
		"GRANT ROLE {x}r2 TO ROLE {x}r", "CREATE VIEW vv AS SELECT * FROM v", "CREATE TABLE {y}.k AS SELECT * FROM {y}.t")
	for _, on := range []string{"{db}.a", "{db}.b", "{y}.*", "{y}.t"} {
		if p.IntN(3) == 0 {
			out = append(out, "GRANT OWNERSHIP ON "+on+" TO ROLE "+p.one("{x}r", "{x}r2"))
		}
	}
	for range p.IntN(3) {
		out = append(out, p.one("COPY INTO @{x}s/f"+fmt.Sprint(p.IntN(9))+" FROM (SELECT 1 AS a) FILE_FORMAT = (TYPE = CSV)",
			"SET GLOBAL {setting} = 77", "GRANT READ ON STAGE {x}s TO ROLE {x}r", "GRANT USAGE ON UDF {x}f TO ROLE {x}r2",
			"GRANT OWNERSHIP ON {db}.a TO ROLE {x}r"))
	}
	for range 3 {
		out = append(out, "GRANT "+p.privilege()+" ON "+p.onWhat()+" TO "+p.one("ROLE {x}r", "ROLE {x}r2"))
	}
	return out
}

// ours is a first migration, of what the engine does not show whole: the journal's definition is the way back to it.
func (p *proofWorld) ours() string {
	keys := "ENDPOINT_URL = '" + p.S3.Endpoint + "' REGION = 'us-east-1' ACCESS_KEY_ID = {{ secret \"KEY\" }} " +
		"SECRET_ACCESS_KEY = {{ secret \"SECRET\" }}"
	return "CREATE FILE FORMAT {x}off TYPE = CSV " + p.some("SKIP_HEADER = 1", "FIELD_DELIMITER = '|'") + ";\n" +
		"CREATE CONNECTION {x}oc STORAGE_TYPE = 's3' " + keys + ";\n" +
		"CREATE STAGE {x}os URL = 's3://" + p.Bucket + "/{prefix}' CONNECTION = (" + p.one(keys, "CONNECTION_NAME = '{x}oc'") +
		") FILE_FORMAT = (" + p.one("TYPE = CSV", "FORMAT_NAME = '{x}off'") + ") " + p.one("", "COMMENT = 'it''s'") + ";\n" +
		"CREATE FUNCTION {x}oj (INT) RETURNS INT LANGUAGE javascript HANDLER = 'h' AS $$ export function h(a) { return a + 1; } $$;\n" +
		"CREATE PROCEDURE {x}op(x INT) RETURNS INT NOT NULL LANGUAGE SQL AS $$ BEGIN RETURN x + 9; END; $$;\n"
}

// ofAKind makes, makes again or drops an object of a random kind.
func (p *proofWorld) ofAKind() string {
	kinds := []struct{ kind, name, body string }{
		{"STAGE", p.one("{x}s", "{x}e", "{x}s9", "{x}os", "{x}os"), p.stage()},
		{"FILE FORMAT", p.one("{x}ff", "{x}ff9", "{x}off"), p.fileFormat()},
		{"FUNCTION", p.one("{x}f", "{x}h", "{x}f9", "{x}oj"), p.function()},
		{"SEQUENCE", p.one("{x}q", "{x}q9"), p.some("START = 100", "INCREMENT = 2", "COMMENT = 'new'")},
		{"CONNECTION", p.one("{x}c", "{x}c9", "{x}oc", "{x}oc"), "STORAGE_TYPE = 's3' ACCESS_KEY_ID = 'cccccccc' SECRET_ACCESS_KEY = 'dddddddd'"},
		{"NETWORK POLICY", p.one("{x}n", "{x}n9"), "ALLOWED_IP_LIST = ('9.9.9.9') " + p.some("COMMENT = 'new'")},
		{"PASSWORD POLICY", p.one("{x}p", "{x}p9"), p.some("PASSWORD_MIN_LENGTH = 12", "COMMENT = 'new'")},
		{"TAG", p.one("{x}g", "{x}g9"), p.some("ALLOWED_VALUES = ('b')", "COMMENT = 'new'")},
		{"ROLE", p.one("{x}r", "{x}r2", "{x}r9"), ""},
		{"USER", p.one("{x}u", "{x}u9"), "IDENTIFIED BY 'Secret_9'"},
		{"VIEW", p.one("v", "w", "new3", "a", "{y}.v"), p.one("", "(one)", "(`o ne`)") + " AS SELECT a FROM " + p.one("a", "b", "{y}.t")},
		{"DATABASE", p.one("{y}", "{x}z"), ""},
		{"TABLE", p.one("a", "b", "c", "new1", "v"), p.one("(a INT, z "+p.columnType()+") "+p.tableEnd(), "AS SELECT a, s FROM b", "LIKE a",
			"(a INT, s STRING, INVERTED INDEX i6 (s)) ", "(a INT, CONSTRAINT k3 CHECK (a > 1)) ", "(a INT) ENGINE = "+p.one("MEMORY",
				"RANDOM"))},
		{"AGGREGATING INDEX", p.one("{x}ai", "{x}ai9"), "AS SELECT s, max(a) FROM b GROUP BY s"},
		{"DICTIONARY", p.one("di", "di9", "{y}.di"), p.dictionary()},
		{"PROCEDURE", p.one("{x}pr", "{x}pr9", "{x}op"), "(x INT) RETURNS INT NOT NULL LANGUAGE SQL AS $$ BEGIN RETURN x + 1; END; $$"},
		{"STREAM", p.one("st", "new4"), "ON TABLE " + p.one("a", "c")},
		{"TASK", "{x}k", "WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS SELECT 1"},
		{"MASKING POLICY", "{x}mp", "AS (x STRING) RETURNS STRING -> '*'"},
		{"ROW ACCESS POLICY", "{x}rp", "AS (x INT) RETURNS BOOLEAN -> x > 1"},
		{"MATERIALIZED VIEW", "new5", "AS SELECT a FROM a"},
		{"NOTIFICATION INTEGRATION", "{x}no", "TYPE = WEBHOOK ENABLED = true WEBHOOK = (URL = 'http://127.0.0.1:1')"},
	}
	drawn := len(kinds)
	if p.IntN(8) > 0 {
		drawn -= 6 // the last ones need a licence, without which a plan is refused before it begins
	}
	k := kinds[p.IntN(drawn)]
	args := ""
	if k.kind == "PROCEDURE" {
		args = "(INT)"
	}
	return p.one("CREATE "+k.kind+" "+k.name+" "+k.body, "CREATE "+k.kind+" IF NOT EXISTS "+k.name+" "+k.body,
		"CREATE OR REPLACE "+k.kind+" "+k.name+" "+k.body, "DROP "+k.kind+" "+p.one("", "IF EXISTS ")+k.name+args)
}

// statement is a random one; many are refused by the engine for what is there, which is a failure like another.
func (p *proofWorld) statement() string {
	if p.IntN(5) < 2 {
		return p.ofAKind()
	}
	t, u := p.one("a", "b", "c", "m", "{y}.t"), p.one("a", "b", "c", "new1", "{y}.t", "{y}.new2")
	if p.IntN(8) == 0 {
		t = p.one("new1", "v", "st", "{y}.v", "{x}z.t", "{y}.k")
	}
	return strings.NewReplacer("{t}", t, "{u}", u, "{type}", p.columnType()).Replace(p.one(p.one(
		"ALTER TABLE {t} ADD COLUMN n {type}", "ALTER TABLE {t} ADD COLUMN n INT FIRST", "ALTER TABLE {t} DROP COLUMN s",
		"ALTER TABLE {t} DROP COLUMN d", "ALTER TABLE {t} RENAME COLUMN a TO z", "ALTER TABLE {t} RENAME COLUMN s TO z",
		"ALTER TABLE {t} RENAME COLUMN z TO s", "ALTER TABLE {t} MODIFY COLUMN z COMMENT 'z'",
		"ALTER TABLE {t} MODIFY COLUMN a BIGINT", "ALTER TABLE {t} MODIFY COLUMN d {type}", "ALTER TABLE {t} MODIFY COLUMN s COMMENT 'm'",
		"ALTER TABLE {t} MODIFY COLUMN a BIGINT NOT NULL DEFAULT 3 COMMENT 'it''s', COLUMN s COMMENT 'both'",
		"ALTER TABLE {t} COMMENT = 'it''s ours'", "ALTER TABLE {t} MODIFY COLUMN d DROP STORED",
		"ALTER TABLE {t} SET OPTIONS (block_per_segment = 55)", "ALTER TABLE {t} SET OPTIONS (bloom_index_columns = 's')",
		"ALTER TABLE {t} SET OPTIONS (data_retention_period_in_hours = 10, row_per_block = 6000)",
		"ALTER TABLE {t} SET OPTIONS (change_tracking = true)", "ALTER TABLE {t} SET OPTIONS (change_tracking = false)",
		"ALTER TABLE {t} SET OPTIONS (compression = 'lz4')", "ALTER TABLE {t} SET OPTIONS (enable_auto_analyze = 0)",
		"ALTER TABLE {t} SET OPTIONS (enable_schema_evolution = true)", "ALTER TABLE {t} UNSET OPTIONS (row_per_block, block_per_segment)",
		"ALTER TABLE {t} UNSET OPTIONS (block_per_segment)", "ALTER TABLE {t} UNSET OPTIONS (bloom_index_columns)",
		"ALTER TABLE {t} CLUSTER BY (s)", "ALTER TABLE {t} CLUSTER BY HILBERT (a, s)", "ALTER TABLE {t} DROP CLUSTER KEY",
		"ALTER TABLE {t} RECLUSTER", "ALTER TABLE {t} RENAME TO {u}",
		"RENAME TABLE {t} TO {u}", "ALTER TABLE {t} SWAP WITH {u}",
		"ALTER TABLE {t} ADD CONSTRAINT k1 CHECK (a > -5)", "ALTER TABLE {t} DROP CONSTRAINT k1", "ALTER TABLE {t} ADD CHECK (a > -6)",
		"ALTER TABLE {t} DROP CONSTRAINT k2",
		"CREATE INVERTED INDEX i9 ON {t}(s)", "CREATE OR REPLACE INVERTED INDEX i1 ON {t}(s)", "CREATE OR REPLACE NGRAM INDEX i2 ON {t}(s)",
		"DROP INVERTED INDEX i1 ON {t}", "DROP NGRAM INDEX i2 ON {t}", "DROP INVERTED INDEX i3 ON {t}", "REFRESH INVERTED INDEX i1 ON {t}",
		"CREATE NGRAM INDEX i8 ON {t}(s) gram_size = 4",
		"CREATE OR REPLACE VECTOR INDEX i4 ON {t}(d) distance = 'l1' m = 10 ef_construct = 30",
		"DROP VECTOR INDEX i4 ON {t}", "DROP SPATIAL INDEX i5 ON {t}", "CREATE SPATIAL INDEX i7 ON {t}(d)", "DROP AGGREGATING INDEX {x}ai",
		"REFRESH AGGREGATING INDEX {x}ai", "REFRESH NGRAM INDEX i2 ON {t}"), p.one(
		"TRUNCATE TABLE {t}", "DELETE FROM {t} WHERE a = 1", "UPDATE {t} SET a = a + 1 WHERE a > 1", "INSERT INTO {t} (a) VALUES (5), (5)",
		"INSERT OVERWRITE {t} (a) VALUES (8)", "REPLACE INTO {t} (a) ON (a) VALUES (1)",
		"INSERT INTO {t} (a) SELECT a FROM {u}",
		"MERGE INTO {t} USING (SELECT 1 z) q ON {t}.a = q.z WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (a) VALUES (q.z)",
		"INSERT INTO {t} (a) SELECT a FROM st", "INSERT ALL INTO a (a) INTO b (a) SELECT 4", "INSERT INTO {t} (a) SELECT nextval({x}q)",
		"BEGIN;\nINSERT INTO {t} (a) VALUES (6);\nDELETE FROM {u} WHERE a = 2;\nCOMMIT",
		"COPY INTO {t} (a) FROM (SELECT $1 FROM @{x}s) FILE_FORMAT = (TYPE = CSV)",
		"ANALYZE TABLE {t}", "OPTIMIZE TABLE {t} COMPACT", "OPTIMIZE TABLE {t} COMPACT SEGMENT", "VACUUM TABLE {t}",
		"DROP TABLE {t}", "DROP TABLE IF EXISTS {t}", "DROP TABLE {t} ALL", "UNDROP TABLE {t}", "ALTER VIEW v AS SELECT s FROM b",
		"ALTER VIEW vv AS SELECT 1 one", "DROP VIEW vv",
		"ALTER VIEW {t} AS SELECT 1 a", "ALTER VIEW v (p, `q r`) AS SELECT a, s FROM b", "DROP VIEW {t}",
		"ALTER DATABASE {y} RENAME TO {x}z", "DROP DATABASE {y}", "UNDROP DATABASE {y}", "CREATE TABLE {u} AS SELECT * FROM {t}",
		"CREATE TABLE {u} LIKE {t}", "CREATE OR REPLACE TABLE {t} AS SELECT * FROM {u}",
		"CREATE TEMP TABLE {u} (a INT)", "ALTER TABLE {t} FLASHBACK TO (OFFSET => -1)",
		"RENAME TABLE a TO new1, b TO new6", "CREATE TABLE {u} (a INT) 's3://nowhere/x/' CONNECTION = (ACCESS_KEY_ID = 'k' SECRET_ACCESS_KEY = 's')"), p.one(
		"GRANT "+p.privilege()+" ON "+p.onWhat()+" TO ROLE {x}r", "REVOKE "+p.privilege()+" ON "+p.onWhat()+" FROM ROLE {x}r",
		"GRANT ROLE {x}r TO ROLE {x}r2", "REVOKE ROLE {x}r2 FROM ROLE {x}r",
		"GRANT ROLE {x}r2 TO USER {x}u", "REVOKE ROLE {x}r FROM USER {x}u", "GRANT USAGE ON UDF {x}f TO ROLE {x}r",
		"REVOKE USAGE ON UDF {x}f FROM ROLE {x}r2", "REVOKE READ ON STAGE {x}s FROM ROLE {x}r", "GRANT ALL ON STAGE {x}e TO ROLE {x}r",
		"GRANT "+p.one("READ", "OWNERSHIP")+" ON STAGE {x}os TO ROLE {x}r", "GRANT USAGE ON UDF {x}oj TO ROLE {x}r", "GRANT OWNERSHIP ON UDF {x}oj TO ROLE {x}r2",
		"GRANT READ ON STAGE {x}s TO ROLE {x}r2", "GRANT OWNERSHIP ON UDF {x}f TO ROLE {x}r",
		"GRANT ACCESS SEQUENCE ON SEQUENCE {x}q TO ROLE {x}r",
		"GRANT ACCESS CONNECTION ON CONNECTION {x}c TO ROLE {x}r", "GRANT CREATE DATABASE ON *.* TO ROLE {x}r",
		"GRANT OWNERSHIP ON STAGE {x}s TO ROLE {x}r", "GRANT OWNERSHIP ON "+p.one("{y}.*", "{x}z.*", "{t}", "UDF {x}h")+" TO ROLE {x}r2",
		"CREATE ROLE {x}r9;\nGRANT OWNERSHIP ON "+p.one("{t}", "{y}.*", "STAGE {x}s", "UDF {x}f")+" TO ROLE {x}r9",
		"DROP ROLE "+p.one("{x}r", "{x}r2"), "DROP ROLE "+p.one("{x}r", "{x}r2"),
		"GRANT "+p.privilege()+" ON "+p.onWhat()+" TO USER {x}u",
		"REVOKE ALL PRIVILEGES ON "+p.onWhat()+" FROM USER {x}u"), p.one(
		"ALTER STAGE {x}os SET COMMENT = 'new'", "ALTER STAGE {x}os SET FILE_FORMAT = (TYPE = NDJSON)",
		"ALTER STAGE {x}s SET COMMENT = 'new'", "ALTER STAGE {x}s SET FILE_FORMAT = (TYPE = NDJSON)", "ALTER STAGE {x}e SET COMMENT = 'new'",
		"ALTER FUNCTION {x}f AS (a) -> a * 3", "ALTER FUNCTION {x}h AS (a) -> a * 4", "ALTER FUNCTION {x}f SET DESC = 'new'",
		"ALTER NETWORK POLICY {x}n SET ALLOWED_IP_LIST = ('8.8.8.8') COMMENT = 'new'", "COMMENT ON NETWORK POLICY {x}n IS 'it''s new'",
		"ALTER PASSWORD POLICY {x}p SET PASSWORD_MIN_LENGTH = 10", "ALTER PASSWORD POLICY {x}p UNSET PASSWORD_MIN_LENGTH",
		"COMMENT ON PASSWORD POLICY {x}p IS 'new'", "COMMENT ON COLUMN {t}.s IS 'it''s new'", "COMMENT ON COLUMN {t}.d IS ''",
		"ALTER USER {x}u WITH DISABLED = true", "ALTER USER {x}u WITH SET NETWORK POLICY = '{x}n'",
		"ALTER USER {x}u WITH UNSET NETWORK POLICY",
		"ALTER USER {x}u WITH SET PASSWORD POLICY = '{x}p'", "ALTER USER {x}u WITH DEFAULT_ROLE = '{x}r2'",
		"ALTER USER {x}u IDENTIFIED BY 'Secret_2'",
		"ALTER TABLE {t} SET TAG {x}g = 'a'", "ALTER TABLE {t} UNSET TAG {x}g", "ALTER ROLE {x}r SET COMMENT = 'new'",
		"ALTER DATABASE {y} SET TAG {x}g = 'a'", "ALTER STAGE {x}s SET TAG {x}g = 'a'",
		"ALTER DATABASE {y} SET OPTIONS (default_storage_path = 's3://x/')",
		"COMMENT ON TABLE {t} IS 'new'", "COMMENT ON TABLE {t} IS ''", "COPY INTO @{x}s FROM (SELECT 1)", "REMOVE @{x}s",
		"SET GLOBAL {setting} = 55", "UNSET GLOBAL {setting}", "SET GLOBAL ({setting}, {setting2}) = (44, 45)",
		"UNSET GLOBAL ({setting}, {setting2})",
		"SET GLOBAL ({setting}, {setting2}) = (46, 'many')",
		"SELECT nextval({x}q)", "SET max_threads = 4", "USE {y}", "SET VARIABLE v1 = 1", "CALL PROCEDURE {x}pr(1)",
	)))
}

// theirs is what only another session does, {mark} or {number} in it: it is there at the end, or what became of it is named. Of what
// takes something away gone is a query that then finds nothing.
func (p *proofWorld) theirs() (statement, gone string) {
	s := strings.NewReplacer("{t}", p.one("a", "b", "c", "new1", "{y}.t", "{y}.new2"), "{9}", p.one("", "9")).Replace(p.one(
		"INSERT INTO {t} (a) VALUES ({number})", "ALTER TABLE {t} COMMENT = '{mark}'", "ALTER TABLE {t} ADD COLUMN {mark} INT",
		"ALTER TABLE {t} MODIFY COLUMN s COMMENT '{mark}'", "CREATE NGRAM INDEX {mark} ON {t}(s)",
		"CREATE ASYNC INVERTED INDEX {mark} ON {t}(s)",
		"ALTER TABLE {t} ADD CONSTRAINT {mark} CHECK (a > -99)", "ALTER TABLE {t} ADD CHECK (a > -{number})",
		"CREATE OR REPLACE TABLE {t} (a INT, {mark} INT)",
		"ALTER TABLE {t} SET OPTIONS (row_per_block = {number})", "ALTER TABLE {t} SET OPTIONS (data_retention_period_in_hours = {number})",
		"ALTER TABLE {t} RENAME COLUMN s TO {mark}", "ALTER TABLE {t} CLUSTER BY (a + {number})",
		"CREATE AGGREGATING INDEX {x}{mark} AS SELECT a, count(*) FROM {t} GROUP BY a",
		"CREATE OR REPLACE TABLE {t} AS SELECT {number} AS a", "CREATE TABLE {t} (a INT, s STRING) COMMENT = '{mark}'",
		"ALTER TABLE {t} RENAME TO {mark}", "UPDATE {t} SET s = '{mark}' WHERE true", "CREATE TABLE {y}.{mark} (a INT)",
		"CREATE OR REPLACE VIEW v AS SELECT {number} AS a", "ALTER VIEW v AS SELECT {number} AS a",
		"CREATE VIEW new3 AS SELECT {number} AS a",
		"CREATE VIEW new3 ({mark}) AS SELECT 1", "ALTER VIEW v ({mark}) AS SELECT 1", "CREATE VIEW {y}.{mark} AS SELECT 1 AS a",
		"ALTER DATABASE {y} RENAME TO {x}{mark}",
		"CREATE DICTIONARY {y}.{mark} (a STRING, b STRING) PRIMARY KEY a SOURCE(redis(host='127.0.0.1' port='6379'))",
		"CREATE OR REPLACE DICTIONARY di{9} (a STRING, b STRING) PRIMARY KEY a SOURCE(redis(host='127.0.0.1' port='6379')) COMMENT '{mark}'",
		"CREATE OR REPLACE FUNCTION {x}f{9} AS (a) -> a + {number}", "ALTER STAGE {x}s SET COMMENT = '{mark}'",
		"ALTER STAGE {x}e SET COMMENT = '{mark}'",
		"CREATE OR REPLACE FUNCTION {x}h AS (a) -> a + {number}", "COPY INTO @{x}s/{mark} FROM (SELECT 1) FILE_FORMAT = (TYPE = CSV)",
		"CREATE OR REPLACE FILE FORMAT {x}ff{9} TYPE = CSV NULL_DISPLAY = '{mark}'",
		"CREATE OR REPLACE SEQUENCE {x}q{9} COMMENT = '{mark}'", "ALTER NETWORK POLICY {x}n SET COMMENT = '{mark}'",
		"CREATE OR REPLACE NETWORK POLICY {x}n{9} ALLOWED_IP_LIST = ('9.9.9.9') COMMENT = '{mark}'",
		"CREATE OR REPLACE PASSWORD POLICY {x}p{9} COMMENT = '{mark}'", "ALTER PASSWORD POLICY {x}p SET COMMENT = '{mark}'",
		"CREATE TAG {x}g{9} COMMENT = '{mark}'", "ALTER TABLE {t} ADD COLUMN {mark} INT DEFAULT nextval({x}q{9})",
		"SET GLOBAL {setting} = {number}", "SET GLOBAL {setting2} = {number}",
		"CREATE OR REPLACE PROCEDURE {x}pr{9}(x INT) RETURNS INT NOT NULL LANGUAGE SQL COMMENT = '{mark}' AS $$ BEGIN RETURN 7; END; $$",
	))
	if p.IntN(5) > 0 {
		return s, ""
	}
	const named = " WHERE name = "
	takes := [][2]string{
		{"DROP FUNCTION {x}f", "SELECT 1 FROM system.user_functions" + named + "'{x}f'"},
		{"DROP SEQUENCE {x}q", "SELECT 1 FROM show_sequences()" + named + "'{x}q'"},
		{"DROP ROLE {x}r2", "SELECT 1 FROM system.roles" + named + "'{x}r2'"},
		{"DROP USER {x}u", "SELECT 1 FROM system.users" + named + "'{x}u'"},
		{"DROP TAG {x}g", "SELECT 1 FROM system.tags" + named + "'{x}g'"},
		{"DROP STAGE {x}s", "SELECT 1 FROM system.stages" + named + "'{x}s'"},
		{"DROP PASSWORD POLICY {x}p", "SELECT 1 FROM system.password_policies" + named + "'{x}p'"},
		{"DROP AGGREGATING INDEX {x}ai", "SELECT 1 FROM system.indexes" + named + "'{x}ai'"},
		{"DROP DICTIONARY di", "SELECT 1 FROM system.dictionaries" + named + "'di' AND database = '{db}'"},
		{"DROP TABLE a", "SELECT 1 FROM system.tables" + named + "'a' AND database = '{db}'"},
		{"DROP TABLE b", "SELECT 1 FROM system.tables" + named + "'b' AND database = '{db}'"},
		{"DROP VIEW v", "SELECT 1 FROM system.tables" + named + "'v' AND database = '{db}'"},
		{"DROP TABLE {y}.t", "SELECT 1 FROM system.tables" + named + "'t' AND database = '{y}'"},
		{"DROP DATABASE {y}", "SELECT 1 FROM system.databases" + named + "'{y}'"},
		{"DROP INVERTED INDEX i1 ON a", "SELECT 1 FROM system.indexes" + named + "'i1' AND database = '{db}' AND `table` = 'a'"},
		{"ALTER TABLE a DROP COLUMN d", "SELECT 1 FROM system.columns" + named + "'d' AND database = '{db}' AND `table` = 'a'"},
		{"DELETE FROM a WHERE a = 3", "SELECT 1 FROM {db}.a WHERE a = 3"},
		{"REVOKE ROLE {x}r FROM USER {x}u", "SELECT 1 FROM system.users" + named + "'{x}u' AND contains(split(roles, ', '), '{x}r')"},
		{"REVOKE ROLE {x}r2 FROM ROLE {x}r", "SELECT 1 FROM system.roles" + named + "'{x}r' AND inherited_roles_name = '{x}r2'"},
		{"UNSET GLOBAL {setting}", "SELECT 1 FROM system.settings" + named + "'{setting}' AND level = 'GLOBAL'"},
	}
	x := takes[p.IntN(len(takes))]
	return x[0], x[1]
}
