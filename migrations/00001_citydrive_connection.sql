-- The keys stand in Databend only; here and in dbctl's journal they are names. For a store that is not AWS add ENDPOINT_URL and REGION.
-- +goose Up
CREATE OR REPLACE CONNECTION citydrive_s3
  STORAGE_TYPE = 's3'
  ACCESS_KEY_ID = {{ secret "AWS_ACCESS_KEY_ID" }}
  SECRET_ACCESS_KEY = {{ secret "AWS_SECRET_ACCESS_KEY" }};

-- +goose Down
DROP CONNECTION IF EXISTS citydrive_s3;
