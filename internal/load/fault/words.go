package fault

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
)

// The engine's words about a column of a file.
var (
	CastColumn = regexp.MustCompile(`read_parquet\([^()]*\)\.(.+?) \(#\d+\)|` +
		`fail to auto cast column (\S+) |column (\S+) reference or alias is ambiguous`)
	NoSuchCast = regexp.MustCompile("unable to cast type `(.+?)(?: NULL)?` to type `(.+?)(?: NULL)?`")
	itsName    = regexp.MustCompile(`(?i)^(invalid parquet file '.*?': |not a parquet file \(.*?\): )(parquet error: )?`)
	tooSmall   = regexp.MustCompile(`(?i)^only \d+ bytes|too small|not a parquet file`)
	// What the engine says of an ORC or Avro file; its own words stand among names of its source.
	badORC       = regexp.MustCompile(`(?s)^fail to read .*?: (.*)$`)
	panicked     = regexp.MustCompile("(?s)^called `Result::unwrap\\(\\)` on an `Err` value: (.*)$")
	itsMessage   = regexp.MustCompile(`(?s)(?:msg|error|description): "(.*?)"`)
	ofSchema     = regexp.MustCompile(`infer schema from '(.*)', but  ?get diff schema in file '(.*)'\. Expected`)
	unknownArrow = regexp.MustCompile(`Unsupported Arrow type: (FixedSizeList)?(.*)`)
	// How the engine ends what it says of a line, whose number we say ourselves: it counts otherwise.
	itsPlace = regexp.MustCompile(`(?s)( at line \d+,? (column \d+|position \d+ of size \d+))?( for File '.*?')? at file '.*', line \d+$`)
	endsAmid = regexp.MustCompile(`^Invalid NDJSON row: EOF while parsing (.*)$`)
	toColumn = regexp.MustCompile(`fail to auto cast column .*? to column (\S+) \(`)
	noValue  = regexp.MustCompile("(?s)while evaluating function `(?:try_)?to_\\w+(?:\\(\\d+(?:, ?\\d+)?\\))?\\('(.*)'\\)` " +
		"in expr `(?:TRY_)?CAST\\(.*? AS (\\w+(?:\\((?:[^()]|\\([^()]*\\))*\\))?)")
	unfilled = regexp.MustCompile("null value in column `(.+)` of table") // of a column that the COPY does not name; others fail to cast
)

// InWords is what the engine's error means for a file.
func InWords(err error) string {
	text := itsPlace.ReplaceAllString(itsName.ReplaceAllString(databend.Message(err), ""), "")
	lower := strings.ToLower(text)
	if m := noValue.FindStringSubmatch(text); m != nil {
		words := "'" + Shorten(strings.Trim(m[1], `"`), 100) + "' is no " + strings.ToUpper(m[2])
		if to := toColumn.FindStringSubmatch(text); to != nil {
			words = "column " + to[1] + ": " + words
		} else if of := CastColumn.FindStringSubmatch(text); of != nil {
			words = "column " + cmp.Or(of[1], of[2], of[3]) + ": " + words
		}
		return words
	}
	if m := ofSchema.FindStringSubmatch(text); m != nil && m[1] == m[2] {
		return "it has a list, a map or a struct, behind which this server reads no column of an ORC file right"
	}
	switch {
	case NotUTF8(err):
		return "it is not UTF-8, and FILE_FORMAT names no other ENCODING, such as 'ISO-8859-1' or 'UTF-16LE': " + oneLine(text)
	case endsAmid.MatchString(text):
		return "the line ends amid " + endsAmid.FindStringSubmatch(text)[1] + ": it is cut off, or this is no NDJSON, which has a whole " +
			"object on each line, as jq -c '.' makes of objects and jq -c '.[]' of an array"
	case strings.Contains(lower, "encrypted"):
		return "it is encrypted: " + oneLine(text)
	case badORC.MatchString(text):
		return "it is cut off, damaged, or no ORC: " + ownMessage(badORC.FindStringSubmatch(text)[1])
	case panicked.MatchString(text):
		return "its data is damaged, or cut off: " + ownMessage(panicked.FindStringSubmatch(text)[1])
	case tooSmall.MatchString(text):
		return "not a Parquet file (cut off, or something else): " + oneLine(text)
	case Unreadable.MatchString(databend.Message(err)):
		return "its footer cannot be read: cut off, damaged, or no Parquet: " + oneLine(text)
	case unknownArrow.MatchString(text):
		m := unknownArrow.FindStringSubmatch(text)
		if m[1] != "" {
			m[2] = m[1] + "; write it as a list of any length, or without the Arrow schema (store_schema=False)"
		}
		return "it has a column of a type that Databend cannot read: " + oneLine(m[2])
	case databend.IsCode(err, databend.CodeBadCompression):
		return "it cannot be unpacked: cut off, damaged, or compressed otherwise than the load says: " + oneLine(text)
	case databend.IsCode(err, databend.CodeInternal):
		return "its data is damaged, or of a type that cannot be read: " + oneLine(text)
	case strings.Contains(lower, "unable to cast `null`"):
		return "NULL where the table takes none: " + oneLine(text)
	case strings.Contains(lower, "reference or alias is ambiguous"):
		return "a column is " + Twice + ": " + oneLine(text)
	}
	return oneLine(text)
}

// NotUTF8 says whether the engine's error is of a text file in another encoding than the load says.
func NotUTF8(err error) bool {
	return strings.Contains(databend.Message(err), "invalid utf-8 sequence")
}

// ownMessage is what an error of the engine's own, printed as its source has it, says to people.
func ownMessage(printed string) string {
	if m := itsMessage.FindStringSubmatch(printed); m != nil {
		printed = m[1]
	}
	return oneLine(printed)
}

// OfTheStore is what the engine says of an object store, without the store's whole answer.
func OfTheStore(text string) string {
	text, _, _ = strings.Cut(text, "context: {")
	text, _, _ = strings.Cut(text, "Context:")
	return strings.TrimRight(oneLine(text), ", ")
}

// oneLine is s without line breaks, cut behind 300 characters.
func oneLine(s string) string {
	return Shorten(strings.Join(strings.Fields(s), " "), 300)
}

// Shorten cuts s behind n characters.
func Shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// Twice is the type of a column that a file has twice.
const Twice = "twice there (upper and lower case are one)"
