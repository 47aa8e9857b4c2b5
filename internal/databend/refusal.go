package databend

import (
	"regexp"
	"strings"
)

// refusals are what an object store says, as the server passes it on, and what the server says of a location; the first that matches
// holds. There is nothing but their words to tell them apart by. $1 is what is said in the brackets.
var refusals = []struct {
	says  *regexp.Regexp
	means string
	mend  string // {} is where the keys and the endpoint stand
}{
	{regexp.MustCompile(`InvalidAccessKeyId`), "the object store does not know the access key", "mend the keys in {}"},
	{
		regexp.MustCompile(`SignatureDoesNotMatch`), "the object store refuses the keys: the secret key does not belong to the access key",
		"mend the keys in {}",
	},
	{
		regexp.MustCompile(`ExpiredToken|TokenRefreshRequired|InvalidToken`), "the keys have expired: their token is too old",
		"mend the keys in {}",
	},
	{regexp.MustCompile(`LoadCredential|loading credential`), "the keys cannot be read", "mend the keys in {}"},
	{
		regexp.MustCompile(`NoSuchBucket|NoSuchContainer|bucket does not exist`), "there is no such bucket",
		"mend its name in {}, or make it",
	},
	{
		regexp.MustCompile(`AuthorizationHeaderMalformed.*expecting '([\w-]+)'`), "the bucket is in the region $1",
		"mend REGION in {}",
	},
	{
		regexp.MustCompile(`PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|TemporaryRedirect|status: 301`),
		"the bucket is in another region", "mend REGION in {}",
	},
	{
		regexp.MustCompile(`RequestTimeTooSkewed`), "the clocks of the server and of the object store are too far apart",
		"set the clock of the machine that Databend runs on",
	},
	{
		regexp.MustCompile(`AccessDenied|AllAccessDisabled|PermissionDenied|status: 403`),
		"the object store refuses to list: the keys have no right to",
		"mend the keys in {}, or give them the right to list and to read (s3:ListBucket, s3:GetObject)",
	},
	{regexp.MustCompile(`region is missing`), "no region is named", "write REGION into {}"},
	{regexp.MustCompile(`endpoint_url is required`), "no endpoint is named", "write ENDPOINT_URL into {}"},
	{
		regexp.MustCompile(`url must be valid: \w*Ipv4`), "the bucket goes before the endpoint, which must be a name and no address",
		"mend ENDPOINT_URL in {}",
	},
	{
		regexp.MustCompile(`connection params invalid:.*got \[(.*?)\]`), "its CONNECTION has what such a location does not take: $1",
		"mend {}",
	},
	{
		regexp.MustCompile(`get connection_name (.+?): UnknownConnection`), "there is no CONNECTION $1",
		"make it in a migration, or mend {}",
	},
	{regexp.MustCompile(`URI protocol (\S+) is not supported`), "the server reads no $1:// locations", "mend {}"},
	{regexp.MustCompile(`SlowDown|ServiceUnavailable|InternalError`), "the object store cannot answer now", "try again"},
	{
		regexp.MustCompile(`(?i)dns error|no such host`), "the object store cannot be reached: its host name is not known",
		"mend ENDPOINT_URL in {}",
	},
	{regexp.MustCompile(`(?i)certificate`), "the object store's certificate is not accepted", "mend ENDPOINT_URL in {}"},
	{
		regexp.MustCompile(`(?i)connection refused|error sending request|connect error|timed out|no route to host|send http request`),
		"the object store cannot be reached", "mend ENDPOINT_URL in {}, or try again",
	},
}

// InStage is where the keys and the endpoint of a stage stand: it keeps those that its CONNECTION had when it was made.
func InStage(stage string) string {
	return "the stage " + stage + " (a new migration: CREATE OR REPLACE CONNECTION, where it has one, and CREATE OR REPLACE STAGE)"
}

// StoreRefusal says what the words of an object store mean, and what to do. at is where its keys and its endpoint stand.
func StoreRefusal(text, at string) (means, mend string, ok bool) {
	for _, r := range refusals {
		if m := r.says.FindStringSubmatchIndex(text); m != nil {
			return string(r.says.ExpandString(nil, r.means, text, m)), strings.ReplaceAll(r.mend, "{}", at), true
		}
	}
	return "", "", false
}
