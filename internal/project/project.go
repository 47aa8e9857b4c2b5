// Package project reads a project folder: dbctl.yaml, migrations/ and loads/. Everything is parsed, rendered with
// placeholders for secrets, and checked; nothing here talks to a server or reads a secret.
//
// Open is a pure function of the folder, the options and the process's environment. Its result is a value: every statement
// with its text as it will be sent but for secrets, which stand as {{ secret "NAME" }}, and with a function that leads from
// an offset of that text back to line and column of the file. Files are read to the end: Open's error joins an *Error for each mistake, or,
// where the caller can go on without the broken files, lists them beside the others (Options.Partial).
package project

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// The names that make a folder a project.
const (
	ConfigFile    = "dbctl.yaml"
	MigrationsDir = "migrations"
	LoadsDir      = "loads"
)

// Options say what to open.
type Options struct {
	Dir       string            // project folder (-C); default "."
	Env       string            // environment; "" = default_env
	Vars      map[string]string // --var, win over everything
	EnvFile   string            // --env-file, wins over the environment's env_file; relative to the working directory
	Getenv    func(string) (string, bool)
	NoEnv     bool              // an environment is not needed, as by show
	DSNGiven  bool              // --dsn: the environment's connection is not used
	Database  string            // the database of --dsn; "" = the environment's
	Warehouse string            // the warehouse of --dsn; "" = the environment's
	NoFolders bool              // dev: migrations/ and loads/ are not read
	Partial   bool              // broken files are left out and listed in Project.Broken; else they are the error
	Scrub     *secret.Scrubber  // told the secrets that the process's environment holds, before any error can show a line; may be nil
	LocalVars map[string]string // set by the embedded engine: s3_endpoint, s3_region; win over dbctl.yaml
}

// Project is a parsed project. Order: by version; loads by name.
type Project struct {
	Dir          string // as in Options, "." when that was empty
	Name         string
	Env          Environment
	Environments []string // the names of all, in the order of dbctl.yaml
	FirstEngine  string   // of the embedded environment that dbctl.yaml names first
	Protected    []Server // of the environments that are protected
	Migrations   []Migration
	Loads        []Load
	Sources      map[string]secret.Source
	Broken       []Broken                    // with Options.Partial: loads by path, then migrations
	Getenv       func(string) (string, bool) // the process's environment with the env file behind it

	render *renderer
}

// Server is where an environment is.
type Server struct {
	Env, Host string
	Port      int // 0: as the scheme has it
}

// Environment is one environment of dbctl.yaml, with the defaults filled in. Without one (NoEnv, or --dsn) its Name is "".
type Environment struct {
	Name            string
	Embedded        bool
	Engine          string // embedded: environments of one name share an engine
	Data            []Data // embedded: what is put into the local store
	Host            string
	Port            int
	Plain           bool
	User            string
	Database        string // default "default"
	Password        string // name of a secret
	AccessToken     string // name of a secret
	AccessTokenFile string // absolute
	Role            string
	Warehouse       string
	Tenant          string
	Settings        map[string]string // of the session, as the dsn has them
	StateDatabase   string            // default dbctl
	ConnectTimeout  time.Duration     // 0: databend's default
	LockWait        time.Duration
	SkipUnsupported bool
	Protected       bool
	Vars            map[string]string // all of them, after environment and --var
}

// Data is a folder whose files are put into a bucket of the local store.
type Data struct {
	sqltext.Place        // in dbctl.yaml
	Bucket        string // "": the one that the project speaks of
	Folder        string // absolute
}

// Migration is one file of migrations/.
type Migration struct {
	Version int64
	Name    string // "frame_events" of 00003_frame_events.sql
	Path    string // relative to Dir
	Text    string // of the file
	Headers []sqltext.Header
	Up      Section
	Down    Section
	HasDown bool
}

// Section is the Up or Down of a migration.
type Section struct {
	sqltext.Place    // of its -- +goose annotation
	Statements       []Statement
	Checksum         string   // "v1:…" of the raw text, BOM stripped, CRLF→LF
	Expanded         string   // with {{ secret "NAME" }} placeholders
	ExpandedChecksum string   // "v1:…" of Expanded, CRLF→LF
	Secrets          []string // names, sorted
}

// Statement is one statement, expanded, and where its first character stands in the file.
type Statement struct {
	SQL string
	sqltext.Place
	// At is the place of an offset of SQL. What a template action wrote stands where the action starts.
	At func(offset int) sqltext.Place
}

// PlaceOf is At, or the statement's own place where nothing more is known.
func (s Statement) PlaceOf(offset int) sqltext.Place {
	if s.At == nil {
		return s.Place
	}
	return s.At(offset)
}

// Effects are statements, and what each does where the first finds itself in database: a USE counts for those behind it.
func Effects(statements []Statement, database string) iter.Seq2[Statement, effect.Effect] {
	return func(yield func(Statement, effect.Effect) bool) {
		at := database
		for _, st := range statements {
			e := effect.Analyze(st.SQL, at)
			at = cmp.Or(e.Use, at)
			if !yield(st, e) {
				return
			}
		}
	}
}

