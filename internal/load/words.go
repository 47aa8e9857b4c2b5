package load

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
)

// The engine's words about a column of a file.
var (
	castColumn   = regexp.MustCompile(`read_parquet\([^()]*\)\.(.+?) \(#\d+\)|fail to auto cast column (\S+) |column (\S+) reference or alias is ambiguous`)
	noSuchCast   = regexp.MustCompile("unable to cast type `(.+?)(?: NULL)?` to type `(.+?)(?: NULL)?`")
	itsName      = regexp.MustCompile(`(?i)^(invalid parquet file '.*?': |not a parquet file \(.*?\): )(parquet error: )?`)
	tooSmall     = regexp.MustCompile(`(?i)^only \d+ bytes|too small|not a parquet file`)
	unknownArrow = regexp.MustCompile(`Unsupported Arrow type: (FixedSizeList)?(.*)`)
	unfilled     = regexp.MustCompile("null value in column `(.+)` of table") // of a column that the COPY does not name; others fail to cast
)

// refused is what the engine's error says of a file, and of which column of it.
func (r *run) refused(err error) finding {
	f := finding{reason: inWords(err)}
	text := message(err)
	if m := castColumn.FindStringSubmatch(text); m != nil {
		f.column = strings.Join(m[1:], "") // one of them
	}
	m := noSuchCast.FindStringSubmatch(text)
	if m == nil {
		return f
	}
	if f.column == "" { // a vector's cast names no column
		for _, c := range r.made {
			if strings.EqualFold(strings.ReplaceAll(c.typ, " ", ""), strings.ReplaceAll(m[2], " ", "")) {
				if f.column != "" {
					f.column = ""
					break
				}
				f.column = c.column
			}
		}
	}
	which := "a column"
	if f.column != "" {
		which = "column " + f.column
	}
	f.reason = fmt.Sprintf("%s is %s in the file, which cannot become %s", which, m[1], m[2])
	return f
}

func message(err error) string {
	var e *databend.Error
	if err == nil {
		return ""
	}
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// inWords is what the engine's error means for a file.
func inWords(err error) string {
	text := itsName.ReplaceAllString(message(err), "")
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "encrypted"):
		return "it is encrypted: " + oneLine(text)
	case tooSmall.MatchString(text):
		return "not a Parquet file (cut off, or something else): " + oneLine(text)
	case unreadable.MatchString(message(err)):
		return "its footer cannot be read: cut off, damaged, or no Parquet: " + oneLine(text)
	case unknownArrow.MatchString(text):
		m := unknownArrow.FindStringSubmatch(text)
		if m[1] != "" {
			m[2] = m[1] + "; write it as a list of any length, or without the Arrow schema (store_schema=False)"
		}
		return "it has a column of a type that Databend cannot read: " + oneLine(m[2])
	case databend.IsCode(err, badCompression):
		return "it cannot be unpacked: cut off, damaged, or compressed otherwise than the load says: " + oneLine(text)
	case databend.IsCode(err, 1001):
		return "its data is damaged, or of a type that cannot be read: " + oneLine(text)
	case strings.Contains(lower, "unable to cast `null`"):
		return "NULL where the table takes none: " + oneLine(text)
	case strings.Contains(lower, "reference or alias is ambiguous"):
		return "a column is " + twice + ": " + oneLine(text)
	}
	return oneLine(text)
}

func oneLine(s string) string {
	return shorten(strings.Join(strings.Fields(s), " "), 300)
}
