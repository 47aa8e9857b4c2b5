-- A vector index costs 13 to 18 times the load without one; queries by distance need it.
-- +goose Up
CREATE TABLE frame_embeddings (
  frame_id      STRING NOT NULL COMMENT 'frame_events.frame_id',
  video_id      STRING NOT NULL COMMENT 'citydrive_videos.video_id',
  sensor_view   STRING COMMENT 'Camera the frame was seen by',
  embedding     VECTOR({{ var "embedding_dim" }}) COMMENT 'Made by encoder_build; compared by cosine distance',
  encoder_build STRING COMMENT 'Version of the encoder: only vectors of one version compare',
  created_at    TIMESTAMP COMMENT 'When the vector was made, UTC',
  VECTOR INDEX idx_embedding (embedding) distance = 'cosine'
) COMMENT = 'Embeddings of frames, one row per frame, view and encoder';

-- +goose Down
DROP TABLE frame_embeddings;
