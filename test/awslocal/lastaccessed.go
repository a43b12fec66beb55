package awslocal

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/podidentity-operator/internal/policy"
	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// Reports of last-accessed information:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html

// report is a job of GenerateServiceLastAccessedDetails.
type report struct {
	arn, granularity string
	created          time.Time
	polled           bool // read once: then it is ready
	completed        time.Time
	services         []model.Struct
}

// generateServiceLastAccessedDetails starts a report about a role. It is ready when it is
// read for the second time, so that clients have to wait for it, as in AWS.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GenerateServiceLastAccessedDetails.html
func generateServiceLastAccessedDetails(c *call) (model.Struct, error) {
	arn := c.in.Str("Arn")
	a, ok := parseARN(arn)
	if !ok || a.service != "iam" || !slices.ContainsFunc([]string{"role/", "user/", "group/", "policy/"}, func(kind string) bool { return strings.HasPrefix(a.resource, kind) }) {
		return nil, model.Errorf("InvalidInput", "ARN %s is not valid.", arn)
	}
	if c.roleOfARN(arn) == nil {
		return nil, model.Errorf("NoSuchEntity", "ARN %s cannot be found.", arn)
	}
	granularity := c.in.Str("Granularity")
	if granularity == "" {
		granularity = "SERVICE_LEVEL"
	}
	id := c.srv.random.uuid()
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.srv.reports[id] = &report{arn: arn, granularity: granularity, created: c.now}
	return model.Struct{"JobId": id}, nil
}

// roleOfARN returns the role with that ARN, nil if there is none.
func (c *call) roleOfARN(arn string) *role {
	r := c.st.roles[strings.ToLower(arn[strings.LastIndex(arn, "/")+1:])]
	if r == nil || r.arn != arn {
		return nil
	}
	return r
}

// getServiceLastAccessedDetails returns a report.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetServiceLastAccessedDetails.html
func getServiceLastAccessedDetails(c *call) (model.Struct, error) {
	id := c.in.Str("JobId")
	c.srv.mu.Lock()
	r := c.srv.reports[id]
	first := r != nil && !r.polled
	if first {
		r.polled = true
	}
	c.srv.mu.Unlock()
	if r == nil {
		return nil, model.Errorf("NoSuchEntity", "Job with id %s cannot be found.", id)
	}
	out := model.Struct{"JobStatus": "IN_PROGRESS", "JobType": r.granularity, "JobCreationDate": r.created, "ServicesLastAccessed": []any{}, "IsTruncated": false}
	if first {
		return out, nil
	}
	services, completed := c.reported(r)
	services, err := page(c, out, services, func(s model.Struct) string { return s.Str("ServiceNamespace") })
	if err != nil {
		return nil, err
	}
	items := make([]any, len(services))
	for i := range services {
		items[i] = services[i]
	}
	out["JobStatus"], out["JobCompletionDate"], out["ServicesLastAccessed"] = "COMPLETED", completed, items
	return out, nil
}

// reported returns the contents of a report, which are generated once.
func (c *call) reported(r *report) (services []model.Struct, completed time.Time) {
	if of := c.roleOfARN(r.arn); of != nil {
		services = c.servicesLastAccessed(of, r.granularity == "ACTION_LEVEL")
	}
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	if r.completed.IsZero() {
		r.completed, r.services = c.now, services
	}
	return r.services, r.completed
}

// servicesLastAccessed lists the services that the role's permissions policies allow,
// sorted by namespace. Its boundary and its trust policy do not count.
func (c *call) servicesLastAccessed(r *role, withActions bool) []model.Struct {
	c.srv.mu.Lock()
	var of usage
	if recorded := c.srv.usages[r.id]; recorded != nil {
		of.services = maps.Clone(recorded.services)
		of.actions = map[string]map[string]use{}
		for service, actions := range recorded.actions {
			of.actions[service] = maps.Clone(actions)
		}
	}
	c.srv.mu.Unlock()
	var out []model.Struct
	for _, namespace := range c.allowedServices(r) {
		service := model.Struct{"ServiceName": serviceName(namespace), "ServiceNamespace": namespace, "TotalAuthenticatedEntities": int64(0)}
		if u := of.services[namespace]; c.tracked(u) {
			service["LastAuthenticated"], service["LastAuthenticatedEntity"], service["LastAuthenticatedRegion"] = u.at, r.arn, u.region
			service["TotalAuthenticatedEntities"] = int64(1)
		}
		if withActions {
			if actions := c.trackedActions(r, namespace, of.actions[namespace]); len(actions) > 0 {
				service["TrackedActionsLastAccessed"] = actions
			}
		}
		out = append(out, service)
	}
	return out
}

