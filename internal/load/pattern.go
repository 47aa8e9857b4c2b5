package load

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// visible matches the folders that a load looks into: not hidden ones, and none of _temporary and its like.
const visible = `([^_./][^/]*/)*[^_./][^/]*`

// extensions are the names that files of a type have, as a regular expression behind the base name.
var extensions = map[string]string{
	"PARQUET": `[.]parquet`,
	"CSV":     `[.]csv([.](gz|zst|bz2|xz))?`,
	"TSV":     `[.](tsv|txt)([.](gz|zst|bz2|xz))?`,
	"TEXT":    `[.](tsv|txt|csv)([.](gz|zst|bz2|xz))?`,
	"NDJSON":  `[.](ndjson|jsonl|json)([.](gz|zst|bz2|xz))?`,
	"JSON":    `[.]json([.](gz|zst|bz2|xz))?`,
	"ORC":     `[.]orc`,
	"AVRO":    `[.]avro`,
}

// DefaultPattern is the PATTERN that a load has that names none: files of its type whose names and folders do not begin with
// '_' or '.'. Without it COPY reads _SUCCESS, hidden files and READMEs as data (facts/loads.md section 4). fileType is the TYPE
// of FILE_FORMAT; unknown (a named format): any visible file.
func DefaultPattern(fileType string) string {
	ext, ok := extensions[strings.ToUpper(fileType)]
	if !ok {
		return visible
	}
	return visible + ext
}

// patternOf is the load's pattern, relative to its location: the header's, the COPY's own, or the default.
func patternOf(ld project.Load) (string, error) {
	if ld.Pattern != "" {
		return ld.Pattern, nil
	}
	if o, ok := option(ld.Copy, "PATTERN"); ok {
		p, err := sqltext.Unquote(o.Value)
		if err != nil {
			return "", errorf(ld.Name, exitUsage, "write PATTERN = '…' as a literal", "cannot plan a PATTERN that is not a literal: %s", o.Value)
		}
		return p, nil
	}
	return DefaultPattern(fileType(ld.Copy)), nil
}

// fileType is TYPE of the COPY's FILE_FORMAT in upper case; PARQUET when there is none (a stage's default), "" for a named one.
func fileType(c sqltext.Copy) string {
	o, ok := option(c, "FILE_FORMAT")
	if !ok {
		return "PARQUET"
	}
	if m := formatType.FindStringSubmatch(o.Value); m != nil {
		return strings.ToUpper(m[1])
	}
	return ""
}

var (
	formatType = regexp.MustCompile(`(?is)^\(.*\bTYPE\s*=\s*'?([a-z_]+)'?`)
	formatName = regexp.MustCompile(`(?is)^\(.*\bFORMAT_NAME\s*=\s*'?([^'\s)]+)'?`)
)

func option(c sqltext.Copy, name string) (sqltext.Option, bool) {
	for _, o := range c.Options {
		if o.Name == name {
			return o, true
		}
	}
	return sqltext.Option{}, false
}

// globRegexp turns a --path glob into an anchored regular expression: * and ? stop at '/', ** does not, […] is a class, and a
// trailing '/' means everything below.
func globRegexp(glob string) (string, error) {
	if strings.HasSuffix(glob, "/") {
		glob += "**"
	}
	var b strings.Builder
	b.WriteByte('^')
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; c {
		case '*':
			if i+1 < len(glob) && glob[i+1] == '*' {
				i++
				b.WriteString(`.*`)
				continue
			}
			b.WriteString(`[^/]*`)
		case '?':
			b.WriteString(`[^/]`)
		case '[':
			end := strings.IndexByte(glob[i+1:], ']')
			if end <= 0 {
				return "", fmt.Errorf("no ] behind [ in %q", glob)
			}
			class := glob[i+1 : i+1+end]
			if class[0] == '!' {
				class = "^" + class[1:]
			}
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, `[`, `\[`, `&&`, `&\&`, `~~`, `~\~`).Replace(class) + "]")
			i += end + 1
		case '\\':
			if i+1 < len(glob) {
				i++
			}
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	b.WriteByte('$')
	re := "(?s)" + b.String()
	if _, err := regexp.Compile(re); err != nil {
		return "", err
	}
	return re, nil
}
