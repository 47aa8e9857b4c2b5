package fault

import (
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
)

// refusals are the codes of a COPY that its files or its text are to blame for.
var refusals = []int{
	databend.CodeInternal, databend.CodeUnimplemented, databend.CodeBadArguments, databend.CodeBadValueType, databend.CodeBadBytes,
	databend.CodeSemantic, databend.CodeBadCompression, databend.CodeGeometry, databend.CodeUnwind, databend.CodeSchemaMismatch,
}

// A COPY is atomic and seldom names what it stumbled over. IsRefusal reports whether err is the engine's word about the files or
// the text of a COPY, and not about the way to it.
func IsRefusal(err error) bool {
	return databend.IsCode(err, refusals...) && !noMemory.MatchString(err.Error()) &&
		(AtLine.MatchString(err.Error()) || !TextMistake.MatchString(err.Error()))
}

// IsBinding reports whether err is what the engine says of a statement before it reads a row: of names and types.
func IsBinding(err error) bool {
	text := databend.Message(err)
	return databend.IsCode(err, databend.CodeSemantic) || NoSuchCast.MatchString(text) && !AtLine.MatchString(text)
}

// noMemory is a panic (1104) of a server that has too little for a file: another day it has more.
var noMemory = regexp.MustCompile(`memory usage .* exceeds|memory allocation of|[Oo]ut of memory`)

// MovedUnder reports whether err says that one of the files was deleted or overwritten while it was read, or may not be read.
func MovedUnder(err error, paths []string) bool {
	return databend.IsCode(err, databend.CodeStorageNotFound, databend.CodeStorageDenied, databend.CodeStorageOther) && Named(err, paths) != ""
}

// Shrunk reports whether err says that a file became shorter while it was read, which names none.
func Shrunk(err error) bool {
	return databend.IsCode(err, databend.CodeStorageOther) && strings.Contains(err.Error(), "reader got too little data")
}

// Texts of the engine, stable since 1.2.700 at least; what they do not match falls back to bisection.
var (
	slashes       = regexp.MustCompile(`/+`)
	quotedName    = regexp.MustCompile(`['(]([^'()]+)['):]`)
	MissingColumn = regexp.MustCompile(`column "?([^"\n]+?)"? doesn't exist`)
	Unreadable    = regexp.MustCompile(`(?i)not a parquet file|invalid parquet file|parquet file too small|` +
		`corrupt footer|could not parse metadata|fail to read `)
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
		if (strings.Contains(text, f) || strings.Contains(text, Asked(f))) && len(f) > len(best) {
			best = f
		}
	}
	return best
}

// Asked is the name below a stage's root for which the server asks a store to have a file that it lists by another name: it takes blanks
// off both ends, and empty folder names out. It reads what is there as the file.
func Asked(path string) string {
	return strings.TrimPrefix(slashes.ReplaceAllString(strings.TrimSpace(path), "/"), "/")
}

// The engine's word about a text format: the line counts from 0.
var (
	AtLine       = regexp.MustCompile(`(?s).*at file '(.*)', line (\d+)`)
	InvalidValue = regexp.MustCompile(`(?s)(?:Invalid value '(.*?)'|Missing value) for column \d+ \((\S+) `)
	// OtherWidth is a text file, and the columns that the COPY fills.
	OtherWidth = regexp.MustCompile(`Number of columns in file \((\d+)\) does not match that of the corresponding table \((\d+)\)`)
	// TextMistake is what no file can be blamed for.
	TextMistake = regexp.MustCompile(`does not have a column with name|number of columns|Number of columns|aggregate|` +
		`no function matches the given name|Expected FUSE engine|Invalid \w+ option value|unexpected format TYPE = |can only apply to |` +
		unfilled.String() + "|" + leavesOut)
)

// leavesOut is what the server panics with where fields of a TSV are read and not all ahead of the last.
const leavesOut = "DataBlock corrupted, column length mismatch, .*datatype: String NULL"

// OtherSchemas reports whether err may say that the files are not of one schema, or that one has none.
func OtherSchemas(err error) bool {
	return databend.IsCode(err, databend.CodeSchemaMismatch) || Unreadable.MatchString(err.Error()) || lacksColumn.MatchString(err.Error())
}

// lacksColumn is said of a file beside one that brings a new column to a table of ENABLE_SCHEMA_EVOLUTION, and that has it not.
var lacksColumn = regexp.MustCompile(`file .* missing column`)

// Wording is err's text without the name of the file that it is about.
func Wording(err error, paths []string) string {
	if name := Named(err, paths); name != "" {
		return strings.ReplaceAll(databend.Message(err), name, "")
	}
	return databend.Message(err)
}
