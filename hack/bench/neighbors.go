package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
)

const (
	// administratorAccess is the policy that is attached out of band.
	administratorAccess = "arn:aws:iam::aws:policy/AdministratorAccess"
	// takenName is the name of a role that belongs to no PodIdentity.
	takenName = "taken"
	// editPause is the time between two edits of one identity of the hostile namespace.
	editPause = 500 * time.Millisecond
	// createPause and neighborEditPause are the times between two creations and between two
	// edits of the neighbor, which makes few calls: without a pause it would use up the rate
	// limit itself.
	createPause       = 3 * time.Second
	neighborEditPause = 2 * time.Second
	// neighborCheckInterval is the interval of drift checks while repairs are measured.
	neighborCheckInterval = 10 * time.Second
)

// measureNeighbors measures creations, edits and repairs in one namespace, first alone and
// then while another namespace edits identities all the time and has many that are blocked.
// The operator has its default rate limits.
func measureNeighbors(ctx context.Context, env *environment, r *report) error {
	const namespace, hostile = "neighbor", "hostile"
	progress("Creating, editing and repairing next to an idle namespace and next to a hostile one")
	if err := env.createNamespace(ctx, hostile); err != nil {
		return err
	}
	if err := env.start(ctx, namespace, withLatency, "--drift-check-interval="+neighborCheckInterval.String()); err != nil {
		return err
	}
	alone, err := env.measureNeighbor(ctx, namespace, 0)
	if err != nil {
		return err
	}
	attack, stop, err := env.attack(ctx, hostile)
	if err != nil {
		return err
	}
	attacked, err := env.measureNeighbor(ctx, namespace, 1)
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	r.addNeighbor(env.scale, alone, attacked, int(attack.Load()))
	return env.clear(ctx, namespace, hostile)
}

// latencies are the seconds of creations, of edits, and of repairs since the drift check
// that found the change.
type latencies struct{ creates, edits, repairs []float64 }

// measureNeighbor creates, edits and repairs identities one after the other.
func (env *environment) measureNeighbor(ctx context.Context, namespace string, round int) (latencies, error) {
	var l latencies
	n := env.scale.neighbors
	for i := range n {
		took, err := env.timeCreate(ctx, identity(namespace, round*n+i))
		if err != nil {
			return l, err
		}
		l.creates = append(l.creates, took)
		if err := sleep(ctx, createPause); err != nil {
			return l, err
		}
	}
	key := client.ObjectKeyFromObject(identity(namespace, round*n))
	for i := range n {
		took, err := env.timeEdit(ctx, key, describe(i))
		if err != nil {
			return l, err
		}
		l.edits = append(l.edits, took)
		if err := sleep(ctx, neighborEditPause); err != nil {
			return l, err
		}
	}
	const repairs = 5
	for i := range repairs {
		took, err := env.timeRepair(ctx, client.ObjectKeyFromObject(identity(namespace, round*n+i%n)))
		if err != nil {
			return l, err
		}
		l.repairs = append(l.repairs, took)
	}
	return l, nil
}

// timeCreate returns the seconds from the creation of an identity until it is Ready.
func (env *environment) timeCreate(ctx context.Context, pi *v1alpha1.PodIdentity) (float64, error) {
	began := time.Now()
	if err := env.user.Create(ctx, pi); err != nil {
		return 0, err
	}
	err := env.tracker.awaitGeneration(ctx, client.ObjectKeyFromObject(pi), 1)
	return time.Since(began).Seconds(), err
}

// timeEdit returns the seconds from an edit until the identity is Ready again.
func (env *environment) timeEdit(ctx context.Context, key client.ObjectKey, change func(*v1alpha1.PodIdentity)) (float64, error) {
	began := time.Now()
	generation, err := env.edit(ctx, key, change)
	if err != nil {
		return 0, err
	}
	err = env.tracker.awaitGeneration(ctx, key, generation)
	return time.Since(began).Seconds(), err
}

// timeRepair attaches a policy to the role of an identity just after a drift check, and
// returns the seconds from the end of the next drift check until the policy is detached.
func (env *environment) timeRepair(ctx context.Context, key client.ObjectKey) (float64, error) {
	if err := env.awaitNextCheck(ctx); err != nil {
		return 0, err
	}
	role, err := env.attachOutOfBand(ctx, key)
	if err != nil {
		return 0, err
	}
	if err := env.awaitNextCheck(ctx); err != nil {
		return 0, err
	}
	found := time.Now().Add(-metricsInterval) // the check has ended since the metrics were read before
	err = env.awaitDetached(ctx, role)
	return time.Since(found).Seconds(), err
}

