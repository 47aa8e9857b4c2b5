-- +goose Up
CREATE TABLE signal_contact_points (
  node_id         STRING NOT NULL COMMENT 'Key of a traffic light',
  signal_position GEOMETRY COMMENT 'Of the traffic light, SRID 4326',
  video_id        STRING NOT NULL COMMENT 'citydrive_videos.video_id',
  frame_id        STRING NOT NULL COMMENT 'frame_events.frame_id',
  frame_position  GEOMETRY COMMENT 'Of the vehicle, SRID 4326',
  distance_m      DOUBLE COMMENT 'Between the two, in metres',
  created_at      TIMESTAMP COMMENT 'UTC'
) COMMENT = 'Traffic lights near frames';

-- +goose Down
DROP TABLE signal_contact_points;
