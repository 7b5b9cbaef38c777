package deliver

import (
	"cmp"
	"context"
	"log/slog"
	"strings"

	"hermod/pkg/hermod"
)

// note writes into the row what the destination answered.
func note(row *hermod.Attempt, r Result) {
	row.StatusCode = r.StatusCode
	row.ErrorClass = r.Class
	row.ErrorMessage = r.Message
	row.Target = r.Target
	limit := hermod.MaxFailedResponseKept
	if r.Class == "" {
		limit = hermod.MaxResponseKept
	}
	row.Response = cut(r.Response, limit)
}

// cut shortens s to at most limit bytes, at the edge of a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}

// logAttempt writes the one wide line of an attempt.
func (w *work) logAttempt(ctx context.Context, row *hermod.Attempt, err error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("event", row.EventID.String()),
		slog.String("subscription", row.SubscriptionID),
		slog.String("owner", row.Owner),
		slog.String("trigger", string(row.Trigger)),
		slog.Int("run", row.Run),
		slog.Int("number", row.Number),
		slog.String("state", string(row.State)),
		slog.Int("status", row.StatusCode),
		slog.Duration("duration", row.Duration),
		slog.Int("receives", w.received.Receives),
	}
	if w.as != "" {
		attrs = append(attrs, slog.String("as", w.as))
	}
	if row.ErrorClass != "" {
		attrs = append(attrs, slog.String("class", row.ErrorClass))
	}
	if row.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(row.Reason)))
	}
	if row.State == hermod.Waiting {
		attrs = append(attrs, slog.Time("next", row.NextAt), slog.Bool("due_index", row.Carrier == hermod.CarrierDue))
	}
	if row.Reason == hermod.ReasonReceiveBudget {
		level = slog.LevelError
	}
	if err != nil {
		attrs = append(attrs, slog.String("lost", string(hermod.CodeOf(err))))
	}
	w.Log.LogAttrs(ctx, level, "attempt", attrs...)
}

// logParked writes the line of a delivery that was parked.
func (w *work) logParked(ctx context.Context, p *hermod.Parked) {
	w.Log.LogAttrs(ctx, slog.LevelInfo, "parked",
		slog.String("event", p.EventID.String()),
		slog.String("subscription", p.SubscriptionID),
		slog.String("owner", p.Owner),
		slog.Int("run", p.Run),
		slog.Int("after", p.After),
		slog.Time("wake", p.WakeAt))
}

// logCircuit writes the line of a circuit that has changed. That more comes than a limit lets
// through is no failure.
func (w *work) logCircuit(ctx context.Context, h *hermod.Health) {
	level := slog.LevelWarn
	if h.Circuit == hermod.Limited {
		level = slog.LevelInfo
	}
	state := cmp.Or(string(h.Circuit), "closed")
	w.Log.LogAttrs(ctx, level, "circuit",
		slog.String("subscription", h.SubscriptionID), slog.String("owner", h.Owner), slog.String("circuit", state),
		slog.Int("failures", h.Failures), slog.String("class", h.Class))
}
