package project

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// readMigrations reads all files of migrations/, in the order of their versions, and says which it could not read.
func readMigrations(r *renderer) ([]Migration, []Broken) {
	files, broken := listMigrations(r.dir)
	all := make([]Migration, 0, len(files))
	for _, f := range files {
		if m, err := r.migration(f); err != nil {
			broken = append(broken, Broken{Version: f.version, Path: f.path, Err: err})
		} else {
			all = append(all, m)
		}
	}
	return all, broken
}

// migrationFile is a file name taken apart.
type migrationFile struct {
	version int64
	name    string
	path    string // relative to the project's folder
}

// listMigrations lists migrations/ by version. As goose does it takes NUMBER_name.sql of the folder itself, and nothing from
// folders below it. A .sql file that goose would skip for its name is an error: it would never be applied. So is a Go
// migration. Hidden files and all others are none of ours.
func listMigrations(dir string) (files []migrationFile, broken []Broken) {
	refuse := func(file, msg, hint string) {
		broken = append(broken, Broken{Path: file, Err: &Error{Place: sqltext.Place{File: file}, Msg: msg, Advice: hint}})
	}
	entries, err := ReadDir(dir, MigrationsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, []Broken{{Path: MigrationsDir, Err: unreadable(MigrationsDir, err)}}
	}
	for _, e := range entries {
		base := e.Name()
		full := path.Join(MigrationsDir, base)
		ext := path.Ext(base)
		version, name, bad := VersionOf(base)
		switch {
		case strings.HasPrefix(base, "."), e.IsDir():
			continue
		case ext == ".go" && bad == nil && !strings.HasSuffix(base, "_test.go"):
			refuse(full, "a migration in Go cannot be run", "write it in SQL, or move the file out of "+MigrationsDir+"/")
			continue
		case strings.EqualFold(ext, ".sql") && ext != ".sql":
			refuse(full, "the extension is "+ext, "rename it to .sql")
			continue
		case ext != ".sql":
			continue
		}
		if bad != nil {
			refuse(full, bad.Error(), "name it NUMBER_name.sql, as dbctl migrate create does")
			continue
		}
		files = append(files, migrationFile{version, name, full})
	}
	slices.SortStableFunc(files, func(a, b migrationFile) int { return cmp.Compare(a.version, b.version) })
	twice := map[int64]bool{} // nobody can tell which is meant, so neither is
	for i := 1; i < len(files); i++ {
		if a, b := files[i-1], files[i]; a.version == b.version {
			twice[a.version] = true
			hint := "give one of them the next number; one that is applied somewhere keeps its own"
			if strings.HasSuffix(a.path, ".down.sql") && strings.HasSuffix(b.path, ".up.sql") {
				hint = "put both into one file: the one below -- +goose Up, the other below -- +goose Down"
			}
			broken = append(broken, Broken{Path: b.path, Version: b.version, Err: &Error{
				Place: sqltext.Place{File: b.path}, Msg: fmt.Sprintf("version %d is that of %s too", b.version, a.path),
				Advice: hint,
			}})
		}
	}
	return slices.DeleteFunc(files, func(f migrationFile) bool { return twice[f.version] }), broken
}

// VersionOf reads the version before the first _ of a file name, goose's rule (NumericComponent) less its leading sign, and the name behind
// it.
func VersionOf(base string) (version int64, name string, err error) {
	number, name, _ := strings.Cut(strings.TrimSuffix(base, path.Ext(base)), "_")
	version, err = strconv.ParseInt(number, 10, 64)
	switch {
	case strings.Trim(number, "0123456789") != "" || number == "":
		err = errors.New("the file name does not start with a number and _")
	case name == "":
		err = errors.New("the file name has no name after a number and _")
	case err != nil:
		err = errors.New("the version is too large")
	case version < 1:
		err = errors.New("version 0 is none: versions start at 1")
	}
	return version, name, err
}

// migration reads one file.
func (r *renderer) migration(f migrationFile) (Migration, error) {
	m := Migration{Version: f.version, Name: f.name, Path: f.path}
	src, err := readSource(r.dir, f.path)
	if err != nil {
		return m, err
	}
	m.Text = src.text
	r.known.read(src.text)
	file, err := sqltext.ParseFile(src.text)
	if file.Up.Start == 0 {
		return m, src.fromSQL(err)
	}
	m.Headers, m.HasDown = file.Headers, file.HasDown
	mistakes := []error{src.fromSQL(err), checkMigrationHeaders(src, file.Headers)}
	m.Up, err = r.section(src, file.Up)
	mistakes = append(mistakes, err)
	if file.HasDown {
		m.Down, err = r.section(src, file.Down)
		mistakes = append(mistakes, err)
	}
	return m, inOrder(mistakes...)
}

// Script reads SQL that stands in no migration: name is the file of its mistakes. Templates are expanded as in migrations.
func (p *Project) Script(name, text string) (Section, error) {
	r := p.render
	if r == nil {
		r = &renderer{dir: p.Dir, env: &p.Env}
	}
	e, err := r.expand(&source{path: name, text: text}, text, 0)
	if err != nil {
		return Section{}, err
	}
	return Section{}.read(e, sqltext.Split)
}

// section expands and splits one section.
func (r *renderer) section(src *source, part sqltext.Part) (Section, error) {
	s := Section{Checksum: checksum(part.Text)}
	s.Place = src.position(part.Start - 1).In(src.path)
	s.Column = 1
	e, err := r.expand(src, part.Text, part.Start)
	if err != nil {
		return s, err
	}
	s.Expanded, s.ExpandedChecksum = e.text, s.Checksum
	if e.text != part.Text {
		s.ExpandedChecksum = checksum(e.text)
	}
	return s.read(e, sqltext.SplitSection)
}

// read is the section with the statements of its expanded text.
func (s Section) read(e *expansion, split func(string) ([]sqltext.Statement, error)) (Section, error) {
	statements, err := split(e.text)
	if err != nil {
		return s, e.fail(err)
	}
	for _, st := range statements {
		s.Statements = append(s.Statements, e.statement(st))
	}
	s.Secrets, err = e.secrets()
	return s, err
}
