package proof

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// step is one section of a run.
type step struct {
	version    int64
	statements []string
	fails      bool // its last statement does
}

// plan is a run of dbctl over one kind of migration.
type plan struct {
	kind     kind
	engine   *databendtest.Engine // nil: the one of all tests
	variant  string
	ups      [3][]string // the files
	downs    [3][]string
	prior    bool // everything is applied before
	command  []string
	steps    []step
	atomic   bool // one savepoint for all steps
	cutOff   bool // `up` was killed before; the command is recover
	applied  func(done int) int
	finished bool // the run succeeds
}

// The variants of a run.
var variants = []string{
	"up", "up-fails", "atomic", "atomic-fails", "down", "down-fails", "redo", "redo-fails", "recover", "recover-fails",
}

// newPlan puts the kind's migration at position 0, 1 or 2 of three.
func newPlan(k kind, variant string, position int) *plan {
	p := &plan{kind: k, variant: variant}
	command, fails := strings.CutSuffix(variant, "-fails")
	if command == "redo" {
		position = 2
	}
	others := [][2][]string{{firstUp, firstDown}, {lastUp, lastDown}}
	if k.single {
		others = [][2][]string{{firstUp[:1], firstDown}, {lastUp[:1], lastDown[1:]}}
	}
	for i := range p.ups {
		if i == position {
			p.ups[i], p.downs[i] = slices.Clone(k.up), slices.Clone(k.down)
			continue
		}
		p.ups[i], p.downs[i] = others[0][0], others[0][1]
		others = others[1:]
	}
	p.finished = !fails
	p.applied = func(done int) int { return done }
	up := func(i int) step { return step{version: int64(i + 1), statements: p.ups[i]} }
	down := func(i int) step { return step{version: int64(i + 1), statements: p.downs[i]} }
	switch command {
	case "up", "atomic", "recover":
		if fails {
			p.ups[position] = append(p.ups[position], failing)
		}
		p.steps = []step{up(0), up(1), up(2)}
		p.steps[position].fails = fails
		p.command = []string{"migrate", "up"}
		if command == "atomic" {
			p.atomic, p.command = true, append(p.command, "--atomic")
		}
		if command == "recover" {
			p.cutOff, p.command = true, []string{"migrate", "recover"}
		}
	case "down":
		if fails {
			p.downs[position] = append(p.downs[position], failing)
		}
		p.prior, p.command = true, []string{"migrate", "down", "0"}
		p.steps = []step{down(2), down(1), down(0)}
		p.steps[2-position].fails = fails
		p.applied = func(done int) int { return 3 - done }
	case "redo":
		if fails {
			p.downs[position] = append(p.downs[position], failing)
		}
		p.prior, p.atomic, p.command = true, true, []string{"migrate", "redo"}
		p.steps = []step{down(2), up(2)}
		p.steps[0].fails = fails
		p.applied = func(done int) int {
			if done == 1 {
				return 2
			}
			return 3
		}
	}
	return p
}

// prepare makes the world that the run begins in. With dbctl set, what is applied before is applied by dbctl.
func (p *plan) prepare(w *world, dbctl bool) {
	w.T.Helper()
	w.T.Cleanup(func() {
		for _, s := range p.kind.clean {
			w.sql(s)
		}
	})
	if len(p.kind.files) > 0 {
		for path, text := range p.kind.files {
			w.Put(w.T, path, []byte(text))
		}
		w.sql(w.StageSQL(w.text("{stage}"), "", "CSV"))
	}
	w.sql(append(slices.Clone(base), p.kind.setup...)...)
	for i := range p.ups {
		w.migration(i+1, p.ups[i], p.downs[i])
	}
	if p.kind.adopt {
		w.adopt()
	}
	switch {
	case p.prior && dbctl:
		w.must(0, "migrate", "up")
	case p.prior:
		for _, up := range p.ups {
			w.sql(up...)
		}
	}
	w.remember()
}

// reference is what the warehouse looks like after so many steps, by the statements alone.
func (p *plan) reference(t *testing.T) [][]string {
	t.Helper()
	w := newWorld(t)
	p.prepare(w, false)
	states := [][]string{w.fingerprint()}
	for _, s := range p.steps {
		if s.fails {
			break
		}
		w.sql(s.statements...)
		states = append(states, w.fingerprint())
	}
	return states
}

// end is how many steps are done when the run came to its end.
func (p *plan) end() int {
	for i, s := range p.steps {
		if s.fails {
			if p.atomic {
				return 0
			}
			return i
		}
	}
	return len(p.steps)
}

