-- +goose Up
CREATE TABLE frame_events (
  frame_id     STRING NOT NULL COMMENT 'Key of a frame',
  video_id     STRING NOT NULL COMMENT 'citydrive_videos.video_id',
  frame_index  INT COMMENT 'Number of the frame in its video',
  collected_at TIMESTAMP COMMENT 'When the frame was taken, UTC',
  event_tag    STRING COMMENT 'What was detected, such as hard_brake',
  risk_score   DOUBLE COMMENT 'From 0 (harmless) to 1',
  speed_kmh    DOUBLE
) CLUSTER BY (to_yyyymmdd(collected_at))
  COMMENT = 'What was detected, one row per frame of interest';

-- +goose Down
DROP TABLE frame_events;
