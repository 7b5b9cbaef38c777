package wire

import (
	"math/rand/v2"

	"hermod/pkg/api/signicat"
	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// Delivery is what the deliver function needs. It stands apart from the rest so
// that no other function links the destinations.
func (e *Env) Delivery() (deliver.Options, error) {
	store, err := e.Store()
	if err != nil {
		return deliver.Options{}, err
	}
	box, err := e.Box()
	if err != nil {
		return deliver.Options{}, err
	}
	policy, err := e.Policy()
	if err != nil {
		return deliver.Options{}, err
	}
	waits, queueWait, err := e.Waits()
	if err != nil {
		return deliver.Options{}, err
	}
	maxReceives, err := e.MaxReceives()
	if err != nil {
		return deliver.Options{}, err
	}
	return deliver.Options{
		Store: e.Sealed(store, box), Pusher: push.New(push.Options{Policy: policy}), MaxReceives: maxReceives,
		Encoders:  map[hermod.Dialect]deliver.Encoder{hermod.Signicat: signicat.Encoder{Waits: waits}},
		QueueWait: queueWait,
		Now:       e.Now, Random: rand.Float64, Log: e.Log,
	}, nil
}
