package controllers

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/podidentity/podidentity-operator/internal/fault"
)

// cachedPod is a pod as the cache keeps it. A cluster has more pods than anything else
// that the operator caches, and a corev1.Pod takes 2 KiB even without its contents. Many
// pods share a ServiceAccount, a role and an owner, so equal texts are stored once.
//
// It replaces corev1.Pod in the informer of pods: watches get it, and the client of the
// manager cannot read pods.
type cachedPod struct {
	metav1.ObjectMeta // namespace, name, resource version and time of deletion only

	serviceAccount unique.Handle[string]
	owner          unique.Handle[string] // the workload to restart for a new pod
	// role is the role of the first container that has one. others are the different
	// roles of other containers. There are at most maxPodRoles in total.
	role    unique.Handle[string]
	others  []unique.Handle[string]
	running bool // has neither ended nor begun to terminate
}

// envRoleARN is the variable by which AWS's webhook passes the role to a container.
// https://github.com/aws/amazon-eks-pod-identity-webhook
const envRoleARN = "AWS_ROLE_ARN"

// maxPodRoles is the number of different roles that are kept for a pod. AWS's webhook
// gives all containers the same one.
const maxPodRoles = 4

// GetObjectKind implements runtime.Object.
func (p *cachedPod) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object.
func (p *cachedPod) DeepCopyObject() runtime.Object {
	c := *p
	p.ObjectMeta.DeepCopyInto(&c.ObjectMeta)
	c.others = slices.Clone(p.others)
	return &c
}

// stripPod returns a pod as the cache keeps it.
func stripPod(in any) (any, error) {
	pod, ok := in.(*corev1.Pod)
	if !ok {
		return in, nil
	}
	kept := &cachedPod{
		ObjectMeta: metav1.ObjectMeta{
			Name:              pod.Name,
			Namespace:         pod.Namespace,
			ResourceVersion:   pod.ResourceVersion,
			DeletionTimestamp: pod.DeletionTimestamp,
		},
		serviceAccount: unique.Make(pod.Spec.ServiceAccountName),
		owner:          unique.Make(ownerOf(pod)),
		running:        pod.DeletionTimestamp.IsZero() && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed,
	}
	kept.setRoles(pod)
	return kept, nil
}

// setRoles sets the roles of the pod's containers.
func (p *cachedPod) setRoles(pod *corev1.Pod) {
	var roles []unique.Handle[string]
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, env := range c.Env {
			if env.Name != envRoleARN || len(roles) == maxPodRoles {
				continue
			}
			if role := unique.Make(cachedText(env.Value)); !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}
	}
	if len(roles) > 0 {
		p.role = roles[0]
	}
	if len(roles) > 1 {
		p.others = roles[1:]
	}
}

// hasRole reports whether any container has the role: the webhook can skip
// containers.
func (p *cachedPod) hasRole(arn string) bool {
	role := unique.Make(arn)
	return p.role == role || slices.Contains(p.others, role)
}

// ownerOf returns the workload to restart for a new pod: for a ReplicaSet of a
// Deployment, the Deployment.
func ownerOf(pod *corev1.Pod) string {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return "Pod " + pod.Name
	}
	if hash := pod.Labels["pod-template-hash"]; owner.Kind == "ReplicaSet" && hash != "" {
		if deployment, ok := strings.CutSuffix(owner.Name, "-"+hash); ok {
			return "Deployment " + fault.Excerpt(deployment)
		}
	}
	return fault.Excerpt(owner.Kind) + " " + fault.Excerpt(owner.Name)
}

// podLifecycleChanged passes events that change the number of running pods: the role
// of a pod never changes.
var podLifecycleChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*cachedPod)
		after, also := e.ObjectNew.(*cachedPod)
		return ok && also && before.running != after.running
	},
}

// podIndex holds the pods of the cache by ServiceAccount. It is safe for concurrent use.
type podIndex struct {
	// synced reports that all pods which existed at the start are indexed.
	synced toolscache.InformerSynced

	mu   sync.RWMutex
	pods map[podKey]map[string]*cachedPod // by name, so that an event costs the same among many pods
}

type podKey struct {
	namespace      string
	serviceAccount unique.Handle[string]
}

func newPodIndex() *podIndex {
	return &podIndex{synced: func() bool { return true }, pods: map[podKey]map[string]*cachedPod{}}
}

// watchPods returns an index of the pods in a cache.
func watchPods(ctx context.Context, informers cache.Informers) (*podIndex, error) {
	informer, err := informers.GetInformer(ctx, &corev1.Pod{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	index := newPodIndex()
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { index.set(nil, obj) },
		UpdateFunc: index.set,
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			index.set(obj, nil)
		},
	})
	if err != nil {
		return nil, err
	}
	index.synced = registration.HasSynced
	return index, nil
}

// set replaces a pod by another one. Either may be nil.
func (i *podIndex) set(before, after any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if pod, ok := before.(*cachedPod); ok {
		key := podKey{pod.Namespace, pod.serviceAccount}
		delete(i.pods[key], pod.Name)
		if len(i.pods[key]) == 0 {
			delete(i.pods, key)
		}
	}
	if pod, ok := after.(*cachedPod); ok {
		key := podKey{pod.Namespace, pod.serviceAccount}
		if i.pods[key] == nil {
			i.pods[key] = map[string]*cachedPod{}
		}
		i.pods[key][pod.Name] = pod
	}
}

// ofServiceAccount implements podLister. The order of the pods is random.
func (i *podIndex) ofServiceAccount(ctx context.Context, namespace, name string) ([]*cachedPod, error) {
	if !i.synced() && !toolscache.WaitForCacheSync(ctx.Done(), i.synced) {
		return nil, ctx.Err()
	}
	i.mu.RLock()
	defer i.mu.RUnlock()
	return slices.Collect(maps.Values(i.pods[podKey{namespace, unique.Make(name)}])), nil
}

var _ client.Object = &cachedPod{}
