package migrate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
)

// Several statements on one table in one transaction are one snapshot: they must not be taken for another session's commit.
func TestTransactionIsNotOvertakenByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE alone (n INT);\nINSERT INTO alone VALUES (1), (2);\n")
	w.must(w.up())
	w.Migration(2, "BEGIN;\nUPDATE alone SET n = n + 10;\nDELETE FROM alone WHERE n = 11;\nINSERT INTO alone VALUES (3);\nINSERT OVERWRITE alone SELECT n FROM alone;\nCOMMIT;\nINSERT INTO alone SELECT n FROM alone WHERE n > 99;\n")
	w.must(w.up())
	if got := fmt.Sprint(w.SQL(t, "SELECT n FROM alone ORDER BY n")); got != "[[3] [12]]" {
		t.Errorf("got rows %s, want 3 and 12", got)
	}
	sent := 0
	for _, p := range w.Log(t) {
		if strings.HasPrefix(p.SQL, "UPDATE alone") {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("the transaction was sent %d times, want once", sent)
	}
}

// Another session commits between the look at the table's head and our INSERT: what is ours must still be known, so that the
// rollback takes all of it and nothing else.
func TestOvertakenTransactionRunsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Migration(1, "CREATE TABLE overtaken (n INT);\nINSERT INTO overtaken SELECT number FROM numbers(5);\n")
	w.must(w.up())
	w.Migration(2, "INSERT INTO overtaken SELECT n + 500 FROM overtaken WHERE n < 500;\nINSERT INTO nosuch VALUES (1);\n")
	w.Fault(t, databendtest.Fault{Action: "hold", Match: `^INSERT INTO overtaken SELECT n \+ 500`, Hold: 1})
	other := w.Session(t)
	done := make(chan int)
	stop := make(chan struct{})
	go func() {
		rows := 0
		for ; ; rows++ {
			select {
			case <-stop:
				done <- rows
				return
			case <-time.After(100 * time.Millisecond):
			}
			if _, err := other.Exec(t.Context(), databend.Statement{SQL: fmt.Sprintf("INSERT INTO overtaken VALUES (%d)", 1000+rows)}); err != nil {
				t.Error(err)
			}
		}
	}()
	time.AfterFunc(2*time.Second, func() { close(stop) })
	err := w.up()
	theirs := <-done
	if err == nil {
		t.Fatal("got no error of the statement that fails")
	}
	if got, want := fmt.Sprint(w.SQL(t, "SELECT count_if(n < 500), count_if(n >= 500 AND n < 1000), count_if(n >= 1000) FROM overtaken")), fmt.Sprintf("[[5 0 %d]]", theirs); got != want {
		t.Errorf("got %s rows of before, of ours, of theirs, want %s (%v)\n%s", got, want, err, w.said())
	}
}
