#!/usr/bin/env bash
# The example CityDrive, a dash-cam project, end to end, on a real Databend engine and a real S3 protocol, from nothing: `make demo`.
# It works on a copy of the project in .demo/. Each part is a function below; the last lines say in which order they run.
set -euo pipefail
cd "$(dirname "$0")/.."
export DBCTL_ENV=local PATH="$PWD/bin:$PWD:$PATH"

bold='' plain=''
[ -t 1 ] && bold=$'\e[1m' plain=$'\e[0m'
title() { printf '\n%s── %s%s\n' "$bold" "$*" "$plain"; }
say() { printf '%s\n' "$*"; }

# run CMD...: shows a command and runs it, its messages among its results.
run() {
	printf '%s$ %s%s\n' "$bold" "$*" "$plain"
	"$@" 2>&1
}

# exits CODE CMD...: run, and the exit code must be CODE.
exits() {
	local want=$1 got=0
	shift
	run "$@" || got=$?
	say "(exit $got)"
	[ "$got" = "$want" ] || { say "this demo expected exit $want" >&2; exit 1; }
}

# ask QUESTION SQL: a query on the engine.
ask() {
	printf '%s? %s%s\n' "$bold" "$1" "$plain"
	dbctl -q sql "$2" 2>&1
}

# picture FILE: everything there is in the two tables that the demo hurts, and the names of all: columns, comments, ids and rows.
picture() {
	{
		dbctl -q sql "SELECT \`table\`, name, type, is_nullable, default_expression, comment FROM system.columns WHERE database = 'default' ORDER BY 1, 2"
		dbctl -q sql "SELECT name, engine, table_id, cluster_by, comment FROM system.tables WHERE database = 'default' ORDER BY 1"
		dbctl -q sql "SELECT count(), sum(siphash64(concat_ws('|', video_id, weather, route_name)) % 1000000) FROM citydrive_videos"
		dbctl -q sql "SELECT count(), sum(siphash64(concat_ws('|', frame_id, risk_score::STRING, speed_kmh::STRING)) % 1000000) FROM frame_events"
	} >"$1"
}

prepare() {
	title "Sample data: six Parquet feeds of CityDrive"
	mkdir -p bin
	go build -o bin/citydrive-sample ./cmd/citydrive-sample
	if [ -d .demo ]; then dbctl -C .demo dev stop >/dev/null; fi
	rm -rf .demo
	mkdir .demo
	cp -R dbctl.yaml migrations loads .demo/
	cd .demo
	trap 'dbctl -q dev stop >/dev/null || true' EXIT
	run citydrive-sample --out sample
}

engine() {
	title "A real engine and an object store on this machine (the first time, the engine is fetched)"
	run dbctl dev start
}

migrate() {
	title "What would happen, then: connection, stage, tables. Streams and tasks need a licence; they are skipped, and it is said"
	run dbctl plan
	run dbctl migrate up
}

load() {
	title "Six loads"
	run dbctl load videos --preview 3
	run dbctl load --all
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
	run dbctl load --all
	run dbctl migrate status
}

failed() {
	title "A migration that fails in its fourth statement"
	cat >migrations/00011_slim_down.sql <<-'SQL'
		-- +goose Up
		ALTER TABLE frame_events DROP COLUMN risk_score;
		CREATE OR REPLACE TABLE citydrive_videos AS SELECT video_id, weather FROM citydrive_videos;
		CREATE VIEW rainy_videos AS SELECT * FROM citydrive_videos WHERE weather = 'rain';
		INSERT INTO frame_events (frame_id, no_such_column) VALUES ('F1', 1);

		-- +goose Down
		DROP VIEW rainy_videos;
	SQL
	run cat migrations/00011_slim_down.sql
	picture before
	exits 1 dbctl migrate up
	picture after
	cmp before after
	say "columns, ids, comments, views and rows: exactly as before"
}

killed() {
	title "A migration killed (kill -9) while its third statement runs"
	cat >migrations/00011_slim_down.sql <<-'SQL'
		-- +goose Up
		UPDATE frame_events SET risk_score = 0;
		ALTER TABLE citydrive_videos RENAME TO videos;
		SELECT sleep(3);
		CREATE VIEW rainy_videos AS SELECT * FROM videos WHERE weather = 'rain';

		-- +goose Down
		DROP VIEW rainy_videos;
	SQL
	printf '%s$ dbctl migrate up   # killed%s\n' "$bold" "$plain"
	dbctl -q migrate up &
	local pid=$!
	until dbctl -q sql "SELECT name FROM system.tables WHERE database = 'default' AND name = 'videos'" 2>/dev/null | grep -q '^videos'; do sleep 0.1; done
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	ask "what it left behind" "SELECT name, num_rows FROM system.tables WHERE database = 'default' AND name IN ('citydrive_videos', 'videos')"
	run dbctl migrate status
	rm migrations/00011_slim_down.sql
	run dbctl migrate up
	picture after
	cmp before after
	say "the next command put it back: exactly as before"
}

files() {
	title "Files that arrive in other ways: overwritten, with other columns' order, cut off"
	citydrive-sample --out other --from 2025-01-02 --days 1 --rows 40 --seed 2 >/dev/null
	run cp other/raw/frame-events/batch_2025_01_02.parquet sample/raw/frame-events/
	citydrive-sample --out other --from 2025-01-04 --days 1 --rows 50 --reversed >/dev/null
	run cp other/raw/frame-events/batch_2025_01_04.parquet sample/raw/frame-events/
	say "\$ head -c 2000 … >sample/raw/frame-events/batch_2025_01_05.parquet"
	head -c 2000 other/raw/frame-events/batch_2025_01_04.parquet >sample/raw/frame-events/batch_2025_01_05.parquet
	citydrive-sample --out sample --from 2025-01-06 --days 1 --rows 60 >/dev/null
	exits 3 dbctl load frame_events --plan
	exits 4 dbctl load frame_events
	say "the new and the reordered file are loaded; the cut-off one is named, and tried again when it changes; so is the overwritten one:"
	exits 0 dbctl load frame_events --mark quarantined --path '*/batch_2025_01_05.parquet' --reason 'cut off by the exporter'
	exits 0 dbctl load frame_events --on-changed skip
	run dbctl load --list
}

prepare
engine
migrate
load
answers
again
failed
killed
files
title "Done. The engine is stopped now; its catalogue and data go with it"
