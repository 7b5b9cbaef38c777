package push_test

import (
	"net/netip"
	"strings"
	"testing"

	"hermod/pkg/hermod"
	"hermod/pkg/push"
)

// The networks that the emulator's policy opens in these tests.
const testNetworks = "172.20.0.0/16, fd12::/16"

// policies are those of the table, in the order of its columns.
func policies(t *testing.T) [3]*push.Policy {
	t.Helper()
	networks, err := push.ParseNetworks(testNetworks)
	if err != nil {
		t.Fatal(err)
	}
	return [3]*push.Policy{push.Strict(8443), push.Local(), push.Emulator(networks...)}
}

// verdicts say who allows a URL: S is Strict (with port 8443), L Local, E Emulator.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ url, verdicts string }{
		// What subscribers write.
		{"https://receiver.example", "SLE"},
		{"https://receiver.example/", "SLE"},
		{"https://receiver.example/hook?token=a%20b&x=1", "SLE"},
		{"https://receiver.example:443/hook", "SLE"},
		{"https://receiver.example:8443/hook", "SLE"},
		{"https://receiver.example:8444/hook", "LE"},
		{"https://RECEIVER.Example./hook", "SLE"},
		{"HTTPS://receiver.example/hook", "SLE"},
		{"https://my_receiver.example/", "SLE"},
		{"https://xn--bcher-kva.example/", "SLE"},
		{"https://bücher.example/", ""},
		{"https://8.8.8.8/hook", "SLE"},
		{"https://[2606:4700:4700::1111]/hook", "SLE"},
		{"https://3com.example/", "SLE"},
		{"https://receiver.example/a:b@c", "SLE"},
		{"http://receiver.example/hook", "LE"}, // on the emulator the address decides when it is dialled
		{"http://8.8.8.8/hook", "L"},
		{"https://" + strings.Repeat("a", 63) + ".example/", "SLE"},
		{"https://receiver.example/" + strings.Repeat("a", 2048-25), "SLE"},

		// No target at all.
		{"", ""},
		{" https://receiver.example", ""},
		{"https://receiver.example/ x", ""},
		{"https://receiver.example/\n", ""},
		{"https://receiver.example/\x00", ""},
		{"receiver.example/hook", ""},
		{"//receiver.example/hook", ""},
		{"/hook", ""},
		{"https:receiver.example", ""},
		{"https:///hook", ""},
		{"https://:443/hook", ""},
		{"https://./hook", ""},
		{"https://../hook", ""},
		{"https://a..example/", ""},
		{"https://-a.example/", ""},
		{"https://a-.example/", ""},
		{"https://a,b.example/", ""},
		{"https://" + strings.Repeat("a", 64) + ".example/", ""},
		{"https://" + strings.Repeat("a.", 127) + "example/", ""},
		{"https://receiver.example/" + strings.Repeat("a", 2048-24), ""},
		{"ftp://receiver.example/", ""},
		{"file:///etc/passwd", ""},
		{"gopher://receiver.example:443/_GET", ""},
		{"javascript:alert(1)", ""},
		{"unix:///var/run/docker.sock", ""},

		// Parts that a target must not have.
		{"https://receiver.example/#fragment", ""},
		{"https://receiver.example#", ""},
		{"https://user@receiver.example/", ""},
		{"https://user:secret@receiver.example/", ""},
		{"https://@receiver.example/", ""},
		{"https://receiver.example@127.0.0.1/", ""},
		{"https://127.0.0.1@receiver.example/", ""},
		{"https://receiver.example:443@169.254.169.254/", ""},
		{`https://receiver.example\@127.0.0.1/`, ""},
		{"https://receiver.example%40127.0.0.1/", ""},
		{"https://receiver.example%00.evil.example/", ""},
		{"https://127.0.0.1#@receiver.example/", ""},

		// Ports.
		{"https://receiver.example:/", ""},
		{"https://receiver.example:0/", ""},
		{"https://receiver.example:65536/", ""},
		{"https://receiver.example:-1/", ""},
		{"https://receiver.example:https/", ""},
		{"https://receiver.example:22/", "LE"},
		{"https://receiver.example:443:443/", ""},

		// This machine.
		{"https://127.0.0.1/", "L"},
		{"http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "L"},
		{"http://127.8.9.10:3000/", "L"},
		{"http://127.0.0.1./", "L"},
		{"http://localhost:3000/", "LE"}, // names are judged by their address when they are dialled
		{"https://localhost/", "LE"},
		{"https://LOCALHOST./", "LE"},
		{"https://api.localhost/", "LE"},
		{"http://[::1]:3000/", "L"},
		{"http://[0:0:0:0:0:0:0:1]/", "L"},
		{"http://[::ffff:127.0.0.1]/", "L"},
		{"http://[::ffff:7f00:1]/", "L"},
		{"https://[::]/", ""},
		{"https://[::127.0.0.1]/", ""},
		{"https://0.0.0.0/", ""},
		{"https://0.1.2.3/", ""},
		{"https://0/", ""},

		// Addresses in disguise.
		{"https://2130706433/", ""},
		{"https://0x7f000001/", ""},
		{"https://0x7f.0.0.1/", ""},
		{"https://0X7F.1/", ""},
		{"https://0177.0.0.1/", ""},
		{"https://017700000001/", ""},
		{"https://127.1/", ""},
		{"https://127.0.1/", ""},
		{"https://127.0.0.01/", ""},
		{"https://127.0.0.1.1/", ""},
		{"https://256.256.256.256/", ""},
		{"https://１２７.０.０.１/", ""},
		{"https://①②⑦.⓪.⓪.①/", ""},
		{"https://169。254。169。254/", ""},
		{"https://169．254．169．254/", ""},
		{"https://%31%32%37.0.0.1/", ""},
		{"https://99999999999999999999999/", ""},
		{"https://1e1/", "LE"}, // a name: no resolver reads it as a number

		// Addresses inside a network.
		{"https://10.0.0.1/", ""},
		{"https://172.16.0.1/", ""},
		{"https://172.31.255.255/", ""},
		{"https://172.20.1.1/", "E"},
		{"http://172.20.1.1:8080/", "E"},
		{"https://172.32.0.1/", "SLE"},
		{"https://192.168.1.1/", ""},
		{"https://169.254.169.254/latest/meta-data/", ""},
		{"http://169.254.169.254/latest/meta-data/", ""},
		{"https://169.254.79.129:2000/", ""},
		{"https://[fd00:ec2::254]/", ""},
		{"https://[fd12::1]/", "E"},
		{"https://[fe80::1]/", ""},
		{"https://[fe80::1%25eth0]/", ""},
		{"https://[fec0::1]/", ""},
		{"https://[::ffff:10.0.0.1]/", ""},
		{"https://[::ffff:a9fe:a9fe]/", ""},
		{"https://[::ffff:0:169.254.169.254]/", ""},
		{"https://100.64.0.1/", ""},
		{"https://100.100.100.200/", ""},
		{"https://metadata.google.internal/", "LE"},
		{"https://printer.local/", "LE"},
		{"https://intranet/", "LE"},

		// Reserved addresses.
		{"https://192.0.0.192/", ""},
		{"https://192.0.2.1/", ""},
		{"https://198.18.0.1/", ""},
		{"https://198.51.100.1/", ""},
		{"https://203.0.113.1/", ""},
		{"https://224.0.0.1/", ""},
		{"https://240.0.0.1/", ""},
		{"https://255.255.255.255/", ""},
		{"https://[64:ff9b::7f00:1]/", ""},
		{"https://[64:ff9b::8.8.8.8]/", ""},
		{"https://[64:ff9b:1::a00:1]/", ""},
		{"https://[2002:7f00:1::]/", ""},
		{"https://[2001:0:4136:e378::]/", ""},
		{"https://[2001:db8::1]/", ""},
		{"https://[ff02::1]/", ""},
		{"https://[100::1]/", ""},

		// Brackets.
		{"https://[127.0.0.1]/", ""},
		{"https://[::1/", ""},
		{"https://::1/", ""},
		{"https://[]/", ""},
		{"https://[::1].receiver.example/", ""},
		{"https://[v1.fe80::a]/", ""},
	}
	for column, policy := range policies(t) {
		name := "SLE"[column : column+1]
		for _, tt := range tests {
			t.Run(name+" "+tt.url, func(t *testing.T) {
				t.Parallel()
				checkVerdict(t, policy.CheckURL(tt.url), strings.Contains(tt.verdicts, name))
			})
		}
	}
}

