package secret

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const value = "hunter2-S3cr3t"

type exported struct {
	Name string
	Key  Text
	More map[string]Text
}

type hidden struct {
	name string
	key  Text
	ptr  *Text
	all  []Text
}

// shapes are the ways in which a Text stands in what people print.
func shapes() map[string]any {
	t := New(value)
	return map[string]any{
		"value":    t,
		"pointer":  &t,
		"slice":    []Text{t, t},
		"map":      map[string]Text{"k": t},
		"mapkey":   map[Text]int{t: 1},
		"array":    [1]Text{t},
		"any":      []any{t, &t},
		"struct":   exported{"n", t, map[string]Text{"k": t}},
		"pstruct":  &exported{"n", t, map[string]Text{"k": t}},
		"hidden":   hidden{"n", t, &t, []Text{t}},
		"phidden":  &hidden{"n", t, &t, []Text{t}},
		"set":      Set{"k": t},
		"nested":   []hidden{{"n", t, &t, []Text{t}}},
		"resolver": &Resolver{found: map[string]Text{"k": t}},
	}
}

// leaks reports whether out holds the value, or its bytes as %x, %X, %d and %q write them.
func leaks(out string) bool {
	for _, f := range []string{"%s", "%x", "%X", "%d", "%q"} {
		if strings.Contains(out, strings.Trim(fmt.Sprintf(f, []byte(value)), `[]"`)) {
			return true
		}
	}
	return false
}

func TestTextNeverPrints(t *testing.T) {
	t.Parallel()
	for name, shape := range shapes() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "% x", "%#q", "%10s", "%U", "%e", "%w", "%z"} {
			if out := fmt.Sprintf(verb, shape); leaks(out) {
				t.Errorf("%s of %s leaks: %s", verb, name, out)
			}
		}
		if out := fmt.Sprint(shape) + fmt.Sprintln(shape); leaks(out) {
			t.Errorf("Sprint of %s leaks: %s", name, out)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "k", shape)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "k", shape, slog.Group("g", "k", shape))
		if leaks(log.String()) {
			t.Errorf("slog of %s leaks: %s", name, log.String())
		}
		// An encoder may refuse a shape; what it wrote by then counts.
		js, _ := json.Marshal(shape)
		ym, _ := yaml.Marshal(shape)
		xm, _ := xml.Marshal(shape)
		var gb bytes.Buffer
		_ = gob.NewEncoder(&gb).Encode(shape)
		if out := string(js) + string(ym) + string(xm) + gb.String(); leaks(out) {
			t.Errorf("an encoding of %s leaks: %s", name, out)
		}
	}
}

func TestTextSaysRedacted(t *testing.T) {
	t.Parallel()
	s := New(value)
	js, err := json.Marshal(exported{"n", s, map[string]Text{"k": s}})
	if want := `{"Name":"n","Key":"[redacted]","More":{"k":"[redacted]"}}`; string(js) != want || err != nil {
		t.Errorf("JSON: got %s, %v, want %s", js, err, want)
	}
	ym, err := yaml.Marshal(map[string]Text{"k": s})
	if err != nil || !strings.Contains(string(ym), "[redacted]") {
		t.Errorf("YAML: got %s, %v", ym, err)
	}
	for _, verb := range []string{"%v", "%s", "%q", "%x", "%d", "%#v"} {
		if got := fmt.Sprintf(verb, s); got != Redacted {
			t.Errorf("%s: got %s", verb, got)
		}
	}
	if s.Reveal() != value || s.IsZero() || !(Text{}).IsZero() || (Text{}).Reveal() != "" || New("").IsZero() {
		t.Error("Reveal or IsZero is wrong")
	}
}
