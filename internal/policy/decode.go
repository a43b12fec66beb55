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
	err := members(root, "", map[string]func(node, string) error{
		"Version": func(n node, path string) (err error) {
			p.Version, err = oneOf(n, path, Version2012, Version2008)
			return err
		},
		"Id": func(n node, path string) (err error) {
			p.ID, err = text(n, path)
			return err
		},
		"Statement": func(n node, path string) (err error) {
			p.Statements, err = statements(n, path)
			return err
		},
	})
	return p, faultsOf(errors.Join(readErr, err)).err()
}

func statements(n node, path string) ([]Statement, error) {
	if n.kind == kindObject { // a single statement needs no array
		s, err := statement(n, path)
		return []Statement{s}, err
	}
	if n.kind != kindArray {
		return nil, errorAt(path, "must be a statement or an array of statements, not %v", n.kind)
	}
	var list []Statement
	var problems []error
	for i, element := range n.items {
		s, err := statement(element, item(path, i))
		problems = append(problems, err)
		list = append(list, s)
	}
	return list, errors.Join(problems...)
}

func statement(n node, path string) (Statement, error) {
	var s Statement
	list := func(to *[]string) func(node, string) error {
		return func(n node, path string) (err error) {
			*to, err = texts(n, path)
			return err
		}
	}
	principalList := func(to *[]Principal) func(node, string) error {
		return func(n node, path string) (err error) {
			*to, err = principals(n, path)
			return err
		}
	}
	err := members(n, path, map[string]func(node, string) error{
		"Sid": func(n node, path string) (err error) {
			s.SID, err = text(n, path)
			return err
		},
		"Effect": func(n node, path string) error {
			effect, err := oneOf(n, path, string(Allow), string(Deny))
			s.Effect = Effect(effect)
			return err
		},
		"Principal":    principalList(&s.Principals),
		"NotPrincipal": principalList(&s.NotPrincipals),
		"Action":       list(&s.Actions),
		"NotAction":    list(&s.NotActions),
		"Resource":     list(&s.Resources),
		"NotResource":  list(&s.NotResources),
		"Condition": func(n node, path string) (err error) {
			s.Conditions, err = conditions(n, path)
			return err
		},
	})
	return s, err
}

// principals reads a Principal element: "*", or a map from type to IDs.
func principals(n node, path string) ([]Principal, error) {
	list := []Principal{} // the element is present, even without principals
	if n.kind == kindString && n.text == "*" {
		return append(list, Principal{Anyone, "*"}), nil
	}
	if n.kind != kindObject {
		return nil, errorAt(path, `must be "*" or an object such as {"AWS": "123456789012"}`)
	}
	read := map[string]func(node, string) error{}
	for _, t := range []string{AWS, Federated, Service, CanonicalUser} {
		read[t] = func(n node, path string) error {
			ids, err := texts(n, path)
			for _, id := range ids {
				list = append(list, Principal{t, id})
			}
			return err
		}
	}
	err := members(n, path, read)
	return list, err
}

// conditions reads a Condition element. Operators and keys that differ only in case are
// the same to IAM, so it rejects such duplicates: it is unclear which values count.
func conditions(n node, path string) ([]Condition, error) {
	if n.kind != kindObject {
		return nil, errorAt(path, "must be an object of operators, not %v", n.kind)
	}
	var list []Condition
	var problems []error
	seen := map[string]bool{}
	for _, op := range n.members {
		path := join(path, op.name)
		if op.value.kind != kindObject {
			problems = append(problems, errorAt(path, "must be an object of condition keys, not %v", op.value.kind))
		}
		for _, key := range op.value.members {
			path := join(path, key.name)
			values, err := scalars(key.value, path)
			problems = append(problems, err)
			same := CanonicalOperator(op.name) + "\x00" + foldKey(key.name)
			if seen[same] {
				problems = append(problems, errorAt(path, "duplicate in different case; remove one of them"))
			}
			seen[same] = true
			list = append(list, Condition{Operator: op.name, Key: key.name, Values: values})
		}
	}
	return list, errors.Join(problems...)
}

// members calls the function of the same name for each member of an object.
func members(n node, path string, read map[string]func(node, string) error) error {
	if n.kind != kindObject {
		return errorAt(path, "must be an object, not %v", n.kind)
	}
	var problems []error
	for _, m := range n.members {
		if f, ok := read[m.name]; ok {
			problems = append(problems, f(m.value, join(path, m.name)))
		} else {
			problems = append(problems, errorAt(join(path, m.name), "unknown element; allowed (case-sensitive): %s", names(read)))
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

func text(n node, path string) (string, error) {
	if n.kind != kindString {
		return "", errorAt(path, "must be a string, not %v", n.kind)
	}
	return n.text, nil
}

func oneOf(n node, path string, allowed ...string) (string, error) {
	if n.kind != kindString || !slices.Contains(allowed, n.text) {
		return "", errorAt(path, "must be exactly %s (case-sensitive)", strings.Join(allowed, " or "))
	}
	return n.text, nil
}

// texts reads a string or an array of strings.
func texts(n node, path string) ([]string, error) {
	return list(n, path, "a string or an array of strings", kindString)
}

// scalars reads condition values, which may also be bools and numbers.
func scalars(n node, path string) ([]string, error) {
	return list(n, path, "a string, bool or number, or an array of them", kindString, kindScalar)
}

func list(n node, path, want string, kinds ...kind) ([]string, error) {
	if slices.Contains(kinds, n.kind) {
		return []string{n.text}, nil
	}
	if n.kind != kindArray {
		return nil, errorAt(path, "must be %s, not %v", want, n.kind)
	}
	values := []string{}
	var problems []error
	for i, element := range n.items {
		if !slices.Contains(kinds, element.kind) {
			problems = append(problems, errorAt(item(path, i), "must be %s, not %v", kinds[0], element.kind))
		}
		values = append(values, element.text)
	}
	return values, errors.Join(problems...)
}
