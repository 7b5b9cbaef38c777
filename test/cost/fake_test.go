package cost_test

import (
	"bytes"
	"crypto/md5" // SQS's own checksum
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"hermod/pkg/awscfg/awscount"
	"hermod/test/cost"
)

type object = map[string]any

// A fakeAWS answers what accept and deliver ask of DynamoDB and SQS, keeps it in memory,
// and says what it costs by AWS's documented rounding. It knows no more of conditions than
// that a put of what must be new fails where it is not.
type fakeAWS struct {
	indexes map[string][]cost.Index

	mu     sync.Mutex
	tables map[string]map[string]object // by table, by PK and SK
	queue  []object
	handed int
}

// newFake is a fake of the template's tables, which are named as the template does.
func newFake(t *testing.T) *fakeAWS {
	t.Helper()
	f := &fakeAWS{indexes: map[string][]cost.Index{}, tables: map[string]map[string]object{}}
	for name, r := range template(t).Resources {
		if r.Type == "AWS::DynamoDB::Table" {
			f.indexes[name], f.tables[name] = r.Properties.GlobalSecondaryIndexes, map[string]object{}
		}
	}
	return f
}

func template(t *testing.T) *cost.Template {
	t.Helper()
	tpl, err := cost.ReadTemplate("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func (f *fakeAWS) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in object
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	f.mu.Lock()
	status, out, err := f.answer(operation, in)
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(bytes.NewReader(body)), Request: r,
	}, nil
}

//nolint:forcetypeassert // a request of ours that looks otherwise should fail the test
func (f *fakeAWS) answer(operation string, in object) (status int, out object, err error) {
	switch operation {
	case "PutItem":
		return f.put(in)
	case "BatchGetItem":
		out, err = f.batchGet(in["RequestItems"].(object))
	case "BatchWriteItem":
		for table, writes := range in["RequestItems"].(object) {
			for _, w := range writes.([]any) {
				f.keep(table, w.(object)["PutRequest"].(object)["Item"].(object))
			}
		}
		out = object{}
	case "TransactWriteItems":
		for _, w := range in["TransactItems"].([]any) {
			f.transact(w.(object))
		}
		out = object{}
	case "Query":
		out, err = f.query(in)
	case "CreateQueue":
		out = object{"QueueUrl": "http://sqs.test/" + in["QueueName"].(string)}
	case "SendMessageBatch":
		out = f.send(in["Entries"].([]any))
	case "ReceiveMessage":
		n := min(len(f.queue), int(in["MaxNumberOfMessages"].(float64)))
		out, f.queue = object{"Messages": f.queue[:n]}, f.queue[n:]
	case "DeleteMessageBatch":
		out = object{"Successful": []any{}, "Failed": []any{}}
	default:
		err = fmt.Errorf("%s is not stood in for", operation)
	}
	return http.StatusOK, out, err
}

func text(v any) string {
	typed, _ := v.(object)
	s, _ := typed["S"].(string)
	return s
}

func keyOf(item object) string { return text(item["PK"]) + " " + text(item["SK"]) }

func (f *fakeAWS) keep(table string, item object) { f.tables[table][keyOf(item)] = item }

//nolint:forcetypeassert // see answer
func (f *fakeAWS) put(in object) (status int, out object, err error) {
	table, item := in["TableName"].(string), in["Item"].(object)
	if standing, ok := f.tables[table][keyOf(item)]; ok && in["ConditionExpression"] != nil {
		return http.StatusBadRequest, object{"__type": "ConditionalCheckFailedException", "Item": standing}, nil
	}
	f.keep(table, item)
	units, err := f.writeUnits(table, item)
	return http.StatusOK, consumed(units), err
}

//nolint:forcetypeassert // see answer
func (f *fakeAWS) transact(write object) {
	if put, ok := write["Put"].(object); ok {
		f.keep(put["TableName"].(string), put["Item"].(object))
		return
	}
	update := write["Update"].(object) // of a version, which nobody here reads again
	item := update["Key"].(object)
	if standing, ok := f.tables[update["TableName"].(string)][keyOf(item)]; ok {
		item = standing
	}
	item["v"] = object{"N": "1"}
	f.keep(update["TableName"].(string), item)
}

func consumed(units float64) object {
	return object{"ConsumedCapacity": object{"CapacityUnits": units}}
}

