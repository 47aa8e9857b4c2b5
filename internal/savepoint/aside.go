package savepoint

import (
	"strings"

	"github.com/dbctl/dbctl/internal/catalog"
)

// The names under which a restore puts aside what is in the way, by table or database id: a later restore finds them there.
const (
	raisedPrefix = "__dbctl_u_"    // brought up by UNDROP on the way to another: to be dropped again, as it was found
	fencedPrefix = "__dbctl_f_"    // away from writers while its content is moved
	keptPrefix   = "__dbctl_keep_" // rows of others, to be put back
)

func parkedName(id string) string { return catalog.ParkedPrefix + id }
func raisedName(id string) string { return raisedPrefix + id }
func fencedName(id string) string { return fencedPrefix + id }
func keptName(id string) string   { return keptPrefix + id }

// isAside reports whether a name is one of ours.
func isAside(s string) bool {
	return strings.HasPrefix(s, catalog.ParkedPrefix) || strings.HasPrefix(s, raisedPrefix) || strings.HasPrefix(s, fencedPrefix) || strings.HasPrefix(s, keptPrefix)
}
