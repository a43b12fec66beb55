package policy

import (
	"pgregory.net/rapid"
)

// The generators draw from few values, so that patterns, requests and policies often
// overlap, and without contents that no document can express: two conditions with one
// operator and key.

var (
	genAction   = rapid.SampledFrom([]string{"*", "s3:*", "S3:Get*", "s3:GetObject", "s3:getobject", "s3:Put?bject", "iam:PassRole", "sts:AssumeRole", "sts:*Role"})
	genResource = rapid.SampledFrom([]string{
		"*", "arn:aws:s3:::*", "arn:aws:s3:::shop/*", "arn:aws:s3:::shop/a", "arn:aws:s3:::shop/?", "arn:aws:s3:::SHOP/a",
		"arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::${aws:username}/a", "arn:aws:s3:::${aws:username, 'shop'}/a", "arn:aws:s3:::${*}",
		"arn:aws:sqs:eu-*:1:q", "arn:aws:sqs:e*-1:1:q", "arn:aws:sqs:*:q", "arn:aws:sqs:eu-?:1:*", "arn:aws:sqs:eu-1:1:q",
	})
	genOperator = rapid.SampledFrom([]string{
		"StringEquals", "StringLike", "stringlike", "StringNotEquals", "StringNotLike", "StringEqualsIgnoreCase", "StringEqualsIfExists",
		"ForAllValues:StringLike", "ForAllValues:StringNotEquals", "ForAnyValue:StringEquals", "ForAnyValue:StringNotLike", "Null",
		"ArnLike", "NumericLessThan", "Unknown",
	})
	genKey       = rapid.SampledFrom([]string{"aws:username", "aws:UserName", "aws:a", "s3:prefix", "example.com/A:sub"})
	genValue     = rapid.SampledFrom([]string{"shop", "SHOP", "s*", "?hop", "*", "", "${aws:username}", "${aws:a, 'shop'}", "true", "false", "10", "arn:aws:iam::1:role/*"})
	genPrincipal = rapid.SampledFrom([]Principal{
		{AWS, "*"},
		{Anyone, "*"},
		{AWS, testAccount},
		{AWS, "arn:aws:iam::111111111111:root"},
		{AWS, "arn:aws:iam::222222222222:root"},
		{AWS, testRole},
		{AWS, testSession},
		{Federated, testProvider},
		{Service, "ec2.amazonaws.com"},
		{CanonicalUser, "c"},
	})
	genCaller = rapid.SampledFrom([][]Principal{session, session[1:2], {{Federated, testProvider}}, {{Service, "ec2.amazonaws.com"}}, {{AWS, "222222222222"}}})
)

// genPolicy draws a policy; trusts reports whether its statements have principals.
func genPolicy(trusts bool) *rapid.Generator[Policy] {
	return rapid.Custom(func(t *rapid.T) Policy {
		return Policy{
			Version:    rapid.SampledFrom([]string{Version2012, Version2012, Version2008, ""}).Draw(t, "version"),
			ID:         rapid.SampledFrom([]string{"", "", "id"}).Draw(t, "id"),
			Statements: rapid.SliceOfN(genStatement(trusts), 0, 3).Draw(t, "statements"),
		}
	})
}

func genStatement(trusts bool) *rapid.Generator[Statement] {
	return rapid.Custom(func(t *rapid.T) Statement {
		s := Statement{
			SID:        rapid.SampledFrom([]string{"", "", "A", "B"}).Draw(t, "sid"),
			Effect:     rapid.SampledFrom([]Effect{Allow, Allow, Deny}).Draw(t, "effect"),
			Conditions: rapid.SliceOfNDistinct(genCondition, 0, 2, sameCondition).Draw(t, "conditions"),
		}
		s.Actions, s.NotActions = isOrNot(t, "action", genAction)
		if trusts {
			s.Principals, s.NotPrincipals = isOrNot(t, "principal", genPrincipal)
		}
		if !trusts || rapid.IntRange(0, 5).Draw(t, "resources") == 0 {
			s.Resources, s.NotResources = isOrNot(t, "resource", genResource)
		}
		return s
	})
}

