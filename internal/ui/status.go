package ui

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/dbctl/dbctl/internal/crash"
	"github.com/dbctl/dbctl/internal/event"
)

// redraw is how often the status line of a terminal may change. In a log, a line is written every logEvery while work goes on, and every
// second time where nothing has changed: a COPY of hours must not look dead.
const (
	redraw   = 100 * time.Millisecond
	logEvery = 5 * time.Second
)

// status tells what is under way: in the one line at the bottom of a terminal, or in lines of a log. Its methods are called under the
// UI's lock.
type status struct {
	o     Options
	lock  sync.Locker // the UI's
	now   *event.Progress
	since time.Time
	drawn bool
	told  string // the last line of a log, without its time
	stop  chan struct{}
	done  chan struct{}
}

// show remembers p; the ticker draws it.
func (s *status) show(p event.Progress) {
	if s.now == nil || s.now.What != p.What || s.now.Phase != p.Phase {
		s.since = s.o.Now()
	}
	s.now = &p
	if s.stop != nil {
		return
	}
	stop, done := make(chan struct{}), make(chan struct{})
	s.stop, s.done = stop, done
	go crash.Caught(func() { s.tick(stop, done) })()
}

func (s *status) tick(stop, done chan struct{}) {
	defer close(done)
	every, draw := logEvery, s.log
	if s.o.ErrTerminal {
		every, draw = redraw, s.draw
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			s.ticked(draw)
		}
	}
}

func (s *status) ticked(draw func()) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.now != nil {
		draw()
	}
}

func (s *status) draw() {
	line := cut(visible(progressText(*s.now, s.o.Now().Sub(s.since))), max(width(s.o.ErrWidth), 20)-1)
	write(s.o.Err, "\r\x1b[K"+printable(line))
	s.drawn = true
}

func (s *status) log() {
	step := progressText(*s.now, 0)
	if step == s.told {
		s.told = ""
		return
	}
	s.told = step
	write(s.o.Err, printable(visible(progressText(*s.now, s.o.Now().Sub(s.since))))+"\n")
}

// erase takes the line away so that something else can be written; the next tick draws it again.
func (s *status) erase() {
	if s.drawn {
		write(s.o.Err, "\r\x1b[K")
		s.drawn = false
	}
}

// end forgets what was under way: its result is about to be shown.
func (s *status) end() {
	s.erase()
	s.now = nil
}

// close ends the ticker. The lock is let go while it does.
func (s *status) close() {
	s.end()
	if s.stop == nil {
		return
	}
	close(s.stop)
	s.lock.Unlock()
	<-s.done
	s.lock.Lock()
	s.stop = nil
}

// progressText is "load videos  3/12 files  1,200 rows  3.1/12 MB  8s  about 20s left".
func progressText(p event.Progress, elapsed time.Duration) string {
	parts := []string{p.What}
	if p.Phase != "" {
		parts = append(parts, p.Phase)
	}
	switch {
	case p.Total > 0:
		parts = append(parts, fmt.Sprintf("%s/%s", event.Count(p.Done), event.Count(p.Total)))
	case p.Done > 0:
		parts = append(parts, event.Count(p.Done)+"/?")
	}
	if p.Rows > 0 {
		parts = append(parts, event.Plural(p.Rows, "row"))
	}
	switch {
	case p.Bytes > 0 && p.BytesTotal > 0:
		parts = append(parts, event.Bytes(p.Bytes)+" of "+event.Bytes(p.BytesTotal))
	case p.Bytes > 0:
		parts = append(parts, event.Bytes(p.Bytes))
	}
	if elapsed >= time.Second {
		parts = append(parts, elapsed.Truncate(time.Second).String())
	}
	if p.ETA > 0 {
		left := time.Duration(math.Ceil(p.ETA)) * time.Second
		parts = append(parts, "about "+left.String()+" left")
	}
	return strings.Join(parts, "  ")
}
