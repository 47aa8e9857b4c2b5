package source

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
	"github.com/dbctl/dbctl/internal/sqltext/copytext"
)

// UnknownStage reports whether a stage was not there.
func UnknownStage(err error) bool { return databend.IsCode(err, databend.CodeUnknownStage) }

// storeWords are what servers and stores say, and what it means; the first that matches holds. $1 is what it says in its brackets.
var storeWords = []struct {
	says  *regexp.Regexp
	means string
	mend  string // {} is where
}{
	{regexp.MustCompile(`InvalidAccessKeyId`), "the store does not know the access key", "mend the keys in {}"},
	{regexp.MustCompile(`SignatureDoesNotMatch`), "the secret key does not belong to the access key", "mend the keys in {}"},
	{regexp.MustCompile(`ExpiredToken|TokenRefreshRequired|InvalidToken`), "the token has expired", "mend the keys in {}"},
	{regexp.MustCompile(`LoadCredential|loading credential`), "the keys cannot be read", "mend the keys in {}"},
	{regexp.MustCompile(`NoSuchBucket|NoSuchContainer|bucket does not exist`), "there is no such bucket", "mend its name in {}"},
	{regexp.MustCompile(`AuthorizationHeaderMalformed.*expecting '([\w-]+)'`), "the bucket is in the region $1", "mend REGION in {}"},
	{
		regexp.MustCompile(`PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|TemporaryRedirect|status: 301`),
		"the bucket is in another region", "mend REGION in {}",
	},
	{regexp.MustCompile(`AccessDenied|AllAccessDisabled|PermissionDenied`), "the keys may not list it", "mend the keys or their rights in {}"},
	{regexp.MustCompile(`region is missing`), "no region is named", "write REGION into {}"},
	{regexp.MustCompile(`endpoint_url is required`), "no endpoint is named", "write ENDPOINT_URL into {}"},
	{regexp.MustCompile(`url must be valid: \w*Ipv4`), "the bucket goes before the endpoint, which must be a name and no address", "mend ENDPOINT_URL in {}"},
	{regexp.MustCompile(`connection params invalid:.*got \[(.*?)\]`), "its CONNECTION has what such a location does not take: $1", "mend {}"},
	{regexp.MustCompile(`get connection_name (.+?): UnknownConnection`), "there is no CONNECTION $1", "make it in a migration, or mend {}"},
	{regexp.MustCompile(`URI protocol (\S+) is not supported`), "the server reads no $1:// locations", "mend {}"},
	{regexp.MustCompile(`RequestTimeTooSkewed`), "the server's clock is not the store's", "set the server's clock"},
	{regexp.MustCompile(`SlowDown|ServiceUnavailable|InternalError`), "the store cannot answer now", "try again"},
	{
		regexp.MustCompile(`(?i)dns error|connection refused|error sending request|connect error|timed out|no route to host|send http request`),
		"the store cannot be reached", "mend ENDPOINT_URL in {}, or try again",
	},
}

// Placed turns the engine's word about a missing table, stage or bucket into one that says what to do.
func (j *Load) Placed(err error) error {
	if databend.IsCode(err, databend.CodeUnknownTable, databend.CodeUnknownDatabase, databend.CodeUnknownCatalog) {
		return j.NoTable()
	}
	if UnknownStage(err) {
		return fault.Errorf(j.Name, exit.Failed, "dbctl migrate up", "the stage %s does not exist", j.Copy.Stage)
	}
	answer, ok := errors.AsType[*databend.Error](err)
	if !ok || answer.Code == 0 {
		return err
	}
	text := strings.Join(strings.Fields(fault.Message(err)), " ")
	if databend.IsCode(err, databend.CodeMetaService) && j.Own() {
		scheme, _, _ := strings.Cut(j.Copy.URI, "://")
		return &fault.Error{
			Load: j.Name, Exit: exit.Failed, Advice: "put the files where the server lists them (s3://, gcs://, a stage), and name that in " + j.Path,
			Msg: fmt.Sprintf("the server makes no stage over %s://, and without one it lists nothing", scheme), Err: short{err},
		}
	}
	for _, w := range storeWords {
		m := w.says.FindStringSubmatchIndex(text)
		if m == nil {
			continue
		}
		means := string(w.says.ExpandString(nil, w.means, text, m))
		return &fault.Error{
			Load: j.Name, Exit: exit.Failed, Msg: j.Place() + ": " + means, Err: short{err},
			Advice: strings.ReplaceAll(w.mend, "{}", j.keptIn()) + ": dbctl load " + j.Name + " --plan",
		}
	}
	return err
}

// keptIn is where a load's keys and endpoint stand.
func (j *Load) keptIn() string {
	switch name := copytext.FormatOptions(j.Copy.Connection)["CONNECTION_NAME"]; {
	case !j.Own():
		return "the stage " + j.Copy.Stage + " (in a migration)"
	case name != "":
		return "the connection " + name + " (in a migration), or in " + j.Path
	}
	return "the CONNECTION of " + j.Path
}

// short is the engine's word without the store's whole answer.
type short struct{ error }

func (s short) Unwrap() error { return s.error }

func (s short) Error() string {
	text, _, _ := strings.Cut(s.error.Error(), "context: {")
	text, _, _ = strings.Cut(text, "Context:")
	return fault.OneLine(text)
}

// NoTable is the error of a table that is not there.
func (j *Load) NoTable() error {
	return fault.Errorf(j.Name, exit.Failed, "dbctl migrate up", "the table %s does not exist", j.Target)
}
