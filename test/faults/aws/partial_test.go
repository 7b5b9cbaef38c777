//go:build cloud

package aws_test

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// failedEntries answers a batch request of SQS with an entry that failed: the last one
// where the request is carried out, else all.
func failedEntries(name string, done, senderFault bool) *fault {
	return &fault{name: name, done: done, strike: func(_ *wire, body []byte, act action) (*http.Response, error) {
		var request struct{ Entries []struct{ Id string } }
		if err := json.Unmarshal(body, &request); err != nil {
			return nil, fmt.Errorf("reading a batch: %w", err)
		}
		reply := object{"Successful": []any{}}
		failed := request.Entries
		if done {
			response, err := act()
			if err != nil {
				return nil, err
			}
			if reply, err = read(response); err != nil {
				return nil, err
			}
			successful, _ := reply["Successful"].([]any)
			reply["Successful"] = successful[:max(len(successful)-1, 0)]
			failed = failed[len(failed)-1:]
		}
		var list []object
		for _, e := range failed {
			list = append(list, object{"Id": e.Id, "Code": "InternalError", "Message": "a fault of the test", "SenderFault": senderFault})
		}
		reply["Failed"] = list
		return answer(http.StatusOK, reply), nil
	}}
}

func read(response *http.Response) (object, error) {
	defer func() { _ = response.Body.Close() }()
	var body object
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("reading an answer: %w", err)
	}
	return body, nil
}

// unprocessedKey answers a BatchGetItem without the first of its keys, as DynamoDB does
// when it is throttled or the answer would be too large.
func unprocessedKey(_ *wire, body []byte, act action) (*http.Response, error) {
	var request struct {
		RequestItems map[string]struct {
			Keys []map[string]map[string]string
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, fmt.Errorf("reading a batch: %w", err)
	}
	response, err := act()
	if err != nil {
		return nil, err
	}
	reply, err := read(response)
	if err != nil {
		return nil, err
	}
	rows, _ := reply["Responses"].(object)
	for table, asked := range request.RequestItems {
		left := asked.Keys[0]
		var kept []any
		found, _ := rows[table].([]any)
		for _, row := range found {
			item, _ := row.(object)
			if fmt.Sprint(item["PK"], item["SK"]) != fmt.Sprint(left["PK"], left["SK"]) {
				kept = append(kept, row)
			}
		}
		rows[table] = kept
		reply["UnprocessedKeys"] = object{table: object{"Keys": []any{left}, "ConsistentRead": true}}
	}
	return answer(http.StatusOK, reply), nil
}

// unprocessedItem answers a BatchWriteItem as if its first item had been left out. It was
// not: what is sent again must do no harm.
func unprocessedItem(_ *wire, body []byte, act action) (*http.Response, error) {
	var request struct{ RequestItems map[string][]any }
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, fmt.Errorf("reading a batch: %w", err)
	}
	response, err := act()
	if err != nil {
		return nil, err
	}
	drop(response, nil)
	left := object{}
	for table, items := range request.RequestItems {
		left[table] = items[:1]
	}
	return answer(http.StatusOK, object{"UnprocessedItems": left}), nil
}
