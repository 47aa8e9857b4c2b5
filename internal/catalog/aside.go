package catalog

import (
	"slices"
	"strings"
)

// The names under which a restore puts aside what is in the way, by table or database id: a later restore finds them there.
const (
	// ParkedPrefix: under a wrong name, or to be dropped. Databases of such a name are read with any database.
	ParkedPrefix  = "__dbctl_p_"
	raisedPrefix  = "__dbctl_u_"    // brought up by UNDROP on the way to another: to be dropped again, as it was found
	changedPrefix = "__dbctl_o_"    // made by ours and changed by others: it stays
	fencedPrefix  = "__dbctl_f_"    // away from writers while its content is moved
	keptPrefix    = "__dbctl_keep_" // rows of others, to be put back
)

// ParkedName, RaisedName, ChangedName, FencedName and KeptName are such names.
func ParkedName(id string) string  { return ParkedPrefix + id }
func RaisedName(id string) string  { return raisedPrefix + id }
func ChangedName(id string) string { return changedPrefix + id }
func FencedName(id string) string  { return fencedPrefix + id }
func KeptName(id string) string    { return keptPrefix + id }

// IsAside reports whether a name is one of ours.
func IsAside(s string) bool {
	return slices.ContainsFunc([]string{ParkedPrefix, raisedPrefix, changedPrefix, fencedPrefix, keptPrefix}, func(prefix string) bool {
		return strings.HasPrefix(s, prefix)
	})
}
