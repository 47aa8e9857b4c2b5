-- The keys stand in Databend only; here and in dbctl's journal they are names.
-- +goose Up
CREATE OR REPLACE CONNECTION citydrive_s3
  STORAGE_TYPE = 's3'
  ACCESS_KEY_ID = {{ secret "AWS_ACCESS_KEY_ID" }}
  SECRET_ACCESS_KEY = {{ secret "AWS_SECRET_ACCESS_KEY" }}
{{- if has "s3_endpoint" }}
  ENDPOINT_URL = {{ var "s3_endpoint" | quote }}
{{- end }}
{{- if has "s3_region" }}
  REGION = {{ var "s3_region" | quote }}
{{- end }};

-- +goose Down
DROP CONNECTION IF EXISTS citydrive_s3;
