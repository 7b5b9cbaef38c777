package kms_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hermod/pkg/awscfg"
	"hermod/pkg/hermod"
	"hermod/pkg/kms"
)

// A service answers the SDK's requests as AWS documents them.
type service func(operation string, request map[string]any) (status int, body any)

func (s service) Do(r *http.Request) (*http.Response, error) {
	var request map[string]any
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return nil, err
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	status, body := s(operation, request)
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(bytes.NewReader(encoded)), Request: r,
	}, nil
}

func keysOf(t *testing.T, s service) *kms.Keys {
	t.Helper()
	cfg, err := awscfg.Load(func(name string) string {
		return map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}[name]
	}, awscfg.KMS)
	if err != nil {
		t.Fatal(err)
	}
	cfg.BaseEndpoint = aws.String("http://kms.test")
	cfg.HTTPClient = s
	return kms.New(cfg, "alias/secrets")
}

func TestDataKeyIsBoundToItsOwner(t *testing.T) {
	t.Parallel()
	var got []map[string]any
	keys := keysOf(t, func(_ string, request map[string]any) (int, any) {
		got = append(got, request)
		return http.StatusOK, map[string]any{"Plaintext": []byte("plain"), "CiphertextBlob": []byte("wrapped")}
	})
	plain, wrapped, err := keys.DataKey(t.Context(), "owner-1")
	if err != nil || string(plain) != "plain" || string(wrapped) != "wrapped" {
		t.Errorf("got %q, %q, %v", plain, wrapped, err)
	}
	plain, err = keys.Unwrap(t.Context(), "owner-1", []byte("wrapped"))
	if err != nil || string(plain) != "plain" {
		t.Errorf("got %q, %v", plain, err)
	}
	bound := map[string]any{"owner": "owner-1"}
	want := []map[string]any{
		{"KeyId": "alias/secrets", "KeySpec": "AES_256", "EncryptionContext": bound},
		{"KeyId": "alias/secrets", "CiphertextBlob": "d3JhcHBlZA==", "EncryptionContext": bound},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got requests %v, want %v", got, want)
	}
}

func TestErrorsOfKMSSayWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]hermod.Code{
		"InvalidCiphertextException": hermod.CodeInternal,
		"AccessDeniedException":      hermod.CodeInternal,
		"KeyUnavailableException":    hermod.CodeUnavailable,
		"ThrottlingException":        hermod.CodeUnavailable,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // the SDK waits between its tries
				keys := keysOf(t, func(string, map[string]any) (int, any) {
					return http.StatusBadRequest, map[string]any{"__type": code}
				})
				_, _, err := keys.DataKey(t.Context(), "o")
				if got := hermod.CodeOf(err); got != want {
					t.Errorf("making: got %v of code %q, want %q", err, got, want)
				}
				_, err = keys.Unwrap(t.Context(), "o", []byte("x"))
				if got := hermod.CodeOf(err); got != want {
					t.Errorf("opening: got %v of code %q, want %q", err, got, want)
				}
			})
		})
	}
}
