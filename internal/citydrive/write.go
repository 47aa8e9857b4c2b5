// Package citydrive makes the six Parquet feeds of CityDrive, the example that ships with dbctl: videos, frame events, JSON manifests,
// embeddings, positions and traffic lights of a small fleet in one city. The same Sample gives the same bytes.
package citydrive

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
)

// Sample says what is recorded.
type Sample struct {
	Rows     int    // frames in all, shared out over the days
	Days     int    // of recording, one batch each
	Dim      int    // dimensions of an embedding
	Seed     uint64 // another gives another drive
	First    time.Time
	Reversed bool // the columns in reverse order, as another exporter would write them
}

// Default is the sample of the demo.
func Default() Sample {
	return Sample{Rows: 200, Days: 3, Dim: 768, Seed: 1, First: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// Write writes the feeds to dir/raw: raw/videos/capture_date=2025-01-01/videos.parquet and the rest.
func (s Sample) Write(dir string) error {
	if s.Rows < 1 || s.Days < 1 || s.Dim < 1 {
		return errors.New("rows, days and dimensions must be at least 1")
	}
	c := newCity(s.Seed, s.Dim)
	for day := range s.Days {
		frames := s.Rows / s.Days
		if day < s.Rows%s.Days {
			frames++
		}
		if err := writeDay(filepath.Join(dir, "raw"), c.drive(s.First.AddDate(0, 0, day), frames), s.Reversed); err != nil {
			return err
		}
	}
	return nil
}

// writeDay writes one day's file of each feed.
func writeDay(raw string, d day, reversed bool) error {
	batch := "batch_" + d.date.Format("2006_01_02") + ".parquet"
	return errors.Join(
		writeParquet(filepath.Join(raw, "videos", "capture_date="+d.date.Format(time.DateOnly), "videos.parquet"), d.videos, reversed),
		writeParquet(filepath.Join(raw, "frame-events", batch), d.events, reversed),
		writeParquet(filepath.Join(raw, "manifests", batch), d.manifests, reversed),
		writeParquet(filepath.Join(raw, "frame-embeddings", batch), d.embeddings, reversed),
		writeParquet(filepath.Join(raw, "frame-locations", batch), d.positions, reversed),
		writeParquet(filepath.Join(raw, "traffic-lights", batch), d.signals, reversed),
	)
}

func writeParquet[T any](path string, rows []T, reversed bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	order := fieldOrder(reflect.TypeFor[T](), reversed)
	w := parquet.NewWriter(f, parquet.SchemaOf(reflect.New(order).Interface()), parquet.Compression(&parquet.Snappy))
	for _, row := range rows {
		if err = w.Write(arrange(reflect.ValueOf(row), order)); err != nil {
			break
		}
	}
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// fieldOrder is the struct type t, or one with its fields in reverse order.
func fieldOrder(t reflect.Type, reversed bool) reflect.Type {
	if !reversed {
		return t
	}
	fields := reflect.VisibleFields(t)
	slices.Reverse(fields)
	return reflect.StructOf(fields)
}

// arrange is row as a value of the struct type t, which has the same fields in its own order.
func arrange(row reflect.Value, t reflect.Type) any {
	if row.Type() == t {
		return row.Interface()
	}
	v := reflect.New(t).Elem()
	for i := range t.NumField() {
		v.Field(i).Set(row.FieldByName(t.Field(i).Name))
	}
	return v.Interface()
}
