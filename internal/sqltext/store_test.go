package sqltext

import (
	"strings"
	"testing"
)

// TestStoreEdits: S3 without an endpoint goes to the store, with the store's key; everything else stays as it is written.
func TestStoreEdits(t *testing.T) {
	t.Parallel()
	store := Store{Endpoint: "http://h:1", Region: "r", Key: "K", Secret: "S"}
	const all = "ENDPOINT_URL = 'http://h:1' REGION = 'r' ACCESS_KEY_ID = 'K' SECRET_ACCESS_KEY = 'S'"
	const key = "ACCESS_KEY_ID = 'K' SECRET_ACCESS_KEY = 'S'"
	for sql, want := range map[string]string{
		`CREATE OR REPLACE CONNECTION IF NOT EXISTS c STORAGE_TYPE = 's3' ACCESS_KEY_ID = {{ secret "A" }} SECRET_ACCESS_KEY = '{{ secret "B" }}'`: `CREATE OR REPLACE CONNECTION IF NOT EXISTS c STORAGE_TYPE = 's3' ` + all,
		`create connection c storage_type = 'S3' region = 'eu' role_arn = 'arn:x' external_id = 'e' -- why`:                                        `create connection c storage_type = 'S3' ENDPOINT_URL = 'http://h:1' ` + key + ` region = 'eu' -- why`,
		`CREATE CONNECTION c STORAGE_TYPE = 's3' ENDPOINT_URL = 'http://h:1' ACCESS_KEY_ID = 'x'`:                                                  `CREATE CONNECTION c STORAGE_TYPE = 's3' REGION = 'r' ` + key + ` ENDPOINT_URL = 'http://h:1'`,
		`CREATE CONNECTION c STORAGE_TYPE = 's3' ENDPOINT_URL = 'http://minio:9000' ACCESS_KEY_ID = {{ secret "A" }}`:                              "",
		`CREATE CONNECTION c STORAGE_TYPE = 'gcs' CREDENTIAL = {{ secret "s3" }}`:                                                                  "",
		`CREATE STAGE st URL = 's3://b/p/' FILE_FORMAT = (TYPE = CSV)`:                                                                             `CREATE STAGE st URL = 's3://b/p/' CONNECTION = (` + all + `) FILE_FORMAT = (TYPE = CSV)`,
		`CREATE STAGE st URL = 's3://b/' CONNECTION = (CONNECTION_NAME = 'c')`:                                                                     "",
		`CREATE STAGE st URL = 's3://b/' CONNECTION = (ACCESS_KEY_ID = {{ secret "A" }}, SECRET_ACCESS_KEY = {{ secret "B" }})`:                    `CREATE STAGE st URL = 's3://b/' CONNECTION = ( ` + all + ` )`,
		`CREATE CONNECTION c STORAGE_TYPE = 's3' ACCESS_KEY_ID = $AWS_ACCESS_KEY_ID`:                                                               "", // which no server takes
		`CREATE STAGE st URL = 's3://b/' CONNECTION = (ENABLE_VIRTUAL_HOST_STYLE = true, ACCESS_KEY_ID = AKIA)`:                                    "",
		`CREATE STAGE st URL = 's3://b/' CONNECTION = (ENABLE_VIRTUAL_HOST_STYLE = true)`:                                                          `CREATE STAGE st URL = 's3://b/' CONNECTION = ( ` + all + ` )`,
		`CREATE STAGE st URL = 'gcs://s3/' CONNECTION = (CREDENTIAL = {{ secret "A" }})`:                                                           "",
		`COPY INTO t FROM 's3://b/x.csv' FILE_FORMAT = (TYPE = CSV)`:                                                                               `COPY INTO t FROM 's3://b/x.csv' CONNECTION = (` + all + `) FILE_FORMAT = (TYPE = CSV)`,
		`COPY INTO 's3://b/out/' CONNECTION = (REGION = 'x') FROM t`:                                                                               `COPY INTO 's3://b/out/' CONNECTION = ( ENDPOINT_URL = 'http://h:1' ` + key + ` REGION = 'x') FROM t`,
		`SELECT * FROM 's3://b/x.parquet' (CONNECTION => (REGION => 'x'), PATTERN => '.*')`:                                                        `SELECT * FROM 's3://b/x.parquet' (CONNECTION => ( ENDPOINT_URL => 'http://h:1', ACCESS_KEY_ID => 'K', SECRET_ACCESS_KEY => 'S', REGION => 'x'), PATTERN => '.*')`,
		`INSERT INTO t VALUES ('s3://b/x', 'CONNECTION = (REGION = 1)')`:                                                                           "",
		`CREATE TABLE s3 (url STRING COMMENT 's3://b/')`:                                                                                           "",
	} {
		got, from := "", 0
		for _, e := range store.Edits(sql) {
			got += sql[from:e.Start] + e.Text
			from = e.End
		}
		got += sql[from:]
		if want == "" {
			want = sql
		}
		if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
		}
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		`CREATE STAGE st URL = 's3://shop-data/orders/'`:     "shop-data",
		`COPY INTO 's3://a' FROM (SELECT * FROM 'S3://b/x')`: "a b",
		`SELECT 's3://' -- 's3://c'`:                         "",
	} {
		if got := strings.Join(Buckets(sql), " "); got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
}