// bounds says how many steps may be done after the run was ended, from what of it reached the engine: all before the step whose
// statement came last, and that one only if it was sent whole.
func (p *plan) bounds(w *world, log []request) (least, most int) {
	squeeze := func(s string) string {
		return strings.Join(strings.Fields(strings.TrimSuffix(strings.TrimSpace(s), ";")), " ")
	}
	sent := map[string]bool{}
	for _, r := range log {
		if r.forwarded {
			sent[squeeze(r.sql)] = true
		}
	}
	for i, s := range p.steps {
		any, all := false, true
		for _, st := range s.statements {
			if st == "BEGIN" || st == "COMMIT" {
				continue
			}
			got := sent[squeeze(w.text(st))]
			any, all = any || got, all && got
		}
		if any {
			least, most = i, i
			if all && !s.fails {
				most = i + 1
			}
		}
	}
	if p.atomic {
		least = 0
		if most < len(p.steps) {
			most = 0
		}
	}
	return least, most
}

// check wants the warehouse after one of the numbers of steps from least to most, with a status that says so, and nothing lying
// about. It returns which.
func (p *plan) check(w *world, states [][]string, least, most int, after *process) int {
	w.T.Helper()
	now, status := w.fingerprint(), w.states()
	done := -1
	for i := least; i <= most && i < len(states); i++ {
		if p.atomic && i != 0 && i != len(p.steps) {
			continue
		}
		if slices.Equal(now, states[i]) && p.says(status, i) {
			done = i
		}
	}
	if done < 0 {
		var diffs strings.Builder
		for i := least; i <= most && i < len(states); i++ {
			fmt.Fprintf(&diffs, "after %d steps, %d applied (-want +got):\n%s", i, p.applied(i), cmp.Diff(states[i], now))
		}
		w.T.Fatalf("neither state before nor state after; status %v\n%s\nafter %s\nwhich asked:\n%s", status, diffs.String(), after, after.asked())
	}
	left := w.Litter()
	if w.late { // a dead run's claim may come when the next run has looked for such: the one after that sweeps it away
		left = slices.DeleteFunc(left, func(s string) bool { return strings.HasPrefix(s, "run_") })
	}
	if len(left) > 0 && (w.parked(left) || after.locked() && after.proxy.struck == 0) {
		w.T.Fatalf("left behind: %q\nafter %s\nwhich asked:\n%s", left, after, after.asked())
	}
	return done
}

// parked reports whether some of the litter is in the database itself.
func (w *world) parked(litter []string) bool {
	return slices.ContainsFunc(litter, func(s string) bool { return strings.HasPrefix(s, "__dbctl") })
}

// locked reports whether the run took the lock. One that found nothing to do does not, and leaves the claim of a run that was
// killed before it began or after it ended to the next that does.
func (p *process) locked() bool {
	return slices.ContainsFunc(p.proxy.log(), func(r request) bool {
		return strings.Contains(r.sql, "CREATE TABLE IF NOT EXISTS `"+p.w.StateDB+"`.`run_")
	})
}

// swept wants the next run that takes the lock to leave nothing.
func (w *world) swept() {
	w.T.Helper()
	if len(w.Litter()) == 0 {
		return
	}
	w.migration(9, []string{"CREATE TABLE m9 (x INT)"}, nil)
	run := w.dbctl("migrate", "up")
	if left := w.Litter(); len(left) > 0 || !run.locked() {
		w.T.Fatalf("left behind: %q\nafter %s\nwhich asked:\n%s", left, run, run.asked())
	}
}

func (p *plan) says(status map[int64]string, done int) bool {
	n := p.applied(done)
	for v := int64(1); v <= 3; v++ {
		if (status[v] == "applied") != (v <= int64(n)) || status[v] == "interrupted" || status[v] == "partial" {
			return false
		}
	}
	return true
}

// cut kills an `up` while the statement of the kind that comes last runs, for a recover to find.
func (p *plan) cut(w *world) (least, most int) {
	w.T.Helper()
	last := ""
	for _, s := range p.steps {
		if slices.Contains(s.statements, p.kind.up[0]) {
			last = w.text(p.kind.up[len(p.kind.up)-1])
		}
	}
	run := w.start(func(_ int, sql string) fault {
		if strings.TrimSuffix(strings.TrimSpace(sql), ";") == last {
			return killAnswered
		}
		return none
	}, nil, "migrate", "up").wait()
	if run.exit != -1 {
		w.T.Fatalf("not killed: %s\nit asked:\n%s", run, run.asked())
	}
	return p.bounds(w, run.proxy.log())
}

// again is the command that brings the run to its end, whatever became of it, and the exit code of that.
func (p *plan) again() ([]string, int) {
	command := p.command
	if p.cutOff {
		command = []string{"migrate", "up"}
	}
	if p.finished {
		return command, 0
	}
	return command, 1
}

