package plan

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/load/source"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// scope is which files a plan is about.
type scope struct {
	job     *source.Load
	place   place
	folders []string       // of the names to look at, below the stage root
	recent  []string       // of the window, where the names outside are looked at too
	glob    *regexp.Regexp // of --path over whole names; nil: all
}

// files are those that the ledger is asked about; none where it has no row.
func (q scope) files() ledger.Files {
	if q.place.ledgerRows == 0 {
		return ledger.Files{}
	}
	f := ledger.Files{TableID: q.place.tableID, Place: q.place.url, Folders: q.folders, Large: q.place.large()}
	if q.job.Files != nil {
		f.Names = slices.Sorted(maps.Keys(q.job.Files))
	}
	if q.glob != nil {
		f.Glob = q.glob.String()
	}
	return f
}

// globbed is the condition that a name is one of those of --path, behind word; "" where all are.
func (q scope) globbed(word, name string) string {
	if q.glob == nil {
		return ""
	}
	return word + "regexp_like(" + name + ", " + sqltext.Literal(q.glob.String()) + ", 'c')"
}

// covers reports whether a path is one that the plan is about. Of a COPY with FILES that is no other, also in what is no longer listed.
func (q scope) covers(path string) bool {
	return !strings.Contains(path, "://") && (q.job.Files == nil || q.job.Files[path]) && begins(path, q.folders) &&
		(q.glob == nil || q.glob.MatchString(path))
}

// outsideWindow reports whether a run of the load does not look at a path.
func (q scope) outsideWindow(path string) bool { return q.recent != nil && !begins(path, q.recent) }

func begins(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return strings.HasPrefix(path, f) })
}
