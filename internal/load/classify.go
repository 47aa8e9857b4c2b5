package load

import (
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/state"
)

// object is what a stage or the engine says about a file.
type object struct {
	size        int64
	etag, mtime string
}

// word is the ledger's last word about a file.
type word struct {
	object
	at, state, checksum, source, text string
	rows                              int64
}

func readObject(s string) object {
	f := strings.SplitN(s, sep, 3)
	if len(f) < 3 {
		return object{}
	}
	return object{number(f[0]), f[1], f[2]}
}

func readWord(s string) word {
	f := strings.SplitN(s, sep, 10)
	if len(f) < 10 {
		return word{}
	}
	return word{object{number(f[3]), f[4], f[5]}, f[0], f[2], f[7], f[8], f[9], number(f[6])}
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
	second := len("2006-01-02 15:04:05")
	return len(o.mtime) >= second && len(was.mtime) >= second && o.mtime[:second] == was.mtime[:second]
}

// known is a listed file with what the listing says of it.
func known(r databend.Row) File {
	o := readObject(r[colListed].String)
	return File{Path: r[colPath].String, Bytes: o.size, ETag: o.etag, Mtime: o.mtime}
}

// historyFile is a file as the engine recorded it; the whole etag where it is still there.
func historyFile(r databend.Row) File {
	h, l := readObject(r[colHistory].String), readObject(r[colListed].String)
	if r[colListed].Valid && l.same(h) {
		h = l
	}
	return File{Path: r[colPath].String, Bytes: h.size, ETag: h.etag, Mtime: h.mtime}
}

// classify decides about one file that the server could not count as boring. engine is whether it was loaded past us and the
// ledger does not know. A file of no state is none of ours.
func classify(r databend.Row, force bool) (f File, engine bool) {
	f = known(r)
	here, remembered := r[colListed].Valid, r[colHistory].Valid
	l, h := readObject(r[colListed].String), readObject(r[colHistory].String)
	g, o := readWord(r[colLedger].String), readWord(r[colElsewhere].String)
	// Databend knows a path, not its stage: a record may be of another stage's file.
	theirs := remembered && o.state == state.FileLoaded && g.state == "" && o.object.size == h.size && strings.HasPrefix(o.etag, h.etag)
	ours := remembered && !theirs
	asRemembered, asKnown := ours && l.same(h), l.same(g.object)
	engine = ours && h.size > 0 && (g.state == "" || asRemembered && (g.state == state.FileFailed || g.state == state.FileLoaded && !asKnown))
	f.force, f.twin = remembered, o.state == state.FileLoaded
	f.checksum = g.checksum

	switch {
	case !here:
		if ours {
			f.State = Vanished
		}
		return f, ours && h.size > 0
	case g.state == state.FileQuarantined && !force:
		f.State, f.Reason = Quarantined, g.text
		return f, false
	case l.size == 0:
		f.State = Unfinished
		return f, false
	case force:
		f.State, f.again = New, g.state == state.FileLoaded
		return f, engine
	case g.state == state.FileNew || g.state == state.FileUndone:
		f.State = New
		return f, false
	case asRemembered && (g.state == "" || g.state == state.FileFailed || g.state == state.FileLoaded && !asKnown):
		f.State = Loaded // past us
	case g.state == state.FileFailed && asKnown:
		f.State, f.Reason, f.again = Failed, g.text, g.rows == unknownRows
	case g.state == state.FileFailed && g.rows == unknownRows:
		f.State, f.Reason = Changed, "overwritten since it was loaded; what came between could not be loaded"
	case g.state == state.FileFailed:
		f.State = New
	case g.state == state.FileLoaded && asKnown && remembered:
		f.State = Loaded
	case g.state == state.FileLoaded && asKnown:
		f.State = Expired
	case g.state == state.FileLoaded:
		f.State, f.Reason = Changed, overwritten(g.object, l)
	case remembered && (theirs || h.size == 0):
		f.State = New
	case remembered:
		f.State, f.Reason = Changed, overwritten(h, l)
	default:
		f.State = New
	}
	if f.State == New && f.force {
		f.Reason = "the engine holds it for loaded, and it is not"
	}
	return f, engine && f.State != New
}

func overwritten(was, is object) string {
	return fmt.Sprintf("loaded as %d bytes, etag %s; now %d bytes, etag %s", was.size, shortTag(was.etag), is.size, shortTag(is.etag))
}
