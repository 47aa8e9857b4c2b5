package savepoint

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A COPY that is rolled back: with nothing loaded before, the same COPY loads everything again by itself; else the files are
// reported, and FORCE loads them exactly once. What another session loads meanwhile stays loaded.
func TestCopyRolledBack(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nothing loaded before", "files loaded before", "files loaded meanwhile"} {
		before, meanwhile := name == "files loaded before", name == "files loaded meanwhile"
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			stage := "s_" + r.db()
			r.env.Put(t, "in/one.csv", []byte("1\n"))
			r.sql("use "+r.db(), r.env.StageSQL(stage, "in/", "CSV"), "create table a (x int)", "insert into a values (100)")
			t.Cleanup(func() { r.env.SQL(t, "drop stage if exists "+stage) })
			if before {
				r.sql("copy into a from @" + stage)
			}
			r.env.Put(t, "in/two.csv", []byte("2\n2\n"))
			statements := []string{"alter table a add column y int", "copy into a(x) from (select $1 from @" + stage + ")"}
			r.capture(statements)
			if meanwhile {
				r.sql("copy into a from @" + stage + " files = ('one.csv')")
			}
			was := r.look()
			if err := r.steps(statements); err != nil {
				t.Fatal(err)
			}
			if n := r.rows("select to_string(count(*)) from a")[0][0]; n == "1" {
				t.Fatal("the COPY loaded nothing")
			}
			rep := r.restore()
			if !rep.Clean() {
				t.Errorf("report %+v", rep)
			}
			if d := difference(was, r.look()); d != "" {
				t.Errorf("state (-before +after):\n%s", d)
			}
			id := r.rows("select to_string(table_id) from system.tables where name = 'a' and database = '" + r.db() + "'")[0][0]
			if d := cmp.Diff([]string{id}, rep.Uncopied); d != "" {
				t.Errorf("tables whose COPYs are rolled back (-want +got):\n%s", d)
			}
			r.again(rep)
			if before || meanwhile {
				r.sql("copy into a from @" + stage + " files = ('two.csv') force = true")
			}
			if !before {
				r.sql("copy into a from @" + stage)
			}
			if d := cmp.Diff([]string{"1", "100", "2", "2"}, r.column("select x from a")); d != "" {
				t.Errorf("rows after loading again (-want +got):\n%s", d)
			}
		})
	}
}
