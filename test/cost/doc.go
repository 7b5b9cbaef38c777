// Package cost says what an event costs on AWS, and what the parts of that are: calls
// that are counted while the same accept and deliver code runs that the functions run,
// at the prices of one table.
//
// Counted is the one table of counted calls. The plain tests hold it against a stand-in
// for DynamoDB and SQS that rounds units as AWS documents it, and price it; the cloud
// tests hold it against the emulator.
package cost
