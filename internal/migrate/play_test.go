package migrate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/migrate/plan"
)

// round is what is played: a migration of random statements, the way in which it fails, what another session does meanwhile, and where
// its process is killed.
type round struct {
	statements []string
	way        string
	adopt      bool // its files may replace what others made account-wide
	hand       hand
	kill       kill
}

// ways are how a migration fails: in up, in one of several files of one savepoint, in down, in the Up half of a redo; behind another one of
// the same run, up or down, which is done and stays so.
var ways = []string{"up", "up", "atomic", "down", "redo", "several", "downs"}

// middle is sent when the first of several migrations is done.
const middle = "SELECT 'middle'"

// fromGate is the Up of a migration that is taken down and up again: it fails once there is no number in the gate.
const fromGate = "SELECT to_int32(x) FROM gate"

// kill is at which of its requests a process is killed, 0 for none, and what becomes of that request.
type kill struct {
	at  int
	how string
}

// What becomes of the request at which a process is killed: it does not reach the server; it does, and may still run when the next
// command begins; it reaches it then; it ran.
const (
	before   = "before"
	sent     = "sent"
	late     = "late"
	answered = "answered"
)

// played is a round and what came of it.
type played struct {
	*proofWorld
	round
	mark             string                         // in what the other session does
	was, theirs, now []string                       // the catalogue before, when the other session was done, and at the end
	first            struct{ was, theirs []string } // before the first of several migrations was done
	acted            bool                           // the other session had its moment,
	did              bool                           // the server took some of what it did,
	depends          bool                           // and did not take it in the twin, where ours had not been
	killed           bool
	behind           bool     // the first of several migrations is done,
	seen             bool     // and what there was then
	alone            []func() // what the twin is to do too, in order
	stopped          int      // the drawn statement that was refused, -1 for none
	exit, report     string
}

// gate writes the table that lets a redo fail, behind what a killed run may still have under way there.
func (p *proofWorld) gate(statement string) {
	p.T.Helper()
	for {
		switch code, message := p.Err(p.T, statement); code {
		case 0:
			return
		case databend.CodeConflict:
			time.Sleep(100 * time.Millisecond)
		default:
			p.T.Fatal(message)
		}
	}
}

// play lets a random migration fail. The class is read by the run itself: what it refuses as irreversible did not begin, and what it runs
// it promised to undo.
func (p *proofWorld) play(was []string, r round) *played {
	p.T.Helper()
	p.version += 2
	x := &played{proofWorld: p, round: r, mark: fmt.Sprintf("t%d", 70000+p.version), was: was}
	x.files()
	if r.way == "redo" {
		p.gate("INSERT INTO gate VALUES ('no number')")
		x.was = p.print()
	}
	x.theirs = x.was
	err := x.run()
	for _, f := range x.alone {
		f()
	}
	x.tell(err)
	return x
}

// isSeveral reports whether the migration that fails comes behind another one of the same run.
func (r round) isSeveral() bool { return r.way == "several" || r.way == "downs" }

// ahead are the statements of the first of several migrations.
func (r round) ahead() []string {
	if !r.isSeveral() {
		return nil
	}
	return r.half()
}

// head is how the files of the migration begin.
func (r round) head() string {
	if r.adopt {
		return "-- dbctl: adopt \"for the test\"\n--up\n"
	}
	return ""
}

// half are the statements of the first of two files.
func (r round) half() []string { return r.statements[:(len(r.statements)+1)/2] }

