package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// tally is what is counted while files are taken in, for what can be said when all are.
type tally struct {
	total       ledger.Total      // of files that the ledger knows, there or not
	tried       int64             // of those, listed
	listed      map[string]bool   // names, where vanished ones are to be named
	left        map[object]string // loaded files with rows that are gone from their place, by size and etag
	unseen      map[string]bool   // of the COPY's FILES: in no list
	forgotten   Count             // files that dbctl loaded, with rows, and that the engine has forgotten
	oldRows     int64             // of those
	emptiedRows int64             // that the ledger counts for files whose rows are gone
	outside     int64             // new files outside of the window
	failed      ledger.Word       // the newest failure that stands
	failedPath  string            // of it
}

// take takes in one file.
func (k *look) take(s facts) {
	k.note(s)
	var f File
	switch {
	case !s.here && s.word.State != "":
		return // counted by the ledger
	case s.here && !s.matched:
		f = File{Path: s.path, Bytes: s.listed.Size, State: event.Ignored}
	default:
		if f = classify(s); f.State == "" {
			return
		}
		if s.unknown() && f.State != event.Unfinished {
			k.Past = append(k.Past, s.asRecorded())
		}
		k.account(s, &f)
		if f.State == event.Quarantined && !s.asKnown() {
			k.mended = append(k.mended, f.Path)
		}
	}
	switch {
	case f.State == event.New && k.scope.outsideWindow(s.path):
		k.tally.outside++
		return
	case f.State == event.Failed && s.word.After(k.tally.failed):
		k.tally.failed, k.tally.failedPath = s.word, s.path
	}
	k.count(f.State, 1, f.Bytes)
	if !k.sums && (k.verbose() || k.want.Force || !slices.Contains(boring, f.State)) {
		f.Reason = cmp.Or(f.Reason, reasons[f.State])
		k.Files = append(k.Files, f)
	}
}

// boring are states of files that are named only where each file is.
var boring = []event.FileState{event.Loaded, event.Expired, event.Emptied, event.Vanished, event.Quarantined, event.Ignored}

// reasons are the words for states that need no more.
var reasons = map[event.FileState]string{
	event.Unfinished: "0 bytes: its upload is not done",
	event.Expired:    "the engine has forgotten it, the ledger has not",
	event.Ignored:    "hidden, or not matched by the load's pattern",
	event.Vanished:   "no longer in the stage",
	event.Emptied:    "its rows are gone from the table",
}

// note notes what a file says about the load as a whole.
func (k *look) note(s facts) {
	w, o := s.word, s.others
	k.Known = k.Known || w.State == ledger.FileLoaded || w.State == ledger.FileNew || w.State == ledger.FileEmptied
	// A copy of an object may have another etag (in parts, with another key).
	k.moved = k.moved || w.State == "" && s.here && s.matched && k.Stage != "" && o.Stage == k.Stage && o.State == ledger.FileLoaded &&
		s.listed.Size == o.Size
	if s.here && w.Tried() {
		k.tally.tried++
	}
	if s.here && k.verbose() {
		k.tally.listed[s.path] = true
	}
	if s.here || w.Tried() || s.remembered && o.State == "" {
		delete(k.tally.unseen, s.path)
	}
	if !s.here && !k.sums && w.State == ledger.FileLoaded && w.Rows != 0 && w.ETag != "" {
		k.tally.left[object{Size: w.Size, ETag: w.ETag}] = s.path
	}
}

// account says whether the rows that a file brought are still in the table, and counts them.
func (k *look) account(s facts, f *File) {
	t := &k.tally
	if k.leftEmpty && f.State != event.New {
		f.Rows = 0
	} else if k.rowsAreGone(s, f.State) {
		t.emptiedRows += max(f.Rows, 0)
		if f.Rows = 0; f.State != event.Changed {
			f.State = event.Emptied
		}
	} else if f.State == event.Expired && s.word.Rows != 0 && k.forgot(s) && s.word.Ours() {
		f.filled = true
		t.forgotten = Count{t.forgotten.Files + 1, t.forgotten.Bytes + f.Bytes}
		t.oldRows += max(f.Rows, 0)
	}
	k.otherRows += max(f.Rows, 0)
}

// rowsAreGone reports whether the rows that a file brought are no longer in the table, and notes how that is seen. An engine that forgot a
// file before its time was made to: TRUNCATE and DROP ALL clear its memory.
func (k *look) rowsAreGone(s facts, st event.FileState) bool {
	if st != event.Loaded && st != event.Expired && st != event.Changed || s.word.State != "" && s.word.Rows == 0 {
		return false
	}
	at := k.scope.place
	early := st != event.Loaded && k.forgot(s) && s.word.Source == ledger.SourceDBCTL && at.at.Sub(s.word.At) < at.memory
	if early && s.word.At.After(k.Loss.Until) {
		k.Loss.Until = s.word.At
	}
	k.Loss.All = k.TableRows == 0
	return k.Loss.All || early || k.flashed[s.path]
}

// forgot reports whether the engine does not remember a file under the name by which it was loaded: it may have come through another place.
func (k *look) forgot(s facts) bool {
	return k.memory.records[strings.TrimPrefix(k.StageURL+s.path, s.word.Place)] == nil
}

// conclude says what is known only when all files were taken in.
func (k *look) conclude() {
	k.clear()
	if k.want.Force {
		k.force()
	}
	k.vanish()
	k.move(k.tally.left)
}

// clear takes the rows of all that the engine has forgotten for gone, where it was made to forget some of it: the others are older.
func (k *look) clear() {
	if k.Loss.Until.IsZero() || k.TableRows == 0 {
		return
	}
	t := &k.tally
	k.count(event.Expired, -t.forgotten.Files, -t.forgotten.Bytes)
	k.count(event.Emptied, t.forgotten.Files, t.forgotten.Bytes)
	k.otherRows, t.emptiedRows = k.otherRows-t.oldRows, t.emptiedRows+t.oldRows
	for i := range k.Files {
		if f := &k.Files[i]; f.State == event.Expired && f.filled {
			f.State, f.Reason, f.Rows = event.Emptied, reasons[event.Emptied], 0
		}
	}
}

// force makes files new whatever is known of them; what the table has of their rows stays known.
func (k *look) force() {
	for i := range k.Files {
		f := &k.Files[i]
		if slices.Contains([]event.FileState{event.New, event.Unfinished, event.Vanished, event.Ignored}, f.State) {
			continue
		}
		k.recount(f, event.New)
		f.Reason = ""
	}
}

// vanish counts what is no longer in the stage, of what the ledger has for loaded or failed.
func (k *look) vanish() {
	if n := k.tally.total.Tried - k.tally.tried; n > 0 {
		k.count(event.Vanished, n, 0)
	}
	if !k.verbose() {
		return
	}
	for _, path := range k.tally.total.Names {
		if !k.tally.listed[path] {
			k.Files = append(k.Files, File{Path: path, State: event.Vanished, Reason: reasons[event.Vanished]})
		}
	}
}
