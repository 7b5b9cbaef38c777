//go:build cloud

package kms_test

import (
	"os"
	"testing"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"hermod/pkg/awscfg"
	"hermod/pkg/kms"
)

func TestKeyOpensForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	url := os.Getenv("AWS_ENDPOINT_URL")
	if url == "" {
		t.Fatal("AWS_ENDPOINT_URL is not set: start MiniStack and put its URL there (make test-cloud does)")
	}
	cfg, err := awscfg.Load(func(name string) string {
		return map[string]string{
			"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": url,
		}[name]
	}, awscfg.KMS)
	if err != nil {
		t.Fatal(err)
	}
	created, err := awskms.NewFromConfig(cfg).CreateKey(t.Context(), &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	keys := kms.New(cfg, *created.KeyMetadata.KeyId)
	plain, wrapped, err := keys.DataKey(t.Context(), "owner-1")
	if err != nil || len(plain) != 32 {
		t.Fatalf("got a key of %d bytes (%v), want 32", len(plain), err)
	}
	opened, err := keys.Unwrap(t.Context(), "owner-1", wrapped)
	if err != nil || string(opened) != string(plain) {
		t.Errorf("got another key (%v)", err)
	}
	if _, err := keys.Unwrap(t.Context(), "owner-2", wrapped); err == nil {
		t.Error("the key opened for another owner")
	}
}
