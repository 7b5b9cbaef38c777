package lambdahttp

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// path is the path of the request, decoded, as API Gateway gives it.
func path(event *events.APIGatewayV2HTTPRequest) string {
	p := event.RawPath
	if p == "" {
		p = event.RequestContext.HTTP.Path
	}
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	return p
}

// plain is the event without all that the adapter could stumble over. What is
// left out, mend puts into the request afterwards.
func plain(event events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPRequest {
	event.RawPath = "/"
	event.RawQueryString = ""
	event.QueryStringParameters = nil
	event.Headers = nil
	event.Cookies = nil
	if _, err := url.Parse("https://" + event.RequestContext.DomainName + "/"); err != nil {
		event.RequestContext.DomainName = ""
	}
	return event
}

// mend gives the request what the event says and net/http would have shown.
func mend(r *http.Request, event *events.APIGatewayV2HTTPRequest) {
	r.Method = event.RequestContext.HTTP.Method // which is regarded with case
	r.URL = &url.URL{Path: path(event), RawQuery: query(event)}
	r.RequestURI = r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		r.RequestURI += "?" + r.URL.RawQuery
	}
	// API Gateway joins the lines of a header with commas. Which commas were the
	// client's own cannot be told, so a value stays as it is.
	r.Header = make(http.Header, len(event.Headers)+1)
	for name, value := range event.Headers {
		r.Header.Add(name, value)
	}
	if len(event.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(event.Cookies, "; "))
	}
	r.Host = r.Header.Get("Host")
	r.Header.Del("Host")
	r.Header.Del("Transfer-Encoding") // API Gateway hands over whole bodies
	if r.Host == "" {
		r.Host = event.RequestContext.DomainName
	}
	// The port is not told. 0 keeps the form that net.SplitHostPort expects.
	r.RemoteAddr = net.JoinHostPort(event.RequestContext.HTTP.SourceIP, "0")
}

// query is the query string. API Gateway leaves it encoded.
func query(event *events.APIGatewayV2HTTPRequest) string {
	if event.RawQueryString != "" || len(event.QueryStringParameters) == 0 {
		return event.RawQueryString
	}
	values := url.Values{}
	for name, value := range event.QueryStringParameters {
		values.Set(name, value)
	}
	return values.Encode()
}
