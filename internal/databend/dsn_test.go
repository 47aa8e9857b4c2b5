package databend

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/secret"
)

// parsed is a Config with its secrets shown.
type parsed struct {
	Host                    string
	Port                    int
	Plain                   bool
	User, Password, Token   string
	HasPassword             bool
	File, Tenant, Warehouse string
	Role, Database          string
	Settings                map[string]string
	ConnectTimeout          time.Duration
}

func show(c Config) parsed {
	return parsed{
		c.Host, c.Port, c.Plain, c.User, c.Password.Reveal(), c.AccessToken.Reveal(), !c.Password.IsZero(), c.AccessTokenFile, c.Tenant, c.Warehouse,
		c.Role, c.Database, c.Settings, c.ConnectTimeout,
	}
}

func TestParseDSN(t *testing.T) {
	t.Parallel()
	up := func(user, password string, p parsed) parsed {
		p.User, p.Password, p.HasPassword = user, password, true
		return p
	}
	h := parsed{Host: "h"}
	for dsn, want := range map[string]parsed{
		"databend://h":                                h,
		"databend://u@h":                              {Host: "h", User: "u"},
		"databend://u:@h":                             up("u", "", h),
		"databend://u:p@h:8000/db":                    up("u", "p", parsed{Host: "h", Port: 8000, Database: "db"}),
		"databend+http://u:p@h/":                      up("u", "p", parsed{Host: "h", Plain: true}),
		"https://u:p@h":                               up("u", "p", h),
		"databend://u:p@h?sslmode=disable":            up("u", "p", parsed{Host: "h", Plain: true}),
		"databend://u:p@h/db?sslmode=require":         up("u", "p", parsed{Host: "h", Database: "db"}),
		"databend://u:a%20b@h":                        up("u", "a b", h),
		"databend://u:a b@h":                          up("u", "a b", h),
		"databend://u:a+b@h":                          up("u", "a+b", h),
		"databend://u:p%2fss@h":                       up("u", "p/ss", h),
		"databend://u:p%40ss!@h":                      up("u", "p@ss!", h),
		"databend://u:100%@h":                         up("u", "100%", h),
		"databend://u:%zz%41@h":                       up("u", "%zzA", h),
		"databend://u:a@b@h":                          up("u", "a@b", h),
		"databend://u:a/b?c#d@h:1/db":                 up("u", "a/b?c#d", parsed{Host: "h", Port: 1, Database: "db"}),
		"databend://u:a@b/c@h:8000/db":                up("u", "a@b/c", parsed{Host: "h", Port: 8000, Database: "db"}),
		"databend://u:a@b?c=d@h:8000/db":              up("u", "a@b?c=d", parsed{Host: "h", Port: 8000, Database: "db"}),
		"databend://u:a:b::c@h":                       up("u", "a:b::c", h),
		"databend://u:pässwörd漢@h":                    up("u", "pässwörd漢", h),
		"databend://us%40er:p@h":                      up("us@er", "p", h),
		"databend://u:'; DROP@h":                      up("u", "'; DROP", h),
		"databend://h:8000/db?access_token=a@b":       {Host: "h", Port: 8000, Database: "db", Token: "a@b"},
		"databend://u:p@h/db?access_token=a@b":        up("u", "p", parsed{Host: "h", Database: "db", Token: "a@b"}),
		"databend://h/?access_token=a%2Bb+c==":        {Host: "h", Token: "a+b+c=="},
		"databend://[::1]/db":                         {Host: "::1", Database: "db"},
		"databend://u:p@[fe80::1%25eth0]:8000/db":     up("u", "p", parsed{Host: "fe80::1%eth0", Port: 8000, Database: "db"}),
		"databend://u:p@10.0.0.1:443/my%20db":         up("u", "p", parsed{Host: "10.0.0.1", Port: 443, Database: "my db"}),
		"databend://u@h?connect_timeout=5":            {Host: "h", User: "u", ConnectTimeout: 5 * time.Second},
		"databend://u@h?timezone=UTC&location=UTC":    {Host: "h", User: "u", Settings: map[string]string{"timezone": "UTC"}},
		"databend://u@h?wait_time_secs=3&sslmod=x":    {Host: "h", User: "u", Settings: map[string]string{"sslmod": "x"}},
		"databend://u@h?role":                         {}, // no value: an error
		"databend://u@h?tenant=t&warehouse=w&role=r":  {Host: "h", User: "u", Tenant: "t", Warehouse: "w", Role: "r"},
		"databend://u@h?max_threads=8&enable_x=1":     {Host: "h", User: "u", Settings: map[string]string{"max_threads": "8", "enable_x": "1"}},
		"databend://u@h/?access_token_file=/run/t%20": {Host: "h", User: "u", File: "/run/t "},
	} {
		got, err := ParseDSN(dsn)
		if want.Host == "" {
			if err == nil {
				t.Errorf("%s: got %+v, want an error", dsn, show(got))
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if diff := cmp.Diff(show(got), want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", dsn, diff)
		}
	}
}

func TestParseDSNNeverQuotes(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"", "topsecret", "postgres://u:topsecret@h", "topsecret://u@h", "databend://root:topsecret@ho st:8000", "databend://root:topsecret@h:port",
		"databend://root:topsecret@h:99999", "databend://root:topsecret@", "databend://root:topsecret@[::1", "databend://root:topsecret@h/db?=x",
		"databend://root:topsecret@h/a/b", "databend://root:topsecret@h?sslmode=topsecret", "databend://root:topsecret@h?debug=1", "databend://root:topsecret@h?login=disable",
		"databend://root:topsecret@h?query_result_format=arrow", "databend://root:topsecret@h?enable_otel=1", "databend://root:x@h?password=topsecret",
		"databend://u:topsecret@h?timeout=1s", "databend://u@h?topsecret=1&topsecret=2", "databend://u@h?connect_timeout=topsecret", "databend://u@h?timezone=topsecret&location=x",
	} {
		_, err := ParseDSN(dsn)
		if err == nil {
			t.Errorf("%s: got no error", dsn)
			continue
		}
		if strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: the error quotes it: %v", dsn, err)
		}
	}
}

