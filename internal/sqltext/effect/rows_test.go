package effect

import (
	"strings"
	"testing"
)

// TestRows: what becomes of the rows of the table that a statement writes first, and of its history.
func TestRows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql    string
		does   RowVerb
		prunes bool
		word   string
	}{
		{"INSERT INTO t VALUES (1)", AddsRows, false, "table"},
		{"INSERT ALL INTO t INTO u SELECT 1", AddsRows, false, "table"},
		{"COPY INTO t FROM @s", AddsRows, false, "table"},
		{"WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", AddsRows, false, "table"},
		{"INSERT OVERWRITE t SELECT 1", AddsRows | DeletesRows | TakesRows, false, "table"},
		{"TRUNCATE TABLE t", DeletesRows | TakesRows, false, "table"},
		{"DELETE FROM t", DeletesRows | TakesRows, false, "table"},
		{"WITH a AS (SELECT 1) DELETE FROM t", DeletesRows | TakesRows, false, "table"},
		{"DELETE FROM t WHERE a IN (SELECT b FROM u)", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE 1=1", DeletesRows | TakesRows, false, "table"},
		{"DELETE FROM t WHERE true", DeletesRows | TakesRows, false, "table"},
		{"DELETE FROM t WHERE ((TRUE)) AND NOT false", DeletesRows | TakesRows, false, "table"},
		{"DELETE FROM t AS x WHERE x.a = 5 OR 'a' = 'a'", DeletesRows | TakesRows, false, "table"},
		{"DELETE FROM t WHERE a BETWEEN 1 AND 2 OR (2 >= 1.5)", DeletesRows | TakesRows, false, "table"},
		{"DELETE FROM t WHERE \"A\".b = \"A\".b", DeletesRows | TakesRows, false, "table"},
		{"DELETE FROM t WHERE NOT (1 <> 1 OR 0)", DeletesRows | TakesRows, false, "table"},
		{"DELETE FROM t WHERE 1 = 0 OR false", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE true AND a = 1", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE a = 1 OR a = 2", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE a BETWEEN 0 AND 1", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE 1 = a", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE 1 + 1 = 3 OR -1 = 1", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE NOT NULL", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE '1' = 1 OR 'a' < 'b' IS NULL", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE CASE WHEN a OR true THEN b ELSE c END", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE (SELECT true)", DeletesRows, false, "table"},
		{"DELETE FROM t WHERE f(a OR true)", DeletesRows, false, "table"},
		{"DELETE FROM t USING u WHERE true", DeletesRows, false, "table"},
		{"MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", AddsRows | UpdatesRows | DeletesRows, false, "table"},
		{"UPDATE t SET a = 1", UpdatesRows, false, "table"},
		{"REPLACE INTO t ON (a) VALUES (1)", AddsRows | DeletesRows, false, "table"},
		{"VACUUM TABLE t", 0, true, "table"},
		{"OPTIMIZE TABLE t PURGE", 0, true, "table"},
		{"OPTIMIZE TABLE t COMPACT", 0, false, "table"},
		{"DROP TABLE t ALL", 0, true, "table"},
		{"DROP TABLE t", 0, false, "table"},
		{"CREATE OR REPLACE VIEW t AS SELECT 1", 0, false, "view"},
		{"DROP MATERIALIZED VIEW t", 0, false, "view"},
		{"CREATE STREAM t ON TABLE u", 0, false, "stream"},
	} {
		e := Analyze(tt.sql, "d")
		if w := e.Writes[0]; w.Does != tt.does || e.Prunes != tt.prunes || w.Word() != tt.word || w.Name != "t" {
			t.Errorf("%s: %s %s, does %d, prunes %v", tt.sql, w.Word(), w.Name, w.Does, e.Prunes)
		}
	}
	if e := Analyze("VACUUM TEMPORARY FILES", "d"); e.Prunes || e.Class != Irreversible {
		t.Errorf("what a query spilled is no history: %+v", e)
	}
	if e := Analyze("VACUUM TABLE t DRY RUN", "d"); e.Prunes || len(e.Writes) > 0 {
		t.Errorf("a dry run prunes: %+v", e)
	}
}

// TestUndoIsSQL: what undoes a statement can be pasted, whatever the names are.
func TestUndoIsSQL(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		`DROP TABLE "T t"`:                 "UNDROP TABLE `d`.`T t`",
		`DROP VIEW "Old;1"`:                "UNDROP TABLE `d`.`Old;1`",
		`CREATE TABLE "ü-1" (a INT)`:       "DROP TABLE `d`.`ü-1`",
		`ALTER TABLE "T" RENAME TO "v""q"`: "ALTER TABLE `d`.`v\"q` RENAME TO `d`.`T`",
		`CREATE DATABASE "D"`:              "DROP DATABASE `D`",
		`DELETE FROM "T" WHERE a = 1`:      "ALTER TABLE `d`.`T` FLASHBACK TO its earlier snapshot",
		`DROP TABLE plain`:                 "UNDROP TABLE d.plain",
	} {
		if got := Analyze(sql, "d").Undo; !strings.HasPrefix(got, want) {
			t.Errorf("%s: undo %s, want %s", sql, got, want)
		}
	}
}
