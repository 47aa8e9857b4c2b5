package load

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/project"
)

// feed is a model of one load: what lies in the stage, and what must be in the table.
type feed struct {
	w         *world
	ld        project.Load
	rnd       *rand.Rand
	onChanged string
	there     map[string]content // by path
	loaded    map[string]content // whose rows the table holds
	failed    map[string]content // that were tried
	next      int                // id
	tally     map[string]int
}

// content is one version of a file: rows of ids from first on, or something bad.
type content struct {
	kind     string
	first, n int
}

// Kinds of files. The good ones differ in their Parquet schema.
var (
	goodKinds = []string{"plain", "plain", "plain", "reordered", "wide", "more", "nullable", "no rows"}
	badKinds  = []string{"cut", "text", "no number", "nameless", "damaged"}
)

func (c content) bytes() []byte {
	type words struct {
		ID   string `parquet:"id"`
		Name string `parquet:"name"`
	}
	if c.kind == "no rows" {
		return rows(0, 0)
	}
	var a []row
	var b []reordered
	var d []wide
	var e []more
	var g []nullable
	var h []nameless
	var k []words
	for i := range c.n {
		id, name := int32(c.first+i), fmt.Sprintf("%d", c.first+i)
		a, b, d = append(a, row{id, name}), append(b, reordered{name, id}), append(d, wide{int64(id), name})
		e, g, h = append(e, more{id, name, 1}), append(g, nullable{&id, &name}), append(h, nameless{id})
		k = append(k, words{name, name})
	}
	switch c.kind {
	case "reordered":
		return file(b)
	case "wide":
		return file(d)
	case "more":
		return file(e)
	case "nullable":
		return file(g)
	case "nameless":
		return file(h)
	case "no number":
		k[c.n/2].ID += "x"
		return file(k)
	case "cut":
		return file(a)[:60+c.n]
	case "text":
		return []byte(strings.Repeat("id,name\n", 3+c.n))
	case "damaged":
		out := file(a)
		for i := 4; i < 30; i++ {
			out[i] ^= 0x5a
		}
		return out
	case "0 bytes":
		return nil
	}
	return file(a)
}

func (c content) good() bool { return slices.Contains(goodKinds, c.kind) }

func (f *feed) put(path string, kinds ...string) {
	c := content{kinds[f.rnd.IntN(len(kinds))], f.next, 1 + f.rnd.IntN(4)}
	f.next += 10
	f.there[path] = c
	f.tally[c.kind]++
	f.w.Put(f.w.t, path, c.bytes())
}

// pick is one of the paths for which ok holds, "" when there is none.
func (f *feed) pick(ok func(path string) bool) string {
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(f.there)), func(p string) bool { return !ok(p) })
	if len(all) == 0 {
		return ""
	}
	return all[f.rnd.IntN(len(all))]
}

// day is what happens to the stage in a day: new files, and now and then a bad one, one that was overwritten, put again, mended,
// deleted, finished, or loaded by a task.
func (f *feed) day(n int) {
	f.w.t.Helper()
	chance := func(percent int) bool { return f.rnd.IntN(100) < percent }
	for i := range 1 + f.rnd.IntN(2) {
		f.put(fmt.Sprintf("p/day=%03d/%d.parquet", n, i), goodKinds...)
	}
	if chance(25) {
		f.put(fmt.Sprintf("p/day=%03d/bad.parquet", n), badKinds...)
	}
	if chance(10) {
		f.put(fmt.Sprintf("p/day=%03d/late.parquet", n), "0 bytes")
	}
	if p := f.pick(func(p string) bool { return f.there[p].kind == "0 bytes" }); p != "" && chance(60) {
		f.put(p, goodKinds...)
	}
	if p := f.pick(func(p string) bool { return f.loaded[p].n > 0 }); p != "" && chance(20) {
		kinds := goodKinds[:len(goodKinds)-1]
		if chance(30) {
			kinds = badKinds
		}
		f.put(p, kinds...)
		f.tally["overwritten"]++
	}
	if p := f.pick(func(p string) bool { return f.failed[p] != content{} }); p != "" && chance(30) {
		f.put(p, goodKinds[:len(goodKinds)-1]...)
		f.tally["mended"]++
	}
	if p := f.pick(func(p string) bool { return f.there[p].n > 0 }); p != "" && chance(20) {
		f.w.Put(f.w.t, p, f.there[p].bytes())
		f.tally["the same again"]++
	}
	if p := f.pick(func(p string) bool { return f.loaded[p] == f.there[p] }); p != "" && chance(10) {
		f.w.Delete(f.w.t, p)
		delete(f.there, p)
		f.tally["deleted"]++
	}
	if n > 0 && chance(15) { // rows of an unknown source would stop the first load
		p := fmt.Sprintf("p/day=%03d/task.parquet", n)
		f.put(p, "plain")
		f.w.SQL(f.w.t, f.ld.Statement.SQL+" FILES = ('"+strings.TrimPrefix(p, "p/")+"')")
		f.loaded[p] = f.there[p]
		f.tally["loaded by a task"]++
	}
}

