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

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for column, policy := range policies(t) {
		name := "SLE"[column : column+1]
		for _, tt := range writtenTargets() {
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