// Load is one file of loads/.
type Load struct {
	Name    string // "videos", "daily/videos" for a file in a folder
	Path    string // relative to Dir
	Headers []sqltext.Header
	LoadHeader
	Statement Statement
	Copy      copytext.Copy
	After     []Statement // behind the COPY: run in its transaction when rows came
	Format    string      // the options of its files' format, as far as the server was asked: where FILE_FORMAT is a name, or the stage's
	Expanded  string
	Checksum  string // "v1:…" of Expanded, CRLF→LF
	Secrets   []string
}

// LoadHeader is what the -- dbctl: lines of a load say.
type LoadHeader struct {
	FilenameColumn string
	Optional       []string
	Pattern        string
	Window         Window
	OnChanged      string            // "", fail, skip, replace
	Rules          map[string]string // NAME → off|warn|fail
	EmptyOK        bool
	ExpectEvery    time.Duration // a load that has brought no file for longer is late; 0: no word
}

// Migration returns the migration with this version, or nil.
func (p *Project) Migration(version int64) *Migration {
	i, ok := slices.BinarySearchFunc(p.Migrations, version, func(m Migration, v int64) int { return cmp.Compare(m.Version, v) })
	if !ok {
		return nil
	}
	return &p.Migrations[i]
}

// Open reads the project. Its errors name file, line and column (*Error).
func Open(o Options) (_ *Project, err error) {
	if o.Dir == "" {
		o.Dir = "."
	}
	if o.Getenv == nil {
		o.Getenv = func(string) (string, bool) { return "", false }
	}
	c, err := readConfig(filepath.Join(o.Dir, ConfigFile))
	if err != nil {
		return nil, err
	}
	p := &Project{Dir: o.Dir, Name: c.project, FirstEngine: c.firstEngine}
	for _, e := range c.environments {
		p.Environments = append(p.Environments, e.Name)
		if e.Protected && e.Host != "" {
			p.Protected = append(p.Protected, Server{Env: e.Name, Host: e.Host, Port: e.Port})
		}
	}
	chosen, err := c.choose(o)
	if err != nil {
		return nil, err
	}
	if p.Getenv, err = environ(o, chosen); err != nil {
		return nil, err
	}
	p.Sources = c.sources(chosen)
	known := &knower{sources: p.Sources, getenv: p.Getenv, scrub: o.Scrub}
	known.learn(slices.Collect(maps.Keys(p.Sources))...)
	if chosen != nil {
		known.learn(chosen.Password, chosen.AccessToken)
		if !o.NoEnv && !o.DSNGiven {
			c.checkNames(chosen, p.Getenv)
		}
	}
	defer func() { known.hide(err) }()
	unset := map[string]string{}
	if p.Env, err = c.environment(o, chosen, p.Getenv, unset); err != nil {
		return nil, err
	}
	if o.NoFolders {
		return p, nil
	}
	r := &renderer{dir: o.Dir, env: &p.Env, unset: unset, known: known}
	p.render = r
	p.Loads, p.Broken = readLoads(r)
	r.loads, r.broken = p.Loads, p.Broken
	migrations, broken := readMigrations(r)
	p.Migrations, p.Broken = migrations, append(p.Broken, broken...)
	for _, b := range p.Broken {
		for _, err := range exit.Each(b.Err) {
			known.hide(err)
		}
	}
	if chosen != nil {
		c.checkVars(chosen, p.Secrets())
	}
	if err := c.doc.mistakes(); err != nil {
		return nil, err
	}
	if len(p.Broken) == 0 { // else a template that asks for it may not have been read
		if err := r.unknownVar(o.Vars, c.varNames(chosen)); err != nil {
			return nil, err
		}
	}
	if !o.Partial && len(p.Broken) > 0 {
		return nil, p.Mistakes()
	}
	return p, nil
}

// Mistakes are those of all broken files, nil when there is none.
func (p *Project) Mistakes() error {
	return mistakes(p.Broken, func(Broken) bool { return true })
}

// MigrationMistakes are those of migrations alone.
func (p *Project) MigrationMistakes() error {
	return mistakes(p.Broken, func(b Broken) bool { return !b.isLoad() })
}

// LoadMistakes are those of loads alone.
func (p *Project) LoadMistakes() error { return mistakes(p.Broken, Broken.isLoad) }

func mistakes(broken []Broken, of func(Broken) bool) error {
	var errs []error
	for _, b := range broken {
		if of(b) {
			errs = append(errs, b.Err)
		}
	}
	return errors.Join(errs...)
}

// Broken is a file of which no sense could be made. The others do not suffer from it.
type Broken struct {
	Path    string // relative to Dir; a folder that cannot be read is one
	Load    string // its name, where it is a load
	Version int64  // where it is a migration with a version
	Err     error  // each mistake, joined
}

func (b Broken) isLoad() bool { return b.Path == LoadsDir || strings.HasPrefix(b.Path, LoadsDir+"/") }

// Secrets are the names of all secrets that the templates name, sorted.
func (p *Project) Secrets() []string {
	var names []string
	for _, m := range p.Migrations {
		names = append(append(names, m.Up.Secrets...), m.Down.Secrets...)
	}
	for _, l := range p.Loads {
		names = append(names, l.Secrets...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