// run loads, and wants the table, the files named and the exit code to be as the model has them.
func (f *feed) run() {
	f.w.t.Helper()
	want := map[string]string{} // outcomes
	ends := exit.Done
	for p, c := range f.there {
		was, had := f.loaded[p]
		bad, tried := f.failed[p]
		switch {
		case c.kind == "0 bytes":
			want[p] = "skipped"
		case tried && bad == c:
			want[p], ends = "skipped", exit.Partly
		case had && was == c:
		case had && was.kind != "no rows" && f.onChanged != "replace": // nothing of a file without rows is in the table
			want[p] = "skipped"
			if f.onChanged == "fail" {
				ends = max(ends, exit.Check)
			}
		case !c.good():
			want[p], ends = "failed", exit.Partly
			f.failed[p] = c
		default:
			want[p] = "loaded"
			if had && was.kind != "no rows" {
				want[p] = "replaced"
			}
			f.loaded[p] = c
			delete(f.failed, p)
		}
	}
	_, err := f.w.run(f.ld, plan.Options{})
	got := map[string]string{}
	for _, e := range f.w.events {
		if e, ok := e.(event.File); ok {
			got[e.Path] = string(e.Outcome)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.w.t.Fatalf("outcomes (-want +got):\n%s\n%v", diff, err)
	}
	if code := exit.Of(err); code != ends {
		f.w.t.Fatalf("got exit %d (%v), want %d", code, err, ends)
	}
	f.check()
}

func (f *feed) check() {
	f.w.t.Helper()
	want := map[string]string{}
	for p, c := range f.loaded {
		if c.n > 0 && c.kind != "no rows" {
			want[p] = fmt.Sprintf("%d %d", c.n, c.n*c.first+c.n*(c.n-1)/2)
		}
	}
	got := map[string]string{}
	for _, r := range f.w.SQL(f.w.t, "SELECT src, count(*), sum(id) FROM t GROUP BY src") {
		got[r[0]] = r[1] + " " + r[2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		f.w.t.Fatalf("rows: count and sum of ids (-want +got):\n%s", diff)
	}
}

// TestProofDays runs feeds day by day, with files that are new, changed, reordered and bad, against a model. DBCTL_PROOF=full runs
// 200 days, DBCTL_PROOF_SEED repeats one.
func TestProofDays(t *testing.T) {
	t.Parallel()
	seed := databendtest.Seed()
	for i, onChanged := range []string{"replace", "skip", "fail"} {
		t.Run(onChanged, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SQL(t, "ALTER TABLE t ADD COLUMN src STRING")
			f := &feed{
				w: w, rnd: rand.New(rand.NewPCG(seed, uint64(i))), onChanged: onChanged, there: map[string]content{},
				loaded: map[string]content{}, failed: map[string]content{}, next: 1, tally: map[string]int{},
			}
			f.ld = w.load(copySource, func(ld *project.Load) { ld.FilenameColumn, ld.OnChanged = "src", onChanged })
			defer func() {
				if t.Failed() {
					t.Logf("DBCTL_PROOF_SEED=%d", seed)
				}
			}()
			for day := range databendtest.Rounds(t, 8, 200) {
				f.day(day)
				f.run()
			}
			t.Logf("%v, %d files in the table", f.tally, len(f.loaded))
		})
	}
}
