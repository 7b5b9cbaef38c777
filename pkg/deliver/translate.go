package deliver

import "hermod/pkg/hermod"

// translate gives the event in the form in which the subscription gets it, which is one
// that its encoder speaks, and false where there is none. Who asks for a form by a
// filter gets that. What no filter selects goes out as it is: it was mocked, or replayed
// by hand, or the filters have changed since it matched. Only where the owner has
// switched translating off since is it not sent: that is what it asked for.
func (w *work) translate(e *hermod.Event, s *hermod.Subscription) (*hermod.Event, bool) {
	if typ, ok := s.Wants(e); ok {
		if typ != e.Type() {
			w.as = typ
		}
		return hermod.Translate(e, typ)
	}
	if !s.Dialect.Takes(e.Sender) {
		return nil, false
	}
	if w.message.Trigger == hermod.TriggerMatch && !e.Mock {
		if _, asked := s.Equivalent(e); asked {
			return nil, false
		}
	}
	return e, true
}
