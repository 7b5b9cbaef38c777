package sign_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"hermod/pkg/sign"
)

// The vector of the Svix server's tests (worker.rs, test_asymmetric_key_signing), whose
// signature the specification shows as its example of a v1a.
const (
	vectorPrivate    = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	vectorPublic     = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	vectorAsymmetric = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)

func TestEd25519MatchesThePublishedVector(t *testing.T) {
	t.Parallel()
	another := sign.NewPrivateKey(func(p []byte) { p[0] = 1 })
	for want, keys := range map[string][]string{
		vectorAsymmetric:       {vectorPrivate},
		vectorAsymmetric + " ": {vectorPrivate, another},
	} {
		h := http.Header{}
		err := sign.StandardWebhooksEd25519(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 999_999_999), []byte(`{"test": 2432232314}`), keys...)
		if err != nil {
			t.Fatal(err)
		}
		got := h.Get("webhook-signature")
		if !strings.HasPrefix(got, want) || strings.Count(got, "v1a,") != len(keys) || len(strings.Fields(got)) != len(keys) {
			t.Errorf("%d keys: %s", len(keys), got)
		}
		if h.Get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || h.Get("webhook-timestamp") != "1614265330" {
			t.Errorf("%v", h)
		}
	}
	if got := sign.PublicKey(vectorPrivate); got != vectorPublic {
		t.Errorf("the public key is %s", got)
	}
}

// RFC 8032, section 7.1, tests 1 to 3: the public keys of three seeds.
func TestAKeyPairIsThatOfItsSeed(t *testing.T) {
	t.Parallel()
	for seed, public := range map[string]string{
		"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
		"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb": "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
		"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7": "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
	} {
		private := sign.NewPrivateKey(func(p []byte) {
			if n, err := hex.Decode(p, []byte(seed)); err != nil || n != len(p) {
				t.Fatalf("%d bytes are asked for: %v", len(p), err)
			}
		})
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(private, "whsk_"))
		if err != nil || hex.EncodeToString(key) != seed+public {
			t.Errorf("made %s: %v", private, err)
		}
		raw, err := hex.DecodeString(public)
		if want := "whpk_" + base64.StdEncoding.EncodeToString(raw); err != nil || sign.PublicKey(private) != want {
			t.Errorf("the public key is %s, want %s", sign.PublicKey(private), want)
		}
	}
}

// Whoever has the public key alone can verify, and what is changed is not verified.
func TestEd25519IsVerifiedByThePublicKey(t *testing.T) {
	t.Parallel()
	private := sign.NewPrivateKey(func(p []byte) { copy(p, "any seed will do") })
	h := http.Header{}
	if err := sign.StandardWebhooksEd25519(h, "id", time.Unix(7, 0), []byte("{}"), private); err != nil {
		t.Fatal(err)
	}
	decode := func(text, prefix string) []byte {
		raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(text, prefix))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	public, signature := decode(sign.PublicKey(private), "whpk_"), decode(h.Get("webhook-signature"), "v1a,")
	for content, want := range map[string]bool{"id.7.{}": true, "id.8.{}": false, "id.7.{}\n": false, "ie.7.{}": false} {
		if got := ed25519.Verify(public, []byte(content), signature); got != want {
			t.Errorf("%s: %v", content, got)
		}
	}
}

func TestWhatIsNoPrivateKeySignsNothing(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"", "whsk_", "whsk_AAAA", "whsec_" + vectorPrivate[5:], vectorPrivate[5:], vectorPublic, vectorPrivate + "A", "whsk_" + vectorPrivate[6:],
	} {
		h := http.Header{}
		if err := sign.StandardWebhooksEd25519(h, "id", time.Unix(1, 0), nil, vectorPrivate, key); err == nil || len(h) != 0 {
			t.Errorf("signed by %q: %v", key, h)
		} else if key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("the error quotes the key: %v", err)
		}
		if sign.PublicKey(key) != "" {
			t.Errorf("%q has the public key %s", key, sign.PublicKey(key))
		}
	}
	if sign.StandardWebhooksEd25519(http.Header{}, "a.b", time.Unix(1, 0), nil, vectorPrivate) == nil {
		t.Error("an ambiguous id is signed")
	}
	if sign.StandardWebhooksEd25519(http.Header{}, "a", time.Unix(1, 0), nil) == nil {
		t.Error("no key signs")
	}
}

func TestNewTextIsThirtyTwoRandomBytes(t *testing.T) {
	t.Parallel()
	got := sign.NewText(func(b []byte) {
		for i := range b {
			b[i] = byte(255 - i)
		}
	})
	if want := "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