func FuzzParseDSN(f *testing.F) {
	f.Add("u", "p@/?#%ss", "h")
	f.Fuzz(func(t *testing.T, user, password, db string) {
		enc := func(s string) string {
			var b strings.Builder
			for i := range len(s) {
				b.WriteByte('%')
				b.WriteByte("0123456789ABCDEF"[s[i]>>4])
				b.WriteByte("0123456789ABCDEF"[s[i]&15])
			}
			return b.String()
		}
		got, err := ParseDSN("databend://u" + enc(user) + ":" + enc(password) + "@h:8000/" + enc(db) + "?role=r")
		if err != nil {
			t.Fatal(err)
		}
		want := parsed{Host: "h", Port: 8000, User: "u" + user, Password: password, HasPassword: true, Database: db, Role: "r"}
		if diff := cmp.Diff(show(got), want); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
		_, _ = ParseDSN(user + password + db) // must not panic
	})
}

func TestTokenFiles(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"abc\n": "abc", "  abc\r\n\n": "abc", "access_token = \"abc\"\n": "abc", "# x\naccess_token='abc' # y": "abc", "\ufeffabc": "abc", "\n": "",
	} {
		if got := tokenOf(content); got != want {
			t.Errorf("%q: got %q, want %q", content, got, want)
		}
	}
	if _, err := bearer("a\nb"); err == nil || strings.Contains(err.Error(), "a\nb") {
		t.Errorf("got %v, want an error that does not quote the token", err)
	}
	if _, err := newCredentials(Config{AccessToken: secret.New("x"), User: "u"}); err != nil {
		t.Error(err)
	}
}
