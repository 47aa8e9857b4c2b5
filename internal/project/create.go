package project

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// migrationTemplate is what a new migration holds.
const migrationTemplate = `-- +goose Up


-- +goose Down

`

// timestamp is goose's layout of a version made of the time.
const timestamp = "20060102150405"

// CreateMigration writes a new migration, empty where text is, and returns its path, relative to dir. Its version is the time in UTC, or
// with sequential the number after the highest; in both cases higher than every other.
func CreateMigration(dir, name, text string, sequential bool, now time.Time) (string, error) {
	slug := snake(name)
	if slug == "" {
		return "", &Error{Msg: "a migration needs a name of letters and digits", Advice: "dbctl migrate create add_frame_quality"}
	}
	files, _ := listMigrations(dir) // what is wrong with others is no matter here
	var highest int64
	if len(files) > 0 {
		highest = files[len(files)-1].version
	}
	base := nextVersion(highest, sequential, now) + "_" + slug + ".sql"
	rel := path.Join(MigrationsDir, base)
	return rel, CreateFile(dir, rel, cmp.Or(text, migrationTemplate))
}

// RestoreMigration writes back the file of a version, and returns its path, relative to dir. The name comes from the journal: it makes no
// other path than that of a migration.
func RestoreMigration(dir string, version int64, name, text string) (string, error) {
	if name == "" || strings.ContainsAny(name, "/\\\x00") {
		name = "restored"
	}
	rel := path.Join(MigrationsDir, fmt.Sprintf("%05d_%s.sql", version, name))
	return rel, CreateFile(dir, rel, text)
}

// CreateLoad writes a new load and returns its path, relative to dir. One that is there is left alone.
func CreateLoad(dir, name, text string) (string, error) {
	rel := path.Join(LoadsDir, name+".sql")
	return rel, CreateFile(dir, rel, text)
}

// CreateFile writes a file of the project that is not there yet, and the folders above it; no link leads it out of dir. What cannot be
// written whole (a full disk) is not there afterwards.
func CreateFile(dir, rel, text string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer root.Close()
	rel = filepath.FromSlash(rel)
	if err := root.MkdirAll(filepath.Dir(rel), 0o777); err != nil {
		return fmt.Errorf("make %s: %w", path.Dir(rel), outside(err))
	}
	f, err := root.OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("create %s: %w", rel, outside(err))
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		_ = root.Remove(rel)
		return fmt.Errorf("write %s: %w", rel, err)
	}
	return nil
}

// nextVersion is the version of a new migration after the highest.
func nextVersion(highest int64, sequential bool, now time.Time) string {
	version := highest + 1
	if sequential {
		return fmt.Sprintf("%05d", version)
	}
	if t, err := strconv.ParseInt(now.UTC().Format(timestamp), 10, 64); err == nil && t > version {
		version = t
	}
	return strconv.FormatInt(version, 10)
}

// snake writes a name as a file name: lower case, words joined by _.
func snake(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.ToLower(strings.Join(words, "_"))
}
