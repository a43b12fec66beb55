package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// columns are those of AWS's table for CloudTrail, as far as queries may use them; of
// useridentity with its fields.
// https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table.html
var columns = []string{
	"awsregion", "errorcode", "errormessage", "eventid", "eventname", "eventsource", "eventtime", "readonly",
	"recipientaccountid", "requestid", "requestparameters", "responseelements", "sourceipaddress", "useragent",
	"useridentity.accesskeyid", "useridentity.arn", "useridentity.principalid", "useridentity.type", "useridentity.username",
	"useridentity.sessioncontext.sessionissuer.arn", "useridentity.sessioncontext.sessionissuer.username",
}

// A query that names what the table does not have would fail only when a reader runs it.
func TestAuditing_QueriesNameColumnsOfCloudTrail(t *testing.T) {
	queries := 0
	for _, block := range pages(t)["docs/auditing.md"].Blocks {
		if block.Language != "sql" {
			continue
		}
		queries++
		for _, unknown := range unknownNames(block.Text) {
			t.Errorf("docs/auditing.md:%d: CloudTrail's table has no %s", block.Line, unknown)
		}
	}
	if queries == 0 {
		t.Error("docs/auditing.md has no query")
	}
}

var (
	sqlText  = regexp.MustCompile(`'[^']*'`)
	sqlName  = regexp.MustCompile(`[a-z_]+(\.[a-z_]+)*`)
	sqlAlias = regexp.MustCompile(`\b(?:cloudtrail_logs|AS) ([a-z_]+)`)
)

// unknownNames returns the names in a query that are neither columns of the table nor
// its own. Keywords are in capital letters.
func unknownNames(query string) []string {
	query = sqlText.ReplaceAllString(query, "")
	known := []string{"cloudtrail_logs", "json_extract_scalar"}
	for _, alias := range sqlAlias.FindAllStringSubmatch(query, -1) {
		known = append(known, alias[1])
	}
	var unknown []string
	for _, name := range sqlName.FindAllString(query, -1) {
		if first, rest, ok := strings.Cut(name, "."); ok && slices.Contains(known, first) {
			name = rest
		}
		if !slices.Contains(known, name) && !slices.Contains(columns, name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

func TestUnknownNames_OfQueries(t *testing.T) {
	for query, want := range map[string][]string{
		"SELECT eventtime FROM cloudtrail_logs WHERE readonly = 'maybe'":                         nil,
		"SELECT a.eventtime AS at FROM cloudtrail_logs a ORDER BY at":                            nil,
		"SELECT event_time FROM cloudtrail_logs":                                                 {"event_time"},
		"SELECT useridentity.user FROM cloudtrail_logs":                                          {"useridentity.user"},
		"SELECT b.eventtime FROM cloudtrail_logs a":                                              {"b.eventtime"},
		"SELECT json_extract(requestparameters, '$.roleArn') AS role FROM cloudtrail_logs LIMIT": {"json_extract"},
	} {
		if got := unknownNames(query); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
