package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/state/ledger"
)

// copies is a world with a table a, into which zero.csv was loaded past dbctl, and the file one.csv of two rows.
type copies struct {
	*world
	stage string
}

func newCopies(t *testing.T) *copies {
	t.Helper()
	w := newWorld(t)
	c := &copies{w, w.Database + "_s"}
	w.Put(t, "in/zero.csv", []byte("9\n"))
	t.Cleanup(func() { w.SQL(t, "DROP STAGE IF EXISTS "+c.stage) })
	w.SQL(t, fmt.Sprintf("CREATE STAGE %s URL='%s' CONNECTION=(ENDPOINT_URL='%s' ACCESS_KEY_ID='%s' SECRET_ACCESS_KEY='%s' REGION='us-east-1')",
		c.stage, c.url(), w.S3.Endpoint, w.S3.Key, w.S3.Secret.Reveal()), "CREATE TABLE a (x INT)",
		c.copy("")[:len(c.copy(""))-2]) // with no file before, the engine's memory is emptied instead
	w.Put(t, "in/one.csv", []byte("1\n2\n"))
	return c
}

func (c *copies) url() string { return "s3://" + c.Bucket + "/" + c.Prefix }

func (c *copies) copy(options string) string {
	return "COPY INTO a FROM @" + c.stage + "/in/ FILE_FORMAT=(TYPE=CSV) " + options + ";\n"
}

// ledger is what the ledger says last of each file, with its rows and whether it knows its size and etag.
func (c *copies) ledger() string {
	return fmt.Sprint(c.SQL(c.T, "SELECT replace(concat(stage_url, path), '"+c.url()+"', '') AS p, arg_max(state, at), arg_max(row_count, at), "+
		"arg_max(size > 0 AND etag <> '' AND mtime <> '', at) FROM "+c.StateDB+".ledger WHERE state <> 'begin' GROUP BY p ORDER BY p"))
}

func (c *copies) rows() string { return fmt.Sprint(c.SQL(c.T, "SELECT x FROM a ORDER BY x")) }

func (c *copies) is(rows, ledger string) {
	c.T.Helper()
	if r, l := c.rows(), c.ledger(); r != rows || l != ledger {
		c.T.Errorf("got rows %s and ledger %s,\nwant %s and %s\n%s", r, l, rows, ledger, c.said())
	}
}

// fails runs the migrations, which fail with what the words say, and are put back.
func (c *copies) fails(words string) {
	c.T.Helper()
	var run *RunError
	if err := c.up(); !errors.As(err, &run) || run.ExitCode() != 1 || !strings.Contains(err.Error(), words) {
		c.T.Fatalf("got %v, want %q and a clean rollback\n%s", err, words, c.said())
	}
}

const (
	nowhere = "INSERT INTO nowhere VALUES (1);\n"
	one     = "FILES=('one.csv')"
	forced  = one + " FORCE=TRUE"
	undone  = "[[in/one.csv undone 0 1]]"
	loaded  = "[[in/one.csv loaded 2 1]]"
)

// TestUndoneFilesAreInTheLedger rolls a COPY back: the engine still takes its files for loaded, and the ledger says that they are not, until a
// COPY with FORCE has brought them.
func TestUndoneFilesAreInTheLedger(t *testing.T) {
	t.Parallel()
	c := newCopies(t)
	c.Migration(1, c.copy("")+nowhere)
	c.fails("nowhere")
	c.is("[[9]]", undone)
	// The migration once more: a COPY that would pass over them does not do so in silence.
	for options, passes := range map[string]bool{
		"": true, one: true, "PATTERN='.*[.]csv'": true, "FORCE=FALSE MAX_FILES=10": true, "PATTERN='z.*'": false, "FILES=('zero.csv')": false,
		forced: false,
	} {
		c.Migration(1, c.copy(options)+nowhere)
		c.fails("nowhere")
		if strings.Contains(c.said(), "brings 1 file whose rows a rollback took away: in/one.csv") != passes {
			t.Errorf("%s: got no word of FORCE, or one that is not so\n%s", options, c.said())
		}
		c.is("[[9]]", undone)
	}
	for _, from := range []string{"/in FILES=('one.csv')", "/in/o"} { // a location that is no folder
		c.Migration(1, "COPY INTO a FROM @"+c.stage+from+" FILE_FORMAT=(TYPE=CSV);\n"+nowhere)
		c.fails("nowhere")
		if !strings.Contains(c.said(), "brings 1 file whose rows a rollback took away: in/one.csv") {
			t.Errorf("%s: got no word of FORCE\n%s", from, c.said())
		}
		c.is("[[9]]", undone)
	}
	c.Migration(1, "BEGIN;\n"+c.copy("-- a note\n")+c.copy("")+"COMMIT;\n") // the second finds that the first brought it
	c.must(c.up())
	c.is("[[1] [2] [9]]", loaded)
	c.Migration(2, c.copy(""))
	c.must(c.up())
	c.is("[[1] [2] [9]]", loaded)
	if !strings.Contains(c.said(), "COPY INTO brought nothing: Databend takes 2 files for loaded already") {
		t.Errorf("got no word of the files that were passed over\n%s", c.said())
	}
}