// attachOutOfBand attaches a policy to the role of an identity, and returns the role's name.
func (env *environment) attachOutOfBand(ctx context.Context, key client.ObjectKey) (string, error) {
	var pi v1alpha1.PodIdentity
	if err := env.user.Get(ctx, key, &pi); err != nil {
		return "", err
	}
	role := pi.Status.Role.Name
	_, err := env.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: aws.String(administratorAccess)})
	return role, err
}

// awaitDetached waits until the role no longer has the policy of attachOutOfBand.
func (env *environment) awaitDetached(ctx context.Context, role string) error {
	return eventually(ctx, "the repair of "+role, func() (bool, error) {
		out, err := env.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(out.AttachedPolicies, func(p iamtypes.AttachedPolicy) bool {
			return aws.ToString(p.PolicyArn) == administratorAccess
		}), nil
	})
}

// attack creates identities that ask for the name of another owner's role, waits until all
// are blocked, and then edits others all the time until stop is called. It counts the edits.
func (env *environment) attack(ctx context.Context, namespace string) (edits *atomic.Int64, stop func() error, err error) {
	if err := env.block(ctx, namespace); err != nil {
		return nil, nil, err
	}
	if err := env.addIdentities(ctx, namespace, 0, env.scale.edited); err != nil {
		return nil, nil, err
	}
	for i := range env.scale.edited {
		if err := env.tracker.awaitGeneration(ctx, client.ObjectKeyFromObject(identity(namespace, i)), 1); err != nil {
			return nil, nil, err
		}
	}
	edits = &atomic.Int64{}
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	for i := range env.scale.edited {
		group.Go(func() error { return env.editUntilEnd(ctx, client.ObjectKeyFromObject(identity(namespace, i)), edits) })
	}
	return edits, func() error { cancel(); return group.Wait() }, nil
}

// block creates identities that ask for the name of another owner's role, and waits until
// all are blocked.
func (env *environment) block(ctx context.Context, namespace string) error {
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
	name := takenName
	if _, err := env.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}); err != nil {
		return err
	}
	err := parallel(ctx, env.scale.blocked, func(ctx context.Context, i int) error {
		pi := identity(namespace, 1000+i)
		pi.Spec.Role.Name = takenName
		return env.user.Create(ctx, pi)
	})
	if err != nil {
		return err
	}
	return env.tracker.awaitReason(ctx, v1alpha1.ReasonRoleNotOwned, env.scale.blocked)
}

// editUntilEnd edits an identity at intervals of editPause until ctx ends, and counts the
// edits.
func (env *environment) editUntilEnd(ctx context.Context, key client.ObjectKey, count *atomic.Int64) error {
	tick := time.NewTicker(editPause)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		patch := fmt.Appendf(nil, `{"spec":{"role":{"description":"edit %d"}}}`, i)
		err := env.user.Patch(ctx, &v1alpha1.PodIdentity{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}, client.RawPatch(types.MergePatchType, patch))
		if err != nil && ctx.Err() == nil {
			return err
		}
		count.Add(1)
	}
}

// addNeighbor adds the latencies of a namespace alone and next to an attack.
func (r *report) addNeighbor(s scale, alone, attacked latencies, edits int) {
	load := fmt.Sprintf("next to %d identities with an edit every %s and %d that ask for a taken role name", s.edited, editPause, s.blocked)
	detail := fmt.Sprintf("%d edits by the hostile namespace", edits)
	section := func(name string, value float64) result {
		return result{Section: hostileSection, Name: name + " " + load, Unit: "s", Value: value, Detail: detail}
	}
	idle, create := percentile(alone.creates, 99), percentile(attacked.creates, 99)
	r.add(section("create in another namespace, p99,", create).withGoal("≤ 2 × idle", create <= 2*idle),
		minimumOf(idle, "p99 of %d creates in an idle cluster", len(alone.creates)))
	edit := percentile(attacked.edits, 99)
	r.add(section("edit in another namespace, p99,", edit).withGoal("< 1 s", edit < 1),
		minimumOf(percentile(alone.edits, 99), "p99 of %d edits in an idle cluster", len(alone.edits)))
	repair := percentile(attacked.repairs, 100)
	r.add(section("repair in another namespace, longest of "+strconv.Itoa(len(attacked.repairs))+" since the drift check that finds it,", repair).withGoal("< 2 s", repair < 2),
		minimumOf(percentile(alone.repairs, 100), "the same in an idle cluster"))
}
