package shell

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestQuote asks the shells of this machine for the word that they read.
func TestQuote(t *testing.T) {
	t.Parallel()
	for _, sh := range []string{"sh", "bash", "zsh", "fish"} {
		path, err := exec.LookPath(sh)
		if err != nil {
			continue
		}
		for _, word := range []string{"videos", "daily/a-1_2.x", "", "a b", "$(touch X)", "`touch X`", "a;b", "it's", `"x"`, "a\nb", "*", "~", "!x", "#", "-e", "{a,b}", "ü", "$HOME", "a&b", "\\'", "''"} {
			if sh == "fish" && strings.Contains(word, `\`) {
				continue
			}
			dir := t.TempDir()
			cmd := exec.Command(path, "-c", "printf '%s|' "+Join(word, "end"))
			cmd.Dir = dir
			out, err := cmd.Output()
			if made, _ := filepath.Glob(dir + "/*"); len(made) > 0 || err != nil || string(out) != word+"|end|" {
				t.Errorf("%s: %q is %s: got %q, %v, made %v", sh, word, Quote(word), out, err, made)
			}
		}
	}
	for word, want := range map[string]bool{"a/b.c": true, "-x": false, "": false, "a b": false, "$x": false, "é": false} {
		if Plain(word) != want {
			t.Errorf("Plain(%q) is %v", word, !want)
		}
	}
	if strings.Contains(Quote("videos"), "'") {
		t.Error("a plain word is quoted")
	}
}
