package plugin_test

import "testing"

func TestPlugin(t *testing.T) {
	e := newEnv(t)
	t.Run("WithoutCRDs", func(t *testing.T) { e.with(t).withoutCRDs() })
	e.installOperator()
	e.installWebhook()
	t.Run("Errors", func(t *testing.T) { e.with(t).errors() })
	t.Run("Why", func(t *testing.T) { e.with(t).why() })
	t.Run("Simulated", func(t *testing.T) { e.with(t).simulated() })
	t.Run("Verify", func(t *testing.T) { e.with(t).verify() })
	t.Run("Restart", func(t *testing.T) { e.with(t).restart() })
	t.Run("Doctor", func(t *testing.T) { e.with(t).doctor() })
	t.Run("IAMPolicy", func(t *testing.T) { e.with(t).iamPolicy() })
	t.Run("Plan", func(t *testing.T) { e.with(t).plan() })
	t.Run("Import", func(t *testing.T) { e.with(t).imports() })
}
