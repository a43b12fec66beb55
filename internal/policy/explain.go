package policy

// Match is how one statement relates to a request, element by element.
type Match struct {
	Statement Statement
	// Principal, Action and Resource report whether that element matches, or its
	// negation. A statement that needs no such element matches.
	Principal, Action, Resource bool
	// Failed are the conditions that do not hold, in the order of the statement.
	Failed []FailedCondition
}

// FailedCondition is a condition that does not hold, with what the request has
// for its key: nil if nothing.
type FailedCondition struct {
	Condition
	Actual []string
}

// Applies reports whether the statement applies to the request.
func (m Match) Applies() bool {
	return m.Principal && m.Action && m.Resource && len(m.Failed) == 0
}

// Explain returns how each statement of p relates to r, in the order of p. The
// statements that apply are those that Evaluate counts.
func Explain(r Request, p Policy) []Match {
	e := newEvaluation(r, fold(r.Context), p)
	matches := make([]Match, 0, len(p.Statements))
	for _, s := range p.Statements {
		m := Match{Statement: s, Principal: e.principal(s), Action: e.action(s), Resource: e.resource(s)}
		for _, c := range s.Conditions {
			if !e.condition(c) {
				m.Failed = append(m.Failed, FailedCondition{Condition: c, Actual: e.context[foldKey(c.Key)]})
			}
		}
		matches = append(matches, m)
	}
	return matches
}

// IsPattern reports whether s holds a wildcard that StringLike understands and
// StringEquals takes literally.
func IsPattern(s string) bool {
	tokens, _ := compile(s, glob, keepVariables)
	for _, t := range tokens {
		if t.kind != literal && t.kind != variable {
			return true
		}
	}
	return false
}
