-- Streams need an Enterprise licence; without one this version is unsupported (code 1402).
-- +goose Up
CREATE OR REPLACE STREAM frame_events_stream ON TABLE frame_events;

-- +goose Down
DROP STREAM IF EXISTS frame_events_stream;