// files writes the migration, and applies it where it is to fail later.
func (x *played) files() {
	x.T.Helper()
	head := x.head()
	text := func(s ...string) string { return x.names.Replace(strings.Join(s, ";\n") + ";\n") }
	const fails = "INSERT INTO {db}.nowhere VALUES (1)"
	failed := append(slices.Clone(x.statements), fails)
	rest := append([]string{middle}, failed[len(x.ahead()):]...)
	if len(x.hand.statements) > 0 {
		rest = slices.Insert(rest, 1, now)
	}
	switch x.way {
	case "several":
		x.Migration(x.version, head+text(x.ahead()...))
		x.Migration(x.version+1, head+text(rest...))
	case "downs":
		x.Migration(x.version, head+"SELECT 1;\n--down\n"+text(rest...))
		x.Migration(x.version+1, head+"SELECT 1;\n--down\n"+text(x.ahead()...))
		x.must(x.up())
	case "up":
		x.Migration(x.version, head+text(failed...))
	case "atomic":
		x.Migration(x.version, head+text(x.half()...))
		x.Migration(x.version+1, head+text(failed[len(x.half()):]...))
	case "down":
		x.Migration(x.version, head+"SELECT 1;\n--down\n"+text(failed...))
		x.must(x.up())
	case "redo":
		x.Migration(x.version, head+fromGate+";\n--down\n"+text(x.statements...))
		x.must(x.up())
	}
}

// run runs the command, kills it, and lets the next one find what it left.
func (x *played) run() error {
	x.T.Helper()
	healthy, g := x.srv, newGrave(0, false)
	at, later := x.moment()
	behind := x.isSeveral() && (x.twin != nil || x.kill.at%2 == 0) // the first is done then, and what it left is known
	x.through(g.acting(middle, 0, func() {
		if x.done(); behind {
			g.killAt(x.kill)
		}
	}).acting(x.names.Replace(at), later, x.act))
	m := x.migrator(Options{PlanOptions: PlanOptions{Atomic: x.way == "atomic"}})
	if !behind {
		g.mu.Lock()
		g.killAt(x.kill)
		g.mu.Unlock()
	}
	done := make(chan error, 1)
	go func() {
		switch x.way {
		case "down":
			done <- m.Down(x.T.Context(), 0, true)
		case "downs":
			done <- m.Down(x.T.Context(), int64(x.version-1), false)
		case "redo":
			done <- m.Redo(x.T.Context())
		default:
			done <- m.Up(x.T.Context())
		}
	}()
	var err error
	select {
	case err = <-done:
		m.Close()
		x.srv = healthy
	case <-g.dead:
		x.killed = true
		x.T.Cleanup(func() { close(g.end) })
		x.srv = healthy
		x.die()
		if !x.acted && len(x.hand.statements) > 0 {
			x.through(newGrave(0, false).acting("", x.hand.nth, x.act))
		}
		err = x.recover(RollBack, "")
		x.srv = healthy
	}
	x.stopped = x.stoppedAt(err)
	if x.isSeveral() && x.killed {
		switch x.behind = x.isDone(); {
		case x.behind && !x.seen:
			x.done() // it was killed before anybody looked
		case !x.behind && x.seen: // the mark that it is done goes ahead of the next one's first write, and was not written yet
			x.was, x.theirs = x.first.was, x.first.theirs
		}
	}
	if x.way == "up" || x.way == "atomic" || x.way == "several" && !x.behind {
		x.RemoveMigration(x.version)
	}
	if x.way == "atomic" || x.way == "several" || x.way == "downs" && x.behind {
		x.RemoveMigration(x.version + 1)
	}
	return err
}

// stoppedAt is the drawn statement that the plan or the server refused, -1 for none.
func (x *played) stoppedAt(err error) int {
	x.T.Helper()
	var run *RunError
	var refused *PlanError
	switch {
	case x.killed:
	case errors.As(err, &run):
		from, n := 0, run.Statement
		switch first := map[string]int64{"several": int64(x.version), "downs": int64(x.version + 1)}[x.way]; {
		case x.way == "redo" && run.Direction == event.Up:
			return -1
		case x.way == "atomic" && run.Version != int64(x.version):
			from = len(x.half())
		case x.isSeveral() && run.Version != first:
			from, n = len(x.ahead()), n-1-min(len(x.hand.statements), 1)
		}
		for i := from; i < len(x.statements) && n > 0; i++ {
			if n -= 1 + strings.Count(x.statements[i], ";\n"); n <= 0 && x.statements[i] != now {
				return i
			}
		}
	case errors.As(err, &refused) && refused.Line > 0:
		text, err := os.ReadFile(filepath.Join(x.Dir, refused.File))
		x.must(err)
		line := strings.Split(string(text), "\n")[refused.Line-1]
		return slices.IndexFunc(x.statements, func(s string) bool {
			begins, _, _ := strings.Cut(x.names.Replace(s), "\n")
			return s != now && strings.HasPrefix(line, begins)
		})
	}
	return -1
}

