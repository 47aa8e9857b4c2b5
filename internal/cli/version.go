package cli

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/state/store"
)

// build is what this binary is.
type build struct {
	Version     string `json:"version"`
	Commit      string `json:"commit,omitempty"`
	Dirty       bool   `json:"dirty,omitempty"`
	Go          string `json:"go"`
	Platform    string `json:"platform"`
	StateSchema int    `json:"state_schema"`
}

// version reads what the go command stamped into the binary: the module's version, from a tag or `go install …@v1.2.3`, and the
// commit.
func version() build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, StateSchema: store.Schema}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Dirty = s.Value == "true"
		}
	}
	return b
}

// installable is the version that `go install` takes for this binary, or for one like it.
func (b build) installable() string {
	if v, _, _ := strings.Cut(b.Version, "+"); v != "devel" { // +dirty
		return v
	}
	return cmp.Or(b.Commit, "latest")
}

func versionCommand() *command {
	return &command{
		name:  "version",
		short: "which dbctl this is",
		exits: []ending{{exit.Done, "the version was shown"}, {exit.Usage, "wrong usage"}},
		bind: func(a *app, _ *pflag.FlagSet) runner {
			return func(_ context.Context, args []string) error {
				b := version()
				text := fmt.Sprintf("dbctl %s\n", b.Version)
				if b.Commit != "" {
					changed := ""
					if b.Dirty {
						changed = " (with changes)"
					}
					text += fmt.Sprintf("commit %s%s\n", b.Commit, changed)
				}
				text += fmt.Sprintf("%s %s, state schema %d\n", b.Go, b.Platform, b.StateSchema)
				a.ui.Record("version", text, b)
				return nil
			}
		},
	}
}
