package migrate

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestObjectsThatHangOnEachOther rolls migrations back whose statements are about several objects, of which one is known by another: by
// its name, its owner, its columns or its text.
func TestObjectsThatHangOnEachOther(t *testing.T) {
	t.Parallel()
	const dictionary = " (a STRING, s STRING) PRIMARY KEY a SOURCE(redis(host='127.0.0.1' port='6379'))"
	setup := []string{
		"CREATE TABLE gate (x STRING)", "CREATE DATABASE {y}", "CREATE ROLE {x}r", "CREATE ROLE {x}r2",
		"CREATE TABLE a (a INT COMMENT 'of a', s STRING COMMENT 'of s', INVERTED INDEX i1 (s) tokenizer = 'chinese')",
		"INSERT INTO a VALUES (1, 'x'), (2, 'y')", "CREATE TABLE b (a INT, s STRING)", "INSERT INTO b VALUES (3, 'z')",
		"CREATE AGGREGATING INDEX {x}ai AS SELECT s, count(*) FROM b GROUP BY s",
		"CREATE VIEW v AS SELECT a, s FROM a", "CREATE VIEW w AS SELECT s FROM v", "CREATE VIEW u AS SELECT s AS z FROM w",
		"CREATE TABLE {y}.t (a INT)", "INSERT INTO {y}.t VALUES (1)", "CREATE TABLE {y}.k (a INT)",
		"GRANT OWNERSHIP ON {db}.a TO ROLE {x}r", "GRANT OWNERSHIP ON {db}.b TO ROLE {x}r2",
		"GRANT OWNERSHIP ON {y}.* TO ROLE {x}r2", "GRANT OWNERSHIP ON {y}.t TO ROLE {x}r",
		"GRANT SELECT ON {db}.a TO ROLE {x}r", "GRANT SELECT ON {y}.t TO ROLE {x}r2", "GRANT ROLE {x}r2 TO ROLE {x}r",
		"CREATE DICTIONARY {y}.di" + dictionary,
	}
	cases := []string{
		// Who owned what is out of sight, or has another name, is dropped.
		"DROP DATABASE {y}; DROP ROLE {x}r; DROP ROLE {x}r2",
		"ALTER DATABASE {y} RENAME TO {x}z; DROP ROLE {x}r; DROP ROLE {x}r2; DROP DATABASE {x}z",
		"ALTER TABLE a SWAP WITH b; GRANT INSERT ON a TO ROLE {x}r2; REVOKE SELECT ON b FROM ROLE {x}r; DROP ROLE {x}r",
		// Or gets another owner.
		"ALTER TABLE a RENAME TO c; GRANT OWNERSHIP ON c TO ROLE {x}r2; CREATE TABLE a (a INT)",
		"ALTER TABLE a SWAP WITH b; GRANT OWNERSHIP ON a TO ROLE {x}r; GRANT OWNERSHIP ON b TO ROLE {x}r2; DROP TABLE a",
		"CREATE ROLE {x}n; GRANT OWNERSHIP ON {y}.* TO ROLE {x}n; ALTER DATABASE {y} RENAME TO {x}z; GRANT OWNERSHIP ON {x}z.t TO ROLE {x}n",
		// Or is granted under that name.
		"REVOKE SELECT ON {y}.t FROM ROLE {x}r2; ALTER DATABASE {y} RENAME TO {x}z; GRANT INSERT ON {x}z.t TO ROLE {x}r2; " +
			"GRANT SELECT ON {x}z.* TO ROLE {x}r; GRANT SELECT ON {x}z.k TO ROLE {x}r",
		// A view that another reads.
		"ALTER VIEW u AS SELECT 1 one; ALTER VIEW w AS SELECT 2 two; ALTER VIEW v AS SELECT 3 three; DROP TABLE a",
		// Columns with other names.
		"ALTER TABLE a RENAME COLUMN s TO z; DROP INVERTED INDEX i1 ON a",
		"ALTER TABLE a RENAME COLUMN s TO z; ALTER TABLE a RENAME COLUMN a TO s; COMMENT ON COLUMN a.s IS 'k'; COMMENT ON COLUMN a.z IS 'l'",
		// An index of a table with another name, or of another table.
		"ALTER TABLE b RENAME TO c; DROP AGGREGATING INDEX {x}ai; CREATE AGGREGATING INDEX {x}ai AS SELECT s, max(a) FROM c GROUP BY s",
		"ALTER TABLE b ADD COLUMN y INT; CREATE OR REPLACE AGGREGATING INDEX {x}ai AS SELECT s, max(a) FROM b GROUP BY s",
		"DROP TABLE b; CREATE TABLE b (a INT, s STRING); CREATE OR REPLACE AGGREGATING INDEX {x}ai AS SELECT s, max(a) FROM b GROUP BY s",
		// A dictionary that is back with its database, or goes with it.
		"DROP DATABASE {y}; CREATE DATABASE {y}; CREATE DICTIONARY {y}.di" + dictionary,
		"ALTER DATABASE {y} RENAME TO {x}z; CREATE DATABASE {y}; CREATE DICTIONARY {y}.di" + dictionary,
		"CREATE DATABASE {x}n; CREATE DICTIONARY {x}n.di" + dictionary + "; ALTER DATABASE {x}n RENAME TO {x}m",
	}
	const worlds = 4 // beside each other: one behind the other, the cases would be what the package waits for
	for first := range worlds {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			t.Parallel()
			p := newProofWorld(t, nil, [2]string{"compact_max_block_selection", "stream_consume_batch_size_hint"})
			p.tally = map[string]int{}
			if len(p.make(setup)) < len(setup) {
				t.Fatal("not all of the setup was made")
			}
			was := p.print()
			for i := first; i < len(cases); i += worlds {
				x := p.play(was, round{statements: strings.Split(cases[i], "; "), way: "up"})
				if wrong := x.wrong(); wrong != "" || x.exit != "exit 1" || !strings.Contains(x.report, "nowhere") {
					t.Errorf("%s: %s: %s\n%s", cases[i], x.exit, x.report, wrong)
				}
			}
		})
	}
}

// TestARoleOfOneSavepointKeepsItsGrants drops a role in a later migration of one savepoint than the one that took what it was granted out
// of sight.
func TestARoleOfOneSavepointKeepsItsGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := w.Database + "_x"
	t.Cleanup(func() { w.SQL(t, "DROP ROLE IF EXISTS "+x, "DROP DATABASE IF EXISTS "+x) })
	w.SQL(t, "CREATE DATABASE "+x, "CREATE ROLE "+x, "GRANT SELECT ON "+x+".* TO ROLE "+x)
	w.Migration(1, "DROP DATABASE "+x+";\n")
	w.Migration(2, "DROP ROLE "+x+";\nINSERT INTO nowhere VALUES (1);\n")
	var run *RunError
	if err := w.migrator(Options{PlanOptions: PlanOptions{Atomic: true}}).Up(t.Context()); !errors.As(err, &run) || run.ExitCode() != 1 {
		t.Errorf("got %v, want exit 1\n%s", err, w.said())
	}
	got := fmt.Sprint(w.SQL(t, "SELECT grants FROM show_grants('role', '"+x+"') WHERE instr(grants, '"+x+"') > 0"))
	if !strings.Contains(got, "GRANT SELECT ON ") {
		t.Errorf("got %s, want its privilege\n%s", got, w.said())
	}
}
