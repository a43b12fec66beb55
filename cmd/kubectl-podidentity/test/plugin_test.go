package plugin_test

import "testing"

func TestPlugin_Commands(t *testing.T) {
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
	t.Run("Orphans", func(t *testing.T) { e.with(t).orphans() })
	t.Run("EveryCause", func(t *testing.T) { e.with(t).everyCause() })
	t.Run("Audit", func(t *testing.T) { e.with(t).audit() })
	t.Run("Suggest", func(t *testing.T) { e.with(t).suggest() })
	t.Run("Watch", func(t *testing.T) { e.with(t).watch() })
	t.Run("Completion", func(t *testing.T) { e.with(t).completion() })
	t.Run("IAMPolicy", func(t *testing.T) { e.with(t).iamPolicy() })
	t.Run("Plan", func(t *testing.T) { e.with(t).plan() })
	t.Run("Import", func(t *testing.T) { e.with(t).imports() })
	t.Run("AuditOfMany", func(t *testing.T) { e.with(t).auditOfMany() })
}
