package citydrive

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// city is where the fleet drives: its random source, the direction in which each kind of event lies among the embeddings, and its
// traffic lights, which grow with the drives so that every drive passes one.
type city struct {
	rng     *rand.Rand
	dim     int
	centres map[string][]float64
	lights  []light
}

type light struct {
	id  string
	lon float64
	lat float64
}

// The city's middle and half its size, in degrees.
const (
	midLon, midLat   = 114.0579, 22.5431
	halfLon, halfLat = 0.045, 0.030
	earthRadiusM     = 6371008.8
	framesPerVideo   = 20
	secondsPerFrame  = 2
	lightRadiusM     = 120 // a light farther away is not in the picture
)

var (
	tags  = []string{"cruise", "hard_brake", "cut_in", "pedestrian", "red_light", "lane_change", "pothole", "tailgate"}
	risks = map[string]float64{
		"cruise": 0.08, "hard_brake": 0.78, "cut_in": 0.66, "pedestrian": 0.71, "red_light": 0.55,
		"lane_change": 0.3, "pothole": 0.42, "tailgate": 0.6,
	}
	labels = map[string]string{
		"cruise": "car", "hard_brake": "brake_light", "cut_in": "car", "pedestrian": "person",
		"red_light": "traffic_light", "lane_change": "lane", "pothole": "pothole", "tailgate": "truck",
	}
	weathers = []string{"sunny", "cloudy", "rain", "fog"}
	routes   = []string{"ring-road", "harbour-loop", "university-line", "night-market", "airport-express"}
	cameras  = []string{"front_roof", "front_windshield", "rear_roof"}
	views    = []string{"front", "left", "right", "rear"}
	others   = []string{"car", "bus", "truck", "bicycle", "person", "traffic_light", "scooter"}
)

func newCity(seed uint64, dim int) *city {
	c := &city{rng: rand.New(rand.NewPCG(seed, 0x63697479)), dim: dim, centres: map[string][]float64{}}
	for _, t := range tags {
		c.centres[t] = c.direction()
	}
	return c
}

// drive makes one day of the fleet with that many frames.
func (c *city) drive(date time.Time, frames int) day {
	d := day{date: date}
	for first := 0; first < frames; first += framesPerVideo {
		c.video(&d, min(framesPerVideo, frames-first))
	}
	return d
}

func (c *city) video(d *day, frames int) {
	v := video{
		VideoID:   fmt.Sprintf("VID-%s-%03d", d.date.Format("20060102"), len(d.videos)+1),
		VehicleID: fmt.Sprintf("VEH-%02d", 1+c.rng.IntN(12)), CaptureDate: int32(d.date.Unix() / 86400),
		RouteName: pick(c, routes), Weather: pick(c, weathers), CameraSource: pick(c, cameras), DurationSec: int32(frames * secondsPerFrame),
	}
	d.videos = append(d.videos, v)
	start := d.date.Add(time.Duration(5*3600+c.rng.IntN(17*3600)) * time.Second)
	lon, lat := midLon+halfLon*c.spread(0.8), midLat+halfLat*c.spread(0.8)
	heading, speed := 360*c.rng.Float64(), 15+40*c.rng.Float64()
	for i := range frames {
		at := start.Add(time.Duration(i*secondsPerFrame)*time.Second + time.Duration(c.rng.IntN(1000))*time.Millisecond)
		c.frame(d, v, i, at, lon, lat, heading, speed, i == frames/2)
		heading = math.Mod(heading+12*c.rng.NormFloat64()+360, 360)
		speed = min(max(speed+6*c.rng.NormFloat64(), 0), 80)
		lon, lat = move(lon, lat, heading, speed/3.6*secondsPerFrame)
		if math.Abs(lon-midLon) > halfLon || math.Abs(lat-midLat) > halfLat { // at the city's edge: back to its middle
			heading = math.Mod(90-math.Atan2(midLat-lat, midLon-lon)*180/math.Pi+360, 360)
		}
	}
}

