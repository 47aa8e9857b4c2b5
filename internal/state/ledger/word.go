package ledger

import (
	"cmp"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
)

// Object is what is said about a file's bytes, by a listing, the engine or the ledger.
type Object struct {
	Size  int64
	ETag  string
	Mtime time.Time
}

// Same reports whether a listed object is the one that was. The engine keeps 7 characters of an etag; a store without etags is compared by
// time, to the second (a HEAD gives no more). With an etag the time says nothing: the same bytes put again keep it.
func (o Object) Same(was Object) bool {
	if o.Size != was.Size {
		return false
	}
	if o.ETag != "" && was.ETag != "" {
		return strings.HasPrefix(o.ETag, was.ETag)
	}
	return !o.Mtime.IsZero() && !was.Mtime.IsZero() && o.Mtime.Unix() == was.Mtime.Unix()
}

// Word is what a row of the ledger says about a file; that of a file of which it says nothing has no State.
type Word struct {
	Object
	At       time.Time
	EventID  string
	Rows     int64
	Source   string
	Stage    string // through which it was loaded
	Place    string // the URL of that
	State    string
	Checksum string // of the load that failed
	Text     string // why it failed, or a person's reason
}

// After reports whether w was said after o: the last word holds.
func (w Word) After(o Word) bool {
	return w.At.After(o.At) || w.At.Equal(o.At) && w.EventID > o.EventID
}

// Ours reports whether dbctl loaded the file; the engine need not have known it in this table.
func (w Word) Ours() bool {
	return w.Source == SourceDBCTL || w.Source == SourceCarried || w.Source == SourceRestored
}

// Tried reports whether the file was loaded once, or could not be: its word stays when the file has vanished.
func (w Word) Tried() bool {
	return w.State == FileLoaded || w.State == FileFailed || w.State == FileEmptied
}

// WordColumns are what ReadWord reads.
const WordColumns = "to_int64(`at`), event_id, size, etag, to_int64(TRY_CAST(mtime AS TIMESTAMP)), row_count, source, `stage`, " +
	"stage_url, state, checksum, error, reason"

// ReadWord reads a word.
func ReadWord(r databend.Row) Word {
	return Word{
		At: r.Time(0), EventID: r[1].String, Object: Object{r.Int(2), r[3].String, r.Time(4)},
		Rows: r.Int(5), Source: r[6].String, Stage: r[7].String, Place: r[8].String, State: r[9].String, Checksum: r[10].String,
		Text: cmp.Or(r[11].String, r[12].String),
	}
}
