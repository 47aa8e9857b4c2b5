package ledger

import (
	"testing"
	"time"
)

// What is known of a file says whether it is the one that was.
func TestSameObject(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 5_000)
	for _, tt := range []struct {
		is, was Object
		same    bool
	}{
		{Object{1, `"abcdefgh"`, at}, Object{1, `"abcdef`, at.Add(time.Hour)}, true},
		{Object{1, `"abcdefgh"`, at}, Object{1, `"xbcdef`, at}, false},
		{Object{2, "a", at}, Object{1, "a", at}, false},
		{Object{1, "", at}, Object{1, "a", at.Truncate(time.Second)}, true},
		{Object{1, "", at}, Object{1, "", at.Add(time.Second)}, false},
		{Object{1, "", time.Time{}}, Object{1, "", time.Time{}}, false},
		{Object{2, "", time.Time{}}, Object{1, "", time.Time{}}, false},
		{Object{1, "", time.Time{}}, Object{1, "a", time.Time{}}, false},
		{Object{1, "", at}, Object{1, "", time.Time{}}, false},
	} {
		if got := tt.is.Same(tt.was); got != tt.same {
			t.Errorf("%v, was %v: got %v", tt.is, tt.was, got)
		}
	}
}