func (c *city) frame(d *day, v video, index int, at time.Time, lon, lat, heading, speed float64, lit bool) {
	id := fmt.Sprintf("FRM-%s-%04d", v.VideoID[4:], index+1)
	tag := pick(c, tags)
	if c.rng.IntN(3) > 0 { // mostly nothing happens
		tag = tags[0]
	}
	risk := min(max(risks[tag]+0.08*c.rng.NormFloat64(), 0), 1)
	micros := at.UnixMicro()
	d.events = append(d.events, frameEvent{
		FrameID: id, VideoID: v.VideoID, FrameIndex: int32(index), CollectedAt: micros, EventTag: tag, RiskScore: round(risk, 3),
		SpeedKMH: round(speed, 1),
	})
	d.manifests = append(d.manifests, manifest{DocID: id, MetaJSON: c.meta(v, id, tag, risk, heading, speed, at), CapturedAt: micros})
	d.embeddings = append(d.embeddings, embedding{
		FrameID: id, VideoID: v.VideoID, SensorView: views[index%len(views)], Embedding: c.embedding(tag),
		EncoderBuild: "citynet-2.1.0", CreatedAt: at.Add(time.Hour).UnixMicro(),
	})
	grade := int32(1 + c.rng.IntN(4))
	d.positions = append(d.positions, position{
		VideoID: v.VideoID, FrameID: id, PositionWGS84: point(lon, lat), SolutionGrade: grade,
		SourceSystem: []string{"rtk", "fused", "gnss", "dead_reckoning"}[grade-1], CreatedAt: micros,
	})
	if lit {
		near, far := move(lon, lat, 360*c.rng.Float64(), 10+60*c.rng.Float64())
		c.lights = append(c.lights, light{fmt.Sprintf("SIG-%04d", len(c.lights)+1), near, far})
	}
	for _, l := range c.lights {
		if m := distance(lon, lat, l.lon, l.lat); m <= lightRadiusM {
			d.signals = append(d.signals, signal{
				NodeID: l.id, SignalPosition: point(l.lon, l.lat), VideoID: v.VideoID, FrameID: id, FramePosition: point(lon, lat),
				DistanceM: round(m, 2), CreatedAt: micros,
			})
		}
	}
}

func (c *city) meta(v video, id, tag string, risk, heading, speed float64, at time.Time) string {
	light := "day"
	if h := at.Hour(); h < 7 || h > 18 {
		light = "night"
	}
	m := meta{
		FrameID: id, VideoID: v.VideoID, Vehicle: vehicle{v.VehicleID, round(speed, 1), round(heading, 1)}, Route: v.RouteName,
		Scene: scene{v.Weather, light, v.Weather == "rain"}, Event: event{tag, round(risk, 3)}, Model: "citynet-2.1.0",
	}
	for i := range 1 + c.rng.IntN(4) {
		label := pick(c, others)
		if i == 0 {
			label = labels[tag] // what the event is about comes first
		}
		m.Detections = append(m.Detections, detection{
			Label: label, Confidence: round(0.5+0.5*c.rng.Float64(), 3), DistanceM: round(3+70*c.rng.Float64(), 1),
			Box: [4]int{c.rng.IntN(1600), c.rng.IntN(900), 40 + c.rng.IntN(280), 40 + c.rng.IntN(140)},
		})
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and finite numbers
	}
	return string(text)
}

// embedding is a unit vector near the direction of the frame's tag: the nearest neighbours of a frame show the same event.
func (c *city) embedding(tag string) []float32 {
	v := make([]float64, c.dim)
	noise := c.direction()
	for i, x := range c.centres[tag] {
		v[i] = x + 0.6*noise[i]
	}
	unit(v)
	out := make([]float32, c.dim)
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

func (c *city) direction() []float64 {
	v := make([]float64, c.dim)
	for i := range v {
		v[i] = c.rng.NormFloat64()
	}
	unit(v)
	return v
}

// spread is uniform in ±width.
func (c *city) spread(width float64) float64 { return width * (2*c.rng.Float64() - 1) }

func pick(c *city, from []string) string { return from[c.rng.IntN(len(from))] }

func unit(v []float64) {
	var sum float64
	for _, x := range v {
		sum += x * x
	}
	if sum == 0 {
		v[0], sum = 1, 1
	}
	for i := range v {
		v[i] /= math.Sqrt(sum)
	}
}

// move goes metres in a compass direction. Good within a city.
func move(lon, lat, heading, metres float64) (float64, float64) {
	degree := earthRadiusM * math.Pi / 180
	rad := heading * math.Pi / 180
	return lon + metres*math.Sin(rad)/(degree*math.Cos(lat*math.Pi/180)), lat + metres*math.Cos(rad)/degree
}

// distance is the great-circle distance in metres of the two points as they are written.
func distance(lon1, lat1, lon2, lat2 float64) float64 {
	rad := math.Pi / 180
	a1, a2 := round(lat1, 6)*rad, round(lat2, 6)*rad
	s1, s2 := math.Sin((a2-a1)/2), math.Sin((round(lon2, 6)-round(lon1, 6))*rad/2)
	return 2 * earthRadiusM * math.Asin(math.Sqrt(s1*s1+math.Cos(a1)*math.Cos(a2)*s2*s2))
}

func point(lon, lat float64) string { return fmt.Sprintf("SRID=4326;POINT(%.6f %.6f)", lon, lat) }

func round(x float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(x*p) / p
}
