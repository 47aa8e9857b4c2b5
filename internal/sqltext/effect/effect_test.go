package effect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/sqltext"
)

var aspectNames = []string{
	"existence", "rows", "layout", "columns", "column comments", "cluster key", "options", "indexes", "constraints", "comment", "owner",
	"grants", "text", "attachments", "files",
}

// String is "rows, columns".
func (a Aspect) String() string {
	var names []string
	for i, n := range aspectNames {
		if a.Has(1 << i) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

// summary is an effect in one line: class, kind, what it writes with the aspects that are not its existence, what it reads, and the
// flags of the statement.
func summary(e Effect) string {
	var b strings.Builder
	b.WriteString(string(e.Class) + ": " + e.Kind)
	for _, w := range e.Writes {
		b.WriteString(" | " + string(w.Verb) + " " + w.String())
		if aspects := w.Aspects &^ Existence; aspects != 0 {
			b.WriteString(" {" + aspects.String() + "}")
		}
		if w.IsStream {
			b.WriteString(" STREAM")
		}
	}
	for i, o := range e.Names {
		if i == 0 {
			b.WriteString(" < ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(o.String())
	}
	var flags []string
	for _, f := range []struct {
		set  bool
		name string
	}{
		{e.Unknown, "unknown"},
		{e.DML, "DML"},
		{e.DDL, "DDL"},
		{e.Plain, "plain"},
		{len(e.Features) > 0, "needs " + joined(e.Features)},
		{e.Retention, "retention"},
		{e.Use != "", "use=" + e.Use},
		{e.Session, "session"},
		{len(e.Settings) > 0, "set=" + strings.Join(e.Settings, ",")},
		{e.Consumes, "consumes"},
		{e.Txn != "", "txn=" + e.Txn},
	} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	if len(flags) > 0 {
		b.WriteString(" (" + strings.Join(flags, " ") + ")")
	}
	return b.String()
}

func joined(features []Feature) string {
	var words []string
	for _, f := range features {
		words = append(words, string(f))
	}
	return strings.Join(words, " and ")
}

// effects names every statement of Databend's grammar (src/query/ast/src/parser/statement.rs) and what it does.
var effects = []struct{ sql, want string }{
	{"SELECT a.x, (SELECT max(y) FROM c.d) FROM a, b AS bb LEFT JOIN (e JOIN f ON true) USING (k) WHERE x IS DISTINCT FROM y AND EXTRACT(YEAR FROM z) = 1", "none: SELECT < table c.d, table db.a, table db.b, table db.e, table db.f"},
	{"WITH RECURSIVE q(n) AS (SELECT 1 FROM base UNION ALL SELECT n FROM q), r AS MATERIALIZED (SELECT 2) SELECT * FROM q, r, other.t AT (OFFSET => -1)", "none: SELECT < table db.base, table other.t"},
	{"(SELECT 1 FROM a) UNION (SELECT 2 FROM b)", "none: SELECT < table db.a, table db.b"},
	{"FROM t SELECT a", "none: SELECT < table db.t"},
	{"VALUES (1, 2)", "none: SELECT"},
	{"SELECT * FROM numbers(10), LATERAL flatten(input => t.x), @s1/path/ (FILE_FORMAT => 'f', PATTERN => '.*'), '@s2/x'", "none: SELECT < stage s1, file format f, stage s2"},
	{"SELECT * FROM 's3://bucket/x' (CONNECTION => (CONNECTION_NAME = 'c'))", "none: SELECT < connection c"},
	{"SELECT * FROM s WITH CONSUME", "exact: SELECT | write table db.s {rows} STREAM (needs streams)"},
	{"SELECT * FROM s WITH (CONSUME = TRUE, MAX_BATCH_SIZE = 10) AS x", "exact: SELECT | write table db.s {rows} STREAM (needs streams)"},
	{"SELECT * FROM s AT (TIMESTAMP => '2020-01-01'::TIMESTAMP) WITH CONSUME", "exact: SELECT | write table db.s {rows} STREAM (needs streams)"},
	{"SELECT * FROM s CHANGES (INFORMATION => DEFAULT) AT (OFFSET => -1) WITH (CONSUME = TRUE)", "exact: SELECT | write table db.s {rows} STREAM (needs streams)"},
	{"SELECT * FROM tenant_quota('t', 1, 2, 3, 4)", "irreversible: SELECT | alter unknown what tenant_quota changes {text}"},
	{"SELECT * FROM tenant_quota('t')", "none: SELECT"},
	{"INSERT INTO t SELECT 1 FROM fuse_vacuum2('d', 'u')", "irreversible: INSERT | write table db.t {rows} | alter unknown what fuse_vacuum2 changes {text} (DML consumes)"},
	{"EXPLAIN SELECT * FROM fuse_vacuum2('d', 'u')", "none: EXPLAIN"},
	{"SELECT nextval(Seq)", "irreversible: SELECT | write sequence seq {rows}"},
	{"SELECT \"nextval\"(Seq)", "irreversible: SELECT | write sequence seq {rows}"},
	{"SELECT * FROM `Fuse_Vacuum2`('d', 'u')", "irreversible: SELECT | alter unknown what fuse_vacuum2 changes {text}"},
	{"SETTINGS (max_threads = 1) INSERT INTO t SELECT * FROM u", "flashback: INSERT | write table db.t {rows} < table db.u (DML consumes)"},
	{"EXPLAIN INSERT INTO t SELECT * FROM u", "none: EXPLAIN < table db.u, table db.t"},
	{"EXPLAIN (VERBOSE) SYNTAX CREATE TABLE t (a INT)", "none: EXPLAIN"},
	{"EXPLAIN ANALYZE PARTIAL DELETE FROM t", "irreversible: EXPLAIN ANALYZE DELETE | write table db.t {rows} (consumes)"},
	{"EXPLAIN PERF SELECT 1", "none: EXPLAIN PERF SELECT"},
	{"EXPLAIN ANALYZE MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", "irreversible: EXPLAIN ANALYZE MERGE | write table db.t {rows} < table db.u (consumes)"},
	{"EXPLAIN PERF INSERT INTO t SELECT 1", "irreversible: EXPLAIN PERF INSERT | write table db.t {rows} (consumes)"},
	{"SHOW FULL TABLES FROM x", "none: SHOW FULL"},
	{"SHOW DROP TABLES", "none: SHOW DROP"},
	{"SHOW WORKLOAD GROUPS", "none: SHOW WORKLOAD (DDL needs workload groups)"},
	{"DESC t", "none: DESC < table db.t"},
	{"DESCRIBE STREAM x.s", "none: DESC < table x.s"},
	{"DESC PROCEDURE p(INT)", "none: DESC < procedure p(INT32)"},
	{"LIST @s/a PATTERN = '.*'", "none: LIST < stage s"},
	{"EXISTS TABLE t", "none: EXISTS TABLE < table db.t"},
	{"PRESIGN UPLOAD @s/f", "none: PRESIGN < stage s"},
	{"INSPECT WAREHOUSE w", "none: INSPECT WAREHOUSE"},
	{"INSERT INTO t (a, b) VALUES (1, ';')", "flashback: INSERT | write table db.t {rows} (DML consumes)"},
	{"INSERT /*+ SET_VAR(deduplicate_label='x') */ INTO x.t SELECT nextval(q) FROM u", "flashback: INSERT | write table x.t {rows} < sequence q, table db.u (DML consumes)"},
	{"INSERT OVERWRITE TABLE t SELECT * FROM t", "flashback: INSERT OVERWRITE | write table db.t {rows} (DML consumes)"},
	{"INSERT OVERWRITE t SELECT 1", "flashback: INSERT OVERWRITE | write table db.t {rows} (DML consumes)"},
	{"INSERT INTO t FROM @s/f FILE_FORMAT = (FORMAT_NAME = 'f')", "flashback: INSERT | write table db.t {rows} < stage s, file format f (DML consumes)"},
	{"WITH q AS (SELECT * FROM u) INSERT INTO t SELECT * FROM q", "flashback: INSERT | write table db.t {rows} < table db.u (DML consumes)"},
	{"INSERT ALL INTO a INTO x.b (c) VALUES (d) SELECT * FROM src", "flashback: INSERT ALL | write table db.a {rows} | write table x.b {rows} < table db.src (DML consumes)"},
	{"INSERT OVERWRITE FIRST WHEN c > 1 THEN INTO a WHEN c IN (SELECT k FROM keys) THEN INTO b ELSE INTO a SELECT * FROM src", "flashback: INSERT OVERWRITE FIRST | write table db.a {rows} | write table db.b {rows} < table db.keys, table db.src (DML consumes)"},
	{"REPLACE INTO t (a) ON (a) VALUES (1)", "flashback: REPLACE INTO | write table db.t {rows} (DML consumes)"},
	{"REPLACE INTO t ON CONFLICT (a) DELETE WHEN b SELECT * FROM u", "flashback: REPLACE INTO | write table db.t {rows} < table db.u (DML consumes)"},
	{"UPDATE t SET a = 1 FROM u WHERE t.a = u.a", "flashback: UPDATE | write table db.t {rows} < table db.u (DML consumes)"},
	{"UPDATE /*+ x */ t AS tt SET a = (SELECT max(b) FROM v)", "flashback: UPDATE | write table db.t {rows} < table db.v (DML consumes)"},
	{"WITH a AS (SELECT * FROM b), b AS (SELECT * FROM x) INSERT INTO t SELECT * FROM a, b", "flashback: INSERT | write table db.t {rows} < table db.b, table db.x (DML consumes)"},
	{"INSERT INTO t SELECT * FROM (WITH u AS (SELECT 1) SELECT * FROM u) x JOIN u ON true", "flashback: INSERT | write table db.t {rows} < table db.u (DML consumes)"},
	{"WITH q AS (SELECT 1) UPDATE t SET a = 1 FROM q", "flashback: UPDATE | write table db.t {rows} (DML consumes)"},
	{"DELETE FROM x.t WHERE a IN (SELECT a FROM u)", "flashback: DELETE | write table x.t {rows} < table db.u (DML consumes)"},
	{"WITH q AS (SELECT 1) DELETE FROM t", "flashback: DELETE | write table db.t {rows} (DML consumes)"},
	{"MERGE INTO t USING (SELECT * FROM u) s ON t.a = s.a WHEN MATCHED THEN UPDATE * WHEN NOT MATCHED THEN INSERT *", "flashback: MERGE | write table db.t {rows} < table db.u (DML consumes)"},
	{"MERGE INTO t AS tt USING x.u ON true WHEN MATCHED THEN DELETE", "flashback: MERGE | write table db.t {rows} < table x.u (DML consumes)"},
	{"COPY INTO t FROM @s/p/ FILE_FORMAT = (TYPE = CSV)", "flashback: COPY INTO | write table db.t {rows} < stage s (DML consumes)"},
	{"COPY INTO x.t FROM (SELECT $1 FROM '@s/p q/' v) PURGE = FALSE", "flashback: COPY INTO | write table x.t {rows} < stage s (DML consumes)"},
	{"COPY INTO t FROM @s/p/ PURGE = TRUE", "irreversible: COPY INTO | write table db.t {rows} | drop stage files s/p/ {rows} < stage s (DML consumes)"},
	{"COPY INTO t FROM 's3://b/p/?x=secret' CONNECTION = (ACCESS_KEY_ID = 'k') PURGE = true", "irreversible: COPY INTO | write table db.t {rows} | drop stage files s3://b/p/ {rows} (DML consumes)"},
	{"WITH q AS (SELECT 1) COPY INTO t FROM @s", "flashback: COPY INTO | write table db.t {rows} < stage s (DML consumes)"},
	{"COPY INTO @s/out FROM t FILE_FORMAT = (TYPE = PARQUET)", "irreversible: COPY INTO LOCATION | write stage files s/out {rows} < stage s, table db.t (consumes)"},
	{"COPY INTO 's3://b/p' CONNECTION = (CONNECTION_NAME = 'c') FROM (SELECT * FROM t)", "irreversible: COPY INTO LOCATION | write stage files s3://b/p {rows} < connection c, table db.t (consumes)"},
	{"REMOVE @s/a PATTERN = '.*'", "irreversible: REMOVE | drop stage files s/a {rows} < stage s"},
	{"BEGIN", "none: BEGIN (txn=BEGIN)"},
	{"BEGIN TRANSACTION", "none: BEGIN (txn=BEGIN)"},
	{"COMMIT", "none: COMMIT (txn=COMMIT)"},
	{"ROLLBACK", "none: ROLLBACK (txn=ROLLBACK)"},
	{"ABORT", "none: ROLLBACK (txn=ROLLBACK)"},
	{"USE MyDb", "none: USE < database mydb (use=mydb)"},
	{"USE CATALOG default", "none: USE CATALOG (session)"},
	{"USE CATALOG ctl", "irreversible: USE CATALOG (unknown session)"},
	{"USE WAREHOUSE w", "none: USE WAREHOUSE (DDL session)"},
	{"SET max_threads = 4", "none: SET (session set=max_threads)"},
	{"SET SESSION (a, b) = (1, 2)", "none: SET (session set=a,b)"},
	{"SET VARIABLE v = (SELECT 1 FROM t)", "none: SET VARIABLE < table db.t (session)"},
	{"SET VARIABLE v = (SELECT nextval(q))", "irreversible: SET VARIABLE | write sequence q {rows} (session)"},
	{"SET VARIABLE v = (SELECT a FROM s WITH CONSUME)", "irreversible: SET VARIABLE | write table db.s {rows} STREAM (needs streams session)"},
	{"SET VARIABLE (v, w) = (1, 2)", "none: SET VARIABLE (session)"},
	{"SET GLOBAL data_retention_time_in_days = 7", "redefine: SET GLOBAL | alter setting data_retention_time_in_days {text} (retention)"},
	{"SET data_retention_time_in_days = 0", "none: SET (retention session set=data_retention_time_in_days)"},
	{"UNSET max_threads", "none: UNSET (session set=max_threads)"},
	{"UNSET GLOBAL (a, b)", "redefine: UNSET GLOBAL | alter setting a {text} | alter setting b {text}"},
	{"SET ROLE r", "none: SET ROLE (session)"},
	{"SET DEFAULT ROLE r", "irreversible: SET DEFAULT ROLE | alter user current_user() {text}"},
	{"SET SECONDARY ROLES ALL", "none: SET SECONDARY ROLES (session)"},
	{"SET PRIORITY HIGH 'id'", "none: SET PRIORITY"},
	{"CREATE TABLE t (a INT DEFAULT nextval(q), INVERTED INDEX i (a), CONSTRAINT c CHECK (a > 1)) CLUSTER BY (a) COMMENT = 'x'", "exact: CREATE TABLE | create table db.t < sequence q (DDL plain)"},
	{"CREATE TABLE IF NOT EXISTS x.t LIKE y.u", "exact: CREATE TABLE | create if not exists table x.t < table y.u (DDL)"},
	{"CREATE TABLE t AS SELECT * FROM u", "exact: CREATE TABLE AS SELECT | create table db.t {rows} < table db.u (DDL consumes)"},
	{"CREATE TABLE t (a INT) ENGINE = MEMORY", "exact: CREATE TABLE | create table db.t (DDL plain)"},
	{"CREATE TABLE t (a INT) 's3://b/x/' CONNECTION = (CONNECTION_NAME = 'c')", "exact: CREATE TABLE | create table db.t < connection c (DDL plain)"},
	{"CREATE TABLE t (a INT) data_retention_period_in_hours = 1", "exact: CREATE TABLE | create table db.t (DDL plain retention)"},
	{"CREATE OR REPLACE TABLE t (a INT)", "exact: CREATE OR REPLACE TABLE | create or replace table db.t (DDL)"},
	{"CREATE OR REPLACE TABLE t AS SELECT * FROM t", "exact: CREATE OR REPLACE TABLE AS SELECT | create or replace table db.t {rows} (DDL consumes)"},
	{"CREATE TRANSIENT TABLE t (a INT)", "exact: CREATE TRANSIENT TABLE | create table db.t (DDL plain)"},
	{"CREATE TEMP TABLE t (a INT)", "none: CREATE TEMP TABLE (DDL)"},
	{"CREATE OR REPLACE TEMPORARY TABLE t AS SELECT 1", "none: CREATE OR REPLACE TEMP TABLE AS SELECT (DDL consumes)"},
	{"CREATE TEMP TABLE t (a INT DEFAULT nextval(q))", "none: CREATE TEMP TABLE < sequence q (DDL)"},
	{"CREATE TEMP TABLE t AS SELECT * FROM s WITH CONSUME", "exact: CREATE TEMP TABLE AS SELECT | write table db.s {rows} STREAM (DDL needs streams consumes)"},
	{"CREATE TEMP TABLE t AS SELECT nextval(q) FROM u", "irreversible: CREATE TEMP TABLE AS SELECT | write sequence q {rows} < table db.u (DDL consumes)"},
	{"CREATE DYNAMIC TABLE t TARGET_LAG = 1 MINUTE WAREHOUSE = 'w' AS SELECT * FROM u", "exact: CREATE DYNAMIC TABLE AS SELECT | create table db.t {rows} < table db.u (DDL consumes)"},
	{"CREATE OR REPLACE TRANSIENT DYNAMIC TABLE t TARGET_LAG = 1 MINUTE AS SELECT * FROM u", "irreversible: CREATE OR REPLACE DYNAMIC TABLE AS SELECT | create or replace table db.t {rows} < table db.u (DDL consumes)"},
	{"CREATE TABLE ctl.x.t (a INT)", "irreversible: CREATE TABLE | create table ctl.x.t (DDL)"},
	{"CREATE TABLE IDENTIFIER($v) (a INT)", "irreversible: CREATE TABLE (unknown DDL)"},
	{"ATTACH TABLE t 's3://b/x/' CONNECTION = (CONNECTION_NAME = 'c')", "irreversible: ATTACH TABLE | create table db.t < connection c (DDL needs attached tables)"},
	{"DROP TABLE IF EXISTS t", "exact: DROP TABLE | drop table db.t (DDL)"},
	{"DROP TABLE x.t ALL", "flashback: DROP TABLE ALL | drop table x.t {rows} (DDL)"},
	{"UNDROP TABLE t", "exact: UNDROP TABLE | undrop table db.t (DDL)"},
	{"TRUNCATE TABLE t", "flashback: TRUNCATE TABLE | write table db.t {rows} (DDL)"},
	{"RENAME TABLE a TO b", "exact: RENAME TABLE | rename from table db.a | rename to table db.b (DDL)"},
	{"RENAME TABLE a TO x.b, b TO a", "exact: RENAME TABLE | rename from table db.a | rename to table x.b | rename from table db.b | rename to table db.a (DDL)"},
	{"ALTER TABLE t RENAME TO u", "exact: ALTER TABLE RENAME | rename from table db.t | rename to table db.u (DDL)"},
	{"ALTER TABLE x.t SWAP WITH u", "exact: ALTER TABLE SWAP | swap table x.t | swap table x.u (DDL)"},
	{"ALTER TABLE IF EXISTS t ADD COLUMN IF NOT EXISTS c INT DEFAULT nextval(q) AFTER a", "exact: ALTER TABLE ADD COLUMN | alter table db.t {columns} < sequence q (DDL)"},
	{"ALTER TABLE t ADD c INT", "exact: ALTER TABLE ADD COLUMN | alter table db.t {columns} (DDL)"},
	{"ALTER TABLE t DROP COLUMN c", "flashback: ALTER TABLE DROP COLUMN | alter table db.t {rows, columns} (DDL)"},
	{"ALTER TABLE t DROP c", "flashback: ALTER TABLE DROP COLUMN | alter table db.t {rows, columns} (DDL)"},
	{"ALTER TABLE t DROP tag", "flashback: ALTER TABLE DROP COLUMN | alter table db.t {rows, columns} (DDL)"},
	{"ALTER TABLE t RENAME COLUMN a TO b", "exact: ALTER TABLE RENAME COLUMN | alter table db.t {columns} (DDL)"},
	{"ALTER TABLE t RENAME a TO b", "exact: ALTER TABLE RENAME COLUMN | alter table db.t {columns} (DDL)"},
	{"ALTER TABLE t MODIFY COLUMN a STRING NOT NULL DEFAULT 'x', COLUMN b INT", "flashback: ALTER TABLE MODIFY COLUMN | alter table db.t {rows, columns, column comments} (DDL)"},
	{"ALTER TABLE t MODIFY a COMMENT 'x'", "exact: ALTER TABLE MODIFY COLUMN COMMENT | alter table db.t {column comments} (DDL)"},
	{"ALTER TABLE t MODIFY COLUMN a SET MASKING POLICY m USING (a, b)", "redefine: ALTER TABLE SET MASKING POLICY | alter table db.t {attachments} < masking policy m (DDL needs masking policies)"},
	{"ALTER TABLE t MODIFY COLUMN a UNSET MASKING POLICY", "redefine: ALTER TABLE UNSET MASKING POLICY | alter table db.t {attachments} (DDL needs masking policies)"},
	{"ALTER TABLE t MODIFY COLUMN a DROP STORED", "flashback: ALTER TABLE MODIFY COLUMN | alter table db.t {rows, columns, column comments} (DDL)"},
	{"ALTER TABLE t COMMENT = 'x'", "exact: ALTER TABLE COMMENT | alter table db.t {comment} (DDL)"},
	{"ALTER TABLE t CLUSTER BY LINEAR (a)", "exact: ALTER TABLE CLUSTER BY | alter table db.t {cluster key} (DDL)"},
	{"ALTER TABLE t DROP CLUSTER KEY", "exact: ALTER TABLE DROP CLUSTER KEY | alter table db.t {cluster key} (DDL)"},
	{"ALTER TABLE t PARTITION BY (a)", "irreversible: ALTER TABLE PARTITION BY | alter table db.t {layout} (DDL)"},
	{"ALTER TABLE t RECLUSTER FINAL WHERE a > 1", "exact: ALTER TABLE RECLUSTER | alter table db.t {layout} (DDL)"},
	{"ALTER TABLE t FLASHBACK TO (SNAPSHOT => 'x')", "irreversible: ALTER TABLE FLASHBACK | alter table db.t {rows, columns, cluster key} (DDL)"},
	{"ALTER TABLE t SET OPTIONS (data_retention_period_in_hours = 1)", "exact: ALTER TABLE SET OPTIONS | alter table db.t {options} (DDL retention)"},
	{"ALTER TABLE t UNSET OPTIONS (bloom_index_columns)", "exact: ALTER TABLE UNSET OPTIONS | alter table db.t {options} (DDL)"},
	{"ALTER TABLE t REFRESH CACHE", "none: ALTER TABLE REFRESH CACHE (DDL)"},
	{"ALTER TABLE t CONNECTION = (ACCESS_KEY_ID = 'x')", "irreversible: ALTER TABLE CONNECTION | alter table db.t {text} (DDL)"},
	{"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 1)", "exact: ALTER TABLE ADD CONSTRAINT | alter table db.t {constraints} (DDL)"},
	{"ALTER TABLE t ADD check INT", "exact: ALTER TABLE ADD COLUMN | alter table db.t {columns} (DDL)"},
	{"ALTER TABLE t DROP constraint", "flashback: ALTER TABLE DROP COLUMN | alter table db.t {rows, columns} (DDL)"},
	{"ALTER TABLE t ADD CHECK (a > 1)", "exact: ALTER TABLE ADD CONSTRAINT | alter table db.t {constraints} (DDL)"},
	{"ALTER TABLE t DROP CONSTRAINT c", "exact: ALTER TABLE DROP CONSTRAINT | alter table db.t {constraints} (DDL)"},
	{"ALTER TABLE t ADD ROW ACCESS POLICY p ON (a)", "redefine: ALTER TABLE ADD ROW ACCESS POLICY | alter table db.t {attachments} < row access policy p (DDL needs row access policies)"},
	{"ALTER TABLE t DROP ROW ACCESS POLICY p", "redefine: ALTER TABLE DROP ROW ACCESS POLICY | alter table db.t {attachments} < row access policy p (DDL needs row access policies)"},
	{"ALTER TABLE t DROP ALL ROW ACCESS POLICIES", "redefine: ALTER TABLE DROP ALL ROW ACCESS POLICIES | alter table db.t {attachments} (DDL needs row access policies)"},
	{"ALTER TABLE t CREATE BRANCH b", "irreversible: ALTER TABLE BRANCH OR TAG | alter table db.t {attachments} (DDL needs tags and branches of tables)"},
	{"ALTER TABLE t CREATE TAG v RETAIN 3 DAYS", "irreversible: ALTER TABLE BRANCH OR TAG | alter table db.t {attachments} (DDL needs tags and branches of tables)"},
	{"ALTER TABLE t DROP BRANCH b", "irreversible: ALTER TABLE BRANCH OR TAG | alter table db.t {attachments} (DDL needs tags and branches of tables)"},
	{"ALTER TABLE t DROP TAG v", "irreversible: ALTER TABLE BRANCH OR TAG | alter table db.t {attachments} (DDL needs tags and branches of tables)"},
	{"ALTER TABLE t SET TAG k = 'v'", "redefine: ALTER TABLE TAG | alter table db.t {attachments} (DDL)"},
	{"ALTER TABLE t UNSET TAG k", "redefine: ALTER TABLE TAG | alter table db.t {attachments} (DDL)"},
	{"ALTER TABLE t/b DROP COLUMN c", "irreversible: ALTER TABLE (unknown DDL)"},
	{"ALTER TABLE t EXPLODE", "irreversible: ALTER TABLE (unknown DDL)"},
	{"COMMENT ON TABLE x.t IS 'c'", "exact: COMMENT ON TABLE | alter table x.t {comment} (DDL)"},
	{"COMMENT IF EXISTS ON COLUMN x.t.a IS 'c'", "exact: COMMENT ON COLUMN | alter table x.t {column comments} (DDL)"},
	{"COMMENT ON NETWORK POLICY p IS 'c'", "redefine: COMMENT ON NETWORK POLICY | alter network policy p {comment} (DDL)"},
	{"COMMENT ON PASSWORD POLICY p IS 'c'", "redefine: COMMENT ON PASSWORD POLICY | alter password policy p {comment} (DDL)"},
	{"OPTIMIZE TABLE t COMPACT SEGMENT", "exact: OPTIMIZE TABLE COMPACT | alter table db.t {layout}"},
	{"OPTIMIZE TABLE t PURGE BEFORE (SNAPSHOT => 'x')", "irreversible: OPTIMIZE TABLE PURGE | alter table db.t {rows, layout}"},
	{"OPTIMIZE TABLE t ALL", "irreversible: OPTIMIZE TABLE ALL | alter table db.t {rows, layout}"},
	{"ANALYZE TABLE t NOSCAN", "exact: ANALYZE TABLE | alter table db.t {layout}"},
	{"VACUUM TABLE t", "irreversible: VACUUM TABLE | alter table db.t {rows} (needs VACUUM statements)"},
	{"VACUUM TABLE t DRY RUN SUMMARY", "none: VACUUM TABLE DRY RUN (needs VACUUM statements)"},
	{"VACUUM DROP TABLE FROM x", "irreversible: VACUUM DROP TABLE | drop unknown dropped tables of x {rows} (needs VACUUM statements)"},
	{"VACUUM TEMPORARY FILES", "irreversible: VACUUM TEMPORARY FILES | drop unknown temporary files {rows} (needs VACUUM statements)"},
	{"VACUUM TEMPORARY TABLES", "irreversible: VACUUM TEMPORARY TABLES | drop unknown temporary files {rows} (needs VACUUM statements)"},
	{"VACUUM VIRTUAL COLUMN FROM t", "irreversible: VACUUM VIRTUAL COLUMN | alter table db.t {rows} (needs VACUUM statements)"},
	{"CREATE VIEW v (a, b) AS WITH q AS (SELECT * FROM t) SELECT * FROM q", "exact: CREATE VIEW | create table db.v < table db.t (DDL plain)"},
	{"CREATE OR REPLACE VIEW v AS SELECT * FROM t", "exact: CREATE OR REPLACE VIEW | create or replace table db.v < table db.t (DDL)"},
	{"CREATE VIEW v AS FROM t", "exact: CREATE VIEW | create table db.v < table db.t (DDL plain)"},
	{"CREATE VIEW IF NOT EXISTS x.v AS SELECT 1", "exact: CREATE VIEW | create if not exists table x.v (DDL)"},
	{"ALTER VIEW v AS SELECT * FROM u", "exact: ALTER VIEW | alter table db.v {columns, text} < table db.u (DDL)"},
	{"ALTER VIEW v SET TAG k = 'v'", "redefine: ALTER VIEW TAG | alter table db.v {attachments} (DDL)"},
	{"DROP VIEW IF EXISTS v", "exact: DROP VIEW | drop table db.v (DDL)"},
	{"CREATE MATERIALIZED VIEW v CLUSTER BY (a) AS SELECT * FROM t", "exact: CREATE MATERIALIZED VIEW | create table db.v < table db.t (DDL needs materialized views)"},
	{"CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT * FROM t", "redefine: CREATE OR REPLACE MATERIALIZED VIEW | create or replace table db.v < table db.t (DDL needs materialized views)"},
	{"ALTER MATERIALIZED VIEW v COMMENT = 'c'", "redefine: ALTER MATERIALIZED VIEW COMMENT | alter table db.v {comment} (DDL needs materialized views)"},
	{"ALTER MATERIALIZED VIEW v REFRESH CACHE", "none: ALTER MATERIALIZED VIEW REFRESH CACHE (DDL needs materialized views)"},
	{"DROP MATERIALIZED VIEW v", "redefine: DROP MATERIALIZED VIEW | drop table db.v (DDL needs materialized views)"},
	{"REFRESH MATERIALIZED VIEW v", "exact: REFRESH MATERIALIZED VIEW | write table db.v {rows} (DDL needs materialized views)"},
	{"REFRESH LINEAGE FOR ALL VIEWS", "none: REFRESH LINEAGE"},
	{"CREATE STREAM s ON TABLE x.t APPEND_ONLY = FALSE COMMENT = 'c'", "exact: CREATE STREAM | create table db.s STREAM | alter table x.t {options} (DDL needs streams)"},
	{"CREATE OR REPLACE STREAM x.s ON TABLE t AT (STREAM => s2)", "exact: CREATE OR REPLACE STREAM | create or replace table x.s STREAM | alter table db.t {options} < table db.s2 (DDL needs streams)"},
	{"ALTER STREAM s SET TAG k = 'v'", "redefine: ALTER STREAM TAG | alter table db.s {attachments} STREAM (DDL needs streams)"},
	{"DROP STREAM IF EXISTS s", "exact: DROP STREAM | drop table db.s STREAM (DDL needs streams)"},
	{"CREATE INVERTED INDEX i ON t (a)", "exact: CREATE INVERTED INDEX | alter table db.t {indexes} (DDL)"},
	{"CREATE OR REPLACE ASYNC NGRAM INDEX i ON x.t (a) gram_size = 3", "exact: CREATE OR REPLACE NGRAM INDEX | alter table x.t {indexes} (DDL)"},
	{"CREATE VECTOR INDEX i ON t (e) distance = 'cosine'", "exact: CREATE VECTOR INDEX | alter table db.t {indexes} (DDL)"},
	{"CREATE SPATIAL INDEX i ON t (g)", "exact: CREATE SPATIAL INDEX | alter table db.t {indexes} (DDL)"},
	{"CREATE AGGREGATING INDEX i AS SELECT sum(a) FROM t", "exact: CREATE AGGREGATING INDEX | create index i | alter table db.t {indexes} (DDL)"},
	{"DROP VECTOR INDEX IF EXISTS i ON t", "exact: DROP VECTOR INDEX | alter table db.t {indexes} (DDL)"},
	{"DROP AGGREGATING INDEX i", "exact: DROP AGGREGATING INDEX | drop index i (DDL)"},
	{"REFRESH AGGREGATING INDEX i LIMIT 1", "exact: REFRESH AGGREGATING INDEX | alter index i {layout}"},
	{"REFRESH INVERTED INDEX i ON t", "exact: REFRESH INVERTED INDEX | alter table db.t {layout}"},
	{"REFRESH VIRTUAL COLUMN FOR t", "exact: REFRESH VIRTUAL COLUMN | alter table db.t {layout} (needs virtual columns refreshed by a statement)"},
	{"CREATE DATABASE IF NOT EXISTS MyDb", "exact: CREATE DATABASE | create if not exists database mydb (DDL)"},
	{"CREATE SCHEMA d", "exact: CREATE DATABASE | create database d (DDL plain)"},
	{"CREATE OR REPLACE DATABASE d", "exact: CREATE OR REPLACE DATABASE | create or replace database d (DDL)"},
	{"ALTER DATABASE d RENAME TO e", "exact: ALTER DATABASE RENAME | rename from database d | rename to database e (DDL)"},
	{"ALTER DATABASE d SET OPTIONS (default_storage_path = 'x')", "irreversible: ALTER DATABASE SET OPTIONS | alter database d {options} (DDL)"},
	{"ALTER DATABASE d SET TAG k = 'v'", "redefine: ALTER DATABASE TAG | alter database d {attachments} (DDL)"},
	{"ALTER DATABASE d REFRESH CACHE", "none: ALTER DATABASE REFRESH CACHE (DDL)"},
	{"DROP DATABASE IF EXISTS d", "exact: DROP DATABASE | drop database d (DDL)"},
	{"UNDROP DATABASE d", "exact: UNDROP DATABASE | undrop database d (DDL)"},
	{"CREATE CATALOG c TYPE = ICEBERG CONNECTION = (TYPE = 'rest')", "exact: CREATE CATALOG | create catalog c (DDL)"},
	{"DROP CATALOG c", "irreversible: DROP CATALOG | drop catalog c (DDL)"},
	{"CREATE CONNECTION c STORAGE_TYPE = 's3' ACCESS_KEY_ID = 'x'", "exact: CREATE CONNECTION | create connection c (DDL plain)"},
	{"CREATE CONNECTION IF NOT EXISTS c STORAGE_TYPE = 's3'", "exact: CREATE CONNECTION | create if not exists connection c (DDL)"},
	{"CREATE OR REPLACE CONNECTION c STORAGE_TYPE = 's3'", "redefine: CREATE OR REPLACE CONNECTION | create or replace connection c (DDL)"},
	{"ALTER CONNECTION c SET TAG k = 'v'", "redefine: ALTER CONNECTION TAG | alter connection c {attachments} (DDL)"},
	{"DROP CONNECTION c", "redefine: DROP CONNECTION | drop connection c (DDL)"},
	{"CREATE STAGE s", "exact: CREATE STAGE | create stage s (DDL plain)"},
	{"CREATE STAGE IF NOT EXISTS s URL = 's3://b/p/' CONNECTION = (CONNECTION_NAME = 'c') FILE_FORMAT = (FORMAT_NAME = 'f')", "exact: CREATE STAGE | create if not exists stage s < connection c, file format f (DDL)"},
	{"CREATE STAGE s 's3://b/p/'", "exact: CREATE STAGE | create stage s (DDL plain)"},
	{"CREATE OR REPLACE STAGE s FILE_FORMAT = (TYPE = 'CSV')", "irreversible: CREATE OR REPLACE STAGE | create or replace stage s {files} (DDL)"},
	{"CREATE OR REPLACE STAGE s URL = 's3://b/p/' CONNECTION = (CONNECTION_NAME = 'c')", "redefine: CREATE OR REPLACE STAGE | create or replace stage s {files} < connection c (DDL)"},
	{"ALTER STAGE s SET URL = 's3://b/p/' CONNECTION = (CONNECTION_NAME = 'c')", "redefine: ALTER STAGE | alter stage s {text} < connection c (DDL)"},
	{"ALTER STAGE s SET TAG k = 'v'", "redefine: ALTER STAGE TAG | alter stage s {attachments} (DDL)"},
	{"DROP STAGE IF EXISTS s", "redefine: DROP STAGE | drop stage s {files} (DDL)"},
	{"CREATE FILE FORMAT f TYPE = CSV FIELD_DELIMITER = ';'", "exact: CREATE FILE FORMAT | create file format f (DDL plain)"},
	{"CREATE OR REPLACE FILE FORMAT f TYPE = CSV", "redefine: CREATE OR REPLACE FILE FORMAT | create or replace file format f (DDL)"},
	{"DROP FILE FORMAT IF EXISTS f", "redefine: DROP FILE FORMAT | drop file format f (DDL)"},
	{"CREATE FUNCTION f AS (x) -> x + 1", "exact: CREATE FUNCTION | create function f (DDL plain)"},
	{"CREATE OR REPLACE FUNCTION f (a INT) RETURNS INT LANGUAGE python HANDLER = 'h' AS $$ def h(a): return a $$", "redefine: CREATE OR REPLACE FUNCTION | create or replace function f (DDL)"},
	{"CREATE FUNCTION f () RETURNS TABLE (a INT) AS $$ SELECT 1 $$", "exact: CREATE FUNCTION | create function f (DDL plain)"},
	{"ALTER FUNCTION f AS (x) -> x", "redefine: ALTER FUNCTION | alter function f {text} (DDL)"},
	{"ALTER FUNCTION f SET TAG k = 'v'", "redefine: ALTER FUNCTION TAG | alter function f {attachments} (DDL)"},
	{"DROP FUNCTION f", "redefine: DROP FUNCTION | drop function f (DDL)"},
	{"CREATE PROCEDURE p(a INT, b DECIMAL(10, 2)) RETURNS INT NOT NULL LANGUAGE SQL AS $$ BEGIN RETURN 1; END; $$", "exact: CREATE PROCEDURE | create procedure p(INT32, DECIMAL(10, 2)) (DDL plain)"},
	{"CREATE OR REPLACE PROCEDURE p() RETURNS TABLE (a INT) LANGUAGE SQL AS $$ BEGIN RETURN 1; END; $$", "redefine: CREATE OR REPLACE PROCEDURE | create or replace procedure p() (DDL)"},
	{"ALTER PROCEDURE p(INT) SET TAG k = 'v'", "redefine: ALTER PROCEDURE TAG | alter procedure p(INT32) {attachments} (DDL)"},
	{"DROP PROCEDURE IF EXISTS p(TUPLE)", "irreversible: DROP PROCEDURE (unknown DDL)"},
	{"DROP PROCEDURE p(integer, decimal(10,2))", "redefine: DROP PROCEDURE | drop procedure p(INT32, DECIMAL(10, 2)) (DDL)"},
	{"CALL PROCEDURE p(1)", "irreversible: CALL PROCEDURE < procedure p (unknown)"},
	{"CALL system$fuse_gc('x')", "irreversible: CALL (unknown)"},
	{"CREATE SEQUENCE s START = 5 INCREMENT = 2", "exact: CREATE SEQUENCE | create sequence s (DDL plain)"},
	{"CREATE OR REPLACE SEQUENCE s", "redefine: CREATE OR REPLACE SEQUENCE | create or replace sequence s (DDL)"},
	{"DROP SEQUENCE IF EXISTS s", "exact: DROP SEQUENCE | drop sequence s (DDL)"},
	{"CREATE TASK t WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS INSERT INTO a SELECT * FROM b", "exact: CREATE TASK | create task t < table db.a, table db.b (DDL needs tasks)"},
	{"CREATE TASK t AFTER 'x', 'y' WHEN STREAM_STATUS('d.s') AS BEGIN BEGIN; INSERT INTO a SELECT * FROM s; COPY INTO c FROM @st; COMMIT; END", "exact: CREATE TASK | create task t < task x, task y, table d.s, table db.a, table db.s, table db.c, stage st (DDL needs tasks)"},
	{"CREATE OR REPLACE TASK t AS SELECT 1", "redefine: CREATE OR REPLACE TASK | create or replace task t (DDL needs tasks)"},
	{"ALTER TASK t RESUME", "redefine: ALTER TASK RESUME | alter task t {text} (DDL needs tasks)"},
	{"ALTER TASK t SUSPEND", "redefine: ALTER TASK SUSPEND | alter task t {text} (DDL needs tasks)"},
	{"ALTER TASK t SET WAREHOUSE = 'w'", "redefine: ALTER TASK SET | alter task t {text} (DDL needs tasks)"},
	{"ALTER TASK t MODIFY AS DELETE FROM a", "redefine: ALTER TASK MODIFY | alter task t {text} < table db.a (DDL needs tasks)"},
	{"ALTER TASK t ADD AFTER 'x'", "redefine: ALTER TASK ADD | alter task t {text} < task x (DDL needs tasks)"},
	{"EXECUTE TASK t", "irreversible: EXECUTE TASK < task t (unknown needs tasks)"},
	{"DROP TASK IF EXISTS t", "redefine: DROP TASK | drop task t (DDL needs tasks)"},
	{"CREATE PIPE p AUTO_INGEST = TRUE AS COPY INTO t FROM @s", "exact: CREATE PIPE | create pipe p < table db.t, stage s (DDL)"},
	{"ALTER PIPE p SET PIPE_EXECUTION_PAUSED = TRUE", "redefine: ALTER PIPE | alter pipe p {text} (DDL)"},
	{"ALTER PIPE p REFRESH", "irreversible: ALTER PIPE REFRESH | alter pipe p {text} (unknown DDL)"},
	{"DROP PIPE p", "redefine: DROP PIPE | drop pipe p (DDL)"},
	{"CREATE DICTIONARY d (a INT, b INT) PRIMARY KEY a SOURCE (MYSQL (host = 'h' password = 'p'))", "exact: CREATE DICTIONARY | create dictionary db.d (DDL)"},
	{"CREATE OR REPLACE DICTIONARY x.d (a INT) PRIMARY KEY a SOURCE (REDIS (host = 'h'))", "redefine: CREATE OR REPLACE DICTIONARY | create or replace dictionary x.d (DDL)"},
	{"RENAME DICTIONARY d TO x.e", "redefine: RENAME DICTIONARY | rename from dictionary db.d | rename to dictionary x.e (DDL)"},
	{"DROP DICTIONARY d", "redefine: DROP DICTIONARY | drop dictionary db.d (DDL)"},
	{"CREATE USER u IDENTIFIED BY 'x' WITH DEFAULT_ROLE = 'r'", "exact: CREATE USER | create user u (DDL)"},
	{"CREATE OR REPLACE USER 'u'@'%' IDENTIFIED WITH NO_PASSWORD", "irreversible: CREATE OR REPLACE USER | create or replace user u (DDL)"},
	{"ALTER USER u IDENTIFIED BY 'x'", "irreversible: ALTER USER | alter user u {text} (DDL)"},
	{"ALTER USER u WITH DISABLED = TRUE", "redefine: ALTER USER | alter user u {text} (DDL)"},
	{"ALTER USER u WITH TENANTSETTING", "irreversible: ALTER USER | alter user u {text} (DDL)"},
	{"ALTER USER USER() WITH DEFAULT_ROLE = 'r'", "irreversible: ALTER USER | alter user current_user() {text} (DDL)"},
	{"ALTER USER USER() IDENTIFIED BY 'x'", "irreversible: ALTER USER | alter user current_user() {text} (DDL)"},
	{"ALTER USER u SET TAG k = 'v'", "redefine: ALTER USER TAG | alter user u {attachments} (DDL)"},
	{"DROP USER u", "irreversible: DROP USER | drop user u (DDL)"},
	{"CREATE ROLE IF NOT EXISTS r", "exact: CREATE ROLE | create if not exists role r (DDL)"},
	{"ALTER ROLE r SET COMMENT = 'c'", "irreversible: ALTER ROLE | alter role r {text} (DDL)"},
	{"DROP ROLE r", "redefine: DROP ROLE | drop role r (DDL)"},
	{"GRANT SELECT, INSERT ON x.t TO ROLE r", "redefine: GRANT | alter grant ROLE r {grants} < table x.t, role r (DDL)"},
	{"GRANT ALL PRIVILEGES ON *.* TO USER u", "redefine: GRANT | alter grant USER u {grants} < user u (DDL)"},
	{"GRANT USAGE ON UDF f TO ROLE r", "redefine: GRANT | alter grant ROLE r {grants} < function f, role r (DDL)"},
	{"GRANT USAGE ON x.* TO role", "redefine: GRANT | alter grant USER role {grants} < database x, user role (DDL)"},
	{"REVOKE USAGE ON x.* FROM USER user", "redefine: REVOKE | alter grant USER user {grants} < database x, user user (DDL)"},
	{"GRANT WRITE ON STAGE s TO 'u'", "redefine: GRANT | alter grant USER u {grants} < stage s, user u (DDL)"},
	{"GRANT OWNERSHIP ON x.* TO ROLE r", "redefine: GRANT OWNERSHIP | alter grant ROLE r {grants} | alter database x {owner} < role r (DDL)"},
	{"GRANT OWNERSHIP ON t TO ROLE r", "redefine: GRANT OWNERSHIP | alter grant ROLE r {grants} | alter table db.t {owner} < role r (DDL)"},
	{"GRANT OWNERSHIP ON STAGE s TO ROLE r", "redefine: GRANT OWNERSHIP | alter grant ROLE r {grants} | alter stage s {owner} < role r (DDL)"},
	{"GRANT OWNERSHIP ON UDF f TO ROLE r", "redefine: GRANT OWNERSHIP | alter grant ROLE r {grants} | alter function f {owner} < role r (DDL)"},
	{"GRANT OWNERSHIP ON * TO ROLE r", "irreversible: GRANT OWNERSHIP | alter grant ROLE r {grants} < role r (DDL)"},
	{"GRANT ACCESS CONNECTION ON CONNECTION c TO ROLE r", "redefine: GRANT | alter grant ROLE r {grants} < connection c, role r (DDL)"},
	{"GRANT ROLE a TO ROLE r", "redefine: GRANT ROLE | alter grant ROLE r {grants} < role a, role r (DDL)"},
	{"REVOKE ROLE a FROM u", "redefine: REVOKE ROLE | alter grant USER u {grants} < user u (DDL)"},
	{"REVOKE SELECT ON t FROM ROLE r", "redefine: REVOKE | alter grant ROLE r {grants} < table db.t, role r (DDL)"},
	{"CREATE MASKING POLICY m AS (v STRING) RETURNS STRING -> '*'", "exact: CREATE MASKING POLICY | create masking policy m (DDL needs masking policies)"},
	{"DROP MASKING POLICY m", "redefine: DROP MASKING POLICY | drop masking policy m (DDL needs masking policies)"},
	{"CREATE ROW ACCESS POLICY p AS (a INT) RETURNS BOOLEAN -> true", "exact: CREATE ROW ACCESS POLICY | create row access policy p (DDL needs row access policies)"},
	{"DROP ROW ACCESS POLICY p", "redefine: DROP ROW ACCESS POLICY | drop row access policy p (DDL needs row access policies)"},
	{"CREATE NETWORK POLICY p ALLOWED_IP_LIST = ('1.1.1.1')", "exact: CREATE NETWORK POLICY | create network policy p (DDL)"},
	{"CREATE OR REPLACE NETWORK POLICY p ALLOWED_IP_LIST = ()", "redefine: CREATE OR REPLACE NETWORK POLICY | create or replace network policy p (DDL)"},
	{"ALTER NETWORK POLICY p SET COMMENT = 'c'", "redefine: ALTER NETWORK POLICY | alter network policy p {text} (DDL)"},
	{"DROP NETWORK POLICY p", "redefine: DROP NETWORK POLICY | drop network policy p (DDL)"},
	{"CREATE PASSWORD POLICY p PASSWORD_MIN_LENGTH = 8", "exact: CREATE PASSWORD POLICY | create password policy p (DDL)"},
	{"ALTER PASSWORD POLICY p SET PASSWORD_MIN_LENGTH = 9", "redefine: ALTER PASSWORD POLICY | alter password policy p {text} (DDL)"},
	{"DROP PASSWORD POLICY p", "redefine: DROP PASSWORD POLICY | drop password policy p (DDL)"},
	{"CREATE TABLE t (a INT, b BIGINT AS (a + 1) STORED, c BIGINT AS (a) VIRTUAL)", "exact: CREATE TABLE | create table db.t (DDL plain needs computed columns)"},
	{"CREATE TABLE t (stored INT, virtual INT) AS SELECT (1) AS stored, 2 AS virtual", "exact: CREATE TABLE AS SELECT | create table db.t {rows} (DDL consumes)"},
	{"CREATE TAG t ALLOWED_VALUES = ('a')", "exact: CREATE TAG | create tag t (DDL)"},
	{"DROP TAG t", "redefine: DROP TAG | drop tag t (DDL)"},
	{"CREATE NOTIFICATION INTEGRATION n TYPE = WEBHOOK ENABLED = TRUE", "exact: CREATE NOTIFICATION INTEGRATION | create notification integration n (DDL needs notification integrations)"},
	{"ALTER NOTIFICATION INTEGRATION n SET ENABLED = FALSE", "redefine: ALTER NOTIFICATION INTEGRATION | alter notification integration n {text} (DDL needs notification integrations)"},
	{"DROP NOTIFICATION INTEGRATION n", "redefine: DROP NOTIFICATION INTEGRATION | drop notification integration n (DDL needs notification integrations)"},
	{"CREATE WAREHOUSE w WITH warehouse_size = 'small'", "irreversible: CREATE WAREHOUSE | create warehouse w (DDL)"},
	{"ALTER WAREHOUSE w ADD CLUSTER c", "irreversible: ALTER WAREHOUSE | alter warehouse w {text} (DDL)"},
	{"RENAME WAREHOUSE w TO x", "irreversible: RENAME WAREHOUSE | alter warehouse w {text} (DDL)"},
	{"SUSPEND WAREHOUSE w", "irreversible: SUSPEND WAREHOUSE | alter warehouse w {text} (DDL)"},
	{"RESUME WAREHOUSE w", "irreversible: RESUME WAREHOUSE | alter warehouse w {text} (DDL)"},
	{"DROP WAREHOUSE w", "irreversible: DROP WAREHOUSE | drop warehouse w (DDL)"},
	{"CREATE WORKER w", "irreversible: CREATE WORKER | create worker w (DDL)"},
	{"ALTER WORKER w SUSPEND", "irreversible: ALTER WORKER | alter worker w {text} (DDL)"},
	{"DROP WORKER w", "irreversible: DROP WORKER | drop worker w (DDL)"},
	{"CREATE WORKLOAD GROUP g WITH cpu_quota = '50%'", "irreversible: CREATE WORKLOAD GROUP | create workload group g (DDL needs workload groups)"},
	{"ALTER WORKLOAD GROUP g SET cpu_quota = '60%'", "irreversible: ALTER WORKLOAD GROUP | alter workload group g {text} (DDL needs workload groups)"},
	{"RENAME WORKLOAD GROUP g TO h", "irreversible: RENAME WORKLOAD GROUP | rename from workload group g | rename to workload group h (DDL needs workload groups)"},
	{"DROP WORKLOAD GROUP g", "irreversible: DROP WORKLOAD GROUP | drop workload group g (DDL needs workload groups)"},
	{"KILL QUERY 'x'", "irreversible: KILL | alter unknown a running query or connection {text}"},
	{"SYSTEM ENABLE EXCEPTION_BACKTRACE", "irreversible: SYSTEM | alter unknown the server {text}"},
	{"EXECUTE IMMEDIATE $$ BEGIN DROP TABLE t; END; $$", "irreversible: EXECUTE IMMEDIATE (unknown)"},
	{"BEGIN DROP TABLE t; END", "irreversible: SCRIPT (unknown)"},
	{"DECLARE x INT; BEGIN RETURN x; END", "irreversible: SCRIPT (unknown)"},
	{"REPORT ISSUE SELECT 1", "irreversible: REPORT (unknown)"},
	{"SELECT 1; SELECT 2", "irreversible: UNKNOWN (unknown)"},
	{"SELECT 'a", "irreversible: UNKNOWN (unknown)"},
	{"CREATE TABLE ΟΔΟΣ (a INT)", "irreversible: UNKNOWN (unknown)"},
	{"DROP TABLE İZMIR", "irreversible: UNKNOWN (unknown)"},
	{"DROP TABLE `ΟΔΟΣ`", "exact: DROP TABLE | drop table db.ΟΔΟΣ (DDL)"},
	{"FROBNICATE t", "irreversible: FROBNICATE (unknown)"},
	{"", "none: EMPTY"},
}

func TestAnalyze(t *testing.T) {
	t.Parallel()
	for _, test := range effects {
		e := Analyze(test.sql, "db")
		if diff := cmp.Diff(summary(e), test.want); diff != "" {
			t.Errorf("Analyze(%q) (-got +want):\n%s", test.sql, diff)
		}
		switch {
		case e.Kind == "" || e.Reason == "":
			t.Errorf("Analyze(%q): no kind or reason: %+v", test.sql, e)
		case e.Class == None && len(e.Writes) > 0, e.Class != None && len(e.Writes) == 0 && !e.Unknown:
			t.Errorf("Analyze(%q): class %s with writes %v", test.sql, e.Class, e.Writes)
		case (e.Class == Irreversible || e.Class == None) != (e.Undo == ""):
			t.Errorf("Analyze(%q): class %s with undo %q", test.sql, e.Class, e.Undo)
		}
	}
}

// TestAnalyzeIgnoresLayout shows that white space, comments, hints and a semicolon change nothing.
func TestAnalyzeIgnoresLayout(t *testing.T) {
	t.Parallel()
	for _, test := range effects {
		tokens, err := sqltext.Scan(test.sql)
		if err != nil {
			continue
		}
		var b strings.Builder
		for _, k := range tokens {
			text := test.sql[k.Start:k.End]
			if k.Kind == sqltext.Space {
				text = " /* x; */ -- 'y\n /*+ SET_VAR(a = 1) */ "
			}
			b.WriteString(text)
		}
		if got := summary(Analyze("-- z\n"+b.String()+" ; ", "db")); got != test.want {
			t.Errorf("Analyze(%q): got %s, want %s", b.String(), got, test.want)
		}
	}
}

func TestAnalyzeFollowsFolding(t *testing.T) {
	t.Parallel()
	tests := []struct {
		sql  string
		want sqltext.Object
		text string // how it is written
	}{
		{"CREATE TABLE MyDb.MyTable (a INT)", sqltext.Object{Kind: sqltext.Table, Database: "mydb", Name: "mytable"}, "`mydb`.`mytable`"},
		{"CREATE TABLE \"MyDb\".`My Table` (a INT)", sqltext.Object{Kind: sqltext.Table, Database: "MyDb", Name: "My Table"}, "`MyDb`.`My Table`"},
		{"CREATE TABLE default.x.T (a INT)", sqltext.Object{Kind: sqltext.Table, Database: "x", Name: "t"}, "`x`.`t`"},
		{"CREATE CONNECTION MyConn STORAGE_TYPE = 's3'", sqltext.Object{Kind: sqltext.Connection, Name: "MyConn"}, "MyConn"},
		{"CREATE CONNECTION \"MyConn\" STORAGE_TYPE = 's3'", sqltext.Object{Kind: sqltext.Connection, Name: "\"MyConn\""}, "\"MyConn\""},
		{"CREATE STAGE MyStage", sqltext.Object{Kind: sqltext.Stage, Name: "MyStage"}, "MyStage"},
		{"CREATE FUNCTION MyFn AS (x) -> x", sqltext.Object{Kind: sqltext.Function, Name: "myfn"}, "myfn"},
		{"CREATE FUNCTION \"MyFn\" AS (x) -> x", sqltext.Object{Kind: sqltext.Function, Name: "\"MyFn\""}, "\"MyFn\""},
		{"CREATE SEQUENCE MySeq", sqltext.Object{Kind: sqltext.Sequence, Name: "myseq"}, "`myseq`"},
		{"CREATE ROLE \"MyRole\"", sqltext.Object{Kind: sqltext.Role, Name: "MyRole"}, "`MyRole`"},
		{"CREATE USER 'My''User' IDENTIFIED BY 'x'", sqltext.Object{Kind: sqltext.User, Name: "My'User"}, `'My\'User'`},
		{"DROP PROCEDURE P(int, Decimal(10,2))", sqltext.Object{Kind: sqltext.Procedure, Name: "P", Args: "(INT32, DECIMAL(10, 2))"}, "P(INT32, DECIMAL(10, 2))"},
		{"REMOVE @s/a", sqltext.Object{Kind: sqltext.StageFiles, Name: "s/a"}, "'@s/a'"},
	}
	for _, test := range tests {
		e := Analyze(test.sql, "db")
		if len(e.Writes) == 0 || e.Writes[0].Object != test.want {
			t.Errorf("Analyze(%q): got %v, want %v", test.sql, e.Writes, test.want)
			continue
		}
		if got := test.want.SQL(); got != test.text {
			t.Errorf("SQL of %v: got %s, want %s", test.want, got, test.text)
		}
	}
}

func TestAccountWide(t *testing.T) {
	t.Parallel()
	wide := []sqltext.ObjectKind{sqltext.Database, sqltext.Index, sqltext.Stage, sqltext.Connection, sqltext.FileFormat, sqltext.Function, sqltext.Procedure, sqltext.Sequence, sqltext.Task, sqltext.Pipe, sqltext.Role, sqltext.User, sqltext.Grant, sqltext.MaskingPolicy, sqltext.RowPolicy, sqltext.NetworkPolicy, sqltext.PasswdPolicy, sqltext.Tag, sqltext.Setting, sqltext.Notification, sqltext.Warehouse, sqltext.Worker, sqltext.WorkloadGroup, sqltext.Catalog}
	for _, kind := range append(slices.Clone(wide), sqltext.Table, sqltext.Dictionary, sqltext.StageFiles, sqltext.Unknown) {
		if got, want := (sqltext.Object{Kind: kind}).AccountWide(), slices.Contains(wide, kind); got != want {
			t.Errorf("AccountWide of %s: got %v, want %v", kind, got, want)
		}
	}
}

// columns is what a statement does to columns: "rename: a to b".
func columns(w Write) string {
	var parts []string
	for _, c := range w.Columns {
		text := c.Name
		if c.NewName != "" {
			text += " to " + c.NewName
		}
		if c.Comment != "" {
			text += " -- " + c.Comment
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	return []string{"other", "create", "add", "drop", "rename", "modify", "comment"}[w.Change] + ": " + strings.Join(parts, "; ")
}

// TestWriteDetails is about what a statement says of the one object that it writes.
func TestWriteDetails(t *testing.T) {
	t.Parallel()
	type details struct {
		Columns  string // name, new name and comment of each
		Derived  bool
		Engine   string
		Options  []Option
		Start    string
		Internal bool
		If       bool
		Grant    *Grant
		Note     string
		Indexes  []Named
		Checks   []Named
	}
	for stmt, want := range map[string]details{
		"ALTER TABLE t ADD c INT":                          {Columns: "add: c"},
		"ALTER TABLE t ADD COLUMN IF NOT EXISTS C INT":     {Columns: "add: c", If: true},
		`ALTER TABLE t DROP COLUMN "C"`:                    {Columns: "drop: C"},
		"ALTER TABLE IF EXISTS t RENAME COLUMN a TO `B c`": {Columns: "rename: a to B c", If: true},
		"ALTER TABLE t MODIFY COLUMN a DECIMAL(10, 2) COMMENT ',', b INT": {
			Columns: "modify: a -- ,; b",
		},
		"ALTER TABLE t MODIFY a COMMENT 'x, COLUMN y', COLUMN b COMMENT 'z'": {
			Columns: "comment: a -- x, COLUMN y; b -- z",
		},
		"COMMENT ON COLUMN x.t.a IS 'c'":                                            {Columns: "comment: a -- c"},
		"ALTER TABLE t COMMENT = 'x'":                                               {Note: "x"},
		"COMMENT ON TABLE t IS 'the engine = x'":                                    {Note: "the engine = x"},
		"CREATE INVERTED INDEX i ON t (a) index_record = 'basic'":                   {Indexes: []Named{{Name: "i"}}},
		"DROP NGRAM INDEX IF EXISTS i ON t":                                         {Indexes: []Named{{"i", true}}, If: true},
		"ALTER TABLE t ADD CONSTRAINT K CHECK (a > 1)":                              {Checks: []Named{{Name: "k"}}},
		"ALTER TABLE t ADD CHECK (a > 1)":                                           {Checks: []Named{{}}},
		"ALTER TABLE t DROP CONSTRAINT `K k`":                                       {Checks: []Named{{"K k", true}}},
		"GRANT SELECT, CREATE TABLE ON t TO ROLE r":                                 {Grant: &Grant{Privileges: []string{"SELECT", "CREATE TABLE"}, On: "db.t", Of: sqltext.Object{Kind: sqltext.Table, Database: "db", Name: "t"}}},
		"GRANT ALL PRIVILEGES ON *.* TO u":                                          {Grant: &Grant{Privileges: []string{"ALL"}, On: "*.*"}},
		"REVOKE INSERT ON default.`D d`.* FROM ROLE r":                              {Grant: &Grant{Revoke: true, Privileges: []string{"INSERT"}, On: "D d.*", Of: sqltext.Object{Kind: sqltext.Database, Name: "D d"}}},
		"GRANT WRITE ON STAGE s TO ROLE r":                                          {Grant: &Grant{Privileges: []string{"WRITE"}, On: "STAGE s"}},
		"GRANT ROLE a TO ROLE r":                                                    {Grant: &Grant{Role: "a"}},
		"GRANT SELECT ON stage.t TO ROLE r":                                         {Grant: &Grant{Privileges: []string{"SELECT"}, On: "stage.t", Of: sqltext.Object{Kind: sqltext.Table, Database: "stage", Name: "t"}}},
		"GRANT SELECT ON task TO ROLE r":                                            {Grant: &Grant{Privileges: []string{"SELECT"}, On: "db.task", Of: sqltext.Object{Kind: sqltext.Table, Database: "db", Name: "task"}}},
		"DROP TABLE IF EXISTS t":                                                    {If: true},
		"ALTER TABLE t SET OPTIONS (Block_Per_Segment = 1, file_size = 'a, b = c')": {Options: []Option{{"BLOCK_PER_SEGMENT", "1", false}, {"FILE_SIZE", "a, b = c", false}}},
		"ALTER TABLE t UNSET OPTIONS (file_size, Row_Per_Block)":                    {Options: []Option{{"FILE_SIZE", "", true}, {"ROW_PER_BLOCK", "", true}}},
		"CREATE OR REPLACE TABLE t (a INT, B DECIMAL(10, 2) DEFAULT f(x, y), INVERTED INDEX i (a), \"C d\" INT)": {
			Columns: "create: a; b; C d",
			Indexes: []Named{{Name: "i"}},
		},
		"CREATE TABLE t (a INT CHECK (a > 1), b INT, CONSTRAINT K CHECK (b > a)) ROW_PER_BLOCK = 5000, bloom_index_columns = 'a'": {
			Columns: "create: a; b", Checks: []Named{{}, {Name: "k"}},
			Options: []Option{{"ROW_PER_BLOCK", "5000", false}, {"BLOOM_INDEX_COLUMNS", "a", false}},
		},
		"CREATE TABLE t (a DECIMAL(9), index VARCHAR(20), constraint INT)":               {Columns: "create: a; index; constraint"},
		"CREATE TABLE t (a INT COMMENT 'the engine = diesel') COMMENT = 'engine=memory'": {Columns: "create: a -- the engine = diesel"},
		"CREATE TABLE t (engine INT) Engine = Memory COMMENT = 'engine=fuse'":            {Columns: "create: engine", Engine: "MEMORY"},
		"CREATE TABLE t AS SELECT 1 AS engine":                                           {Derived: true},
		"CREATE TABLE t LIKE u ENGINE=FUSE":                                              {Derived: true, Engine: "FUSE"},
		"CREATE SEQUENCE s START WITH 7 COMMENT = 'start = 9'":                           {Start: "7"},
		"CREATE SEQUENCE s INCREMENT = 2":                                                {Start: "1"},
		"CREATE STAGE s COMMENT = 'URL of it'":                                           {Internal: true},
		"CREATE STAGE url_s":                                                             {Internal: true},
		"CREATE STAGE s URL = 's3://b/' CONNECTION = (CONNECTION_NAME = 'c')":            {},
		"CREATE STAGE s 's3://b/'":                                                       {},
	} {
		e := Analyze(stmt, "db")
		w := e.Writes[0]
		got := details{columns(w), w.Derived, w.Engine, w.Options, w.Start, w.Internal, e.If, w.Grant, w.Note, w.Indexes, w.Checks}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", stmt, diff)
		}
	}
}

// What fills a table is followed to where its rows come from: the ledger of loaded files goes that way.
func TestSources(t *testing.T) {
	t.Parallel()
	for stmt, want := range map[string]string{
		"CREATE OR REPLACE TABLE t CLUSTER BY (a) AS SELECT * FROM t":            "db.t",
		"CREATE TABLE n AS WITH q AS (SELECT * FROM t) SELECT * FROM q JOIN u":   "db.t, db.u",
		"CREATE TABLE n AS SELECT a FROM t WHERE a IN (SELECT a FROM x.\"V v\")": "db.t, x.V v",
		"CREATE TABLE n LIKE t":                                            "",
		"CREATE TABLE n (a STRING DEFAULT 'SELECT * FROM t')":              "",
		"INSERT INTO n SELECT * FROM t":                                    "db.t",
		"INSERT INTO t SELECT * FROM t":                                    "db.t",
		"INSERT INTO n VALUES (1)":                                         "",
		"INSERT OVERWRITE TABLE n SELECT * FROM t":                         "db.t",
		"INSERT ALL INTO n INTO m SELECT * FROM t":                         "db.t",
		"REPLACE INTO n ON (a) SELECT * FROM t":                            "db.t",
		"MERGE INTO n USING t ON n.a = t.a WHEN NOT MATCHED THEN INSERT *": "db.t",
		"CREATE VIEW v AS SELECT * FROM t":                                 "db.t",
		"ALTER VIEW v AS SELECT * FROM t":                                  "db.t",
		"UPDATE n SET a = 1 FROM t WHERE t.a = n.a":                        "",
		"DELETE FROM n WHERE a IN (SELECT a FROM t)":                       "",
		"COPY INTO n FROM @s/":                                             "",
	} {
		var got []string
		for _, o := range Analyze(stmt, "db").Sources {
			got = append(got, o.Database+"."+o.Name)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: got %v, want %s", stmt, got, want)
		}
	}
}

// FuzzAnalyze finds a text that Analyze cannot bear.
func FuzzAnalyze(f *testing.F) {
	for _, e := range effects {
		f.Add(e.sql)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if e := Analyze(src, "default"); e.Kind == "" || e.Class == "" {
			t.Fatalf("Analyze(%q): got %+v", src, e)
		}
	})
}

// BenchmarkParse reads the files of a large project: 5,000 in at most a second.
func BenchmarkParse(b *testing.B) {
	file := "-- +goose Up\n-- dbctl: allow=irreversible \"old data\"\nCREATE TABLE t (a INT NOT NULL COMMENT 'a;b', b STRING, c VECTOR(768), d VARIANT);\nALTER TABLE t ADD COLUMN e INT;\n" +
		"CREATE TASK k WAREHOUSE = 'w' SCHEDULE = 1 MINUTE AS BEGIN\n  INSERT INTO t SELECT * FROM u;\nEND;\n-- +goose Down\nDROP TABLE t;\nDROP TASK k;\n"
	for b.Loop() {
		for range 5000 {
			f, err := sqltext.ParseFile(file)
			if err != nil {
				b.Fatal(err)
			}
			for _, text := range []string{f.Up.Text, f.Down.Text} {
				statements, err := sqltext.SplitSection(text)
				if err != nil {
					b.Fatal(err)
				}
				for _, s := range statements {
					Analyze(s.Text, "default")
				}
			}
		}
	}
}

// Many words of the grammar may be names. What a statement does is the same then.
func TestNamesThatAreWords(t *testing.T) {
	t.Parallel()
	names := strings.Fields("file_format format_name connection_name catalog constraint check index access row2 first after comment default tag branch update " +
		"delete merge options policy copy engine force purge start token password url value files location type format_options")
	for _, stmt := range []string{
		"SELECT * FROM n", "SELECT * FROM t WHERE n = 'x'", "CREATE TABLE a AS SELECT n.b FROM n JOIN c ON n.b = c.b", "USE n",
		"INSERT INTO n SELECT n FROM n.t", "UPDATE n SET n = 'x' WHERE n = 'y'", "DELETE FROM n WHERE n = 'x'", "DELETE FROM n",
		"CREATE TABLE n (n INT, b INT)", "CREATE TABLE t (b DECIMAL(9), n VARCHAR(20) NOT NULL, c INT)", "CREATE TABLE n.n LIKE n.t",
		"ALTER TABLE n ADD COLUMN n INT DEFAULT 1", "ALTER TABLE n ADD n INT AFTER n", "ALTER TABLE n RENAME COLUMN n TO b",
		"ALTER TABLE n MODIFY COLUMN n BIGINT, b INT", "ALTER TABLE n DROP COLUMN n", "DROP TABLE n", "COPY INTO n FROM @n/a FILE_FORMAT = (FORMAT_NAME = 'n')",
		"MERGE INTO n USING n.t AS s ON s.n = n.n WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT (n) VALUES (s.n)",
		"CREATE STAGE n CONNECTION = (CONNECTION_NAME = 'n')", "CREATE VIEW n AS SELECT n AS from FROM n.n", "ALTER TABLE n RENAME TO b",
	} {
		says := func(name string) string {
			sql := regexp.MustCompile(`\bn\b`).ReplaceAllString(stmt, name)
			e := Analyze(sql, "db")
			text := summary(e) + " " + e.Undo
			for _, w := range e.Writes {
				text += fmt.Sprint(" ", columns(w), w.Indexes, w.Checks)
			}
			return text + fmt.Sprint(e.Sources)
		}
		for _, name := range names {
			want := regexp.MustCompile(`\bnn\b`).ReplaceAllString(says("nn"), name)
			if got := says(name); got != want {
				t.Errorf("%s of %s:\n got %s\nwant %s", stmt, name, got, want)
			}
		}
	}
}
