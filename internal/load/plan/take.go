package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/state/ledger"
)

// take takes in what the lists say of one path. keep is whether p.Files gets what is to be named.
func (p *Plan) take(s seen, keep bool) {
	known := s.word.state != ""
	p.Known = p.Known || tells(s.word.state)
	// A copy of an object may have another etag (in parts, with another key).
	p.moved = p.moved || !known && s.here && s.matched && p.Stage != "" && s.otherStages.stage == p.Stage &&
		s.otherStages.state == ledger.FileLoaded &&
		s.listed.size == s.otherStages.size
	if s.here && kept(s.word.state) {
		p.listedKnown++
	}
	if s.here && p.scope.verbose && p.scope.vanished {
		p.listedNames[s.path] = true
	}
	if s.here || kept(s.word.state) || s.remembered && s.otherStages.state == "" {
		delete(p.unseen, s.path)
	}
	var f File
	switch {
	case !s.here && known:
		if keep && s.word.state == ledger.FileLoaded && s.word.rows != 0 && s.word.etag != "" {
			p.left[object{size: s.word.size, etag: s.word.etag}] = s.path
		}
		return // counted by known
	case s.here && !s.matched:
		f = File{Path: s.path, Bytes: s.listed.size, State: Ignored}
	default:
		var engine bool
		if f, engine = classify(s); f.State == "" {
			return
		}
		if engine {
			p.Engine++
			p.Past = append(p.Past, s.asRecorded())
		}
		if p.leftEmpty && f.State != New {
			f.Rows = 0
		} else if p.gone(s, f.State) {
			p.emptiedRows += max(f.Rows, 0)
			if f.Rows = 0; f.State != Changed {
				f.State = Emptied
			}
		} else if f.State == Expired && s.word.rows != 0 && s.forgotten && s.word.ours() {
			f.filled = true
			p.expired = Count{p.expired.Files + 1, p.expired.Bytes + f.Bytes}
			p.expiredRows += max(f.Rows, 0)
		}
		p.rowsOfOthers += max(f.Rows, 0)
	}
	switch {
	case f.State == New && p.scope.outsideWindow(s.path):
		p.outside++
		return
	case f.State == Failed && s.word.after(p.lastFailed):
		p.lastFailed, p.failedPath = s.word, s.path
	}
	p.Counts[f.State] = Count{p.Counts[f.State].Files + 1, p.Counts[f.State].Bytes + f.Bytes}
	if keep && (p.scope.verbose || p.scope.force || !slices.Contains(boring, f.State)) {
		f.Reason = cmp.Or(f.Reason, reasons[f.State])
		p.Files = append(p.Files, f)
	}
}

// gone reports whether the rows that a file brought are no longer in the table, and notes how that is seen. An engine that forgot a file
// before its time was made to: TRUNCATE and DROP ALL clear its memory.
func (p *Plan) gone(s seen, st State) bool {
	if st != Loaded && st != Expired && st != Changed || s.word.state != "" && s.word.rows == 0 {
		return false
	}
	early := st != Loaded && s.forgotten && s.word.source == ledger.SourceDBCTL &&
		p.scope.place.at.Sub(s.word.at) < p.scope.place.memory
	if early && s.word.at.After(p.Loss.Until) {
		p.Loss.Until = s.word.at
	}
	p.Loss.All = p.TableRows == 0
	return p.Loss.All || early || p.flashed[s.path]
}

// boring are states of files that are named only where each file is.
var boring = []State{Loaded, Expired, Emptied, Vanished, Quarantined, Ignored}

// reasons are the words for states that need no more.
var reasons = map[State]string{
	Unfinished: "0 bytes: its upload is not done",
	Expired:    "the engine has forgotten it, the ledger has not",
	Ignored:    "hidden, or not matched by the load's pattern",
	Vanished:   "no longer in the stage",
	Emptied:    "its rows are gone from the table",
}

// clear takes the rows of all that the engine has forgotten for gone, where it was made to forget some of it: the others are older.
func (p *Plan) clear() {
	if p.Loss.Until.IsZero() || p.TableRows == 0 {
		return
	}
	p.Counts[Expired] = Count{p.Counts[Expired].Files - p.expired.Files, p.Counts[Expired].Bytes - p.expired.Bytes}
	p.Counts[Emptied] = Count{p.Counts[Emptied].Files + p.expired.Files, p.Counts[Emptied].Bytes + p.expired.Bytes}
	p.rowsOfOthers, p.emptiedRows = p.rowsOfOthers-p.expiredRows, p.emptiedRows+p.expiredRows
	for i := range p.Files {
		if f := &p.Files[i]; f.State == Expired && f.filled {
			f.State, f.Reason, f.Rows = Emptied, reasons[Emptied], 0
		}
	}
}

// forced makes files new whatever is known of them; what the table has of their rows stays known.
func (p *Plan) forced() {
	for i := range p.Files {
		f := &p.Files[i]
		if slices.Contains([]State{New, Unfinished, Vanished, Ignored}, f.State) {
			continue
		}
		p.recount(f, New)
		f.Reason = ""
	}
}

// recount gives a file another state.
func (p *Plan) recount(f *File, st State) {
	p.Counts[f.State] = Count{p.Counts[f.State].Files - 1, p.Counts[f.State].Bytes - f.Bytes}
	f.State = st
	p.Counts[st] = Count{p.Counts[st].Files + 1, p.Counts[st].Bytes + f.Bytes}
}

// vanish counts what is no longer in the stage, of what the ledger has for loaded or failed.
func (p *Plan) vanish() {
	if n := p.ledgerKnown - p.listedKnown; n > 0 {
		p.Counts[Vanished] = Count{Files: p.Counts[Vanished].Files + n}
	}
	for _, path := range p.words {
		if !p.listedNames[path] {
			p.Files = append(p.Files, File{Path: path, State: Vanished, Reason: reasons[Vanished]})
		}
	}
	p.words = nil
}

// move says of new files that they are in left.
func (p *Plan) move() {
	for i := range p.Files {
		f := &p.Files[i]
		if was := p.left[object{size: f.Bytes, etag: f.ETag}]; was != "" && f.State == New && f.Rows == 0 {
			f.Moved, f.Reason = was, "the bytes of "+was+", which was loaded and is gone"
		}
	}
	p.left = nil
}

func shortTag(etag string) string {
	etag = strings.Trim(etag, `"`)
	if len(etag) > 6 {
		return etag[:6] + "…"
	}
	if etag == "" {
		return "unknown"
	}
	return etag
}
