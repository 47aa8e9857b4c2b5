// Command citydrive-sample writes the six Parquet feeds of the CityDrive guide, in its layout: videos, frame events, JSON
// manifests, embeddings, positions and traffic lights of a small fleet in one city. The same flags give the same bytes.
//
//	citydrive-sample --out sample        writes sample/raw/videos/capture_date=2025-01-01/videos.parquet and the rest
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/spf13/pflag"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "citydrive-sample:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := pflag.NewFlagSet("citydrive-sample", pflag.ContinueOnError)
	out := flags.String("out", "sample", "folder to write raw/… into")
	rows := flags.Int("rows", 200, "frames in all, shared out over the days")
	days := flags.Int("days", 3, "days of recording, one batch each")
	dim := flags.Int("dim", 768, "dimensions of an embedding")
	seed := flags.Uint64("seed", 1, "another seed gives another drive")
	from := flags.String("from", "2025-01-01", "first day")
	reversed := flags.Bool("reversed", false, "write the columns in reverse order, as another exporter would")
	if err := flags.Parse(args); err != nil {
		return err
	}
	first, err := time.Parse(time.DateOnly, *from)
	if err != nil {
		return fmt.Errorf("read --from: %w", err)
	}
	if *rows < 1 || *days < 1 || *dim < 1 {
		return errors.New("--rows, --days and --dim must be at least 1")
	}
	c := newCity(*seed, *dim)
	for day := range *days {
		frames := *rows / *days
		if day < *rows%*days {
			frames++
		}
		if err := writeDay(filepath.Join(*out, "raw"), c.drive(first.AddDate(0, 0, day), frames), *reversed); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "wrote %d frames of %d days to %s\n", *rows, *days, filepath.Join(*out, "raw"))
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
