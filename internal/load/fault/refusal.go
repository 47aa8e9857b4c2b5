package fault

import (
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
)

// A COPY is atomic and seldom names what it stumbled over. IsRefusal reports whether err is the engine's word about the files or
// the text of a COPY, and not about the way to it.
func IsRefusal(err error) bool {
	return databend.IsCode(err, 1001, 1002, 1006, 1010, 1046, 1065, BadCompression, 1090, 1104, 1303) && !noMemory.MatchString(err.Error()) &&
		(AtLine.MatchString(err.Error()) || !TextMistake.MatchString(err.Error()))
}

// BadCompression is Databend's code for a file that cannot be unpacked, which its text names.
const BadCompression = 1076

// noMemory is a panic (1104) of a server that has too little for a file: another day it has more.
var noMemory = regexp.MustCompile(`memory usage .* exceeds|memory allocation of|[Oo]ut of memory`)

// MovedUnder reports whether err says that one of the files was deleted or overwritten while it was read, or may not be read.
func MovedUnder(err error, paths []string) bool {
	return databend.IsCode(err, 3001, 3002, 4000) && Named(err, paths) != ""
}

// Texts of the engine, stable since 1.2.700 at least; what they do not match falls back to bisection.
var (
	slashes       = regexp.MustCompile(`/{2,}`)
	quotedName    = regexp.MustCompile(`['(]([^'()]+)['):]`)
	MissingColumn = regexp.MustCompile(`column "?([^" ]+)"? doesn't exist`)
	Unreadable    = regexp.MustCompile(`(?i)not a parquet file|invalid parquet file|parquet file too small|` +
		`corrupt footer|could not parse metadata`)
)

// Named returns the file of files that err's text names, or "".
func Named(err error, paths []string) string {
	text := err.Error()
	if m := AtLine.FindStringSubmatch(text); m != nil { // what stands before it may be a value of the file
		text = "'" + m[1] + "'"
	}
	quoted := quotedName.FindAllStringSubmatch(text+":", -1)
	best := ""
	for _, m := range quoted {
		for _, f := range paths {
			if m[1] == f {
				return f
			}
			if strings.HasSuffix(m[1], "/"+f) && len(f) > len(best) {
				best = f
			}
		}
	}
	if best != "" {
		return best
	}
	// A path with a quote or a bracket in it, or one named without quotes.
	for _, f := range paths {
		asked := slashes.ReplaceAllString(f, "/") // the engine asks for no empty folder name
		if (strings.Contains(text, f) || strings.Contains(text, asked)) && len(f) > len(best) {
			best = f
		}
	}
	return best
}

// The engine's word about a text format: the line counts from 0.
var (
	AtLine       = regexp.MustCompile(`(?s).*at file '(.*)', line (\d+)`)
	InvalidValue = regexp.MustCompile(`(?s)(?:Invalid value '(.*?)'|Missing value) for column \d+ \((\S+) `)
	// TextMistake is what no file can be blamed for.
	TextMistake = regexp.MustCompile(`does not have a column with name|number of columns|Number of columns|aggregate|` +
		`no function matches the given name|` + unfilled.String())
)

// Wording is err's text without the name of the file that it is about.
func Wording(err error, paths []string) string {
	if name := Named(err, paths); name != "" {
		return strings.ReplaceAll(Message(err), name, "")
	}
	return Message(err)
}
