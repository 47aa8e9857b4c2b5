package local

import (
	"os"
	"strconv"
	"strings"
)

// OtherUsers reports whether people other than us may log in on this machine, as far as its user table tells.
func OtherUsers() bool {
	text, err := os.ReadFile("/etc/passwd")
	return err == nil && otherUsers(string(text), os.Geteuid())
}

func otherUsers(passwd string, we int) bool {
	for line := range strings.Lines(passwd) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 7 {
			continue
		}
		id, err := strconv.Atoi(f[2])
		const nobody, people = 65534, 500 // macOS begins at 500, Linux at 1000
		if err == nil && id >= people && id != nobody && id != we && !strings.HasSuffix(f[6], "nologin") && !strings.HasSuffix(f[6], "false") {
			return true
		}
	}
	return false
}
