//go:build !linux

package bench

import "syscall"

func withParent() *syscall.SysProcAttr { return nil }
