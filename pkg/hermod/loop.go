package hermod

// LoopHeader and LoopID mark what Hermod sends to a webhook (RFC 8586). Hermod takes
// no request that has the mark: a subscriber who names Hermod itself as the target, by
// whatever name, would make events of events for ever.
const (
	LoopHeader = "Cdn-Loop"
	LoopID     = "hermod"
)
