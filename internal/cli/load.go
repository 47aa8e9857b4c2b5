package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load"
	"github.com/dbctl/dbctl/internal/project"
)

// loadFlags are the flags of `dbctl load`.
type loadFlags struct {
	all                  bool
	list, plan, validate bool
	check, history       bool
	preview              int
	mark, reason         string
	every                time.Duration
	options              load.Options
}

func loadCommand() *command {
	return &command{
		name:  "load",
		args:  "NAME...|--all|--list",
		try:   "videos",
		short: "load what is new; NAME may be a glob, a folder or a path",
		long: `
A load is a file of loads/: videos for loads/videos.sql, daily/videos for loads/daily/videos.sql, which may be typed as a path;
a folder (daily) and a glob ('frame_*') are all loads that they name. A file is loaded once:
the ledger remembers it for ever, and notices when it is overwritten. Of several the others go on after one fails. With
--every it stays in the foreground, survives a server that goes away, and ends on Ctrl-C: the work of tasks where there are none.`,
		exits: []ending{
			{exit.Done, "everything that was new is loaded; or nothing was new"},
			{exit.Failed, "failed, and nothing of it was left behind"},
			exitBadUsage,
			{exit.Check, "a changed file, an empty listing, or rows without a ledger; --validate found bad files"},
			{exit.Partly, "bad files: the good ones are loaded, the bad ones named"},
			{exit.Locked, "another run holds the table, or has left it unfinished"},
			exitNoServer, exitOnSignal, exitOnTerm,
		},
		complete: "load",
		recovers: "dbctl load",
		bind: func(a *app, f *pflag.FlagSet) runner {
			var lf loadFlags
			lf.bind(a, f)
			return func(ctx context.Context, args []string) error {
				if err := lf.refuse(a, f, args); err != nil {
					return err
				}
				if lf.every > 0 {
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					var refused error
					err := every(ctx, lf.every, a.ui.Event, func(ctx context.Context) error {
						err := a.load(ctx, lf, args)
						if errors.Is(err, errNotConfirmed) {
							refused = err
							cancel()
						}
						a.yes = true // asked once
						return err
					})
					return cmp.Or(refused, err)
				}
				return a.load(ctx, lf, args)
			}
		},
	}
}

func (lf *loadFlags) bind(a *app, f *pflag.FlagSet) {
	o := &lf.options
	f.BoolVar(&lf.all, "all", false, "every load of the project")
	f.BoolVar(&lf.list, "list", false, "only list the loads: files new, loaded, changed, failed; rows; last run")
	f.BoolVar(&lf.plan, "dry-run", false, "only say what would be loaded, and why (-v: each file)")
	f.BoolVar(&lf.plan, "plan", false, "the same as --dry-run")
	f.BoolVar(&lf.history, "history", false, "only show the last runs of a load: files, rows, bytes, time")
	f.BoolVar(&lf.check, "check", false, "only look, and exit 3 when something is to be loaded or wrong")
	f.BoolVar(&lf.validate, "validate", false, "only check the files: schema, casts, vectors, geometry, JSON; load nothing")
	f.IntVar(&lf.preview, "preview", 0, "only show the first `N` rows, as the load would read them")
	f.StringVar(&o.Path, "path", "", "only files whose path below the stage root, or without a slash in it whose name, matches `GLOB`")
	f.IntVar(&o.Limit, "limit", 0, "at most `N` files")
	f.Var(choice(&o.Order, "oldest", "newest"), "order", "`ORDER` of the files: oldest or newest first")
	f.BoolVar(&o.Force, "force", false, "load the files of --path again, on top of the rows they brought")
	f.BoolVar(&o.Reload, "reload", false, "replace the rows of the files of --path by what they hold now (needs filename-column=)")
	f.Var(choice(&o.OnChanged, "fail", "skip", "replace"), "on-changed", "`WHAT` to do with an overwritten file: fail, skip or replace")
	f.BoolVar(&o.RetryFailed, "retry-failed", false, "try files again that failed before, though nothing has changed")
	f.BoolVar(&o.Full, "full", false, "look at every file, also outside the window= of a load")
	f.BoolVar(&o.Atomic, "atomic", false, "all files of a load or none of them")
	f.DurationVar(&lf.every, "every", 0, "again and again, `D` apart (like 10m), until Ctrl-C")
	f.Var(choice(&lf.mark, "loaded", "new", "quarantined"), "mark",
		"load nothing; note that the files (of --path) are loaded, new or quarantined (never loaded): `WORD`")
	f.StringVar(&lf.reason, "reason", "", "`WHY`, kept with the mark")
	a.bindYes(f)
}

