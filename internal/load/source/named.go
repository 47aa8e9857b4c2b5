package source

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
)

// Unlisted reports whether the load reads by HTTP: there the server makes no stage and lists nothing, and the load's files are those that
// its text names.
func (j *Load) Unlisted() bool {
	scheme, _, _ := strings.Cut(j.Copy.URI, "://")
	return scheme == "http" || scheme == "https"
}

// URL is where a file stands by HTTP.
func (j *Load) URL(path string) string {
	return j.Copy.URI + strings.TrimPrefix((&url.URL{Path: "/" + path}).EscapedPath(), "/")
}

// nameFiles makes a load by HTTP ready: its root is the host, and its files stand in the URL, or in FILES below it.
func (j *Load) nameFiles() error {
	wrong := func(advice, format string, args ...any) error {
		return fault.Errorf(j.Name, exit.Usage, advice, format, args...).Placed(j.Here())
	}
	if _, ok := j.Copy.Option("PATTERN"); ok || j.Load.Pattern != "" {
		return wrong("write FILES = ('…', …), or {a,b} and [001-100] in the URL", "a pattern needs a listing, and over HTTP there is none")
	}
	j.typed = j.Copy.URI + j.Copy.Path
	scheme, rest, _ := strings.Cut(j.typed, "://")
	host, path, _ := strings.Cut(rest, "/")
	if folder := path == "" || strings.HasSuffix(path, "/"); folder != (j.Files != nil) {
		return wrong("write 'https://host/path/file', or 'https://host/path/' with FILES = ('file', …)",
			"over HTTP nothing is listed: the URL names files, or FILES does")
	}
	j.Copy.URI, j.Copy.Path, j.Prefix, j.Pattern = scheme+"://"+host+"/", "", "", `(?s).*`
	named := map[string]bool{}
	for name := range j.Files {
		named[path+name] = true
	}
	if j.Files == nil {
		names, err := expand(path)
		if err != nil {
			return wrong("write {a,b} or [001-100]", "cannot read the URL %s: %v", j.typed, err)
		}
		for _, name := range names {
			named[name] = true
		}
	}
	j.Files = named
	return nil
}

var (
	several = regexp.MustCompile(`\{([^{}]*)\}|\[([^\[\]]*)\]`)
	count   = regexp.MustCompile(`^(\d+)-(\d+)$`)
	letters = regexp.MustCompile(`^([a-z])-([a-z])$|^([A-Z])-([A-Z])$`)
)

// expand writes out the names that a path by HTTP stands for, as the engine does: {a,b}, [001-100], [a-f].
func expand(path string) ([]string, error) {
	at := several.FindStringSubmatchIndex(path)
	if at == nil {
		if strings.ContainsAny(path, "{}[]") {
			return nil, fmt.Errorf("a bracket is not closed")
		}
		return []string{path}, nil
	}
	rest, err := expand(path[at[1]:])
	if err != nil {
		return nil, err
	}
	var middle []string
	if at[2] >= 0 {
		for part := range strings.SplitSeq(path[at[2]:at[3]], ",") {
			middle = append(middle, strings.TrimSpace(part))
		}
	} else if middle, err = span(path[at[4]:at[5]]); err != nil {
		return nil, err
	}
	if len(middle)*len(rest) > MaxFiles {
		return nil, fmt.Errorf("it names more than %d files", MaxFiles)
	}
	var out []string
	for _, m := range middle {
		for _, r := range rest {
			out = append(out, path[:at[0]]+m+r)
		}
	}
	return out, nil
}

// span writes out 1-3, 001-100 or a-f.
func span(text string) (out []string, err error) {
	if m := letters.FindStringSubmatch(text); m != nil && m[1]+m[3] <= m[2]+m[4] {
		for c := (m[1] + m[3])[0]; c <= (m[2] + m[4])[0]; c++ {
			out = append(out, string(c))
		}
		return out, nil
	}
	m := count.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("[%s] is no span of numbers or of letters", text)
	}
	from, err1 := strconv.Atoi(m[1])
	to, err2 := strconv.Atoi(m[2])
	switch {
	case from > to:
		return nil, fmt.Errorf("[%s] is no span: it ends before it begins", text)
	case err1 != nil || err2 != nil || to-from >= MaxFiles:
		return nil, fmt.Errorf("[%s] names more than %d files", text, MaxFiles)
	}
	width := 0
	if strings.HasPrefix(m[1], "0") {
		width = len(m[1])
	}
	for n := from; n <= to; n++ {
		out = append(out, fmt.Sprintf("%0*d", width, n))
	}
	return out, nil
}