// trackedActions lists the tracked actions of a service that the role's policies
// allow: those of this endpoint, and those that were reported to it.
func (c *call) trackedActions(r *role, namespace string, used map[string]use) []any {
	names := map[string]bool{}
	if m := c.srv.services[namespace]; m != nil {
		for _, name := range m.OperationNames() {
			if !onData(namespace, name) {
				names[name] = true
			}
		}
	}
	for name := range used {
		names[name] = true
	}
	allows := policy.NewDenylist(policy.AnyCase, c.allowedActions(r)...)
	var out []any
	for _, name := range slices.Sorted(maps.Keys(names)) {
		u := used[name]
		if !c.tracked(u) && !allows.Overlaps(namespace+":"+name) {
			continue
		}
		action := model.Struct{"ActionName": name}
		if c.tracked(u) {
			action["LastAccessedEntity"], action["LastAccessedTime"], action["LastAccessedRegion"] = r.arn, u.at, u.region
		}
		out = append(out, action)
	}
	return out
}

// allowedActions returns the patterns of the actions that the role's identity
// policies allow on anything.
func (c *call) allowedActions(r *role) []string {
	var patterns []string
	add := func(p policy.Policy) {
		for _, s := range p.Statements {
			switch {
			case s.Effect == policy.Allow && s.NotActions != nil:
				patterns = append(patterns, "*")
			case s.Effect == policy.Allow:
				patterns = append(patterns, s.Actions...)
			}
		}
	}
	for _, document := range r.inline {
		add(parsed(document))
	}
	for _, arn := range r.attached {
		add(c.managedDocument(arn))
	}
	return patterns
}

// allowedServices returns the namespaces of the services in which the role's policies
// allow an action, sorted.
func (c *call) allowedServices(r *role) []string {
	patterns := c.allowedActions(r)
	found := map[string]bool{}
	for _, p := range patterns {
		if namespace, _, ok := strings.Cut(p, ":"); ok && !policy.IsPattern(namespace) {
			found[strings.ToLower(namespace)] = true
		}
	}
	for namespace := range serviceNames {
		for _, p := range patterns {
			service, _, _ := strings.Cut(p, ":")
			if policy.IsPattern(service) && policy.NewDenylist(policy.AnyCase, service).Overlaps(namespace) {
				found[namespace] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// serviceNames are the names of some services by namespace, as the Service
// Authorization Reference has them.
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
var serviceNames = map[string]string{ //nolint:gosec // names of services, not credentials
	"autoscaling":          "Amazon EC2 Auto Scaling",
	"cloudformation":       "AWS CloudFormation",
	"cloudwatch":           "Amazon CloudWatch",
	"dynamodb":             "Amazon DynamoDB",
	"ec2":                  "Amazon EC2",
	"ecr":                  "Amazon Elastic Container Registry",
	"eks":                  "Amazon Elastic Kubernetes Service",
	"elasticloadbalancing": "AWS Elastic Load Balancing",
	"events":               "Amazon EventBridge",
	"iam":                  "AWS Identity and Access Management",
	"kinesis":              "Amazon Kinesis Data Streams",
	"kms":                  "AWS Key Management Service",
	"lambda":               "AWS Lambda",
	"logs":                 "Amazon CloudWatch Logs",
	"rds":                  "Amazon RDS",
	"route53":              "Amazon Route 53",
	"s3":                   "Amazon S3",
	"secretsmanager":       "AWS Secrets Manager",
	"sns":                  "Amazon SNS",
	"sqs":                  "Amazon SQS",
	"ssm":                  "AWS Systems Manager",
	"sts":                  "AWS Security Token Service",
}

func serviceName(namespace string) string {
	if name, ok := serviceNames[namespace]; ok {
		return name
	}
	return namespace
}
