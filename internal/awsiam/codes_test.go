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
)

// A code that the SDK documents for one of the operator's calls, and that has no class,
// fails this test, including one that a new version of the SDK adds.
func TestErrorCodes_EveryDocumentedOneIsClassified(t *testing.T) {
	calls := map[string][]string{
		"github.com/aws/aws-sdk-go-v2/service/iam": methods(reflect.TypeFor[API]()),
		// The SDK makes the second call itself, to get the operator's credentials.
		"github.com/aws/aws-sdk-go-v2/service/sts": append(methods(reflect.TypeFor[STS]()), "AssumeRoleWithWebIdentity"),
	}
	for module, operations := range calls {
		documented := documentedCodes(t, module)
		defined := definedCodes(t, module)
		for _, operation := range operations {
			codes, ok := documented[operation]
			if !ok {
				t.Errorf("%s: found nothing about the errors of %s: has the SDK changed its form?", module, operation)
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

// The test above is worth something only if it finds the codes.
func TestErrorCodes_AreFoundInTheSDK(t *testing.T) {
	got := documentedCodes(t, "github.com/aws/aws-sdk-go-v2/service/iam")["PutRolePolicy"]
	want := []string{"LimitExceeded", "MalformedPolicyDocument", "NoSuchEntity", "ServiceFailure", "UnmodifiableEntity"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes of PutRolePolicy: -want, +got:\n%s", diff)
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

// documentedCodes returns the error codes that the SDK's client knows for each
// operation: those that its functions awsAwsquery_deserializeOpError<operation>
// compare with.
func documentedCodes(t *testing.T, module string) map[string][]string {
	t.Helper()
	codes := map[string][]string{}
	for _, decl := range parse(t, module, "deserializers.go").Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		operation, ok := strings.CutPrefix(function.Name.Name, "awsAwsquery_deserializeOpError")
		if !ok {
			continue
		}
		codes[operation] = nil
		ast.Inspect(function, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "EqualFold" {
				codes[operation] = append(codes[operation], unquote(t, call.Args[0]))
			}
			return true
		})
	}
	return codes
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
