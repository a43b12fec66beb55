package command

import (
	"github.com/spf13/cobra"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

func newVersion(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Long:  "Print the version of the plugin.",
		Short: "Print the version of the plugin",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			format, err := s.format(output.JSON, output.YAML)
			if err != nil {
				return err
			}
			return s.report(format, map[string]string{"version": s.process.Version}, func(p *output.Printer) {
				p.Line(output.T("%s", s.process.Version))
			})
		},
	}
}
