package account

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	smithy "github.com/aws/smithy-go"
)

// Error is a failure to read the account, as a sentence for the user.
type Error struct {
	// Denied reports that AWS authenticated the user and denied the action.
	Denied bool

	text string
	err  error
}

func (e *Error) Error() string { return e.text }
func (e *Error) Unwrap() error { return e.err }

// IsDenied reports whether err means that the user lacks a permission in AWS.
func IsDenied(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Denied
}

// IsNotFound reports whether err means that what was requested does not exist.
func IsNotFound(err error) bool { return codeOf(err) == "NoSuchEntity" }

// explain returns err, of an action on a target, as an *Error.
func (a *Account) explain(action, target string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if marked, ok := errors.AsType[*credentialsError](err); ok {
		return &Error{text: a.explainCredentials(marked), err: err}
	}
	on := ""
	if target != "" {
		on = " on " + target
	}
	switch code := codeOf(err); code {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation":
		return &Error{Denied: true, text: "AWS denies you " + action + on + ": allow this action for your AWS identity, or choose another --aws-profile", err: err}
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired":
		return &Error{text: "your AWS session has expired: " + a.logIn(), err: err}
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return &Error{text: "AWS rejects your credentials (" + code + "): " + a.logIn() + ", or choose another --aws-profile", err: err}
	case "Throttling", "ThrottlingException", "RequestLimitExceeded":
		return &Error{text: "AWS throttles " + action + ": try again in a moment", err: err}
	case "":
		return &Error{text: explainConnection(action, err), err: err}
	default:
		return &Error{text: "AWS rejects " + action + on + ": " + code + ": " + messageOf(err), err: err}
	}
}

// explainCredentials explains why there are no credentials.
func (a *Account) explainCredentials(err error) string {
	if _, expired := errors.AsType[*ssocreds.InvalidTokenError](err); expired {
		return "your AWS SSO session has expired: " + a.logIn()
	}
	switch code := codeOf(err); code {
	case "":
	case "UnauthorizedException", "InvalidGrantException", "ExpiredTokenException", "ExpiredToken":
		return "your AWS session has expired: " + a.logIn()
	default:
		return "AWS gives you no credentials: " + code + ": " + messageOf(err)
	}
	if strings.Contains(err.Error(), "cached SSO token") || strings.Contains(err.Error(), "SSO") {
		return "your AWS SSO session has expired or never began: " + a.logIn()
	}
	return "no AWS credentials found: set AWS_PROFILE or --aws-profile, or run: aws configure"
}

// logIn is the command that starts a new session.
func (a *Account) logIn() string {
	if a.profile != "" {
		return "run: aws sso login --profile " + a.profile
	}
	return "run: aws sso login"
}

// explainConnection explains why no answer came.
func explainConnection(action string, err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "AWS did not answer " + action + " in time"
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		where := failed.URL
		if u, err := url.Parse(failed.URL); err == nil {
			where = u.Scheme + "://" + u.Host
		}
		return "cannot reach AWS at " + where + ": " + oneLine(failed.Err) + "; check the network, AWS_REGION and AWS_ENDPOINT_URL"
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		return "cannot reach AWS: " + oneLine(failed)
	}
	return action + " failed: " + oneLine(err)
}

func codeOf(err error) string {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return answer.ErrorCode()
	}
	return ""
}

// requestID is what AWS adds to messages of some services, and of no use to users.
var requestID = regexp.MustCompile(`(?i)\s*\(?request id:? [0-9a-f-]+\)?`)

func messageOf(err error) string {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return requestID.ReplaceAllString(strings.Join(strings.Fields(answer.ErrorMessage()), " "), "")
	}
	return ""
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// partitionOf returns the partition of an ARN, "" if it is none.
func partitionOf(arn string) string {
	if part := strings.SplitN(arn, ":", 3); len(part) == 3 && part[0] == "arn" {
		return part[1]
	}
	return ""
}
