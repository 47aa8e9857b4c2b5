package project

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/dbctl/dbctl/internal/databendtest"
	"github.com/dbctl/dbctl/internal/sqltext"
)

// root is the project that this repository ships.
const root = "../.."

// guide is what the lakehouse guide copies: the table, the folder of the stage, and the columns of each load.
var guide = []struct{ load, table, path, columns string }{
	{"frame_embeddings", "frame_embeddings", "frame-embeddings/", "frame_id,video_id,sensor_view,embedding,encoder_build,created_at"},
	{"frame_events", "frame_events", "frame-events/", "frame_id,video_id,frame_index,collected_at,event_tag,risk_score,speed_kmh"},
	{"frame_locations", "frame_geo_points", "frame-locations/", "video_id,frame_id,position_wgs84,solution_grade,source_system,created_at"},
	{"manifests", "frame_metadata_catalog", "manifests/", "doc_id,meta_json,captured_at"},
	{"traffic_lights", "signal_contact_points", "traffic-lights/", "node_id,signal_position,video_id,frame_id,frame_position,distance_m,created_at"},
	{"videos", "citydrive_videos", "videos/", "video_id,vehicle_id,capture_date,route_name,weather,camera_source,duration_sec"},
}

func TestShippedProject(t *testing.T) {
	t.Parallel()
	prod, err := Open(Options{Dir: root, Env: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	if e := prod.Env; e.Name != "prod" || e.Embedded || !e.Protected || e.Password != "DATABEND_PASSWORD" || e.StateDatabase != "dbctl" || e.Database != "citydrive" {
		t.Errorf("prod: got %+v", e)
	}
	local, err := Open(Options{Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	if e := local.Env; e.Name != "local" || !e.Embedded || !e.SkipUnsupported || len(e.Data) != 1 || !strings.HasSuffix(e.Data[0].Folder, "/sample") {
		t.Errorf("local: got %+v", e)
	}
	for i, l := range local.Loads {
		want := guide[i]
		if l.Name != want.load || l.Copy.Table != want.table || l.Copy.Path != want.path || l.Copy.Stage != "citydrive_stage" || strings.Join(l.Copy.Columns, ",") != want.columns {
			t.Errorf("load %s: got %+v", l.Name, l.Copy)
		}
		for j, item := range l.Copy.Select {
			if item.Column != l.Copy.Columns[j] || item.Type == "" {
				t.Errorf("load %s: item %d is %q", l.Name, j+1, item.Text)
			}
		}
	}
	var secrets []string
	for _, m := range prod.Migrations {
		if !m.HasDown || len(m.Down.Statements) == 0 {
			t.Errorf("%s has no Down", m.Path)
		}
		secrets = append(secrets, m.Up.Secrets...)
	}
	if d := cmp.Diff(secrets, []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}); d != "" {
		t.Errorf("secrets: got, want: %s", d)
	}
	tasks := prod.Migrations[len(prod.Migrations)-1]
	if len(tasks.Up.Statements) != 12 || len(tasks.Down.Statements) != 6 || !strings.Contains(tasks.Up.Expanded, "COPY INTO `citydrive`.frame_geo_points") {
		t.Errorf("tasks: got %s", tasks.Up.Expanded)
	}
	// The text is the same here and in production.
	if up := prod.Migrations[0].Up.Expanded; strings.Contains(up, "ENDPOINT_URL") || strings.Contains(up, "REGION") {
		t.Errorf("connection: got %s", up)
	}
}

type (
	video struct {
		VideoID      string `parquet:"video_id"`
		VehicleID    string `parquet:"vehicle_id"`
		CaptureDate  string `parquet:"capture_date"`
		RouteName    string `parquet:"route_name"`
		Weather      string `parquet:"weather"`
		CameraSource string `parquet:"camera_source"`
		DurationSec  int32  `parquet:"duration_sec"`
	}
	frameEvent struct {
		FrameID     string    `parquet:"frame_id"`
		VideoID     string    `parquet:"video_id"`
		FrameIndex  int32     `parquet:"frame_index"`
		CollectedAt time.Time `parquet:"collected_at,timestamp(microsecond)"`
		EventTag    string    `parquet:"event_tag"`
		RiskScore   float64   `parquet:"risk_score"`
		SpeedKmh    float64   `parquet:"speed_kmh"`
	}
	manifest struct {
		DocID      string    `parquet:"doc_id"`
		MetaJSON   string    `parquet:"meta_json"`
		CapturedAt time.Time `parquet:"captured_at,timestamp(microsecond)"`
	}
	frameEmbedding struct {
		FrameID      string    `parquet:"frame_id"`
		VideoID      string    `parquet:"video_id"`
		SensorView   string    `parquet:"sensor_view"`
		Embedding    []float32 `parquet:"embedding,list"`
		EncoderBuild string    `parquet:"encoder_build"`
		CreatedAt    time.Time `parquet:"created_at,timestamp(microsecond)"`
	}
	frameLocation struct {
		VideoID       string    `parquet:"video_id"`
		FrameID       string    `parquet:"frame_id"`
		PositionWGS84 string    `parquet:"position_wgs84"`
		SolutionGrade int32     `parquet:"solution_grade"`
		SourceSystem  string    `parquet:"source_system"`
		CreatedAt     time.Time `parquet:"created_at,timestamp(microsecond)"`
	}
	trafficLight struct {
		NodeID         string    `parquet:"node_id"`
		SignalPosition string    `parquet:"signal_position"`
		VideoID        string    `parquet:"video_id"`
		FrameID        string    `parquet:"frame_id"`
		FramePosition  string    `parquet:"frame_position"`
		DistanceM      float64   `parquet:"distance_m"`
		CreatedAt      time.Time `parquet:"created_at,timestamp(microsecond)"`
	}
)

func encode[T any](t *testing.T, rows ...T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := parquet.Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestShippedProjectRuns runs CityDrive on the engine: every Up, every load over a file of its feed, one query each over JSON,
// vectors and geometry, every Down. What an embedded engine cannot run must at least be its syntax.
func TestShippedProjectRuns(t *testing.T) {
	db := databendtest.New(t)
	if !db.Embedded {
		t.Skip("the connection citydrive_s3 and the stage citydrive_stage are account-wide: someone may use them on a real server")
	}
	at := time.Date(2025, 1, 1, 8, 15, 0, 0, time.UTC)
	vector := make([]float32, 768)
	vector[3] = 1
	for path, content := range map[string][]byte{
		"videos/capture_date=2025-01-01/videos.parquet": encode(t, video{"v1", "c1", "2025-01-01", "r", "rain", "front", 90}),
		"videos/capture_date=2025-01-02/videos.parquet": encode(t, video{"v2", "c1", "2025-01-02", "r", "sun", "front", 91}),
		"videos/_SUCCESS":                                   []byte("no data"),
		"frame-events/batch_2025_01_01.parquet":             encode(t, frameEvent{"f1", "v1", 7, at, "hard_brake", 0.9, 31.5}),
		"manifests/batch_2025_01_01.parquet":                encode(t, manifest{"f1", `{"scene": {"weather": "rain"}, "detections": ["pedestrian"]}`, at}),
		"frame-embeddings/batch_2025_01_01.parquet":         encode(t, frameEmbedding{"f1", "v1", "front", vector, "b1", at}),
		"frame-locations/batch_2025_01_01.parquet":          encode(t, frameLocation{"v1", "f1", "SRID=4326;POINT(114.06 22.54)", 1, "gnss", at}),
		"traffic-lights/batch_2025_01_01.parquet":           encode(t, trafficLight{"n1", "SRID=4326;POINT(114.061 22.541)", "v1", "f1", "SRID=4326;POINT(114.06 22.54)", 151.2, at}),
		"traffic-lights/.hidden/batch_2025_01_01.parquet":   []byte("no data"),
		"traffic-lights/deep/down/batch_2025_01_01.parquet": encode(t, trafficLight{"n2", "SRID=4326;POINT(114.061 22.541)", "v1", "f1", "SRID=4326;POINT(114.06 22.54)", 151.2, at}),
	} {
		db.Put(t, "raw/"+path, content)
	}
	p, err := Open(Options{
		Dir: root, DSNGiven: true, Database: db.Database,
		LocalVars: map[string]string{"bucket": db.Bucket + "/" + strings.TrimSuffix(db.Prefix, "/")},
	})
	if err != nil {
		t.Fatal(err)
	}
	store := sqltext.Store{Endpoint: db.S3.Endpoint, Region: "us-east-1", Key: db.S3.Key, Secret: db.S3.Secret.Reveal()}
	run := func(statements []Statement) {
		t.Helper()
		for _, s := range statements {
			for _, e := range slices.Backward(store.Edits(s.SQL)) {
				s.SQL = s.SQL[:e.Start] + e.Text + s.SQL[e.End:]
			}
			sql := s.SQL
			if strings.Contains(sql, " STREAM ") || strings.Contains(sql, " TASK ") {
				db.SQL(t, "EXPLAIN SYNTAX "+sql)
				if code, message := db.Err(t, sql); code != 1402 && code != 1702 {
					t.Errorf("%s: got %d %s", sql, code, message)
				}
				continue
			}
			db.SQL(t, sql)
		}
	}
	for _, m := range p.Migrations {
		run(m.Up.Statements)
	}
	for _, l := range p.Loads {
		db.SQL(t, l.taskSQL(db.Database))
	}
	for query, want := range map[string][][]string{
		"SELECT video_id, capture_date, duration_sec FROM citydrive_videos ORDER BY 1":                                            {{"v1", "2025-01-01", "90"}, {"v2", "2025-01-02", "91"}},
		"SELECT event_tag, collected_at, risk_score FROM frame_events":                                                            {{"hard_brake", "2025-01-01 08:15:00.000000", "0.9"}},
		"SELECT doc_id FROM frame_metadata_catalog WHERE QUERY('meta_json.detections:pedestrian')":                                {{"f1"}},
		"SELECT frame_id FROM frame_embeddings ORDER BY cosine_distance(embedding, " + literal(vector) + "::VECTOR(768)) LIMIT 1": {{"f1"}},
		"SELECT frame_id, ST_X(position_wgs84), ST_SRID(position_wgs84) FROM frame_geo_points":                                    {{"f1", "114.06", "4326"}},
		"SELECT node_id, ST_DISTANCE(signal_position, frame_position) < 1 FROM signal_contact_points ORDER BY 1":                  {{"n1", "1"}, {"n2", "1"}},
	} {
		if d := cmp.Diff(db.SQL(t, query), want); d != "" {
			t.Errorf("%s: got, want: %s", query, d)
		}
	}
	tables := db.SQL(t, "SELECT name FROM system.tables WHERE database = '"+db.Database+"' ORDER BY name")
	if d := cmp.Diff(tables, [][]string{
		{"citydrive_videos"}, {"frame_embeddings"}, {"frame_events"}, {"frame_geo_points"}, {"frame_metadata_catalog"}, {"signal_contact_points"},
	}); d != "" {
		t.Errorf("tables: got, want: %s", d)
	}
	indexes := db.SQL(t, "SHOW CREATE TABLE frame_embeddings", "SHOW CREATE TABLE frame_metadata_catalog")
	if !strings.Contains(indexes[0][1], "INVERTED INDEX idx_meta_json (meta_json)") {
		t.Errorf("got %s", indexes[0][1])
	}
	for _, m := range slices.Backward(p.Migrations) {
		run(m.Down.Statements)
	}
	for _, query := range []string{
		"SELECT name FROM system.tables WHERE database = '" + db.Database + "'",
		"SELECT name FROM system.stages WHERE name LIKE 'citydrive%'",
		"SHOW CONNECTIONS",
	} {
		if rows := db.SQL(t, query); len(rows) > 0 {
			t.Errorf("after all Downs: %s gives %v", query, rows)
		}
	}
}

// literal is a vector as SQL.
func literal(vector []float32) string {
	parts := make([]string, len(vector))
	for i, f := range vector {
		parts[i] = "0.0"
		if f != 0 {
			parts[i] = "1.0"
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}
