package origin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// state is a state file of Terraform or OpenTofu, or what `terraform show -json` prints.
// https://developer.hashicorp.com/terraform/internals/json-format
type state struct {
	Version   int `json:"version"`
	Resources []struct {
		Module    string `json:"module"`
		Mode      string `json:"mode"`
		Type      string `json:"type"`
		Name      string `json:"name"`
		Instances []struct {
			IndexKey   any             `json:"index_key"`
			Attributes json.RawMessage `json:"attributes"`
		} `json:"instances"`
	} `json:"resources"`
	FormatVersion string `json:"format_version"`
	Values        struct {
		Root module `json:"root_module"`
	} `json:"values"`
}

type module struct {
	Resources []struct {
		Address string          `json:"address"`
		Mode    string          `json:"mode"`
		Type    string          `json:"type"`
		Values  json.RawMessage `json:"values"`
	} `json:"resources"`
	Children []module `json:"child_modules"`
}

// resource is one resource of a state.
type resource struct {
	address, kind string
	values        json.RawMessage
}

// stateVersion is the version of state files since Terraform 0.12.
const stateVersion = 4

// Terraform returns the roles of a state, with the policies that the state attaches.
func Terraform(raw []byte) ([]Role, error) {
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("not a Terraform state: %w", err)
	}
	var all []resource
	switch {
	case s.FormatVersion != "":
		all = s.Values.Root.all()
	case s.Version == stateVersion:
		all = s.all()
	default:
		return nil, errors.New("not a Terraform state of version 4; print it with: terraform show -json")
	}
	return terraformRoles(all)
}

func (s state) all() []resource {
	var all []resource
	for _, r := range s.Resources {
		if r.Mode != "managed" {
			continue
		}
		for _, instance := range r.Instances {
			address := r.Type + "." + r.Name
			if r.Module != "" {
				address = r.Module + "." + address
			}
			switch key := instance.IndexKey.(type) {
			case string:
				address += "[" + strconv.Quote(key) + "]"
			case float64:
				address += "[" + strconv.Itoa(int(key)) + "]"
			}
			all = append(all, resource{address, r.Type, instance.Attributes})
		}
	}
	return all
}

func (m module) all() []resource {
	var all []resource
	for _, r := range m.Resources {
		if r.Mode == "managed" {
			all = append(all, resource{r.Address, r.Type, r.Values})
		}
	}
	for _, child := range m.Children {
		all = append(all, child.all()...)
	}
	return all
}

// terraformRole is a resource aws_iam_role of the Terraform provider hashicorp/aws.
type terraformRole struct {
	ARN         string            `json:"arn"`
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	Description string            `json:"description"`
	MaxSession  int32             `json:"max_session_duration"`
	Boundary    string            `json:"permissions_boundary"`
	Trust       string            `json:"assume_role_policy"`
	Tags        map[string]string `json:"tags"`
	TagsAll     map[string]string `json:"tags_all"`
	Managed     []string          `json:"managed_policy_arns"`
	Inline      []struct {
		Name   string `json:"name"`
		Policy string `json:"policy"`
	} `json:"inline_policy"`
}

// terraformPart is any of the resources that add policies to roles.
type terraformPart struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	RoleName string   `json:"role_name"`
	Roles    []string `json:"roles"`
	Policy   string   `json:"policy"`
	ARN      string   `json:"policy_arn"`
	ARNs     []string `json:"policy_arns"`
}

func terraformRoles(all []resource) ([]Role, error) {
	var roles []*Role
	byName := map[string]*Role{}
	for _, r := range all {
		if r.kind != "aws_iam_role" {
			continue
		}
		var in terraformRole
		if err := json.Unmarshal(r.values, &in); err != nil {
			return nil, fmt.Errorf("resource %s: %w", r.address, err)
		}
		out := in.role(r.address)
		roles = append(roles, out)
		byName[in.Name] = out
	}
	for _, r := range all {
		if err := r.addTo(byName); err != nil {
			return nil, err
		}
	}
	out := values(roles)
	slices.SortFunc(out, func(a, b Role) int { return strings.Compare(a.Source, b.Source) })
	return out, nil
}

func (in terraformRole) role(address string) *Role {
	out := newRole("Terraform resource "+address, in.Name)
	out.ARN, out.Path, out.Description, out.MaxSession = in.ARN, in.Path, in.Description, in.MaxSession
	out.Boundary, out.Trust, out.Tags = in.Boundary, in.Trust, in.TagsAll
	if len(out.Tags) == 0 {
		out.Tags = in.Tags
	}
	for _, arn := range in.Managed {
		out.attach(arn)
	}
	for _, p := range in.Inline {
		if p.Name != "" && p.Policy != "" { // the provider has an empty one for none
			out.Inline[p.Name] = p.Policy
		}
	}
	out.Forget = "terraform state rm " + quote(address)
	return out
}

// addTo adds what the resource gives to roles of the state.
func (r resource) addTo(roles map[string]*Role) error {
	switch r.kind {
	case "aws_iam_role_policy", "aws_iam_role_policy_attachment", "aws_iam_policy_attachment", "aws_iam_role_policy_attachments_exclusive":
	default:
		return nil
	}
	var in terraformPart
	if err := json.Unmarshal(r.values, &in); err != nil {
		return fmt.Errorf("resource %s: %w", r.address, err)
	}
	for _, name := range append(in.Roles, in.Role, in.RoleName) {
		to := roles[name]
		if to == nil {
			continue
		}
		if r.kind == "aws_iam_role_policy" {
			to.Inline[in.Name] = in.Policy
			continue
		}
		for _, arn := range append(in.ARNs, in.ARN) {
			to.attach(arn)
		}
	}
	return nil
}

func values(roles []*Role) []Role {
	out := make([]Role, len(roles))
	for i, r := range roles {
		out[i] = *r
	}
	return out
}
