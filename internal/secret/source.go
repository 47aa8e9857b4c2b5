package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// maxOutput bounds what a file or command may give; the longest real secrets are key files of a few KiB.
	maxOutput = 64 << 10
	// maxStderr is how much of a failed command's stderr is shown.
	maxStderr = 1 << 10
	// killDelay is how long a command that was killed may keep its pipes open (through a child of its own).
	killDelay = 2 * time.Second
)

// read returns the content of a secret's file, without one trailing newline.
func (r *Resolver) read(path string) (string, error) {
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(r.dir, full)
	}
	text, err := ReadFile(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("the file %s does not exist", path)
	case errors.Is(err, errTooLarge):
		return "", fmt.Errorf("the file %s %w", path, err)
	case err != nil:
		return "", fmt.Errorf("the file %s: %w", path, reason(err))
	}
	return chomp(string(text)), nil
}

var errTooLarge = fmt.Errorf("is larger than %d KiB", maxOutput>>10)

// ReadFile reads a file that holds a secret. It may be anything that can be read, also a pipe; one without an end or without a writer is
// not waited for.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxOutput+1))
	if err == nil && len(text) > maxOutput {
		err = errTooLarge
	}
	return text, err
}

// reason strips the path, which is named already, from an error of package os.
func reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// run runs a secret's command without a shell and returns its output without one trailing newline. Its error shows the
// end of what the command wrote to stderr, scrubbed of known secrets and of what it wrote to stdout.
func (r *Resolver) run(ctx context.Context, command []string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = r.dir
	cmd.WaitDelay = killDelay
	stdout := &limited{max: maxOutput + 1}
	stderr := &limited{max: 64 << 10, drops: true}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	out := chomp(stdout.buf.String())
	switch {
	case stdout.buf.Len() > maxOutput:
		return "", fmt.Errorf("the command %s gave more than %d KiB", command[0], maxOutput>>10)
	case err == nil:
		return out, nil
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("the command %s is not in PATH", command[0])
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok { // "fork/exec ./x: no such file or directory"
		err = pe.Err
	}
	text := fmt.Sprintf("the command %s failed: %v", command[0], err)
	said := NewScrubber()
	for _, value := range valuesIn(out) {
		said.Add(New(value))
	}
	if tail := lastLine(said.String(r.scrub.String(stderr.buf.String()))); tail != "" {
		text += ": " + tail
	}
	return "", errors.New(text)
}

// valuesIn are the texts of a command's output that may be secrets: the whole, each line, what a line says behind = or :, and each text
// in quotes, as the values of JSON are.
func valuesIn(out string) []string {
	all := []string{out}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		all = append(all, line)
		for _, separator := range []string{"=", ":"} {
			if _, value, ok := strings.Cut(line, separator); ok {
				all = append(all, strings.Trim(value, " \t,;\"'"))
			}
		}
	}
	for _, quoted := range quotedText.FindAllString(out, -1) {
		var value string
		if json.Unmarshal([]byte(quoted), &value) != nil {
			value = inner(quoted)
		}
		all = append(all, value)
	}
	return all
}

var quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// lastLine returns the last line of text that is not blank, at most maxStderr bytes of it.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	if len(text) > maxStderr {
		text = strings.ToValidUTF8(text[len(text)-maxStderr:], "")
	}
	return text
}

// limited keeps the first max bytes and takes no more: a command that talks without end is ended by its closed pipe, and fills no memory.
type limited struct {
	buf   bytes.Buffer // not embedded: io.Copy would use its ReadFrom, which has no limit
	max   int
	drops bool // the rest, and lets the command go on
}

func (l *limited) Write(p []byte) (int, error) {
	n, _ := l.buf.Write(p[:min(len(p), max(0, l.max-l.buf.Len()))])
	if n < len(p) && !l.drops {
		return n, io.ErrShortWrite
	}
	return len(p), nil
}

// chomp drops one trailing newline, LF or CRLF: files and commands end in one, values do not.
func chomp(s string) string {
	if t, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.TrimSuffix(t, "\r")
	}
	return s
}

// field returns the scalar at path in a JSON text. Its errors quote nothing of the text.
func field(text, path string) (string, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", errors.New("the value is not JSON")
	}
	rest := path
	for rest != "" {
		key, tail, _ := strings.Cut(rest, ".")
		switch node := v.(type) {
		case map[string]any:
			if whole, ok := node[rest]; ok { // a key that holds dots itself
				v, tail = whole, ""
			} else if v, ok = node[key]; !ok {
				return "", fmt.Errorf("the JSON has no %q on the way to %s", key, path)
			}
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(node) {
				return "", fmt.Errorf("the JSON has a list of %d where %s says %q", len(node), path, key)
			}
			v = node[i]
		default:
			return "", fmt.Errorf("the JSON has no %q on the way to %s", key, path)
		}
		rest = tail
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("the JSON at %s is not a text or number", path)
}
