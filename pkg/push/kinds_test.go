package push_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// endpointsFor makes the server stand in for the hosts.
func endpointsFor(t *testing.T, server string, hosts ...string) push.Endpoints {
	t.Helper()
	list := ""
	for _, host := range hosts {
		list += host + "=" + server + ","
	}
	endpoints, err := push.ParseEndpoints(list)
	if err != nil {
		t.Fatal(err)
	}
	return endpoints
}

func plainSuccess(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "taken")
	}
}

func webhookRow() conformer {
	return conformer{
		kind: hermod.Webhook,
		configuration: func(server string) string {
			return `{"url":"` + server + `/hook?token=s3cret","headers":{"Authorization":"Bearer s3cret"}}`
		},
		success: plainSuccess(http.StatusAccepted),
		answers: map[string]failing{
			"throttled":      {status: 429, header: map[string]string{"Retry-After": "7"}, class: "throttled", retryAfter: 7 * time.Second},
			"busy":           {status: 503, header: map[string]string{"Retry-After": "7"}, class: "http_5xx", retryAfter: 7 * time.Second},
			"bad credential": {status: 401, class: "http_4xx"}, // the subscriber's own code says so
			"too large":      {status: 413, class: "http_4xx"},
			"not found":      {status: 404, class: "http_4xx"},
			"gone":           {status: 410, class: "gone", reason: hermod.ReasonGone},
			"server error":   {status: 500, class: "http_5xx"},
			"redirect":       {status: 307, header: map[string]string{"Location": "http://127.0.0.1:9/s3cret"}, class: "redirect"},
		},
		hostile: map[string]string{
			`{"url":"file:///etc/passwd"}`:                                       "typeConfiguration.url",
			`{"url":"http://10.0.0.1/s3cret"}`:                                   "typeConfiguration.url",
			`{"url":"http://169.254.169.254/latest/meta-data"}`:                  "typeConfiguration.url",
			`{"url":"http://user:s3cret@receiver.example/"}`:                     "typeConfiguration.url",
			`{"url":"https://receiver.example/","headers":{"Host":"s3cret"}}`:    "typeConfiguration.headers.Host",
			`{"url":"https://receiver.example/","headers":{"X-A":"s3cret\r\n"}}`: "typeConfiguration.headers.X-A",
		},
		target: func(server string) string { return server + "/hook" },
	}
}

// The connection string is of the form that Azure's portal shows; the key is none.
const azureConnection = "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=Signicat;SharedAccessKey=s3cretKeyOfNobody0123456789012345678901234="

func azureConfiguration(connection, more string) string {
	return `{"connectionString":"` + connection + `"` + more + `}`
}

