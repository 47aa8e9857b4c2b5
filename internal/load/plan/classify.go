package plan

import (
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// classify decides about one file of the load. One of no state is none of ours.
func classify(s facts) File {
	f := File{
		Path: s.path, Bytes: s.listed.Size, ETag: s.listed.ETag, Mtime: s.listed.Mtime, Force: s.remembered, Held: s.held(), Aliases: s.aliases,
		twin: s.others.State == ledger.FileLoaded, checksum: s.word.Checksum,
	}
	if s.unknown() {
		f.Rows = UnknownRows
	} else if s.word.State != ledger.FileNew && s.word.State != ledger.FileUndone {
		f.Rows = s.word.Rows
	}
	f.State, f.Reason = s.state()
	if f.State == event.New && f.Force && s.word.State != ledger.FileNew && s.word.State != ledger.FileUndone {
		f.Reason = "the engine holds it for loaded, and it is not"
	}
	return f
}

// state is that of the file, and why.
func (s facts) state() (st event.FileState, reason string) {
	switch w := s.word; {
	case !s.here && s.remembered && !s.theirs():
		return event.Vanished, ""
	case !s.here:
		return "", ""
	case w.State == ledger.FileQuarantined && !s.asKnown():
		return event.Quarantined, "overwritten since it was given up: " + w.Text
	case w.State == ledger.FileQuarantined:
		return event.Quarantined, w.Text
	case s.listed.Size == 0:
		return event.Unfinished, ""
	case w.State == ledger.FileNew || w.State == ledger.FileUndone:
		return event.New, ""
	case s.pastUs():
		return event.Loaded, ""
	case w.State == ledger.FileFailed:
		return s.failed()
	case w.State == ledger.FileEmptied && s.asKnown():
		return event.Emptied, ""
	case w.State == ledger.FileLoaded && s.asKnown() && s.remembered:
		return event.Loaded, ""
	case w.State == ledger.FileLoaded && s.asKnown() && w.Rows == 0 && w.Ours():
		return event.Expired, "loaded: there is no row in it, and the engine remembers no such file"
	case w.State == ledger.FileLoaded && s.asKnown():
		return event.Expired, ""
	case w.State == ledger.FileLoaded && w.Rows == 0 && w.Ours():
		return event.New, "there was no row in it when it was loaded"
	case w.State == ledger.FileLoaded || w.State == ledger.FileEmptied:
		return event.Changed, overwritten(w.Object, s.listed)
	case s.remembered && !s.theirs() && s.recorded.Size > 0:
		return event.Changed, overwritten(s.recorded, s.listed)
	}
	return event.New, ""
}

// failed is the state of a file that could not be loaded.
func (s facts) failed() (st event.FileState, reason string) {
	switch {
	case s.asKnown():
		return event.Failed, s.word.Text
	case s.word.Rows != 0:
		return event.Changed, "overwritten since it was loaded; what came between could not be loaded"
	}
	return event.New, ""
}

func overwritten(was, is object) string {
	size := func(o object) string { return event.Plural(o.Size, "byte") + ", etag " + shortTag(o.ETag) }
	return "loaded as " + size(was) + "; now " + size(is)
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
