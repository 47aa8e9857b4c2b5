package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/lint"
	"github.com/dbctl/dbctl/internal/project"
)

func lintCommand() *command {
	return &command{
		name:  "lint",
		short: "check the whole project offline: what loses data, leaks keys, or cannot work",
		long: `
Finds everything at once; asks no server and needs no secret. Each finding has a rule: docs/lint.md says why it hurts, and
--rules lists them. A rule is silenced where it is wrong, with a reason: -- dbctl: lint-ignore=RULE "why" behind the statement,
or on a line of its own above it. --base REF compares the versions with those of another git commit.`,
		exits: []ending{
			{exit.Done, "nothing was found, or warnings alone"},
			{exit.Failed, "errors were found; with --strict: warnings, too"},
			{exit.Usage, "a wrong flag, or no project"},
		},
		bind: func(a *app, f *pflag.FlagSet) runner {
			var format, base string
			f.Var(&formatValue{choice(&format, "text", "json", "sarif", "github"), &a.json}, "format",
				"write as `FORMAT`: text, json (as --json), sarif, or github (annotations)")
			f.StringVar(&base, "base", "", "compare versions with the migrations of the git commit `REF`, like origin/main")
			strict := f.Bool("strict", false, "exit 1 on warnings, too")
			list := f.Bool("rules", false, "only list the rules")
			return func(ctx context.Context, args []string) error {
				if *list {
					_, err := io.WriteString(a.Stdout, lint.List())
					return err
				}
				findings, err := a.lint(ctx, base)
				if err != nil {
					return err
				}
				return a.showFindings(ctx, findings, format, *strict)
			}
		},
	}
}

// formatValue is --format, of which json is another word for --json.
type formatValue struct {
	*oneOfValue
	json *bool
}

// Set is pflag's.
func (v *formatValue) Set(s string) error {
	*v.json = *v.json || s == "json"
	return v.oneOfValue.Set(s)
}

// lint opens the project as far as it can be read, and runs the rules.
func (a *app) lint(ctx context.Context, base string) ([]event.Finding, error) {
	var opts lint.Options
	if base != "" {
		var err error
		if opts.Base, err = lint.ReadBase(base, a.projectDir(), func(args ...string) (string, error) {
			return git(ctx, a.projectDir(), args...)
		}); err != nil {
			return nil, usageError("--base: "+err.Error(), "`git fetch` it, or name one of those that `git log --all` lists")
		}
	}
	p, err := a.openOffline()
	if err == nil {
		err = p.Mistakes()
	}
	var mistakes []event.Finding
	for _, e := range exit.Each(err) {
		mistake, ok := errors.AsType[*project.Error](e)
		if err != nil && (!ok || mistake.File == "") {
			return nil, err
		}
		if ok {
			mistakes = append(mistakes, event.Finding{
				Rule: lint.Mistake, Level: string(lint.Error), Place: mistake.Place,
				Message: mistake.Msg, Hint: mistake.Advice,
			})
		}
	}
	if p == nil {
		return mistakes, nil
	}
	return lint.Run(p, opts, mistakes...), nil
}

// showFindings writes the findings and says by its error that there are some.
func (a *app) showFindings(ctx context.Context, findings []event.Finding, format string, strict bool) error {
	bad := lint.Errors(findings)
	warnings := len(findings) - bad
	switch {
	case format == "" || format == "text" || format == "json":
		for _, f := range findings {
			a.ui.Event(f)
		}
		text := "nothing found"
		if len(findings) > 0 {
			text = fmt.Sprintf("%s, %s", event.Plural(bad, "error"), event.Plural(warnings, "warning"))
		}
		a.ui.Event(event.Summary{Command: "lint", Text: text, Counts: map[string]int64{"error": int64(bad), "warning": int64(warnings)}})
	case format == "sarif":
		if _, err := io.WriteString(a.Stdout, lint.SARIF(findings, version().Version, a.repositoryPrefix(ctx))); err != nil {
			return err
		}
	case format == "github":
		if _, err := io.WriteString(a.Stdout, lint.GitHub(findings, a.repositoryPrefix(ctx))); err != nil {
			return err
		}
	}
	if bad > 0 || strict && warnings > 0 {
		return errFound
	}
	return nil
}

// errFound ends lint when it has shown what it found: its exit code says the rest.
var errFound = &silent{exit.Failed}

// silent is an error of which everything was said already.
type silent struct{ code exit.Code }

func (*silent) Error() string         { return "" }
func (e *silent) ExitCode() exit.Code { return e.code }

// repositoryPrefix is the project's folder below that of its git repository, which annotations are relative to; "" without one.
func (a *app) repositoryPrefix(ctx context.Context) string {
	out, err := git(ctx, a.projectDir(), "rev-parse", "--show-prefix")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
