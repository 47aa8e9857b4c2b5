package databend

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dbctl/dbctl/internal/secret"
)

// ParseDSN reads databend://user:password@host:port/database?warehouse=…&sslmode=disable. Its errors never quote the DSN.
//
// The scheme is databend, databend+http, databend+https, http or https; one that ends in "http", and sslmode=disable, mean
// plain HTTP. User and password may hold any character raw; %XX is decoded where it is a valid escape. Any parameter that
// dbctl does not know is a session setting; one that dbctl pins has no effect. net/url is not used: it cannot read such passwords,
// and quotes them in its errors.
func ParseDSN(dsn string) (Config, error) {
	bad := func(format string, args ...any) (Config, error) {
		return Config{}, fmt.Errorf("read the DSN: "+format, args...)
	}
	scheme, rest, ok := strings.Cut(strings.TrimSpace(dsn), "://")
	if !ok {
		return bad("it must look like databend://user:password@host:port/database?warehouse=name")
	}
	var cfg Config
	switch strings.ToLower(scheme) {
	case "databend", "databend+https", "https":
	case "databend+http", "http":
		cfg.Plain = true
	default:
		return bad("its scheme must be databend (or databend+http for plain HTTP)")
	}
	userinfo, loc, err := splitUserinfo(rest)
	if err != nil {
		return bad("%w", err)
	}
	if userinfo != "" {
		user, password, ok := strings.Cut(userinfo, ":")
		cfg.User = unescape(user)
		if ok {
			cfg.Password = secret.New(unescape(password))
		}
	}
	cfg.Host, cfg.Port, cfg.Database = loc.host, loc.port, loc.database
	seen := map[string]bool{}
	for _, p := range loc.params {
		if seen[p.key] {
			return bad("parameter %s stands there twice", knownKey(p.key))
		}
		seen[p.key] = true
		if err := cfg.setParam(p.key, p.value); err != nil {
			return bad("%w", err)
		}
	}
	return cfg, nil
}

// splitUserinfo finds the @ that ends the userinfo: the first whose right side reads whole as host[:port][/database][?k=v…],
// since a password may hold @ / ? and #, and so may a token among the parameters hold @.
func splitUserinfo(rest string) (userinfo string, loc location, err error) {
	if loc, ok := parseLocation(rest); ok {
		return "", loc, nil
	}
	for i := range len(rest) {
		if rest[i] != '@' {
			continue
		}
		if loc, ok := parseLocation(rest[i+1:]); ok {
			return rest[:i], loc, nil
		}
	}
	return "", location{}, errors.New("its host, port, database or parameters cannot be read; write an IPv6 address in brackets, " +
		"and @ / ? # % in other places than the password as %40 %2F %3F %23 %25")
}

type location struct {
	host     string
	port     int
	database string
	params   []param
}

type param struct{ key, value string }

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)
	paramKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// IsHostName reports whether a text may be the name of a machine.
func IsHostName(s string) bool { return hostName.MatchString(s) }

func parseLocation(s string) (location, bool) {
	var loc location
	s, query, hasQuery := strings.Cut(s, "?")
	hostPort, database, _ := strings.Cut(s, "/")
	port := ""
	if strings.HasPrefix(hostPort, "[") {
		host, after, ok := strings.Cut(hostPort[1:], "]")
		host = unescape(host)
		if addr, err := netip.ParseAddr(host); !ok || err != nil || !addr.Is6() {
			return loc, false
		}
		if after != "" && after[0] != ':' {
			return loc, false
		}
		loc.host, port = host, strings.TrimPrefix(after, ":")
		if after == ":" {
			return loc, false
		}
	} else {
		host, p, ok := strings.Cut(hostPort, ":")
		if !IsHostName(host) || ok && p == "" {
			return loc, false
		}
		loc.host, port = host, p
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return loc, false
		}
		loc.port = int(n)
	}
	if strings.ContainsAny(database, "@/:#") {
		return loc, false
	}
	loc.database = unescape(database)
	if !hasQuery || query == "" {
		return loc, true
	}
	for kv := range strings.SplitSeq(query, "&") {
		key, value, ok := strings.Cut(kv, "=")
		if !ok || !paramKey.MatchString(key) {
			return loc, false
		}
		if strings.Contains(value, "@") && key != "access_token" {
			return loc, false
		}
		if key != "access_token" { // a token is base64: its + is a +
			value = strings.ReplaceAll(value, "+", " ")
		}
		loc.params = append(loc.params, param{key, unescape(value)})
	}
	return loc, true
}

// unescape decodes each valid %XX and leaves any other % as it is.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// knownKeys are the driver's parameters and ours. Only these are named in errors: what stands where a key should may be a
// piece of a password.
var knownKeys = map[string]string{ // what to do instead, for those that are refused
	"tenant": "", "warehouse": "", "role": "", "access_token": "", "access_token_file": "", "sslmode": "", "location": "", "timezone": "",
	"connect_timeout": "", "wait_time_secs": "", "max_rows_in_buffer": "", "max_rows_per_page": "", "presigned_url_disabled": "",
	"empty_field_as": "", "enable_http_compression": "",

	"timeout":             "use --timeout, which ends a statement on the server",
	"debug":               "it prints passwords",
	"enable_otel":         "leave it out",
	"login":               "leave it out; dbctl needs the login",
	"query_result_format": "leave it out; dbctl reads JSON",
	"tls_config":          "name the CA's PEM file in SSL_CERT_FILE",
	"tls_ca_file":         "name the CA's PEM file in SSL_CERT_FILE",
	"default_format":      "leave it out",
	"query":               "leave it out",
	"database":            "write it as the path: host/database",
	"user":                "write it before the host: user@host",
	"password":            "it stands before the host: user:password@host; or, in dbctl.yaml, in the secret that password: names",
}

func knownKey(key string) string {
	if _, ok := knownKeys[key]; ok {
		return key
	}
	return "(a session setting)"
}

func (cfg *Config) setParam(key, value string) error {
	instead, known := knownKeys[key]
	if instead != "" {
		return fmt.Errorf("parameter %s is not taken: %s", key, instead)
	}
	switch {
	case key == "tenant":
		cfg.Tenant = value
	case key == "warehouse":
		cfg.Warehouse = value
	case key == "role":
		cfg.Role = value
	case key == "access_token":
		cfg.AccessToken = secret.New(value)
	case key == "access_token_file":
		cfg.AccessTokenFile = value
	case key == "sslmode":
		switch value {
		case "disable":
			cfg.Plain = true
		case "", "enable", "require":
		default:
			return errors.New("sslmode must be disable or require")
		}
	case key == "connect_timeout":
		d, err := time.ParseDuration(value)
		if n, aerr := strconv.Atoi(value); aerr == nil {
			d, err = time.Duration(n)*time.Second, nil
		}
		if err != nil || d <= 0 {
			return errors.New("connect_timeout must be a duration: 60s")
		}
		cfg.ConnectTimeout = d
	case key == "location" || key == "timezone":
		if old, ok := cfg.Settings["timezone"]; ok && old != value {
			return errors.New("location and timezone differ")
		}
		cfg.setting("timezone", value)
	case known: // the driver's own tuning, of no effect here
	default:
		cfg.setting(key, value)
	}
	return nil
}

func (cfg *Config) setting(key, value string) {
	if cfg.Settings == nil {
		cfg.Settings = map[string]string{}
	}
	cfg.Settings[key] = value
}
