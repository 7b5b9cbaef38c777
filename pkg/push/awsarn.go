package push

import (
	"net/url"
	"strings"
)

// An awsPartition is a part of AWS with accounts of its own.
type awsPartition struct {
	name string // as ARNs begin with it
	// suffix is the domain of its services' endpoints. No other host is ever connected
	// to.
	suffix string
	// regions are how the names of its regions begin.
	regions []string
}

// awsPartitions are the partitions that are open to the public (AWS SDK,
// partitions.json).
var awsPartitions = [...]awsPartition{
	{"aws", ".amazonaws.com", []string{"us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"}},
	{"aws-cn", ".amazonaws.com.cn", []string{"cn"}},
	{"aws-us-gov", ".amazonaws.com", []string{"us-gov"}},
	{"aws-eusc", ".amazonaws.eu", []string{"eusc-de"}},
}

// awsPartitionOf gives the partition of a region, such as eu-west-1, and reports false
// of what is no name of a region.
func awsPartitionOf(region string) (awsPartition, bool) {
	area, number, _ := cutLast(region, "-")
	if number == "" || len(number) > 2 || strings.Trim(number, "0123456789") != "" {
		return awsPartition{}, false
	}
	for _, p := range awsPartitions {
		for _, begin := range p.regions {
			direction, ok := strings.CutPrefix(area, begin+"-")
			if ok && direction != "" && len(direction) <= 20 && strings.Trim(direction, "abcdefghijklmnopqrstuvwxyz") == "" {
				return p, true
			}
		}
	}
	return awsPartition{}, false
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// An awsARN names a resource of AWS.
type awsARN struct {
	partition awsPartition
	// service and region are where the resource is; the region of a role is "".
	service, region, account, resource string
}

func (a *awsARN) String() string {
	return strings.Join([]string{"arn", a.partition.name, a.service, a.region, a.account, a.resource}, ":")
}

// host is the endpoint of the resource's service in its region.
func (a *awsARN) host() string { return a.service + "." + a.region + a.partition.suffix }

// maxARN bounds an ARN in bytes: more than any name that is taken needs.
const maxARN = 512

// parseAWSARN reads the ARN of a service's resource in a region. It reports false of
// every other text.
func parseAWSARN(text, service string) (awsARN, bool) {
	parts := strings.SplitN(text, ":", 6)
	if len(text) > maxARN || len(parts) != 6 || parts[0] != "arn" || parts[2] != service {
		return awsARN{}, false
	}
	partition, ok := awsPartitionOf(parts[3])
	if !ok || partition.name != parts[1] || !awsAccount(parts[4]) {
		return awsARN{}, false
	}
	return awsARN{partition, service, parts[3], parts[4], parts[5]}, true
}

// awsAccount reports whether an id is that of an account: 12 digits.
func awsAccount(id string) bool { return len(id) == 12 && strings.Trim(id, "0123456789") == "" }

// awsName reports whether a name is 1 to limit letters, digits and characters of more.
func awsName(name string, limit int, more string) bool {
	return name != "" && len(name) <= limit && !strings.ContainsFunc(name, func(r rune) bool {
		return ('a' > r || r > 'z') && ('A' > r || r > 'Z') && ('0' > r || r > '9') && !strings.ContainsRune(more, r)
	})
}

// awsFIFO is how the names of queues and topics that keep an order end.
const awsFIFO = ".fifo"

// awsQueue reports whether a name is that of a queue or a topic of up to limit
// characters.
func awsQueue(name string, limit int) bool {
	return len(name) <= limit && awsName(strings.TrimSuffix(name, awsFIFO), limit, "_-")
}

// parseAWSQueueURL reads a queue's URL, https://sqs.REGION.SUFFIX/ACCOUNT/NAME, and
// reports false of every other text. Of the URL nothing but the region, the account
// and the name is used.
func parseAWSQueueURL(text string) (awsARN, bool) {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxARN || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") || u.RawPath != "" {
		return awsARN{}, false
	}
	account, name, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	region, _, _ := strings.Cut(strings.TrimPrefix(u.Host, "sqs."), ".")
	partition, known := awsPartitionOf(region)
	queue := awsARN{partition, "sqs", region, account, name}
	if !ok || !known || u.Host != queue.host() || !awsAccount(account) || !awsQueue(name, maxSQSName) {
		return awsARN{}, false
	}
	return queue, true
}
