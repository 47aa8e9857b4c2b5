-- +goose Up
CREATE TABLE citydrive_videos (
  video_id      STRING NOT NULL COMMENT 'Key of a recording',
  vehicle_id    STRING COMMENT 'Vehicle that recorded it',
  capture_date  DATE COMMENT 'Day of the recording',
  route_name    STRING,
  weather       STRING,
  camera_source STRING COMMENT 'Camera and its place on the vehicle',
  duration_sec  INT COMMENT 'Length in seconds'
) CLUSTER BY (capture_date)
  COMMENT = 'Recordings, one row per video';

-- +goose Down
DROP TABLE citydrive_videos;
