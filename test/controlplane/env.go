package controlplane

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// FreeAddresses returns so many different addresses of this machine, as host:port,
// that no server listens on. Another process can take one before it is used.
func FreeAddresses(n int) (addresses []string, err error) {
	for range n {
		l, listenErr := net.Listen("tcp", net.JoinHostPort(host, "0")) //nolint:noctx // returns immediately
		if listenErr != nil {
			return nil, fmt.Errorf("choosing a port: %w", listenErr)
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // that is what a TCP listener has
		addresses = append(addresses, net.JoinHostPort(host, strconv.Itoa(port)))
	}
	return addresses, nil
}

// Environ returns an environment for a Program: that of this process without what
// is about AWS or the operator, and with what is given. Nothing of this machine's
// AWS accounts is ever used.
func Environ(with map[string]string) []string {
	env := []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "AWS_") && !strings.HasPrefix(variable, "PODIDENTITY_") {
			env = append(env, variable)
		}
	}
	for name, value := range with {
		env = append(env, name+"="+value)
	}
	return env
}
