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
		if err := writeDay(filepath.Join(*out, "raw"), c.drive(first.AddDate(0, 0, day), frames)); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "wrote %d frames of %d days to %s\n", *rows, *days, filepath.Join(*out, "raw"))
	return nil
}

// writeDay writes one day's file of each feed.
func writeDay(raw string, d day) error {
	batch := "batch_" + d.date.Format("2006_01_02") + ".parquet"
	return errors.Join(
		writeParquet(filepath.Join(raw, "videos", "capture_date="+d.date.Format(time.DateOnly), "videos.parquet"), d.videos),
		writeParquet(filepath.Join(raw, "frame-events", batch), d.events),
		writeParquet(filepath.Join(raw, "manifests", batch), d.manifests),
		writeParquet(filepath.Join(raw, "frame-embeddings", batch), d.embeddings),
		writeParquet(filepath.Join(raw, "frame-locations", batch), d.positions),
		writeParquet(filepath.Join(raw, "traffic-lights", batch), d.signals),
	)
}

func writeParquet[T any](path string, rows []T) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := parquet.WriteFile(path, rows, parquet.Compression(&parquet.Snappy)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
