package awslocal

func iamOperations() map[string]operation {
	return map[string]operation{
		"CreateRole":                    write(createRole),
		"CreateServiceLinkedRole":       write(createServiceLinkedRole),
		"DeleteServiceLinkedRole":       write(deleteServiceLinkedRole),
		"GetRole":                       read(getRole),
		"ListRoles":                     read(listRoles),
		"UpdateRole":                    write(updateRole),
		"UpdateRoleDescription":         write(updateRoleDescription),
		"UpdateAssumeRolePolicy":        write(updateAssumeRolePolicy),
		"DeleteRole":                    write(deleteRole),
		"TagRole":                       write(tagRole),
		"UntagRole":                     write(untagRole),
		"ListRoleTags":                  read(listRoleTags),
		"PutRolePermissionsBoundary":    write(putRolePermissionsBoundary),
		"DeleteRolePermissionsBoundary": write(deleteRolePermissionsBoundary),

		"AttachRolePolicy":         write(attachRolePolicy),
		"DetachRolePolicy":         write(detachRolePolicy),
		"ListAttachedRolePolicies": read(listAttachedRolePolicies),
		"PutRolePolicy":            write(putRolePolicy),
		"GetRolePolicy":            read(getRolePolicy),
		"DeleteRolePolicy":         write(deleteRolePolicy),
		"ListRolePolicies":         read(listRolePolicies),

		"CreatePolicy":            write(createPolicy),
		"GetPolicy":               read(getPolicy),
		"ListPolicies":            read(listPolicies),
		"DeletePolicy":            write(deletePolicy),
		"ListEntitiesForPolicy":   read(listEntitiesForPolicy),
		"TagPolicy":               write(tagPolicy),
		"UntagPolicy":             write(untagPolicy),
		"ListPolicyTags":          read(listPolicyTags),
		"CreatePolicyVersion":     write(createPolicyVersion),
		"GetPolicyVersion":        read(getPolicyVersion),
		"ListPolicyVersions":      read(listPolicyVersions),
		"SetDefaultPolicyVersion": write(setDefaultPolicyVersion),
		"DeletePolicyVersion":     write(deletePolicyVersion),

		"CreateOpenIDConnectProvider":             write(createOpenIDConnectProvider),
		"GetOpenIDConnectProvider":                read(getOpenIDConnectProvider),
		"ListOpenIDConnectProviders":              read(listOpenIDConnectProviders),
		"DeleteOpenIDConnectProvider":             write(deleteOpenIDConnectProvider),
		"AddClientIDToOpenIDConnectProvider":      write(addClientIDToOpenIDConnectProvider),
		"RemoveClientIDFromOpenIDConnectProvider": write(removeClientIDFromOpenIDConnectProvider),
		"UpdateOpenIDConnectProviderThumbprint":   write(updateOpenIDConnectProviderThumbprint),
		"TagOpenIDConnectProvider":                write(tagOpenIDConnectProvider),
		"UntagOpenIDConnectProvider":              write(untagOpenIDConnectProvider),
		"ListOpenIDConnectProviderTags":           read(listOpenIDConnectProviderTags),

		"CreateInstanceProfile":         write(createInstanceProfile),
		"GetInstanceProfile":            read(getInstanceProfile),
		"ListInstanceProfiles":          read(listInstanceProfiles),
		"ListInstanceProfilesForRole":   read(listInstanceProfilesForRole),
		"DeleteInstanceProfile":         write(deleteInstanceProfile),
		"AddRoleToInstanceProfile":      write(addRoleToInstanceProfile),
		"RemoveRoleFromInstanceProfile": write(removeRoleFromInstanceProfile),
		"TagInstanceProfile":            write(tagInstanceProfile),
		"UntagInstanceProfile":          write(untagInstanceProfile),
		"ListInstanceProfileTags":       read(listInstanceProfileTags),

		"GetServiceLinkedRoleDeletionStatus": read(getServiceLinkedRoleDeletionStatus),

		"GetAccountAuthorizationDetails": read(getAccountAuthorizationDetails),
		"GetAccountSummary":              read(getAccountSummary),

		"GenerateServiceLastAccessedDetails": read(generateServiceLastAccessedDetails),
		"GetServiceLastAccessedDetails":      read(getServiceLastAccessedDetails),
	}
}

func stsOperations() map[string]operation {
	return map[string]operation{
		"GetCallerIdentity":         read(getCallerIdentity),
		"AssumeRole":                read(assumeRole),
		"AssumeRoleWithWebIdentity": read(assumeRoleWithWebIdentity),
	}
}

func eksOperations() map[string]operation {
	return map[string]operation{
		"CreateCluster":   write(createCluster),
		"DescribeCluster": read(describeCluster),
		"ListClusters":    read(listClusters),
		"DeleteCluster":   write(deleteCluster),

		"CreatePodIdentityAssociation":   write(createPodIdentityAssociation),
		"DescribePodIdentityAssociation": read(describePodIdentityAssociation),
		"ListPodIdentityAssociations":    read(listPodIdentityAssociations),
		"UpdatePodIdentityAssociation":   write(updatePodIdentityAssociation),
		"DeletePodIdentityAssociation":   write(deletePodIdentityAssociation),

		"TagResource":         write(tagEKSResource),
		"UntagResource":       write(untagEKSResource),
		"ListTagsForResource": read(listEKSResourceTags),
	}
}
