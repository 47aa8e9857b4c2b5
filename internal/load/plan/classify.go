package plan

import (
	"cmp"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/session"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// object is what a stage or the engine says about a file.
type object struct {
	size  int64
	etag  string
	mtime time.Time
}

// word is what a row of the ledger says about a file; without one its state is "".
type word struct {
	object
	at                            time.Time
	event, stage, url             string // url: of the place through which it was loaded
	state, checksum, source, text string
	rows                          int64
}

// loadedColumns are what readWord reads of the ledger's words for loaded, and wordColumns of all.
var loadedColumns, wordColumns = func() (loaded, all string) {
	id := sqltext.Ident
	loaded = strings.Join([]string{
		"to_int64(" + id(ledger.ColAt) + ")", id(ledger.ColEventID), id(ledger.ColSize), id(ledger.ColETag),
		"to_int64(TRY_CAST(" + id(ledger.ColMtime) + " AS TIMESTAMP))", id(ledger.ColRows), id(ledger.ColSource), id(ledger.ColStage),
		id(ledger.ColStageURL),
	}, ", ")
	return loaded, loaded + ", " + id(ledger.ColState) + ", " + id(ledger.ColChecksum) + ", " + id(ledger.ColError) + ", " +
		id(ledger.ColReason)
}()

// readWord reads the URL of a place, and loadedColumns or wordColumns behind it.
func readWord(r databend.Row) (stageURL string, w word) {
	at := func(i int) string { return r[i].String }
	w = word{
		at: moment(at(1)), event: at(2), object: object{session.Number(at(3)), at(4), moment(at(5))}, rows: session.Number(at(6)),
		source: at(7), stage: at(8), url: at(9), state: ledger.FileLoaded,
	}
	if more := r[10:]; len(more) > 0 {
		w.state, w.checksum, w.text = more[0].String, more[1].String, cmp.Or(more[2].String, more[3].String)
	}
	return at(0), w
}

// after reports whether w was said after o: the last word holds.
func (w word) after(o word) bool { return w.at.After(o.at) || w.at.Equal(o.at) && w.event > o.event }

// ours reports whether dbctl loaded the file; the engine need not have known it in this table.
func (w word) ours() bool {
	return w.source == ledger.SourceDBCTL || w.source == ledger.SourceCarried || w.source == ledger.SourceRestored
}

// kept reports whether a state says that the file was tried: its word stays when the file has vanished.
func kept(st string) bool {
	return st == ledger.FileLoaded || st == ledger.FileFailed || st == ledger.FileEmptied
}

// same reports whether the listed object is the one that was. The engine keeps 7 characters of an etag; a store without etags is
// compared by time, to the second (a HEAD gives no more). With an etag the time says nothing: the same bytes put again keep it.
func (o object) same(was object) bool {
	if o.size != was.size {
		return false
	}
	if o.etag != "" && was.etag != "" {
		return strings.HasPrefix(o.etag, was.etag)
	}
	return !o.mtime.IsZero() && !was.mtime.IsZero() && o.mtime.Unix() == was.mtime.Unix()
}

// bare reports whether nothing but the size is known of it, as by HTTP may be.
func (o object) bare() bool { return o.etag == "" && o.mtime.IsZero() }

// asRecorded is a file as the engine recorded it; the whole etag where it is still there.
func (s seen) asRecorded() File {
	o := s.recorded
	if s.here && s.listed.same(o) {
		o = s.listed
	}
	return File{Path: s.path, Bytes: o.size, ETag: o.etag, Mtime: o.mtime}
}

// classify decides about one file of the load. engine is whether it was loaded past us and the ledger does not know. A file of no
// state is none of ours.
func classify(s seen) (f File, engine bool) {
	here, remembered, l, h, g, o := s.here, s.remembered, s.listed, s.recorded, s.word, s.otherStages
	f = File{Path: s.path, Bytes: l.size, ETag: l.etag, Mtime: l.mtime}
	// Databend knows a path, not its stage: a record may be of another stage's file.
	theirs := remembered && o.state == ledger.FileLoaded && g.state == "" && o.object.size == h.size && strings.HasPrefix(o.etag, h.etag)
	ours := remembered && !theirs
	asRemembered := ours && l.same(h)
	asKnown := l.same(g.object) || l.size == g.size && l.bare() && g.bare() // it will never be known better
	past := asRemembered && (g.state == "" || g.state == ledger.FileFailed || g.state == ledger.FileLoaded && !asKnown ||
		g.state == ledger.FileEmptied && (!asKnown || g.source == ledger.SourceCleared))
	engine = ours && h.size > 0 && (g.state == "" || past)
	f.Force, f.twin = remembered, o.state == ledger.FileLoaded
	f.checksum, f.told, f.Aliases = g.checksum, g.state != "", s.aliases
	switch {
	case engine:
		f.Rows = UnknownRows
	case g.state != ledger.FileNew && g.state != ledger.FileUndone:
		f.Rows = g.rows
	}

	switch {
	case !here:
		if ours {
			f.State = Vanished
		}
		return f, ours && h.size > 0
	case g.state == ledger.FileQuarantined:
		f.State, f.Reason = Quarantined, g.text
		return f, false
	case l.size == 0:
		f.State = Unfinished
		return f, false
	case g.state == ledger.FileNew || g.state == ledger.FileUndone:
		f.State = New
		return f, false
	case past:
		f.State = Loaded
	case g.state == ledger.FileFailed && asKnown:
		f.State, f.Reason = Failed, g.text
	case g.state == ledger.FileFailed && g.rows != 0:
		f.State, f.Reason = Changed, "overwritten since it was loaded; what came between could not be loaded"
	case g.state == ledger.FileFailed:
		f.State = New
	case g.state == ledger.FileLoaded && asKnown && remembered:
		f.State = Loaded
	case g.state == ledger.FileLoaded && asKnown:
		f.State = Expired
	case g.state == ledger.FileLoaded && g.rows == 0 && g.ours():
		f.State, f.Reason = New, "there was no row in it when it was loaded"
	case g.state == ledger.FileEmptied && asKnown:
		f.State = Emptied
	case g.state == ledger.FileLoaded || g.state == ledger.FileEmptied:
		f.State, f.Reason = Changed, overwritten(g.object, l)
	case remembered && (theirs || h.size == 0):
		f.State = New
	case remembered:
		f.State, f.Reason = Changed, overwritten(h, l)
	default:
		f.State = New
	}
	if f.State == New && f.Force {
		f.Reason = "the engine holds it for loaded, and it is not"
	}
	return f, engine && f.State != New
}

func overwritten(was, is object) string {
	size := func(o object) string { return event.Plural(o.size, "byte") + ", etag " + shortTag(o.etag) }
	return "loaded as " + size(was) + "; now " + size(is)
}
