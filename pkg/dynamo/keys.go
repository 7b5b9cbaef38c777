package dynamo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hermod/pkg/hermod"
)

// A key is the primary key of a row in any of the three tables.
type key struct{ pk, sk string }

func (k key) item() item {
	return item{
		"PK": &types.AttributeValueMemberS{Value: k.pk},
		"SK": &types.AttributeValueMemberS{Value: k.sk},
	}
}

func keyOf(it item) key { return key{pk: it.str("PK"), sk: it.str("SK")} }

// The rows of Config. Those of an owner share a partition; the others have one
// each. '#' is in no id, sender or name.
const (
	subPrefix  = "sub#"
	typePrefix = "type#"
)

func ownerKey(id string) key              { return key{id, "owner"} }
func subKey(r hermod.Ref) key             { return key{r.Owner, subPrefix + r.ID} }
func typeKey(owner, eventType string) key { return key{owner, typePrefix + eventType} }

// claimKey hashes the producer's key, which may be long and holds any character.
func claimKey(owner, producerKey string) key {
	sum := sha256.Sum256([]byte(producerKey))
	return key{"claim#" + owner + "#" + hex.EncodeToString(sum[:]), "claim"}
}

// sharded is the partition key of one shard.
func sharded(id string, shard int) string { return id + "#" + strconv.Itoa(shard) }

// unsharded is the inverse of sharded.
func unsharded(pk string) string { return pk[:max(strings.LastIndexByte(pk, '#'), 0)] }

func (s *Store) eventKey(k hermod.EventKey) key {
	return key{sharded(k.Account, s.shard(k.ID)), k.ID.String()}
}

func eventKeyOf(k key) (hermod.EventKey, error) {
	id, err := hermod.ParseID(k.sk)
	if err != nil {
		return hermod.EventKey{}, fmt.Errorf("reading the key of event row %s %s: %w", k.pk, k.sk, err)
	}
	return hermod.EventKey{Account: unsharded(k.pk), ID: id}, nil
}

// typePK is the partition of a sender's events in the indexes by-type, of an account,
// and by-organization-type.
func typePK(owner, sender string, shard int) string {
	return sharded(owner+"#"+sender, shard)
}

// maxRun keeps runs at six digits, so that the sort keys of attempts sort as
// hermod.AttemptKey.Compare does.
const maxRun = 999_999

// runPrefix begins the sort keys of the attempts of a run.
func runPrefix(k hermod.RunKey) string { return fmt.Sprintf("%s#%06d#", k.EventID, k.Run) }

func (s *Store) attemptKey(k hermod.AttemptKey) key {
	return key{sharded(k.SubscriptionID, s.shard(k.EventID)), attemptSK(k)}
}

func attemptSK(k hermod.AttemptKey) string {
	return fmt.Sprintf("%s%03d", runPrefix(k.RunKey), k.Number)
}

func attemptKeyOf(k key) (hermod.AttemptKey, error) {
	malformed := func(err error) (hermod.AttemptKey, error) {
		return hermod.AttemptKey{}, fmt.Errorf("reading the key of attempt row %s %s: %w", k.pk, k.sk, err)
	}
	event, rest, _ := strings.Cut(k.sk, "#")
	run, number, _ := strings.Cut(rest, "#")
	out := hermod.AttemptKey{RunKey: hermod.RunKey{SubscriptionID: unsharded(k.pk)}}
	var err error
	if out.EventID, err = hermod.ParseID(event); err != nil {
		return malformed(err)
	}
	if out.Run, err = strconv.Atoi(run); err != nil {
		return malformed(err)
	}
	if out.Number, err = strconv.Atoi(number); err != nil {
		return malformed(err)
	}
	return out, nil
}

// sortableTime is RFC 3339 in UTC with all nine decimals: texts sort as times do.
const sortableTime = "2006-01-02T15:04:05.000000000Z"

// timeKey is the sort key of the indexes that go by time.
func timeKey(t time.Time, k hermod.AttemptKey) string {
	return t.UTC().Format(sortableTime) + "#" + k.String()
}
