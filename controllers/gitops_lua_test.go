package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// luaLibraries says which of Lua's libraries a script may use in Argo CD
// (https://argo-cd.readthedocs.io/en/stable/operator-manual/health/#custom-health-checks).
type luaLibraries string

const (
	// closedLibraries are those of scripts in argocd-cm: package, base, table, and
	// of os what can do no harm.
	closedLibraries luaLibraries = "closed"
	// openLibraries are those of scripts that come with Argo CD.
	openLibraries luaLibraries = "open"
)

var allLibraries = []luaLibraries{closedLibraries, openLibraries}

// runLua runs a script about an object as Argo CD does, and returns what it
// returns, as JSON has it.
func runLua(t *testing.T, libraries luaLibraries, script string, u *unstructured.Unstructured) any {
	t.Helper()
	l := lua.NewState(lua.Options{SkipOpenLibs: libraries == closedLibraries})
	defer l.Close()
	if libraries == closedLibraries {
		for name, open := range map[string]lua.LGFunction{
			lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
		} {
			if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.PreloadModule(lua.OsLibName, safeOS)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	l.SetContext(ctx)
	l.SetGlobal("obj", toLua(l, u.Object))
	if err := l.DoString(script); err != nil {
		t.Fatalf("with %s libraries: %v", libraries, err)
	}
	return fromLua(l.Get(-1))
}

// safeOS loads the functions of os that tell the time, and no other.
func safeOS(l *lua.LState) int {
	full := l.NewTable()
	scratch := lua.NewState()
	defer scratch.Close()
	for _, name := range []string{"time", "date"} {
		f := scratch.GetField(scratch.GetGlobal(lua.OsLibName), name).(*lua.LFunction)
		full.RawSetString(name, l.NewFunction(f.GFunction))
	}
	l.Push(full)
	return 1
}

// toLua gives an object to a script.
func toLua(l *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		table := l.NewTable()
		for _, item := range v {
			table.Append(toLua(l, item))
		}
		return table
	case map[string]any:
		table := l.NewTable()
		for key, item := range v {
			table.RawSetString(key, toLua(l, item))
		}
		return table
	default:
		panic(fmt.Sprintf("an object of the API holds a %T", value))
	}
}

// fromLua takes a value from a script. Lua has one kind of table, so one that is
// empty may have been a list or a map; Argo CD takes it for a list.
func fromLua(value lua.LValue) any {
	switch v := value.(type) {
	case lua.LBool:
		return bool(v)
	case lua.LString:
		return string(v)
	case lua.LNumber:
		if whole := int64(v); lua.LNumber(whole) == v {
			return whole
		}
		return float64(v)
	case *lua.LTable:
		if first, _ := v.Next(lua.LNil); first.Type() == lua.LTString {
			return mapFromLua(v)
		}
		list := []any{}
		v.ForEach(func(_, item lua.LValue) { list = append(list, fromLua(item)) })
		return list
	default:
		return nil
	}
}

func mapFromLua(table *lua.LTable) map[string]any {
	content := map[string]any{}
	table.ForEach(func(key, item lua.LValue) { content[key.String()] = fromLua(item) })
	return content
}

// mended returns what a script made of an object, with maps where fromLua could
// not tell that an empty table had been one, as Argo CD does it.
func mended(after, before any) any {
	switch old := before.(type) {
	case map[string]any:
		if list, ok := after.([]any); ok && len(list) == 0 {
			return old
		}
		content, ok := after.(map[string]any)
		if !ok {
			return after
		}
		for key, value := range old {
			if _, ok := content[key]; ok {
				content[key] = mended(content[key], value)
			}
		}
		return content
	case []any:
		list, ok := after.([]any)
		if !ok {
			return after
		}
		for i := range min(len(list), len(old)) {
			list[i] = mended(list[i], old[i])
		}
		return list
	default:
		return after
	}
}

// The libraries are as closed, and as open, as the tests of scripts assume.
func TestGitOps_LuaLibrariesAreThoseOfArgoCD(t *testing.T) {
	t.Parallel()
	const script = `
		local found = {}
		for _, name in ipairs({"string", "math", "io", "os", "table", "package"}) do
			table.insert(found, _G[name] and name)
		end
		if require("os").execute ~= nil then table.insert(found, "os.execute") end
		return found`
	closed := runLua(t, closedLibraries, script, &unstructured.Unstructured{})
	if want := []any{"table", "package"}; !slices.Equal(closed.([]any), want) {
		t.Errorf("closed libraries = %q, want %q", closed, want)
	}
	if open := runLua(t, openLibraries, script, &unstructured.Unstructured{}).([]any); !slices.Contains(open, any("string")) {
		t.Errorf("open libraries = %q", open)
	}
	content := map[string]any{"map": map[string]any{}, "list": []any{}, "n": int64(3), "deep": []any{map[string]any{"empty": map[string]any{}}}}
	got := mended(runLua(t, closedLibraries, "return obj", &unstructured.Unstructured{Object: content}), content)
	if !maps.EqualFunc(content, got.(map[string]any), func(a, b any) bool { return fmt.Sprintf("%T%v", a, a) == fmt.Sprintf("%T%v", b, b) }) {
		t.Errorf("A script that changes nothing changes %v to %v.", content, got)
	}
}
