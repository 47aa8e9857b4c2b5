package plan

import (
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dbctl/dbctl/internal/databend"
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

// What is known of a file says whether it is the one that was.
func TestSameObject(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 5_000)
	for _, tt := range []struct {
		is, was object
		same    bool
	}{
		{object{1, `"abcdefgh"`, at}, object{1, `"abcdef`, at.Add(time.Hour)}, true},
		{object{1, `"abcdefgh"`, at}, object{1, `"xbcdef`, at}, false},
		{object{2, "a", at}, object{1, "a", at}, false},
		{object{1, "", at}, object{1, "a", at.Truncate(time.Second)}, true},
		{object{1, "", at}, object{1, "", at.Add(time.Second)}, false},
		{object{1, "", time.Time{}}, object{1, "", time.Time{}}, false},
		{object{2, "", time.Time{}}, object{1, "", time.Time{}}, false},
		{object{1, "", time.Time{}}, object{1, "a", time.Time{}}, false},
		{object{1, "", at}, object{1, "", time.Time{}}, false},
	} {
		if got := tt.is.same(tt.was); got != tt.same {
			t.Errorf("%v, was %v: got %v", tt.is, tt.was, got)
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
		{object{10, "", at}, object{10, "", at}, "a/x.csv"},
		{object{10, "", at}, object{10, "", at.Add(time.Second)}, ""},
		{object{10, "", time.Time{}}, object{10, "", time.Time{}}, ""},
	} {
		m := memory{objects: map[key]object{}, names: map[key][]string{}}
		m.note(key{0, "a/x.csv"}, tt.remembered)
		if got, _ := m.elsewhere(key{0, "x.csv"}, "s3://b/a/", tt.listed); got != tt.want {
			t.Errorf("%v, remembered %v: got %q, want %q", tt.listed, tt.remembered, got, tt.want)
		}
	}
}

// Where a server tells nothing but the sizes of files, that is all there is to know of one that the ledger has. What the engine remembers
// under its path may be another host's.
func TestFilesOfBareSizes(t *testing.T) {
	t.Parallel()
	bare, known := object{size: 10}, word{object: object{size: 10}, state: ledger.FileLoaded, source: ledger.SourceDBCTL, rows: 1}
	for _, tt := range []struct {
		seen seen
		want State
	}{
		{seen{here: true, listed: bare, word: known}, Expired},
		{seen{here: true, listed: bare, word: known, remembered: true, recorded: bare}, Loaded},
		{seen{here: true, listed: object{size: 11}, word: known}, Changed},
		{seen{here: true, listed: bare, remembered: true, recorded: bare}, Changed},
	} {
		if f, _ := classify(tt.seen); f.State != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.seen, f.State, tt.want)
		}
	}
}

// A stage that was made for the load goes a day later when a killed command left it, and was not of the location that the load reads now.
func TestLeftStages(t *testing.T) {
	t.Parallel()
	at := func(uri string) *source.Load {
		text := "COPY INTO t FROM '" + uri + "' FILE_FORMAT = (TYPE = CSV)"
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
