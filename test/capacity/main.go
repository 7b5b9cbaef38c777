// Capacity says at how many events a second each quota of AWS binds, what moves it, and
// what events cost, as the tables of docs/capacity.md: go run ./test/capacity.
package main

import (
	"fmt"
	"math"
	"os"
	"strings"

	"hermod/test/cost"
)

func main() {
	tables, err := tables("template.yaml")
	if err != nil {
		fmt.Fprintln(os.Stderr, "run it where template.yaml is:", err)
		os.Exit(1)
	}
	fmt.Print(tables)
}

// tables are the tables of the page.
func tables(template string) (string, error) {
	tpl, err := cost.ReadTemplate(template)
	if err != nil {
		return "", err
	}
	d, err := tpl.Deployment()
	if err != nil {
		return "", err
	}
	return quotaTable(d) + "\n" + loadTable(d) + "\n" + failureTable() + "\n" + costTable(d) + "\n" + idleTable(d), nil
}

func quotaTable(d cost.Deployment) string {
	var b strings.Builder
	b.WriteString("| quota | it is | an event takes | binds at, events/s | for | what moves it |\n|---|---|---|---|---|---|\n")
	for _, q := range quotas(d) {
		whose := "all"
		if q.Account {
			whose = "one account"
		}
		fmt.Fprintf(&b, "| %s | %s | %.3g | %s | %s | %s |\n", q.Name, count(q.Has), q.Each, count(q.Binds()), whose, q.Lift)
	}
	return b.String()
}

// loads are those of the table, in events a second.
var loads = []float64{1, 10, 100, 1_000, 10_000, 100_000}

// monthSeconds are those of the month of 30 days that the page reckons by.
const monthSeconds = 30 * 24 * 3600

func loadTable(d cost.Deployment) string {
	var b strings.Builder
	b.WriteString("| events/s | binds, of all | binds, of one account | deliver running | all running | minutes to get there | shards of one account | " +
		"USD a month, HTTPS | USD a month, SQS |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, rate := range loads {
		binding := map[bool][]string{}
		for _, q := range quotas(d) {
			if rate > q.Binds() || (q.Binds() == rate && rate == loads[len(loads)-1]) {
				binding[q.Account] = append(binding[q.Account], q.Name)
			}
		}
		shardCount := "more than there can be"
		if n := shards(rate); n > 0 {
			shardCount = fmt.Sprint(n)
		}
		deliver := math.Ceil(rate * cost.DeliverSeconds / batchSize)
		running := math.Ceil(rate*cost.AcceptSeconds) + deliver
		month := rate * monthSeconds / 1e6
		price := cost.Price1M
		if rate < batchSize/cost.DeliverSeconds {
			price = cost.Price1MAlone
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %.0f | %s | %s | %s |\n", count(rate), list(binding[false]), list(binding[true]), count(deliver),
			count(running), math.Ceil(max(0, deliver-pollerStart)/pollerGrowth), shardCount,
			count(month*price(cost.HTTPS, d).Total()+cost.Idle(d).Total()), count(month*price(cost.SQS, d).Total()+cost.Idle(d).Total()))
	}
	return b.String()
}

// failureTable says how many deliveries a second may fail before the queue is full of
// those that wait in it.
func failureTable() string {
	// The default schedule keeps a delivery in the queue for its first two waits.
	const hidden = 5 + 300
	var b strings.Builder
	b.WriteString("| | messages in flight |\n|---|---|\n")
	fmt.Fprintf(&b, "| a delivery to an endpoint that is well | %.2g, for as long as its batch runs |\n", cost.DeliverSeconds)
	fmt.Fprintf(&b, "| a delivery that fails, its circuit not open yet | %d, for its waits of 5 s and 5 min |\n", hidden)
	fmt.Fprintf(&b, "| an endpoint whose circuit is open, whatever comes for it | 1 |\n")
	fmt.Fprintf(&b, "| so many failing deliveries a second fill the queue | %d |\n", inFlight/hidden)
	return b.String()
}

func costTable(d cost.Deployment) string {
	var b strings.Builder
	ways := []cost.Stage{cost.HTTPS, cost.HTTPSKeyed, cost.SQS, cost.EventBridge}
	head, rule := "| USD a million events |", "|---|"
	full, alone := "| batches full, from some 30 events/s on |", "| each delivered by itself |"
	for _, way := range ways {
		head += " " + string(way) + " |"
		rule += "---|"
		full += fmt.Sprintf(" %.2f |", cost.Price1M(way, d).Total())
		alone += fmt.Sprintf(" %.2f |", cost.Price1MAlone(way, d).Total())
	}
	fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n", head, rule, full, alone)
	return b.String()
}

// idleTable is what a month costs without any event.
func idleTable(d cost.Deployment) string {
	bill := cost.Idle(d)
	head, rule, row := "| USD a month of 30 days, without any event |", "|---|", "| |"
	for _, line := range bill {
		head += " " + line.Item + " |"
		rule += "---|"
		row += fmt.Sprintf(" %.2f |", line.USD)
	}
	return fmt.Sprintf("%s total |\n%s---|\n%s %.2f |\n", head, rule, row, bill.Total())
}

// list joins names; "nothing" for none.
func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, "; ")
}

// count writes a number with three digits that count, and commas between thousands.
func count(v float64) string {
	if v >= 1000 {
		scale := math.Pow(10, math.Floor(math.Log10(v))-2)
		v = math.Round(v/scale) * scale
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