// refuse refuses flags that contradict each other.
func (lf *loadFlags) refuse(a *app, f *pflag.FlagSet, args []string) error {
	var modes []string
	for _, m := range []string{"list", "history", "dry-run", "plan", "validate", "preview", "mark"} {
		if f.Changed(m) {
			modes = append(modes, "--"+m)
		}
	}
	if lf.all && len(args) > 0 {
		return usageError("load: --all and a name contradict each other", a.line(nil, "--all")+", or "+a.line(args))
	}
	if lf.all {
		args = []string{"--all"}
	}
	// A way to look that takes no value is worth keeping in a hint.
	look := slices.DeleteFunc(slices.Clone(modes), func(m string) bool { return m == "--mark" || m == "--preview" })
	switch {
	case !lf.list && !lf.check && len(args) == 0:
		return usageError("load: which one?", a.line(a.tryArgs(), look...)+", or "+a.line(nil, append(look, "--all")...))
	case len(modes) > 1 && !(lf.plan && len(modes) == 2 && f.Changed("plan") && f.Changed("dry-run")):
		return usageError(fmt.Sprintf("load: %s and %s contradict each other", modes[0], modes[1]), "use one of them")
	case lf.check && (lf.validate || lf.preview > 0 || lf.mark != ""):
		return usageError(fmt.Sprintf("load: --check and %s contradict each other", modes[0]), "use one of them")
	case lf.check && lf.every > 0:
		return usageError("load: --check and --every contradict each other", "use one of them")
	case lf.mark != "" && strings.TrimSpace(lf.reason) == "":
		return usageError("load: --mark is a person's word, and needs a reason", a.line(args, "--mark", lf.mark, "--reason", "why it is so"))
	case lf.reason != "" && lf.mark == "":
		return usageError("load: --reason goes with --mark", a.line(args, "--mark", "loaded", "--reason", lf.reason)+"; or new, or quarantined")
	case f.Changed("preview") && lf.preview < 1:
		return usageError("load: --preview needs a number of rows", a.line(args, "--preview", "5"))
	case lf.options.Limit < 0 || f.Changed("limit") && lf.options.Limit == 0:
		return usageError("load: --limit needs a number of files", a.line(args, "--limit", "100"))
	case f.Changed("every") && lf.every <= 0:
		return usageError("load: --every needs a time", a.line(args, "--every", "10m"))
	case lf.every > 0 && len(modes) > 0:
		return usageError(fmt.Sprintf("load: --every and %s contradict each other", modes[0]), "use one of them")
	case lf.options.Reload && lf.options.Path == "":
		return usageError("load: --reload replaces rows, so it must be told of which files", a.line(args, "--reload", "--path", "GLOB"))
	case lf.options.Reload && (lf.options.Force || lf.mark != "" || lf.list):
		return usageError("load: --reload goes with none of --force, --mark and --list", "use one of them")
	case lf.options.Force && lf.options.Path == "":
		return usageError("load: --force loads files twice, so it must be told which", a.line(args, "--force", "--path", "GLOB"))
	}
	return nil
}

