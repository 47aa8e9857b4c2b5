package secret

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/dbctl/dbctl/internal/exit"
)

// Source says where the value of one secret comes from: exactly one of Env, File and Command.
type Source struct {
	Env     string   // name of an environment variable
	File    string   // path of a file
	Command []string // program and arguments, run once, no shell
	JSON    string   // path into the JSON that File or Command gives: "data.key"
}

// Resolver finds secrets by name, each at most once, and tells the Scrubber every value. It is safe for concurrent use.
type Resolver struct {
	sources map[string]Source
	getenv  func(string) (string, bool)
	dir     string
	scrub   *Scrubber

	mu     sync.Mutex
	found  map[string]Text   // by name
	absent map[string]string // by name: why there is no value
	output map[string]output // by command or file, since several secrets may be fields of one output
}

// output is what a file or command gave.
type output struct {
	text string
	why  string // it gave nothing: why
}

// NewResolver makes a Resolver. sources are those of dbctl.yaml; a name without one comes from getenv.
// dir is what relative file paths are relative to, and where commands run. scrub may be nil.
func NewResolver(sources map[string]Source, getenv func(string) (string, bool), dir string, scrub *Scrubber) *Resolver {
	return &Resolver{
		sources: sources, getenv: getenv, dir: dir, scrub: scrub,
		found: map[string]Text{}, absent: map[string]string{}, output: map[string]output{},
	}
}

// Override sets a value that wins over every source (the embedded engine's keys).
func (r *Resolver) Override(name string, value Text) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scrub.Add(value)
	r.found[name] = value
}

// Resolve returns the named secrets. All that are missing or empty are named in one *MissingError; the only other error is
// that of ctx.
func (r *Resolver) Resolve(ctx context.Context, names []string) (Set, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := make(Set, len(names))
	var missing MissingError
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		t, why := r.lookup(ctx, name)
		if err := ctx.Err(); err != nil && why != "" {
			return nil, fmt.Errorf("resolve secret %s: %w", name, err)
		}
		if why != "" {
			r.absent[name] = why
			missing.Names = append(missing.Names, name+" ("+why+")")
			if src := r.sources[name]; src.File == "" && len(src.Command) == 0 && (src.Env == "" || Usual(src.Env)) {
				missing.env = append(missing.env, variable(name, src)+"=…")
			}
			continue
		}
		r.found[name] = t
		set[name] = t
	}
	if len(missing.Names) > 0 {
		return nil, &missing
	}
	return set, nil
}

// Usual reports whether environment variables that hold secrets are called so: DATABEND_PASSWORD, TOKEN. Another name that dbctl.yaml gives
// for one, and that is not set, may be the secret itself: Hunter2Secret.
func Usual(name string) bool { return usual.MatchString(name) }

var usual = regexp.MustCompile(`^[A-Z]+(_[A-Z0-9]+)*$`)

// variable is the environment variable of a secret that comes from one.
func variable(name string, src Source) string {
	if src.Env != "" {
		return src.Env
	}
	return name
}

// lookup returns the value of name, or why there is none.
func (r *Resolver) lookup(ctx context.Context, name string) (t Text, why string) {
	if t, ok := r.found[name]; ok {
		return t, ""
	}
	if why, ok := r.absent[name]; ok {
		return Text{}, why
	}
	src := r.sources[name]
	var value, where string
	switch {
	case len(src.Command) > 0:
		where = "the command " + src.Command[0]
		out := r.once(ctx, "command\x00"+strings.Join(src.Command, "\x00"), func() (string, error) { return r.run(ctx, src.Command) })
		value, why = out.text, out.why
	case src.File != "":
		where = "the file " + src.File
		out := r.once(ctx, "file\x00"+src.File, func() (string, error) { return r.read(src.File) })
		value, why = out.text, out.why
	default:
		where = "the environment variable " + variable(name, src)
		if src.Env != "" && !Usual(src.Env) {
			where = "the environment variable that its env: names" // or is that the value?
		}
		var ok bool
		if value, ok = r.getenv(variable(name, src)); !ok {
			why = where + " is not set"
		}
	}
	if why == "" && src.JSON != "" {
		var err error
		if value, err = field(value, src.JSON); err != nil {
			why = where + ": " + err.Error()
		}
	}
	if why == "" && value == "" {
		why = where + " gives an empty value"
	}
	if why != "" {
		return Text{}, why
	}
	t = New(value)
	r.scrub.Add(t)
	return t, ""
}

// once returns the output of a file or command that get reads the first time. A failure is kept too, unless ctx ended it.
func (r *Resolver) once(ctx context.Context, key string, get func() (string, error)) output {
	if out, ok := r.output[key]; ok {
		return out
	}
	text, err := get()
	out := output{text: text}
	if err != nil {
		out = output{why: err.Error()}
	}
	if ctx.Err() == nil {
		r.output[key] = out
	}
	return out
}

// MissingError names every secret that has no value.
type MissingError struct {
	Names []string // as NAME (where it was looked for)

	env []string // as VARIABLE=…: what would mend those that come from the environment
}

func (e *MissingError) Error() string {
	if len(e.Names) == 1 {
		return "no value for the secret " + e.Names[0]
	}
	return "no value for the secrets " + strings.Join(e.Names, ", ")
}

// ExitCode is that of a mistake in the configuration.
func (e *MissingError) ExitCode() exit.Code { return exit.Usage }

// Hint says what to type.
func (e *MissingError) Hint() string {
	if len(e.env) == 0 {
		return "see `secrets:` in dbctl.yaml, which says where the values come from"
	}
	return "export " + strings.Join(e.env, " ") + ", or put the lines into the env file (env_file in dbctl.yaml, or --env-file)"
}
