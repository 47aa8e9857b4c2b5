package lint

import (
	"fmt"
	"slices"

	"github.com/dbctl/dbctl/internal/schema"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/define"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

var scheduleAndAfter = Rule{
	Name: "schedule-and-after", Level: Error,
	Short: "a task with both SCHEDULE and AFTER, also by ALTER TASK",
	Why:   "A task runs by the clock or after other tasks. Databend refuses both together.",
	statement: func(p *pass, s *statement) {
		task := s.Task
		if task == nil || !task.Schedule && len(task.After) == 0 {
			return
		}
		schedule, after := task.Schedule, len(task.After) > 0
		if was := p.schema.Find(s.Writes[0].Object); was != nil && s.Writes[0].Verb == effect.Alter {
			schedule, after = schedule || was.Task.Schedule, after || len(was.Task.After) > 0
		}
		if schedule && after {
			p.at(s, task.At, "SCHEDULE and AFTER exclude each other",
				"keep SCHEDULE for the first task of a chain, and AFTER for the others")
		}
	},
}

var taskNotResumed = Rule{
	Name: "task-not-resumed", Level: Warning,
	Short: "a task that is made and never resumed",
	Why: "CREATE TASK makes a suspended task, and so does CREATE OR REPLACE TASK of one that ran: it does nothing until ALTER TASK " +
		"… RESUME. A last word of SUSPEND is taken as meant.",
	whole: func(p *pass) {
		for _, o := range p.schema.Of(sqltext.Task) {
			if !o.Resumed && !o.Paused && !p.incomplete {
				p.atMade(o, fmt.Sprintf("%s stays suspended: nothing resumes it", o), "ALTER TASK "+o.SQL()+" RESUME;")
			}
		}
	},
}

var streamConsumed = Rule{
	Name: "stream-consumed", Level: Warning,
	Short: "a migration consumes a stream",
	Why: "DML and CREATE TABLE AS move the offset of a stream that they read. The rows that had gathered until then go where the " +
		"migration puts them, once, and the task or job that reads the stream never sees them.",
	statement: func(p *pass, s *statement) {
		if !s.Consumes {
			return
		}
		streams := slices.DeleteFunc(slices.Clone(s.Names), func(o sqltext.Object) bool {
			was := p.schema.Find(o)
			return was == nil || was.Relation != schema.Stream
		})
		for _, o := range append(streams, consumed(s.Effect)...) {
			p.atObject(s, o, fmt.Sprintf("stream %s is consumed: its offset moves", o.Display()),
				"read its table instead; or "+reasonHint(p.rule.Name))
		}
	},
}

var consumeOutsideDML = Rule{
	Name: "consume-outside-dml", Level: Error,
	Short: "WITH CONSUME in a statement that keeps no row",
	Why: "WITH CONSUME moves the stream's offset, as if the changes had been worked on. In a SELECT they are read and thrown away, " +
		"and in a view or a task's condition it has no meaning.",
	statement: func(p *pass, s *statement) {
		if s.Consumes {
			return
		}
		consumes := len(consumed(s.Effect)) > 0
		at := define.Find(s.SQL, "consume", 0)
		if s.Task != nil {
			consumes = consumedInVain(*s.Task, p.Env.Database)
		}
		if consumes || at > 0 && s.isView() {
			p.at(s, at, "the changes that the stream has gathered are thrown away", "leave out WITH CONSUME, or INSERT what is read")
		}
	},
}

// consumedInVain says whether a task consumes a stream in its condition, or in a query of its body, which keeps no row.
func consumedInVain(task define.Task, database string) bool {
	texts := []string{"SELECT " + task.When}
	for _, s := range task.Body {
		texts = append(texts, s.Text)
	}
	return slices.ContainsFunc(texts, func(text string) bool {
		e := effect.Analyze(text, database)
		return !e.Consumes && len(consumed(e)) > 0
	})
}

// consumed are the streams that WITH CONSUME moves on.
func consumed(e effect.Effect) (streams []sqltext.Object) {
	for _, w := range e.Writes {
		if w.IsStream && w.Verb == effect.WriteData {
			streams = append(streams, w.Object)
		}
	}
	return streams
}