// isDone asks the journal whether the first of several migrations is done.
func (x *played) isDone() bool {
	x.T.Helper()
	s, err := x.migrator(Options{}).Status(x.T.Context())
	x.must(err)
	for _, m := range s.Migrations {
		if x.way == "several" && m.Version == int64(x.version) {
			return m.State == "applied"
		}
		if x.way == "downs" && m.Version == int64(x.version+1) {
			return m.State != "applied"
		}
	}
	return false
}

// done is the moment when the first of several migrations is done: what there is then is what the other goes back to.
func (x *played) done() {
	x.behind, x.seen = true, true
	x.first.was, x.first.theirs = x.was, x.theirs
	x.was = x.print()
	x.theirs = x.was
	if x.twin != nil {
		x.alone = append(x.alone, func() {
			if !x.behind {
				return
			}
			x.twin.Migration(x.version, x.head()+x.twin.names.Replace(strings.Join(x.ahead(), ";\n")+";\n"))
			if x.twin.up() != nil { // it is no longer what this is
				x.twin = nil
			}
		})
	}
}

// act is the other session's moment.
func (x *played) act() {
	x.acted = true
	for _, s := range x.hand.statements {
		s = strings.NewReplacer("{mark}", x.mark, "{number}", x.mark[1:]).Replace(s)
		code, _ := x.Err(x.T, x.names.Replace(s))
		x.did = x.did || code == 0
		if x.twin != nil && code == 0 {
			x.alone = append(x.alone, func() {
				if x.twin == nil {
					return
				}
				code, _ := x.twin.Err(x.T, x.twin.names.Replace(s))
				x.depends = x.depends || code != 0
			})
		}
	}
	x.theirs = x.print()
}

// tell notes what came of the round.
func (x *played) tell(err error) {
	x.T.Helper()
	x.report = fmt.Sprintf("%v\n%s", err, x.said())
	var run *RunError
	var refused *PlanError
	if x.now = x.was; errors.As(err, &run) || !errors.As(err, &refused) || x.acted || x.behind {
		x.now = x.print()
	}
	switch {
	case errors.As(err, &run):
		x.exit = fmt.Sprint("exit ", int(run.ExitCode()))
	case errors.As(err, &refused) && refused.Kind == plan.Irreversible:
		x.exit = "irreversible"
	case errors.As(err, &refused):
		x.exit = "refused"
	case err == nil && x.killed:
		x.exit = "exit 1" // put back by the next command
	default:
		x.exit = "no error"
	}
	x.tally[x.exit]++
	x.tally["rounds"]++
	if x.killed {
		x.tally["killed, "+x.kill.how]++
	} else {
		x.tally["statements drawn"] += drawn(x.statements)
	}
	list, ran, markers := x.statements, 0, 1 // the failure itself
	if x.way == "atomic" && run != nil && run.Version != int64(x.version) {
		half := len(x.half())
		ran, list = drawn(list[:half]), list[half:]
	}
	if half := len(x.ahead()); x.behind {
		x.tally["behind another migration"]++
		ran, list, markers = half, list[half:], 2+min(len(x.hand.statements), 1)
	}
	if run != nil && !x.killed {
		x.tally["statements that ran"] += ran + drawn(list[:min(max(0, run.Statement-markers), len(list))])
	}
	if x.did {
		x.tally["second hands"]++
		x.tally["that left a name"] += min(len(x.marked(x.theirs)), 1)
	}
}

// drawn is how many of the statements are random.
func drawn(statements []string) (n int) {
	for _, s := range statements {
		if s != now {
			n++
		}
	}
	return n
}

// marked are the lines that hold what the other session wrote into its statement.
func (x *played) marked(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, x.mark[1:]) })
}

