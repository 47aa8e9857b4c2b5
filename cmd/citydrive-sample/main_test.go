package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dbctl/dbctl/internal/databendtest"
)

// files runs the command and returns what it wrote, by path below raw/.
func files(t *testing.T, args ...string) map[string][]byte {
	t.Helper()
	out := t.TempDir()
	if err := run(append([]string{"--out", out}, args...), io.Discard); err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	err := filepath.WalkDir(filepath.Join(out, "raw"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		rel, _ := filepath.Rel(filepath.Join(out, "raw"), path)
		got[filepath.ToSlash(rel)] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSameFlagsSameBytes(t *testing.T) {
	t.Parallel()
	a, b := files(t, "--rows", "30", "--dim", "8"), files(t, "--rows", "30", "--dim", "8")
	if len(a) != 18 {
		t.Errorf("%d files, want 6 feeds of 3 days", len(a))
	}
	for path := range a {
		if !bytes.Equal(a[path], b[path]) {
			t.Errorf("%s differs between two runs", path)
		}
	}
	other := files(t, "--rows", "30", "--dim", "8", "--seed", "2")
	if bytes.Equal(a["frame-events/batch_2025_01_01.parquet"], other["frame-events/batch_2025_01_01.parquet"]) {
		t.Error("another seed gives the same frames")
	}
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--rows", "0"}, {"--days", "0"}, {"--dim", "-1"}, {"--from", "yesterday"}, {"--nope"}} {
		if err := run(append([]string{"--out", t.TempDir()}, args...), io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// The guide's COPY statements load the files, and the rows are worth asking about.
func TestGuideLoads(t *testing.T) {
	t.Parallel()
	e := databendtest.New(t)
	for path, content := range files(t, "--rows", "60") {
		e.Put(t, path, content)
	}
	stage := "sample_" + e.Database
	e.SQL(t, e.StageSQL(stage, "", "PARQUET"))
	t.Cleanup(func() { e.SQL(t, "DROP STAGE "+stage) })
	for _, sql := range []string{
		`CREATE TABLE citydrive_videos (video_id STRING, vehicle_id STRING, capture_date DATE, route_name STRING, weather STRING, camera_source STRING, duration_sec INT)`,
		`CREATE TABLE frame_events (frame_id STRING, video_id STRING, frame_index INT, collected_at TIMESTAMP, event_tag STRING, risk_score DOUBLE, speed_kmh DOUBLE)`,
		`CREATE TABLE frame_metadata_catalog (doc_id STRING, meta_json VARIANT, captured_at TIMESTAMP)`,
		`CREATE TABLE frame_embeddings (frame_id STRING, video_id STRING, sensor_view STRING, embedding VECTOR(768), encoder_build STRING, created_at TIMESTAMP)`,
		`CREATE TABLE frame_geo_points (video_id STRING, frame_id STRING, position_wgs84 GEOMETRY, solution_grade INT, source_system STRING, created_at TIMESTAMP)`,
		`CREATE TABLE signal_contact_points (node_id STRING, signal_position GEOMETRY, video_id STRING, frame_id STRING, frame_position GEOMETRY, distance_m DOUBLE, created_at TIMESTAMP)`,
		`COPY INTO citydrive_videos FROM (SELECT video_id::STRING, vehicle_id::STRING, capture_date::DATE, route_name::STRING, weather::STRING, camera_source::STRING, duration_sec::INT FROM @STAGE/videos/) FILE_FORMAT = (TYPE = 'PARQUET')`,
		`COPY INTO frame_events FROM (SELECT frame_id::STRING, video_id::STRING, frame_index::INT, collected_at::TIMESTAMP, event_tag::STRING, risk_score::DOUBLE, speed_kmh::DOUBLE FROM @STAGE/frame-events/) FILE_FORMAT = (TYPE = 'PARQUET')`,
		`COPY INTO frame_metadata_catalog FROM (SELECT doc_id::STRING, meta_json::VARIANT, captured_at::TIMESTAMP FROM @STAGE/manifests/) FILE_FORMAT = (TYPE = 'PARQUET')`,
		`COPY INTO frame_embeddings FROM (SELECT frame_id::STRING, video_id::STRING, sensor_view::STRING, embedding::VECTOR(768), encoder_build::STRING, created_at::TIMESTAMP FROM @STAGE/frame-embeddings/) FILE_FORMAT = (TYPE = 'PARQUET')`,
		`COPY INTO frame_geo_points FROM (SELECT video_id::STRING, frame_id::STRING, position_wgs84::GEOMETRY, solution_grade::INT, source_system::STRING, created_at::TIMESTAMP FROM @STAGE/frame-locations/) FILE_FORMAT = (TYPE = 'PARQUET')`,
		`COPY INTO signal_contact_points FROM (SELECT node_id::STRING, signal_position::GEOMETRY, video_id::STRING, frame_id::STRING, frame_position::GEOMETRY, distance_m::DOUBLE, created_at::TIMESTAMP FROM @STAGE/traffic-lights/) FILE_FORMAT = (TYPE = 'PARQUET')`,
	} {
		e.SQL(t, strings.ReplaceAll(sql, "@STAGE", "@"+stage))
	}
	for sql, want := range map[string]string{
		`SELECT count(*), min(capture_date), max(capture_date) FROM citydrive_videos`:                                                                                                                                     "3 2025-01-01 2025-01-03",
		`SELECT count(*), count(DISTINCT frame_id) FROM frame_events`:                                                                                                                                                     "60 60",
		`SELECT count(*) FROM frame_events e JOIN citydrive_videos v ON e.video_id = v.video_id WHERE to_date(e.collected_at) = v.capture_date`:                                                                           "60",
		`SELECT count(*) FROM frame_metadata_catalog m JOIN frame_events e ON m.doc_id = e.frame_id WHERE m.meta_json['event']['tag']::STRING = e.event_tag`:                                                              "60",
		`SELECT count(*) FROM frame_metadata_catalog WHERE meta_json['detections'][0]['label'] IS NOT NULL`:                                                                                                               "60",
		`SELECT count(*) > 0, max(distance_m) <= 120, max(abs(haversine(st_y(signal_position), st_x(signal_position), st_y(frame_position), st_x(frame_position)) * 1000 - distance_m)) < 0.5 FROM signal_contact_points`: "1 1 1",
		`SELECT count(*) FROM signal_contact_points s JOIN frame_geo_points g ON s.frame_id = g.frame_id WHERE st_x(s.frame_position) <> st_x(g.position_wgs84)`:                                                          "0",
		`SELECT st_srid(position_wgs84), min(st_x(position_wgs84)) > 113.9, max(st_y(position_wgs84)) < 22.7 FROM frame_geo_points GROUP BY 1`:                                                                            "4326 1 1",
		// the nearest neighbour of a frame nearly always shows the same event
		`SELECT count_if(a.event_tag = b.event_tag) >= 57 FROM (SELECT x.frame_id AS f, arg_min(y.frame_id, cosine_distance(x.embedding, y.embedding)) AS n
		   FROM frame_embeddings x JOIN frame_embeddings y ON x.frame_id <> y.frame_id GROUP BY 1) p
		   JOIN frame_events a ON a.frame_id = p.f JOIN frame_events b ON b.frame_id = p.n`: "1",
	} {
		got := strings.Join(e.SQL(t, sql)[0], " ")
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", sql, diff)
		}
	}
}
