package local

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/secret"
)

// The files of a project's .dbctl folder that are ours. dev.json says where the daemon is; dev.lock is held while one is looked
// for or started; data.json says which files of the data folder were put into the bucket of which daemon.
const (
	folder     = ".dbctl"
	recordName = "dev.json"
	lockName   = "dev.lock"
	dataName   = "data.json"
)

// record is dev.json. It holds ports and no addresses: whatever the file says, the daemon is on the loopback interface.
type record struct {
	PID       int    `json:"pid"` // of the daemon
	EnginePID int    `json:"engine_pid"`
	Port      int    `json:"port"`
	User      string `json:"user"`
	Password  string `json:"password"` // also opens the daemon's control port
	S3Port    int    `json:"s3_port"`
	S3Region  string `json:"s3_region"`
	S3Key     string `json:"s3_key"`
	S3Secret  string `json:"s3_secret"`
	Control   int    `json:"control_port"`
	Echo      string `json:"echo"` // a random value that tells this daemon from others
	Version   string `json:"version"`
	Isolated  bool   `json:"isolated"`
	StartedAt string `json:"started_at"`
}

func readRecord(dir string) (*record, error) {
	text, err := readOwn(filepath.Join(dir, folder, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", recordName, err)
	}
	var r record
	if json.Unmarshal(text, &r) != nil {
		return nil, nil // of another version, or no file of ours: as good as none
	}
	return &r, nil
}

func (r *record) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = writeFile(filepath.Join(dir, folder, recordName), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", recordName, err)
	}
	return nil
}

func (r *record) engine() *Engine {
	return &Engine{
		Host: "127.0.0.1", Port: r.Port, User: r.User, Password: secret.New(r.Password), PID: r.PID, Version: r.Version, Isolated: r.Isolated,
		S3: Store{
			Endpoint: "http://127.0.0.1:" + strconv.Itoa(r.S3Port), Region: r.S3Region, Key: r.S3Key, Secret: secret.New(r.S3Secret),
		},
	}
}

var errNotOurs = errors.New("it is no regular file of yours")

// readOwn reads a regular file of ours, whole.
func readOwn(path string) ([]byte, error) {
	f, err := openOwn(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const most = 64 << 20 // data.json of a million files
	return io.ReadAll(io.LimitReader(f, most))
}

// prepareFolder makes dir/.dbctl, readable by its owner only, and keeps it out of git. What is there already may have come with the
// project from somebody else: a link in its place would put the engine's keys where others read them.
func prepareFolder(dir string) error {
	path := filepath.Join(dir, folder)
	err := os.MkdirAll(path, 0o700)
	for at := path; err == nil; at = filepath.Dir(at) { // .dbctl, or .dbctl/NAME/.dbctl of an engine that has a name
		info, statErr := os.Lstat(at)
		switch {
		case statErr != nil:
			err = statErr
		case !info.IsDir() || !isOurs(info):
			err = fmt.Errorf("%s is no folder of yours: remove it, it holds nothing that lasts", at)
		case info.Mode().Perm()&0o077 != 0:
			err = os.Chmod(at, 0o700)
		}
		if !strings.Contains(filepath.Dir(at)+string(filepath.Separator), string(filepath.Separator)+folder+string(filepath.Separator)) {
			break
		}
	}
	if err == nil {
		if _, missing := os.Stat(filepath.Join(path, ".gitignore")); missing != nil {
			err = writeFile(filepath.Join(path, ".gitignore"), []byte("*\n"), 0o644)
		}
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", folder, err)
	}
	return nil
}

// controlClient talks to a daemon's control port. A daemon that is alive answers at once.
var controlClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// control asks the daemon of a record something and returns its answer.
func (r *record) control(ctx context.Context, method, path string, within time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+strconv.Itoa(r.Control)+path, nil)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(path, echoPath) {
		// The password goes only to one that proved itself.
		req.SetBasicAuth(r.User, r.Password)
	}
	resp, err := controlClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the daemon answered %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	return string(text), err
}

// alive reports whether the daemon of a record is there and not about to leave.
func (r *record) alive(ctx context.Context) bool {
	key, err := userKey()
	if err != nil || r.Echo == "" {
		return false
	}
	challenge := randomHex(32)
	said, err := r.control(ctx, http.MethodGet, echoPath+"?challenge="+challenge, 5*time.Second)
	return err == nil && hmac.Equal([]byte(said), []byte(r.proof(key, challenge)))
}

// proof is the daemon's answer to a challenge: it has the key of the user, which no folder and no other user has, and is the one that
// this record is about. Whoever took its port when it was killed, or wrote a dev.json of his own, cannot answer.
func (r *record) proof(key []byte, challenge string) string {
	about, _ := json.Marshal(r) // texts and numbers
	return hex.EncodeToString(hmacSHA256(key, "dbctl daemon\x00"+challenge+"\x00"+string(about)))
}

// userKey is the secret that the daemons of a user prove themselves with. It lies in the user's cache and is made at the first use.
func userKey() ([]byte, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(cache, "key")
	for range 2 {
		if key, err := readOwn(path); err == nil && len(key) == 64 {
			return key, nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the user's key: %w", err)
		}
		own := path + "." + randomHex(8)
		if err := writeFile(own, []byte(randomHex(32)), 0o600); err != nil {
			return nil, fmt.Errorf("write the user's key: %w", err)
		}
		err = os.Link(own, path) // the first one stays
		_ = os.Remove(own)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("write the user's key: %w", err)
		}
	}
	return nil, fmt.Errorf("the user's key %s is damaged: remove it", path)
}
