package savepoint

import "testing"

const failing = "select * from there_is_no_such_table"

func TestRestoreKinds(t *testing.T) {
	r := newRig(t)
	tests := []struct {
		name  string
		setup []string
		run   []string
	}{
		{"create table", nil, []string{"create table n (a int)"}},
		{"create table as select", nil, []string{"create table n as select 1 a"}},
		{"create or replace table", []string{"create table r (a int) comment='x'", "insert into r values (1), (2)"}, []string{"create or replace table r (b string)"}},
		{"create or replace table as", []string{"create table s (a int)", "insert into s values (1), (2)"}, []string{"create or replace table s as select 'x' b"}},
		{"drop table", []string{"create table t (a int)", "insert into t values (1)"}, []string{"drop table t"}},
		{"drop table all", []string{"create table u (a int)", "insert into u values (1)"}, []string{"drop table u all"}},
		{"drop column", []string{"create table v (a int, b string comment 'bb')", "insert into v values (1, 'x')"}, []string{"alter table v drop column b"}},
		{"add column", []string{"create table w (a int)", "insert into w values (1)"}, []string{"alter table w add column c int default 3"}},
		{"rename", []string{"create table x (a int)", "insert into x values (1)"}, []string{"alter table x rename to x2"}},
		{"update", []string{"create table y (a int)", "insert into y values (1)"}, []string{"update y set a = 2"}},
		{"never written", []string{"create table z (a int not null)"}, []string{"alter table z add column b int", "alter table z modify column a int null", "insert into z values (1, 2)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			r.sql(tt.setup...)
			was := r.look()
			r.capture(tt.run)
			was = r.look() // with the seeds
			if err := r.steps(append(tt.run, failing)); err == nil {
				t.Fatal("the failing statement did not fail")
			}
			r.restored(was)
		})
	}
}
