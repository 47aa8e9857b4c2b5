package local

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// seen is what was put of one file: a file is put again when its size or time differs.
type seen struct {
	Size int64
	Time time.Time
}

// syncData puts the files of folder that are new or changed since before into the bucket, under their path within the folder, and
// deletes those that are gone. It returns what is there now. Objects that came from elsewhere stay. Hidden files are left out.
func syncData(ctx context.Context, s Store, bucket, folder string, before map[string]seen) (map[string]seen, error) {
	now := map[string]seen{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != folder && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path) // follows links
		if err != nil || info.IsDir() {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		key, is := filepath.ToSlash(rel), seen{Size: info.Size(), Time: info.ModTime().UTC()}
		now[key] = is
		if was, ok := before[key]; ok && was.Size == is.Size && was.Time.Equal(is.Time) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return s.Put(ctx, bucket, key, content)
	})
	if err != nil {
		return nil, fmt.Errorf("put the files of %s into bucket %s: %w", folder, bucket, err)
	}
	for key := range maps.Keys(before) {
		if _, ok := now[key]; ok {
			continue
		}
		if err := s.Delete(ctx, bucket, key); err != nil {
			return nil, fmt.Errorf("delete %s from bucket %s: %w", key, bucket, err)
		}
	}
	return now, nil
}