// undisturbed runs the plan to its end and returns how many requests it makes.
func (p *plan) undisturbed(t *testing.T, states [][]string) int {
	t.Helper()
	w := newWorldOn(t, p.engine)
	p.prepare(w, true)
	want, least, most := 0, p.end(), p.end()
	if p.cutOff {
		least, most = p.cut(w)
	} else if !p.finished {
		want = 1
	}
	run := w.must(want, p.command...)
	p.check(w, states, least, most, run)
	return len(run.proxy.log())
}

// point runs the plan with one fault.
func (p *plan) point(t *testing.T, states [][]string, k int, f fault) {
	outcome := ""
	defer results.outcome(t, fmt.Sprintf("%s, %s", p.variant, f), &outcome)
	w := newWorldOn(t, p.engine)
	p.prepare(w, true)
	w.late = f == killLate
	least, most := 0, 0
	if p.cutOff {
		least, most = p.cut(w)
	}
	run := w.start(at(k, f), nil, p.command...).wait()
	if !p.cutOff {
		least, most = p.bounds(w, run.proxy.log())
	}
	if run.proxy.struck == 0 {
		// A run asks once or twice less when the machine is quick.
		outcome = "ended before"
		return
	}
	recovered := false
	switch {
	case slices.Contains(kills, f) || f == killLate:
		if run.exit != -1 {
			t.Fatalf("not killed: %s", run)
		}
		if k%2 == 0 || p.cutOff {
			run, recovered = w.must(0, "migrate", "recover"), true
		}
	case slices.Contains(signals, f):
		code := exitOf[f]
		if run.exit == 0 && p.cutOff {
			// It was at its end.
		} else if run.exit == 0 && p.finished {
			least, most = p.end(), p.end()
		} else if run.exit == 1 && !p.finished && slices.ContainsFunc(run.proxy.log(), func(r request) bool { return r.forwarded && r.sql == failing }) {
			// It had failed by itself, and was being put back.
		} else if run.exit != code {
			t.Fatalf("want exit %d: %s\nit asked:\n%s", code, run, run.asked())
		}
		recovered = !p.cutOff || run.exit == 0
	default:
		switch run.exit {
		case 0:
			if !p.cutOff {
				least, most = p.end(), p.end()
			}
			recovered = true
		case 1:
			recovered = !p.cutOff
		case 4, 6:
		default:
			t.Fatalf("want exit 0, 1, 4 or 6: %s\nit asked:\n%s", run, run.asked())
		}
		if !recovered {
			run, recovered = w.must(0, "migrate", "recover"), true
		}
	}
	if recovered {
		done := p.check(w, states, least, most, run)
		switch {
		case least == most:
			outcome = "the one state that can be"
		case done == least:
			outcome = "before"
		default:
			outcome = "after"
		}
	}
	command, want := p.again()
	if p.variant != "redo" || !recovered {
		run = w.must(want, command...)
		p.check(w, states, p.end(), p.end(), run)
	}
	if !recovered {
		outcome = "next run did it"
	}
	w.swept()
}

// TestProofMigrate is the kill matrix.
func TestProofMigrate(t *testing.T) {
	t.Parallel()
	short := map[int]bool{}
	for _, n := range random(t).Perm(len(kinds))[:4] {
		short[n] = true
	}
	for n, k := range kinds {
		if !full && !short[n] {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			rnd := random(t)
			chosen := variants
			if !full {
				chosen = []string{variants[rnd.IntN(len(variants))]}
			}
			for i, variant := range chosen {
				p := newPlan(k, variant, (n+i)%3)
				t.Run(variant, func(t *testing.T) {
					t.Parallel()
					states := p.reference(t)
					requests := p.undisturbed(t, states)
					run := func(k int, f fault) {
						t.Run(fmt.Sprintf("%s/%03d", f, k), func(t *testing.T) {
							t.Parallel()
							p.point(t, states, k, f)
						})
					}
					all := slices.Concat(kills, []fault{killLate}, signals, network)
					if !full {
						// Two kills and something else.
						run(1+rnd.IntN(requests), kills[rnd.IntN(2)])
						run(1+rnd.IntN(requests), killAnswered)
						run(1+rnd.IntN(requests), all[3+rnd.IntN(len(all)-3)])
						return
					}
					// Every request and fault of a variant with one of the kinds; another seed, another kind.
					for i, f := range all {
						for k := 1; k <= requests; k++ {
							if (uint64(k+i+n)+seed)%uint64(len(kinds)) == 0 {
								run(k, f)
							}
						}
					}
				})
			}
		})
	}
}
