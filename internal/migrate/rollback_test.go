package migrate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// everything is what the databases of the test hold: tables with their ids, columns and rows, as lines.
func (w *world) everything() string {
	w.T.Helper()
	mine := " WHERE database='" + w.Database + "' OR left(database, " + fmt.Sprint(len(w.Database)+2) + ")='" + w.Database + "_x'"
	var out []string
	for _, r := range w.SQL(w.T, "SELECT database, name, engine, table_id::STRING, comment, cluster_by FROM system.tables"+mine) {
		out = append(out, strings.Join(r, " | "))
		for _, row := range w.SQL(w.T, "SELECT * FROM "+sqltext.Ident(r[0])+"."+sqltext.Ident(r[1])) {
			out = append(out, r[0]+"."+r[1]+" row "+strings.Join(row, " | "))
		}
	}
	for _, r := range w.SQL(w.T, "SELECT database, `table`, name, type, default_expression, is_nullable, comment FROM system.columns"+mine) {
		out = append(out, strings.Join(r, " | "))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// ownOf makes the names that are found in a text those of the case i, so that several cases are beside each other in one migration.
func ownOf(i int, names *regexp.Regexp, text string) string {
	return names.ReplaceAllString(text, "${0}"+markOf(i))
}

// Each is a project's last migrations, of which the last fails. What was before it, is after it; {db} is the test's database.
func TestRollBackWhateverTheName(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files  [][]string // by case: each has objects of its own
		atomic bool
	}{
		"a migration": {files: [][]string{
			// A database renamed, its tables changed.
			{"ALTER DATABASE {db}_x RENAME TO {db}_xy;\nALTER TABLE {db}_xy.a ADD COLUMN n INT;\nALTER TABLE {db}_xy.e DROP COLUMN y;\nDROP TABLE {db}_xy.b;\n"},
			// A never written table renamed, then changed.
			{"ALTER TABLE e RENAME TO e2;\nALTER TABLE e2 DROP COLUMN y;\nALTER TABLE e2 SWAP WITH a;\nINSERT INTO a VALUES (1);\n"},
			// A view, dropped and made while its table was another.
			{"DROP TABLE a;\nCREATE TABLE a AS SELECT 1 AS other;\nDROP VIEW w;\nCREATE OR REPLACE VIEW w AS SELECT other FROM a;\n"},
			// A column with quotes in its name.
			{"ALTER TABLE a ADD COLUMN \"n.ew \"\"c\" INT;\nUPDATE a SET y='q';\n"},
		}},
		"renamed in one migration, changed in the next, one savepoint": {
			atomic: true,
			files: [][]string{{
				"ALTER TABLE e RENAME TO e2;\nALTER DATABASE {db}_x RENAME TO {db}_xy;\n",
				"ALTER TABLE e2 DROP COLUMN y;\nALTER TABLE {db}_xy.e ADD COLUMN z INT;\nDROP TABLE {db}_xy.a;\n",
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			names := regexp.MustCompile(`\b([abew]|e2)\b|{db}_xy?`)
			files := make([]string, len(tt.files[0]))
			for i, of := range tt.files {
				text := func(s string) string { return strings.ReplaceAll(ownOf(i, names, s), "{db}", w.Database) }
				t.Cleanup(func() { w.SQL(t, text("DROP DATABASE IF EXISTS {db}_x"), text("DROP DATABASE IF EXISTS {db}_xy")) })
				w.SQL(t, text("CREATE DATABASE {db}_x"))
				for _, db := range []string{"{db}", "{db}_x"} {
					for _, s := range []string{
						".a (x INT, y STRING COMMENT 'why') AS SELECT 1, 'one' FROM numbers(2)", ".b AS SELECT 2 AS x", ".e (x INT NOT NULL, y STRING COMMENT 'no rows')",
					} {
						w.SQL(t, text("CREATE TABLE "+db+s))
					}
				}
				w.SQL(t, text("CREATE VIEW w AS SELECT x FROM a"))
				for n, f := range of {
					files[n] += text(f)
				}
			}
			files[len(files)-1] += "INSERT INTO nowhere VALUES (1);\n"
			for n, f := range files {
				w.Migration(n+1, f)
			}
			before := w.everything()
			err := w.migrator(Options{PlanOptions: PlanOptions{Atomic: tt.atomic}}).Up(t.Context())
			var run *RunError
			if !errors.As(err, &run) || run.ExitCode() != 1 || !strings.Contains(err.Error(), "nowhere") {
				t.Errorf("got %v, want a failure at nowhere with nothing left\n%s", err, w.said())
			}
			if after := w.everything(); after != before {
				t.Errorf("(-before +after):\n%s\n%s", cmp.Diff(before, after), w.said())
			}
		})
	}
}

func TestMigrationAfterARenamedDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x, y := w.Database+"_x", w.Database+"_xy"
	t.Cleanup(func() { w.SQL(t, "DROP DATABASE IF EXISTS "+x, "DROP DATABASE IF EXISTS "+y) })
	w.SQL(t, "CREATE DATABASE "+x, "CREATE TABLE "+x+".a (x INT)", "INSERT INTO "+x+".a VALUES (1)")
	w.Migration(1, "ALTER DATABASE "+x+" RENAME TO "+y+";\n")
	w.Migration(2, "ALTER TABLE "+y+".a ADD COLUMN n INT;\nUPDATE "+y+".a SET n=1;\nINSERT INTO nowhere VALUES (1);\n")
	if err := w.up(); err == nil {
		t.Fatal("got no error")
	}
	if got := fmt.Sprintf("%v %s", w.SQL(t, "SELECT * FROM "+y+".a"), w.states()); got != "[[1]] 1 applied, 2 rolled_back" {
		t.Errorf("got %s, want the table as the first migration left it\n%s", got, w.said())
	}
}

// What a migration takes away, the next one of the run may make anew. Where that fails, it goes back to what the first one left.
func TestMadeAnewByTheNextMigration(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, setup, first, next, look, left string }{
		{name: "renamed", first: "ALTER TABLE a RENAME TO old", next: "CREATE TABLE a AS SELECT * FROM old", left: "b old w"},
		{name: "dropped", first: "DROP TABLE a", next: "CREATE TABLE n (x INT);\nINSERT INTO n VALUES (2);\nALTER TABLE n RENAME TO a", left: "b w"},
		{name: "another's name", first: "RENAME TABLE a TO old", next: "RENAME TABLE b TO a", left: "b old w"},
		{name: "a view, a table", first: "DROP VIEW w", next: "CREATE TABLE w (z INT);\nINSERT INTO w VALUES (3)", left: "a b"},
		{name: "made, then gone", first: "CREATE TABLE c (x INT);\nDROP TABLE c", next: "CREATE TABLE c (y INT);\nINSERT INTO c VALUES (3)", left: "a b w"},
		{name: "renamed to a view", first: "ALTER TABLE a RENAME TO old", next: "CREATE VIEW a AS SELECT x FROM old;\nCREATE OR REPLACE VIEW w AS SELECT x FROM old", left: "b old w"},
		{
			name: "a database", setup: "CREATE DATABASE {db}_x;CREATE TABLE {db}_x.t (x INT)", first: "DROP DATABASE {db}_x", next: "CREATE DATABASE {db}_x;\nCREATE TABLE {db}_x.k (x INT)",
			look: "SELECT name FROM system.databases WHERE name = '{db}_x'", left: "a b w",
		},
		{
			name: "a sequence", setup: "CREATE SEQUENCE s_{db}", first: "DROP SEQUENCE s_{db}", next: "CREATE SEQUENCE s_{db};\nCREATE TABLE k (x INT)",
			look: "SELECT name FROM show_sequences() WHERE name = 's_{db}'", left: "a b w",
		},
		{
			name: "a function", setup: "CREATE FUNCTION f_{db} AS (x) -> x", first: "DROP FUNCTION f_{db}", next: "CREATE FUNCTION f_{db} AS (x) -> x + 1;\nCREATE TABLE k (x INT)",
			look: "SELECT name FROM system.user_functions WHERE name = 'f_{db}'", left: "a b w",
		},
		{
			name: "a role", setup: "CREATE ROLE r_{db}", first: "DROP ROLE r_{db}", next: "CREATE ROLE r_{db};\nCREATE TABLE k (x INT)",
			look: "SELECT name FROM system.roles WHERE name = 'r_{db}'", left: "a b w",
		},
	}
	w := newWorld(t)
	names := regexp.MustCompile(`\b(a|b|c|n|k|w|old)\b|{db}_x|[sfr]_{db}`)
	var next string
	var applied, left []string
	for i, tt := range cases {
		text := func(s string) string { return strings.ReplaceAll(ownOf(i, names, s), "{db}", w.Database) }
		t.Cleanup(func() {
			w.SQL(t, text("DROP DATABASE IF EXISTS {db}_x"), text("DROP SEQUENCE IF EXISTS s_{db}"),
				text("DROP FUNCTION IF EXISTS f_{db}"), text("DROP ROLE IF EXISTS r_{db}"))
		})
		w.SQL(t, text("CREATE TABLE a (x INT)"), text("INSERT INTO a VALUES (1)"), text("CREATE TABLE b (y INT)"), text("CREATE VIEW w AS SELECT x FROM a"))
		for s := range strings.SplitSeq(tt.setup, ";") {
			if s != "" {
				w.SQL(t, text(s))
			}
		}
		w.Migration(i+1, text(tt.first)+";\n")
		next += text(tt.next) + ";\n"
		applied, left = append(applied, fmt.Sprintf("%d applied, ", i+1)), append(left, strings.Fields(text(tt.left))...)
	}
	w.Migration(len(cases)+1, next+"INSERT INTO nowhere VALUES (1);\n")
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v, want a failure at nowhere with nothing left\n%s", err, w.said())
	}
	if got, want := w.states(), fmt.Sprintf("%s%d rolled_back", strings.Join(applied, ""), len(cases)+1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i, tt := range cases {
		if tt.look != "" {
			if got := w.SQL(t, strings.ReplaceAll(ownOf(i, names, tt.look), "{db}", w.Database)); len(got) > 0 {
				t.Errorf("%s: %v is back, which the first migration dropped\n%s", tt.name, got, w.said())
			}
		}
	}
	slices.Sort(left)
	if diff := cmp.Diff(left, strings.Fields(w.tables())); diff != "" {
		t.Errorf("left (-want +got):\n%s\n%s", diff, w.said())
	}
}

