-- Tasks need a cloud control or private-task service; without one this version is unsupported (code 1702 or 1402), and
-- dbctl load --all --every 10m does their work. The COPY of each stands in loads/.
-- +goose Up
CREATE OR REPLACE TASK task_load_citydrive_videos
  WAREHOUSE = {{ warehouse | quote }}
  SCHEDULE = 10 MINUTE
AS
{{ load "videos" }};

ALTER TASK task_load_citydrive_videos RESUME;

CREATE OR REPLACE TASK task_load_frame_events
  WAREHOUSE = {{ warehouse | quote }}
  SCHEDULE = 10 MINUTE
AS
{{ load "frame_events" }};

ALTER TASK task_load_frame_events RESUME;

CREATE OR REPLACE TASK task_load_frame_metadata_catalog
  WAREHOUSE = {{ warehouse | quote }}
  SCHEDULE = 10 MINUTE
AS
{{ load "manifests" }};

ALTER TASK task_load_frame_metadata_catalog RESUME;

CREATE OR REPLACE TASK task_load_frame_embeddings
  WAREHOUSE = {{ warehouse | quote }}
  SCHEDULE = 10 MINUTE
AS
{{ load "frame_embeddings" }};

ALTER TASK task_load_frame_embeddings RESUME;

CREATE OR REPLACE TASK task_load_frame_geo_points
  WAREHOUSE = {{ warehouse | quote }}
  SCHEDULE = 10 MINUTE
AS
{{ load "frame_locations" }};

ALTER TASK task_load_frame_geo_points RESUME;

CREATE OR REPLACE TASK task_load_signal_contact_points
  WAREHOUSE = {{ warehouse | quote }}
  SCHEDULE = 10 MINUTE
AS
{{ load "traffic_lights" }};

ALTER TASK task_load_signal_contact_points RESUME;

-- +goose Down
DROP TASK IF EXISTS task_load_signal_contact_points;
DROP TASK IF EXISTS task_load_frame_geo_points;
DROP TASK IF EXISTS task_load_frame_embeddings;
DROP TASK IF EXISTS task_load_frame_metadata_catalog;
DROP TASK IF EXISTS task_load_frame_events;
DROP TASK IF EXISTS task_load_citydrive_videos;
