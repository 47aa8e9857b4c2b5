package source

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// patternOf is the load's pattern, relative to its location: the header's, the COPY's own, or the default.
func patternOf(ld project.Load) (string, error) {
	if ld.Pattern != "" {
		return ld.Pattern, nil
	}
	if o, ok := ld.Copy.Option("PATTERN"); ok {
		p, err := sqltext.Unquote(o.Value)
		if err != nil {
			return "", fault.Errorf(ld.Name, exit.Usage, "write PATTERN = '…' as a literal",
				"cannot plan a PATTERN that is not a literal: %s", o.Value).Placed(ld.Statement.PlaceOf(o.Span[0]))
		}
		return p, nil
	}
	return ld.DefaultPattern(), nil
}

// OneFile reports whether a --path is about a file by its name, without a pattern.
func OneFile(glob string) bool {
	return glob != "" && !strings.HasSuffix(glob, "/") && oneFile.MatchString(glob)
}

var oneFile = regexp.MustCompile(`^(?:[^\\*?\[{]|\\.)*$`)

// FolderOf is the folder that all names of a --path glob are in or below, as far as the glob says so; "" for the root.
func FolderOf(glob string) string {
	plain := strings.TrimPrefix(glob, "/")
	if i := strings.IndexAny(plain, `\*?[{`); i >= 0 {
		plain = plain[:i]
	}
	return plain[:strings.LastIndexByte(plain, '/')+1]
}

// Glob turns a --path glob into an anchored regular expression: * and ? stop at '/', ** does not, […] is a class, {a,b} is one or the
// other, and a trailing '/' means everything below. Without a slash it is about the file's name in any folder; a leading one is the root.
func Glob(glob string) (*regexp.Regexp, error) {
	if strings.HasSuffix(glob, "/") {
		glob += "**"
	}
	var b strings.Builder
	b.WriteByte('^')
	if !strings.Contains(glob, "/") {
		b.WriteString("(?:.*/)?")
	}
	glob = strings.TrimPrefix(glob, "/")
	open := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '*':
			if i+1 < len(glob) && glob[i+1] == '*' {
				i++
				b.WriteString(`.*`)
				continue
			}
			b.WriteString(`[^/]*`)
		case c == '?':
			b.WriteString(`[^/]`)
		case c == '[':
			end := strings.IndexByte(glob[i+1:], ']')
			if end <= 0 {
				return nil, fmt.Errorf("no ] behind [ in %q", glob)
			}
			class := glob[i+1 : i+1+end]
			if class[0] == '!' {
				class = "^" + class[1:]
			}
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, `[`, `\[`, `&&`, `&\&`, `~~`, `~\~`).Replace(class) + "]")
			i += end + 1
		case c == '{':
			open++
			b.WriteString("(?:")
		case c == '}' && open > 0:
			open--
			b.WriteByte(')')
		case c == ',' && open > 0:
			b.WriteByte('|')
		case c == '\\':
			if i+1 < len(glob) {
				i++
			}
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	if open > 0 {
		return nil, fmt.Errorf("no } behind { in %q", glob)
	}
	b.WriteByte('$')
	return regexp.Compile("(?s)" + b.String())
}
