package load

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state"
)

// paper is what the model knows of one file.
type paper struct {
	there   int             // the version in the stage; 0: none
	bad     bool            // that version cannot be read
	rows    map[int]int     // how often each version's rows are in the table
	counted int             // rows that the ledger counts: all but those that a person put there
	word    event.FileState // New, Loaded, Failed, Quarantined: what was said last
	of      int             // the version that it was said of
	emptied bool            // its rows went with a TRUNCATE or a DELETE
	silent  bool            // of which nothing shows but that the table is empty
	unsure  bool            // dbctl would not know: a person, or a rebuild, said the last word
	vague   bool            // it does not know
}

// versionRows is how many rows a version has.
func versionRows(v int) int { return 1 + v%3 }

// desk is a model of a table that people correct: what each command must do to it is a line or two.
type desk struct {
	w      *world
	rnd    *rand.Rand
	places []project.Load // of one folder; one is taken for each command
	papers map[string]*paper
	next   int // version
	loaded int // rows that dbctl has loaded
	log    []string
}

func (d *desk) place() project.Load { return d.places[d.rnd.IntN(len(d.places))] }

// path is the file as a place names it.
func (d *desk) path(ld project.Load, name string) string {
	if ld.Copy.URI != "" {
		return name
	}
	return "p/" + name
}

// state is what a plan must say of a file.
func (p *paper) state() event.FileState {
	switch {
	case p.there == 0 && (p.word == event.Loaded || p.word == event.Failed):
		return event.Vanished
	case p.there == 0:
		return ""
	case p.word == event.Quarantined:
		return event.Quarantined
	case p.word == event.New || p.word == "":
		return event.New
	case p.of == p.there && p.word == event.Loaded && p.emptied:
		return event.Emptied
	case p.of == p.there:
		return p.word
	case p.word == event.Loaded || len(p.rows) > 0 || p.emptied:
		return event.Changed
	}
	return event.New
}

// load is what loading a file must do: over its old rows, or beside them.
func (d *desk) load(p *paper, over bool) (ends exit.Code) {
	if p.bad {
		p.word, p.of = event.Failed, p.there
		return exit.Partly
	}
	if over || p.emptied && !d.hidden(p) {
		p.rows, p.counted = map[int]int{}, 0
	}
	p.emptied, p.silent, p.unsure, p.vague = false, false, false, p.vague && p.counted > 0
	p.rows[p.there]++
	p.counted += versionRows(p.there)
	p.word, p.of = event.Loaded, p.there
	d.loaded += versionRows(p.there)
	return exit.Done
}

// hidden reports whether dbctl does not know that a file's rows are gone.
func (d *desk) hidden(p *paper) bool { return p.emptied && p.vague && !d.empty() }

// empty reports whether the table is.
func (d *desk) empty() bool {
	for _, p := range d.papers {
		if len(p.rows) > 0 {
			return false
		}
	}
	return true
}

// noted is what a command that loads something has noted ahead of it: whose rows are gone.
func (d *desk) noted(files int, wasEmpty bool) {
	for _, p := range d.papers {
		if files > 0 && p.emptied && (wasEmpty || !p.vague) {
			p.counted, p.silent, p.vague = 0, false, false
		}
	}
}

// run loads what is new, and with replace what has changed.
func (d *desk) run(replace bool) {
	ends, o, empty := exit.Done, plan.Options{}, d.empty()
	if replace {
		o.OnChanged = "replace"
	}
	hidden := map[*paper]bool{}
	for _, p := range d.papers {
		hidden[p] = d.hidden(p)
	}
	for _, p := range d.papers {
		switch p.state() {
		case event.New:
			ends = max(ends, d.load(p, false))
		case event.Failed:
			ends = exit.Partly
		case event.Changed:
			code := exit.Check
			if replace && !hidden[p] { // of those the column finds fewer rows than the ledger counts
				code = d.load(p, true)
			}
			ends = max(ends, code)
		}
	}
	res, err := d.w.run(d.place(), o)
	d.ends(err, ends)
	d.noted(res.Files, empty)
}

func (d *desk) reload(name string) {
	p, ends, empty := d.papers[name], exit.Done, d.empty()
	if p.vague {
		return
	}
	switch p.state() {
	case event.Changed, event.New, event.Loaded, event.Emptied:
		if p.bad { // all or nothing, and nothing is kept of it
			ends = exit.Failed
			break
		}
		d.load(p, p.state() != event.New)
	case event.Failed:
		ends = exit.Partly
	case event.Vanished, "":
		ends = exit.Check
	}
	ld := d.place()
	res, err := d.w.run(ld, plan.Options{Reload: true, Path: d.path(ld, name)})
	d.ends(err, ends)
	d.noted(res.Files, empty)
}

