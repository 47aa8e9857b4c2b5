package local

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// seen is what was put of one file: a file is put again when its size or time differs.
type seen struct {
	Size int64
	Time time.Time
}

// maxObject is how large a file of a data folder may be: the store keeps it in memory.
const maxObject = 2 << 30

// DataError is a file of a data folder that goes into no bucket.
type DataError struct{ Path, Why string }

func (e *DataError) Error() string { return e.Path + ": " + e.Why }

// syncData puts the files of folder that are new or changed since before into the bucket, under their path within the folder, and
// deletes those that are gone. It returns what is there now. Objects that came from elsewhere stay. Hidden files are left out. A link
// that leads out of the folder is an error: it would put a file of the machine into the bucket.
func syncData(ctx context.Context, s Store, bucket, folder string, before map[string]seen) (map[string]seen, error) {
	now := map[string]seen{}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open the data folder: %w", err)
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != "." && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		info, err := root.Stat(path) // follows links, inside
		switch {
		case err != nil:
			return &DataError{path, err.Error()}
		case info.IsDir():
			return nil
		case !info.Mode().IsRegular():
			return &DataError{path, "it is no regular file"}
		case info.Size() > maxObject:
			return &DataError{path, fmt.Sprintf("it is larger than %d GiB", maxObject>>30)}
		}
		is := seen{Size: info.Size(), Time: info.ModTime().UTC()}
		now[path] = is
		if was, ok := before[path]; ok && was.Size == is.Size && was.Time.Equal(is.Time) {
			return ctx.Err()
		}
		content, err := readIn(root, path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return s.Put(ctx, bucket, path, content)
	})
	if err != nil {
		return nil, fmt.Errorf("put the files of %s into bucket %s: %w", folder, bucket, err)
	}
	for key := range before {
		if _, ok := now[key]; ok {
			continue
		}
		if err := s.Delete(ctx, bucket, key); err != nil {
			return nil, fmt.Errorf("delete %s from bucket %s: %w", key, bucket, err)
		}
	}
	return now, nil
}

// readIn reads a file below root, which was a regular one when it was looked at: should it have become a pipe, nobody waits for it.
func readIn(root *os.Root, path string) ([]byte, error) {
	f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxObject))
}
