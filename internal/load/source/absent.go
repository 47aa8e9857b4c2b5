package source

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/exit"
	"github.com/dbctl/dbctl/internal/load/fault"
)

// UnknownStage reports whether a stage was not there.
func UnknownStage(err error) bool { return databend.IsCode(err, databend.CodeUnknownStage) }

// storeWords are what stores say, and what it means; the first that matches holds.
var storeWords = []struct {
	says  *regexp.Regexp
	means string
	mend  string // behind "mend "
}{
	{regexp.MustCompile(`InvalidAccessKeyId`), "the store does not know the access key", "the keys"},
	{regexp.MustCompile(`SignatureDoesNotMatch`), "the secret key does not belong to the access key", "the keys"},
	{regexp.MustCompile(`ExpiredToken|TokenRefreshRequired|InvalidToken`), "the token has expired", "the keys"},
	{regexp.MustCompile(`NoSuchBucket|NoSuchContainer|bucket does not exist`), "there is no such bucket", "its name"},
	{
		regexp.MustCompile(`PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|TemporaryRedirect|status: 301`),
		"the bucket is in another region", "REGION",
	},
	{regexp.MustCompile(`AccessDenied|AllAccessDisabled|PermissionDenied`), "the keys may not list it", "the keys or their rights"},
	{regexp.MustCompile(`region is missing`), "no region is named", "REGION"},
	{
		regexp.MustCompile(`(?i)dns error|connection refused|error sending request|connect error|timed out|no route to host`),
		"the store cannot be reached", "ENDPOINT_URL, or try again",
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
	text := fault.Message(err)
	if databend.IsCode(err, databend.CodeMetaService) && j.Own() {
		scheme, _, _ := strings.Cut(j.Copy.URI, "://")
		return fault.Errorf(j.Name, exit.Failed, "load from a stage or an s3:// location",
			"the server makes no stage over %s, and without one it lists nothing: %s", scheme, fault.OneLine(text))
	}
	answer, ok := errors.AsType[*databend.Error](err)
	if !ok || answer.Code == 0 {
		return err
	}
	for _, w := range storeWords {
		if !w.says.MatchString(text) {
			continue
		}
		advice := fmt.Sprintf("mend %s in the CONNECTION of %s, then: dbctl load %s --plan", w.mend, j.Path, j.Name)
		if !j.Own() {
			advice = fmt.Sprintf("mend %s of the stage %s in a migration, then: dbctl load %s --plan", w.mend, j.Copy.Stage, j.Name)
		}
		return &fault.Error{Load: j.Name, Exit: exit.Failed, Advice: advice, Msg: j.Place() + ": " + w.means, Err: short{err}}
	}
	return err
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
