package secret

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStatementScrubber: what a server repeats of a value in another case, on one line, or only the beginning of, is found.
func TestStatementScrubber(t *testing.T) {
	t.Parallel()
	const lines = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
	tests := []struct{ value, text, want string }{
		{"MixedCaseSecretValue", "protocol mixedcasesecretvalue is not supported", "protocol [redacted] is not supported"},
		{"MixedCaseSecretValue", "MIXEDCASESECRETVALUE!", "[redacted]!"},
		{"2031-secret-date-value", "cannot parse to type `DATE`. time text: 2031-secre while evaluating", "cannot parse to type `DATE`. time text: [redacted] while evaluating"},
		{lines, "bad key -----BEGIN KEY----- MIIEvQIBADANBgkq hkiG9w0BAQEFAASC -----END KEY----- here", "bad key [redacted] here"},
		{"two  words\tand more", "near two words and more, found", "near [redacted], found"},
		{"it's a 'quoted' value", "near 'it''s a ''quoted'' value'", "near '[redacted]'"},
		{"ÄÖÜ-geheim", "unknown äöü-geheim.", "unknown [redacted]."},
		{"abcdefghij", "abcde is five, abcdef is six", "abcde is five, [redacted] is six"},
		{"Ab1!", "ab1! and ab1", "[redacted] and ab1"},
		{"abcdefabcdef", "abcdefabcdefabcdef", "[redacted][redacted]"},
		{"unseen-value", "nothing here", "nothing here"},
		{`it's a "quoted" \ value`, `cannot parse "it\'s a \"quot" as a date`, `cannot parse "[redacted]" as a date`},
		{`it's a "quoted" \ value`, `{"said":"{\"of\":\"it's a \\\"quoted\\\" \\\\ value\"}"}`, `{"said":"{\"of\":\"[redacted]\"}"}`},
		{`it's a "quoted" \ value`, `"it's a ""quoted"" \ value",1`, `"[redacted]",1`},
		{"two lines\nof it all", `near two lines\nof it all, found`, `near [redacted], found`},
		{`C:\new\table`, `no path C:\\new\\table here`, `no path [redacted] here`},
		{`{"type": "x", "private_key": "hush-hush-value"}`, `bad private_key HUSH-hush-value, type x`, `bad private_key [redacted], type x`},
	}
	for _, test := range tests {
		s := NewStatementScrubber()
		s.Add(New(test.value))
		if got := s.String(test.text); got != test.want {
			t.Errorf("%q in %q: got %q, want %q", test.value, test.text, got, test.want)
		}
	}
}

// TestScrubberSeesCuts: the beginning of a secret that was cut, and says so, is one.
func TestScrubberSeesCuts(t *testing.T) {
	t.Parallel()
	s := NewScrubber()
	s.Add(New("correct-horse-battery"))
	for text, want := range map[string]string{
		"value correct-horse…":   "value [redacted]…",
		"value correct-h... end": "value [redacted]... end",
		"corre… correct-horse":   "corre… correct-horse",
	} {
		if got := s.String(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestFailedCommandTellsNothing: what a command wrote to stdout is in no part in the reason for which it failed.
func TestFailedCommandTellsNothing(t *testing.T) {
	t.Parallel()
	for name, output := range map[string]string{
		"json":   `{"data":{"key":"Tr0ub4dor&3","other":"x"}}`,
		"cut":    `{"data":{"key":"Tr0ub4dor&3","oth`,
		"pretty": "{\n  \"key\": \"Tr0ub4dor&3\",\n",
		"env":    "export KEY=Tr0ub4dor&3",
		"yaml":   "key: Tr0ub4dor&3",
		"plain":  "Tr0ub4dor&3",
	} {
		script := "cat <<'E'\n" + output + "\nE\necho 'bad key Tr0ub4dor&3 here' >&2; exit 3"
		r := NewResolver(map[string]Source{"K": {Command: []string{"sh", "-c", script}}}, nil, t.TempDir(), NewScrubber())
		_, err := r.Resolve(t.Context(), []string{"K"})
		if err == nil || strings.Contains(err.Error(), "Tr0ub4dor&3") || !strings.Contains(err.Error(), "bad key [redacted] here") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestCommandThatTalksWithoutEnd is ended, and gives no value.
func TestCommandThatTalksWithoutEnd(t *testing.T) {
	t.Parallel()
	r := NewResolver(map[string]Source{"K": {Command: []string{"yes", "Tr0ub4dor"}}}, nil, t.TempDir(), NewScrubber())
	_, err := r.Resolve(t.Context(), []string{"K"})
	if err == nil || !strings.Contains(err.Error(), "gave more than 64 KiB") || strings.Contains(err.Error(), "Tr0ub4dor") {
		t.Errorf("got %v", err)
	}
}

// TestFileIsNotWaitedFor: a secret's file that is a pipe without a writer, or a device without an end, ends in a reason.
func TestFileIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, "/dev/zero"} {
		done := make(chan error, 1)
		go func() {
			_, err := NewResolver(map[string]Source{"K": {File: path}}, nil, ".", nil).Resolve(t.Context(), []string{"K"})
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s gave a value", path)
			}
		case <-time.After(2 * time.Minute):
			t.Errorf("%s is waited for", path)
		}
	}
}

func TestIn(t *testing.T) {
	t.Parallel()
	s := NewScrubber()
	s.Add(New("it's-a-value"))
	s.Add(New("another-value"))
	if got := s.In("SELECT 'it''s-a-value'"); len(got) != 1 || got[0].Reveal() != "it's-a-value" {
		t.Errorf("got %d", len(got))
	}
	if got := (*Scrubber)(nil).In("x"); got != nil {
		t.Errorf("a nil Scrubber found %v", got)
	}
}
