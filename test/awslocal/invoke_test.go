package awslocal_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// models are the models that the endpoint itself goes by.
var models = model.Load()

// named are the members that inputs require, by their names in the models.
var named = map[string]any{
	"RoleName": "r", "PolicyName": "p", "PolicyArn": policyARN("p"), "VersionId": "v1", "InstanceProfileName": "i",
	"OpenIDConnectProviderArn": "arn:aws:iam::123456789012:oidc-provider/issuer", "Url": "https://issuer", "ClientID": "id",
	"PolicyDocument": readS3, "AssumeRolePolicyDocument": ec2Trust, "PermissionsBoundary": policyARN("b"), "Description": "d",
	"AWSServiceName": "elasticloadbalancing.amazonaws.com", "DeletionTaskId": "task" + elbRole + "/1",
	"Tags": []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}}, "TagKeys": []string{"k"}, "ThumbprintList": []string{strings.Repeat("a", 40)},
	"Arn": "arn:aws:iam::123456789012:role/path/r", "JobId": strings.Repeat("0", 36),
	"RoleArn": roleARN("r"), "RoleSessionName": "session", "WebIdentityToken": "token",

	"name": "c", "clusterName": "c", "associationId": "a-1", "namespace": "n", "serviceAccount": "s", "roleArn": roleARN("r"),
	"resourceArn": associationARN, "tags": map[string]string{"k": "v"}, "tagKeys": []string{"k"}, "resourcesVpcConfig": &ekstypes.VpcConfigRequest{},
}

const (
	elbRole        = "/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing"
	associationARN = "arn:aws:eks:us-east-1:123456789012:podidentityassociation/c/a-1"
)

// invoke calls an operation through the SDK with the members that its input
// requires, and those besides that are given.
func invoke(t *testing.T, e *endpoint, operation string, with map[string]any) error {
	t.Helper()
	for service, client := range map[string]any{"iam": e.iam, "sts": e.sts, "eks": e.eks} {
		m := models[service]
		op, ok := m.Operations[operation]
		if !ok {
			continue
		}
		method := reflect.ValueOf(client).MethodByName(operation)
		in := reflect.New(method.Type().In(1).Elem())
		members := maps.Clone(with)
		if members == nil {
			members = map[string]any{}
		}
		if op.Input != "" {
			for _, name := range m.Shapes[op.Input].Required {
				if _, given := with[name]; !given {
					members[name] = named[name]
				}
			}
		}
		if e.target != nil {
			e.target.localize(operation, members)
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			set(t, in.Elem(), name, members[name])
		}
		err, _ := reflect.TypeAssert[error](method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})[1])
		return err
	}
	t.Fatalf("there is no action %s", operation)
	return nil
}

// set sets a member of an SDK's input.
func set(t *testing.T, in reflect.Value, name string, value any) {
	t.Helper()
	field := in.FieldByName(strings.ToUpper(name[:1]) + name[1:])
	v := reflect.ValueOf(value)
	switch {
	case !field.IsValid() || !v.IsValid():
		t.Fatalf("%v has no member %s, or the test no value", in.Type(), name)
	case field.Kind() == reflect.Pointer && v.Kind() != reflect.Pointer:
		field.Set(reflect.New(field.Type().Elem()))
		field.Elem().Set(v.Convert(field.Type().Elem()))
	default:
		field.Set(v.Convert(field.Type()))
	}
}