func checkVerdict(t *testing.T, err error, allowed bool) {
	t.Helper()
	if allowed {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatal("allowed")
	}
	if hermod.CodeOf(err) != hermod.CodeInvalid || !strings.Contains(err.Error(), "typeConfiguration.url") {
		t.Errorf("the error is %v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error quotes the URL: %v", err)
	}
}

func TestStrictAllowsPort443Alone(t *testing.T) {
	t.Parallel()
	checkVerdict(t, push.Strict().CheckURL("https://receiver.example:443/"), true)
	checkVerdict(t, push.Strict().CheckURL("https://receiver.example:8443/"), false)
}

func TestTheEmulatorWithoutNetworksIsStrict(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://receiver.example/", "https://127.0.0.1/", "https://172.20.0.1/", "https://receiver.example:8080/", "https://localhost/"} {
		checkVerdict(t, push.Emulator().CheckURL(url), false)
	}
	checkVerdict(t, push.Emulator().CheckURL("https://receiver.example/"), true)
}

func TestParseNetworks(t *testing.T) {
	t.Parallel()
	got, err := push.ParseNetworks(" 10.1.2.3/8,, fd00::/8 ")
	if err != nil || len(got) != 2 || got[0] != netip.MustParsePrefix("10.0.0.0/8") || got[1] != netip.MustParsePrefix("fd00::/8") {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := push.ParseNetworks(""); err != nil || got != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	for _, list := range []string{"10.0.0.1", "10.0.0.0/33", "all", "10.0.0.0/8;fd00::/8"} {
		if got, err := push.ParseNetworks(list); err == nil {
			t.Errorf("%q: %v", list, got)
		}
	}
}

// Whatever is written, what CheckURL allows has the parts that it promises.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"https://receiver.example/hook", "https://①②⑦.⓪.⓪.①/", "https://[::1]:443/", "https://a@b/", "https://0x7f.1/"} {
		f.Add(seed)
	}
	strict := push.Strict()
	f.Fuzz(func(t *testing.T, raw string) {
		if strict.CheckURL(raw) != nil {
			return
		}
		if len(raw) > 2048 || strings.ContainsAny(raw, "# \\\n\r\t") || !strings.EqualFold(raw[:8], "https://") {
			t.Errorf("allowed %q", raw)
		}
		host, _, _ := strings.Cut(raw[8:], "/")
		host, _, _ = strings.Cut(host, "?")
		if strings.Contains(host, "@") {
			t.Errorf("allowed userinfo in %q", raw)
		}
	})
}
