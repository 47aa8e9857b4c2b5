package project

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A project's folder may come from anybody: a clone, an archive, a pull request. Its files are opened as such: only regular files, only
// inside the folder (a link that leads out is refused, wherever it stands on the way), and none larger than it can sensibly be.
const (
	maxSQL    = 32 << 20 // a SQL file
	maxConfig = 1 << 20  // dbctl.yaml, an env file
)

// ReadFile reads a regular file of at most limit bytes that lies in dir, at path below it.
func ReadFile(dir, path string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(filepath.FromSlash(path), os.O_RDONLY|syscall.O_NONBLOCK, 0) // or a FIFO would wait for its writer
	if err != nil {
		return nil, outside(err)
	}
	return readRegular(f, limit)
}

// readRegular reads f, which has just been opened, and closes it.
func readRegular(f *os.File, limit int64) ([]byte, error) {
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errNotRegular
	case info.Size() > limit:
		return nil, tooLarge(limit)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1)) // it may grow meanwhile, and files of /proc have no size
	if int64(len(text)) > limit {
		return nil, tooLarge(limit)
	}
	return text, err
}

// ReadDir lists the folder at path below dir, which no link may lead out of.
func ReadDir(dir, path string) ([]fs.DirEntry, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), path)
	return entries, outside(err)
}

// WalkDir is fs.WalkDir over the folder at path below dir. Links to folders are not followed.
func WalkDir(dir, path string, f fs.WalkDirFunc) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), path, f)
}

var (
	errNotRegular = errors.New("it is no regular file")
	errOutside    = errors.New("a link leads out of the project's folder")
)

func tooLarge(limit int64) error { return fmt.Errorf("it is larger than %d MiB", limit>>20) }

// outside names the error of a path that leaves its root, which package os does not export.
func outside(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok && strings.Contains(pe.Err.Error(), "escapes") {
		return errOutside
	}
	return err
}
