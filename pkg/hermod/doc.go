// Package hermod is the domain: what an event, a subscription, a delivery and
// an attempt are, when they match, when a failure is tried again, and the codes
// that every error carries. It knows no transport, no store and no cloud, and
// imports nothing but the standard library.
package hermod
