package awslocal

import (
	"encoding/json"
	"maps"
	"strings"
)

// How AWS stores the principals of trust policies: an account by the ARN of its root
// user, a role by its ID, which is shown as its ARN while the role exists.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-roles

// resolvePrincipals returns a trust policy as it is stored: with the ARN of the root user
// for an account ID, and with the ARN of a role for its ID.
func (c *call) resolvePrincipals(document string) string {
	return replacePrincipals(document, func(id string) string {
		if accountID.MatchString(id) {
			return "arn:" + c.srv.options.Partition + ":iam::" + id + ":root"
		}
		if r := c.st.roleByID(id); r != nil {
			return r.arn
		}
		return id
	})
}

func (st *state) roleByID(id string) *role {
	for _, r := range st.roles {
		if r.id == id {
			return r
		}
	}
	return nil
}

// replaceDeleted replaces a deleted role in trust policies with its ID, as AWS does: they do
// not trust another role of the same name.
func (st *state) replaceDeleted(gone *role) {
	for key, r := range maps.Clone(st.roles) {
		if !strings.Contains(r.trust, gone.name) { // most do not, and this check is fast
			continue
		}
		trust := replacePrincipals(r.trust, func(id string) string {
			if id == gone.arn {
				return gone.id
			}
			return id
		})
		if trust != r.trust {
			r = r.copy()
			r.trust = trust
			st.roles[key] = r
		}
	}
}

// nesting is an object or a list that a JSON token is in.
type nesting struct {
	object, value bool // value says that a key has been read, and its value comes next
	key           string
}

// replacePrincipals replaces the AWS principals of a document, and leaves the rest of its
// text as it is.
func replacePrincipals(document string, replace func(string) string) string {
	dec := json.NewDecoder(strings.NewReader(document))
	var out strings.Builder
	around := []nesting{{}}
	for {
		from := dec.InputOffset()
		token, err := dec.Token()
		text := document[from:dec.InputOffset()]
		if err != nil {
			return out.String() + document[from:]
		}
		top := &around[len(around)-1]
		switch token {
		case json.Delim('{'), json.Delim('['):
			top.value = false
			around = append(around, nesting{object: token == json.Delim('{')})
		case json.Delim('}'), json.Delim(']'):
			around = around[:len(around)-1]
		default:
			id, _ := token.(string)
			switch {
			case top.object && !top.value:
				top.key, top.value = id, true
			case isPrincipal(around) && replace(id) != id:
				text = text[:strings.IndexByte(text, '"')] + `"` + replace(id) + `"`
				fallthrough
			default:
				top.value = false
			}
		}
		out.WriteString(text)
	}
}

// isPrincipal reports whether the next token is an AWS principal, alone or in a list.
func isPrincipal(around []nesting) bool {
	if !around[len(around)-1].object {
		around = around[:len(around)-1]
	}
	n := len(around)
	return n >= 2 && around[n-1].key == "AWS" && around[n-2].key == "Principal"
}
