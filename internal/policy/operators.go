package policy

import "strings"

// operator is a parsed condition operator.
type operator struct {
	quantifier string // "", forAllValues or forAnyValue
	base       string // StringEquals …, in AWS's spelling
	ifExists   bool   // the condition holds if the key is missing
	negated    bool
	family     family
}

// family is a group of operators with the same type of values.
type family int

const (
	familyString family = iota
	familyNumeric
	familyDate
	familyBool
	familyBinary
	familyIP
	familyARN
	familyNull
)

const (
	forAllValues = "ForAllValues:"
	forAnyValue  = "ForAnyValue:"
	ifExists     = "IfExists"
)

// operators are all condition operators, by name in lower case.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
var operators = func() map[string]operator {
	byFamily := map[family]string{
		familyString: "StringEquals StringNotEquals StringEqualsIgnoreCase StringNotEqualsIgnoreCase StringLike StringNotLike",
		familyNumeric: "NumericEquals NumericNotEquals NumericLessThan NumericLessThanEquals " +
			"NumericGreaterThan NumericGreaterThanEquals",
		familyDate:   "DateEquals DateNotEquals DateLessThan DateLessThanEquals DateGreaterThan DateGreaterThanEquals",
		familyBool:   "Bool",
		familyBinary: "BinaryEquals",
		familyIP:     "IpAddress NotIpAddress",
		familyARN:    "ArnEquals ArnNotEquals ArnLike ArnNotLike",
		familyNull:   "Null",
	}
	all := map[string]operator{}
	for f, names := range byFamily {
		for name := range strings.FieldsSeq(names) {
			all[lower(name)] = operator{base: name, family: f, negated: strings.Contains(name, "Not")}
		}
	}
	return all
}()

// parseOperator parses an operator's name in any case. It reports false for an unknown
// one. Null has no variants.
func parseOperator(name string) (operator, bool) {
	rest, quantifier := lower(name), ""
	for _, q := range []string{forAllValues, forAnyValue} {
		if after, ok := strings.CutPrefix(rest, lower(q)); ok {
			rest, quantifier = after, q
			break
		}
	}
	rest, exists := strings.CutSuffix(rest, lower(ifExists))
	op, known := operators[rest]
	op.quantifier, op.ifExists = quantifier, exists
	if op.family == familyNull && (exists || quantifier != "") {
		return operator{}, false
	}
	return op, known
}

// String returns the operator's name in AWS's spelling.
func (o operator) String() string {
	if o.ifExists {
		return o.quantifier + o.base + ifExists
	}
	return o.quantifier + o.base
}

// CanonicalOperator returns an operator's name in AWS's spelling, the only one that IAM
// accepts ("Invalid Condition type : stringEquals"), and an unknown one unchanged.
func CanonicalOperator(name string) string {
	if op, ok := parseOperator(name); ok {
		return op.String()
	}
	return name
}

// takesVariables reports whether IAM replaces policy variables in the values.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func (o operator) takesVariables() bool {
	return o.family == familyString || o.family == familyARN || o.family == familyBool
}
