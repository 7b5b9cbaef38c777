package dynamo

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The data of an event is kept compressed where that makes it smaller: every kilobyte
// of a row is a write unit, and an event of 1.5 KB mostly fits into one that way.
const (
	plainData      = "d"
	compressedData = "z" // DEFLATE (RFC 1951) with the dictionary below
	// leastCompressed is the size in bytes below which nothing is gained.
	leastCompressed = 128
)

// dictionary is what a row's data is compressed against: how members of events are
// written in JSON, the usual ones last, where a reference to them is short. Rows that were
// written with it need these very bytes. So it never changes; a better one takes another
// attribute.
const dictionary = `https://api.example.com/ "true,"false,"null,"urn: .pdf","` +
	`","object":"","state":"","reason":"","error":"","message":"","code":"","version":"","number":"","locale":"","language":"` +
	`","country":"","environment":"","value":"","label":"","title":"","description":"","url":"","link":"","method":"","result":"` +
	`","type":"","size":"","bytes":"","fileName":"","mimeType":"application/pdf","","contentType":"","checksum":"","sha256":"` +
	`","format":"","formats":"","hash":"","reference":"","metadata":"","tags":"","data":"","attributes":"","properties":"` +
	`","items":"","changes":"","subject":"","template":"","templateId":"","flowId":"","deviceId":"","shareId":"","recipient":"` +
	`","recipientId":"","recipientEmail":"","participant":"","participants":"","participantId":"","participant_id":"","signer":"` +
	`","signers":"","signerId":"","signerName":"","firstName":"","lastName":"","fullName":"","email":"","phoneNumber":"` +
	`","organizationId":"","accountId":"","ownerId":"","userId":"","clientId":"","departmentId":"","tenantId":"","processId":"` +
	`","sessionId":"","operationId":"","messageId":"","requestId":"","transactionId":"","transaction_id":"","taskId":"` +
	`","orderId":"","documentId":"","documents":"","externalReference":"","externalRef":"","externalId":"","provider":"` +
	`","channel":"","authentication":"","authenticationMethod":"","signature":"","signatureType":"","signedAt":"","startedAt":"` +
	`","failedAt":"","deletedAt":"","changedAt":"","updatedAt":"","expiresAt":"","created_at":"","completedAt":"","createdAt":"` +
	`","timestamp":"","status":"","name":"","id":""},{"id":"},"status":"completed","createdAt":"2026-01-01T00:00:00.000Z","COMPLETED","`

// A compressor compresses the data of events. The zero value is ready to use.
type compressor struct {
	writers, readers sync.Pool // each of them holds tables of half a megabyte
}

// pack sets data of an event in its row, compressed where that is shorter.
func (c *compressor) pack(row item, data []byte) error {
	if len(data) >= leastCompressed {
		packed, err := c.deflate(data)
		if err != nil {
			return fmt.Errorf("compressing an event: %w", err)
		}
		if len(packed) < len(data) {
			row.binary(compressedData, packed)
			return nil
		}
	}
	row.binary(plainData, data)
	return nil
}

// unpack reads what pack set.
func (c *compressor) unpack(row item) ([]byte, error) {
	packed, ok := row[compressedData].(*types.AttributeValueMemberB)
	if !ok {
		return row.bytes(plainData), nil
	}
	return c.inflate(packed.Value)
}

func (c *compressor) deflate(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, ok := c.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(&out) // keeps the dictionary
	} else {
		var err error
		if w, err = flate.NewWriterDict(&out, flate.DefaultCompression, []byte(dictionary)); err != nil {
			return nil, err
		}
	}
	defer c.writers.Put(w)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (c *compressor) inflate(packed []byte) ([]byte, error) {
	in := bytes.NewReader(packed)
	r, ok := c.readers.Get().(io.ReadCloser)
	if !ok {
		r = flate.NewReaderDict(in, []byte(dictionary))
	} else if err := r.(flate.Resetter).Reset(in, []byte(dictionary)); err != nil { //nolint:forcetypeassert // flate says that its readers are
		return nil, err
	}
	defer c.readers.Put(r)
	return io.ReadAll(r)
}