func azureRow() conformer {
	const queue = `,"queueName":"q"`
	const key = ";SharedAccessKeyName=a;SharedAccessKey=s3cret"
	at := func(endpoint string) string { return azureConfiguration("Endpoint="+endpoint+key, queue) }
	return conformer{
		kind: hermod.AzureServiceBus, asks: true,
		options: func(t *testing.T, server string) push.Options {
			return push.Options{Endpoints: endpointsFor(t, server, "servicebus.windows.net")}
		},
		configuration: func(string) string { return azureConfiguration(azureConnection+";EntityPath=orders", "") },
		success:       plainSuccess(http.StatusCreated),
		answers: map[string]failing{
			"throttled":        {status: 429, header: map[string]string{"Retry-After": "7"}, class: "throttled", retryAfter: 7 * time.Second},
			"busy":             {status: 503, header: map[string]string{"Retry-After": "7"}, class: "throttled", retryAfter: 7 * time.Second},
			"bad credential":   {status: 401, body: azureError(401, "40103: Invalid authorization token signature"), class: "bad_credential", reason: hermod.ReasonCredential},
			"too large":        {status: 413, class: "too_large", reason: hermod.ReasonTooLarge},
			"too large by 403": {status: 403, body: azureError(403, "The received message exceeds the limit (262144 bytes)"), class: "too_large", reason: hermod.ReasonTooLarge},
			"full":             {status: 403, body: azureError(403, "40352: The maximum entity size has been reached or exceeded for Queue: 'ORDERS'."), class: "throttled"},
			"another 403":      {status: 403, body: azureError(403, "no words that are known"), class: "http_4xx"},
			"not found":        {status: 404, body: azureError(404, "40400: Endpoint not found."), class: "not_found", reason: hermod.ReasonNotFound},
			"gone":             {status: 410, class: "not_found", reason: hermod.ReasonNotFound},
			"bad request":      {status: 400, class: "http_4xx"},
			"server error":     {status: 500, class: "http_5xx"},
		},
		hostile: map[string]string{
			at("sb://169.254.169.254/"):                                                 "typeConfiguration.connectionString",
			at("sb://localhost/"):                                                       "typeConfiguration.connectionString",
			at("sb://s3cret.example/"):                                                  "typeConfiguration.connectionString",
			at("sb://ns.servicebus.windows.net.s3cret.example"):                         "typeConfiguration.connectionString",
			at("sb://s3cret.example/.servicebus.windows.net"):                           "typeConfiguration.connectionString",
			at("sb://s3cret.example#.servicebus.windows.net"):                           "typeConfiguration.connectionString",
			at("sb://s3cret.example?.servicebus.windows.net"):                           "typeConfiguration.connectionString",
			at("sb://u@ns.servicebus.windows.net"):                                      "typeConfiguration.connectionString",
			at("sb://ns.servicebus.windows.net:9001"):                                   "typeConfiguration.connectionString",
			at("sb://a.b.servicebus.windows.net"):                                       "typeConfiguration.connectionString",
			at("sb://.servicebus.windows.net"):                                          "typeConfiguration.connectionString",
			at("sb://ns%2eservicebus.windows.net"):                                      "typeConfiguration.connectionString",
			at("sb://ns\u3002servicebus.windows.net"):                                   "typeConfiguration.connectionString",
			at("sb://x\\\\y.servicebus.windows.net"):                                    "typeConfiguration.connectionString",
			at("file://ns.servicebus.windows.net/"):                                     "typeConfiguration.connectionString",
			at("http://ns.servicebus.windows.net/"):                                     "typeConfiguration.connectionString",
			at(""):                                                                      "typeConfiguration.connectionString",
			azureConfiguration("s3cret", queue):                                         "typeConfiguration.connectionString",
			azureConfiguration(azureConnection+";Endpoint=sb://s3cret.example/", queue): "typeConfiguration.connectionString",
			azureConfiguration("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKey=s3cret", queue):   "typeConfiguration.connectionString",
			azureConfiguration("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=s", queue):    "typeConfiguration.connectionString",
			azureConfiguration("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessSignature=s3", queue): "typeConfiguration.connectionString",
			azureConfiguration(azureConnection, ""):                                                        "typeConfiguration.queueName",
			azureConfiguration(azureConnection, `,"queueName":"../../s3cret"`):                             "typeConfiguration.queueName",
			azureConfiguration(azureConnection, `,"queueName":"q/messages?x=s3cret"`):                      "typeConfiguration.queueName",
			azureConfiguration(azureConnection, `,"queueName":"q#"`):                                       "typeConfiguration.queueName",
			azureConfiguration(azureConnection, `,"queueName":"q\r\nX: s3cret"`):                           "typeConfiguration.queueName",
			azureConfiguration(azureConnection, `,"queueName":"a","topicName":"b"`):                        "typeConfiguration.topicName",
			azureConfiguration(azureConnection+";EntityPath=a", `,"queueName":"b"`):                        "typeConfiguration.queueName",
			azureConfiguration(azureConnection+";EntityPath=../s3cret", ""):                                "typeConfiguration.connectionString",
		},
		target: func(string) string { return "https://contoso.servicebus.windows.net/orders/messages" },
	}
}

func mintRow() conformer {
	return conformer{
		kind: hermod.Mint,
		options: func(t *testing.T, server string) push.Options {
			mint, err := push.ParseMint(server+"/flows/{flowId}/start?key=s3cret", push.Local())
			if err != nil {
				t.Fatal(err)
			}
			return push.Options{Mint: mint}
		},
		configuration: func(string) string { return `{"flowId":"flow-1"}` },
		success:       plainSuccess(http.StatusOK),
		answers: map[string]failing{
			"throttled":      {status: 429, header: map[string]string{"Retry-After": "7"}, class: "throttled", retryAfter: 7 * time.Second},
			"busy":           {status: 503, header: map[string]string{"Retry-After": "7"}, class: "throttled", retryAfter: 7 * time.Second},
			"bad credential": {status: 401, class: "http_4xx"}, // the operator's, which the subscriber cannot mend
			"too large":      {status: 413, class: "too_large", reason: hermod.ReasonTooLarge},
			"gone":           {status: 410, class: "not_found", reason: hermod.ReasonNotFound},
			"not found":      {status: 404, class: "not_found", reason: hermod.ReasonNotFound},
			"server error":   {status: 500, class: "http_5xx"},
		},
		hostile: map[string]string{
			`{"flowId":"../s3cret"}`:     "typeConfiguration.flowId",
			`{"flowId":".."}`:            "typeConfiguration.flowId",
			`{"flowId":"a?b=s3cret"}`:    "typeConfiguration.flowId",
			`{"flowId":"@s3cret.com"}`:   "typeConfiguration.flowId",
			`{"flowId":"a\r\nX:s3cret"}`: "typeConfiguration.flowId",
			`{"flowId":"%2e%2e"}`:        "typeConfiguration.flowId",
		},
		target: func(server string) string { return server + "/flows/flow-1/start" },
	}
}

// azureError is an error in the form of Service Bus' REST API.
func azureError(status int, detail string) string {
	return "<Error><Code>" + http.StatusText(status) + "</Code><Detail>" + detail + " TrackingId:1_G1, Timestamp:2026-03-01T12:00:00</Detail></Error>"
}
