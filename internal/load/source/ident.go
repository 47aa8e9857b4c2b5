package source

import (
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Bare is a name as people write it where that is the same name.
func Bare(name string) string {
	if PlainName.MatchString(name) && !reserved[name] {
		return name
	}
	return sqltext.Ident(name)
}

// PlainName is one that may stand without quotes, unless it is reserved.
var PlainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// reserved are words that a name may be, and that mean something else unquoted: the engine's (is_reserved_ident of its parser), and some
// that its expressions take for their own.
var reserved = func() map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(`
		all analyse analyze and anti any array as asc asof asymmetric at attach authorization between binary block both by
		case cast check collate collation column comment concurrently connection constraint create cross current
		current_catalog current_date current_role current_schema current_time current_timestamp current_user date day default
		deferrable desc distinct do else end engine error except exists false fetch file files first fixed for foreign format
		freeze from full function grant group having hour identifier if ignore_result ilike in initially inner intersect
		interval into is isnull join key lateral leading left like limit localtime localtimestamp location map masking minute
		month natural not notification notnull null of offset on only or order outer over overlaps partition pipe pivot
		placing policy position primary procedure qualify range references returning right row rows sample schema second
		select semi sequence session_user set share shares similar some stage start state status stream symmetric table
		tablesample task terse then time timestamp to trailing true truncate type udf union unique unpivot update url user
		using values variadic verbose view when where window with within year`) {
		out[w] = true
	}
	return out
}()