func (d *desk) force(name string) {
	p, ends, empty := d.papers[name], exit.Check, d.empty()
	if p.there > 0 {
		ends = d.load(p, false)
	}
	ld := d.place()
	res, err := d.w.run(ld, plan.Options{Force: true, Path: d.path(ld, name)})
	d.ends(err, ends)
	d.noted(res.Files, empty)
}

// mark says of a file what is true then.
func (d *desk) mark(name string, as event.FileState) {
	p, ld := d.papers[name], d.place()
	if p.there == 0 || as == event.Loaded && (p.bad || len(p.rows) > 0) {
		return
	}
	switch p.word, p.of = as, p.there; as {
	case event.Quarantined:
		p.unsure = true
	case event.New:
		p.emptied, p.silent, p.unsure, p.vague = false, false, false, false
		d.w.SQL(d.w.t, "DELETE FROM t WHERE name LIKE '"+name+" %'")
		p.rows, p.counted = map[int]int{}, 0
	case event.Loaded:
		for _, o := range d.papers {
			o.vague = o.vague || o.silent
		}
		p.rows[p.there], p.counted, p.emptied, p.silent, p.unsure, p.vague = 1, 0, false, false, true, false
		d.w.SQL(d.w.t, fmt.Sprintf("INSERT INTO t SELECT number, '%s %d', '%s' FROM numbers(%d)", name, p.there, d.path(ld, name),
			versionRows(p.there)))
	}
	d.ends(d.w.mark(ld, string(as), plan.Options{Path: d.path(ld, name)}), exit.Done)
}

func (d *desk) put(name string, bad bool) {
	d.next++
	p := d.papers[name]
	p.there, p.bad = d.next, bad
	list := make([]row, versionRows(d.next))
	for i := range list {
		list[i] = row{int32(i), fmt.Sprintf("%s %d", name, d.next)}
	}
	content := file(list)
	if bad {
		content = append([]byte(fmt.Sprint(d.next)), content[:60]...)
	}
	d.w.Put(d.w.t, "p/"+name, content)
}

func (d *desk) vanish(name string) {
	d.w.Delete(d.w.t, "p/"+name)
	d.papers[name].there = 0
}

// truncate empties the table.
func (d *desk) truncate() {
	d.w.SQL(d.w.t, "TRUNCATE TABLE t")
	for _, p := range d.papers {
		if len(p.rows) > 0 || p.emptied {
			p.rows, p.emptied, p.vague = map[int]int{}, true, p.vague || p.unsure
		}
	}
}

// delete empties it too, and the engine does not forget what it loaded.
func (d *desk) delete() {
	d.w.SQL(d.w.t, "DELETE FROM t")
	for _, p := range d.papers {
		if len(p.rows) > 0 {
			p.rows, p.emptied, p.silent = map[int]int{}, true, true
		}
	}
}

// rebuild makes the table again of its own rows.
func (d *desk) rebuild() {
	d.w.rebuild()
	for _, p := range d.papers {
		p.unsure, p.vague = true, p.vague || p.emptied
	}
}

// rebuild makes t again of its own rows, as a migration does.
func (w *world) rebuild() {
	w.t.Helper()
	id := w.SQL(w.t, "SELECT to_string(table_id) FROM system.tables WHERE database = '"+w.Database+"' AND name = 't'")[0][0]
	w.SQL(w.t, "CREATE OR REPLACE TABLE t AS SELECT * FROM t")
	session := w.Session(w.t)
	store := state.Open(session, state.Scope{Project: "p", Database: w.Database, StateDatabase: w.StateDB})
	if _, err := store.CarryLedger(w.t.Context(), []state.LedgerSource{{ID: id}}, sqltext.Object{Database: w.Database, Name: "t"}, databend.NewID(), "rebuilt",
		&state.Fence{Database: w.StateDB, Table: "ledger"}); err != nil {
		w.t.Fatal(err)
	}
}

func (d *desk) ends(err error, want exit.Code) {
	d.w.t.Helper()
	if got := exit.Of(err); got != want {
		d.w.t.Fatalf("%s\ngot exit %d (%v), want %d", strings.Join(d.log, "\n"), got, err, want)
	}
}

