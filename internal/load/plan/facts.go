package plan

import (
	"strings"

	"github.com/dbctl/dbctl/internal/state/ledger"
)

// object is what a listing, the engine or the ledger says of a file's bytes.
type object = ledger.Object

// facts is all that is known of one path below the stage's root.
type facts struct {
	path          string
	here, matched bool // in the stage; one of the load's
	listed        object
	remembered    bool // by the engine
	recorded      object
	elsewhere     string // the name by which the engine may remember it, where it was loaded through another place past us
	heard
}

// heard is what the ledger says of one path.
type heard struct {
	word, others ledger.Word // the last ones: of this place's file, and of other places' of this path
	aliases      []string    // its path below the roots of other places that it was loaded through
}

// hear takes in a word about a path of the place with this URL.
func (h *heard) hear(url, path string, here bool, w ledger.Word) {
	last := &h.word
	if !here {
		last = &h.others
	}
	if w.After(*last) {
		*last = w
	}
	if here && w.Place != url && w.State == ledger.FileLoaded {
		h.aliases = append(h.aliases, strings.TrimPrefix(url+path, w.Place))
	}
}

// theirs reports whether what the engine remembers is another place's file, and nothing is known of this one.
func (s facts) theirs() bool { return s.word.State == "" && s.twins() }

// twins reports whether the engine may remember another place's file: it knows a path, not its stage.
func (s facts) twins() bool {
	o, h := s.others, s.recorded
	return s.remembered && o.State == ledger.FileLoaded && o.Size == h.Size && strings.HasPrefix(o.ETag, h.ETag)
}

// asKnown reports whether the file is the one that the ledger's last word is about. Where a server tells nothing but sizes, as by HTTP it
// may, a file will never be known better.
func (s facts) asKnown() bool {
	bare := func(o object) bool { return o.ETag == "" && o.Mtime.IsZero() }
	is, was := s.listed, s.word.Object
	return is.Same(was) || is.Size == was.Size && bare(is) && bare(was)
}

// held reports whether the engine takes the listed bytes for loaded.
func (s facts) held() bool { return s.remembered && s.listed.Same(s.recorded) }

// pastUs reports whether the listed file was loaded past us, since the ledger's last word if there is one.
func (s facts) pastUs() bool {
	if !s.held() || s.twins() {
		return false
	}
	switch s.word.State {
	case "":
		return true
	case ledger.FileFailed:
		return s.word.Source != ledger.SourceHeld
	case ledger.FileLoaded:
		return !s.asKnown()
	case ledger.FileEmptied:
		return !s.asKnown() || s.word.Source == ledger.SourceCleared
	}
	return false
}

// unknown reports whether the table has rows of the file of which the ledger does not know.
func (s facts) unknown() bool {
	return s.remembered && !s.theirs() && s.recorded.Size > 0 && (s.word.State == "" || s.pastUs())
}

// asRecorded is the file as the engine recorded it; the whole etag where it is still there.
func (s facts) asRecorded() File {
	o := s.recorded
	if s.here && s.listed.Same(o) {
		o = s.listed
	}
	return File{Path: s.path, Bytes: o.Size, ETag: o.ETag, Mtime: o.Mtime}
}
