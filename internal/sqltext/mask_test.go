package sqltext

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMask(t *testing.T) {
	t.Parallel()
	const r = "[redacted]"
	tests := []struct{ sql, want string }{
		{"CREATE CONNECTION c STORAGE_TYPE='s3' REGION = 'eu' ACCESS_KEY_ID='hunter2' secret_access_key = 'hun''ter2'", "CREATE CONNECTION c STORAGE_TYPE='s3' REGION = 'eu' ACCESS_KEY_ID='" + r + "' secret_access_key = '" + r + "'"},
		{"COPY INTO t FROM 's3://b/' CONNECTION = (AWS_KEY_ID = 'hunter2' AWS_REGION='eu' ENDPOINT_URL='http://h')", "COPY INTO t FROM 's3://b/' CONNECTION = (AWS_KEY_ID = '" + r + "' AWS_REGION='eu' ENDPOINT_URL='http://h')"},
		{"SELECT * FROM 's3://b/' (CONNECTION => (TOKEN => 'hunter2'))", "SELECT * FROM 's3://b/' (CONNECTION => (TOKEN => '" + r + "'))"},
		{"CREATE USER u IDENTIFIED BY 'hunter2' WITH DEFAULT_ROLE='r'", "CREATE USER u IDENTIFIED BY '" + r + "' WITH DEFAULT_ROLE='r'"},
		{"ALTER USER u identified with sha256_password by 'hunter2'", "ALTER USER u identified with sha256_password by '" + r + "'"},
		{"CREATE DICTIONARY d (a INT) PRIMARY KEY a SOURCE(MYSQL(host='h' password='hunter2' db='x'))", "CREATE DICTIONARY d (a INT) PRIMARY KEY a SOURCE(MYSQL(host='h' password='" + r + "' db='x'))"},
		{"CREATE FUNCTION f(INT) RETURNS INT LANGUAGE python HEADERS = ('X-Authorization' = 'hunter2', 'x-y' = 'z') ADDRESS = 'http://h'", "CREATE FUNCTION f(INT) RETURNS INT LANGUAGE python HEADERS = ('X-Authorization' = '" + r + "', 'x-y' = '" + r + "') ADDRESS = 'http://h'"},
		{"CREATE NOTIFICATION INTEGRATION n TYPE = WEBHOOK ENABLED = TRUE WEBHOOK = (URL = 'https://u:hunter2@h/p' AUTHORIZATION_HEADER = 'bearer hunter2')", "CREATE NOTIFICATION INTEGRATION n TYPE = WEBHOOK ENABLED = TRUE WEBHOOK = (URL = '" + r + "' AUTHORIZATION_HEADER = '" + r + "')"},
		{"CREATE TASK t AS BEGIN COPY INTO a FROM 's3://b/' CONNECTION=(SECRET_ACCESS_KEY='hunter2'); END", "CREATE TASK t AS BEGIN COPY INTO a FROM 's3://b/' CONNECTION=(SECRET_ACCESS_KEY='" + r + "'); END"},
		{"EXECUTE IMMEDIATE 'CREATE CONNECTION c ACCESS_KEY_ID=''hunter2'''", `EXECUTE IMMEDIATE 'CREATE CONNECTION c ACCESS_KEY_ID=\'` + r + `\''`},
		{"EXECUTE IMMEDIATE $$ BEGIN CREATE USER u IDENTIFIED BY 'hunter2'; END; $$", "EXECUTE IMMEDIATE $$ BEGIN CREATE USER u IDENTIFIED BY '" + r + "'; END; $$"},
		{`SELECT '{"password": "hunter2", "a": 1}'`, `SELECT '{"password": "` + r + `", "a": 1}'`},
		{"COPY INTO t FROM 'azblob://c/' CONNECTION=(ACCOUNT_NAME='hunter2' ACCOUNT_KEY='hunter2')", "COPY INTO t FROM 'azblob://c/' CONNECTION=(ACCOUNT_NAME='" + r + "' ACCOUNT_KEY='" + r + "')"},
		{"SELECT 'http://h/p?token=hunter2&a=b'", "SELECT 'http://h/p?token=" + r + "&a=b'"},
		{"SELECT 'https://b.s3.amazonaws.com/k?X-Amz-Credential=hunter2%2F20260101&X-Amz-Signature=hunter2&x=1'", "SELECT 'https://b.s3.amazonaws.com/k?X-Amz-Credential=" + r + "&X-Amz-Signature=" + r + "&x=1'"},
		{"COPY INTO t FROM 'azblob://c/p?sv=1&sig=hunter2'", "COPY INTO t FROM 'azblob://c/p?sv=1&sig=" + r + "'"},
		{"COPY INTO t FROM 'https://h/k?AWSAccessKeyId=hunter2&Signature=hunter2&Expires=1'", "COPY INTO t FROM 'https://h/k?AWSAccessKeyId=" + r + "&Signature=" + r + "&Expires=1'"},
		{"authorization of hunter: AWS4-HMAC-SHA256 SignedHeaders=host, Signature=0123456789abcdef0123456789abcdef", "authorization of hunter: AWS4-HMAC-SHA256 SignedHeaders=host, Signature=" + r},
		{"SET GLOBAL enterprise_license = 'hunter2'", "SET GLOBAL enterprise_license = '" + r + "'"},
		{"it's posted to https://hooks.slack.com/services/T0/B0/hunter2 today", "it's posted to https://hooks.slack.com/" + r + " today"},
		{"SELECT 'https://discord.com/api/webhooks/12/hunter2', 'https://x.webhook.office.com/a/hunter2'", "SELECT 'https://discord.com/api/webhooks/" + r + "', 'https://x.webhook.office.com/" + r + "'"},
		{"SELECT 'https://h/k?X-Goog-Credential=hunter2&X-Goog-Signature=hunter2', 'https://h?OSSAccessKeyId=hunter2&x-oss-signature=hunter2'", "SELECT 'https://h/k?X-Goog-Credential=" + r + "&X-Goog-Signature=" + r + "', 'https://h?OSSAccessKeyId=" + r + "&x-oss-signature=" + r + "'"},
		{"posted to https://open.feishu.cn/open-apis/bot/v2/hook/hunter2 and https://x.y/cgi-bin/webhook/send?key=hunter2", "posted to https://open.feishu.cn/open-apis/bot/v2/hook/" + r + " and https://x.y/cgi-bin/webhook/" + r},
		{"S3Config { accessKeyId: 'hunter2', secret_access_key: Some(\"hunter2\") }", "S3Config { accessKeyId: '" + r + "', secret_access_key: Some(\"" + r + "\") }"},
		// A key whose quotes were forgotten: no server takes it, but the journal, an error and `dbctl show` would keep it.
		{"CREATE OR REPLACE CONNECTION c STORAGE_TYPE = 's3' ACCESS_KEY_ID = hunter2 SECRET_ACCESS_KEY = 1a/+hunter2== REGION = eu", "CREATE OR REPLACE CONNECTION c STORAGE_TYPE = 's3' ACCESS_KEY_ID = '" + r + "' SECRET_ACCESS_KEY = '" + r + "' REGION = eu"},
		{"COPY INTO t FROM 's3://b/' CONNECTION = (ACCESS_KEY_ID=hunter2, SECRET_ACCESS_KEY=/token=hunter2) PURGE = TRUE", "COPY INTO t FROM 's3://b/' CONNECTION = (ACCESS_KEY_ID='" + r + "', SECRET_ACCESS_KEY='" + r + "') PURGE = TRUE"},
		{"ALTER USER u IDENTIFIED BY $hunter2!; SELECT 1", "ALTER USER u IDENTIFIED BY '" + r + "'; SELECT 1"},
		// Kept: no key, or a placeholder.
		{"CREATE CONNECTION c ACCESS_KEY_ID = {{ secret \"A\" }}; UPDATE t SET token = other, password=pw", "CREATE CONNECTION c ACCESS_KEY_ID = {{ secret \"A\" }}; UPDATE t SET token = other, password=pw"},
		{"SELECT row_signature FROM t WHERE row_signature=computed_signature_of_row", "SELECT row_signature FROM t WHERE row_signature=computed_signature_of_row"},
		{"SELECT signature FROM t WHERE signature = 'abc' AND sig=b", "SELECT signature FROM t WHERE signature = 'abc' AND sig=b"},
		{"CREATE FUNCTION f(INT) RETURNS INT LANGUAGE python HEADERS = ('x-y' = {{ secret \"A\" }}) ADDRESS = 'http://h'", "CREATE FUNCTION f(INT) RETURNS INT LANGUAGE python HEADERS = ('x-y' = {{ secret \"A\" }}) ADDRESS = 'http://h'"},
		{"CREATE TABLE t (token INT, password STRING) COMMENT = 'a:b'; SELECT token FROM t WHERE a.token = b.token", "CREATE TABLE t (token INT, password STRING) COMMENT = 'a:b'; SELECT token FROM t WHERE a.token = b.token"},
		{`c ACCESS_KEY_ID = {{ secret "A" }} AUTHORIZATION_HEADER = 'Bearer {{ secret "B" }}'`, `c ACCESS_KEY_ID = {{ secret "A" }} AUTHORIZATION_HEADER = 'Bearer {{ secret "B" }}'`},
		{"CREATE STAGE s URL = 's3://bucket/a@b/' CONNECTION = (CONNECTION_NAME = 'c')", "CREATE STAGE s URL = 's3://bucket/a@b/' CONNECTION = (CONNECTION_NAME = 'c')"},
		{"PASSWORD_MIN_LENGTH = 8 SET PASSWORD POLICY = 'p'", "PASSWORD_MIN_LENGTH = 8 SET PASSWORD POLICY = 'p'"},
		// Text that does not scan.
		{"error: \n  --> SQL:1:20\n  |\n1 | CREATE CONNECTION c ACCESS_KEY_ID='hunter2' secret_access_key='hunter2\n  | ^ doesn't", "error: \n  --> SQL:1:20\n  |\n1 | CREATE CONNECTION c ACCESS_KEY_ID='" + r + "' secret_access_key='" + r + "'t"},
		{"can't parse: ACCESS_KEY_ID = 'hunter2', near 'x", "can't parse: ACCESS_KEY_ID = '" + r + "', near 'x"},
		{"it's, it's: IDENTIFIED BY 'hunter2'", "it's, it's: IDENTIFIED BY '" + r + "'"},
		{"SECRET_ACCESS_KEY='hunter2", "SECRET_ACCESS_KEY='" + r + "'"},
		{`isn't EXECUTE IMMEDIATE 'X PASSWORD=''hunter2'' TOKEN=\'hunter2\'`, `isn't EXECUTE IMMEDIATE 'X PASSWORD=''` + r + `'' TOKEN=\'` + r + `\'`},
		{`{"error":"syntax: PASSWORD = \"hunter2\" near"`, `{"error":"syntax: PASSWORD = \"` + r + `\" near"`},
		{"$$ s3://k:hunter2@b/x", "$$ s3://" + r + "@b/x"},
		{"", ""},
	}
	for _, test := range tests {
		got := Mask(test.sql)
		if diff := cmp.Diff(got, test.want); diff != "" {
			t.Errorf("Mask(%q) (-got +want):\n%s", test.sql, diff)
		}
		if again := Mask(got); again != got {
			t.Errorf("Mask twice of %q: got %q, want %q", test.sql, again, got)
		}
		if Masked(got) != (got != test.sql) {
			t.Errorf("Masked(%q): got %t", got, Masked(got))
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("Mask(%q) shows the secret: %q", test.sql, got)
		}
	}
}

