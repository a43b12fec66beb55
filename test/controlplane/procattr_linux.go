package controlplane

import "syscall"

// procAttr lets a child die with this process, however that ends, and keeps a
// Ctrl-C in the terminal from it: Stop decides when it ends.
func procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
