package plan

import (
	"context"
	"database/sql"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
)

// asking bounds how many files are asked about at once, and askTimeout for how long.
const (
	asking     = 8
	askTimeout = 30 * time.Second
)

// byHTTP are the files of loads by HTTP as LIST_STAGE has those of a stage: the server lists none, so they are asked for from here.
func byHTTP(ctx context.Context, plans []*Plan) ([]databend.Row, error) {
	client := &http.Client{Timeout: askTimeout}
	var rows []databend.Row
	for i, p := range plans {
		if !p.Job.Unlisted() {
			continue
		}
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(p.Job.Files)), func(name string) bool { return !p.scope.covers(name) })
		found := make([]databend.Row, len(names))
		heads, ctx := errgroup.WithContext(ctx)
		heads.SetLimit(asking)
		for k, name := range names {
			heads.Go(crash.Caught(func() error {
				o, err := head(ctx, client, p, name)
				if err == nil && o != nil {
					size := strconv.FormatInt(o.size, 10)
					found[k] = databend.Row{value(strconv.Itoa(i)), value(name), value(size), value(o.etag), micros(o.mtime), value("true")}
				}
				return err
			}))
		}
		if err := heads.Wait(); err != nil {
			return nil, err
		}
		rows = append(rows, slices.DeleteFunc(found, func(r databend.Row) bool { return r == nil })...)
	}
	return rows, nil
}

func value(s string) sql.NullString { return sql.NullString{String: s, Valid: true} }

func micros(t time.Time) sql.NullString {
	if t.IsZero() {
		return sql.NullString{}
	}
	return value(strconv.FormatInt(t.UnixMicro(), 10))
}

// head asks for a file; nil: there is none.
func head(ctx context.Context, client *http.Client, p *Plan, name string) (*object, error) {
	wrong := func(format string, args ...any) error {
		return fault.Errorf(p.Load, exit.Failed, "see that dbctl can reach the files, which it asks for their sizes and etags itself; or put "+
			"them where the server lists them", format, args...)
	}
	at := p.Job.URL(name)
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, at, nil)
	if err != nil {
		return nil, wrong("%v", err)
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, wrong("the file cannot be reached: %v", err)
	}
	_ = answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusGone:
		return nil, nil
	case answer.StatusCode != http.StatusOK:
		return nil, wrong("%s: %s", at, answer.Status)
	case answer.ContentLength < 0:
		return nil, wrong("%s: its server does not tell the size of the file", at)
	}
	changed, _ := http.ParseTime(answer.Header.Get("Last-Modified"))
	return &object{answer.ContentLength, answer.Header.Get("ETag"), changed}, nil
}
