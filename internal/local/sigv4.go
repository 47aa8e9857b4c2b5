package local

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AWS's Signature Version 4, both ways: what our client signs and what our store checks.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and …/sigv4-query-string-auth.html

const (
	algorithm = "AWS4-HMAC-SHA256"
	amzTime   = "20060102T150405Z"
)

// scope is date, region and service of a credential: what the signing key is made for.
type scope struct{ date, region, service string }

func (s scope) String() string { return s.date + "/" + s.region + "/" + s.service + "/aws4_request" }

// signature is the signature of a canonical request.
func signature(secretKey, at string, s scope, canonical string) string {
	key := []byte("AWS4" + secretKey)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(hmacSHA256(key, algorithm+"\n"+at+"\n"+s.String()+"\n"+hexSHA256([]byte(canonical))))
}

// canonicalRequest is the text that is signed. signed lists the header names, in lower case and sorted.
func canonicalRequest(r *http.Request, signed []string, payloadHash string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + awsEscape(r.URL.Path, true) + "\n" + canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
			if value == "" {
				value = r.URL.Host
			}
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		b.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + payloadHash)
	return b.String()
}

func canonicalQuery(q url.Values) string {
	var pairs []string
	for k, values := range q {
		if k == "X-Amz-Signature" {
			continue
		}
		for _, v := range values {
			pairs = append(pairs, awsEscape(k, false)+"="+awsEscape(v, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// awsEscape escapes as AWS does: all but letters, digits and -._~, and the slash where it stands in a path.
func awsEscape(s string, path bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0, c == '/' && path:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// sign signs a request whose body is payload. Its URL's path must be escaped by awsEscape.
func sign(r *http.Request, s Store, payload []byte, now time.Time) {
	at := now.UTC().Format(amzTime)
	hash := hexSHA256(payload)
	r.Header.Set("X-Amz-Date", at)
	r.Header.Set("X-Amz-Content-Sha256", hash)
	sc := scope{date: at[:8], region: s.Region, service: "s3"}
	signed := []string{"host", "x-amz-content-sha256", "x-amz-date"}
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s", algorithm, s.Key, sc,
		strings.Join(signed, ";"), signature(s.Secret.Reveal(), at, sc, canonicalRequest(r, signed, hash))))
}

// s3Error is an error in S3's own form.
type s3Error struct {
	status        int
	code, message string
}

const (
	maxSkew    = 15 * time.Minute   // between the time of a signature and ours: AWS's
	maxExpires = 7 * 24 * time.Hour // of a presigned address: AWS's
)

var errSkewed = &s3Error{
	http.StatusForbidden, "RequestTimeTooSkewed",
	"The difference between the request time and the server's time is too large.",
}

// verifyBody reads the body and checks it against the hash that was signed, where one was: a client may leave its body unsigned, and one
// that is signed piece by piece says so itself.
func verifyBody(r *http.Request) *s3Error {
	hash := r.Header.Get("X-Amz-Content-Sha256")
	if hash == "" || hash == "UNSIGNED-PAYLOAD" || strings.HasPrefix(hash, "STREAMING-") {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return &s3Error{http.StatusBadRequest, "IncompleteBody", "The body cannot be read"}
	}
	if hexSHA256(body) != hash {
		return &s3Error{
			http.StatusBadRequest, "XAmzContentSHA256Mismatch",
			"The provided 'x-amz-content-sha256' header does not match what was computed.",
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// credentials are what a request says of its signature.
type credentials struct{ credential, signed, given, at, payloadHash string }

// verify checks a request's signature, in its header or its query. It returns nil when the request is from the holder of the key, made
// just now, or to be made until now.
func verify(r *http.Request, key, secretKey string, now time.Time) *s3Error {
	var c credentials
	var e *s3Error
	if q := r.URL.Query(); strings.HasPrefix(r.Header.Get("Authorization"), algorithm+" ") {
		c, e = inHeader(r.Header, now)
	} else if q.Get("X-Amz-Algorithm") == algorithm {
		c, e = inQuery(q, now)
	} else {
		e = &s3Error{http.StatusForbidden, "AccessDenied", "Access Denied"}
	}
	if e != nil {
		return e
	}
	f := strings.Split(c.credential, "/")
	if len(f) != 5 {
		return &s3Error{http.StatusBadRequest, "AuthorizationHeaderMalformed", "The credential cannot be read"}
	}
	if !slices.Contains(strings.Split(c.signed, ";"), "host") || !strings.HasPrefix(c.at, f[1]) {
		return &s3Error{http.StatusForbidden, "AccessDenied", "The host is not signed, or the credential is of another day"}
	}
	if f[0] != key {
		return &s3Error{http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."}
	}
	canonical := canonicalRequest(r, strings.Split(c.signed, ";"), c.payloadHash)
	want := signature(secretKey, c.at, scope{date: f[1], region: f[2], service: f[3]}, canonical)
	if !hmac.Equal([]byte(want), []byte(c.given)) {
		return &s3Error{
			http.StatusForbidden, "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your key and signing method.",
		}
	}
	return nil
}

// inHeader reads a signature that stands in a request's header.
func inHeader(h http.Header, now time.Time) (c credentials, e *s3Error) {
	for part := range strings.SplitSeq(strings.TrimPrefix(h.Get("Authorization"), algorithm+" "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			c.credential = value
		case "SignedHeaders":
			c.signed = value
		case "Signature":
			c.given = value
		}
	}
	c.at, c.payloadHash = h.Get("X-Amz-Date"), h.Get("X-Amz-Content-Sha256")
	if made, err := time.Parse(amzTime, c.at); err != nil || now.Sub(made).Abs() > maxSkew {
		return c, errSkewed
	}
	for name := range h { // what is not signed may be anybody's
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(strings.Split(c.signed, ";"), name) {
			return c, &s3Error{http.StatusForbidden, "AccessDenied", "There were headers present in the request which were not signed: " + name}
		}
	}
	return c, nil
}

// inQuery reads the signature of a presigned address.
func inQuery(q url.Values, now time.Time) (credentials, *s3Error) {
	c := credentials{
		credential: q.Get("X-Amz-Credential"), signed: q.Get("X-Amz-SignedHeaders"), given: q.Get("X-Amz-Signature"),
		at: q.Get("X-Amz-Date"), payloadHash: "UNSIGNED-PAYLOAD",
	}
	made, err := time.Parse(amzTime, c.at)
	seconds, errSeconds := strconv.Atoi(q.Get("X-Amz-Expires"))
	expires := time.Duration(seconds) * time.Second
	switch {
	case err != nil || errSeconds != nil:
		return c, &s3Error{http.StatusBadRequest, "AuthorizationQueryParametersError", "X-Amz-Date or X-Amz-Expires cannot be read"}
	case seconds < 1 || expires > maxExpires:
		return c, &s3Error{http.StatusBadRequest, "AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800 seconds"}
	case made.Sub(now) > maxSkew:
		return c, errSkewed
	case now.After(made.Add(expires)):
		return c, &s3Error{http.StatusForbidden, "AccessDenied", "Request has expired"}
	}
	return c, nil
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
