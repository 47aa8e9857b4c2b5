// Package cli turns a command line into a run: it parses, opens what the command needs in a fixed order (project, environment,
// engine, secrets, server), calls the engine package, and turns its error into an exit code.
//
// A command is a value (type command), one in a file of its own. bind declares its flags into local variables and returns the
// function that runs it, so that help, completion and mistakes never touch a file or the network. Everything outside the process is
// a field of Process; nothing here reads package os's state or ends the process.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/secret"
	"github.com/dbctl/dbctl/internal/ui"
)

// Process is everything outside that a command may touch.
type Process struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) (string, bool)

	// IsTerminal tells whether Stdin, Stdout or Stderr is one.
	IsTerminal func(stream any) bool

	// Width gives the columns of the terminal that Stderr is. Optional.
	Width func() int

	// Dir is the working directory. Optional: the process's own.
	Dir string

	// Signals delivers what ends a run early: the function Signals. Optional.
	Signals <-chan os.Signal
}

// app is one run of dbctl.
type app struct {
	Process
	globals
	cmd   *command
	ui    *ui.UI
	run   string   // id of this run, on every JSON line and in the journal
	given string   // the flags of the command line, for the journal
	rest  []string // its arguments
	where []string // the flags that say which project and environment
	scrub *secret.Scrubber

	inTerminal bool // Stdin is a terminal: a person may be asked

	writes  atomic.Bool // to a warehouse, if only its lock
	reaches atomic.Bool // beyond the project's files: a program, an engine or a server may have to be told to stop
}

// Main runs one command line and returns its exit code. It alone prints errors.
func Main(p Process) int {
	out := &stdout{w: p.Stdout}
	tty := p.IsTerminal(p.Stdout)
	p.Stdout = out
	a, code := main(p, tty)
	if err := out.lost(); err != nil {
		_, _ = fmt.Fprintf(p.Stderr, "dbctl: the output is not whole: %v\nhint: run it again where its output has room\n", err)
		if code == exit.Done && !a.writes.Load() { // what changes a warehouse has done its work; of all else the output is the work
			code = exit.Failed
		}
	}
	return int(code)
}

func main(p Process, outTerminal bool) (*app, exit.Code) {
	a := &app{Process: p, run: databend.NewID(), scrub: secret.NewScrubber(), inTerminal: p.IsTerminal(p.Stdin)}
	errTerminal := p.IsTerminal(p.Stderr)
	out, errw := a.scrub.Writer(p.Stdout), a.scrub.Writer(p.Stderr)
	defer errw.Flush()
	defer out.Flush()
	a.Stdout, a.Stderr = out, errw

	run, err := a.parse()
	a.ui = ui.New(ui.Options{
		Out:         p.Stdout,
		Err:         p.Stderr,
		Clean:       a.scrub.String,
		Hint:        a.inPlace,
		ErrTerminal: errTerminal,
		OutWidth:    a.width(outTerminal),
		ErrWidth:    a.width(errTerminal),
		OutColor:    a.useColor(outTerminal),
		ErrColor:    a.useColor(errTerminal),
		JSON:        a.json,
		Quiet:       a.quiet,
		Verbose:     a.verbose,
		FullSQL:     a.cmd != nil && a.cmd.fullSQL,
		Head:        ui.Head{Run: a.run, Env: a.env},
	})
	defer a.ui.Close()
	if err != nil {
		return a, a.fail(err)
	}
	return a, a.underSignals(run)
}

// stdout remembers that what a command printed did not arrive. A reader that went away, as head does, wanted no more.
type stdout struct {
	w   io.Writer
	mu  sync.Mutex
	err error
}

func (s *stdout) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = cmp.Or(s.err, err)
	}
	return n, err
}

func (s *stdout) lost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail shows err and returns its exit code. help is no failure.
func (a *app) fail(err error) exit.Code {
	var h *helpRequest
	if errors.As(err, &h) {
		_, _ = io.WriteString(a.Stdout, h.text)
		return exit.Done
	}
	code := exit.Of(err)
	away := false
	for _, e := range exit.Each(err) {
		if no, ok := errors.AsType[*databend.NoServer](e); ok { // said once, whatever it was asked for
			if away {
				continue
			}
			e, away = no, true
		}
		if _, said := errors.AsType[*silent](e); said {
			continue
		}
		f := failure(e)
		f.Exit = int(code)
		a.ui.Fail(f)
	}
	return code
}

// runFunc is a parsed command, ready to run.
type runFunc func(ctx context.Context) error
