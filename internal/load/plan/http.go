package plan

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
)

// asking bounds how many files are asked about at once, and askTimeout for how long.
const (
	asking     = 8
	askTimeout = 30 * time.Second
)

// byHTTP tells what is there of the files of loads by HTTP: the server lists none, so they are asked for from here.
func byHTTP(ctx context.Context, looks []*look, tell func(k *look, f listed) error) error {
	client := &http.Client{Timeout: askTimeout}
	for _, k := range looks {
		if !k.Job.Unlisted() {
			continue
		}
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(k.Job.Files)), func(name string) bool { return !k.scope.covers(name) })
		found := make([]*object, len(names))
		heads, ctx := errgroup.WithContext(ctx)
		heads.SetLimit(asking)
		for i, name := range names {
			heads.Go(crash.Caught(func() (err error) {
				found[i], err = head(ctx, client, k.Plan, name)
				return err
			}))
		}
		if err := heads.Wait(); err != nil {
			return err
		}
		for i, name := range names {
			if found[i] == nil {
				continue
			}
			if err := tell(k, listed{path: name, object: *found[i], matched: true}); err != nil {
				return err
			}
		}
	}
	return nil
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
	return &object{Size: answer.ContentLength, ETag: answer.Header.Get("ETag"), Mtime: changed}, nil
}