func (a *app) load(ctx context.Context, lf loadFlags, names []string) error {
	w, err := a.open(ctx, access{
		writes: !lf.list && !lf.history && !lf.plan && !lf.check && !lf.validate && lf.preview == 0, ahead: true,
		check: func(p *project.Project) error { _, _, err := a.chooseLoads(p, lf, names); return err },
	})
	if err != nil {
		return err
	}
	defer w.close()
	t := newTally(a.ui.Event, func(event.Event) bool { return true })
	loader, err := a.newLoader(ctx, w, t.sink)
	if err != nil {
		return err
	}
	defer loader.Close()
	loads, broken, err := a.chooseLoads(w.project, lf, names)
	if err != nil {
		return err
	}
	// A broken load does not keep the others from being loaded, nor is it left out in silence.
	return withBroken(broken, len(loads), a.eachMode(ctx, lf, loads, loader, t))
}

// eachMode does with the loads what the flags ask for.
func (a *app) eachMode(ctx context.Context, lf loadFlags, loads []project.Load, loader *load.Loader, t *tally) error {
	lf.options.Verbose = a.verbose
	if !lf.list && !lf.history && !lf.check && lf.mark == "" {
		a.unheeded(loads)
	}
	switch {
	case lf.list, lf.check && !lf.plan:
		err := loader.List(ctx, loads)
		if err == nil && lf.check {
			err = t.found()
		}
		return err
	case lf.history:
		return eachLoad(ctx, loads, func(l project.Load) error { return loader.History(ctx, l.Name) })
	case lf.mark != "":
		return eachLoad(ctx, loads, func(l project.Load) error { return loader.Mark(ctx, l, lf.mark, lf.reason, lf.options) })
	case lf.plan:
		err := eachLoad(ctx, loads, func(l project.Load) error {
			p, err := loader.Plan(ctx, l, lf.options)
			if p != nil {
				for state, c := range p.Counts {
					t.files[state] += c.Files
				}
			}
			return err
		})
		if lf.check {
			err = cmp.Or(err, t.found())
		}
		return err
	case lf.validate:
		return eachLoad(ctx, loads, func(l project.Load) error { return loader.Validate(ctx, l, lf.options) })
	case lf.preview > 0:
		return eachLoad(ctx, loads, func(l project.Load) error { return loader.Preview(ctx, l, lf.options, lf.preview) })
	}
	return loader.All(ctx, loads, lf.options)
}

// withBroken adds the mistakes of broken loads to what became of the others.
func withBroken(mistakes error, loaded int, err error) error {
	if mistakes == nil {
		return err
	}
	all := &load.Errors{Of: loaded}
	if some, ok := errors.AsType[*load.Errors](err); ok {
		all.Errs = append(all.Errs, some.Errs...)
	} else if err != nil {
		all.Errs = append(all.Errs, err)
	}
	for _, e := range exit.Each(mistakes) {
		all.Errs = append(all.Errs, e)
		all.Of++
	}
	return all
}

// unheeded says which options of the loads' texts a run does without: what they bound or leave out is the plan's to decide.
func (a *app) unheeded(loads []project.Load) {
	for _, l := range loads {
		for _, o := range []struct{ name, instead string }{
			{"MAX_FILES", "--limit N bounds a run"},
			{"RETURN_FAILED_ONLY", "each file's result is read"},
		} {
			if _, ok := l.Copy.Option(o.name); ok {
				a.note(event.Info, fmt.Sprintf("load %s: %s is left out: %s", l.Name, o.name, o.instead))
			}
		}
	}
}