// wrong says what is wrong with what is left.
func (x *played) wrong() string {
	x.T.Helper()
	text, meanwhile := strings.Join(x.statements, " "), x.hand.when != first
	theirs, left := x.theirs, x.now
	if meanwhile && !x.did { // it was refused: all is as it was
		theirs = x.was
	}
	if x.takes || strings.Contains(text, "nextval(") { // values that were taken are not given back
		theirs = took(theirs, left)
	}
	if strings.Contains(text, "IF NOT EXISTS") { // it gives what has no owner one, for good
		theirs, left = ownerless(theirs), ownerless(left)
	}
	if x.way == "redo" {
		x.gate("TRUNCATE TABLE gate")
		defer func() { x.now = x.print() }()
	}
	if x.did && x.hand.gone != "" && x.exit != "exit 4" && x.exit != "no error" {
		if code, _ := x.Err(x.T, x.names.Replace(x.hand.gone)); code == 0 && len(x.SQL(x.T, x.names.Replace(x.hand.gone))) > 0 {
			return fmt.Sprintf("%s, and what they took away is back: %s", x.exit, x.report)
		}
	}
	lost := len(x.marked(theirs)) > 0 && len(x.marked(x.now)) == 0
	consented := x.adopt && strings.Contains(x.report, "ran, and cannot be undone")
	switch d := gocmp.Diff(theirs, left); {
	case x.exit == "exit 4" && (x.did || consented):
		x.must(x.recover(MarkRolledBack, "for the test"))
		silent := ""
		switch {
		case !meanwhile:
			silent = x.unnamed(theirs, x.now, x.report)
		case lost:
			silent = x.unnamed(x.marked(theirs), x.now, x.report)
		}
		if silent != "" {
			return fmt.Sprintf("exit 4 that does not name %s: %s", silent, x.report)
		}
	case meanwhile && x.did && x.exit != "no error":
		if lost {
			return fmt.Sprintf("%s that lost %q: %s\n%s", x.exit, x.marked(theirs), x.report, d)
		}
		if d := x.apart(); d != "" {
			return fmt.Sprintf("%s with a difference (-what they alone would have left +what is left; theirs needed ours: %t): %s\n%s",
				x.exit, x.depends, x.report, d)
		}
	case x.exit == "exit 4", x.exit == "no error":
		return fmt.Sprintf("%s: %s\n%s", x.exit, x.report, d)
	case d != "":
		return fmt.Sprintf("%s with a difference (-before +after): %s\n%s", x.exit, x.report, d)
	}
	return ""
}

// apart is how the catalogue differs from its twin, in which another session alone did what it did here meanwhile.
func (p *proofWorld) apart() string {
	if p.twin == nil {
		return ""
	}
	// Times, and the names that the engine gives to files.
	passing := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+|data_[-_0-9a-f]+`)
	look := func(p *proofWorld) []string {
		q := *p
		q.isTwin, q.columns = true, map[string]string{}
		out := q.print()
		for i, l := range out {
			l = strings.ReplaceAll(l, p.Prefix, "{prefix}")
			out[i] = passing.ReplaceAllString(strings.ReplaceAll(l, p.Database, "{db}"), "then")
		}
		slices.Sort(out)
		return out
	}
	theirs, now := look(p.twin), look(p)
	return gocmp.Diff(took(theirs, now), now)
}

// ownerless is a catalogue's lines, but for who owns a table or view that has no owner or the usual one.
func ownerless(lines []string) []string {
	out := slices.Clone(lines)
	for i, l := range out {
		if strings.HasPrefix(l, "tables ") || strings.HasPrefix(l, "views ") {
			out[i] = strings.NewReplacer(" | NULL", "", " | account_admin", "").Replace(l)
		}
	}
	slices.Sort(out)
	return out
}

// took is was, with the values that sequences have in now.
func took(was, now []string) []string {
	values := map[string]string{}
	for _, l := range now {
		if f := strings.Split(l, " | "); strings.HasPrefix(l, "sequence ") {
			values[f[0]] = f[1]
		}
	}
	out := slices.Clone(was)
	for i, l := range out {
		if f := strings.Split(l, " | "); strings.HasPrefix(l, "sequence ") && values[f[0]] != "" {
			f[1] = values[f[0]]
			out[i] = strings.Join(f, " | ")
		}
	}
	return out
}

// unnamed is a line that is in one and not in the other and none of whose names the report says.
func (p *proofWorld) unnamed(was, now []string, report string) string {
	for _, pair := range [][2][]string{{was, now}, {now, was}} {
		for _, line := range pair[0] {
			if slices.Contains(pair[1], line) {
				continue
			}
			named := slices.ContainsFunc(strings.FieldsFunc(line, func(r rune) bool {
				return strings.ContainsRune(" |`.'\"()",
					r)
			}), func(f string) bool {
				return f != "" && f != p.Database && strings.Contains(report, f)
			})
			if !named {
				return line
			}
		}
	}
	return ""
}

