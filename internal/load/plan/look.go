package plan

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// A look is a plan that is being made: what is asked, what is known, and what is counted as each file is taken in.
type look struct {
	*Plan
	want Want
	sums bool // for a list of loads: no file is named, and rows are summed

	memory    memory
	heard     map[string]*mention // what the ledger says, by path; nothing where the words come with the listing
	leftEmpty bool                // the table was empty behind its last load, by what stands there
	flashed   map[string]bool     // paths whose rows went with a FLASHBACK
	aside     []facts             // listed, and perhaps remembered under another name
	tally     tally
}

// mention is what the ledger says of a path.
type mention struct {
	heard
	met bool // it was held against a listed file
}

// newLook is a look that knows its place and has seen no file.
func newLook(j *source.Load, at place, want Want) *look {
	p := &Plan{
		Load: j.Name, Table: j.Target, TableID: at.tableID, TableRows: at.rows, Stage: j.StageName(), StageURL: at.url, Job: j,
		Counts: map[event.FileState]Count{}, Loss: ledger.Loss{Table: j.Target, TableID: at.tableID},
		scope: scope{job: j, place: at, folders: []string{j.Prefix}},
	}
	k := &look{Plan: p, want: want, memory: newMemory(), heard: map[string]*mention{}, flashed: map[string]bool{}}
	k.tally = tally{unseen: maps.Clone(j.Files), left: map[object]string{}, listed: map[string]bool{}}
	return k
}

// verbose reports whether each file is named, whatever its state.
func (k *look) verbose() bool { return k.want.Verbose || k.want.Reload }

// vanished reports whether is asked what is no longer there. Of a large ledger that takes the server as long as all the rest of a plan: a
// list of loads tells it, and a plan that names each file, or is of some.
func (k *look) vanished() bool {
	return k.verbose() || k.sums || k.want.Vanished && (k.want.Path != "" || !k.scope.place.large())
}

// see looks at the files of plans. It reads beside each other what is in the stages, what the engine remembers and what the ledger knows,
// and takes each file in as it is listed, when the other two are there.
func (l *Planner) see(ctx context.Context, looks []*look) error {
	var known sync.WaitGroup
	reading, within := errgroup.WithContext(ctx)
	beside := func(read, then func(context.Context, []*look) error) {
		known.Add(1)
		reading.Go(crash.Caught(func() error {
			err := read(within, looks)
			if known.Done(); err != nil || then == nil {
				return err
			}
			return then(within, looks)
		}))
	}
	beside(l.remember, nil)
	beside(l.hear, l.total)
	beside(l.lost, nil)
	there := func(k *look, f listed) error {
		known.Wait()
		k.meet(f)
		return within.Err() // a look of which something could not be read is dropped
	}
	reading.Go(crash.Caught(func() error { return l.list(within, looks, there) }))
	reading.Go(crash.Caught(func() error { return byHTTP(within, looks, there) }))
	if err := reading.Wait(); err != nil {
		return err
	}
	for _, k := range looks {
		if err := l.rest(ctx, k); err != nil {
			return err
		}
		k.conclude()
	}
	return nil
}

// hear reads what the ledger says.
func (l *Planner) hear(ctx context.Context, looks []*look) error {
	return l.Store.Words(ctx, l.Words, filesOf(looks), func(i int, path string, here bool, w ledger.Word) {
		k := looks[i]
		if k.heard[path] == nil {
			k.heard[path] = &mention{}
		}
		k.heard[path].hear(k.StageURL, path, here, w)
	})
}

func filesOf(looks []*look) []ledger.Files {
	out := make([]ledger.Files, len(looks))
	for i, k := range looks {
		out[i] = k.scope.files()
	}
	return out
}

// total counts what the ledger has of files, listed or not, where is asked what has vanished.
func (l *Planner) total(ctx context.Context, looks []*look) error {
	var asked ledger.Asked
	of := filesOf(looks)
	for i, k := range looks {
		if !k.vanished() {
			of[i] = ledger.Files{}
		}
		asked.Names, asked.Sums = asked.Names || k.verbose(), asked.Sums || k.sums
	}
	totals, err := l.Store.Totals(ctx, l.Words, of, asked)
	for i, t := range totals {
		looks[i].tally.total = t
	}
	return err
}

