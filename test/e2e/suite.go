package e2e

import (
	"crypto/rand"
	"strings"
	"testing"
)

// Run runs the whole suite against a target.
func Run(t *testing.T, target Target) {
	t.Helper()
	tests := []namedTest{
		{"a token is issued for credentials in the body and in a header", testToken},
		{"an event arrives signed and stands in the log", testArrival},
		{"a batch arrives whole", testBatch},
		{"CloudEvents are accepted once each", testCloudEvents},
		{"an idempotency key makes one event of many requests", testIdempotency},
		{"a request that is repeated while its event is under way delivers it once", testRepetition},
		{"bad input is named member by member and nothing of it is stored", testBadInput},
		{"messages of the ingest queue are accepted, bad ones end in its dead letters", testIngestQueue},
		{"events on the bus are accepted", testBus},
		{"events go to the subscriptions that match and to no others", testMatching},
		{"a subscription is in force for the next event", testNoStaleWindow},
		{"a failure is tried again with the same bytes", testRetry},
		{"a secret is rotated and receivers that know either verify", testRotation},
		{"deliveries are signed by a key pair and verified by its public key", testKeyPair},
		{"an endpoint is asked whether it wants deliveries", testHandshake},
		{"what never succeeds ends in the dead letters", testExhaustion},
		{"a dead letter is listed, redriven and no longer listed", testDeadLetter},
		{"dead letters are purged and redriven by a filter", testDeadLetters},
		{"410 disables the subscription", testGone},
		{"what comes while a subscription is paused arrives when it is resumed", testPause},
		{"what comes while an endpoint fails arrives when it is well", testCircuit},
		{"what comes faster than a subscription's limit arrives at that rate", testLimit},
		{"a redirect is a failure and is not followed", testRedirect},
		{"no attempt is made after the event's end", testExpiry},
		{"Retry-After is honoured", testRetryAfter},
		{"subscriptions are created, read, listed, changed and deleted", testSubscriptions},
		{"another account sees and changes nothing", testIsolation},
		{"an API key does what it may, until it is revoked", testAPIKey},
		{"a client made over the API gets tokens, until it is revoked", testClientCredential},
		{"the issuer publishes where it is and its keys", testIssuer},
		{"the delivery log is paged and filtered", testLog},
		{"events are listed, searched and paged", testEvents},
		{"tail follows what arrives", testTail},
		{"an event is replayed, also after its end and to whom it was unknown", testReplay},
		{"what an SDK client does works", testSDK},
		{"a filter's events are previewed, replayed and no longer when cancelled", testFilterReplay},
		{"the catalog lists what is published and what is registered", testCatalog},
		{"events are checked against the schema of their type", testValidation},
		{"an event of another API arrives in the form that was asked for", testTranslation},
		{"one event arrives in the form of each API", testFourFormats},
		{"what a client of Signly does works", testSignly},
		{"a delivery of Signly counts its attempts under one id", testSignlyDelivery},
		{"of two clients of Signly with one version one wins", testSignlyRace},
		{"a webhook of Signly is tested while one waits", testSignlyTest},
		{"another tenant of Signly sees and changes nothing", byStrangers(testSignlyIsolation)},
		{"the history of a Signly process is its account's", testSignlyHistory},
		{"what a client of Telia Sign does works", testTelia},
		{"a delivery of Telia Sign is tried again with the same bytes", testTeliaRetries},
		{"a signature request's status is told once, whoever tells it", testTeliaOnce},
		{"a status event whose attempt is under way is not told again", testTeliaOnceUnderWay},
		{"another tenant of Telia Sign sees and changes nothing", byStrangers(testTeliaIsolation)},
		{"a Universign endpoint gets the same signed bytes until it takes them", testUniversignDelivery},
		{"a failed Universign webhook is rescheduled", testUniversignReschedule},
		{"Universign endpoints are created, edited and deleted", testUniversignEndpoints},
		{"changes of API keys are told of", testUniversignAPIKeys},
		{"events of Universign are listed, exported and counted", testUniversignEvents},
		{"another workspace of Universign sees and changes nothing", byStrangers(testUniversignIsolation)},
		{"each dialect is served on a host of its own too", testOwnHosts},
		{"events arrive as CloudEvents, and are taken as such", testCloudEventDeliveries},
		{"events of internal types skip ordinary subscriptions", testInternal},
		{"what is too much is refused in each API's form", testBounds},
		{"no API takes a target or a header that reaches inside", testHostileTargets},
		{"a delivery to Hermod itself makes no event", testLoop},
		{"secrets go wherever they can", testCanaries},
	}
	if target.Clouds != nil {
		tests = append(tests, queueTests()...)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, target)
		})
	}
}

// A namedTest is one of the suite.
type namedTest struct {
	name string
	run  func(*testing.T, Target)
}

// queueTests are those of destinations that are somebody's cloud.
func queueTests() []namedTest {
	return []namedTest{
		{"an event arrives in a queue of Azure Service Bus, after the pause it asks for", testServiceBus},
		{"a credential that is refused ends the run, until it is mended", testBadCredential},
		{"an event starts a flow of Mint", testMint},
		{"events arrive in a topic of Google Pub/Sub, with others in one request", testPubSub},
		{"events arrive in Google Pub/Sub and Azure Service Bus without a secret", testKeyless},
		{"events arrive in a queue, a topic, a bus and a stream of AWS by a role of its owner", testAWS},
	}
}

// sender makes a sender that no other test uses.
func sender() string { return "e2e-" + strings.ToLower(rand.Text()[:12]) }

func event(sender, name string, data any) map[string]any {
	return map[string]any{"sender": sender, "eventName": name, "eventData": data}
}
