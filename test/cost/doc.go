// Package cost counts what an event costs on AWS, through the same accept and
// deliver code that the functions run.
package cost
