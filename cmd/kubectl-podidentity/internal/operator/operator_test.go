package operator

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func deployment(args []string, env ...corev1.EnvVar) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "podidentity-system", Name: "m"}}
	d.Spec.Template.Spec.ServiceAccountName = "sa"
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "proxy"}, {Name: "manager", Image: "i", Args: args, Env: env}}
	return d
}

func TestOf_ReadsFlagsOfTheDeployment(t *testing.T) {
	cases := map[string]struct {
		reason  string
		in      *appsv1.Deployment
		cluster string
		path    string
		problem string // part of it; empty if there is none
	}{
		"Flags": {
			"The options are flags of the command line.", deployment([]string{"--cluster-name=prod", "--role-path=/a/"}), "prod", "/a/", "",
		},
		"Variables": {
			"config/default sets the name by a variable.",
			deployment([]string{"--cluster-name=$(CLUSTER_NAME)"}, corev1.EnvVar{Name: "CLUSTER_NAME", Value: "prod"}), "prod", "/podidentity/prod/", "",
		},
		"Environment": {
			"The environment variable of a flag is used if the flag is not set.", deployment(nil, corev1.EnvVar{Name: "PODIDENTITY_CLUSTER_NAME", Value: "prod"}), "prod", "/podidentity/prod/", "",
		},
		"NotSet": {
			"The operator would not start with these options either.", deployment([]string{"--cluster-name=$(CLUSTER_NAME)"}), "", "", "--cluster-name",
		},
		"NewerOperator": {
			"This version of the plugin does not know the flag.", deployment([]string{"--cluster-name=prod", "--future"}), "", "", "unknown flag --future",
		},
		"NoContainer": {
			"The Deployment has no container.", &appsv1.Deployment{}, "", "", "no container",
		},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := Of(tc.in)
			if got.Options.ClusterName != tc.cluster || got.Options.RolePath != tc.path {
				t.Errorf("Of() = %q, %q, want %q, %q", got.Options.ClusterName, got.Options.RolePath, tc.cluster, tc.path)
			}
			if (got.OptionsProblem == "") != (tc.problem == "") || !strings.Contains(got.OptionsProblem, tc.problem) {
				t.Errorf("problem %q, want %q", got.OptionsProblem, tc.problem)
			}
		})
	}
}

func TestLeader_IsAliveUntilItsLeaseExpires(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	lease := func(holder string, renewed time.Duration) *coordinationv1.Lease {
		at, seconds := metav1.NewMicroTime(now.Add(renewed)), int32(15)
		return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &at, LeaseDurationSeconds: &seconds}}
	}
	type result struct {
		Holder string
		Alive  bool
	}
	cases := map[string]struct {
		reason string
		lease  *coordinationv1.Lease
		want   result
	}{
		"None":     {"The operator never ran.", nil, result{}},
		"Renewed":  {"The leader renews its Lease.", lease("a", -10*time.Second), result{"a", true}},
		"Expired":  {"The leader has gone, and no replica took over.", lease("a", -16*time.Second), result{"a", false}},
		"Released": {"The leader released its Lease when it stopped.", lease("", -time.Second), result{}},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			holder, alive := Leader(tc.lease, now)
			if diff := cmp.Diff(tc.want, result{holder, alive}); diff != "" {
				t.Errorf("Leader(): -want, +got:\n%s", diff)
			}
		})
	}
}
