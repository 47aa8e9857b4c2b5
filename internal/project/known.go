package project

import (
	"errors"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/secret"
)

// knower tells the Scrubber the values of secrets before an error can show a line of a file: somebody may have written a value into it
// by hand. Only the process's environment is asked; a file or a command is read when a statement needs it.
type knower struct {
	sources map[string]secret.Source
	getenv  func(string) (string, bool)
	scrub   *secret.Scrubber
	unread  bool // a secret's value is in a file, or what a command gives
}

func (k *knower) learn(names ...string) {
	for _, name := range names {
		src := k.sources[name]
		switch {
		case name == "":
			continue
		case src.File != "" || len(src.Command) > 0:
			k.unread = true
			continue
		case src.Env != "":
			name = src.Env
		}
		if value, ok := k.getenv(name); ok {
			k.scrub.Add(secret.New(value))
		}
	}
}

var secretName = regexp.MustCompile("\\bsecret\\s+[\"`]([A-Za-z0-9_]+)[\"`]")

// read learns the secrets that a file names. It need not be one that can be read as a template.
func (k *knower) read(text string) {
	if k == nil {
		return
	}
	for _, m := range secretName.FindAllStringSubmatch(text, -1) {
		k.learn(m[1])
	}
}

// hide takes the source lines that hold a literal out of an error, when there are secrets that nobody knows yet.
func (k *knower) hide(err error) {
	if e, ok := errors.AsType[*Error](err); ok && k.unread && strings.ContainsAny(e.Caret, `'"$`) {
		e.Caret = ""
	}
}
