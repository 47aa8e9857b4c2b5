// Package proof holds the proofs of two promises, on a real engine and with dbctl as a process: a failed or killed schema change
// leaves nothing behind, and a load happens once. It has tests and no code.
//
// Between dbctl and the engine stands a proxy on loopback that counts every POST /v1/query. At the k-th it can kill -9 dbctl
// before the request is forwarded, while the engine executes it, or after the engine's answer; hold the request back until
// dbctl is long dead; cut the connection before, behind or amid the answer; be slow; answer with a web page or 502; go away for good;
// send dbctl a signal, or stop it for a while.
//
//	TestProofMigrate     kinds of migration × up, up --atomic, down, redo, recover × every request × every kind of kill or fault,
//	                     succeeding and failing in the last statement: what the next command leaves is the state before or the
//	                     state after, told by a fingerprint of its own (fingerprint_test.go) that the statements make without dbctl
//	TestProofTwoAtOnce   two `up` at once; TestProofRobbed  an owner that sleeps past its lease
//	TestProofWriters     another session inserts in a loop while a migration fails: no acknowledged row is lost
//	TestProofForeign     foreign ALTER, UPDATE, RENAME, DROP and CREATE are kept and named
//	TestProofLoad…       the same kills for loads from a stage and from a location, two loads of one table at once, lost answers
//	TestProofSignals     Ctrl-C, SIGTERM and SIGHUP while a statement runs
//
// `go test ./internal/proof` runs a short form: points chosen by DBCTL_PROOF_SEED, by default the same ones each time. With
// DBCTL_PROOF=full the seed is another one each time, which is printed, and every request × fault of every variant runs, each with one
// kind of migration that the seed chooses, for hours. -v prints a table of points × outcome at the end. One point is run again by its
// name and its seed:
// DBCTL_PROOF=full DBCTL_PROOF_SEED=7 go test ./internal/proof -run 'TestProofMigrate/columns/up/sent/017'.
package proof
