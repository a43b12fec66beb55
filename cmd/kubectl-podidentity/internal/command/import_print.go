package command

import (
	"fmt"
	"io"

	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/conversion"
	"github.com/podidentity/podidentity-operator/cmd/kubectl-podidentity/internal/output"
)

// printImported prints the identities as YAML to apply. What comes from the source is
// in comments of one line each, whatever it holds.
func printImported(w io.Writer, r imported) error {
	for i, identity := range r.Identities {
		if i > 0 {
			if _, err := fmt.Fprintln(w, "---"); err != nil {
				return err
			}
		}
		if err := printIdentity(w, identity); err != nil {
			return err
		}
	}
	return nil
}

func printIdentity(w io.Writer, identity conversion.Identity) error {
	object, err := conversion.Unstructured(identity.Identity)
	if err != nil {
		return err
	}
	lines := []string{"From " + identity.Source}
	if identity.RoleARN != "" {
		lines[0] += " (" + identity.RoleARN + ")"
	}
	for _, loss := range identity.Losses {
		lines = append(lines, "Not expressed: "+loss)
	}
	lines = append(lines, identity.Notes...)
	for i, command := range identity.Adopt {
		if i == 0 {
			lines = append(lines, "To let the operator adopt the role, run this before you apply the PodIdentity:")
		} else {
			lines = append(lines, "Then remove the role from the other tool, without deleting it:")
		}
		lines = append(lines, "  "+command)
	}
	if identity.Remove != "" {
		lines = append(lines, "Once no pod uses the old role, delete it with: "+identity.Remove)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, "# "+output.Clean(line)); err != nil {
			return err
		}
	}
	return output.Encode(w, output.YAML, object.Object)
}