// hand is what another session does during a run, and when.
type hand struct {
	statements []string
	gone       string // a query that finds nothing when they are done
	when       moment
	nth        int // the statement of ours before which it comes, or the request behind the failure
}

// moment is when a second hand comes.
type moment int

const (
	first   moment = iota // behind the plan's reading, before any statement of ours
	between               // two statements of ours, or behind the last
	marked                // a mark and its statement
	restore               // two requests of the rollback
)

// moment is the text of the request before which another session acts, and how many requests later.
func (r round) moment() (text string, later int) {
	ours := r.statements[len(r.ahead()):]
	switch h := r.hand; {
	case h.when == marked && len(ours) > 0:
		text, _ := json.Marshal(ours[h.nth%len(ours)])
		return strings.Trim(string(text), `"`), 0
	case h.when == restore && r.way == "redo":
		return fromGate, 1 + h.nth
	case h.when == restore:
		return "INSERT INTO {db}.nowhere", 1 + h.nth
	}
	return now, 0
}

// make runs the statements of a setup and returns those that the engine took.
func (p *proofWorld) make(setup []string) (made []string) {
	for _, s := range setup {
		if code, _ := p.Err(p.T, p.names.Replace(s)); code == 0 {
			made = append(made, s)
		}
	}
	return made
}

// apply makes what is the project's own.
func (p *proofWorld) apply(ours string) {
	p.secret["KEY"], p.secret["SECRET"] = p.S3.Key, p.S3.Secret.Reveal()
	p.Migration(1, p.names.Replace(ours))
	p.must(p.up())
}

// proof plays random rounds, twenty in each of random catalogues: in full so many that the five proofs take about an hour on two cores, and
// can be run before each release. second gives what another session does meanwhile; with kills each round is played again and again, killed
// at a later request each time, until it comes to its end.
func proof(t *testing.T, stream uint64, second func(p *proofWorld) hand, kills bool) {
	tally, bad, more := map[string]int{}, 0, true
	next, stop := iter.Pull(databendtest.Rounds(t, 5, 250))
	defer stop()
	for seed := databendtest.Seed(); more && bad < 40; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := newProofWorld(t, rand.New(rand.NewPCG(seed, stream)), settings[stream])
			p.tally = tally
			made := p.make(p.setup())
			p.takes = strings.Contains(strings.Join(made, " "), "nextval(")
			ours := p.ours()
			p.apply(ours)
			if stream == 23 || stream == 25 {
				p.twin = newProofWorld(t, nil, settings[stream])
				p.twin.make(made)
				p.twin.apply(ours)
			}
			was := p.print()
			for n := range 20 {
				r := p.round(second)
				for over := false; !over; {
					if kills {
						r.kill = kill{r.kill.at + 1 + p.IntN(5), p.one(before, sent, late, answered)}
					}
					if _, more = next(); !more {
						return
					}
					x := p.play(was, r)
					if wrong := x.wrong(); wrong != "" { // what it left would be found again
						bad++
						t.Errorf("BAD seed %d round %d, %s, adopt %t, killed %v %t:\n  %s\n  -- theirs\n  %v\n%s\nof\n  %s", seed, n, r.way, r.adopt, r.kill, x.killed,
							strings.Join(r.statements, ";\n  "), r.hand, wrong, strings.Join(made, ";\n  "))
						return
					}
					if x.exit == "exit 4" && p.twin != nil { // it is no longer what its twin is
						return
					}
					was, over = x.now, !x.killed
					if x.stopped >= 0 && drawn(r.statements) > 1 && x.exit != "exit 4" { // those behind it shall run too
						r.statements, r.kill, over = slices.Delete(slices.Clone(r.statements), x.stopped, x.stopped+1), kill{}, false
					}
				}
			}
		})
	}
	t.Logf("%v, %d bad", tally, bad)
}

