package plan

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// dnsName draws a name that Kubernetes allows.
func dnsName(most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		name := rapid.StringMatching(`[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?`).Draw(t, "name")
		return strings.Trim(name[:min(len(name), most)], "-.") + "x"
	})
}

func TestRoleName_FitsIAM(t *testing.T) {
	cases := map[string]struct {
		reason string
		parts  [3]string
		want   string
	}{
		"Short": {"All parts are readable.", [3]string{"prod", "shop", "checkout"}, "prod_shop_checkout_1286e5f6"},
		"Long":  {"A long name is cut, and its hash keeps it unique.", [3]string{"prod", "shop", strings.Repeat("a", 200)}, "prod_shop_" + strings.Repeat("a", 45) + "_"},
	}
	for name, tc := range cases {
		t.Run(name+": "+tc.reason, func(t *testing.T) {
			got := RoleName(tc.parts[0], tc.parts[1], tc.parts[2])
			if !strings.HasPrefix(got, tc.want) {
				t.Errorf("RoleName(...) = %q, want it to begin with %q", got, tc.want)
			}
		})
	}
}

// Names fit, and differ, without regard to case, whenever the identities do.
func TestRoleName_IsUnique(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) [3]string {
			return [3]string{dnsName(40).Draw(t, label+" cluster"), dnsName(63).Draw(t, label+" namespace"), dnsName(253).Draw(t, label+" name")}
		}
		a, b := draw("a"), draw("b")
		if rapid.Bool().Draw(t, "alike but for the end") {
			b = a
			b[2] += "x"
		}
		x, y := RoleName(a[0], a[1], a[2]), RoleName(b[0], b[1], b[2])
		if len(x) > maxRoleName || len(y) > maxRoleName {
			t.Fatalf("%q or %q is too long", x, y)
		}
		if (a == b) != strings.EqualFold(x, y) {
			t.Fatalf("%v and %v have the names %q and %q", a, b, x, y)
		}
	})
}

// Names whose parts join to the same text differ.
func TestRoleName_ShiftedPartsDiffer(t *testing.T) {
	seen := map[string][3]string{}
	for _, parts := range [][3]string{{"a-b", "c", "d"}, {"a", "b-c", "d"}, {"a", "b", "c-d"}, {"a.b", "c", "d"}, {"a", "b", "c.d"}} {
		name := RoleName(parts[0], parts[1], parts[2])
		if other, taken := seen[name]; taken {
			t.Errorf("%v and %v share the name %q", parts, other, name)
		}
		seen[name] = parts
	}
}

// Names never change: an existing role is found by its name.
func TestRoleName_NeverChanges(t *testing.T) {
	long := RoleName("prod", strings.Repeat("n", 63), strings.Repeat("a", 253))
	// The digits are those of sha256sum over prod/nnn…/aaa….
	if want := "prod_" + strings.Repeat("n", 50) + "_d5aab9ab"; long != want {
		t.Errorf("RoleName(...) = %q, want %q", long, want)
	}
}

func FuzzRoleName(f *testing.F) {
	f.Add("prod", "shop", "checkout")
	f.Add("a-b", "c", strings.Repeat("d", 253))
	form := regexp.MustCompile(`(?s)^.{0,55}_[0-9a-f]{8}$`)
	f.Fuzz(func(t *testing.T, cluster, namespace, name string) {
		got := RoleName(cluster, namespace, name)
		if len(got) > maxRoleName || !form.MatchString(got) {
			t.Errorf("RoleName(%q, %q, %q) = %q", cluster, namespace, name, got)
		}
		if got != RoleName(cluster, namespace, name) {
			t.Error("the name is left to chance")
		}
	})
}
