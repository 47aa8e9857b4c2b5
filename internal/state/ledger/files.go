package ledger

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// Files are the files that a question is about: those that came into a table, by their names below a place. About the zero value nothing is
// asked.
type Files struct {
	TableID string
	Place   string   // URL of the root that the names are below
	Folders []string // the names begin with one of these
	Names   []string // and are one of these; nil: any
	Glob    string   // and match this regular expression; "": any. What Words tells may be about others, too
	Large   bool     // the ledger is: most of it is about files that are no longer there
}

// Joined reports whether the words are read with the listing, by WordsBeside: of a large ledger the server is to send only those about
// files that are there.
func (f Files) Joined() bool { return f.Large && f.Names == nil }

// alike reports whether nothing but its place and its folders tells a question from others.
func (f Files) alike() bool { return f.Glob == "" && f.Names == nil && !f.Large }

// A file is the same one whatever stage it is seen through: its identity is the whole URL. So a row that was written for another place may
// be about a file of this one, and is then read a second time, under its name here.

// whole is the whole URL of a row's file.
const whole = "concat(stage_url, path)"

// here is the condition that a row is about a file below the place, whatever place it was written for.
func (f Files) here() string {
	return fmt.Sprintf("left(%s, %d) = %s", whole, utf8.RuneCountInString(f.Place), sqltext.Literal(f.Place))
}

// below is such a row's name below the place.
func (f Files) below() string {
	return fmt.Sprintf("substr(%s, %d)", whole, utf8.RuneCountInString(f.Place)+1)
}

// named are the conditions that a name is one of those that the question is about; none where all are.
func (f Files) named(name string) (all []string) {
	if !slices.Contains(f.Folders, "") {
		all = append(all, within(name, f.Folders))
	}
	if f.Names != nil {
		all = append(all, oneOf(name, f.Names))
	}
	return all
}

// oneOf is the condition that a column has one of the values. Of a list of more than 1,024 (inlist_to_join_threshold) the server makes a
// join, which takes seconds over a ledger of 2,000,000 rows where lists of 1,000 take some hundredths.
func oneOf(column string, values []string) string {
	var lists []string
	for some := range slices.Chunk(values, 1_000) {
		lists = append(lists, column+" IN ("+sqltext.Literals(some)+")")
	}
	return "(" + strings.Join(lists, " OR ") + ")"
}

// within is the condition that a name begins with one of the folders: a range of bytes, which prunes blocks, and behind that, of several,
// one pattern. Of a list of 200 ranges the server makes a plan for minutes.
func within(name string, folders []string) string {
	in := name + " >= " + sqltext.Literal(slices.Min(folders))
	var patterns, ends []string
	for _, f := range folders {
		patterns = append(patterns, regexp.QuoteMeta(f))
		if last := f[len(f)-1]; last < 0x7e {
			ends = append(ends, f[:len(f)-1]+string(rune(last+1)))
		}
	}
	if len(ends) == len(folders) {
		in += " AND " + name + " < " + sqltext.Literal(slices.Max(ends))
	}
	if len(folders) > 1 || len(ends) == 0 {
		in += " AND regexp_like(" + name + ", " + sqltext.Literal("^(?:"+strings.Join(patterns, "|")+")") + ", 'c')"
	}
	return "(" + in + ")"
}

// A reading is some rows of the ledger, and by what name and place their files are known: expressions.
type reading struct {
	name, place string
	where       []string
}

// asWritten are the rows about files of these names in whatever place.
func (f Files) asWritten(where ...string) reading {
	return reading{"path", "stage_url", slices.Concat([]string{ofTable(f.TableID)}, where, f.named("path"))}
}

// fromHere are the rows that were written for another place, and are about files of this one. Beside a large ledger they are asked for by
// themselves: they are few, and plain columns are what blocks are pruned by and names are found by five times as fast.
func (f Files) fromHere(where ...string) reading {
	place := sqltext.Literal(f.Place)
	return reading{f.below(), place, slices.Concat([]string{ofTable(f.TableID)}, where, f.named(f.below()),
		[]string{"stage_url <> " + place, f.here()})}
}

// ofTable is the condition that a row is about a table.
func ofTable(id string) string { return "table_id = " + sqltext.Quote(id) }

// The conditions that a row says something of a file, and that it was loaded.
const (
	isWord   = "state <> 'begin'"
	isLoaded = "state = 'loaded'"
)

// from is FROM and WHERE of rows of the scope.
func (l *Ledger) from(where ...string) string {
	return " FROM " + l.name() + " WHERE " + strings.Join(append([]string{l.scope()}, where...), " AND ")
}

// fill puts the ledger's name, the scope and the values of pairs into a text.
func (l *Ledger) fill(text string, pairs ...string) string {
	return strings.NewReplacer(append([]string{"{LEDGER}", l.name(), "{SCOPE}", l.scope()}, pairs...)...).Replace(text)
}
