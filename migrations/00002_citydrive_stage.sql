-- A stage copies the keys of its connection when it is made: after a change of keys, run this again.
-- +goose Up
CREATE OR REPLACE STAGE citydrive_stage
  URL = 's3://{{ var "bucket" }}/raw/'
  CONNECTION = (CONNECTION_NAME = 'citydrive_s3')
  FILE_FORMAT = (TYPE = 'PARQUET');

-- +goose Down
DROP STAGE IF EXISTS citydrive_stage;
