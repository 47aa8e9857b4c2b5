package catalog

import (
	"strings"
)

// The names under which a restore puts aside what is in the way, by table or database id: a later restore finds them there.
const (
	// ParkedPrefix: under a wrong name, or to be dropped. Databases of such a name are read with any database.
	ParkedPrefix = "__dbctl_p_"
	raisedPrefix = "__dbctl_u_"    // brought up by UNDROP on the way to another: to be dropped again, as it was found
	fencedPrefix = "__dbctl_f_"    // away from writers while its content is moved
	keptPrefix   = "__dbctl_keep_" // rows of others, to be put back
)

// ParkedName, RaisedName, FencedName and KeptName are such names.
func ParkedName(id string) string { return ParkedPrefix + id }
func RaisedName(id string) string { return raisedPrefix + id }
func FencedName(id string) string { return fencedPrefix + id }
func KeptName(id string) string   { return keptPrefix + id }

// IsAside reports whether a name is one of ours.
func IsAside(s string) bool {
	return strings.HasPrefix(s, ParkedPrefix) || strings.HasPrefix(s, raisedPrefix) || strings.HasPrefix(s, fencedPrefix) ||
		strings.HasPrefix(s, keptPrefix)
}
