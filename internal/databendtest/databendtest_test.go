package databendtest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databendtest"
)

func TestEnv(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	e.Put(t, "in/a.csv", []byte("1,x\n2,\n"))
	got := e.SQL(t,
		"CREATE TABLE c (a INT, b STRING)",
		e.StageSQL("s_"+e.Database, "in/", "CSV"),
		"COPY INTO c FROM @s_"+e.Database,
		"SELECT a, nullif(b, '') FROM c ORDER BY a")
	if diff := cmp.Diff(got, [][]string{{"1", "x"}, {"2", "NULL"}}); diff != "" {
		t.Errorf("rows (-got +want):\n%s", diff)
	}
	e.SQL(t, "DROP STAGE s_"+e.Database)
	if code, message := e.Err(t, "SELECT * FROM nowhere"); code != 1025 {
		t.Errorf("code %d (%s), want 1025", code, message)
	}
}

// Two Envs share the engine and see nothing of each other.
func TestEnvsAreApart(t *testing.T) {
	t.Parallel()
	a, b := databendtest.New(t), databendtest.New(t)
	a.SQL(t, "CREATE TABLE t (a INT)")
	if code, _ := b.Err(t, "SELECT * FROM t"); code != 1025 {
		t.Errorf("code %d, want 1025", code)
	}
}
