package inspect

import (
	"fmt"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/load/plan"
)

// refused is what the engine's error says of a file, and of which column of it.
func (r *Inspector) refused(err error) Finding {
	f := Finding{Why: fault.InWords(err)}
	text := databend.Message(err)
	if m := fault.CastColumn.FindStringSubmatch(text); m != nil {
		f.Column = strings.Join(m[1:], "") // one of them
	}
	m := fault.NoSuchCast.FindStringSubmatch(text)
	if m == nil {
		return f
	}
	if f.Column == "" { // a vector's cast names no column
		for _, c := range r.made {
			if strings.EqualFold(strings.ReplaceAll(c.typ, " ", ""), strings.ReplaceAll(m[2], " ", "")) {
				if f.Column != "" {
					f.Column = ""
					break
				}
				f.Column = c.column
			}
		}
	}
	which := "a column"
	if f.Column != "" {
		which = "column " + f.Column
	}
	f.Why = fmt.Sprintf("%s is %s in the file, which cannot become %s", which, m[1], m[2])
	return f
}

// asked returns the files that the server asks the store for by their names. For another it would read one that may be there, too, and
// would be loaded twice.
func (r *Inspector) asked(files []plan.File) (kept []plan.File) {
	for _, f := range files {
		if name := fault.Asked(f.Path); name != f.Path {
			r.Condemn(f, Finding{Why: "rename it: the server would ask the store for " + name + " in its place", Passing: true})
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

// NotGiven is a file that the store lists and does not give.
func NotGiven(err error) Finding {
	return Finding{Why: "the store lists it and does not give it: " + fault.OfTheStore(databend.Message(err)), Passing: true}
}