// What is granted on a table goes with it: out of sight, or to another name. That is no other session's doing.
func TestGrantOnTablesThatMove(t *testing.T) {
	t.Parallel()
	const gives, drops = "GRANT INSERT ON a TO ROLE r_{db}", "DROP ROLE r_{db}"
	cases := []string{
		"DROP TABLE a;\nCREATE TABLE a (z INT);\n" + gives, "CREATE TABLE c (z INT);\nALTER TABLE a SWAP WITH c;\n" + gives,
		"ALTER TABLE a RENAME TO c;\nGRANT DELETE ON c TO ROLE r_{db};\nCREATE TABLE a (z INT);\n" + gives,

		"DROP TABLE a;\n" + drops, "CREATE OR REPLACE TABLE a (z INT);\n" + drops,
		"ALTER TABLE a RENAME TO c;\n" + drops,
		"CREATE TABLE c (z INT);\nALTER TABLE a SWAP WITH c;\n" + drops,
		"DROP DATABASE {db}_y;\n" + drops, "ALTER DATABASE {db}_y RENAME TO {db}_z;\n" + drops,
		"ALTER DATABASE {db}_y RENAME TO {db}_z;\nGRANT INSERT ON {db}_z.b TO ROLE r_{db};\n" +
			"REVOKE SELECT ON {db}_z.* FROM ROLE r_{db};\nGRANT OWNERSHIP ON {db}_z.* TO ROLE r_{db}",
		"ALTER TABLE a RENAME TO c;\nGRANT OWNERSHIP ON c TO ROLE r_{db}",
		"GRANT OWNERSHIP ON a TO ROLE public;\nDROP TABLE a;\n" + drops,
	}
	w := newWorld(t)
	names := regexp.MustCompile(`\b[ac]\b|{db}_[yz]|r_{db}`)
	text := func(i int, s string) string { return strings.ReplaceAll(ownOf(i, names, s), "{db}", w.Database) }
	var up, look []string
	for i, s := range cases {
		t.Cleanup(func() { w.SQL(t, text(i, "DROP ROLE r_{db}"), text(i, "DROP DATABASE {db}_y")) })
		for _, s := range []string{
			"CREATE TABLE a (x INT)", "INSERT INTO a VALUES (1)", "CREATE ROLE r_{db}", "GRANT SELECT ON a TO ROLE r_{db}",
			"CREATE DATABASE {db}_y", "CREATE TABLE {db}_y.b (x INT)", "GRANT SELECT ON {db}_y.* TO ROLE r_{db}",
		} {
			w.SQL(t, text(i, s))
		}
		up = append(up, text(i, s)+";\n")
		look = append(look, text(i, "SELECT 'r_{db}', grants FROM show_grants('role', 'r_{db}') WHERE instr(grants, '''{db}') > 0"),
			text(i, "SELECT name, owner FROM system.databases WHERE name IN ('{db}_y', '{db}_z')"))
	}
	w.Migration(1, strings.Join(up, "")+"INSERT INTO nowhere VALUES (1);\n")
	all := func() string {
		out := w.everything()
		for _, r := range w.SQL(t, "SELECT * FROM ("+strings.Join(look, " UNION ALL ")+") ORDER BY 1, 2") {
			out += "\n" + strings.Join(r, " | ")
		}
		return out
	}
	before := all()
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v, want a failure at nowhere with nothing left\n%s", err, w.said())
	}
	if after := all(); after != before {
		t.Errorf("(-before +after):\n%s\n%s", cmp.Diff(before, after), w.said())
	}
}

