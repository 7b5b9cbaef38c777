package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The disk is measured by appends of one page of the database each.
const (
	appendBytes = 4096
	maxAppends  = 2000
)

// Disk is what an append of 4 KB that is on disk takes, in milliseconds.
type Disk struct {
	Appends int     `json:"appends"`
	P50     float64 `json:"p50Ms"`
	P99     float64 `json:"p99Ms"`
}

// disk measures what no commit on this disk can be faster than.
func disk(ctx context.Context, r *rig) (err error) {
	f, err := os.Create(filepath.Join(r.dir, "append"))
	if err != nil {
		return fmt.Errorf("measuring the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	page := bytes.Repeat([]byte("x"), appendBytes)
	var times []time.Duration
	for start := time.Now(); len(times) < maxAppends && time.Since(start) < r.o.Duration && ctx.Err() == nil; {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return fmt.Errorf("measuring the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return fmt.Errorf("measuring the disk: %w", err)
		}
		times = append(times, time.Since(began))
	}
	r.report.Disk = &Disk{
		Appends: len(times), P50: milliseconds(quantile(times, 0.5)), P99: milliseconds(quantile(times, 0.99)),
	}
	r.report.Disk.print(r.o.Out)
	return ctx.Err()
}
