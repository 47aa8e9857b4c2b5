// Package scaffold writes new projects: a small example of its own, or CityDrive, the one that ships with dbctl. It never overwrites a
// file.
package scaffold

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/dbctl/dbctl"
	"github.com/dbctl/dbctl/internal/citydrive"
	"github.com/dbctl/dbctl/internal/project"
)

// example is the project of `dbctl init`. Files that tools would heed here have another name in it: see places.
//
//go:embed all:example
var example embed.FS

// places are the files of example whose names differ in the project.
var places = map[string]string{
	"dot.env.example":         ".env.example",
	"dot.gitignore":           ".gitignore",
	"dot.github-workflow.yml": ".github/workflows/dbctl.yml",
}

// Examples are the names that New takes beside "".
var Examples = []string{"citydrive"}

// Made is what New did, by paths relative to the project's folder.
type Made struct {
	Created []string
	Kept    []string // were there already, and are as they were
	Bare    bool     // without the example: there were migrations or loads already
}

// ErrProject is returned by New for a folder that holds a project.
var ErrProject = errors.New("there is a project already")

// file is one that a new project has.
type file struct {
	path, text string
	once       bool // an example: not wanted where there are migrations or loads already
}

// New writes a project into dir, which it makes where it is missing: the small example, or the named one. version is the dbctl that its CI
// workflow installs. Where it fails half way, it takes back what it has written: the next try would take it for a project of yours.
func New(dir, name, version string) (made Made, err error) {
	if _, err := os.Lstat(filepath.Join(dir, project.ConfigFile)); err == nil {
		return Made{}, ErrProject
	}
	files, err := small(projectName(dir), version)
	if name != "" {
		files, err = cityDrive(files)
	}
	if err != nil {
		return Made{}, err
	}
	own := holdsFiles(dir, project.MigrationsDir) || holdsFiles(dir, project.LoadsDir)
	made.Bare = own
	defer func() {
		for _, path := range made.Created {
			if err != nil {
				_ = os.RemoveAll(filepath.Join(dir, filepath.FromSlash(path)))
			}
		}
		if err != nil {
			made = Made{}
		}
	}()
	for _, f := range files {
		if f.once && own {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "sample")); err != nil && own && f.path == project.ConfigFile {
			f.text = strings.Replace(f.text, ", data: ./sample", "", 1) // which is left out with the example
		}
		switch err := project.CreateFile(dir, f.path, f.text); {
		case errors.Is(err, fs.ErrExist):
			made.Kept = append(made.Kept, f.path)
		case err != nil:
			return made, err
		default:
			made.Created = append(made.Created, f.path)
		}
	}
	if name != "" && !own {
		if _, err := os.Lstat(filepath.Join(dir, "sample")); err == nil {
			made.Kept = append(made.Kept, "sample")
		} else {
			made.Created = append(made.Created, "sample")
			if err := citydrive.Default().Write(filepath.Join(dir, "sample")); err != nil {
				return made, err
			}
		}
	}
	return made, nil
}

func holdsFiles(dir, folder string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, folder))
	return err == nil && len(entries) > 0
}

// small is the example of its own, for a project of this name.
func small(name, version string) ([]file, error) {
	bucket := strings.Trim(strings.Map(func(r rune) rune {
		switch r = unicode.ToLower(r); {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, name), "-")
	words := strings.NewReplacer("@PROJECT@", name, "@BUCKET@", strings.TrimPrefix(bucket+"-data", "-"), "@NAME@", identifier(bucket),
		"@VERSION@", version)
	files, err := read(example, "example")
	for i, f := range files {
		if to, ok := places[f.path]; ok {
			files[i].path = to
		}
		files[i].text = words.Replace(f.text)
		files[i].once = strings.Contains(f.path, "/") // migrations/, loads/, sample/
	}
	return files, err
}

// cityDrive is the shipped project. What it has no file for stays that of the small example.
func cityDrive(small []file) ([]file, error) {
	files, err := read(dbctl.CityDrive, ".")
	for i := range files {
		files[i].once = strings.Contains(files[i].path, "/")
	}
	for _, f := range small {
		if f.path == ".gitignore" || f.path == ".github/workflows/dbctl.yml" {
			if f.path == ".gitignore" {
				f.text += "/sample/\n"
			}
			files = append(files, f)
		}
	}
	return files, err
}

func read(from fs.FS, root string) ([]file, error) {
	var files []file
	err := fs.WalkDir(from, root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(from, p)
		if root != "." {
			p = strings.TrimPrefix(p, root+"/")
		}
		files = append(files, file{path: path.Clean(p), text: string(text)})
		return err
	})
	return files, err
}

// projectName is the folder's name, as far as a project may be called so.
func projectName(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	name := strings.Map(func(r rune) rune {
		if r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_.-", r)) {
			return r
		}
		return '-'
	}, filepath.Base(abs))
	name = strings.Trim(name, "_.-")
	if len(name) > 40 {
		name = strings.TrimRight(name[:40], "_.-")
	}
	if name == "" {
		return "warehouse"
	}
	return name
}

// identifier is a bucket's name as SQL takes one without quotes.
func identifier(name string) string {
	name = strings.ReplaceAll(name, "-", "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "my_" + name
	}
	return name
}