// What a script does nobody knows: what the statements after it write is captured again behind it, and goes back to that.
func TestAfterAScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE a (x INT)", "INSERT INTO a VALUES (1)")
	const script = "EXECUTE IMMEDIATE $$ BEGIN CREATE TABLE made (x INT, y INT); INSERT INTO made VALUES (1, 2); INSERT INTO a VALUES (2); RETURN 'ok'; END; $$;\n"
	w.Migration(1, "-- dbctl: allow=irreversible \"a script\"\n--up\n"+script+"ALTER TABLE made DROP COLUMN y;\nDELETE FROM a WHERE true;\nINSERT INTO nowhere VALUES (1);\n")
	err := w.up()
	var run *RunError
	if !errors.As(err, &run) || run.ExitCode() != 4 {
		t.Fatalf("got %v, want exit 4: the script cannot be undone", err)
	}
	if got := fmt.Sprint(w.SQL(t, "SELECT x, y FROM made"), w.SQL(t, "SELECT x FROM a ORDER BY x")); got != "[[1 2]] [[1] [2]]" {
		t.Errorf("got %s, want what the script left\n%s", got, w.said())
	}
	// A statement that is not known, and that the server refuses, did nothing.
	w = newWorld(t)
	w.Migration(1, "-- dbctl: allow=irreversible \"new syntax\"\n--up\nCREATE TABLE b (x INT);\nFROBNICATE b;\n")
	if err = w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || w.tables() != "" {
		t.Errorf("got %v with tables %q, want exit 1 and none\n%s", err, w.tables(), w.said())
	}
}

