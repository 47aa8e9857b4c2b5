package plan

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// memory is what the engine remembers of the files of a load's table: a day's, by their names below the load's place.
type memory struct {
	records map[string]*record
	names   map[string][]string // by their last part
}

// record is what the engine remembers of one file.
type record struct {
	object
	met bool // it was held against a listed file
}

func newMemory() memory { return memory{map[string]*record{}, map[string][]string{}} }

func (m memory) note(name string, o object) {
	m.records[name] = &record{object: o}
	last := path.Base(name)
	m.names[last] = append(m.names[last], name)
}

// elsewhere is the name under which the engine remembers a listed file that was loaded through a stage over what is above the place, or
// below it: the end of its URL, with the size, the etag and the time of the file. "" when there is none.
func (m memory) elsewhere(url string, listed object) (string, object) {
	for _, name := range m.names[path.Base(url)] {
		was := m.records[name].object
		if strings.HasSuffix("/"+url, "/"+name) && listed.Same(was) && listed.Mtime.Unix() == was.Mtime.Unix() {
			return name, was
		}
	}
	return "", object{}
}

// remember reads what the engine remembers.
func (l *Planner) remember(ctx context.Context, looks []*look) error {
	var parts []string
	for i, k := range looks {
		if !k.scope.place.unwritten { // each table asked about costs the server 10 ms
			parts = append(parts, k.scope.recorded(i))
		}
	}
	for some := range slices.Chunk(parts, atOnce) {
		_, err := l.Work.Each(ctx, databend.Statement{Reads: true, SQL: strings.Join(some, "\nUNION ALL ")}, func(r databend.Row) error {
			k := looks[r.Int(0)]
			k.memory.note(k.Below(r[1].String), readObject(r[2:]))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// recorded asks what the engine remembers.
func (q scope) recorded(i int) string {
	return "SELECT " + strconv.Itoa(i) + ", file_name, content_length, coalesce(etag, ''), to_int64(last_modified) FROM copy_history(" +
		sqltext.Quote(q.job.Target) + ")"
}

// recordedNames is a subquery of the names below the place that the engine remembers, as Plan.Below has them.
func (q scope) recordedNames() string {
	name, url := "file_name", sqltext.Literal(q.place.url)
	if !strings.HasPrefix(q.place.url, "@") {
		name = fmt.Sprintf("if(left(file_name, %[1]d) = %[2]s, substr(file_name, %[1]d+1), file_name)", utf8.RuneCountInString(q.place.url), url)
	}
	return "(SELECT DISTINCT " + name + " AS name FROM copy_history(" + sqltext.Quote(q.job.Target) + "))"
}

// readObject reads size, etag and mtime.
func readObject(r databend.Row) object {
	return object{Size: r.Int(0), ETag: r[1].String, Mtime: r.Time(2)}
}
