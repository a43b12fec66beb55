package command

import (
	"strings"
	"testing"
	"time"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/account"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/chain"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/check"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

func TestVerify_Output(t *testing.T) {
	expires := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	subject := verification{Namespace: "shop", ServiceAccount: "checkout", RoleARN: "arn:aws:iam::123456789012:role/r"}
	why := &explanation{Namespace: "shop", ServiceAccount: "checkout"}
	why.Broken, why.Links = chain.LinkTrust, []chain.Link{
		{Name: chain.LinkProvider, State: check.OK, Message: "IAM has the provider"},
		{Name: chain.LinkTrust, State: check.Broken, Message: "expected a, actual b\x1b[2K", Fix: "change it"},
	}
	fine, rejected, none := subject, subject, subject
	fine.Caller, fine.Expires = "arn:aws:sts::123456789012:assumed-role/r/kubectl-podidentity", &expires
	rejected.Rejection, rejected.Why = &account.Rejection{Code: "AccessDenied", Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity"}, why
	none.RoleARN, none.Why = "", why
	for name, v := range map[string]verification{"fine": fine, "rejected": rejected, "no-role": none} {
		t.Run(name, func(t *testing.T) {
			var text, program strings.Builder
			printVerification(output.NewPrinter(&text, false), v)
			if err := output.Encode(&program, output.JSON, v); err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/verify-"+name+".txt", text.String())
			golden(t, "testdata/verify-"+name+".json", program.String())
		})
	}
}
