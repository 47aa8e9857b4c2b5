-- +goose Up
CREATE TABLE frame_geo_points (
  video_id       STRING NOT NULL COMMENT 'citydrive_videos.video_id',
  frame_id       STRING NOT NULL COMMENT 'frame_events.frame_id',
  position_wgs84 GEOMETRY COMMENT 'Longitude and latitude, SRID 4326',
  solution_grade INT COMMENT 'Quality of the fix, from 1 (best)',
  source_system  STRING,
  created_at     TIMESTAMP COMMENT 'UTC'
) COMMENT = 'Where frames were taken';

-- +goose Down
DROP TABLE frame_geo_points;