// round draws what is played.
func (p *proofWorld) round(second func(p *proofWorld) hand) round {
	r := round{way: p.one(ways...), adopt: p.IntN(2) == 0}
	linked := p.IntN(2) == 0 // each statement is about something that one before it is about too
	for range 1 + p.IntN(5) {
		s := p.statement()
		for try := 0; linked && len(r.statements) > 0 && try < 20 && !shareAName(s, strings.Join(r.statements, "\n")); try++ {
			s = p.statement()
		}
		r.statements = append(r.statements, s)
	}
	if second == nil {
		return r
	}
	r.hand = second(p)
	switch {
	case r.isSeveral(): // it comes behind the first of them
	case r.hand.when == between:
		r.statements = slices.Insert(r.statements, r.hand.nth%(len(r.statements)+1), now)
	default:
		r.statements = slices.Insert(r.statements, 0, now)
	}
	return r
}

// drawnName is a name of an object in a statement that was drawn.
var drawnName = regexp.MustCompile(`\{[xy]\}\w*|(?:TABLE|VIEW|ON|INTO|FROM|WITH|TO|UPDATE|\{db\}\.) ?([abcmvw]|vv|st|new\d)\b`)

func shareAName(a, b string) bool {
	names := func(s string) (out []string) {
		for _, m := range drawnName.FindAllStringSubmatch(s, -1) {
			out = append(out, cmp.Or(m[1], m[0]))
		}
		return out
	}
	of := names(b)
	return slices.ContainsFunc(names(a), func(n string) bool { return slices.Contains(of, n) })
}

// TestProofStatements lets random statements over all kinds be undone. DBCTL_PROOF_SEED chooses the first catalogue.
func TestProofStatements(t *testing.T) {
	t.Parallel()
	proof(t, 21, nil, false)
}

// TestProofSecondHand lets another session do random things to the same objects after a run has read them and before it writes:
// what they did is there at the end, or what became of it is named.
func TestProofSecondHand(t *testing.T) {
	t.Parallel()
	proof(t, 22, func(p *proofWorld) hand {
		h := hand{statements: []string{p.statement()}, when: first}
		if p.IntN(2) == 0 {
			h.statements = append(h.statements, p.statement())
		}
		return h
	}, false)
}

// TestProofSecondHandMeanwhile lets another session do it at any moment of the run and of its rollback: between two statements, between a
// mark and its statement, between two requests of the restore. What it does then is judged by the name that it leaves: `make proof` alone
// runs it.
func TestProofSecondHandMeanwhile(t *testing.T) {
	t.Parallel()
	if !databendtest.Full() {
		t.Skip("part of make proof")
	}
	proof(t, 23, anyMoment, false)
}

func anyMoment(p *proofWorld) hand {
	theirs, gone := p.theirs()
	if p.IntN(2) == 0 { // or anything but several statements; of two settings the engine keeps the first where it refuses the second
		for theirs, gone = p.statement(), ""; strings.Contains(theirs, ";") || strings.HasPrefix(theirs, "SET GLOBAL ("); theirs = p.statement() {
		}
	}
	return hand{statements: []string{theirs}, gone: gone, when: moment(1 + p.IntN(3)), nth: p.IntN(16)}
}

// TestProofKills kills the process of random migrations at their requests, those of the rollback too; TestProofKillsAndSecondHand lets
// another session act besides, also while the next command puts back what was left.
func TestProofKills(t *testing.T) {
	t.Parallel()
	proof(t, 24, nil, true)
}

func TestProofKillsAndSecondHand(t *testing.T) {
	t.Parallel()
	if !databendtest.Full() {
		t.Skip("part of make proof")
	}
	proof(t, 25, anyMoment, true)
}
