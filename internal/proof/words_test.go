package proof

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// words are migrations in whose comments, literals, names and defaults stand words of SQL. Each fails behind its last statement and
// must be put back: nothing of what the words say has happened, nor is it what dbctl decides by. Each of a group writes objects of its
// own, and the group is one migration: what one hides is not seen by another.
var words = []kind{
	together("words of an engine", []kind{
		{name: "engine in a column's comment", up: []string{"CREATE TABLE n (a INT COMMENT 'the engine = diesel')", "INSERT INTO n VALUES (1)"}},
		{name: "engine in a table's comment", up: []string{"CREATE TABLE n2 (a INT) COMMENT='engine=memory'", "INSERT INTO n2 VALUES (1)"}},
		{name: "engine in a default", up: []string{"CREATE TABLE n3 (a INT, b STRING DEFAULT ' engine = null ')", "INSERT INTO n3 (a) VALUES (1)"}},
		{name: "engine in a comment of SQL", up: []string{"CREATE TABLE n4 /* engine = memory */ (a INT) -- engine = random\n", "INSERT INTO n4 VALUES (1)"}},
		{name: "engine in a query", up: []string{"CREATE TABLE n5 AS SELECT 'engine=random' AS a, id FROM b", "INSERT INTO n5 VALUES ('engine=view', 1)"}},
		{name: "engine as a name", up: []string{"CREATE TABLE engine (engine STRING DEFAULT 'memory', transient INT)", "INSERT INTO engine VALUES ('x', 1)"}},
		{name: "transient in a comment", up: []string{"CREATE TABLE n6 (a INT) COMMENT = 'a transient table'", "INSERT INTO n6 VALUES (1)", "ALTER TABLE n6 COMMENT = 'TRANSIENT'"}},
	}),
	together("words in literals", []kind{
		{name: "a statement in a literal", up: []string{"INSERT INTO a VALUES (4, 'DROP TABLE b; TRUNCATE TABLE a', 40)", "UPDATE b SET v = 'CREATE OR REPLACE TABLE e AS SELECT 1' WHERE id = 1"}},
		{name: "quotes in a literal", setup: []string{"CREATE TABLE a1 AS SELECT * FROM a"}, up: []string{`INSERT INTO a1 VALUES (4, 'it''s -- $$ /* " ` + "`" + `', 40)`, "DELETE FROM a1 WHERE name = '--'"}},
		{name: "dollars in a literal", setup: []string{"CREATE TABLE b1 AS SELECT * FROM b"}, up: []string{"INSERT INTO b1 VALUES (4, '$$ AS $$')", "INSERT INTO b1 VALUES (5, $$it's; -- not a comment$$)"}},
		{name: "comments that hold quotes", setup: []string{"CREATE TABLE a2 AS SELECT * FROM a"}, up: []string{"INSERT INTO a2 VALUES (4, 'four', 40) -- it's\n", "/* don't */ UPDATE a2 SET n = 0 WHERE /* ' */ id > 0", "DELETE FROM a2 WHERE id = 4"}},
		{name: "a COPY in a literal", setup: []string{"CREATE TABLE b2 AS SELECT * FROM b"}, up: []string{"INSERT INTO b2 VALUES (4, 'COPY INTO b FROM @x PURGE = TRUE')", "INSERT INTO b2 SELECT id, 'INSERT OVERWRITE' FROM a"}},
	}),
	together("words in definitions", []kind{
		{name: "a comment before and within", setup: []string{"CREATE TABLE a1 AS SELECT * FROM a"}, up: []string{"-- DROP TABLE a1\nALTER /* TABLE b */ TABLE a1 -- RENAME TO x\n DROP COLUMN n", "ALTER TABLE b RENAME TO c"}},
		{name: "comments of a table", up: []string{"ALTER TABLE a COMMENT = 'CLUSTER BY (n) -- $$'", "ALTER TABLE a ADD COLUMN c STRING DEFAULT 'DROP COLUMN id' COMMENT 'CREATE TABLE x (y INT)'"}},
		{name: "a default that looks like an end", setup: []string{"CREATE TABLE b1 AS SELECT * FROM b"}, up: []string{"ALTER TABLE b1 ADD COLUMN c STRING NOT NULL DEFAULT '); DROP TABLE a; --'", "UPDATE b1 SET c = ''''"}},
		{name: "a view of words", up: []string{"CREATE OR REPLACE VIEW w AS SELECT 'DROP TABLE a' AS x, '-- AS SELECT' AS y FROM a", "CREATE VIEW w2 AS SELECT id FROM a WHERE name <> 'FROM b AS $$'"}},
		{name: "a check of words", setup: []string{"CREATE TABLE a2 AS SELECT * FROM a", "CREATE TABLE b2 AS SELECT * FROM b"}, up: []string{"ALTER TABLE b2 ADD CONSTRAINT ck CHECK (v <> 'ADD CONSTRAINT x CHECK (1 = 1)')", "ALTER TABLE a2 RENAME COLUMN name TO title"}},
	}),
	together("words of the account's objects", []kind{
		{
			name: "a function of words", setup: []string{"CREATE FUNCTION f_{db} AS (x) -> concat(x, ' AS $$ ', '-- ''')"},
			up:    []string{"CREATE OR REPLACE FUNCTION f_{db} AS (x) -> concat(x, 'DESC = ''y''')"},
			adopt: true, clean: []string{"DROP FUNCTION IF EXISTS f_{db}"},
		},
		{
			name: "a sequence of words", setup: []string{"CREATE SEQUENCE s_{db} START = 5 COMMENT = 'start = 1 increment = 2'"},
			up:    []string{"CREATE OR REPLACE SEQUENCE s_{db} START = 100 COMMENT = 'drop sequence s'"},
			adopt: true, clean: []string{"DROP SEQUENCE IF EXISTS s_{db}"},
		},
		{
			name: "a file format of words", setup: []string{"CREATE FILE FORMAT ff_{db} TYPE = CSV FIELD_DELIMITER = '|' NULL_DISPLAY = 'TYPE = TSV'"},
			up:    []string{"DROP FILE FORMAT ff_{db}", "CREATE FILE FORMAT ff_{db} TYPE = NDJSON"},
			adopt: true, clean: []string{"DROP FILE FORMAT IF EXISTS ff_{db}"},
		},
		{
			name: "a stage of ours whose text says URL", up: []string{"CREATE STAGE s1_{db} FILE_FORMAT = (TYPE = CSV NULL_DISPLAY = 'URL')", "CREATE TABLE c (x INT)"},
			clean: []string{"DROP STAGE IF EXISTS s1_{db}"},
		},
	}),
	// A stage inside the warehouse holds files that nothing brings back: whatever its text says, they stay.
	{
		name: "a stage whose text says URL", setup: []string{"CREATE STAGE s1_{db} COMMENT = 'no URL'", "COPY INTO @s1_{db} FROM (SELECT 1) FILE_FORMAT = (TYPE = CSV)"},
		up: []string{"ALTER STAGE s1_{db} SET COMMENT = 'URL = ''s3://x/'''"}, clean: []string{"DROP STAGE IF EXISTS s1_{db}"}, mayRefuse: true,
	},
	together("names", []kind{
		{
			name:  "odd names",
			setup: []string{`CREATE TABLE "T t" (a INT, "c c" STRING)`, `INSERT INTO "T t" VALUES (1, 'x')`, `CREATE VIEW "v""q" AS SELECT a FROM "T t"`, `CREATE TABLE "ü-1" ("ß;" INT)`, `CREATE TABLE "Old;1" (a INT)`, `INSERT INTO "Old;1" VALUES (7)`},
			up: []string{
				`ALTER TABLE "T t" DROP COLUMN "c c"`, `CREATE OR REPLACE VIEW "v""q" AS SELECT 1 AS "x""y"`, `ALTER TABLE "ü-1" ADD COLUMN "--" INT`,
				`DROP TABLE "Old;1"`, `CREATE TABLE "Old;1" (b INT)`, `INSERT INTO "T t" VALUES (2)`,
			},
		},
		{
			name:  "names that are words",
			setup: []string{`CREATE TABLE "select" ("from" INT, "where" STRING)`, `INSERT INTO "select" VALUES (1, 'x')`, `CREATE TABLE "table" (a INT)`},
			up: []string{
				`ALTER TABLE "select" RENAME COLUMN "from" TO "drop"`, `ALTER TABLE "table" RENAME TO "as"`, `CREATE TABLE "engine = memory" (a INT)`, `INSERT INTO "engine = memory" VALUES (1)`,
				`CREATE OR REPLACE TABLE "select" AS SELECT 1 AS "like"`,
			},
		},
	}),
	together("spellings of names", []kind{
		{
			name:  "names that differ in case",
			setup: []string{`CREATE TABLE "Aa" (x INT)`, `CREATE TABLE "aa" (y INT)`, `INSERT INTO "Aa" VALUES (1)`, `INSERT INTO "aa" VALUES (2)`},
			up:    []string{`ALTER TABLE "Aa" ADD COLUMN "X" INT`, `DROP TABLE Aa`, `CREATE TABLE AA (z INT)`, `UPDATE "Aa" SET "X" = 3`},
		},
		{
			name:  "names in back-ticks and odd spellings",
			setup: []string{"CREATE TABLE `b\"t` (a INT)", "INSERT INTO `b\"t` VALUES (1)"},
			up:    []string{"alter   table\n`b\"t`\tadd column `c'c` string default 'it''s'", "Insert Into {db}.`b\"t` (a) Values (2)", "drop table {db} . `b\"t`"},
		},
		{
			name:  "indexes and constraints of odd names",
			setup: []string{`CREATE TABLE "T t" (s STRING, i INT)`, `INSERT INTO "T t" VALUES ('x', 1)`, `CREATE INVERTED INDEX "I i" ON "T t" (s)`, `ALTER TABLE "T t" ADD CONSTRAINT "C;c" CHECK (i > 0)`},
			up:    []string{`DROP INVERTED INDEX "I i" ON "T t"`, `ALTER TABLE "T t" DROP CONSTRAINT "C;c"`, `CREATE NGRAM INDEX "n-g" ON "T t" (s)`},
		},
	}),
}