// What only the warehouse shows not to be undone is refused before the first write.
// A view is given another text behind a statement that drops what it reads: of the same migration, whose rollback brings that back first;
// of an earlier one, after which nothing could give the view its text again.
func TestViewOfWhatWasDropped(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string][]string{
		"the same migration": {"DROP TABLE root;\nALTER VIEW leaf AS SELECT 3 AS x;\nINSERT INTO nowhere VALUES (1);\n"},
		"an earlier one":     {"DROP TABLE root;\n", "CREATE TABLE b (x INT);\nALTER VIEW leaf AS SELECT 3 AS x;\nINSERT INTO nowhere VALUES (1);\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SQL(t, "CREATE TABLE root (x INT)", "CREATE VIEW leaf AS SELECT x FROM root")
			for i, text := range texts {
				w.Migration(i+1, text)
			}
			err := w.up()
			var run *RunError
			var p *PlanError
			refused := errors.As(err, &p) && p.Kind == plan.Irreversible
			if !errors.As(err, &run) || run.ExitCode() != 1 || refused != (len(texts) == 2) {
				t.Errorf("got %v, want exit 1\n%s", err, w.said())
			}
			rows := w.SQL(t, "SELECT view_query FROM system.views WHERE database='"+w.Database+"'")
			if got := fmt.Sprint(rows, w.tables()); !strings.Contains(got, ".root]") || strings.Contains(got, "]b") {
				t.Errorf("left %s", got)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.Database
	t.Cleanup(func() {
		w.SQL(t, "DROP STAGE IF EXISTS "+db+"_s", "DROP FILE FORMAT IF EXISTS "+db+"_f", "DROP FUNCTION IF EXISTS "+db+"_u",
			"DROP PROCEDURE IF EXISTS "+db+"_p(INT)", "DROP ROLE IF EXISTS "+db+"_r", "DROP TAG IF EXISTS "+db+"_g",
			"DROP DATABASE IF EXISTS "+db+"_y")
	})
	w.SQL(t, "CREATE TAG "+db+"_g", "CREATE FUNCTION "+db+"_u AS (x) -> x", "ALTER FUNCTION "+db+"_u SET TAG "+db+"_g='x'",
		"CREATE PROCEDURE "+db+"_p(x INT) RETURNS INT NOT NULL LANGUAGE SQL AS $$ BEGIN RETURN x; END; $$", "CREATE ROLE "+db+"_r",
		"ALTER ROLE "+db+"_r SET TAG "+db+"_g='x'")
	w.SQL(t, "CREATE TABLE m (x INT) ENGINE=MEMORY", "INSERT INTO m VALUES (1)", "CREATE TABLE a (x INT)", "CREATE FILE FORMAT "+db+"_f TYPE=CSV",
		"CREATE TABLE gone (x INT)", "INSERT INTO gone VALUES (1)", "DROP TABLE gone", "CREATE VIEW v (one, two) AS SELECT 1, 2", "CREATE VIEW former (one) AS SELECT 1", "ALTER TABLE former RENAME TO latter", "CREATE VIEW broken (`one, two`, three) AS SELECT 1, 2",
		"CREATE TABLE `s/l` (x INT)", "CREATE TABLE base (x INT)", "CREATE VIEW dead AS SELECT x FROM base", "DROP TABLE base", "CREATE TABLE root (x INT)", "CREATE VIEW leaf AS SELECT x FROM root",
		"CREATE DATABASE "+db+"_y")
	const dictionary = " (a STRING, s STRING) PRIMARY KEY a SOURCE(redis(host='127.0.0.1' port='6379'))"
	w.Migration(1, "CREATE STAGE "+db+"_s;\n")
	w.must(w.up())
	w.SQL(t, "COPY INTO @"+db+"_s/f FROM (SELECT 1) FILE_FORMAT=(TYPE=CSV)")
	const then = "CREATE TABLE b (x INT);\n"
	tests := map[string]struct{ text, kind, want string }{
		"a memory table, renamed": {"ALTER TABLE m RENAME TO m2; INSERT INTO m2 VALUES (2);\n", plan.Irreversible, "MEMORY"},
		"a table, swapped": {
			"CREATE TABLE z (x INT); ALTER TABLE a SWAP WITH z; ALTER TABLE z SET OPTIONS (bloom_index_columns='x');\n" + then,
			plan.Irreversible, "bloom_index_columns",
		},
		"an option left as false":  {"ALTER TABLE a SET OPTIONS (change_tracking=true);\n" + then, plan.Irreversible, "change_tracking"},
		"an undropped comment":     {"UNDROP TABLE gone; COMMENT ON TABLE gone IS 'n';\n" + then, plan.Irreversible, "was dropped before"},
		"an undropped column":      {"UNDROP TABLE gone; ALTER TABLE gone ADD COLUMN y INT;\n" + then, "", ""},
		"dropped and undropped":    {"DROP TABLE a; UNDROP TABLE a; COMMENT ON TABLE a IS 'n';\n" + then, "", ""},
		"a list of columns":        {"ALTER VIEW v AS SELECT 3;\n" + then, "", ""},
		"a renamed view's":         {"ALTER VIEW latter AS SELECT 3;\n" + then, plan.Irreversible, "column list"},
		"a list nobody can read":   {"ALTER VIEW broken AS SELECT 3;\n" + then, plan.Irreversible, "column list"},
		"a view of nothing":        {"ALTER VIEW dead AS SELECT 3 AS x;\n" + then, plan.Irreversible, "is gone"},
		"its root goes with it":    {"DROP TABLE root; ALTER VIEW leaf AS SELECT 3 AS x;\n" + then, "", ""},
		"ALTER VIEW on a table":    {"ALTER VIEW a AS SELECT 1 AS x;\n" + then, plan.Irreversible, "is a table"},
		"a stage's format":         {"ALTER STAGE " + db + "_s SET FILE_FORMAT=(TYPE=TSV);\n" + then, plan.Irreversible, "keeps its own files"},
		"a stage's comment":        {"ALTER STAGE " + db + "_s SET COMMENT='URL';\n" + then, "", ""},
		"rows of a memory table":   {"INSERT INTO m VALUES (2);\n", plan.Irreversible, "MEMORY"},
		"rows behind a slash":      {"INSERT INTO `s/l` VALUES (2);\n" + then, plan.Irreversible, "a slash"},
		"new rows behind a slash":  {"CREATE TABLE `n/m` (x INT); INSERT INTO `n/m` VALUES (2);\n" + then, plan.Irreversible, "a slash"},
		"a column behind a slash":  {"ALTER TABLE `s/l` ADD COLUMN y INT;\n" + then, "", ""},
		"a memory table and all":   {"DROP TABLE IF EXISTS m ALL;\n" + then, plan.Irreversible, "MEMORY"},
		"all behind a slash":       {"DROP TABLE `s/l` ALL;\n" + then, plan.Irreversible, "a slash"},
		"a function's tags":        {"DROP FUNCTION " + db + "_u;\n" + then, plan.Irreversible, "has tags"},
		"a role's tags":            {"DROP ROLE " + db + "_r;\n" + then, plan.Irreversible, "has tags"},
		"a function replaced":      {"-- dbctl: adopt \"ours\"\n--up\nCREATE OR REPLACE FUNCTION " + db + "_u AS (x) -> x + 1;\n" + then, "", ""},
		"a tagged one, at the end": {then + "DROP FUNCTION " + db + "_u;\n", "", ""},
		"an owner of a view":       {"GRANT OWNERSHIP ON " + db + ".v TO ROLE public;\n" + then, plan.Irreversible, "no owner"},
		"an owner of a table":      {"GRANT OWNERSHIP ON " + db + ".a TO ROLE public;\n" + then, "", ""},
		"a memory table emptied":   {"TRUNCATE TABLE m;\n", plan.Irreversible, "MEMORY"},
		"an option that stays":     {"ALTER TABLE a SET OPTIONS (bloom_index_columns='x');\n" + then, plan.Irreversible, "bloom_index_columns"},
		"a stage with files, ours": {"DROP STAGE " + db + "_s;\n", plan.Irreversible, "1 file"},
		"a file format of others":  {"CREATE OR REPLACE FILE FORMAT " + db + "_f TYPE=NDJSON;\n", plan.Adopt, "was not made by this project"},
		"an option that can go":    {"ALTER TABLE a SET OPTIONS (row_per_block=2000);\n" + then, "", ""},
		"an option at the end":     {then + "ALTER TABLE a SET OPTIONS (bloom_index_columns='x');\n", "", ""},
		"the same, adopted":        {"-- dbctl: adopt \"ours now\"\n--up\nCREATE OR REPLACE FILE FORMAT " + db + "_f TYPE=NDJSON;\n", "", ""},
		"a procedure, adopted": {
			"-- dbctl: adopt \"ours\"\n--up\nCREATE OR REPLACE PROCEDURE " + db + "_p(x INT) RETURNS INT NOT NULL LANGUAGE SQL AS $$ BEGIN RETURN 2; END; $$;\n",
			"", "irreversible CREATE OR REPLACE PROCEDURE",
		},
		"in a renamed database": {
			"ALTER DATABASE " + db + "_y RENAME TO " + db + "_z; CREATE DICTIONARY " + db + "_z.d" + dictionary + ";\n" + then,
			plan.Irreversible, "has its name from this migration",
		},
		"in a new one, renamed": {
			"CREATE DATABASE " + db + "_n; ALTER DATABASE " + db + "_n RENAME TO " + db + "_z; CREATE DICTIONARY " + db + "_z.d" + dictionary +
				";\n" + then, "", "",
		},
		"a retention that is kept": {"CREATE TABLE c (x INT) data_retention_period_in_hours=1;\n" + then, "", "how long Databend keeps history"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.Migration(2, tt.text)
			err := w.migrator(Options{DryRun: true}).Up(t.Context())
			var p *PlanError
			switch {
			case tt.kind == "":
				if err != nil || !strings.Contains(w.said(), tt.want) {
					t.Errorf("got %v and %s, want no error, and %q said", err, w.said(), tt.want)
				}
			case !errors.As(err, &p) || p.Kind != tt.kind || !strings.Contains(p.Msg, tt.want) || p.Line != 2 || p.Hint() == "":
				t.Errorf("got %v, want a %s at line 2 that says %q", err, tt.kind, tt.want)
			}
		})
	}
	w.T = t
	w.Migration(2, "-- dbctl: allow=irreversible \"no files of worth\"\n--up\nDROP STAGE "+db+"_s;\nINSERT INTO nowhere VALUES (1);\n")
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 4 || !strings.Contains(w.said(), "1 file that was in it is gone") {
		t.Errorf("got %v, want exit 4: the files are gone\n%s", err, w.said())
	}
}

// CREATE … IF NOT EXISTS of what is there gives it to the current role.
func TestOwnerOfWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x := strings.NewReplacer("{x}", w.Database+"_").Replace
	t.Cleanup(func() {
		w.SQL(t, x("DROP STAGE IF EXISTS {x}s"), x("DROP FUNCTION IF EXISTS {x}f"), x("DROP ROLE IF EXISTS {x}r"))
	})
	w.SQL(t, x("CREATE ROLE {x}r"), x("CREATE STAGE {x}s"), x("CREATE FUNCTION {x}f AS (a) -> a"), x("GRANT OWNERSHIP ON STAGE {x}s TO ROLE {x}r"),
		x("GRANT OWNERSHIP ON UDF {x}f TO ROLE {x}r"))
	look := func() string {
		return fmt.Sprint(w.SQL(t, x("SELECT name FROM show_grants('udf', '{x}f') UNION ALL SELECT owner FROM system.stages WHERE name = '{x}s'")))
	}
	before := look()
	w.Migration(1, x("CREATE STAGE IF NOT EXISTS {x}s; CREATE FUNCTION IF NOT EXISTS {x}f AS (a) -> a + 1; INSERT INTO nowhere VALUES (1);\n"))
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || look() != before {
		t.Errorf("got %v and %s, want exit 1 and %s", err, look(), before)
	}
}