// step is one thing that happens, and what must be true behind it: the table's rows, each file's state, and the ledger's counts.
func (d *desk) step() {
	d.w.t.Helper()
	name := fmt.Sprintf("f%d.parquet", d.rnd.IntN(len(d.papers)-1))
	all := []struct {
		what string
		do   func()
	}{
		{"put", func() { d.put(name, false) }},
		{"put", func() { d.put(name, false) }},
		{"put bad", func() { d.put(name, true) }},
		{"vanish", func() { d.vanish(name) }},
		{"run", func() { d.run(false) }},
		{"run", func() { d.run(false) }},
		{"replace", func() { d.run(true) }},
		{"reload", func() { d.reload(name) }},
		{"force", func() { d.force(name) }},
		{"mark new", func() { d.mark(name, event.New) }},
		{"mark loaded", func() { d.mark(name, event.Loaded) }},
		{"mark quarantined", func() { d.mark(name, event.Quarantined) }},
		{"rebuild", d.rebuild},
		{"truncate", d.truncate},
		{"delete", d.delete},
	}
	one := all[d.rnd.IntN(len(all))]
	d.log = append(d.log, one.what+" "+name)
	one.do()
	d.check()
}

func (d *desk) check() {
	w := d.w
	w.t.Helper()
	vague := false
	rows, states, counted := map[string]string{}, map[string]event.FileState{}, 0
	for name, p := range d.papers {
		vague = vague || p.vague
		for v, n := range p.rows {
			rows[fmt.Sprintf("%s %d", name, v)] = fmt.Sprint(n * versionRows(v))
		}
		s := p.state()
		if s != "" {
			states[name] = s
		}
		if s != event.Emptied {
			counted += p.counted
		}
	}
	if len(rows) == 0 {
		counted = 0
	}
	got := map[string]string{}
	for _, r := range w.SQL(w.t, "SELECT name, count(*) FROM t GROUP BY 1") {
		got[r[0]] = r[1]
	}
	log := strings.Join(d.log, "\n")
	if diff := gocmp.Diff(rows, got); diff != "" {
		w.t.Fatalf("%s\nrows by file and version (-want +got):\n%s\n%v", log, diff, w.events)
	}
	ld := d.place()
	p, err := w.plan(ld, plan.Options{Verbose: true})
	if p == nil {
		w.t.Fatalf("%s\n%v", log, err)
	}
	planned := map[string]event.FileState{}
	for _, f := range p.Files {
		if f.State == event.Expired {
			f.State = event.Loaded
		}
		if p := d.papers[strings.TrimPrefix(f.Path, "p/")]; p.vague && f.State == event.Loaded {
			f.State = p.state()
		}
		planned[strings.TrimPrefix(f.Path, "p/")] = f.State
	}
	if diff := gocmp.Diff(states, planned); diff != "" {
		w.t.Fatalf("%s\nstates (-want +got):\n%s", log, diff)
	}
	if got := w.listed(ld).Rows; got != int64(counted) && !vague {
		w.t.Fatalf("%s\nthe list counts %d rows, want %d", log, got, counted)
	}
	if err := w.with(w.t.Context(), func(l *Loader) error { return l.History(w.t.Context(), ld.Name) }); err != nil {
		w.t.Fatal(err)
	}
	told := int64(0)
	for _, e := range w.events {
		if r, ok := e.(event.LoadRun); ok {
			told += r.Rows
		}
	}
	if told != int64(d.loaded) {
		w.t.Fatalf("%s\nthe history counts %d rows, want %d", log, told, d.loaded)
	}
}

// Random sequences of what people do to files, loads and the table, against a model: no file's rows are lost, doubled or skipped in
// silence, and what is said of them is true. DBCTL_PROOF=full plays long and by chance; DBCTL_PROOF_SEED plays one again.
func TestCorrections(t *testing.T) {
	t.Parallel()
	seed := databendtest.Seed()
	for i, places := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d places, seed %d", places, seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SQL(t, "ALTER TABLE t ADD COLUMN src STRING")
			named := func(ld *project.Load) { ld.FilenameColumn = "src" }
			stage := w.load(copySource, named)
			location := w.fromURI("p/", func(location string) string {
				return strings.Replace(copySource, "@st/p/", location, 1)
			}, named)
			location.Checksum = stage.Checksum // what failed under one is not tried under the other
			d := &desk{
				w: w, rnd: rand.New(rand.NewPCG(seed, uint64(i))), places: []project.Load{stage, location}[:places], papers: map[string]*paper{},
			}
			for _, name := range []string{"f0.parquet", "f1.parquet", "f2.parquet", "kept.parquet"} {
				d.papers[name] = &paper{rows: map[int]int{}}
			}
			d.put("kept.parquet", false)
			d.run(false)
			for range databendtest.Rounds(t, 8, 90) {
				d.step()
			}
			t.Log(strings.Join(slices.Sorted(maps.Keys(d.papers)), " "), cmp.Or(len(d.log), 0))
		})
	}
}
