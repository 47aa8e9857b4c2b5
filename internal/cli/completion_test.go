package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestShells: each shell that is there completes with its script, asking this binary under the name of dbctl.
func TestShells(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "bin", "dbctl")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "dbctl.yaml", "project: p\nenvironments: { prod: { host: h } }\n")
	write(t, dir, "loads/daily/videos.sql", "")
	for shell, tc := range map[string]struct{ script, want string }{
		"bash": {`
source <(dbctl completion bash)
ask() { COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _dbctl; echo "${COMPREPLY[@]}"; }
ask dbctl dev st
ask dbctl load d
ask dbctl -e p
ask dbctl --color = al
ask dbctl --color =
ask dbctl lint --format s
ask dbctl sql -f ""`, "start stop status\ndaily/videos\nprod\nalways\nauto always never\nsarif\n\n"},
		"fish": {`
dbctl completion fish | source
complete -C "dbctl dev st" | string replace -r '\t.*' ''
complete -C "dbctl load d" | string replace -r '\t.*' ''
complete -C "dbctl -e p" | string replace -r '\t.*' ''
complete -C "dbctl --color=al" | string replace -r '\t.*' ''
complete -C "dbctl load loads/d" | string replace -r '\t.*' ''
true`, "start\nstatus\nstop\ndaily/videos\nprod\n--color=always\nloads/daily/\n"},
		// A terminal of its own, in which TAB is pressed.
		"zsh": {`
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1=; autoload -U compinit; compinit -u -D; source <(dbctl completion zsh); bindkey "^I" complete-word'
complete() { zpty -w -n z "$1"$'\t'; zpty -r -m z out "*$2*" && print -- "$2"; zpty -w -n z $'\x15'; }
complete 'dbctl dev sto' stop
complete 'dbctl load d' daily/videos
complete 'dbctl -e p' prod
complete 'dbctl --color=al' always
complete 'dbctl load loads/d' loads/daily`, "stop\ndaily/videos\nprod\nalways\nloads/daily\n"},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("NOT TESTED: %s is not installed", shell)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a word that never comes is waited for
			defer cancel()
			cmd := exec.CommandContext(ctx, path)
			if shell == "bash" || shell == "zsh" {
				cmd.Args = append(cmd.Args, map[string]string{"bash": "--norc", "zsh": "-f"}[shell])
			}
			cmd.Args = append(cmd.Args, "-c", tc.script)
			cmd.Dir, cmd.WaitDelay = dir, 10*time.Second
			cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=xterm"}
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimRight(string(out), "\n") != strings.TrimRight(tc.want, "\n") {
				t.Errorf("got %v\n%s\nwant\n%s", err, out, tc.want)
			}
		})
	}
}
