package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/project"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// ignore is one rule of one "-- dbctl: lint-ignore=RULE "why"". It silences the rule where it stands:
//
//   - above -- +goose Up, or above the COPY of a load: in the whole file,
//   - on a line of its own above a statement: in that statement,
//   - on the first or last line of a statement, behind the SQL: in that statement,
//   - within a statement: on its line, or, alone on its line, on the next.
type ignore struct {
	sqltext.Header
	rule string
	file string
	used bool
}

// silence takes the ignored findings out, and adds one for each ignore that silences nothing or names no rule.
func (p *pass) silence() []event.Finding {
	ignores := p.ignores()
	var kept []event.Finding
	for _, f := range p.found {
		silent := false
		for _, ig := range ignores {
			if ig.rule == f.Rule && ig.file == f.File && p.covers(ig, f) {
				silent, ig.used = true, true
			}
		}
		if !silent {
			kept = append(kept, f.Finding)
		}
	}
	p.found = nil
	for _, ig := range ignores {
		at := event.Finding{Rule: unusedIgnore.Name, Level: string(unusedIgnore.Level), Place: ig.Pos.In(ig.file)}
		switch {
		case find(ig.rule) == nil:
			at.Message = fmt.Sprintf("lint has no rule %q", ig.rule)
			at.Hint = project.DidYouMeanAs("lint-ignore=%s", ig.rule, ruleNames(), "`dbctl lint --rules` lists them")
		case ig.rule == Mistake:
			at.Message = "the rule " + Mistake + " cannot be silenced"
			at.Hint = "take the line out, and mend what the rule finds"
		case !ig.used:
			at.Message = fmt.Sprintf("nothing is found here that %s would silence", ig.rule)
			at.Hint = "take the line out, or put it right above the statement that it is about"
		default:
			continue
		}
		kept = append(kept, at)
	}
	return kept
}

func (p *pass) ignores() []*ignore {
	var all []*ignore
	add := func(file string, headers []sqltext.Header) {
		for _, h := range headers {
			if h.Key != sqltext.LintIgnore {
				continue
			}
			for rule := range strings.SplitSeq(h.Value, ",") {
				all = append(all, &ignore{Header: h, rule: strings.TrimSpace(rule), file: file})
			}
		}
	}
	for _, m := range p.migrations {
		add(m.Path, m.Headers)
	}
	for _, l := range p.Loads {
		add(l.Path, l.Headers)
	}
	return all
}

// covers says whether the finding stands where the ignore silences.
func (p *pass) covers(ig *ignore, f found) bool {
	line := ig.Pos.Line
	if f.Line == line {
		return true
	}
	for i := range p.Loads {
		if p.Loads[i].Path == ig.file {
			return line < p.Loads[i].Statement.Line || !ig.Trailing && f.Line == line+1
		}
	}
	i := slices.IndexFunc(p.migrations, func(m *migration) bool { return m.Path == ig.file })
	if i < 0 {
		return false
	}
	m := p.migrations[i]
	if line < m.Up.Line {
		return true
	}
	var next *statement // the first that starts below the line
	all := slices.Concat(m.up, m.down)
	if f.about == nil {
		if i := slices.IndexFunc(all, func(s *statement) bool { return s.Line <= f.Line && f.Line <= s.end }); i >= 0 {
			f.about = all[i]
		}
	}
	for _, s := range all {
		switch {
		case s.Line <= line && line <= s.end: // within
			if f.about == s && ig.Trailing && (line == s.Line || line == s.end) || !ig.Trailing && f.Line == line+1 {
				return true
			}
			if !ig.Trailing {
				return false
			}
		case s.Line > line && next == nil:
			next = s
		}
	}
	return !ig.Trailing && next != nil && f.about == next
}
