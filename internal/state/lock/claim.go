package lock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/state/store"
)

// Owner is the process behind a claim.
type Owner struct {
	User  string `json:"user,omitempty"`
	Host  string `json:"host,omitempty"`
	Boot  string `json:"boot,omitempty"`  // boot id of the kernel
	PIDNS string `json:"pidns,omitempty"` // pid namespace
	PID   int    `json:"pid,omitempty"`
	Start string `json:"start,omitempty"` // when the process started, in clock ticks since boot
}

func (o Owner) String() string {
	s := o.User + "@" + o.Host
	if o.PID != 0 {
		s += " pid " + strconv.Itoa(o.PID)
	}
	return s
}

// self is this process.
func self(a store.Actor) Owner {
	o := Process(os.Getpid())
	o.User, o.Host = a.OSUser, a.Host
	return o
}

// Process is a process of this machine.
func Process(pid int) Owner {
	o := Owner{PID: pid, Start: startOf(pid)}
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		o.Boot = strings.TrimSpace(string(b))
	}
	if ns, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		o.PIDNS = ns
	}
	return o
}

// startOf is the start time of a process of this pid namespace, "" when there is none.
func startOf(pid int) string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	// The name in parentheses may hold anything; starttime is field 22.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return ""
	}
	return f[19]
}

// gone reports whether the process certainly ended: same boot, same pid namespace, and no such process.
func (o Owner) gone() bool {
	me := self(store.Actor{})
	if o.Boot == "" || o.PIDNS == "" || o.Start == "" || o.Boot != me.Boot || o.PIDNS != me.PIDNS {
		return false
	}
	return startOf(o.PID) != o.Start
}

// Claim is the comment of a table that says who holds a lock: a migration run's own table, or the lock of a target table.
type Claim struct {
	Lock  string `json:"lock"`            // name of the lock
	What  string `json:"what"`            // for people
	Run   string `json:"run"`             // id
	Phase string `json:"phase"`           // waiting (wants the lock) or holding
	Token string `json:"token,omitempty"` // random, of a table lock
	Owner Owner  `json:"owner"`
	TTLMS int64  `json:"ttl_ms"`
	Beat  int64  `json:"beat"` // counts the heartbeats, so that each comment differs
	// Writes are the tables that the run will write, or copy into others: loads refuse them. database.*: all of it; ["*"]: any.
	Writes []string        `json:"writes,omitempty"`
	Mark   json.RawMessage `json:"mark,omitempty"`

	table table
}

const (
	phaseWaiting = "waiting"
	phaseHolding = "holding"
	// claimHolding is how the phase reads inside a comment.
	claimHolding = `"phase":"holding"`
)

// claimOf is how the lock's name reads inside a comment.
func claimOf(lock string) string { return `"lock":"` + lock + `",` }

// Comment is the claim as it stands in a comment.
func (c Claim) Comment() string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	// A Claim has nothing that cannot be encoded.
	_ = e.Encode(c)
	return strings.TrimSpace(b.String())
}

// ReadClaim reads the comment of a claim that is kept elsewhere.
func ReadClaim(comment string) (Claim, bool) { return parseClaim(table{comment: comment}) }

func parseClaim(t table) (Claim, bool) {
	var c Claim
	if !strings.HasPrefix(t.comment, "{") || json.Unmarshal([]byte(t.comment), &c) != nil || c.Lock == "" {
		return Claim{}, false
	}
	c.table = t
	return c, true
}

func (c Claim) ttl() time.Duration { return time.Duration(c.TTLMS) * time.Millisecond }

// age is how long the owner has not beaten, by the server's clock.
func (c Claim) age(now time.Time) time.Duration { return now.Sub(c.table.updated) }

// Silent is the server's time from which its owner sends nothing any more, zero where it is not known.
func (c Claim) Silent() time.Time {
	if c.table.updated.IsZero() {
		return time.Time{}
	}
	return c.table.updated.Add(c.ttl())
}

// fenced reports whether the claim was taken from its owner.
func (c Claim) fenced() bool { return strings.HasPrefix(c.table.name, fencedPrefix) }

// Dead reports whether the owner is gone: certainly, or by not beating for longer than its TTL.
func (c Claim) Dead(now time.Time) bool { return c.fenced() || c.Owner.gone() || c.age(now) > c.ttl() }

// who describes the owner for people.
func (c Claim) who() string { return fmt.Sprintf("%s (run %s)", c.Owner, c.Run) }

// reason says why a claim is taken for dead.
func (c Claim) reason(now time.Time) string {
	if c.Owner.gone() {
		return "its process is gone"
	}
	return fmt.Sprintf("not heard of for %s, longer than its time to live of %s", c.age(now).Round(time.Second/10), c.ttl())
}
