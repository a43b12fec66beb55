package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// host is where everything listens.
const host = "127.0.0.1"

func (c *ControlPlane) startEtcd(ctx context.Context, _ Options) error {
	ports, err := FreeAddresses(2)
	if err != nil {
		return err
	}
	etcd := "http://" + ports[0]
	c.etcd, c.URL = etcd, "https://"+ports[1]
	p, err := c.run("etcd",
		"--data-dir="+c.file("etcd"),
		"--listen-client-urls="+etcd,
		"--advertise-client-urls="+etcd,
		"--listen-peer-urls=http://"+host+":0", // it has no peers
		"--unsafe-no-fsync=true",               // and nothing to lose
	)
	if err != nil {
		return err
	}
	return p.await(ctx, func(ctx context.Context) error { return get(ctx, http.DefaultClient, etcd+"/health") })
}

func (c *ControlPlane) startAPIServer(ctx context.Context, o Options) error {
	c.Issuer = o.Issuer
	if c.Issuer == "" {
		c.Issuer = c.URL
	}
	// The first audience is the one of tokens that ask for none.
	audiences := append([]string{"https://kubernetes.default.svc", c.Issuer}, o.Audiences...)
	address, port, err := net.SplitHostPort(strings.TrimPrefix(c.URL, "https://"))
	if err != nil {
		return err
	}
	var emulation []string
	if o.EmulatedVersion != "" {
		emulation = []string{"--emulated-version=" + o.EmulatedVersion}
	}
	p, err := c.run("kube-apiserver", append(emulation,
		"--etcd-servers="+c.etcd,
		"--bind-address="+address,
		"--secure-port="+port,
		// A machine may have no other address, and the loopback one must not
		// become an endpoint.
		"--advertise-address="+address,
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--allow-privileged=true",
		"--authorization-mode=RBAC",
		"--anonymous-auth=true", // discovery is public
		"--client-ca-file="+c.CAFile,
		"--tls-cert-file="+c.file(serverCert),
		"--tls-private-key-file="+c.file(serverKey),
		"--service-account-signing-key-file="+c.file(tokenKey),
		"--service-account-key-file="+c.file(tokenPub),
		"--service-account-issuer="+c.Issuer,
		"--service-account-jwks-uri="+c.URL+"/openid/v1/jwks",
		"--api-audiences="+strings.Join(audiences, ","),
	)...)
	if err != nil {
		return err
	}
	if c.Config, err = c.ConfigFor(admin()); err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return err
	}
	return p.await(ctx, func(ctx context.Context) error { return get(ctx, client, c.URL+"/readyz") })
}

// allowDiscovery makes the issuer's discovery document and keys public,
// as they must be on a cluster that does not publish them elsewhere.
func (c *ControlPlane) allowDiscovery(ctx context.Context, _ Options) error {
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "public-service-account-issuer-discovery"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:service-account-issuer-discovery"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:unauthenticated"}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("opening OIDC discovery: %w", err)
	}
	return nil
}

func (c *ControlPlane) startControllerManager(context.Context, Options) error {
	c.KubeconfigPath = c.file("admin.kubeconfig")
	if err := writeKubeconfig(c.KubeconfigPath, admin().Name, c.Config); err != nil {
		return err
	}
	_, err := c.run("kube-controller-manager",
		"--kubeconfig="+c.KubeconfigPath,
		"--leader-elect=false",
		"--secure-port=0", // it has no clients
		"--root-ca-file="+c.CAFile,
		"--service-account-private-key-file="+c.file(tokenKey),
		"--controllers="+strings.Join([]string{
			"serviceaccount-controller",
			"serviceaccount-token-controller",
			"root-ca-certificate-publisher-controller",
			"garbage-collector-controller",
			"namespace-controller",
			"clusterrole-aggregation-controller",
			"deployment-controller",
			"replicaset-controller",
			"disruption-controller",
		}, ","),
	)
	return err
}

// awaitServiceAccount waits for the controller manager's first work, without
// which no pod can be created.
func (c *ControlPlane) awaitServiceAccount(ctx context.Context, _ Options) error {
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	manager := c.procs[len(c.procs)-1]
	return manager.await(ctx, func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// get returns nil if the answer is 200 OK.
func get(ctx context.Context, client *http.Client, url string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}
