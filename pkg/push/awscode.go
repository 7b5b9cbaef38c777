package push

import (
	"net/http"
	"strings"

	"hermod/pkg/deliver"
)

// awsCode gives the error code of a failed answer, without its namespace: in a header
// or as __type in the JSON protocols, as Code in the query protocol; "" where there is
// none.
func awsCode(a *answer) string {
	if a.Class == "" || a.header == nil {
		return ""
	}
	code, _, _ := strings.Cut(a.header.Get("X-Amzn-Errortype"), ":")
	if code == "" {
		code = between(a.Response, "<Code>", "</Code>")
	}
	if code == "" {
		_, rest, _ := strings.Cut(a.Response, `"__type"`)
		code = between(rest, `"`, `"`)
	}
	if _, name, ok := cutLast(code, "#"); ok {
		code = name
	}
	if !awsName(code, 100, ".") {
		return ""
	}
	return code
}

// awsExpired reports whether a code says that a session has ended.
func awsExpired(code string) bool { return strings.HasPrefix(code, "ExpiredToken") }

// awsThrottled reports whether a code says that there is too much, for the account, the
// resource or the key that encrypts it.
func awsThrottled(code string) bool {
	return containsAny(strings.ToLower(code), "throttl", "throughputexceeded", "toomanyrequests", "requestlimitexceeded", "slowdown", "overlimit")
}

// awsRefused reports whether a code says that the role may not send.
func awsRefused(code string) bool {
	return containsAny(code, "AccessDenied", "AuthorizationError", "NotAuthorized", "InvalidClientTokenId", "UnrecognizedClient", "OptInRequired")
}

// awsMissing reports whether a code says that there is no such queue, topic, bus or
// stream.
func awsMissing(code string) bool {
	switch strings.TrimSuffix(code, "Exception") {
	case "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NotFound", "ResourceNotFound", "NonExistentQueue":
		return true
	default:
		return false
	}
}

// awsTooLarge reports whether an answer says that the message is too large. The codes
// are those of any bad parameter; the words are of the services' documentation and
// answers.
func awsTooLarge(code, said string) bool {
	return containsAny(code, "TooLong", "TooLarge") || containsAny(code, "InvalidParameter", "Validation", "InvalidArgument") &&
		containsAny(strings.ToLower(said), "too long", "must be shorter than", "over the limit", "length less than or equal to 1048576")
}

// awsJudge sharpens what AWS answered: its codes say more than its statuses, most of
// which are 400. A code may stand in a success too.
func awsJudge(a *answer, code string) {
	said := a.Response
	if containsAny(strings.ToLower(said), "signature", "canonical", "security-token") {
		a.Response = "" // what was signed, quoted: the session's token is in it
	}
	switch {
	case code == "" && a.Class != "":
		a.refine()
		return
	case code == "":
		return
	case awsRefused(code):
		a.refuseCredential()
	case awsMissing(code):
		a.refuseNotFound()
	case awsThrottled(code):
		a.throttle()
	case awsTooLarge(code, said):
		a.refuseTooLarge()
	case a.StatusCode == http.StatusServiceUnavailable:
		a.throttle()
	case a.Class == "":
		a.refuse(deliver.ClassServerError, "", "the destination did not take the event")
	}
	a.Message += ": " + code
}
