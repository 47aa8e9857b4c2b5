#!/usr/bin/env bash
# The CityDrive guide end to end, on a real Databend engine and a real S3 protocol, from nothing: `make demo`.
# Each part is a function below; the last lines say in which order they run.
set -euo pipefail
cd "$(dirname "$0")/.."
export DBCTL_ENV=local

bold='' plain=''
[ -t 1 ] && bold=$'\e[1m' plain=$'\e[0m'
title() { printf '\n%s── %s%s\n' "$bold" "$*" "$plain"; }

# run CMD...: shows a command and runs it.
run() {
	printf '%s$ %s%s\n' "$bold" "$*" "$plain"
	"$@"
}

# ask QUESTION SQL: a query on the engine; dbctl has no command for that.
ask() {
	printf '%s? %s%s\n' "$bold" "$1" "$plain"
	bin/demo-query "$2"
}

prepare() {
	title "Sample data: six Parquet feeds in the guide's layout, into ./sample"
	go build -o bin/demo-query ./demo/query
	run go run ./cmd/citydrive-sample --out sample
	./dbctl dev stop >/dev/null # what an earlier demo left would make this one look different
	trap './dbctl -q dev stop >/dev/null || true' EXIT
}

engine() {
	title "A real engine and an object store on this machine (the first time, the engine is fetched)"
	run ./dbctl dev start
}

migrate() {
	title "What would happen, then: connection, stage, tables. Streams and tasks need a licence; they are skipped, and it is said"
	run ./dbctl plan
	run ./dbctl migrate up
}

load() {
	title "Six loads"
	run ./dbctl load videos --preview 3
	run ./dbctl load --all
}

answers() {
	title "The loaded tables answer"
	ask "rows per table" "
		SELECT 'citydrive_videos' AS tab, count() AS row_count FROM citydrive_videos
		UNION ALL SELECT 'frame_events', count() FROM frame_events
		UNION ALL SELECT 'frame_metadata_catalog', count() FROM frame_metadata_catalog
		UNION ALL SELECT 'frame_embeddings', count() FROM frame_embeddings
		UNION ALL SELECT 'frame_geo_points', count() FROM frame_geo_points
		UNION ALL SELECT 'signal_contact_points', count() FROM signal_contact_points
		ORDER BY tab"
	ask "JSON, by inverted index: the fastest encounters with a pedestrian" "
		SELECT doc_id, meta_json['scene']['weather']::STRING AS weather, meta_json['vehicle']['speed_kmh']::DOUBLE AS kmh, captured_at
		FROM frame_metadata_catalog WHERE QUERY('meta_json.event.tag:pedestrian') ORDER BY kmh DESC LIMIT 3"
	ask "vectors: the frames most like the first one" "
		SELECT e.frame_id, round(cosine_distance(e.embedding, f.embedding), 4) AS distance
		FROM frame_embeddings e, (SELECT embedding FROM frame_embeddings ORDER BY frame_id LIMIT 1) f ORDER BY distance LIMIT 3"
	ask "geometry: the frames nearest to a traffic light" "
		SELECT node_id, frame_id, round(st_distance(st_transform(signal_position, 3857), st_transform(frame_position, 3857)), 1) AS metres
		FROM signal_contact_points ORDER BY metres LIMIT 3"
}

again() {
	title "Again: nothing is new, nothing is sent"
	run ./dbctl load --all
	run ./dbctl migrate status
}

prepare
engine
migrate
load
answers
again
title "Done. The engine is stopped now; its catalogue and data go with it"
