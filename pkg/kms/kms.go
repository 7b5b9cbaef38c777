// Package kms makes and opens the data keys that seal secrets, with a key of AWS
// KMS that never leaves it.
package kms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"hermod/pkg/awscfg"
)

// A Keys makes data keys under one KMS key. It is safe for concurrent use.
type Keys struct {
	client *kms.Client
	keyID  string
}

// New makes a Keys under the KMS key of that id, ARN or alias.
func New(cfg aws.Config, keyID string) *Keys {
	return &Keys{client: kms.NewFromConfig(cfg), keyID: keyID}
}

// DataKey makes a 256-bit key for the owner's secrets: in the clear, to seal with
// and forget, and wrapped, to be kept beside what it sealed.
func (k *Keys) DataKey(ctx context.Context, owner string) (plain, wrapped []byte, err error) {
	out, err := k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId:             aws.String(k.keyID),
		KeySpec:           types.DataKeySpecAes256,
		EncryptionContext: boundTo(owner),
	})
	if err != nil {
		return nil, nil, awscfg.Wrap("making a data key", err)
	}
	return out.Plaintext, out.CiphertextBlob, nil
}

// Unwrap opens a wrapped key. KMS refuses one that was made for another owner or
// under another KMS key.
func (k *Keys) Unwrap(ctx context.Context, owner string, wrapped []byte) (plain []byte, err error) {
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{
		KeyId:             aws.String(k.keyID),
		CiphertextBlob:    wrapped,
		EncryptionContext: boundTo(owner),
	})
	if err != nil {
		return nil, awscfg.Wrap("opening a data key", err)
	}
	return out.Plaintext, nil
}

// boundTo is the encryption context: KMS authenticates it and writes it to
// CloudTrail, so it holds no secret.
func boundTo(owner string) map[string]string { return map[string]string{"owner": owner} }
