//go:build cloud

package aws_test

import (
	"sync"
	"time"
)

// A clock is the machine's, moved on where nothing would happen but waiting.
type clock struct {
	mu    sync.Mutex
	jumps []jump
}

// A jump is how far the clock was ahead from a moment of the machine's on.
type jump struct {
	at    time.Time
	ahead time.Duration
}

func (c *clock) now() time.Time { return c.when(time.Now()) }

// when is what the clock showed at a moment of the machine's: SQS stamps messages by that.
func (c *clock) when(at time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := time.Duration(0)
	for _, j := range c.jumps {
		if j.at.After(at) {
			break
		}
		ahead = j.ahead
	}
	return at.Add(ahead)
}

// moveTo moves the clock on. It never goes back.
func (c *clock) moveTo(t time.Time) {
	if wait := t.Sub(c.now()); wait > 0 {
		c.move(wait)
	}
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := d
	if n := len(c.jumps); n > 0 {
		ahead += c.jumps[n-1].ahead
	}
	c.jumps = append(c.jumps, jump{at: time.Now(), ahead: ahead})
}
