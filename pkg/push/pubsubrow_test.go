package push_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// accountKey is the key of the service account of the tests, made once: it takes a
// while.
var accountKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// credential is a service account's key file with these members changed. Its URLs are
// nobody's.
func credential(changes map[string]any) map[string]any {
	file := map[string]any{
		"type": "service_account", "project_id": "acme-prod", "private_key_id": "s3cret-key-id", "private_key": pemOf(accountKey()),
		"client_email": "hermod@acme-prod.iam.gserviceaccount.com", "client_id": "117",
		"auth_uri": "https://127.0.0.1:9/s3cret", "token_uri": "https://127.0.0.1:9/s3cret",
	}
	maps.Copy(file, changes)
	return file
}

// pubsubConfiguration is a configuration of the credential and the members given.
func pubsubConfiguration(file any, members map[string]any) string {
	c := map[string]any{"credential": file, "topicId": "events"}
	maps.Copy(c, members)
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func textOf(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// googleError is an error in the form of Google's APIs.
func googleError(status int, code, message string) string {
	return textOf(map[string]any{"error": map[string]any{"code": status, "message": message, "status": code}})
}

func pubsubRow() conformer {
	good := credential(nil)
	with := func(member string, value any) string { return pubsubConfiguration(good, map[string]any{member: value}) }
	of := func(member string, value any) string {
		return pubsubConfiguration(credential(map[string]any{member: value}), nil)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	const ofCredential = "typeConfiguration.credential"
	return conformer{
		kind: hermod.GooglePubSub, asks: true,
		options: func(t *testing.T, server string) push.Options {
			return push.Options{Endpoints: endpointsFor(t, server, "googleapis.com")}
		},
		configuration: func(string) string { return pubsubConfiguration(good, nil) },
		success: func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"messageIds":["1"]}`)
		},
		answers: map[string]failing{
			"throttled":      {status: 429, body: googleError(429, "RESOURCE_EXHAUSTED", "Quota exceeded"), class: "throttled"},
			"busy":           {status: 503, body: googleError(503, "UNAVAILABLE", "try again"), header: map[string]string{"Retry-After": "7"}, class: "throttled", retryAfter: 7 * time.Second},
			"bad credential": {status: 401, body: googleError(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), class: "bad_credential", reason: hermod.ReasonCredential},
			"not allowed":    {status: 403, body: googleError(403, "PERMISSION_DENIED", "User not authorized to perform this action."), class: "bad_credential", reason: hermod.ReasonCredential},
			"too large":      {status: 400, body: googleError(400, "INVALID_ARGUMENT", "The value for message_size is too large."), class: "too_large", reason: hermod.ReasonTooLarge},
			"too large, 413": {status: 413, class: "too_large", reason: hermod.ReasonTooLarge},
			"not found":      {status: 404, body: googleError(404, "NOT_FOUND", "Resource not found"), class: "not_found", reason: hermod.ReasonNotFound},
			"gone":           {status: 410, class: "not_found", reason: hermod.ReasonNotFound},
			"bad request":    {status: 400, body: googleError(400, "INVALID_ARGUMENT", "no words that are known"), class: "http_4xx"},
			"precondition":   {status: 400, body: googleError(400, "FAILED_PRECONDITION", "the key is disabled"), class: "http_4xx"},
			"server error":   {status: 500, body: googleError(500, "INTERNAL", "sorry"), class: "http_5xx"},
			"deadline":       {status: 504, body: googleError(504, "DEADLINE_EXCEEDED", "late"), class: "http_5xx"},
		},
		hostile: map[string]string{
			`{"topicId":"events"}`:                                                 ofCredential,
			pubsubConfiguration(nil, nil):                                          ofCredential,
			pubsubConfiguration("", nil):                                           ofCredential,
			pubsubConfiguration("s3cret", nil):                                     ofCredential,
			pubsubConfiguration(7, nil):                                            ofCredential,
			pubsubConfiguration([]any{good}, nil):                                  ofCredential,
			pubsubConfiguration(textOf(textOf(good)), nil):                         ofCredential,
			pubsubConfiguration(strings.Repeat(" ", 17<<10), nil):                  ofCredential,
			of("type", "authorized_user"):                                          ofCredential,
			of("type", "external_account"):                                         ofCredential,
			of("type", nil):                                                        ofCredential,
			of("client_email", ""):                                                 ofCredential,
			of("client_email", "s3cret"):                                           ofCredential,
			of("client_email", "s3cret@a\r\nX: y"):                                 ofCredential,
			of("client_email", "a@"+strings.Repeat("s3cret", 60)):                  ofCredential,
			of("client_email", 7):                                                  ofCredential,
			of("private_key_id", "s3cret\n"):                                       ofCredential,
			of("project_id", "../../s3cret"):                                       ofCredential,
			of("private_key", ""):                                                  ofCredential,
			of("private_key", "s3cret"):                                            ofCredential,
			of("private_key", pemOf(weak)):                                         ofCredential,
			of("private_key", pemOf(curve)):                                        ofCredential,
			of("private_key", pemOf(accountKey())[:900]):                           ofCredential,
			of("private_key", publicPEM()):                                         ofCredential,
			of("private_key", bigPEM()):                                            ofCredential,
			of("padding", strings.Repeat("s3cret", 3<<10)):                         ofCredential,
			with("topicId", nil):                                                   "typeConfiguration.topicId",
			with("topicId", "ab"):                                                  "typeConfiguration.topicId",
			with("topicId", "9events"):                                             "typeConfiguration.topicId",
			with("topicId", "google-s3cret"):                                       "typeConfiguration.topicId",
			with("topicId", strings.Repeat("s3cret", 50)):                          "typeConfiguration.topicId",
			with("topicId", "a/../../s3cret"):                                      "typeConfiguration.topicId",
			with("topicId", "events:publish?x=s3cret"):                             "typeConfiguration.topicId",
			with("topicId", "projects/acme-prod/topics/a/b"):                       "typeConfiguration.topicId",
			with("topicId", "projects/../topics/s3cret"):                           "typeConfiguration.topicId",
			with("topicId", "projects/acme-prod/s3cret/x"):                         "typeConfiguration.topicId",
			with("topicId", 7):                                                     "typeConfiguration",
			with("topic", "s3cret"):                                                "typeConfiguration.topic",
			with("topicName", "projects/x/topics/s3cret"):                          "typeConfiguration.topicName",
			with("projectId", "UPPER"):                                             "typeConfiguration.projectId",
			with("projectId", "../s3cret"):                                         "typeConfiguration.projectId",
			with("projectId", "a@s3cret.example"):                                  "typeConfiguration.projectId",
			with("projectId", ".."):                                                "typeConfiguration.projectId",
			with("orderingKey", strings.Repeat("s3cret", 200)):                     "typeConfiguration.orderingKey",
			with("orderingKey", "{s3cret}"):                                        "typeConfiguration.orderingKey",
			with("attributes", "s3cret"):                                           "typeConfiguration",
			with("attributes", map[string]any{"a": 7}):                             "typeConfiguration",
			with("attributes", map[string]any{"": "s3cret"}):                       "typeConfiguration.attributes.",
			with("attributes", map[string]any{"goog-a": "s3cret"}):                 "typeConfiguration.attributes.goog-a",
			with("attributes", map[string]any{"eventId": "s3cret"}):                "typeConfiguration.attributes.eventId",
			with("attributes", map[string]any{"a": manyOf("b", 99)}):               "typeConfiguration",
			with("attributes", manyOf("s3cret", 51)):                               "typeConfiguration.attributes",
			with("attributes", map[string]any{"a": strings.Repeat("s3cret", 200)}): "typeConfiguration.attributes.a",
			pubsubConfiguration(credential(map[string]any{"project_id": ""}), nil): "typeConfiguration.projectId",
		},
		target: func(string) string {
			return "https://pubsub.googleapis.com/v1/projects/acme-prod/topics/events:publish"
		},
	}
}

func manyOf(value string, n int) map[string]any {
	many := map[string]any{}
	for i := range n {
		many[fmt.Sprint("a", i)] = value
	}
	return many
}

func publicPEM() string {
	der, err := x509.MarshalPKIXPublicKey(&accountKey().PublicKey)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// bigPEM is larger than a key may be.
func bigPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: make([]byte, 5<<10)}))
}
