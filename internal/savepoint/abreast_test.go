package savepoint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
)

// crowd is what several sessions of a restore send together. They die at a writing request, before it is sent or after its answer.
type crowd struct {
	under, most, sent atomic.Int64
	crashAt
}

func (c *crowd) dies(sent int64) bool {
	return c.at > 0 && (sent > int64(c.at) || sent == int64(c.at) && !c.after)
}

type member struct {
	Conn
	*crowd
}

func (m member) Query(ctx context.Context, st databend.Statement) (databend.Result, error) {
	if m.at > 0 && m.sent.Load() >= int64(m.at) {
		return databend.Result{}, errCrash
	}
	return m.Conn.Query(ctx, st)
}

func (m member) Exec(ctx context.Context, st databend.Statement) (databend.Result, error) {
	n := m.under.Add(1)
	defer m.under.Add(-1)
	for most := m.most.Load(); n > most && !m.most.CompareAndSwap(most, n); most = m.most.Load() {
	}
	sent := m.sent.Add(1)
	if m.dies(sent) {
		return databend.Result{}, errCrash
	}
	res, err := m.Conn.Exec(ctx, st)
	if m.at > 0 && sent >= int64(m.at) {
		return databend.Result{}, errCrash
	}
	return res, err
}

// together are sessions of a restore, the first and more.
func (r *rig) together(c *crowd) (first Conn, more []Conn) {
	for range 6 {
		more = append(more, member{r.server.Session(nil), c})
	}
	return member{r.conn, c}, more
}

// TestAbreast restores many objects beside each other, killed anywhere.
func TestAbreast(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var setup, statements, names []string
	each := func(n int, of *[]string, formats ...string) {
		for i := range n {
			for _, f := range formats {
				*of = append(*of, strings.ReplaceAll(f, "#", fmt.Sprint(i)))
			}
		}
	}
	each(4, &setup, "create or replace table d# (a int)", "insert into d# values (#)", "create or replace table w# (a int)",
		"insert into w# values (#)", "create or replace table o# (a int) comment = 'old'", "insert into o# values (#)",
		"create or replace view v# as select # as a")
	each(4, &statements, "create table n# (a int)", "insert into n# values (1)", "drop table d#", "alter table w# rename to x#",
		"insert into x# values (7)", "alter table o# comment = 'new'", "alter table o# set options (data_retention_period_in_hours = 30)",
		"create or replace table w# (z string)", "create view y# as select 1 as b", "drop view v#",
		"create function "+r.db()+"_f# as (x) -> x + #", "create sequence "+r.db()+"_s#")
	// A table that was dropped under the name of another: these two are brought up one behind the other.
	statements = append(statements, "drop table o0", "alter table o1 rename to o0", "drop table o0")
	each(4, &names, "drop function if exists "+r.db()+"_f#", "drop sequence if exists "+r.db()+"_s#")
	t.Cleanup(func() {
		for _, s := range names {
			r.env.SQL(t, s)
		}
	})
	steps := []int{0, 11, 40}
	if databendtest.Full() {
		steps = steps[:1]
		for at := range 160 {
			steps = append(steps, at+1)
		}
	}
	r.sql(setup...)
	for _, at := range steps {
		was := r.look()
		if err := r.run(statements...); err != nil {
			t.Fatal(err)
		}
		c := &crowd{crashAt: crashAt{at: at, after: at%2 == 0}}
		first, more := r.together(c)
		rep, err := Restore(t.Context(), first, r.before, r.reached, Options{Run: "test", More: more})
		switch {
		case at == 0 && (err != nil || !rep.Clean()):
			t.Fatalf("%v: %+v", err, rep.Outcomes)
		case at == 0 && c.most.Load() < 4:
			t.Errorf("at most %d requests were under way at once", c.most.Load())
		case at > 0 && err == nil && c.sent.Load() >= int64(at):
			t.Fatalf("killed at %d, and nothing was said", at)
		case at > 0 && err != nil && !errors.Is(err, errCrash):
			t.Fatalf("killed at %d: %v", at, err)
		}
		r.restored(was)
	}
}
