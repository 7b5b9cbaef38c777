// Package aws holds the fault suite of the AWS engine: the code of the functions over
// DynamoDB and SQS, with a fault at the requests that they make, at their pushes, and at
// their end. The tests need the emulators that test/cloud/run.sh starts. Where a run makes
// one request several times, they try the first and the last; with HERMOD_FAULTS=all they
// try each, which takes several times as long.
package aws
