package tree

import (
	"fmt"
	"strings"
)

// outdatedOf describes the pods that do not have the role, "" if all have it.
func outdatedOf(id Identity) string {
	if id.Role == nil || id.Role.ARN == "" {
		return "" // there is nothing that they could have
	}
	running, outdated := 0, 0
	var names []string
	for _, sa := range id.ServiceAccounts {
		for _, w := range sa.Workloads {
			running += len(w.Pods)
			if n := len(w.Outdated()); n > 0 {
				outdated += n
				names = append(names, w.Kind+" "+w.Name)
			}
		}
	}
	if outdated == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d running pods do not use the role: %s", outdated, running, some(names))
}

// some lists the first of many names.
func some(names []string) string {
	const shown = 5
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

func quotaMessage(s Size, what string) string {
	return fmt.Sprintf("the role uses %d of %d %s that AWS allows", s.Used, s.Quota, what)
}