// What has no history and is shown by the engine goes back by its definition.
func TestAccountWideGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.Database
	r, u := db+"_r", db+"_u"
	t.Cleanup(func() {
		w.SQL(t, "UNSET GLOBAL (recluster_timeout_secs, week_start, max_set_operator_count)", "DROP SEQUENCE IF EXISTS "+db+"_q", "DROP SEQUENCE IF EXISTS "+db+"_q2",
			"DROP SEQUENCE IF EXISTS "+db+"_q5", "DROP ROLE IF EXISTS "+r+"5", "DROP DICTIONARY IF EXISTS "+db+".d",
			"DROP FUNCTION IF EXISTS "+db+"_f", "DROP FUNCTION IF EXISTS "+db+"_g", "DROP STAGE IF EXISTS "+db+"_s", "DROP PASSWORD POLICY IF EXISTS "+db+"_p",
			"DROP ROLE IF EXISTS "+r, "DROP ROLE IF EXISTS "+r+"2", "DROP ROLE IF EXISTS "+r+"3", "DROP ROLE IF EXISTS "+r+"4h", "DROP USER IF EXISTS "+u, "DROP USER IF EXISTS "+u+"2")
	})
	const dictionary = " (id INT, v STRING) PRIMARY KEY id SOURCE(mysql(host='127.0.0.1' port='3306' username='u' password='pwpwpw' db='d' table='t'))"
	w.SQL(t, "CREATE ROLE "+r+"4", "CREATE ROLE "+r+"4h", "GRANT ROLE "+r+"4 TO ROLE "+r+"4h", "DROP ROLE "+r+"4") // where its name stays
	w.SQL(t, "SET GLOBAL recluster_timeout_secs = 50", "CREATE TABLE a (x INT)", "CREATE SEQUENCE "+db+"_q START=5 INCREMENT=2", "CREATE ROLE "+r, "CREATE ROLE "+r+"2", "CREATE USER "+u+" IDENTIFIED BY 'Secret_1'",
		"GRANT SELECT ON "+db+".a TO ROLE "+r, "GRANT ROLE "+r+" TO ROLE "+r+"2", "GRANT ROLE "+r+"2 TO "+u, "GRANT INSERT ON "+db+".a TO ROLE "+r+"2",
		"CREATE TABLE o (x INT)", "GRANT OWNERSHIP ON "+db+".o TO ROLE "+r+"2",
		"CREATE SEQUENCE "+db+"_q2", "GRANT ACCESS SEQUENCE ON SEQUENCE "+db+"_q2 TO ROLE "+r+"2",
		"CREATE SEQUENCE "+db+"_q5", "CREATE ROLE "+r+"5", "GRANT OWNERSHIP ON SEQUENCE "+db+"_q5 TO ROLE "+r+"5",
		"CREATE FUNCTION "+db+"_g AS (a) -> a", "GRANT OWNERSHIP ON UDF "+db+"_g TO ROLE "+r+"2",
		"CREATE FUNCTION "+db+"_f AS (a) -> a", "GRANT USAGE ON UDF "+db+"_f TO ROLE "+r+"2", "CREATE STAGE "+db+"_s URL = 's3://bucket/a/' CONNECTION = (ACCESS_KEY_ID = 'k' SECRET_ACCESS_KEY = 's')")
	// The engine shows a function without an owner, of a test beside this, to be each role's.
	own := " WHERE instr(grants, ' ON UDF ') = 0 OR instr(grants, ' ON UDF " + db + "') > 0 "
	look := func() string {
		var out []string
		for _, row := range w.SQL(t, "SELECT 'setting' AS k, name, value, level FROM system.settings WHERE name IN ('recluster_timeout_secs', 'week_start', 'max_set_operator_count') "+
			"UNION ALL SELECT 'sequence', name, current::STRING, \"interval\"::STRING FROM show_sequences() WHERE name LIKE '"+db+"%' "+
			"UNION ALL SELECT 'user', name, roles, concat(disabled::STRING, default_role, coalesce(password_policy, '')) FROM system.users WHERE name LIKE '"+db+"%' "+
			"UNION ALL SELECT 'role', name, inherited_roles_name, '' FROM system.roles WHERE name LIKE '"+db+"%' "+
			"UNION ALL SELECT 'function', name, '', '' FROM show_grants('udf', '"+db+"_f') "+
			"UNION ALL SELECT 'function', name, '', '' FROM show_grants('udf', '"+db+"_g') "+
			"UNION ALL SELECT 'sequence', name, '', 'its owner' FROM show_grants('sequence', '"+db+"_q5') "+
			"UNION ALL SELECT 'stage', owner, '', '' FROM system.stages WHERE name='"+db+"_s' "+
			"UNION ALL SELECT 'dictionary', name, '', '' FROM system.dictionaries WHERE database='"+db+"' "+
			"UNION ALL SELECT 'grant', grants, '1', '' FROM show_grants('role', '"+r+"')"+own+
			"UNION ALL SELECT 'grant', grants, '2', '' FROM show_grants('role', '"+r+"2')"+own+
			"UNION ALL SELECT 'grant', grants, 'u', '' FROM show_grants('user', '"+u+"')"+own) {
			out = append(out, fmt.Sprint(row))
		}
		slices.Sort(out)
		// What the role itself was granted shows when it inherits nothing.
		w.SQL(t, "REVOKE ROLE "+r+" FROM ROLE "+r+"2")
		out = append(out, fmt.Sprint(w.SQL(t, "SELECT grants FROM show_grants('role', '"+r+"2')"+own+"ORDER BY 1")))
		w.SQL(t, "GRANT ROLE "+r+" TO ROLE "+r+"2")
		return strings.Join(out, "\n")
	}
	before := look()
	for name, text := range map[string]string{
		"sequence of a role":            "SET enable_experimental_sequence_privilege_check = 1;\nDROP SEQUENCE " + db + "_q5;\nCREATE SEQUENCE " + db + "_q5;\n",
		"setting; role of a user":       "SET GLOBAL recluster_timeout_secs = 77;\nREVOKE ROLE " + r + "2 FROM " + u + ";\n",
		"setting unset; role of a role": "UNSET GLOBAL recluster_timeout_secs;\nREVOKE ROLE " + r + " FROM ROLE " + r + "2;\n",
		"settings of ours; role given": "SET GLOBAL week_start = 0;\nSET GLOBAL max_set_operator_count = 400;\n" +
			"GRANT ROLE " + r + " TO " + u + ";\n",
		"sequence; one more, inherited": "CREATE OR REPLACE SEQUENCE " + db + "_q START = 100 INCREMENT = 2;\n" +
			"GRANT UPDATE ON " + db + ".a TO ROLE " + r + ";\nREVOKE ROLE " + r + "2 FROM " + u + ";\n",
		"one more for role":              "GRANT UPDATE ON " + db + ".a TO ROLE " + r + ";\n",
		"sequence dropped; role dropped": "DROP SEQUENCE " + db + "_q;\nCREATE SEQUENCE " + db + "_q START WITH 9;\nDROP ROLE " + r + "2;\n",
		"roles dropped":                  "DROP ROLE " + r + "2;\nDROP ROLE " + r + ";\n",
		"what a role may use":            "DROP FUNCTION " + db + "_f;\nDROP ROLE " + r + "2;\nDROP SEQUENCE " + db + "_q2;\n",
		"a role of roles":                "DROP ROLE " + r + ";\nREVOKE ROLE " + r + " FROM ROLE " + r + "2;\nDROP ROLE " + r + "2;\n",
		"an owner dropped":               "CREATE TABLE IF NOT EXISTS o (x INT);\nDROP ROLE " + r + "2;\n",
		"given, then dropped":            "GRANT UPDATE ON " + db + ".a TO ROLE " + r + "2;\nGRANT ROLE public TO ROLE " + r + "2;\nDROP ROLE " + r + "2;\n",
		"taken, then dropped":            "REVOKE INSERT ON " + db + ".a FROM ROLE " + r + "2;\nREVOKE ROLE " + r + " FROM ROLE " + r + "2;\nDROP ROLE " + r + "2;\n",
		"an owner since":                 "GRANT OWNERSHIP ON " + db + ".a TO ROLE " + r + "2;\nDROP ROLE " + r + "2;\n",
		"given to a new role":            "CREATE ROLE " + r + "3;\nGRANT OWNERSHIP ON " + db + ".o TO ROLE " + r + "3;\nGRANT OWNERSHIP ON UDF " + db + "_g TO ROLE " + r + "3;\nDROP ROLE " + r + "2;\n",
		"function given":                 "GRANT OWNERSHIP ON UDF " + db + "_f TO ROLE " + r + "2;\n",
		"stage given":                    "GRANT OWNERSHIP ON STAGE " + db + "_s TO ROLE " + r + "2;\n",
		"given, then changed":            "GRANT OWNERSHIP ON UDF " + db + "_f TO ROLE " + r + "2;\nALTER FUNCTION " + db + "_f AS (a) -> a + 1;\n",
		"made, known before; user changed": "CREATE ROLE " + r + "4;\nGRANT SELECT ON " + db + ".a TO ROLE " + r + "4;\n" +
			"ALTER USER " + u + " WITH DISABLED = true, MUST_CHANGE_PASSWORD = true, DEFAULT_ROLE = '" + r + "';\n",
		"made, known by ours; user of no role": "CREATE ROLE " + r + "4;\nGRANT UPDATE ON " + db + ".a TO ROLE " + r + "4h;\n" +
			"REVOKE ROLE " + r + "2 FROM " + u + ";\nALTER USER " + u + " WITH DISABLED = true;\n",
		"user given, changed": "GRANT UPDATE ON " + db + ".a TO " + u + ";\nALTER USER " + u + " WITH DISABLED = true;\n",
		"user changed, given": "ALTER USER " + u + " WITH DISABLED = true;\nGRANT UPDATE ON " + db + ".a TO " + u + ";\n",
		"dictionary; user there": "CREATE DICTIONARY d" + dictionary + ";\n" +
			"ALTER USER " + u + " WITH DISABLED = true;\nCREATE USER IF NOT EXISTS " + u + " IDENTIFIED BY 'Secret_9';\n",
		"policy of a user": "CREATE PASSWORD POLICY " + db + "_p;\nALTER USER " + u + " WITH SET PASSWORD POLICY = '" + db + "_p';\n",
		"role made":        "CREATE ROLE " + r + "3;\nGRANT SELECT ON " + db + ".a TO ROLE " + r + "3;\nGRANT ROLE " + r + "3 TO " + u + ";\n",
		"user made":        "CREATE USER " + u + "2 IDENTIFIED BY 'Secret_2';\nGRANT ROLE " + r + " TO " + u + "2;\n",
		"role made again":  "DROP ROLE " + r + "2;\nCREATE ROLE " + r + "2;\nGRANT ROLE " + r + " TO ROLE " + r + "2;\nGRANT UPDATE ON " + db + ".a TO ROLE " + r + "2;\n",
	} {
		w.Migration(1, "-- dbctl: adopt \"for the test\"\n--up\n"+text+"INSERT INTO nowhere VALUES (1);\n")
		err := w.up()
		var run *RunError
		if !errors.As(err, &run) || run.ExitCode() != 1 || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("%s: got %v, want a failure at nowhere with nothing left\n%s", name, err, w.said())
		}
		if after := look(); after != before {
			t.Errorf("%s: got\n%s\nwant\n%s\n%s", name, after, before, w.said())
			return
		}
	}
}

