package command

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/access"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/role"
)

// auditSubjects are an identity that is fine, one that may do everything, a role made
// by hand, one without a role, and one with names and a document that attack the program
// that shows them.
func auditSubjects() []access.Subject {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	arn := func(name string) string { return "arn:aws:iam::123456789012:role/podidentity/prod/" + name }
	made := func(name string, policies ...role.Policy) *role.Role {
		return &role.Role{Name: name, ARN: arn(name), Created: now.AddDate(-1, 0, 0), LastUsed: now.AddDate(0, 0, -1), Policies: policies}
	}
	checkout := made("checkout",
		role.Policy{Name: "bucket", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::shop/*"},{"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"shop"}}}]}`},
		role.Policy{Name: "ReadOnly", ARN: "arn:aws:iam::aws:policy/ReadOnly", Document: `{"Statement":{"Effect":"Allow","Action":["s3:List*","ec2:Describe*"],"Resource":"*"}}`})
	checkout.Boundary = &role.Policy{Name: "podidentity", ARN: "arn:aws:iam::123456789012:policy/podidentity", Document: `{"Statement":{"Effect":"Allow","Action":["s3:*","sqs:*"],"Resource":"*"}}`}
	admin := made("admin", role.Policy{Name: "all", Document: `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`})
	admin.LastUsed = time.Time{}
	byHand := made("by-hand", role.Policy{Name: "all-but", Document: `{"Statement":{"Effect":"Allow","NotAction":["iam:*","organizations:*"],"NotResource":"arn:aws:s3:::secret/*"}}`})
	hostile := made("hostile", role.Policy{Name: "=cmd|' /C calc'!A0", Document: `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::<script>alert(1)</script>/\"'*","arn:aws:s3:::\u202e\u001b[2K"]}}`})
	hostile.LastUsed = now.AddDate(0, 0, -120)
	return []access.Subject{
		{Kind: access.KindPodIdentity, Namespace: "ops", Name: "admin", ServiceAccounts: []string{"admin"}, RoleARN: admin.ARN, Role: admin, Rejection: `rejected by the built-in baseline: spec.policies.inline[all]: action "*"`},
		{Kind: access.KindServiceAccount, Namespace: "ops", Name: "by-hand", ServiceAccounts: []string{"by-hand"}, RoleARN: byHand.ARN, Role: byHand},
		{Kind: access.KindPodIdentity, Namespace: "shop", Name: "checkout", ServiceAccounts: []string{"checkout", "checkout-migrate"}, RoleARN: checkout.ARN, Role: checkout},
		{Kind: access.KindServiceAccount, Namespace: "shop", Name: "hostile", ServiceAccounts: []string{"<img src=x onerror=alert(1)>"}, RoleARN: "@SUM(A1)\x1b[2K", Role: hostile},
		{Kind: access.KindPodIdentity, Namespace: "shop", Name: "new", ServiceAccounts: []string{"new"}, Problem: "it has no role yet"},
	}
}

func auditedFor(q access.Question) audited {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	r := audited{AccountID: "123456789012", Time: now, UnusedDays: 90, Notes: []string{"a note with <b>\x1b[2K"}}
	if q.Asked() {
		r.Question = &q
	}
	r.Identities = access.Report(auditSubjects(), access.Options{Question: q, UnusedAfter: 90 * 24 * time.Hour, Now: now})
	return r
}

func TestAudit_Outputs(t *testing.T) {
	for name, q := range map[string]access.Question{"all": {}, "question": {Action: "s3:DeleteObject", Resource: "arn:aws:s3:::shop/order"}, "none": {Action: "kms:Decrypt", Resource: "arn:aws:s3:::secret/key"}} {
		t.Run(name, func(t *testing.T) {
			r := auditedFor(q)
			if name == "none" {
				r.Identities = r.Identities[:0]
			}
			for format, show := range map[string]func(io.Writer) error{
				"txt":  func(w io.Writer) error { p := output.NewPrinter(w, false); printAudited(p, r); return p.Err() },
				"json": func(w io.Writer) error { return output.Encode(w, output.JSON, r) },
				"csv":  func(w io.Writer) error { return auditCSV(w, r) },
				"html": func(w io.Writer) error { return auditHTML(w, r) },
			} {
				var b strings.Builder
				if err := show(&b); err != nil {
					t.Fatal(err)
				}
				if strings.ContainsAny(b.String(), "\x1b\u202e") {
					t.Errorf("%s: a control character is not escaped", format)
				}
				golden(t, "testdata/audit/"+name+"."+format, b.String())
			}
		})
	}
}

// No cell begins like a formula, and every line has as many cells as the first.
func TestAudit_CSV(t *testing.T) {
	var b bytes.Buffer
	if err := auditCSV(&b, auditedFor(access.Question{})); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "@") || strings.HasPrefix(cell, "+") || strings.HasPrefix(cell, "-") {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
}

// The page has the elements of its template only, whatever the account holds, and loads
// nothing.
func TestAudit_HTML(t *testing.T) {
	var b strings.Builder
	if err := auditHTML(&b, auditedFor(access.Question{})); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch element.Name.Local {
		case "script", "img", "link", "iframe", "form", "b":
			t.Errorf("the page has an element %s", element.Name.Local)
		}
		for _, a := range element.Attr {
			if a.Name.Local == "src" || strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") {
				t.Errorf("element %s has the attribute %s=%q", element.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}

func TestAudit_Flags(t *testing.T) {
	for says, args := range map[string][]string{
		"--action must be service:Action":        {"audit", "--action", "DeleteBucket"},
		"--resource must be an ARN":              {"audit", "--resource", "orders"},
		"--unused-days must be from 1 to 400":    {"audit", "--unused-days", "0"},
		"must be json, yaml, csv or html":        {"audit", "-o", "pdf"},
		"unknown command \"everything\"":         {"audit", "everything"},
		"--unused-days must be from 1 to 400, w": {"audit", "--unused-days", "401"},
	} {
		if r := runPlugin("", args...); r.code != exitError || !strings.Contains(r.stderr, says) {
			t.Errorf("%v: exit code %d, %s, want %q", args, r.code, r.stderr, says)
		}
	}
}

func TestAudit_ExitCode(t *testing.T) {
	fine := auditedFor(access.Question{})
	fine.Identities = []access.Identity{{Grants: fine.Identities[0].Grants}}
	if err := fine.conclude(); err != nil {
		t.Errorf("an audit without findings: %v", err)
	}
	if err := auditedFor(access.Question{}).conclude(); err != errFinding { //nolint:errorlint // it is returned as it is
		t.Errorf("an audit with findings: %v", err)
	}
	if err := auditedFor(access.Question{Action: "s3:DeleteObject"}).conclude(); err != errFinding { //nolint:errorlint // as above
		t.Errorf("an identity can: %v", err)
	}
}
