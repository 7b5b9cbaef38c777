package awscount

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// The sizes that DynamoDB bills by (AWS: "DynamoDB item sizes and formats" and "DynamoDB
// on-demand capacity mode").
const (
	WriteUnitBytes = 1 << 10
	ReadUnitBytes  = 4 << 10
)

// Units is how many units of a size so many bytes take: one at least.
func Units(bytes, unit int) float64 { return float64(max(1, (bytes+unit-1)/unit)) }

// ItemSize is the size of an item in the JSON of DynamoDB's protocol as it is billed:
// names and values, a number one byte for two digits and one more, a list three bytes and
// one an element.
func ItemSize(item map[string]any) (int, error) {
	size := 0
	for name, value := range item {
		n, err := valueSize(value)
		if err != nil {
			return 0, fmt.Errorf("sizing the attribute %s: %w", name, err)
		}
		size += len(name) + n
	}
	return size, nil
}

func valueSize(value any) (int, error) {
	typed, ok := value.(map[string]any)
	if !ok || len(typed) != 1 {
		return 0, fmt.Errorf("%v is no attribute value", value)
	}
	for kind, v := range typed {
		switch v := v.(type) {
		case string:
			return textSize(kind, v)
		case bool:
			return 1, nil
		case []any:
			size := 3
			for _, element := range v {
				n, err := valueSize(element)
				if err != nil {
					return 0, err
				}
				size += 1 + n
			}
			return size, nil
		}
	}
	return 0, fmt.Errorf("a value of unknown kind: %v", value)
}

func textSize(kind, v string) (int, error) {
	switch kind {
	case "S":
		return len(v), nil
	case "N":
		digits := strings.Trim(strings.ReplaceAll(v, ".", ""), "0-")
		return (len(digits)+1)/2 + 1, nil
	case "B":
		b, err := base64.StdEncoding.DecodeString(v)
		return len(b), err
	}
	return 0, fmt.Errorf("a value of unknown kind %s", kind)
}