// together is one kind of migration that does what all of them do.
func together(name string, all []kind) kind {
	out := kind{name: name}
	for _, k := range all {
		out.setup, out.up, out.clean = append(out.setup, k.setup...), append(out.up, k.up...), append(out.clean, k.clean...)
		out.adopt = out.adopt || k.adopt
	}
	return out
}

// TestProofWords fails each migration of words, cuts it off, and puts it back.
func TestProofWords(t *testing.T) {
	t.Parallel()
	for i, k := range words {
		for m, variant := range steadfast[:2] {
			if full || i%2 == m {
				t.Run(k.name+"/"+variant, func(t *testing.T) {
					t.Parallel()
					alone(k, variant).stays(t)
				})
			}
		}
	}
}

// refused reports whether a run said that it would not begin, for a kind that may be refused.
func (p *plan) refused(run *process) bool {
	return p.kind.mayRefuse && run.exit == 1 && !slices.ContainsFunc(run.proxy.log(), func(r request) bool { return strings.TrimSpace(r.sql) == strings.TrimSpace(run.w.text(p.kind.up[0])) })
}

// TestProofStageOfWords alters a stage inside the warehouse that dbctl made, whose definition holds the letters URL, and fails: made
// again from its definition it would have lost its files.
func TestProofStageOfWords(t *testing.T) {
	t.Parallel()
	outcome := "put back"
	defer results.outcome(t, "worlds, a stage of words", &outcome)
	w := newWorld(t)
	t.Cleanup(func() { w.sql("DROP STAGE IF EXISTS s1_{db}") })
	w.migration(1, []string{"CREATE STAGE s1_{db} FILE_FORMAT = (TYPE = CSV NULL_DISPLAY = 'URL') COMMENT = 'URL = ''s3://x/'''"}, []string{"DROP STAGE s1_{db}"})
	w.must(0, "migrate", "up")
	w.sql("COPY INTO @s1_{db} FROM (SELECT 1) FILE_FORMAT = (TYPE = CSV)")
	before := w.fingerprint()
	w.migration(2, []string{"ALTER STAGE s1_{db} SET COMMENT = 'new'", failing}, []string{"SELECT 1"})
	run := w.must(1, "migrate", "up")
	if !strings.Contains(run.out.String(), "no_such_table") {
		outcome = "refused"
	}
	if diff := cmp.Diff(before, w.fingerprint()); diff != "" {
		t.Fatalf("not as before (-want +got):\n%s\nafter %s", diff, run)
	}
}
