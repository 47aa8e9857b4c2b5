package citydrive

import "time"

// The rows of the six feeds. Types are those that the example's loads cast: text for geometries (EWKT) and JSON, a list for vectors.

type video struct {
	VideoID      string `parquet:"video_id"`
	VehicleID    string `parquet:"vehicle_id"`
	CaptureDate  int32  `parquet:"capture_date,date"` // days since 1970
	RouteName    string `parquet:"route_name"`
	Weather      string `parquet:"weather"`
	CameraSource string `parquet:"camera_source"`
	DurationSec  int32  `parquet:"duration_sec"`
}

type frameEvent struct {
	FrameID     string  `parquet:"frame_id"`
	VideoID     string  `parquet:"video_id"`
	FrameIndex  int32   `parquet:"frame_index"`
	CollectedAt int64   `parquet:"collected_at,timestamp(microsecond)"`
	EventTag    string  `parquet:"event_tag"`
	RiskScore   float64 `parquet:"risk_score"`
	SpeedKMH    float64 `parquet:"speed_kmh"`
}

type manifest struct {
	DocID      string `parquet:"doc_id"` // the frame's id
	MetaJSON   string `parquet:"meta_json"`
	CapturedAt int64  `parquet:"captured_at,timestamp(microsecond)"`
}

type embedding struct {
	FrameID      string    `parquet:"frame_id"`
	VideoID      string    `parquet:"video_id"`
	SensorView   string    `parquet:"sensor_view"`
	Embedding    []float32 `parquet:"embedding,list"`
	EncoderBuild string    `parquet:"encoder_build"`
	CreatedAt    int64     `parquet:"created_at,timestamp(microsecond)"`
}

type position struct {
	VideoID       string `parquet:"video_id"`
	FrameID       string `parquet:"frame_id"`
	PositionWGS84 string `parquet:"position_wgs84"`
	SolutionGrade int32  `parquet:"solution_grade"`
	SourceSystem  string `parquet:"source_system"`
	CreatedAt     int64  `parquet:"created_at,timestamp(microsecond)"`
}

type signal struct {
	NodeID         string  `parquet:"node_id"`
	SignalPosition string  `parquet:"signal_position"`
	VideoID        string  `parquet:"video_id"`
	FrameID        string  `parquet:"frame_id"`
	FramePosition  string  `parquet:"frame_position"`
	DistanceM      float64 `parquet:"distance_m"`
	CreatedAt      int64   `parquet:"created_at,timestamp(microsecond)"`
}

// day is what one day of driving gives.
type day struct {
	date       time.Time
	videos     []video
	events     []frameEvent
	manifests  []manifest
	embeddings []embedding
	positions  []position
	signals    []signal
}

// meta is a manifest's JSON.
type meta struct {
	FrameID    string      `json:"frame_id"`
	VideoID    string      `json:"video_id"`
	Vehicle    vehicle     `json:"vehicle"`
	Route      string      `json:"route"`
	Scene      scene       `json:"scene"`
	Event      event       `json:"event"`
	Detections []detection `json:"detections"`
	Model      string      `json:"model"`
}

type vehicle struct {
	ID       string  `json:"id"`
	SpeedKMH float64 `json:"speed_kmh"`
	Heading  float64 `json:"heading"`
}

type scene struct {
	Weather string `json:"weather"`
	Light   string `json:"light"`
	Wet     bool   `json:"wet"`
}

type event struct {
	Tag  string  `json:"tag"`
	Risk float64 `json:"risk"`
}

type detection struct {
	Label      string  `json:"label"`
	Confidence float64 `json:"confidence"`
	Box        [4]int  `json:"box"` // x, y, width, height in pixels
	DistanceM  float64 `json:"distance_m"`
}