func TestSecretLiterals(t *testing.T) {
	t.Parallel()
	sql := `CREATE CONNECTION c REGION='eu' ACCESS_KEY_ID = {{ secret "A" }} SECRET_ACCESS_KEY = 'hunter2'; EXECUTE IMMEDIATE 'x IDENTIFIED BY ''a'''`
	var got []string
	for _, s := range SecretLiterals(sql) {
		got = append(got, sql[s[0]:s[1]])
	}
	if diff := cmp.Diff(got, []string{"'hunter2'", "'x IDENTIFIED BY ''a'''"}); diff != "" {
		t.Errorf("SecretLiterals (-got +want):\n%s", diff)
	}
	if got := SecretLiterals("PASSWORD = 'a"); got != nil {
		t.Errorf("SecretLiterals of text that does not scan: got %v", got)
	}
}

// FuzzMask hides a key whatever stands around it: whole statements, halves of them, prose with an apostrophe.
func FuzzMask(f *testing.F) {
	for _, s := range []string{"", "it's ", "/* ", "$$", "'", "\"", "CREATE CONNECTION c X = ", "EXECUTE IMMEDIATE 'a ", "\\", "url = 'http://", "PASSWORD = ", "IDENTIFIED BY ", "`", "--"} {
		f.Add(s, "' Y = 'z'")
		f.Add("", s)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "Zq7hunterZq7"
		if strings.Contains(before, secretOpen) || strings.Contains(after, secretOpen) {
			return
		}
		for _, text := range []string{"SECRET_ACCESS_KEY = '" + secret + "' ", " IDENTIFIED BY '" + secret + "' "} {
			src := before + " " + text + after
			masked := Mask(src)
			if strings.Contains(masked, secret) {
				t.Errorf("Mask(%q) shows the secret: %q", src, masked)
			}
		}
		_ = SecretLiterals(before)
	})
}
