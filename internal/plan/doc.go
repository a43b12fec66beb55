// Package plan decides what an identity should look like in AWS and which calls
// lead there. It is pure: no clock, no network, no logger, no SDK types.
//
//	spec ──Desired──▶ State ─┐
//	                         ├──Diff──▶ []Change ──(awsiam.Apply)──▶ IAM
//	role ──(Observe)──▶ Observed ─┘
//
// Desired says what should be, Observed what is, Diff which changes turn the
// one into the other, in an order in which no interruption leaves more rights
// than either state has. Teardown is the Diff towards nothing.
package plan