// lost asks which of the empty tables were left so behind their last load, from which nothing is gone, and for the files whose rows went
// with a FLASHBACK.
func (l *Planner) lost(ctx context.Context, looks []*look) error {
	var ids []string
	for _, k := range looks {
		if at := k.scope.place; at.rows == 0 && at.fuse && !at.unwritten && at.ledgerRows > 0 {
			ids = append(ids, at.tableID)
		}
	}
	if len(ids) > 0 {
		empty, err := l.Store.LeftEmpty(ctx, ids)
		if err != nil {
			return err
		}
		for _, k := range looks {
			k.leftEmpty = empty[k.TableID]
		}
	}
	return l.flashedBack(ctx, looks)
}

// flashedBack asks for the files whose rows went with a FLASHBACK.
func (l *Planner) flashedBack(ctx context.Context, looks []*look) error {
	tables, large := make([]ledger.Table, len(looks)), false
	for i, k := range looks {
		if at := k.scope.place; at.fuse && at.ledgerRows > 0 && at.rows > 0 && !k.sums {
			tables[i], large = ledger.Table{ID: at.tableID, Database: k.Job.Database, Name: k.Job.Table}, at.large()
		}
	}
	return l.Store.FlashedBack(ctx, tables, large, func(i int, url string, since time.Time) {
		k := looks[i]
		k.Loss.Since = since // also of another load's files
		if path, here := strings.CutPrefix(url, k.StageURL); here {
			k.flashed[path] = true
		}
	})
}

// about is what is known of a path but for what the listing says.
func (k *look) about(path string) facts {
	s := facts{path: path}
	if r := k.memory.records[path]; r != nil {
		r.met, s.remembered, s.recorded = true, true, r.object
	}
	if m := k.heard[path]; m != nil {
		m.met, s.heard = true, m.heard
	}
	return s
}

// meet takes in a listed file. One that the engine may remember under another name waits until it is known whose name that is.
func (k *look) meet(f listed) {
	s := k.about(f.path)
	s.here, s.matched, s.listed = true, f.matched, f.object
	for _, t := range f.words {
		s.hear(k.StageURL, s.path, t.here, t.word)
	}
	if !s.remembered && s.word.State != ledger.FileLoaded {
		s.elsewhere, s.recorded = k.memory.elsewhere(k.StageURL+s.path, s.listed)
	}
	if s.elsewhere != "" {
		k.aside = append(k.aside, s)
		return
	}
	k.take(s)
}

// rest takes in what was put aside, and what is not listed.
func (l *Planner) rest(ctx context.Context, k *look) error {
	names := make([]string, len(k.aside))
	for i, s := range k.aside {
		names[i] = s.elsewhere
	}
	var others map[string]bool
	if k.scope.place.ledgerRows > 0 {
		var err error
		if others, err = l.Store.LoadedAs(ctx, l.Words, k.TableID, names); err != nil {
			return err
		}
	}
	own := k.settle(others)
	gone, err := l.gone(ctx, k)
	for _, path := range slices.Sorted(maps.Keys(gone)) {
		if s := gone[path]; !own[path] || s.word.State != "" {
			k.take(*s)
		}
	}
	return err
}

// settle takes in what was put aside. A name of others is another place's file, which the ledger knows; each of the rest is that of one
// file, and the engine passed over a second one that looks the same. It returns those.
func (k *look) settle(others map[string]bool) (own map[string]bool) {
	own = map[string]bool{}
	for _, s := range k.aside {
		s.remembered = !others[s.elsewhere] && !own[s.elsewhere]
		own[s.elsewhere] = own[s.elsewhere] || s.remembered
		k.take(s)
	}
	return own
}

// gone are the files that are known, and not listed. Of a question that is Joined those are what the engine remembers: of the others nobody
// reads what is gone.
func (l *Planner) gone(ctx context.Context, k *look) (map[string]*facts, error) {
	out := map[string]*facts{}
	note := func(path string, met bool) {
		if !met && out[path] == nil && k.scope.covers(path) {
			s := k.about(path)
			out[path] = &s
		}
	}
	for path, m := range k.heard {
		note(path, m.met)
	}
	for path, r := range k.memory.records {
		note(path, r.met)
	}
	q := k.scope.files()
	if !q.Joined() || len(out) == 0 {
		return out, nil
	}
	return out, l.Store.WordsOf(ctx, l.Words, q, k.scope.recordedNames(), func(_ int, path string, here bool, w ledger.Word) {
		if s := out[path]; s != nil {
			s.hear(k.StageURL, path, here, w)
		}
	})
}
