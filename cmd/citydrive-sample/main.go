// Command citydrive-sample writes the feeds of package citydrive.
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

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/citydrive"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "citydrive-sample:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	s := citydrive.Default()
	flags := pflag.NewFlagSet("citydrive-sample", pflag.ContinueOnError)
	out := flags.String("out", "sample", "folder to write raw/… into")
	flags.IntVar(&s.Rows, "rows", s.Rows, "frames in all, shared out over the days")
	flags.IntVar(&s.Days, "days", s.Days, "days of recording, one batch each")
	flags.IntVar(&s.Dim, "dim", s.Dim, "dimensions of an embedding")
	flags.Uint64Var(&s.Seed, "seed", s.Seed, "another seed gives another drive")
	flags.TimeVar(&s.First, "from", s.First, []string{time.DateOnly}, "first day")
	flags.BoolVar(&s.Reversed, "reversed", false, "write the columns in reverse order, as another exporter would")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := s.Write(*out); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "wrote %d frames of %d days to %s\n", s.Rows, s.Days, filepath.Join(*out, "raw"))
	return nil
}
