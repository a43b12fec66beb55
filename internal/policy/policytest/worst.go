// Package policytest generates the policies that take longest to process, for benchmarks.
package policytest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Size is the number of characters of the policies, the most that a role can hold.
const Size = 10240

// Worst returns documents of almost Size characters, by what is special about them.
// Those of another variant differ a little.
func Worst(variant string) map[string]string {
	return map[string]string{
		"ActionsByResources": grow(func(n int) any {
			return one(many(n, "s3:%x"+variant), many(n, "arn:aws:s3:::%x"+variant))
		}),
		"Actions":   grow(func(n int) any { return one(many(n, "s3:%x*"+variant), []string{"*"}) }),
		"Resources": grow(func(n int) any { return one([]string{"s3:Get*"}, many(n, "arn:aws:s3:::*%x*"+variant)) }),
		"Stars": grow(func(n int) any {
			return one([]string{"s3:" + strings.Repeat("*a", n/2) + variant}, []string{"arn:aws:s3:::" + strings.Repeat("a*", n/2) + variant})
		}),
		"StarsInMany": grow(func(n int) any {
			return one([]string{"s3:*"}, many(n, "arn:aws:s3:::"+strings.Repeat("*a", 20)+"%x"+variant))
		}),
		"Marks": grow(func(n int) any {
			return one([]string{"s3:*"}, []string{"arn:aws:s3:::" + strings.Repeat("?*", n/2) + variant})
		}),
		"Characters": grow(func(n int) any {
			var b strings.Builder
			for i := range n {
				b.WriteRune(rune(0xa1 + i))
			}
			return one([]string{"s3:*"}, []string{"arn:aws:s3:::*" + b.String() + variant + "*"})
		}),
		"Variables": grow(func(n int) any {
			return one([]string{"s3:*"}, []string{"arn:aws:s3:::" + strings.Repeat("${aws:x}*", n/9) + variant})
		}),
		"OpenVariables": grow(func(n int) any {
			return one([]string{"s3:*"}, []string{"arn:aws:s3:::" + strings.Repeat("${", n/2) + variant})
		}),
		"NotActions": grow(func(n int) any {
			return statement{Effect: "Allow", NotAction: many(n, "s3:*%x*"+variant), NotResource: many(n, "arn:aws:s3:::*%x"+variant)}
		}),
		"Statements": grow(func(n int) any {
			list := make([]statement, n)
			for i := range list {
				list[i] = one([]string{"s3:*"}, []string{fmt.Sprintf("arn:aws:s3:::*%x%s", i, variant)})
			}
			return list
		}),
		"Denials": grow(func(n int) any {
			list := make([]statement, n)
			for i := range list {
				list[i] = one([]string{fmt.Sprintf("s3:*%x%s", i, variant)}, []string{"*"})
				list[i].Effect = []string{"Allow", "Deny"}[i%2]
			}
			return list
		}),
		"Values": grow(func(n int) any {
			s := one([]string{"s3:*"}, []string{"*"})
			s.Condition = map[string]map[string][]string{
				"StringLike":    {"aws:x": many(n, "*%x"+variant)},
				"StringNotLike": {"aws:x": many(n, "%x"+variant)},
			}
			return s
		}),
		"Conditions": grow(func(n int) any {
			s := one([]string{"s3:*"}, []string{"*"})
			s.Condition = map[string]map[string][]string{"StringLike": {}, "StringEquals": {}}
			for i := range n {
				s.Condition["StringLike"][fmt.Sprintf("a:%x", i)] = []string{"*" + variant}
				s.Condition["StringEquals"][fmt.Sprintf("a:%x", i)] = []string{variant}
			}
			return s
		}),
		"Tiny": grow(func(n int) any { return one(slices.Repeat([]string{"?"}, n), []string{"*" + variant}) }),
		"Questions": grow(func(n int) any {
			return one([]string{"s3:*"}, []string{"arn:aws:s3:::" + strings.Repeat("?", n/2) + variant, "arn:aws:s3:::" + strings.Repeat("?", n/2) + "*" + variant})
		}),
		"StarActions": grow(func(n int) any {
			return one(append(many(n/4, "s3:*%x*"+variant), "s3:*"+strings.Repeat("?a*", n/4)+variant), []string{"*"})
		}),
		"CharactersTwice": grow(func(n int) any {
			var b strings.Builder
			for i := range n {
				b.WriteString(string(rune(0xa1 + i%((n+1)/2)))) //nolint:gosec // at most 0xa1 and half of the size
			}
			return one([]string{"s3:*"}, []string{"arn:aws:s3:::*" + b.String() + variant + "*", "*"})
		}),
		"VariablesInMany": grow(func(n int) any {
			return one([]string{"s3:*"}, many(n, "arn:aws:s3:::${a:%[1]x}*${b:%[1]x, 'c'}"+variant))
		}),
		"StarValues": grow(func(n int) any {
			s := one([]string{"s3:*"}, []string{"*"})
			s.Condition = map[string]map[string][]string{
				"ForAnyValue:StringLike": {"aws:x": many(n, strings.Repeat("*a", 10)+"%x"+variant)},
				"ArnLikeIfExists":        {"aws:x": many(n, "arn:*:?*:%x"+variant)},
			}
			return s
		}),
		"EmptyStatements": grow(func(n int) any { return make([]struct{}, n+len(variant)) }),
		"WrongKinds":      grow(func(n int) any { return map[string]any{"Effect": "Allow", "Action": make([]int, n), variant: 1} }),
		"UnknownElements": grow(func(n int) any {
			all := map[string]int{}
			for i := range n {
				all[fmt.Sprintf("%x%s", i, variant)] = 1
			}
			return all
		}),
		"Operators": grow(func(n int) any {
			s := one([]string{"s3:*"}, []string{"*"})
			s.Condition = map[string]map[string][]string{}
			for i := range n {
				s.Condition[fmt.Sprintf("a%x", i)] = map[string][]string{"a:b": {variant}}
			}
			return s
		}),
	}
}

type statement struct {
	Effect      string
	Action      []string                       `json:",omitempty"`
	NotAction   []string                       `json:",omitempty"`
	Resource    []string                       `json:",omitempty"`
	NotResource []string                       `json:",omitempty"`
	Condition   map[string]map[string][]string `json:",omitempty"`
}

func one(actions, resources []string) statement {
	return statement{Effect: "Allow", Action: actions, Resource: resources}
}

func many(n int, format string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}

// grow returns the largest document within Size, of statements of n.
func grow(of func(n int) any) string {
	document := func(n int) string {
		text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": of(n)})
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	low, high := 1, Size
	for low < high {
		n := (low + high + 1) / 2
		if len([]rune(document(n))) <= Size {
			low = n
		} else {
			high = n - 1
		}
	}
	return document(low)
}
