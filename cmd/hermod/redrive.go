package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
	"hermod/pkg/ingest"
	"hermod/pkg/sqlite"
	"hermod/pkg/sqs"
)

const redriveUsage = `Moves the dead letters of a queue back to it: each delivery starts a new run, each event is accepted
once its cause is mended. All of them move, there is no filter; users redrive their own over the API.

usage:
  hermod redrive -data DIR [-queue delivery|ingest]             the queue of a node that does not run
  hermod redrive -dead-queue URL|ARN [-rate N]                  a dead-letter queue on AWS
  hermod redrive ... -list [-max N] [-show]                     look first; nothing moves

`

// redriving is what hermod redrive was asked for.
type redriving struct {
	data, dead, queue string
	rate, most        int
	list, show        bool
}

// redrive shows the dead letters of a queue, or moves them back.
func redrive(ctx context.Context, c *console, args []string) error {
	r := &redriving{}
	f := c.flags("redrive")
	f.Usage = func() {
		fmt.Fprint(c.err, redriveUsage)
		f.PrintDefaults()
	}
	f.StringVar(&r.data, "data", "", "`directory` of a node that does not run (HERMOD_DATA, where -dead-queue is not given)")
	f.StringVar(&r.dead, "dead-queue", "", "`URL` or ARN of a dead-letter queue on AWS")
	f.StringVar(&r.queue, "queue", "delivery", "whose dead letters they are: delivery or ingest")
	f.IntVar(&r.rate, "rate", 0, "on AWS, how many move a second at most, 1 to 500; 0 is as fast as SQS can")
	f.BoolVar(&r.list, "list", false, "look only")
	f.IntVar(&r.most, "max", 100, "how many -list shows at most")
	f.BoolVar(&r.show, "show", false, "have -list show bodies, which may hold personal data")
	if err := c.parse(f, args, 0); err != nil {
		return err
	}
	if r.data == "" && r.dead == "" {
		r.data = c.getenv("HERMOD_DATA")
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("redrive: %w", err)
	}
	run := r.onDisk
	if r.dead != "" {
		run = r.onAWS
	}
	if err := run(ctx, c); err != nil {
		return fmt.Errorf("redrive: %w", err)
	}
	return nil
}

func (r *redriving) check() error {
	switch {
	case (r.data == "") == (r.dead == ""):
		return errors.New("give either -data (or HERMOD_DATA) or -dead-queue")
	case !slices.Contains([]string{"delivery", "ingest"}, r.queue):
		return fmt.Errorf("-queue %q: want delivery or ingest", r.queue)
	case r.rate < 0 || r.rate > sqs.MaxMoveRate:
		return fmt.Errorf("-rate %d: want 1 to %d, or 0 for as fast as SQS can", r.rate, sqs.MaxMoveRate)
	case r.rate > 0 && r.data != "":
		return errors.New("-rate is for -dead-queue: a stopped node takes its messages back at once")
	case r.most < 1:
		return fmt.Errorf("-max %d: want 1 or more", r.most)
	default:
		return nil
	}
}

// onDisk works on a queue of a node that does not run.
func (r *redriving) onDisk(ctx context.Context, c *console) (err error) {
	store, end, err := (&place{data: r.data}).openExisting(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	db, ok := store.(*sqlite.DB)
	if !ok {
		return fmt.Errorf("no queues in %T", store)
	}
	queue := db.Queue(r.queue, sqlite.QueueOptions{})
	if r.list {
		letters, err := queue.Peek(ctx, r.most)
		if err != nil {
			return err
		}
		return r.print(c, letters)
	}
	before, err := queue.Stats(ctx)
	if err != nil {
		return err
	}
	if err := queue.Redrive(ctx); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "moved %d dead letters back; the node takes them up when it starts\n", before.DeadLetters)
	return nil
}

// moveEvery is how often the progress of a move is shown.
const moveEvery = 2 * time.Second

// onAWS works on a dead-letter queue of SQS.
func (r *redriving) onAWS(ctx context.Context, c *console) error {
	cfg, err := awscfg.Load(c.getenv, awscfg.SQS)
	if err != nil {
		return fmt.Errorf("configuring SQS: %w", err)
	}
	queue, err := sqs.OpenDeadLetters(ctx, cfg, r.dead)
	if err != nil {
		return err
	}
	if r.list {
		letters, err := queue.Peek(ctx, r.most)
		if err != nil {
			return err
		}
		return r.print(c, letters)
	}
	if err := queue.StartMove(ctx, r.rate); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "the move has begun: of every message, since SQS has no filter; Ctrl-C ends the watching alone")
	return watch(ctx, c, queue)
}

// watch shows how far a move is until it has ended or ctx has.
func watch(ctx context.Context, c *console, queue *sqs.DeadLetters) error {
	ticker := time.NewTicker(moveEvery)
	defer ticker.Stop()
	for {
		move, err := queue.LastMove(ctx)
		if ctx.Err() != nil {
			return nil // the move goes on without us
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s: %d of about %d moved\n", move.Status, move.Moved, move.Total)
		switch move.Status {
		case "COMPLETED":
			return nil
		case "FAILED", "CANCELLED":
			return fmt.Errorf("the move has ended as %s: %s", move.Status, move.Failure)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// print shows messages: of deliveries the ids, which is all that they hold; of events
// how large they are and what is wrong with them, and no data unless asked to.
func (r *redriving) print(c *console, letters []hermod.DeadMessage) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 3, ' ', 0)
	if r.queue == "ingest" {
		fmt.Fprintln(w, "MESSAGE\tSENT\tBYTES\tREASON")
	} else {
		fmt.Fprintln(w, "MESSAGE\tSENT\tSUBSCRIPTION\tEVENT\tRUN")
	}
	for i := range letters {
		m := &letters[i]
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.ID, moment(m.SentAt), r.describe(m))
		if r.show {
			fmt.Fprintf(w, "\t%q\n", m.Body)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(letters) == r.most {
		fmt.Fprintf(c.out, "%d are shown; there may be more\n", r.most)
	}
	return nil
}

func (r *redriving) describe(m *hermod.DeadMessage) string {
	if r.queue == "ingest" {
		reason := m.Reason
		if reason == "" {
			reason = ingest.WhyRefused(hermod.Received{ID: m.ID, Body: m.Body}, time.Now())
		}
		if reason == "" {
			reason = "nothing is wrong with it by itself; the log has the reason under its message id"
		}
		return fmt.Sprintf("%d\t%s", len(m.Body), reason)
	}
	message, err := hermod.DecodeMessage(m.Body)
	if err != nil {
		return fmt.Sprintf("not a delivery message, %d bytes\t-\t-", len(m.Body))
	}
	return fmt.Sprintf("%s\t%s\t%d", message.SubscriptionID, message.EventID, message.Run)
}