// TestKilledCopyIsInTheLedger kills a run behind the COMMIT of a COPY, and on the way back.
func TestKilledCopyIsInTheLedger(t *testing.T) {
	t.Parallel()
	for _, options := range []string{"", forced} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			c := newCopies(t)
			if options != "" {
				c.Migration(1, c.copy("")+nowhere)
				c.fails("nowhere")
			}
			c.Migration(1, "ALTER TABLE a ADD COLUMN y INT;\n"+strings.Replace(c.copy(options), " a ", " a (x) ", 1))
			c.cut("COMMIT", true, Options{})
			c.is("[[1] [2] [9]]", loaded)
			c.cutIn(func(m *Migrator, ctx context.Context) error { return m.Recover(ctx, RollBack, "") }, "INSERT INTO `"+c.StateDB+"`.`ledger`", false,
				Options{LockWait: 10 * time.Minute})
			c.is("[[9]]", loaded) // not told yet
			c.must(c.recover(RollBack, ""))
			c.is("[[9]]", undone)
		})
	}
}

// TestPersonsWordOnACopy takes a person's word that a run is as before it, who took the rows away.
func TestPersonsWordOnACopy(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]string{MarkRolledBack: undone, MarkApplied: loaded} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := newCopies(t)
			c.Migration(1, c.copy("")+"CREATE TABLE b (x INT);\n")
			c.cut("CREATE TABLE b", false, Options{})
			c.must(c.recover(how, "why"))
			c.is("[[1] [2] [9]]", want)
		})
	}
}

// TestCopyOfLoadedFiles brings files that the ledger has as loaded, once the engine has forgotten them: only by FORCE, or into an empty table.
func TestCopyOfLoadedFiles(t *testing.T) {
	t.Parallel()
	c := newCopies(t)
	c.Migration(1, c.copy(""))
	c.must(c.up())
	for _, rebuilt := range []string{ // and brought again by the same migration
		"CREATE OR REPLACE TABLE a AS SELECT * FROM a;\n",
		"ALTER TABLE a RENAME TO b;\nCREATE VIEW v AS SELECT * FROM b;\nCREATE TABLE a AS SELECT * FROM v;\nDROP TABLE b;\n",
	} {
		c.Migration(2, rebuilt+c.copy(one))
		c.fails("brings 1 file again whose rows the ledger has in the table: in/one.csv")
		c.is("[[1] [2] [9]]", loaded)
	}
	c.Migration(2, "CREATE OR REPLACE TABLE a AS SELECT * FROM a;\n")
	c.must(c.up())
	c.is("[[1] [2] [9]]", loaded)
	c.Migration(3, c.copy(one))
	c.fails("brings 1 file again whose rows the ledger has in the table: in/one.csv")
	c.is("[[1] [2] [9]]", loaded)
	c.Migration(3, c.copy(forced)+nowhere)
	c.fails("nowhere")
	c.is("[[1] [2] [9]]", loaded)
	if !strings.Contains(c.said(), "FORCE = TRUE brings 1 file again") {
		t.Errorf("got no word of the file\n%s", c.said())
	}
	c.Migration(3, c.copy(forced))
	c.must(c.up())
	c.is("[[1] [1] [2] [2] [9]]", "[[in/one.csv loaded 4 1]]")
	for v, text := range []string{"TRUNCATE TABLE a;\n" + c.copy(one), "DELETE FROM a;\n" + c.copy(forced)} {
		c.Migration(4+v, text)
		c.must(c.up())
		if got := c.rows(); got != "[[1] [2]]" || strings.Count(c.said(), "brings 1 file again") > 2 {
			t.Errorf("%s: got rows %s\n%s", text, got, c.said())
		}
	}
	c.Migration(6, c.copy("RETURN_FAILED_ONLY = TRUE"))
	if err := c.up(); err == nil || !strings.Contains(err.Error(), "hides which files") {
		t.Errorf("got %v, want it refused", err)
	}
}

// TestFlashbackPastACopy goes back past a migration's COPY by hand: the next load sees that the rows of its files are gone.
func TestFlashbackPastACopy(t *testing.T) {
	t.Parallel()
	c := newCopies(t)
	at := c.SQL(t, "SELECT snapshot_id FROM fuse_snapshot('"+c.Database+"', 'a') LIMIT 1")[0][0]
	c.Migration(1, c.copy(""))
	c.must(c.up())
	var gone []string
	look := func() {
		id := c.SQL(t, "SELECT to_string(table_id) FROM system.tables WHERE database='"+c.Database+"' AND name='a'")[0][0]
		of := []ledger.Table{{ID: fmt.Sprint(id), Database: c.Database, Name: "a"}}
		c.must(c.migrator(Options{}).store.FlashedBack(t.Context(), of, false, func(_ int, url string, _ time.Time) { gone = append(gone, url) }))
	}
	if look(); gone != nil {
		t.Errorf("got %v gone ahead of the FLASHBACK", gone)
	}
	c.SQL(t, fmt.Sprintf("ALTER TABLE a FLASHBACK TO (SNAPSHOT => '%v')", at))
	if look(); !slices.Equal(gone, []string{c.url() + "in/one.csv"}) {
		t.Errorf("got %v gone, want in/one.csv", gone)
	}
}
