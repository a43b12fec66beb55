package policy

import "fmt"

// naming names the parts of a policy in messages.
type naming int

const (
	// elements are those of a document: Statement[0].Action[1].
	elements naming = iota
	// fields are those of typed statements: statements[0].actions[1].
	fields
)

var fieldNames = map[string]string{
	"Statement": "statements", "Sid": "sid", "Effect": "effect", "Action": "actions", "NotAction": "notActions",
	"Resource": "resources", "NotResource": "notResources",
}

// name returns the name of an element.
func (n naming) name(element string) string {
	if field := fieldNames[element]; n == fields && field != "" {
		return field
	}
	return element
}

// condition returns the path of the i-th condition of a statement.
func (n naming) condition(statement string, i int, c Condition) conditionPath {
	if n == fields {
		path := item(statement+".conditions", i)
		return conditionPath{operator: path + ".operator", key: path + ".key", values: path + ".values"}
	}
	operator := join(statement+".Condition", c.Operator)
	key := join(operator, c.Key)
	return conditionPath{operator: operator, key: key, values: key}
}

// conditionPath holds the paths of the parts of a condition.
type conditionPath struct{ operator, key, values string }

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
