package policy

import "encoding/base64"

// conditions requires operators that exist, a key, and values that the operator can
// parse. A value that it cannot parse never matches, which would disable a Deny.
//
// AWS documents keys with a prefix and at least one value, but IAM accepts keys without
// a prefix and empty lists of values: roles in use have them.
func (c *checker) conditions(list []Condition, statement string) {
	seen := map[conditionID]bool{}
	for i, cond := range list {
		path := func() conditionPath { return c.names.condition(statement, i, cond) }
		op, known := parseOperator(cond.Operator)
		if !known {
			c.reject(path().operator, "unknown condition operator; allowed: %s, with the prefix ForAllValues: or ForAnyValue: "+
				"and the suffix IfExists (except for Null)", operatorNames)
			continue
		}
		if cond.Key == "" {
			c.reject(path().key, "must be a condition key, such as aws:SourceIp")
		}
		same := conditionID{op, foldKey(cond.Key)}
		if seen[same] {
			c.reject(path().key, "duplicate key for this operator")
		}
		seen[same] = true
		for j, v := range cond.Values {
			if problem := op.valueProblem(v); problem != "" {
				c.reject(item(path().values, j), "%s, not %q", problem, v)
			}
		}
	}
}

// conditionID is what is equal for equal conditions, apart from the values.
type conditionID struct {
	operator operator
	key      string
}

// operatorNames lists all operators.
var operatorNames = func() string {
	all := map[string]bool{}
	for _, op := range operators {
		all[op.base] = true
	}
	return names(all)
}()

// valueProblem returns the operator's rule that v violates, "" if there is none.
func (o operator) valueProblem(v string) string {
	ok, want := true, ""
	switch o.family {
	case familyString, familyARN: // any text
	case familyNumeric:
		want = "must be a number"
		_, ok = number(v)
	case familyDate:
		want = "must be a date such as 2026-01-31T12:00:00Z, or seconds since 1970"
		_, ok = date(v)
	case familyBool, familyNull:
		want = "must be true or false"
		ok = lower(v) == "true" || lower(v) == "false" || o.family == familyBool && hasVariable(v)
	case familyBinary:
		want = "must be base64"
		_, err := base64.StdEncoding.DecodeString(v)
		ok = err == nil
	case familyIP:
		want = "must be an IP address or a range such as 203.0.113.0/24"
		_, ok = network(v)
	}
	if ok {
		return ""
	}
	return want
}