// TestInPlaceOfAnInternalStage puts an internal stage back, which may not be replaced, where ours put another one in its place.
func TestInPlaceOfAnInternalStage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.Database + "_s"
	t.Cleanup(func() { w.SQL(t, "DROP STAGE IF EXISTS "+s) })
	w.Migration(1, "CREATE STAGE "+s+" FILE_FORMAT = (TYPE = TSV);\nALTER STAGE "+s+" SET COMMENT = 'c';\n")
	w.must(w.up())
	look := func() string {
		return fmt.Sprint(w.SQL(t, "SELECT stage_type, url, file_format_options, comment FROM system.stages WHERE name='"+s+"'"))
	}
	before := look()
	const external = " URL = 's3://bucket/a/' CONNECTION = (ACCESS_KEY_ID = 'k' SECRET_ACCESS_KEY = 's')"
	for _, text := range []string{
		"CREATE OR REPLACE STAGE " + s + external, "DROP STAGE " + s + ";\nCREATE STAGE " + s + external,
		"DROP STAGE " + s + ";\nCREATE STAGE " + s + " FILE_FORMAT = (TYPE = CSV)",
	} {
		w.Migration(2, text+";\nINSERT INTO nowhere VALUES (1);\n")
		err := w.up()
		var run *RunError
		if !errors.As(err, &run) || run.ExitCode() != 1 || look() != before {
			t.Errorf("%s: got %v with %s, want %s\n%s", text, err, look(), before, w.said())
		}
	}
	w.Migration(2, "DROP STAGE "+s+";\nCREATE STAGE "+s+";\nSELECT 'theirs';\nINSERT INTO nowhere VALUES (1);\n")
	w.through(newGrave(0, false).acting("SELECT 'theirs'", 0, func() { w.SQL(t, "COPY INTO @"+s+" FROM (SELECT 1)") }))
	err := w.up()
	var run *RunError
	if !errors.As(err, &run) || run.ExitCode() != 4 || !strings.Contains(w.said(), "1 file is in it") {
		t.Errorf("got %v, want their file kept\n%s", err, w.said())
	}
}

