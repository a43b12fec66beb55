//go:build unix && !linux

package controlplane

import "syscall"

// procAttr keeps a Ctrl-C in the terminal from a child: Stop decides when it
// ends. Only Linux can let it die with this process.
func procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
