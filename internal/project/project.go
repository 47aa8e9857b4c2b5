// Package project reads a project folder: dbctl.yaml, migrations/ and loads/. Everything is parsed, rendered with
// placeholders for secrets, and checked; nothing here talks to a server or reads a secret.
package project

import (
	"time"

	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// Options say what to open.
type Options struct {
	Dir       string            // project folder (-C); default "."
	Env       string            // environment; "" = default_env
	Vars      map[string]string // --var, win over dbctl.yaml
	EnvFile   string            // --env-file, wins over the environment's env_file
	Getenv    func(string) (string, bool)
	NoEnv     bool              // lint, show: an environment is not needed; embedded is allowed off a terminal
	DSNGiven  bool              // --dsn: the environment's connection is not used
	LocalVars map[string]string // set by the embedded engine: s3_endpoint, s3_region, bucket …
}

// Project is a parsed project. Order: by version; loads by name.
type Project struct {
	Dir        string
	Name       string
	Env        Environment
	Migrations []Migration
	Loads      []Load
	Sources    map[string]secret.Source
	Getenv     func(string) (string, bool) // the process's environment with the env file behind it
}

// Environment is one environment of dbctl.yaml, with the defaults filled in.
type Environment struct {
	Name            string
	Embedded        bool
	Data            string // folder put into the local bucket, absolute
	DSN             string // without password
	Host            string
	Port            int
	Plain           bool
	User            string
	Database        string
	Password        string // name of a secret
	AccessToken     string // name of a secret
	AccessTokenFile string
	Role            string
	Warehouse       string
	Tenant          string
	StateDatabase   string // default dbctl
	ConnectTimeout  time.Duration
	LockWait        time.Duration
	SkipUnsupported bool
	Protected       bool
	Vars            map[string]string // all of them, after environment and --var
}

// Migration is one file of migrations/.
type Migration struct {
	Version int64
	Name    string // "frame_events" of 00003_frame_events.sql
	Path    string // relative to Dir
	Headers []sqltext.Header
	Up      Section
	Down    Section
	HasDown bool
}

// Section is the Up or Down of a migration.
type Section struct {
	Statements       []Statement
	Checksum         string   // "v1:…" of the raw text, BOM stripped, CRLF→LF
	Expanded         string   // with {{ secret "NAME" }} placeholders
	ExpandedChecksum string   // "v1:…" of Expanded
	Secrets          []string // names, sorted
}

// Statement is one statement, expanded, and where its first character stands in the file.
type Statement struct {
	SQL    string
	Line   int
	Column int
	// Pos maps an offset of SQL to line and column of the file.
	Pos func(offset int) (line, column int)
}

// Load is one file of loads/.
type Load struct {
	Name    string // "videos", "daily/videos" for a file in a folder
	Path    string
	Headers []sqltext.Header
	LoadHeader
	Statement Statement
	Copy      sqltext.Copy
	Expanded  string
	Checksum  string // "v1:…" of Expanded
	Secrets   []string
}

// LoadHeader is what the -- dbctl: lines of a load say.
type LoadHeader struct {
	FilenameColumn string
	Optional       []string
	Pattern        string
	Window         string
	OnChanged      string            // "", fail, skip, replace
	Rules          map[string]string // NAME → off|warn|fail
	EmptyOK        bool
}

// Open reads the project. Its errors name file, line and column (*Error).
func Open(o Options) (*Project, error) { panic("not built yet") }

// Error is a mistake in a project's file.
type Error struct {
	File         string
	Line, Column int // 0: unknown
	Msg          string
	Hint         string
	Caret        string // source line and caret, may be empty
}

func (e *Error) Error() string { panic("not built yet") }
