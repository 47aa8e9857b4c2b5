// Package exit says how an error ends dbctl: with which code, and what is to be typed then. The codes are part of the contract with
// scripts: see the README.
package exit

import "errors"

// Code is how dbctl ends.
type Code int

// The exit codes.
const (
	Done        Code = 0
	Failed      Code = 1 // failed or refused, and nothing of it was left behind
	Usage       Code = 2 // the command line, the configuration, a template
	Check       Code = 3 // --check found something; something that only a person can decide stopped a load
	Partly      Code = 4 // partly done: a person or a retry is needed
	Locked      Code = 5 // another run holds the lock
	Unreachable Code = 6 // the server was not reached, and nothing was tried
	HungUp      Code = 129
	Interrupted Code = 130
	Terminated  Code = 143
)

// Coder is an error that knows how it ends dbctl.
type Coder interface {
	error
	ExitCode() Code
}

// ranking are the codes from the one that outranks all others.
var ranking = []Code{Partly, Failed, Check, Locked, Usage, Unreachable}

// Of says how err ends dbctl: the outermost error that knows its code decides; of joined errors, the one that outranks the others.
func Of(err error) Code {
	for err != nil {
		if c, ok := err.(Coder); ok {
			return c.ExitCode()
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			return worst(joined.Unwrap())
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return Failed
		}
		err = inner
	}
	return Done
}

func worst(errs []error) Code {
	seen := map[Code]bool{}
	for _, e := range errs {
		seen[Of(e)] = true
	}
	for _, c := range ranking {
		if seen[c] {
			return c
		}
	}
	return Failed
}

// Hint is what the outermost error that has a hint asks to type next; "" where none has.
func Hint(err error) string {
	for {
		h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err)
		if !ok {
			return ""
		}
		if hint := h.Hint(); hint != "" {
			return hint
		}
		err = errors.Unwrap(h)
	}
}

// Each takes joined errors apart, since each has its own place and hint. One that has its own code stays whole.
func Each(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if _, own := err.(Coder); !ok || own {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, Each(e)...)
	}
	return all
}