// newLoader opens a Loader, and completes the project's loads by what their texts leave to the server.
func (a *app) newLoader(ctx context.Context, w *warehouse, sink event.Sink) (*load.Loader, error) {
	l := load.Open(load.Config{
		Server: w.server, Scope: w.scope(), Actor: w.actor, Run: a.run, Sink: sink, LockWait: a.lockWait.d, Secrets: w.secrets.Resolve,
	})
	var err error
	if w.project.Loads, err = l.Formats(ctx, w.project.Loads); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// eachLoad calls f for each load, whatever becomes of the others.
func eachLoad(ctx context.Context, loads []project.Load, f func(project.Load) error) error {
	var errs []error
	for _, l := range loads {
		if err := f(l); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// chooseLoads returns the loads that the names mean, each once, in the order of the project for a folder or a glob, and the mistakes of
// the broken ones among them, which are the error where there is no other.
func (a *app) chooseLoads(p *project.Project, lf loadFlags, names []string) (chosen []project.Load, broken, err error) {
	if lf.all || len(names) == 0 {
		if chosen, broken = p.Loads, p.LoadMistakes(); len(chosen) == 0 {
			err = cmp.Or(broken, usageError("the project has no loads", "write one: loads/NAME.sql, a COPY INTO of one table"))
		}
		return chosen, broken, err
	}
	var mistakes []error
	for _, typed := range names {
		if _, err := path.Match(typed, ""); err != nil {
			return nil, nil, usageError(fmt.Sprintf("load %q: %v", typed, err), "a glob of load names: 'frame_*'")
		}
		named := a.loadsMeant(p.Loads, typed)
		for _, l := range named {
			if !slices.ContainsFunc(chosen, func(c project.Load) bool { return c.Name == l.Name }) {
				chosen = append(chosen, l)
			}
		}
		bad := false
		for _, b := range p.Broken { // of those that nobody asked for nothing is said
			if b.Load != "" && len(a.loadsMeant([]project.Load{{Name: b.Load}}, typed)) > 0 {
				mistakes, bad = append(mistakes, b.Err), true
			}
		}
		if len(named) == 0 && !bad {
			hint := "`dbctl load --list` lists them"
			if near := nearestLoad(loadName(typed), p.Loads); near != "" {
				hint = fmt.Sprintf("did you mean `dbctl load %s`?", near)
			}
			return nil, nil, usageError(fmt.Sprintf("there is no load %q", typed), hint)
		}
	}
	if broken = errors.Join(mistakes...); len(chosen) == 0 {
		err = broken
	}
	return chosen, broken, err
}

// loadsMeant are the loads that a person means by a name, a folder, a glob, or a path to one.
func (a *app) loadsMeant(loads []project.Load, typed string) []project.Load {
	named := loadsNamed(loads, loadName(typed))
	if below, ok := a.belowLoads(loadName(typed)); ok && len(named) == 0 {
		named = loadsNamed(loads, below)
	}
	return named
}

// loadName is a load's name as it was typed, maybe as a path.
func loadName(typed string) string {
	return strings.TrimSuffix(filepath.ToSlash(filepath.Clean(typed)), ".sql")
}

// loadsNamed are the loads of this name, below the folder of this name, or that it matches as a glob.
func loadsNamed(loads []project.Load, name string) []project.Load {
	var named []project.Load
	for _, l := range loads {
		match, _ := path.Match(name, l.Name)
		if match || name == l.Name || name == "." || strings.HasPrefix(l.Name, name+"/") {
			named = append(named, l)
		}
	}
	return named
}

// belowLoads is the name that a path, from here or from the project's folder, has below loads/.
func (a *app) belowLoads(typed string) (string, bool) {
	root, err := filepath.Abs(filepath.Join(a.projectDir(), project.LoadsDir))
	if err != nil {
		return "", false
	}
	for _, from := range []string{a.below("."), a.projectDir()} {
		abs, err := filepath.Abs(filepath.Join(from, typed))
		if filepath.IsAbs(typed) {
			abs = typed
		}
		if rel, relErr := filepath.Rel(root, abs); err == nil && relErr == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel), true
		}
	}
	return "", false
}

// nearestLoad is the load that was probably meant: by its name, or by that less its folders.
func nearestLoad(name string, loads []project.Load) string {
	var names, bases []string
	for _, l := range loads {
		names, bases = append(names, l.Name), append(bases, path.Base(l.Name))
	}
	if near := project.Nearest(name, names); near != "" {
		return near
	}
	if near := project.Nearest(path.Base(name), bases); near != "" {
		return names[slices.Index(bases, near)]
	}
	return ""
}
