package push_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"hermod/pkg/deliver"
	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// newPushers makes pushers under the local policy, unless o says else.
func newPushers(t testing.TB, o push.Options) *push.Pushers {
	t.Helper()
	if o.Policy == nil {
		o.Policy = push.Local()
	}
	ps := push.New(o)
	t.Cleanup(ps.CloseIdle)
	return ps
}

// webhookTo is a subscription that was never stored.
func webhookTo(url string) *hermod.Subscription {
	return webhook(map[string]any{"url": url})
}

func webhook(configuration map[string]any) *hermod.Subscription {
	raw, err := json.Marshal(configuration)
	if err != nil {
		panic(err)
	}
	return &hermod.Subscription{
		ID: "s-1", Owner: "a-1", Type: hermod.Webhook, Secrets: hermod.Secrets{Configuration: raw},
	}
}

func payload() deliver.Payload {
	return deliver.Payload{Body: []byte(`{"id":"1"}`), ContentType: "application/json", Header: http.Header{}}
}

func newServer(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// rawServer accepts connections on loopback and hands each to serve, which may say
// anything; serve's connection is closed at the end of the test at the latest. It
// gives the server's URL.
func rawServer(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go serve(conn)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}

// answering is a raw server that reads one request and answers these bytes, then
// closes.
func answering(t testing.TB, answer string) string {
	t.Helper()
	return rawServer(t, func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		_, _ = io.WriteString(conn, answer)
	})
}

// newTLSServer is an https server with a certificate for 127.0.0.1 that is valid
// from and until the times given, and the pool that trusts it.
func newTLSServer(t testing.TB, from, until time.Time, h http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = silent()
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	t.Cleanup(server.Close)
	return server, pool
}

// valid are the times of a certificate that is neither too old nor too young.
func valid() (from, until time.Time) {
	return time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
}
