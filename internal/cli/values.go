package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// oneOfValue is a flag that takes one of a few words.
type oneOfValue struct {
	p       *string
	allowed []string
}

// choice makes a flag's value of p that takes one of the allowed words.
func choice(p *string, allowed ...string) *oneOfValue { return &oneOfValue{p, allowed} }

func (v *oneOfValue) Type() string   { return "string" }
func (v *oneOfValue) String() string { return *v.p }

func (v *oneOfValue) words() []string { return v.allowed }

// Set is pflag's.
func (v *oneOfValue) Set(s string) error {
	if !slices.Contains(v.allowed, s) {
		last := len(v.allowed) - 1
		if last == 0 {
			return fmt.Errorf("want %s", v.allowed[0])
		}
		return fmt.Errorf("want %s or %s", strings.Join(v.allowed[:last], ", "), v.allowed[last])
	}
	*v.p = s
	return nil
}

// positive is a duration that is not negative, and whether it was given.
type positive struct {
	d   time.Duration
	set bool
}

var errWantTime = errors.New("want a time like 90s, 10m or 1h30m")

func (p *positive) Type() string { return "duration" }

func (p *positive) String() string {
	if !p.set {
		return ""
	}
	return p.d.String()
}

// Set is pflag's.
func (p *positive) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return errWantTime
	}
	p.d, p.set = d, true
	return nil
}

// varsFlag is --var NAME=VALUE.
type varsFlag map[string]string

func (v *varsFlag) Type() string   { return "NAME=VALUE" }
func (v *varsFlag) String() string { return "" }

// Set is pflag's.
func (v *varsFlag) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return errors.New("want NAME=VALUE")
	}
	if *v == nil {
		*v = varsFlag{}
	}
	(*v)[name] = value
	return nil
}
