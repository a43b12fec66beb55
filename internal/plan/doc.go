// Package plan computes the desired state of an identity in AWS and the calls that
// establish it. It is pure: no clock, no network, no logger, no SDK types.
//
//	spec ──Desired──▶ State ─┐
//	                         ├──Diff──▶ []Change ──(awsiam.Apply)──▶ IAM
//	role ──(Observe)──▶ Observed ─┘
//
// Desired computes the desired state from the spec. Observed is the state in AWS.
// Diff returns the changes from one to the other, in an order in which no
// interruption leaves more permissions than either state has. Teardown returns the
// changes that delete a role.
package plan