// A process is killed while a statement of its restore is under way on the server. The recovery ends that first: a FLASHBACK that ran
// after it would take its work, and rows of others, with it.
func TestRecoverEndsTheRestoreBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SQL(t, "CREATE TABLE a (x INT, y STRING COMMENT 'why')", "INSERT INTO a VALUES (1, 'one')")
	before := w.everything()
	w.Migration(1, "ALTER TABLE a DROP COLUMN y;\nINSERT INTO nowhere VALUES (1);\n")
	healthy := w.srv
	g := newGrave(-1, true)
	g.async = true
	fenced, _, _ := strings.Cut(sqltext.Ident(w.Database)+"."+sqltext.Ident("__dbctl_f_0"), "0")
	g.what = "ALTER TABLE " + strings.ReplaceAll(fenced, `"`, `\"`)
	w.through(g)
	w.Fault(t, databendtest.Fault{Action: "hold", Match: w.Database + `\S+__dbctl_f_\d+\S? FLASHBACK`, Hold: 20})
	m := w.migrator(Options{})
	t.Cleanup(func() { close(g.end) })
	go func() { _ = m.Up(t.Context()) }()
	select {
	case <-g.dead:
	case <-time.After(10 * time.Minute):
		t.Fatal("the restore never came to its FLASHBACK")
	}
	w.srv = healthy
	w.die()
	w.must(w.migrator(Options{LockWait: 10 * time.Minute}).Recover(t.Context(), RollBack, ""))
	if after := w.everything(); after != before {
		t.Errorf("got\n%s\nwant\n%s\n%s", after, before, w.said())
	}
	if rows := w.SQL(t, "SELECT extra_info FROM system.processes WHERE extra_info LIKE '%"+w.Database+"%FLASHBACK%' AND extra_info NOT LIKE '%processes%'"); len(rows) > 0 {
		t.Errorf("still under way: %v", rows)
	}
}

// A key that stands in a file as it is does not reach the journal; what it made is still defined again from the file.
func TestJournalKeepsNoKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.Database + "_c"
	t.Cleanup(func() { w.SQL(t, "DROP CONNECTION IF EXISTS "+c) })
	w.Migration(1, "CREATE CONNECTION "+c+" STORAGE_TYPE='s3' ACCESS_KEY_ID='handwritten1' SECRET_ACCESS_KEY='handwritten2';\n--down\nDROP CONNECTION "+c+";\n")
	w.must(w.up())
	show := func() (out []string) {
		for _, r := range w.SQL(t, "SHOW CONNECTIONS") {
			if r[0] == c {
				out = r
			}
		}
		return out
	}
	shown := fmt.Sprint(show())
	w.Migration(2, "DROP CONNECTION "+c+";\nINSERT INTO nowhere VALUES (1);\n")
	var run *RunError
	if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 {
		t.Errorf("got %v, want exit 1\n%s", err, w.said())
	}
	if got := fmt.Sprint(show()); got != shown || got == "[]" {
		t.Errorf("got %s, want %s", got, shown)
	}
	if got := fmt.Sprint(w.SQL(t, "SELECT * FROM "+w.StateDB+".journal")); strings.Contains(got, "handwritten") {
		t.Errorf("the journal has a key: %s", got)
	}
	w.RemoveMigration(2)
	w.must(w.migrator(Options{}).Redo(t.Context()))
}

// behind does something once the answer to a statement has come.
type behind struct {
	what string
	do   func()
}

func (b behind) RoundTrip(req *http.Request) (*http.Response, error) {
	text := textOf(req)
	res, err := http.DefaultTransport.RoundTrip(req)
	if strings.Contains(text, b.what) {
		b.do()
	}
	return res, err
}

// Interrupted behind the last statement of one migration, ahead of the next: that one stays, and nothing of it is put back.
func TestInterruptedBetweenMigrations(t *testing.T) {
	t.Parallel()
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("down=%v", down), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for v := 1; v <= 3; v++ {
				w.Migration(v, fmt.Sprintf("CREATE TABLE t%[1]d (x INT);\nCREATE VIEW v%[1]d AS SELECT x FROM t%[1]d;\n--down\nDROP VIEW v%[1]d;\nDROP TABLE t%[1]d;\n", v))
			}
			last, kept := "CREATE VIEW v1 ", "t1 v1"
			if down {
				w.must(w.up())
				last, kept = "DROP TABLE t3", "t1 t2 v1 v2"
			}
			ctx, cancel := context.WithCancel(t.Context())
			cfg := w.Config
			cfg.Transport = behind{`"sql":"` + last, cancel}
			w.connect(cfg)
			var err error
			if down {
				err = w.migrator(Options{}).Down(ctx, 0, false)
			} else {
				err = w.migrator(Options{}).Up(ctx)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want that it was cancelled\n%s", err, w.said())
			}
			failed := fmt.Sprintf("%v\n%s", err, w.said())
			w.connect(w.Config)
			s, err := w.migrator(Options{}).Status(t.Context())
			w.must(err)
			want := map[int64]event.MigrationState{1: "applied", 2: "pending", 3: "pending"}
			if down {
				want[2] = "applied"
			}
			for _, m := range s.Migrations {
				if m.State != want[m.Version] {
					t.Errorf("version %d is %s, want %s: %v", m.Version, m.State, want[m.Version], failed)
				}
			}
			var there []string
			for _, row := range w.SQL(t, "SELECT name FROM system.tables WHERE database=current_database() ORDER BY name") {
				there = append(there, row[0])
			}
			if got := strings.Join(there, " "); got != kept {
				t.Errorf("got %s, want %s\n%s", got, kept, w.said())
			}
		})
	}
}

