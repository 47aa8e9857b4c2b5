-- A migration is applied once in each environment, in the order of the numbers. `dbctl migrate create NAME` makes the next file.
-- The keys are names here: the values come from the environment, or from --env-file, and are written down nowhere.
-- +goose Up
CREATE CONNECTION @NAME@_s3
  STORAGE_TYPE = 's3'
  ACCESS_KEY_ID = {{ secret "AWS_ACCESS_KEY_ID" }}
  SECRET_ACCESS_KEY = {{ secret "AWS_SECRET_ACCESS_KEY" }};

CREATE STAGE @NAME@_stage
  URL = 's3://{{ var "bucket" }}/'
  CONNECTION = (CONNECTION_NAME = '@NAME@_s3');

-- `dbctl migrate down` runs this part: it undoes what stands above.
-- +goose Down
DROP STAGE @NAME@_stage;
DROP CONNECTION @NAME@_s3;