// entry is what an index keeps of an item; nil where it is not in there.
func entry(x *cost.Index, item object) object {
	e := object{"PK": item["PK"], "SK": item["SK"]}
	for _, k := range x.KeySchema {
		if item[k.AttributeName] == nil {
			return nil
		}
		e[k.AttributeName] = item[k.AttributeName]
	}
	for _, name := range x.Projection.NonKeyAttributes {
		if item[name] != nil {
			e[name] = item[name]
		}
	}
	if x.Projection.ProjectionType == "ALL" {
		return item
	}
	return e
}

func (f *fakeAWS) writeUnits(table string, item object) (float64, error) {
	size, err := awscount.ItemSize(item)
	units := awscount.Units(size, awscount.WriteUnitBytes)
	for _, x := range f.indexes[table] {
		if e := entry(&x, item); e != nil && err == nil {
			size, err = awscount.ItemSize(e)
			units += awscount.Units(size, awscount.WriteUnitBytes)
		}
	}
	return units, err
}

// batchGet reads: each item is rounded by itself, one that is not there is a unit, and
// half of that where the read need not be consistent.
//
//nolint:forcetypeassert // see answer
func (f *fakeAWS) batchGet(tables object) (object, error) {
	found, units := object{}, 0.0
	for table, ask := range tables {
		rows := []any{}
		for _, k := range ask.(object)["Keys"].([]any) {
			item, ok := f.tables[table][keyOf(k.(object))]
			size, err := awscount.ItemSize(item)
			if err != nil {
				return nil, err
			}
			n := awscount.Units(size, awscount.ReadUnitBytes)
			if ask.(object)["ConsistentRead"] != true {
				n /= 2
			}
			if units += n; ok {
				rows = append(rows, item)
			}
		}
		found[table] = rows
	}
	return object{"Responses": found, "ConsumedCapacity": []any{object{"CapacityUnits": units}}}, nil
}

// query reads the rows of a partition whose sort keys begin with a prefix, consistently:
// their sizes are added before they are rounded.
//
//nolint:forcetypeassert // see answer
func (f *fakeAWS) query(in object) (object, error) {
	values := in["ExpressionAttributeValues"].(object)
	if in["IndexName"] != nil || values[":pk"] == nil {
		return nil, fmt.Errorf("the query is not stood in for: %v", in)
	}
	prefix := text(values[":pk"]) + " " + text(values[":prefix"])
	rows, size := []any{}, 0
	table := f.tables[in["TableName"].(string)]
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if strings.HasPrefix(key, prefix) {
			n, err := awscount.ItemSize(table[key])
			if err != nil {
				return nil, err
			}
			size += n
			rows = append(rows, table[key])
		}
	}
	out := consumed(awscount.Units(size, awscount.ReadUnitBytes))
	out["Items"] = rows
	return out, nil
}

//nolint:forcetypeassert // see answer
func (f *fakeAWS) send(entries []any) object {
	var done []any
	for _, e := range entries {
		entry := e.(object)
		body := entry["MessageBody"].(string)
		sum := md5.Sum([]byte(body)) // SQS's own checksum
		f.handed++
		id := strconv.Itoa(f.handed)
		f.queue = append(f.queue, object{
			"MessageId": "m-" + id, "ReceiptHandle": "r-" + id, "Body": body, "MD5OfBody": hex.EncodeToString(sum[:]),
		})
		done = append(done, object{"Id": entry["Id"], "MessageId": "m-" + id, "MD5OfMessageBody": hex.EncodeToString(sum[:])})
	}
	return object{"Successful": done, "Failed": []any{}}
}

// A footprint is what tables and their indexes hold, in bytes as they are billed.
type footprint struct{ rows, entries, claims int }

func (a footprint) less(b footprint) footprint {
	return footprint{a.rows - b.rows, a.entries - b.entries, a.claims - b.claims}
}

// stored sums up what is kept in the tables.
func (f *fakeAWS) stored(t *testing.T) (all footprint) {
	t.Helper()
	const overhead = 100 // an item or entry (AWS: "DynamoDB item sizes and formats")
	size := func(item object) int {
		n, err := awscount.ItemSize(item)
		if err != nil {
			t.Fatal(err)
		}
		return n + overhead
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for table, rows := range f.tables {
		for _, item := range rows {
			if strings.HasPrefix(text(item["PK"]), "claim#") {
				all.claims += size(item)
				continue
			}
			all.rows += size(item)
			for _, x := range f.indexes[table] {
				if e := entry(&x, item); e != nil {
					all.entries += size(e)
				}
			}
		}
	}
	return all
}
