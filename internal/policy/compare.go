package policy

import (
	"bytes"
	"encoding/base64"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// test reports whether a value of the request matches one of the policy, without
// regard to negation. A value of either side that cannot be parsed matches nothing.
type test func(value string) bool

// syntax returns the syntax of the operator's values in a policy.
func (o operator) syntax() syntax {
	switch {
	case o.family == familyARN:
		return conditionARN
	case strings.HasSuffix(o.base, "Like"):
		return glob
	default:
		return exact
	}
}

// test returns the operator's test against one value of a policy.
func (o operator) test(tokens []token) test {
	switch o.family {
	case familyNumeric:
		return ordered(o.base, literalText(tokens), number, (*big.Rat).Cmp)
	case familyDate:
		return ordered(o.base, literalText(tokens), date, time.Time.Compare)
	case familyBool:
		return func(value string) bool { return strings.EqualFold(value, literalText(tokens)) }
	case familyBinary:
		return sameBytes(literalText(tokens))
	case familyIP:
		return inNetwork(literalText(tokens))
	default: // strings and ARNs
	}
	if strings.HasSuffix(o.base, "IgnoreCase") {
		return func(value string) bool { return strings.EqualFold(value, literalText(tokens)) }
	}
	return func(value string) bool { return covers(tokens, literals(value)) }
}

// ordered returns the test of a NumericX or DateX operator.
func ordered[T any](op, want string, read func(string) (T, bool), compare func(a, b T) int) test {
	limit, ok := read(want)
	return func(value string) bool {
		got, readable := read(value)
		if !ok || !readable {
			return false
		}
		c := compare(got, limit)
		switch {
		case strings.HasSuffix(op, "LessThan"):
			return c < 0
		case strings.HasSuffix(op, "LessThanEquals"):
			return c <= 0
		case strings.HasSuffix(op, "GreaterThan"):
			return c > 0
		case strings.HasSuffix(op, "GreaterThanEquals"):
			return c >= 0
		default:
			return c == 0
		}
	}
}

// number parses an integer or decimal. It rejects exponents, because the number could
// exceed the memory.
func number(s string) (*big.Rat, bool) {
	if strings.Trim(s, "+-.0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// date parses one of the W3C's forms of ISO 8601, or seconds since 1970. Four digits are
// a year.
// https://www.w3.org/TR/NOTE-datetime
func date(s string) (time.Time, bool) {
	for _, layout := range []string{
		"2006", "2006-01", "2006-01-02", "2006-01-02T15:04Z07:00", time.RFC3339Nano,
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// sameBytes compares base64 texts by the bytes that they encode.
func sameBytes(want string) test {
	wanted, wantErr := base64.StdEncoding.DecodeString(want)
	return func(value string) bool {
		got, err := base64.StdEncoding.DecodeString(value)
		return err == nil && wantErr == nil && bytes.Equal(got, wanted)
	}
}

// inNetwork tests for an address or a range in CIDR form.
func inNetwork(want string) test {
	network, ok := network(want)
	return func(value string) bool {
		addr, err := netip.ParseAddr(value)
		return err == nil && ok && network.Contains(addr.Unmap())
	}
}

func network(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, true
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	p, err := addr.Unmap().Prefix(addr.Unmap().BitLen())
	return p, err == nil
}
