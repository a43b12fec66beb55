package controlplane

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Names of files in the temporary directory.
const (
	caFile     = "ca.crt"
	serverCert = "apiserver.crt"
	serverKey  = "apiserver.key"
	tokenKey   = "sa.key" // signs ServiceAccount tokens
	tokenPub   = "sa.pub"
)

// validity is longer than any debugging session, and too short to be of use to others.
const validity = 7 * 24 * time.Hour

// An authority signs the API server's certificate and those of its clients.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newAuthority() (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	own, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "controlplane"}, key)
	if err != nil {
		return nil, err
	}
	return &authority{key: key, cert: own}, nil
}

// issue returns certificate and key, both PEM, for a subject.
func (a *authority) issue(subject pkix.Name, usage x509.ExtKeyUsage, ips ...net.IP) (certPEM, keyPEM []byte, err error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		IPAddresses:  ips,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{usage},
		NotBefore:    now.Add(-time.Minute),
		NotAfter:     now.Add(validity),
	}, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err = privatePEM(key)
	return block("CERTIFICATE", der), keyPEM, err
}

// writeKeys makes what the processes prove themselves and each other by. The
// key of ServiceAccount tokens is an RSA key, as AWS and EKS use.
func (c *ControlPlane) writeKeys() error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	c.ca, c.CAData, c.CAFile = ca, block("CERTIFICATE", ca.cert.Raw), c.file(caFile)

	serving, key, err := ca.issue(pkix.Name{CommonName: "kube-apiserver"}, x509.ExtKeyUsageServerAuth, net.ParseIP(host))
	if err != nil {
		return err
	}
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	signerPEM, err := privatePEM(signer)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(c.CAFile, c.CAData, 0o600),
		os.WriteFile(c.file(serverCert), serving, 0o600),
		os.WriteFile(c.file(serverKey), key, 0o600),
		os.WriteFile(c.file(tokenKey), signerPEM, 0o600),
		os.WriteFile(c.file(tokenPub), block("PUBLIC KEY", public), 0o600),
	)
}

// SignToken signs the claims of a ServiceAccount token, as the API server does. A
// token that lasts less than the API server's 10 minutes is not to be had from it.
func (c *ControlPlane) SignToken(claims any) (string, error) {
	raw, err := os.ReadFile(c.file(tokenKey))
	if err != nil {
		return "", err
	}
	key, err := keyutil.ParsePrivateKeyPEM(raw)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

func newKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func privatePEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return block("PRIVATE KEY", der), nil
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
