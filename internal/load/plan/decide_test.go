package plan

import (
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

func TestOrder(t *testing.T) {
	t.Parallel()
	late := time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ order, want string }{{"", "a b c"}, {"oldest", "b a c"}, {"newest", "a c b"}} {
		p := Plan{Files: []File{{Path: "c", Mtime: late}, {Path: "b", Mtime: late.AddDate(0, 0, -1)}, {Path: "a", Mtime: late}}}
		p.order(tt.order)
		if got := strings.Join(Paths(p.Files), " "); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.order, got, tt.want)
		}
	}
}

// A file that the engine remembers under the end of a name is this one only where size and time are: a size alone is no evidence.
func TestRememberedElsewhere(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	for _, tt := range []struct {
		remembered, listed object
		want               string
	}{
		{object{Size: 10, Mtime: at}, object{Size: 10, Mtime: at}, "a/x.csv"},
		{object{Size: 10, Mtime: at}, object{Size: 10, Mtime: at.Add(time.Second)}, ""},
		{object{Size: 10, Mtime: time.Time{}}, object{Size: 10, Mtime: time.Time{}}, ""},
	} {
		m := newMemory()
		m.note("a/x.csv", tt.remembered)
		if got, _ := m.elsewhere("s3://b/a/x.csv", tt.listed); got != tt.want {
			t.Errorf("%v, remembered %v: got %q, want %q", tt.listed, tt.remembered, got, tt.want)
		}
	}
}

// Of two files that look like the one that was loaded through another place, the engine loaded one: it passes over a name that it remembers.
func TestTwoThatLookAlike(t *testing.T) {
	t.Parallel()
	same := object{Size: 10, ETag: "abcdefg", Mtime: time.Unix(1_700_000_000, 0)}
	k := newLook(read(t, "COPY INTO t FROM @st/"), place{url: "s3://b/", rows: 1}, Want{})
	k.memory.note("q/x.csv", same)
	for _, path := range []string{"a/q/x.csv", "b/q/x.csv"} {
		k.meet(listed{path: path, object: same, matched: true})
	}
	k.settle(nil)
	if k.Counts[event.Loaded].Files != 1 || k.Counts[event.New].Files != 1 || len(k.Past) != 1 {
		t.Errorf("got %v, %d loaded past us; want one loaded, one new", k.Counts, len(k.Past))
	}
}

// Where a server tells nothing but the sizes of files, that is all there is to know of one that the ledger has. What the engine remembers
// under its path may be another host's.
func TestFilesOfBareSizes(t *testing.T) {
	t.Parallel()
	bare := object{Size: 10}
	known := heard{word: ledger.Word{Object: bare, State: ledger.FileLoaded, Source: ledger.SourceDBCTL, Rows: 1}}
	for _, tt := range []struct {
		seen facts
		want event.FileState
	}{
		{facts{here: true, listed: bare, heard: known}, event.Expired},
		{facts{here: true, listed: bare, heard: known, remembered: true, recorded: bare}, event.Loaded},
		{facts{here: true, listed: object{Size: 11}, heard: known}, event.Changed},
		{facts{here: true, listed: bare, remembered: true, recorded: bare}, event.Changed},
	} {
		if f := classify(tt.seen); f.State != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.seen, f.State, tt.want)
		}
	}
}

// What the engine remembers under a path is no word about this place's file where another place's file of the path and the bytes is loaded.
func TestTwinOfAnotherPlace(t *testing.T) {
	t.Parallel()
	is, was := object{Size: 10, ETag: "abcdefg"}, object{Size: 9, ETag: "1234567"}
	for _, tt := range []struct {
		word  ledger.Word
		alone event.FileState // where no other place has such a file
		want  event.FileState
	}{
		{ledger.Word{}, event.Loaded, event.New},
		{ledger.Word{State: ledger.FileFailed, Object: is}, event.Loaded, event.Failed},
		{ledger.Word{State: ledger.FileFailed, Object: was}, event.Loaded, event.New},
		{ledger.Word{State: ledger.FileLoaded, Object: was, Rows: 1}, event.Loaded, event.Changed},
		{ledger.Word{State: ledger.FileEmptied, Object: is, Source: ledger.SourceCleared}, event.Loaded, event.Emptied},
		{ledger.Word{State: ledger.FileFailed, Object: is, Source: ledger.SourceHeld}, event.Failed, event.Failed},
	} {
		seen := facts{here: true, listed: is, remembered: true, recorded: is, heard: heard{word: tt.word}}
		if f := classify(seen); f.State != tt.alone {
			t.Errorf("%+v alone: got %s, want %s", tt.word, f.State, tt.alone)
		}
		seen.others = ledger.Word{State: ledger.FileLoaded, Object: is, Rows: 1}
		if f := classify(seen); f.State != tt.want || !f.Force {
			t.Errorf("%+v beside a twin: got %s, force %t, want %s by FORCE", tt.word, f.State, f.Force, tt.want)
		}
	}
}

// read makes a load of a text.
func read(t *testing.T, text string) *source.Load {
	t.Helper()
	c, err := copytext.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	j, err := source.New(project.Load{Name: "v", Copy: c, Statement: project.Statement{SQL: text}}, "p", "d")
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// A stage that was made for the load goes a day later when a killed command left it, and was not of the location that the load reads now.
func TestLeftStages(t *testing.T) {
	t.Parallel()
	at := func(uri string) *source.Load { return read(t, "COPY INTO t FROM '"+uri+"' FILE_FORMAT = (TYPE = CSV)") }
	now := time.UnixMicro(1_700_000_000_000_000)
	made := func(ago time.Duration) databend.Row {
		micros := sql.NullString{String: strconv.FormatInt(now.Add(-ago).UnixMicro(), 10), Valid: true}
		return databend.Row{{}, {}, {}, {}, micros}
	}
	is, was, new := at("s3://b/is/"), at("s3://b/was/"), at("s3://b/new/")
	stages := map[string]databend.Row{
		is.Copy.Stage: made(48 * time.Hour), was.Copy.Stage: made(48 * time.Hour), new.Copy.Stage: made(time.Hour), "dbctl_mine": made(48 * time.Hour),
	}
	if got := leftStages(is, stages, now); !slices.Equal(got, []string{was.Copy.Stage}) {
		t.Errorf("got %v, want %s", got, was.Copy.Stage)
	}
}
