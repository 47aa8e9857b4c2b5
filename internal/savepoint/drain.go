package savepoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
)

// Drain times: a writer that began before the fence is seen in system.processes, but for the instant between its start and
// its entry there.
const (
	drainLeast = 120 * time.Millisecond
	drainLook  = 50 * time.Millisecond
	drainMost  = 2 * time.Second
)

// drain waits until no statement of another session that began before the fence can still write the tables. A transaction
// that commits later than that is merged by the engine onto what it finds, not lost.
func (x *restorer) drain(ws []*work) (bool, error) {
	if x.drained {
		return true, nil
	}
	most := x.o.Drain
	if most <= 0 {
		most = drainMost
	}
	began := time.Now()
	words := map[string]bool{}
	for _, w := range ws {
		words[w.was.Name] = true
		words[w.at.table] = true
	}
	for _, e := range x.parked() {
		for _, o := range x.r.order {
			if o.Database == e.Database {
				words[o.Name] = true
			}
		}
	}
	for {
		rows, err := query(x.ctx, x.c, "select to_string(extra_info) from system.processes where extra_info <> ''")
		if err != nil && !databend.IsCode(err, codeNoProcesses) {
			return false, fmt.Errorf("look for running statements: %w", err)
		}
		busy := slices.ContainsFunc(rows, func(r []string) bool { return mayWrite(r[0], words) })
		switch passed := time.Since(began); {
		case !busy && passed >= drainLeast:
			x.drained = true // whatever was put aside by now: names frees all names first
			return true, nil
		case busy && passed >= most:
			return false, nil
		}
		pause := drainLook
		if !busy {
			pause = drainLeast - time.Since(began)
		}
		select {
		case <-x.ctx.Done():
			return false, x.ctx.Err()
		case <-time.After(pause):
		}
	}
}

// mayWrite reports whether a running statement may write one of the tables: it is not a reading one, and names the table or
// hides what it does.
func mayWrite(sql string, tables map[string]bool) bool {
	verb := strings.ToUpper(strings.TrimLeft(sql, " \t\r\n("))
	if i := strings.IndexFunc(verb, func(c rune) bool { return c < 'A' || c > 'Z' }); i >= 0 {
		verb = verb[:i]
	}
	switch verb {
	case "SELECT", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "LIST", "SET", "UNSET", "USE", "KILL", "VALUES":
		return false
	case "CALL", "EXECUTE", "COMMIT":
		return true
	}
	for t := range maps.Keys(tables) {
		if says(sql, t) {
			return true
		}
	}
	return false
}
