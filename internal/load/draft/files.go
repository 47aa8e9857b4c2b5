package draft

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
	"github.com/dbctl/dbctl/internal/load/source"
)

// sampled is how many files' columns are read: the first, the last, and others in between, since a schema changes with time.
const sampled = 12

// list are the files of the place that may be data, by name.
func list(ctx context.Context, p *plan.Planner, j *source.Load) (files []string, err error) {
	var empty []string
	_, err = p.Look.Each(ctx, databend.Statement{SQL: "SELECT name, size FROM " + j.Listing() + " ORDER BY name"},
		func(r databend.Row) error {
			if hidden.MatchString(r[0].String[min(len(r[0].String), len(j.Prefix)):]) {
				return nil
			}
			if r.Int(1) == 0 {
				empty = append(empty, r[0].String)
				return nil
			}
			files = append(files, r[0].String)
			return nil
		})
	if err != nil {
		return nil, fault.Wrap(j.Name, "list", j.Placed(err))
	}
	if len(files) == 0 && len(empty) > 0 {
		return nil, fault.Errorf(j.Name, exit.Check, "say it again when they are written", "the files in %s have 0 bytes: %s", j.Place(),
			event.Some(empty, 3))
	}
	if len(files) == 0 {
		return nil, fault.Errorf(j.Name, exit.Check, "name a place that holds some: --from", "no file in %s", j.Place())
	}
	return files, nil
}

var hidden = regexp.MustCompile(`(^|/)[_.]`)

// types are the formats by the extensions of their files.
var types = map[string]string{
	".parquet": "PARQUET", ".csv": "CSV", ".tsv": "TSV", ".txt": "TSV", ".ndjson": "NDJSON", ".jsonl": "NDJSON", ".json": "NDJSON",
	".orc":  "ORC",
	".avro": "AVRO",
}

// fileType is the format of most of the files, and those that have it.
func fileType(r Request, j *source.Load, files []string) (string, []string, error) {
	of := func(f string) string {
		f, _ = source.Unpacked(f)
		return types[strings.ToLower(path.Ext(f))]
	}
	if r.Type != "" {
		return strings.ToUpper(r.Type), files, nil
	}
	counts := map[string]int{}
	best := ""
	for _, f := range files {
		if t := of(f); t != "" {
			if counts[t]++; counts[t] > counts[best] {
				best = t
			}
		}
	}
	if best == "" {
		return "", nil, fault.Errorf(j.Name, exit.Usage, "say it: --type parquet (csv, tsv, ndjson, orc, avro)",
			"the names of the files in %s do not say their type: %s", j.Place(), event.Some(files, 3))
	}
	return best, slices.DeleteFunc(files, func(f string) bool { return of(f) != best }), nil
}

// spread are n of the files: the first, the last, and others evenly in between.
func spread(files []string, n int) []string {
	if len(files) <= n {
		return files
	}
	out := make([]string, n)
	for i := range out {
		out[i] = files[i*(len(files)-1)/(n-1)]
	}
	return out
}