// isOrNot draws an element or its negation; rarely both, none or an empty one.
func isOrNot[T any](t *rapid.T, label string, of *rapid.Generator[T]) (is, not []T) {
	list := func() []T { return rapid.SliceOfN(of, 1, 3).Draw(t, label) }
	switch rapid.IntRange(0, 20).Draw(t, label+" element") {
	case 0:
		return list(), list()
	case 1:
		return nil, nil
	case 2:
		return []T{}, nil
	case 3, 4, 5, 6:
		return nil, list()
	default:
		return list(), nil
	}
}

var genCondition = rapid.Custom(func(t *rapid.T) Condition {
	return Condition{genOperator.Draw(t, "operator"), genKey.Draw(t, "key"), rapid.SliceOfN(genValue, 0, 3).Draw(t, "values")}
})

func sameCondition(c Condition) string { return CanonicalOperator(c.Operator) + foldKey(c.Key) }

// genRequest draws a request, with identifiers of the caller if it is for trust policies.
func genRequest(trusts bool) *rapid.Generator[Request] {
	return rapid.Custom(func(t *rapid.T) Request {
		r := Request{
			Action:   rapid.SampledFrom([]string{"s3:GetObject", "s3:PutObject", "iam:PassRole", "sts:AssumeRole"}).Draw(t, "action"),
			Resource: rapid.SampledFrom([]string{"arn:aws:s3:::shop/a", "arn:aws:s3:::SHOP/a", "arn:aws:s3:::*", "arn:aws:sqs:eu-1:1:q", "arn:aws:sqs:eu:x-1:1:q"}).Draw(t, "resource"),
			Context:  map[string][]string{},
		}
		if trusts {
			r.Principals = genCaller.Draw(t, "caller")
		}
		for _, key := range []string{"aws:username", "aws:a", "s3:prefix", "example.com/A:sub"} {
			r.Context[key] = rapid.SliceOfN(rapid.SampledFrom([]string{"shop", "SHOP", "s*", "", "true", "9", "arn:aws:iam::1:role/x"}), 0, 2).Draw(t, key)
		}
		return r
	})
}

// genWider draws a policy that likely grants what p does and more.
func genWider(p Policy) *rapid.Generator[Policy] {
	return rapid.Custom(func(t *rapid.T) Policy {
		wider := p.Document().Policy()
		for i := range wider.Statements {
			s := &wider.Statements[i]
			if s.Effect == Deny {
				if s.Actions != nil && rapid.Bool().Draw(t, "deny less") {
					s.Actions = s.Actions[:len(s.Actions)/2]
				}
				continue
			}
			switch rapid.IntRange(0, 6).Draw(t, "change") {
			case 0:
				s.Conditions = nil
			case 1:
				s.Actions, s.NotActions = append([]string{"s3:*"}, s.Actions...), nil
			case 2:
				s.Resources, s.NotResources = append([]string{"arn:aws:s3:::*"}, s.Resources...), nil
			case 3:
				if s.Actions == nil {
					s.NotActions = s.NotActions[:len(s.NotActions)/2]
				}
			case 4:
				if s.Resources == nil {
					s.NotResources = s.NotResources[:len(s.NotResources)/2]
				}
			case 5:
				if s.Principals == nil {
					s.NotPrincipals = s.NotPrincipals[:len(s.NotPrincipals)/2]
				} else {
					s.Principals = append([]Principal{{AWS, testAccount}}, s.Principals...)
				}
			default:
				for c := range s.Conditions {
					s.Conditions[c].Values = append([]string{"s*"}, s.Conditions[c].Values...)
				}
			}
		}
		wider.Statements = append(wider.Statements, rapid.SliceOfN(genStatement(len(p.Statements) > 0 && p.Statements[0].Principals != nil), 0, 1).Draw(t, "more")...)
		return wider
	})
}
