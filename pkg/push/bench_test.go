package push_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"

	"hermod/pkg/deliver"
	"hermod/pkg/push"
	"hermod/pkg/sign"
)

// benchPayload is an event of 0.5 KB with the headers of a signed delivery.
func benchPayload() deliver.Payload {
	body := bytes.Repeat([]byte("x"), 512)
	return deliver.Payload{Body: body, ContentType: "application/json", Header: http.Header{
		"X-Signicat-Signature": {sign.HMACHex("secret", body)}, "Webhook-Id": {"82fa52a9bc7549438b8c6aee71569fa7"},
		"Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	}}
}

// BenchmarkPush pushes over kept connections to a sink in the same process: the
// sink's cost is in the result.
func BenchmarkPush(b *testing.B) {
	sinks := map[string]func(b *testing.B) string{
		"net/http sink": func(b *testing.B) string {
			return newServer(b, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }).URL
		},
		"bare sink": bareSink,
	}
	for name, sink := range sinks {
		b.Run(name, func(b *testing.B) {
			s := webhookTo(sink(b) + "/hook?token=1")
			s.Version = 1
			ps := newPushers(b, push.Options{})
			p := benchPayload()
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if r := ps.Push(b.Context(), s, p); !r.Succeeded() {
						b.Errorf("%+v", r)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pushes/s")
		})
	}
}

// bareSink answers every request after its 512 bytes of body and allocates nothing.
func bareSink(b *testing.B) string {
	return rawServer(b, func(c net.Conn) {
		reader := bufio.NewReader(c)
		for {
			for {
				line, err := reader.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := reader.Discard(512); err != nil {
				return
			}
			if _, err := io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
				return
			}
		}
	})
}
