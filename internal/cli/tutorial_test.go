package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dbctl/dbctl/internal/golden"
)

// TestTutorial walks docs/your-own-project.md as a reader does, in a shell on the embedded engine:
//
//	```LANG file=PATH   the block is written to PATH
//	```console          `$ ` begins a command; `# exit N` at its end is the code it must exit with, otherwise 0. The lines below it are
//	                    its output; a line `…` stands for any lines. A command without lines may print what it likes.
//
// In the section Production, the environment prod is an embedded engine too. With -update, output without `…` is written as it is now.
func TestTutorial(t *testing.T) {
	t.Parallel()
	const file = "../../docs/your-own-project.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sh := newReader(t)
	var page []string
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		page = append(page, line)
		if line == "## Production" {
			sh.leadProdHere()
		}
		info, fenced := strings.CutPrefix(line, "```")
		if !fenced {
			continue
		}
		begin := i + 1
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		block := lines[begin:i]
		if _, path, ok := strings.Cut(info, " file="); ok {
			write(t, sh.project, path, strings.Join(block, "\n")+"\n")
		} else if info == "console" {
			block = sh.session(fmt.Sprintf("%s:%d", file, begin), block)
		} else {
			t.Errorf("%s:%d: neither a file nor a console: %q", file, begin, info)
		}
		page = append(append(page, block...), "```")
	}
	if golden.Update() && !t.Failed() {
		if err := os.WriteFile(file, []byte(strings.Join(page, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPagesAreLinked: README leads to every page of docs/.
func TestPagesAreLinked(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../../docs/*")
	if err != nil || len(pages) == 0 {
		t.Fatalf("pages of docs/: %v, %v", pages, err)
	}
	for _, p := range pages {
		if link := "](docs/" + filepath.Base(p) + ")"; !strings.Contains(string(readme), link) {
			t.Errorf("README.md has no link %s", link)
		}
	}
}

// reader is the shell of someone who follows the tutorial.
type reader struct {
	t       *testing.T
	project string
	stdin   io.Writer
	out     *bufio.Scanner
}

// endOfCommand stands in the shell's output behind each command, with its exit code.
const endOfCommand = "--end of command--"

func newReader(t *testing.T) *reader {
	t.Helper()
	home := t.TempDir()
	bin := filepath.Join(home, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "dbctl")); err != nil { // by that name it is dbctl: see TestMain
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "--norc")
	cmd.Dir = home
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DBCTL_") || strings.HasPrefix(v, "DBCTL_PYTHON=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, project: filepath.Join(home, "shop"), stdin: stdin, out: bufio.NewScanner(stdout)}
	t.Cleanup(func() {
		for _, env := range []string{"local", "prod"} {
			stop := exec.Command(filepath.Join(bin, "dbctl"), "-C", r.project, "-e", env, "dev", "stop")
			stop.Args[0] = "dbctl"
			if out, err := stop.CombinedOutput(); err != nil {
				t.Logf("dev stop of %s: %v\n%s", env, err, out)
			}
		}
	})
	return r
}

// exits finds the exit code that a command of the page has at its end.
var exits = regexp.MustCompile(`  # exit (\d+)$`)

// session runs a block of commands, compares, and gives the block with the output of now.
func (r *reader) session(where string, block []string) []string {
	r.t.Helper()
	var now []string
	for i := 0; i < len(block); {
		command, ok := strings.CutPrefix(block[i], "$ ")
		if !ok {
			r.t.Fatalf("%s: a console begins with a command: %q", where, block[i])
		}
		now = append(now, block[i])
		begin := i + 1
		for i++; i < len(block) && !strings.HasPrefix(block[i], "$ "); i++ {
		}
		want, code := block[begin:i], "0"
		if m := exits.FindStringSubmatch(command); m != nil {
			code = m[1]
		}
		got, gotCode := r.run(command)
		if gotCode != code {
			r.t.Fatalf("%s: %s: exit %s, want %s\n%s", where, command, gotCode, code, strings.Join(got, "\n"))
		}
		if same(got, want) || len(want) == 0 {
			now = append(now, want...)
			continue
		}
		if !golden.Update() {
			r.t.Errorf("%s: %s\ngot:\n%s\nwant:\n%s", where, command, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		now = append(now, got...)
	}
	return now
}

// progress is a line that a terminal would have overwritten, or says that an engine under load is waited for.
var progress = regexp.MustCompile(`^(migrate \S+( \S+)?|load \S+|rollback)  |^warning: (waiting up to |.*, trying for \S+ more: )`)

// run runs a command in the shell and gives its output, without progress, and its exit code.
func (r *reader) run(command string) (lines []string, code string) {
	r.t.Helper()
	if _, err := fmt.Fprintf(r.stdin, "{\n%s\n} </dev/null\nprintf '%%s%%s\\n' '%s' $?\n", command, endOfCommand); err != nil {
		r.t.Fatal(err)
	}
	for r.out.Scan() {
		line := r.out.Text()
		if code, ok := strings.CutPrefix(line, endOfCommand); ok {
			return lines, code
		}
		if !progress.MatchString(line) {
			lines = append(lines, strings.TrimRight(line, " "))
		}
	}
	r.t.Fatalf("the shell ended: %s", command)
	return nil, ""
}

// leadProdHere makes the environment prod an engine on this machine, as protected as the page's.
func (r *reader) leadProdHere() {
	r.t.Helper()
	path := filepath.Join(r.project, "dbctl.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(text), "  prod:\n")
	if !ok {
		r.t.Fatalf("no prod in %s", text)
	}
	write(r.t, r.project, "dbctl.yaml", before+"  prod: { engine: embedded, data: ./sample, protected: true }\n")
}

// varies are what differs from run to run: times, ports, tags of files.
var varies = []*regexp.Regexp{
	regexp.MustCompile(`\b(\d+m)?\d+(\.\d+)?(ms|s|m)\b`),
	regexp.MustCompile(`127\.0\.0\.1:\d+`),
	regexp.MustCompile(`\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|:)`),
	regexp.MustCompile(`etag [0-9a-f]+…`),
	regexp.MustCompile(`\bpid \d+`),
	regexp.MustCompile(`\b[0-9a-f]{32}\b`),  // a run's id
	regexp.MustCompile(`\b\w+@\w[\w.-]*\b`), // who runs it
	regexp.MustCompile(` +`),                // columns are as wide as what is in them
}

func steady(line string) string {
	for _, v := range varies {
		line = v.ReplaceAllString(line, " ")
	}
	return line
}

// same compares output with the page's, where a line `…` stands for any lines.
func same(got, want []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "…" {
		for n := range len(got) + 1 {
			if same(got[n:], want[1:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && steady(got[0]) == steady(want[0]) && same(got[1:], want[1:])
}
