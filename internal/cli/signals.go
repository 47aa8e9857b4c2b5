package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/event"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/migrate"
	"github.com/dbctl/dbctl/internal/shell"
)

// Signals delivers what ends a run early: Ctrl-C, SIGTERM, and SIGHUP, which a closed terminal or a dropped ssh sends. One that the
// caller had ignored stays ignored: nohup does that to SIGHUP, a shell to the Ctrl-C of its background jobs.
func Signals() <-chan os.Signal {
	out := make(chan os.Signal, 3)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(out, s)
		}
	}
	return out
}

// underSignals runs the command. The first signal ends its context: what is under way is stopped and rolled back. While that
// happens a second one is answered with a word, and a third leaves at once, naming the command that puts things right later. A
// command that has nothing to roll back goes at the second; one that still reads the project's files at the first, however long they are.
func (a *app) underSignals(run runFunc) exit.Code {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 2)
	crash.Handle(func(p crash.Panic) { done <- a.panicked(p) })
	go crash.Caught(func() { done <- run(ctx) })()

	code := exit.Done
	for n := 1; ; n++ {
		select {
		case err := <-done:
			switch {
			case err == nil:
				return exit.Done
			case code != exit.Done && !failedItself(err):
				return a.fail(&afterSignal{err, code})
			}
			return a.fail(err)
		case sig := <-a.Signals:
			code = signalCode(sig)
			switch {
			case n == 1 && !a.reaches.Load():
				return a.fail(&afterSignal{context.Canceled, code})
			case n == 1:
				cancel()
				a.note(event.Warn, stopping(a.cmd))
			case n == 2 && a.cmd.recovers != "":
				a.note(event.Warn, fmt.Sprintf("still putting back what was begun; once more leaves at once, then `%s` finishes it", a.recovery()))
			default:
				a.ui.Fail(failure(&mistake{"left at once: what was begun may be half done", a.recoverHint(), code}))
				return code
			}
		}
	}
}

// panicked makes an error of a panic: what it says goes out as all else does, without secrets.
func (a *app) panicked(p crash.Panic) error {
	code := exit.Failed
	if a.cmd.recovers != "" {
		code = exit.Partly
	}
	return &mistake{fmt.Sprintf("a mistake of dbctl itself, please report it: %v\n%s", p.Value, p.Stack), a.recoverHint(), code}
}

// failedItself reports whether a run had failed, and was being put back, before the signal came.
func failedItself(err error) bool {
	run, ok := errors.AsType[*migrate.RunError](err)
	return ok && !run.Interrupted
}

func stopping(c *command) string {
	if c.recovers == "" {
		return "stopping"
	}
	return "stopping: what is under way is ended on the server and put back"
}

// recovery is the command that finishes what this one left.
func (a *app) recovery() string {
	switch {
	case a.cmd.name != "load":
		return a.cmd.recovers
	case len(a.rest) == 0:
		return a.cmd.recovers + " --all"
	}
	return a.cmd.recovers + " " + shell.Join(a.rest...)
}

func (a *app) recoverHint() string {
	if a.cmd.recovers == "" {
		return ""
	}
	return fmt.Sprintf("`%s` finds what is unfinished and puts it right", a.recovery())
}

func signalCode(sig os.Signal) exit.Code {
	switch sig {
	case syscall.SIGTERM:
		return exit.Terminated
	case syscall.SIGHUP:
		return exit.HungUp
	}
	return exit.Interrupted
}

func (a *app) note(level event.Level, text string) { a.ui.Event(event.Note{Level: level, Text: text}) }
