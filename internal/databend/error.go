package databend

// Kind is what sort of thing went wrong.
type Kind string

// The kinds. Any other Databend code has its own name as kind ("UnknownTable").
const (
	KindUnreachable Kind = "Unreachable"    // nothing was tried: exit 6
	KindAuth        Kind = "Authentication" // wrong user, password or token
	KindUnknown     Kind = "UnknownOutcome" // sent, and no trustworthy answer: it may or may not have run
	KindCanceled    Kind = "Canceled"       // ended by us on the server; it did not take effect
	KindTimeout     Kind = "Timeout"        // ended by --timeout
)

// Error is a statement or connection that failed.
type Error struct {
	Kind    Kind
	Code    int    // Databend's, 0 if none
	Name    string // of Code: "UnknownTable"
	Message string // scrubbed, without stack traces
	QueryID string
	SQL     string // masked, placeholders for secrets
	File    string
	Line    int
	Column  int
	Caret   string // source line and caret, may be empty
	Hint    string
	Err     error // cause
}

func (e *Error) Error() string { panic("not built yet") }

func (e *Error) Unwrap() error { return e.Err }

// CodeName returns Databend's name of an error code, or "".
func CodeName(code int) string { panic("not built yet") }

// IsCode reports whether err is an Error with one of these codes.
func IsCode(err error, codes ...int) bool { panic("not built yet") }

// IsUnknownOutcome reports whether err leaves open whether the statement ran.
func IsUnknownOutcome(err error) bool { panic("not built yet") }
