// Package schema checks objects of the operator's API as the API server does, without
// one: unknown fields, the schema and the CEL rules of the CustomResourceDefinitions.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/podidentity/podidentity-operator/api/v1alpha1"
	"github.com/podidentity/podidentity-operator/config/crd"
)

// Validator checks objects. It is not safe for concurrent use.
type Validator struct{ kinds map[string]*kind }

// kind is what the API server knows about a kind.
type kind struct {
	namespaced bool
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// New returns a Validator for the kinds of this version of the plugin.
func New() (*Validator, error) {
	v := &Validator{kinds: map[string]*kind{}}
	files, err := fs.Glob(crd.Files, "bases/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		raw, err := crd.Files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(raw, definition); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if v.kinds[definition.Spec.Names.Kind], err = newKind(definition); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return v, nil
}

func newKind(definition *apiextensionsv1.CustomResourceDefinition) (*kind, error) {
	at := slices.IndexFunc(definition.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name == v1alpha1.GroupVersion.Version
	})
	if at < 0 {
		return nil, errors.New("has no version " + v1alpha1.GroupVersion.Version)
	}
	var properties apiextensions.JSONSchemaProps
	err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(definition.Spec.Versions[at].Schema.OpenAPIV3Schema, &properties, nil)
	if err != nil {
		return nil, err
	}
	k := &kind{namespaced: definition.Spec.Scope == apiextensionsv1.NamespaceScoped}
	if k.structural, err = structuralschema.NewStructural(&properties); err != nil {
		return nil, err
	}
	if k.schema, _, err = validation.NewSchemaValidator(&properties); err != nil {
		return nil, err
	}
	k.rules = cel.NewValidator(k.structural, true, celconfig.PerCallLimit)
	return k, nil
}

// Check returns what the API server would reject about an object of the operator's
// API, in the words of the API server, and the object with its defaults. It needs the
// namespace to be set.
func (v *Validator) Check(object *unstructured.Unstructured) (*unstructured.Unstructured, []string) {
	u := object.DeepCopy()
	k := v.kinds[u.GetKind()]
	if k == nil || u.GroupVersionKind().GroupVersion() != v1alpha1.GroupVersion {
		return u, []string{fmt.Sprintf("%s has no kind %s in version %s; this version of the plugin knows %s",
			v1alpha1.GroupVersion.Group, u.GetKind(), u.GroupVersionKind().Version, v1alpha1.GroupVersion.Version)}
	}
	var problems []string
	unknown := pruning.PruneWithOptions(u.Object, k.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	slices.Sort(unknown)
	for _, path := range unknown {
		problems = append(problems, "unknown field "+path)
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, k.structural)
	defaulting.Default(u.Object, k.structural)
	for _, err := range k.validate(u) {
		problems = append(problems, err.Error())
	}
	return u, problems
}

// validate runs the checks of the API server in its order.
func (k *kind) validate(u *unstructured.Unstructured) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaAccessor(u, k.namespaced, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	errs = append(errs, validation.ValidateCustomResource(nil, u.Object, k.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, u.Object)...)
	if slices.ContainsFunc(errs, blocksRules) {
		return errs
	}
	broken, _ := k.rules.Validate(context.Background(), nil, k.structural, u.Object, nil, celconfig.RuntimeCELCostBudget)
	return append(errs, broken...)
}

// blocksRules reports whether the API server evaluates no CEL rules of an object with
// that error: a rule relies on the types and sizes of the schema.
func blocksRules(err *field.Error) bool {
	switch err.Type {
	case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
		return true
	default:
		return false
	}
}
