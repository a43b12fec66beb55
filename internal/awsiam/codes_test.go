package awsiam

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/podidentity-operator/test/awslocal/model"
)

// An error code that AWS's service models document for one of the operator's calls, and
// that has no class, fails this test, including one that a newer model adds. The SDK
// itself has no such list: since its version 1.48 none of its files lists the errors of
// an operation.
func TestErrorCodes_EveryDocumentedOneIsClassified(t *testing.T) {
	calls := map[string][]string{
		"iam": methods(reflect.TypeFor[API]()),
		// The SDK makes the second call itself, to get the operator's credentials.
		"sts": append(methods(reflect.TypeFor[STS]()), "AssumeRoleWithWebIdentity"),
	}
	for service, operations := range calls {
		defined := definedCodes(t, "github.com/aws/aws-sdk-go-v2/service/"+service)
		for _, operation := range operations {
			codes, ok := documentedCodes(service, operation)
			if !ok {
				t.Errorf("the model of %s does not have %s: add it with test/awslocal/model/reduce", service, operation)
			}
			for _, code := range codes {
				expectClassified(t, operation, code, defined)
			}
		}
	}
}

func expectClassified(t *testing.T, operation, code string, defined []string) {
	t.Helper()
	if !slices.Contains(defined, code) {
		t.Errorf("%s documents %s, which types/errors.go does not define", operation, code)
	}
	if _, ok := errorCodes[code]; !ok {
		t.Errorf("%s may fail with %s, which is not in faults", operation, code)
	}
}

// The test above is only useful if it finds the codes.
func TestErrorCodes_AreFoundInTheModel(t *testing.T) {
	got, _ := documentedCodes("iam", "PutRolePolicy")
	want := []string{"LimitExceeded", "MalformedPolicyDocument", "NoSuchEntity", "ServiceFailure", "UnmodifiableEntity"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes of PutRolePolicy: -want, +got:\n%s", diff)
	}
	if len(definedCodes(t, "github.com/aws/aws-sdk-go-v2/service/iam")) < len(want) {
		t.Error("types/errors.go of the SDK has another form: it defines no codes")
	}
}

// methods returns the names of an interface's methods.
func methods(api reflect.Type) []string {
	var names []string
	for m := range api.Methods() {
		names = append(names, m.Name)
	}
	return names
}

// documentedCodes returns the error codes that AWS's service model documents for an operation,
// sorted. It reports false for an operation that the model does not have.
func documentedCodes(service, operation string) ([]string, bool) {
	m := model.Load()[service]
	op, ok := m.Operations[operation]
	var codes []string
	for _, name := range op.Errors {
		code := name
		if e := m.Shapes[name].Error; e != nil && e.Code != "" {
			code = e.Code
		}
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes, ok
}

// definedCodes returns the error codes of the SDK's error types: what their
// ErrorCode methods return.
func definedCodes(t *testing.T, module string) []string {
	t.Helper()
	var codes []string
	for _, decl := range parse(t, module, filepath.Join("types", "errors.go")).Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok || function.Name.Name != "ErrorCode" {
			continue
		}
		ast.Inspect(function, func(n ast.Node) bool {
			if ret, ok := n.(*ast.ReturnStmt); ok {
				if lit, ok := ret.Results[0].(*ast.BasicLit); ok {
					codes = append(codes, unquote(t, lit))
				}
			}
			return true
		})
	}
	return codes
}

// parse returns the syntax of a file of a module, wherever that is.
func parse(t *testing.T, module, file string) *ast.File {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("go list -m %s: %v", module, err)
	}
	syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return syntax
}

func unquote(t *testing.T, e ast.Expr) string {
	t.Helper()
	literal, ok := e.(*ast.BasicLit)
	if !ok {
		t.Fatalf("want a string, found %T", e)
	}
	s, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
