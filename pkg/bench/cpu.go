package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of the times in /proc/PID/stat: Linux fixes USER_HZ at 100
// for user space on every platform that Go supports.
const clockTick = time.Second / 100

// processCPU is the processor time, user and system, that a process has used, to a
// hundredth of a second; false where the operating system has no /proc.
func processCPU(pid int) (time.Duration, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	return parseStat(stat)
}

// parseStat reads utime and stime, the fields 14 and 15 of proc(5). The second
// field is the program's name in parentheses and may itself hold any character.
func parseStat(stat []byte) (time.Duration, bool) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime, stime = 14 - 3, 15 - 3 // fields starts with the third
	if len(fields) <= stime {
		return 0, false
	}
	user, err := strconv.ParseInt(string(fields[utime]), 10, 64)
	if err != nil {
		return 0, false
	}
	system, err := strconv.ParseInt(string(fields[stime]), 10, 64)
	if err != nil {
		return 0, false
	}
	return time.Duration(user+system) * clockTick, true
}
