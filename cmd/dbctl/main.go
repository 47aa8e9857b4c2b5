// Command dbctl brings a Databend warehouse in step with a folder of migrations and loads. `dbctl help` is its manual.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/dbctl/dbctl/internal/cli"
)

func main() {
	signals := cli.Signals()
	// A reader that goes away (`dbctl … | head`) must not kill a migration half way: the write fails, and that is all.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(cli.Main(cli.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.LookupEnv, Signals: signals,
		IsTerminal: func(stream any) bool { f, ok := stream.(*os.File); return ok && term.IsTerminal(int(f.Fd())) },
		Width:      func() int { w, _, _ := term.GetSize(int(os.Stderr.Fd())); return w },
	}))
}
