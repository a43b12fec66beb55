package main

import "time"

// scale defines the number of objects of each measurement.
type scale struct {
	name string

	ready       []int         // numbers of identities that are created
	readyGoal   int           // the one of ready that has a goal
	checks      []int         // numbers of identities in a drift check, in ascending order
	restart     int           // the one of checks for which a restart is measured
	repairs     int           // number of repairs of each kind
	edits       int           // number of edits while others are created
	burst       int           // number of identities that are created meanwhile
	lease       time.Duration // of the leader election
	pods        int           // of the largest cluster
	accounts    int           // number of ServiceAccounts of the largest cluster that no identity uses
	throttled   int           // number of identities while AWS throttles at random
	throttling  time.Duration // for which AWS throttles
	steady      time.Duration // for which the operator of the largest cluster is measured in sync
	oversized   int           // number of identities that are larger than any role
	largest     int           // number of identities of the greatest size
	edited      int           // number of identities that a hostile namespace edits all the time
	blocked     int           // number of identities of a hostile namespace that ask for the name of another owner's role
	neighbors   int           // number of creations, and of edits, in another namespace meanwhile
	recoveries  []recovery
	driftEvents int           // number of roles that are changed out of band, one after the other
	idle        time.Duration // without a call or write, after which the operator is at rest
}

var (
	fullScale = scale{
		name: "full", ready: []int{100, 500, 1000}, readyGoal: 500, checks: []int{100, 1000, 5000}, restart: 1000,
		repairs: 50, edits: 50, burst: 5000, lease: 15 * time.Second, pods: 20000, accounts: 10000,
		throttled: 200, throttling: 2 * time.Minute, steady: time.Minute, oversized: 420, largest: 1000,
		edited: 40, blocked: 700, neighbors: 30, recoveries: []recovery{{1, 20 * time.Second}, {500, 20 * time.Second}, {500, 2 * time.Minute}}, driftEvents: 20,
		idle: 5 * time.Second,
	}
	quickScale = scale{
		name: "quick", ready: []int{40, 80}, readyGoal: 80, checks: []int{50, 200}, restart: 200,
		repairs: 10, edits: 10, burst: 500, lease: 3 * time.Second, pods: 400, accounts: 200,
		throttled: 40, throttling: 10 * time.Second, steady: 5 * time.Second, oversized: 20, largest: 50,
		edited: 10, blocked: 70, neighbors: 10, recoveries: []recovery{{1, 10 * time.Second}, {50, 20 * time.Second}}, driftEvents: 5,
		idle: 2 * time.Second,
	}
	// mediumScale is for a machine on which the full scale takes too long.
	mediumScale = scale{
		name: "medium", ready: []int{100, 500}, readyGoal: 500, checks: []int{100, 1000, 5000}, restart: 1000,
		repairs: 20, edits: 20, burst: 1000, lease: 15 * time.Second, pods: 20000, accounts: 10000,
		throttled: 100, throttling: 30 * time.Second, steady: time.Minute, oversized: 420, largest: 1000,
		edited: 40, blocked: 700, neighbors: 20, recoveries: []recovery{{1, 20 * time.Second}, {500, 20 * time.Second}, {500, 2 * time.Minute}}, driftEvents: 10,
		idle: 5 * time.Second,
	}
)

var scales = map[string]scale{fullScale.name: fullScale, quickScale.name: quickScale, mediumScale.name: mediumScale}