// Where snapshots cannot be looked at, for want of a right or because the look was ended, rows could not be put back: DML fails ahead of its
// first row, and the migration goes back whole.
func TestSnapshotsAreNotShown(t *testing.T) {
	t.Parallel()
	for code, says := range map[int]string{databend.CodePermissionDenied: "PermissionDenied", 1043: "AbortedQuery"} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SQL(t, "CREATE TABLE b (x INT)", "INSERT INTO b VALUES (1)")
			before := w.look()
			cfg := w.Config
			cfg.Transport = refusing(func(text string) int {
				if strings.Contains(text, "fuse_snapshot(") {
					return code
				}
				return 0
			})
			w.connect(cfg)
			w.Migration(1, "CREATE TABLE n (x INT);\nINSERT INTO n VALUES (1);\nUPDATE b SET x = 2 WHERE x = 1;\n")
			var run *RunError
			if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || !strings.Contains(err.Error(), says) {
				t.Errorf("got %v, want the first INSERT to fail and nothing left\n%s", err, w.said())
			}
			if diff := cmp.Diff(before, w.look()); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, w.said())
			}
		})
	}
}

// TestRollbackGivesBackToARoleOfThen drops a role, and then what it owns, which shows as the account's by then: it is the role's again.
func TestRollbackGivesBackToARoleOfThen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ made, on, drop, owned string }{
		{"TABLE t (x INT)", "t", "TABLE t", "SELECT owner FROM system.tables WHERE database = '{db}'"},
		{"DATABASE {x}", "{x}.*", "DATABASE {x}", "SELECT owner FROM system.databases WHERE name = '{x}'"},
		{"STAGE {x}", "STAGE {x}", "STAGE {x}", "SELECT owner FROM system.stages WHERE name = '{x}'"},
		{"FUNCTION {x} AS (a) -> a", "UDF {x}", "FUNCTION {x}", "SELECT name FROM show_grants('udf', '{x}')"},
	} {
		t.Run(tt.drop, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			named := strings.NewReplacer("{x}", w.Database+"_x", "{db}", w.Database).Replace
			t.Cleanup(func() {
				w.SQL(t, named("DROP "+strings.Replace(tt.drop, " ", " IF EXISTS ", 1)), named("DROP ROLE IF EXISTS {x}"))
			})
			w.Migration(1, named("CREATE ROLE {x};\nCREATE "+tt.made+";\n"))
			w.must(w.up())
			w.SQL(t, named("GRANT OWNERSHIP ON "+tt.on+" TO ROLE {x}"))
			w.Migration(2, named("DROP ROLE {x};\nSELECT sleep(2.2);\nDROP "+tt.drop+";\nINSERT INTO nowhere VALUES (1);\n"))
			err := w.up()
			var run *RunError
			if !errors.As(err, &run) || run.ExitCode() != 1 {
				t.Errorf("got %v, want exit 1: all is as it was\n%s", err, w.said())
			}
			if got := fmt.Sprint(w.SQL(t, named(tt.owned))); got != named("[[{x}]]") {
				t.Errorf("got owner %s, want the role of then", got)
			}
		})
	}
}

// TestSecondTry refuses a statement of the restore once: what the first try of it did is not another session's in the second.
func TestSecondTry(t *testing.T) {
	t.Parallel()
	const user, rows = "CREATE USER {x} IDENTIFIED BY 'Secret_1'", "INSERT INTO t VALUES (1, 'a')"
	for _, tt := range []struct {
		before        []string
		ours, refused string
		look          string
	}{
		{[]string{user, "CREATE ROLE {x}", "GRANT ROLE {x} TO USER {x}"}, "ALTER USER {x} WITH DISABLED = true;\nREVOKE ROLE {x} FROM USER {x}", "ALTER USER '{x}'", "SELECT roles, disabled FROM system.users WHERE name='{x}'"},
		{[]string{user, "CREATE ROLE {x}", "GRANT ROLE {x} TO USER {x}"}, "REVOKE ROLE {x} FROM USER {x};\nALTER USER {x} WITH DISABLED = true", "GRANT ROLE", "SELECT roles, disabled FROM system.users WHERE name='{x}'"},
		{[]string{user, "CREATE ROLE {x}"}, "GRANT SELECT ON {db}.t TO {x};\nGRANT ROLE {x} TO USER {x}", "REVOKE SELECT", "SELECT grants FROM show_grants('user', '{x}')"},
		{[]string{"CREATE ROLE {x}", "GRANT SELECT ON {db}.t TO ROLE {x}"}, "DROP ROLE {x}", "GRANT SELECT", "SELECT grants FROM show_grants('role', '{x}') WHERE instr(grants, ' ON UDF ') = 0"},
		{[]string{rows, "CREATE AGGREGATING INDEX {x} AS SELECT s, count(*) FROM t GROUP BY s"}, "ALTER TABLE t ADD COLUMN y INT;\nUPDATE t SET s = 'b' WHERE true", "CREATE OR REPLACE AGGREGATING", "SELECT name, definition FROM system.indexes WHERE name='{x}'"},
		{[]string{user}, "CREATE NETWORK POLICY {x} ALLOWED_IP_LIST = ('9.9.9.9');\nALTER USER {x} WITH SET NETWORK POLICY = '{x}'", "ALTER USER", "SELECT network_policy FROM system.users WHERE name='{x}'"},
		// None is refused.
		{[]string{rows}, "ALTER TABLE t RENAME COLUMN s TO z;\nCREATE INVERTED INDEX i ON t(z)", "", "SELECT name FROM system.indexes WHERE database='{db}' AND type='INVERTED'"},
		{[]string{rows}, "CREATE INVERTED INDEX i ON t(s);\nALTER TABLE t RENAME COLUMN s TO z", "", "SELECT name FROM system.indexes WHERE database='{db}' AND type='INVERTED'"},
	} {
		t.Run(tt.refused+tt.ours, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			named := strings.NewReplacer("{x}", w.Database+"_x", "{db}", w.Database).Replace
			w.SQL(t, "CREATE TABLE t (a INT, s STRING)")
			w.remains()
			for _, s := range tt.before {
				w.SQL(t, named(s))
			}
			look := func() string { return fmt.Sprint(w.SQL(t, named(tt.look)), w.SQL(t, "SELECT * FROM t")) }
			before := look()
			cfg := w.Config
			var failed, refused atomic.Bool
			cfg.Transport = refusing(func(text string) int {
				switch {
				case strings.Contains(text, "INSERT INTO nowhere"):
					failed.Store(true)
				case tt.refused != "" && failed.Load() && strings.Contains(text, `"sql":"`+named(tt.refused)) && refused.CompareAndSwap(false, true):
					return databend.CodeInternal
				}
				return 0
			})
			w.connect(cfg)
			w.Migration(1, "-- dbctl: adopt \"for the test\"\n--up\n"+named(tt.ours)+";\nINSERT INTO nowhere VALUES (1);\n")
			var run *RunError
			if err := w.up(); !errors.As(err, &run) || run.ExitCode() != 1 || refused.Load() != (tt.refused != "") {
				t.Errorf("got %v, refused %t: want exit 1 in the second try\n%s", err, refused.Load(), w.said())
			}
			if diff := cmp.Diff(before, look()); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, w.said())
			}
		})
	}
}
