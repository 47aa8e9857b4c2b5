-- +goose Up
CREATE TABLE frame_metadata_catalog (
  doc_id      STRING NOT NULL COMMENT 'Key of a manifest; that of its frame',
  meta_json   VARIANT COMMENT 'The manifest as it was written',
  captured_at TIMESTAMP COMMENT 'When the frame was taken, UTC',
  INVERTED INDEX idx_meta_json (meta_json)
) COMMENT = 'Manifests of frames as JSON, for QUERY()';

-- +goose Down
DROP TABLE frame_metadata_catalog;
