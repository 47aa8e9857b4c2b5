package exit

import (
	"errors"
	"fmt"
	"testing"
)

type coded Code

func (c coded) Error() string  { return "" }
func (c coded) ExitCode() Code { return Code(c) }

func TestOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want Code
	}{
		{nil, Done},
		{errors.New("x"), Failed},
		{coded(Usage), Usage},
		{fmt.Errorf("x: %w", coded(Locked)), Locked},
		{errors.Join(coded(Check), coded(Failed)), Failed},
		{errors.Join(coded(Failed), coded(Partly), coded(Check)), Partly},
		{errors.Join(coded(Usage), coded(Locked)), Locked},
		{errors.Join(coded(Usage), fmt.Errorf("x: %w", errors.Join(coded(Unreachable), coded(Check)))), Check},
		{errors.Join(coded(Interrupted)), Failed},
	} {
		if got := Of(test.err); got != test.want {
			t.Errorf("Of(%v): got %d, want %d", test.err, got, test.want)
		}
	}
}

type hinted string

func (h hinted) Error() string { return "" }
func (h hinted) Hint() string  { return string(h) }

func TestHint(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"":      errors.New("x"),
		"outer": fmt.Errorf("x: %w", errors.Join(hinted("outer"), hinted("inner"))),
	} {
		if got := Hint(err); got != want {
			t.Errorf("Hint(%v): got %q, want %q", err, got, want)
		}
	}
	if got := Hint(nil); got != "" {
		t.Errorf("Hint(nil): got %q", got)
	}
}
