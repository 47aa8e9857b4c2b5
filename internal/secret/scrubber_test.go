package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dbctl/dbctl/internal/sqltext"
)

// nasty are values that differ in their escaped forms.
var nasty = []string{
	"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	`it's "quoted" \ and % & <more>`,
	"p@ss:w/rd?#[]",
	"-----BEGIN KEY-----\nline one of the key\nline two of the key\n-----END KEY-----",
	"'; DROP TABLE t; --",
	"密码 is 密码😀",
	"tab\tand\r\nmore than this",
	"%41%42%43",
	"bell\aand\x00more",
	strings.Repeat("wJalrXUtnFEMI/K7MDENG+", 8),
}

// writers are programs that write a value into a text.
func writers(v string) map[string]string {
	js, _ := json.Marshal(v)
	twice, _ := json.Marshal(string(js))
	nested, _ := json.Marshal("VALUES ('" + strings.ReplaceAll(strings.ReplaceAll(v, `\`, `\\`), "'", "''") + "')")
	header := func(user string) string { return base64.StdEncoding.EncodeToString([]byte(user + ":" + v + "@x")) }
	return map[string]string{
		"raw":      v,
		"sql ours": strings.ReplaceAll(strings.ReplaceAll(v, `\`, `\\`), "'", "''"),
		"quote":    sqltext.Quote(v),
		"sql std":  strings.ReplaceAll(v, "'", "''"),
		"json":     string(js),
		"request":  string(nested),
		"go":       fmt.Sprintf("%q", v),
		"query":    url.QueryEscape(v),
		"path":     url.PathEscape(v),
		"userinfo": (&url.URL{Scheme: "databend", User: url.UserPassword("u", v), Host: "h"}).String(),
		"params":   url.Values{"password": {v}}.Encode(),
		"base64":   base64.StdEncoding.EncodeToString([]byte(v)),
		"raw64":    base64.RawURLEncoding.EncodeToString([]byte(v)),
		"header 1": header("ab"), "header 2": header("a"), "header 3": header("abc"),
		"array":          `["` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(v) + `"]`, // as Databend writes one
		"csv":            `"` + strings.ReplaceAll(v, `"`, `""`) + `"`,
		"json of json":   string(twice),
		"base64 of mail": strings.TrimSuffix(mailed.ReplaceAllString(base64.StdEncoding.EncodeToString([]byte(v)), "$0\r\n"), "\r\n"),
		"hex":            hex.EncodeToString([]byte(v)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(v))),
	}
}

// mailed are the lines of base64 as the program base64, Python and mail write it.
var mailed = regexp.MustCompile(`.{76}`)

func TestScrubberKnowsEveryForm(t *testing.T) {
	t.Parallel()
	for _, v := range nasty {
		s := NewScrubber()
		s.Add(New(v))
		for name, text := range writers(v) {
			out := s.String("before " + text + " after")
			if !strings.Contains(out, Redacted) || !strings.HasPrefix(out, "before ") || !strings.HasSuffix(out, " after") {
				t.Errorf("%s of %q: got %q", name, v, out)
				continue
			}
			if strings.HasPrefix(name, "header") { // the neighbours of the value must still be there, and nothing else
				if n := len(out) - len("before "+Redacted+" after"); n > 16 {
					t.Errorf("%s of %q keeps %d characters: %q", name, v, n, out)
				}
				continue
			}
			left := strings.NewReplacer("before", "", "after", "", Redacted, "", "databend://u:", "", "@h", "", "password=", "", "VALUES", "", "('", "", "')", "", `["`, "", `"]`, "", `\"`, "", `"`, "", " ", "", "'", "").Replace(out)
			if left != "" {
				t.Errorf("%s of %q leaves %q", name, v, left)
			}
		}
	}
}

func TestScrubberLines(t *testing.T) {
	t.Parallel()
	s := NewScrubber()
	s.Add(New("{\n  \"private\": \"abcdefghijkl\",\r\n  x\n}"))
	if got, want := s.String("line 2: \"private\": \"abcdefghijkl\", and x }"), "line 2: [redacted] and x }"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestScrubberOverlap(t *testing.T) {
	t.Parallel()
	s := NewScrubber()
	for _, v := range []string{"abcdef", "defghi", "abcdefgh-long", "abc", "1234"} {
		s.Add(New(v))
	}
	for text, want := range map[string]string{
		"":                  "",
		"nothing here":      "nothing here",
		"abcdefghi!":        "[redacted]!",
		"abcdefgh-long":     "[redacted]",
		"abcdefgh-lon":      "[redacted]gh-lon",
		"abcdefabcdef":      "[redacted][redacted]",
		"abc":               "abc", // three bytes are too few to take out
		"xabcdex abcdefx":   "xabcdex [redacted]x",
		"12341234 and 1234": "[redacted][redacted] and [redacted]",
	} {
		if got := s.String(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	var none *Scrubber
	none.Add(New("abcd"))
	if got := none.String("abcd"); got != "abcd" {
		t.Errorf("nil scrubber: got %q", got)
	}
}

func TestWriterHoldsBack(t *testing.T) {
	t.Parallel()
	s := NewScrubber()
	s.Add(New("topsecret"))
	s.Add(New("secretary-1"))
	var out bytes.Buffer
	w := s.Writer(&out)
	steps := []struct{ in, want string }{
		{"hello ", "hello "},
		{"top", "hello "},
		{"most\n", "hello topmost\n"},
		{"a topsec", "hello topmost\na "},
		{"ret", "hello topmost\na [redacted]"}, // "secret" may yet become the other one, and is covered already
		{"ary-", "hello topmost\na [redacted]"},
		{"1!", "hello topmost\na [redacted]!"},
		{" t", "hello topmost\na [redacted]! "},
	}
	for _, step := range steps {
		if n, err := w.Write([]byte(step.in)); n != len(step.in) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", step.in, n, err)
		}
		if got := out.String(); got != step.want {
			t.Errorf("after %q: got %q, want %q", step.in, got, step.want)
		}
	}
	if err := w.Flush(); err != nil || !strings.HasSuffix(out.String(), "! t") {
		t.Errorf("Flush: got %q, %v", out.String(), err)
	}
	if err := w.Flush(); err != nil || strings.HasSuffix(out.String(), "tt") {
		t.Errorf("second Flush: got %q, %v", out.String(), err)
	}
}

// TestWriterAnySplit writes a text in every split of two cuts: what comes out is what String gives.
func TestWriterAnySplit(t *testing.T) {
	t.Parallel()
	s := NewScrubber()
	for _, v := range []string{"aab-aab", "aabaaab", "b-aabaa", "it's\\me"} {
		s.Add(New(v))
	}
	text := "aaab-aabaaabaab aab-aabit''s\\\\meaaba"
	want := s.String(text)
	for i := range len(text) {
		for j := i; j <= len(text); j++ {
			var out bytes.Buffer
			w := s.Writer(&out)
			for _, p := range []string{text[:i], text[i:j], text[j:]} {
				if _, err := io.WriteString(w, p); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Flush(); err != nil || out.String() != want {
				t.Fatalf("cut at %d, %d: got %q, want %q (%v)", i, j, out.String(), want, err)
			}
		}
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

func TestWriterPassesErrors(t *testing.T) {
	t.Parallel()
	if _, err := NewScrubber().Writer(failing{io.ErrClosedPipe}).Write([]byte("x")); err != io.ErrClosedPipe {
		t.Errorf("got %v", err)
	}
	var none *Scrubber
	var out bytes.Buffer
	w := none.Writer(&out)
	if _, err := w.Write([]byte("x")); err != nil || out.String() != "x" || w.Flush() != nil {
		t.Errorf("nil scrubber: got %q, %v", out.String(), err)
	}
}

// locked is a writer that the test reads while others write.
type locked struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func TestScrubberConcurrent(t *testing.T) {
	t.Parallel()
	s := NewScrubber()
	s.Add(New("first-secret"))
	var out locked
	w := s.Writer(&out)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				s.Add(New(fmt.Sprintf("secret-%d-%d!", i, j)))
				if got := s.String(fmt.Sprintf("secret-%d-%d! ", i, j)); got != "[redacted] " {
					t.Errorf("got %q", got)
				}
				_, _ = io.WriteString(w, "first-secret\n")
			}
		})
	}
	wg.Wait()
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), strings.Repeat("[redacted]\n", 400); got != want {
		t.Errorf("got %q", got)
	}
}

func FuzzScrubber(f *testing.F) {
	for _, v := range nasty {
		f.Add(v, "text with "+v+" in it", uint(7))
	}
	f.Add("aaaa", "aaaaaaaaaaa", uint(3))
	f.Add("ab\nabababab", "ababab\nababababab", uint(2))
	f.Fuzz(func(t *testing.T, v, text string, cut uint) {
		if len(v) < minLength || len(v) > 1000 || strings.Contains(Redacted, v) {
			t.Skip()
		}
		s := NewScrubber()
		s.Add(New(v))
		out := s.String(text)
		// A find can arise where a hole meets its neighbours ("x[redacted]y" for a value that holds brackets); everything
		// between the holes must be free of every form.
		for part := range strings.SplitSeq(out, Redacted) {
			if !strings.Contains(text, Redacted) && slices.ContainsFunc(forms(v), func(form string) bool { return strings.Contains(part, form) }) {
				t.Fatalf("%q in %q leaves %q", v, text, out)
			}
		}
		var whole strings.Builder // what a Writer cannot see is a secret among the escapes of a text
		if _, _, same := s.scrub(&whole, text, 0, true); same {
			whole.WriteString(text)
		}
		var b bytes.Buffer
		w := s.Writer(&b)
		step := int(cut%11) + 1
		for rest := text; rest != ""; {
			n := min(step, len(rest))
			if _, err := io.WriteString(w, rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil || b.String() != whole.String() {
			t.Fatalf("%q in %q by %d: Writer gives %q, in one piece %q (%v)", v, text, step, b.String(), whole.String(), err)
		}
		for name, form := range writers(v) {
			if !strings.Contains(s.String(form), Redacted) && len(v) >= 12 {
				t.Fatalf("%s of %q is not found in %q", name, v, form)
			}
		}
	})
}

func BenchmarkScrubber(b *testing.B) {
	s := NewScrubber()
	for _, v := range nasty {
		s.Add(New(v))
	}
	text := strings.Repeat("A line of the log, with migration 00003_frame_events applied in 41 ms.\n", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.String(text)
	}
}
