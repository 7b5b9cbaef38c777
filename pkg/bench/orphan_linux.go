package bench

import "syscall"

// withParent has the kernel end the server when the benchmark dies without having
// stopped it (prctl(2), PR_SET_PDEATHSIG).
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
