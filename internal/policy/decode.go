package policy

import (
	"errors"
	"slices"
	"strings"
)

// decode reads a policy in the order and the spelling of its text. Names of elements are
// case-sensitive, as in IAM ("Unknown field statement"), and an unknown one is an
// error: without it the policy could grant something else. With Errors, it returns what it
// could read.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
func decode(raw []byte) (Policy, error) {
	root, readErr := readJSON(raw)
	if readErr != nil && root.kind != kindObject {
		return Policy{}, faultsOf(readErr)
	}
	var p Policy
	err := members(root, nil, map[string]func(node, *location) error{
		"Version": func(n node, at *location) (err error) {
			p.Version, err = oneOf(n, at, Version2012, Version2008)
			return err
		},
		"Id": func(n node, at *location) (err error) {
			p.ID, err = text(n, at)
			return err
		},
		"Statement": func(n node, at *location) (err error) {
			p.Statements, err = statements(n, at)
			return err
		},
	})
	return p, faultsOf(errors.Join(readErr, err)).err()
}

func statements(n node, at *location) ([]Statement, error) {
	if n.kind == kindObject { // a single statement needs no array
		s, err := statement(n, at)
		return []Statement{s}, err
	}
	if n.kind != kindArray {
		return nil, errorAt(at, "must be a statement or an array of statements, not %v", n.kind)
	}
	var list []Statement
	var problems []error
	for i, element := range n.items {
		s, err := statement(element, at.item(i))
		problems = append(problems, err)
		list = append(list, s)
	}
	return list, errors.Join(problems...)
}

func statement(n node, at *location) (Statement, error) {
	var s Statement
	list := func(to *[]string) func(node, *location) error {
		return func(n node, at *location) (err error) {
			*to, err = texts(n, at)
			return err
		}
	}
	principalList := func(to *[]Principal) func(node, *location) error {
		return func(n node, at *location) (err error) {
			*to, err = principals(n, at)
			return err
		}
	}
	err := members(n, at, map[string]func(node, *location) error{
		"Sid": func(n node, at *location) (err error) {
			s.SID, err = text(n, at)
			return err
		},
		"Effect": func(n node, at *location) error {
			effect, err := oneOf(n, at, string(Allow), string(Deny))
			s.Effect = Effect(effect)
			return err
		},
		"Principal":    principalList(&s.Principals),
		"NotPrincipal": principalList(&s.NotPrincipals),
		"Action":       list(&s.Actions),
		"NotAction":    list(&s.NotActions),
		"Resource":     list(&s.Resources),
		"NotResource":  list(&s.NotResources),
		"Condition": func(n node, at *location) (err error) {
			s.Conditions, err = conditions(n, at)
			return err
		},
	})
	return s, err
}

// principals reads a Principal element: "*", or a map from type to IDs.
func principals(n node, at *location) ([]Principal, error) {
	list := []Principal{} // the element is present, even without principals
	if n.kind == kindString && n.text == "*" {
		return append(list, Principal{Anyone, "*"}), nil
	}
	if n.kind != kindObject {
		return nil, errorAt(at, `must be "*" or an object such as {"AWS": "123456789012"}`)
	}
	read := map[string]func(node, *location) error{}
	for _, t := range []string{AWS, Federated, Service, CanonicalUser} {
		read[t] = func(n node, at *location) error {
			ids, err := texts(n, at)
			for _, id := range ids {
				list = append(list, Principal{t, id})
			}
			return err
		}
	}
	err := members(n, at, read)
	return list, err
}

// conditions reads a Condition element. Operators and keys that differ only in case are
// the same to IAM, so it rejects such duplicates: it is unclear which values count.
func conditions(n node, at *location) ([]Condition, error) {
	if n.kind != kindObject {
		return nil, errorAt(at, "must be an object of operators, not %v", n.kind)
	}
	var list []Condition
	var problems []error
	seen := map[[2]string]bool{}
	for _, op := range n.members {
		at := at.member(op.name)
		if op.value.kind != kindObject {
			problems = append(problems, errorAt(at, "must be an object of condition keys, not %v", op.value.kind))
		}
		operator := CanonicalOperator(op.name)
		for _, key := range op.value.members {
			at := at.member(key.name)
			values, err := scalars(key.value, at)
			problems = append(problems, err)
			same := [2]string{operator, foldKey(key.name)}
			if seen[same] {
				problems = append(problems, errorAt(at, "duplicate in different case; remove one of them"))
			}
			seen[same] = true
			list = append(list, Condition{Operator: op.name, Key: key.name, Values: values})
		}
	}
	return list, errors.Join(problems...)
}

// members calls the function of the same name for each member of an object.
func members(n node, at *location, read map[string]func(node, *location) error) error {
	if n.kind != kindObject {
		return errorAt(at, "must be an object, not %v", n.kind)
	}
	var problems []error
	for _, m := range n.members {
		if f, ok := read[m.name]; ok {
			problems = append(problems, f(m.value, at.member(m.name)))
		} else {
			problems = append(problems, errorAt(at.member(m.name), "unknown element; allowed (case-sensitive): %s", names(read)))
		}
	}
	return errors.Join(problems...)
}

func names[V any](m map[string]V) string {
	var list []string
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func text(n node, at *location) (string, error) {
	if n.kind != kindString {
		return "", errorAt(at, "must be a string, not %v", n.kind)
	}
	return n.text, nil
}

func oneOf(n node, at *location, allowed ...string) (string, error) {
	if n.kind != kindString || !slices.Contains(allowed, n.text) {
		return "", errorAt(at, "must be exactly %s (case-sensitive)", strings.Join(allowed, " or "))
	}
	return n.text, nil
}

// texts reads a string or an array of strings.
func texts(n node, at *location) ([]string, error) {
	return list(n, at, "a string or an array of strings", kindString)
}

// scalars reads condition values, which may also be bools and numbers.
func scalars(n node, at *location) ([]string, error) {
	return list(n, at, "a string, bool or number, or an array of them", kindString, kindScalar)
}

func list(n node, at *location, want string, kinds ...kind) ([]string, error) {
	if slices.Contains(kinds, n.kind) {
		return []string{n.text}, nil
	}
	if n.kind != kindArray {
		return nil, errorAt(at, "must be %s, not %v", want, n.kind)
	}
	values := []string{}
	var problems []error
	for i, element := range n.items {
		if !slices.Contains(kinds, element.kind) {
			problems = append(problems, errorAt(at.item(i), "must be %s, not %v", kinds[0], element.kind))
		}
		values = append(values, element.text)
	}
	return values, errors.Join(problems...)
}
