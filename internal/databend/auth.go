package databend

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/secret"
)

// credentials makes the Authorization header. A token file is read for each request, so that a rotated token is used at once.
type credentials struct {
	user  string
	text  secret.Text // password or token
	basic bool
	file  string
	scrub *secret.Scrubber

	mu   sync.Mutex
	last string // the token last read from file
}

func newCredentials(cfg Config) (*credentials, error) {
	c := &credentials{user: cfg.User, file: cfg.AccessTokenFile, scrub: cfg.Scrub}
	switch {
	case !cfg.Password.IsZero():
		c.basic, c.text, c.file = true, cfg.Password, ""
		if c.user == "" {
			return nil, &Error{
				Kind: KindAuth, Message: "a password is set, but no user",
				Advice: "write the user into the DSN (databend://user@host/database) or set user in dbctl.yaml",
			}
		}
	case cfg.AccessTokenFile != "":
	case !cfg.AccessToken.IsZero():
		c.text = cfg.AccessToken
	case cfg.User != "":
		c.basic, c.text = true, secret.New("")
	default:
		return nil, &Error{
			Kind: KindAuth, Message: "neither a user nor an access token is set",
			Advice: "write the user into the DSN (databend://user@host/database), or set access_token or access_token_file in dbctl.yaml",
		}
	}
	if cfg.Scrub != nil && c.file == "" {
		if v := c.text.Reveal(); v != "" {
			cfg.Scrub.Add(c.text)
			if c.basic {
				cfg.Scrub.Add(secret.New(c.basicValue(v)))
			}
		}
	}
	return c, nil
}

func (c *credentials) basicValue(password string) string {
	return base64.StdEncoding.EncodeToString([]byte(c.user + ":" + password))
}

// header returns the Authorization header's value.
func (c *credentials) header() (string, error) {
	if c.basic {
		return "Basic " + c.basicValue(c.text.Reveal()), nil
	}
	if c.file == "" {
		return bearer(c.text.Reveal())
	}
	data, err := secret.ReadFile(c.file)
	c.mu.Lock()
	defer c.mu.Unlock()
	if token := tokenOf(string(data)); err == nil && token != "" {
		if token != c.last && c.scrub != nil {
			c.scrub.Add(secret.New(token))
		}
		c.last = token
	}
	if c.last == "" { // a file that is just being replaced does not stop a run that has a token
		if err != nil {
			return "", fmt.Errorf("read access_token_file: %w", err)
		}
		return "", errors.New("read access_token_file: it is empty")
	}
	return bearer(c.last)
}

func bearer(token string) (string, error) {
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("the access token holds a line break or control character")
	}
	return "Bearer " + token, nil
}

// tokenAssignment is the driver's other form of a token file: TOML with this key.
var tokenAssignment = regexp.MustCompile(`(?m)^\s*access_token\s*=\s*["']([^"']*)["']\s*(?:#.*)?$`)

func tokenOf(content string) string {
	content = strings.TrimPrefix(content, "\ufeff")
	if m := tokenAssignment.FindStringSubmatch(content); m != nil {
		content = m[1]
	}
	return strings.TrimSpace(content)
}

// tokenPatience is how long a refused token file is read again: whoever renews it may be a moment late, or be writing it just now.
const tokenPatience = time.Second

// renewed reports whether the header is another than the one that was used, so that trying again makes sense. It waits for a
// token file to change.
func (c *credentials) renewed(ctx context.Context, used string) bool {
	if c.file == "" {
		return false
	}
	for until := time.Now().Add(tokenPatience); ; {
		if now, err := c.header(); err == nil && now != used {
			return true
		}
		if time.Now().After(until) {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
}
