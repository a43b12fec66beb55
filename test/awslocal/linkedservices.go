package awslocal

import "strings"

// linkedService is how AWS names the role of a service and what it attaches to it.
type linkedService struct {
	role, policy string
	suffix       bool // takes a custom suffix
}

// linkedServices are AWS's services by the first part of their principals, with the name
// of the role after "AWSServiceRoleFor", the attached policy, and an asterisk if AWS
// allows several roles with suffixes in an account. AWS publishes no such list; these
// were seen in accounts.
var linkedServices = func() map[string]linkedService {
	services := map[string]linkedService{}
	for line := range strings.Lines(`
accountdiscovery.ssm             AmazonSSM_AccountDiscovery                   AWSSystemsManagerAccountDiscoveryServicePolicy
acm                              CertificateManager                           CertificateManagerServiceRolePolicy
appmesh                          AppMesh                                      AWSAppMeshServiceRolePolicy
autoscaling                      AutoScaling                                  AutoScalingServiceRolePolicy *
autoscaling-plans                AutoScalingPlans_EC2AutoScaling              AWSAutoScalingPlansEC2AutoScalingPolicy
backup                           Backup                                       AWSBackupServiceLinkedRolePolicyForBackup
batch                            Batch                                        BatchServiceRolePolicy
cassandra.application-autoscaling ApplicationAutoScaling_CassandraTable       AWSApplicationAutoscalingCassandraTablePolicy
cks.kms                          KeyManagementServiceCustomKeyStores          AWSKeyManagementServiceCustomKeyStoresServiceRolePolicy
cloudtrail                       CloudTrail                                   CloudTrailServiceRolePolicy
codestar-notifications           CodeStarNotifications                        AWSCodeStarNotificationsServiceRolePolicy
config                           Config                                       AWSConfigServiceRolePolicy
connect                          AmazonConnect                                AmazonConnectServiceLinkedRolePolicy *
dms                              DMSServerless                                AWSDMSServerlessServiceRolePolicy
dms-fleet-advisor                DMSFleetAdvisor                              AWSDMSFleetAdvisorServiceRolePolicy
docdb-elastic                    DocDB-Elastic                                AmazonDocDB-ElasticServiceRolePolicy
ec2-instance-connect             Ec2InstanceConnect                           Ec2InstanceConnectEndpoint
ec2.application-autoscaling      ApplicationAutoScaling_EC2SpotFleetRequest   AWSApplicationAutoscalingEC2SpotFleetRequestPolicy
ecr                              ECRTemplate                                  ECRTemplateServiceRolePolicy
ecs                              ECS                                          AmazonECSServiceRolePolicy
eks                              AmazonEKS                                    AmazonEKSServiceRolePolicy
eks-connector                    AmazonEKSConnector                           AmazonEKSConnectorServiceRolePolicy
eks-fargate                      AmazonEKSForFargate                          AmazonEKSForFargateServiceRolePolicy
eks-nodegroup                    AmazonEKSNodegroup                           AWSServiceRoleForAmazonEKSNodegroup
elasticache                      ElastiCache                                  ElastiCacheServiceRolePolicy
elasticbeanstalk                 ElasticBeanstalk                             AWSElasticBeanstalkServiceRolePolicy
elasticfilesystem                AmazonElasticFileSystem                      AmazonElasticFileSystemServiceRolePolicy
elasticloadbalancing             ElasticLoadBalancing                         AWSElasticLoadBalancingServiceRolePolicy
email.cognito-idp                AmazonCognitoIdpEmailService                 AmazonCognitoIdpEmailServiceRolePolicy
emr-containers                   AmazonEMRContainers                          AmazonEMRContainersServiceRolePolicy
emrwal                           EMRWAL                                       EMRDescribeClusterPolicyForEMRWAL
fis                              FIS                                          AmazonFISServiceRolePolicy
grafana                          AmazonGrafana                                AmazonGrafanaServiceLinkedRolePolicy
imagebuilder                     ImageBuilder                                 AWSServiceRoleForImageBuilder
iotmanagedintegrations           IoTManagedIntegrations                       AWSIoTManagedIntegrationsRolePolicy
kafka                            Kafka                                        KafkaServiceRolePolicy
kafkaconnect                     KafkaConnect                                 KafkaConnectServiceRolePolicy
lakeformation                    LakeFormationDataAccess                      LakeFormationDataAccessServiceRolePolicy
lex                              LexBots                                      AmazonLexBotPolicy
lexv2                            LexV2Bots                                    AmazonLexV2BotPolicy *
lightsail                        Lightsail                                    LightsailExportAccess
m2                               AWSM2                                        AWSM2ServicePolicy
memorydb                         MemoryDB                                     MemoryDBServiceRolePolicy
mq                               AmazonMQ                                     AmazonMQServiceRolePolicy
mrk.kms                          KeyManagementServiceMultiRegionKeys          AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy
notifications                    AwsUserNotifications                         AWSUserNotificationsServiceLinkedRolePolicy
observability.aoss               AmazonOpenSearchServerless                   AmazonOpenSearchServerlessServiceRolePolicy
opensearchservice                AmazonOpenSearchService                      AmazonOpenSearchServiceRolePolicy
ops.apigateway                   APIGateway                                   APIGatewayServiceRolePolicy
ops.emr-serverless               AmazonEMRServerless                          AmazonEMRServerlessServiceRolePolicy
opsdatasync.ssm                  SystemsManagerOpsDataSync                    AWSSystemsManagerOpsDataSyncServiceRolePolicy
opsinsights.ssm                  AmazonSSM_OpsInsights                        AWSSSMOpsInsightsServiceRolePolicy
pullthroughcache.ecr             ECRPullThroughCache                          AWSECRPullThroughCache_ServiceRolePolicy
ram                              ResourceAccessManager                        AWSResourceAccessManagerServiceRolePolicy
rds                              RDS                                          AmazonRDSServiceRolePolicy
redshift                         Redshift                                     AmazonRedshiftServiceLinkedRolePolicy
replication.cassandra            KeyspacesReplication                         KeyspacesReplicationServiceRolePolicy
replication.ecr                  ECRReplication                               ECRReplicationServiceRolePolicy
repository.sync.codeconnections  GitSync                                      AWSGitSyncServiceRolePolicy
resource-explorer-2              ResourceExplorer                             AWSResourceExplorerServiceRolePolicy
rolesanywhere                    RolesAnywhere                                AWSRolesAnywhereServicePolicy
s3-outposts                      S3OnOutposts                                 AWSS3OnOutpostsServiceRolePolicy
ses                              AmazonSES                                    AmazonSESServiceRolePolicy
shield                           AWSShield                                    AWSShieldServiceRolePolicy
spot                             EC2Spot                                      AWSEC2SpotServiceRolePolicy
ssm                              AmazonSSM                                    AmazonSSMServiceRolePolicy
ssm-incidents                    IncidentManager                              AWSIncidentManagerServiceRolePolicy
ssm-quicksetup                   SSMQuickSetup                                SSMQuickSetupRolePolicy
sso                              SSO                                          AWSSSOServiceRolePolicy
vpcorigin.cloudfront             CloudFrontVPCOrigin                          AWSCloudFrontVPCOriginServiceRolePolicy
waf                              WAFLogging                                   WAFLoggingServiceRolePolicy
wafv2                            WAFV2Logging                                 WAFV2LoggingServiceRolePolicy
`) {
		if f := strings.Fields(line); len(f) > 0 {
			services[f[0]] = linkedService{role: f[1], policy: f[2], suffix: len(f) > 3}
		}
	}
	return services
}()

// linkedServiceOf returns the service of a principal. One that is not in the list has a role
// that is named after it, without a policy.
func linkedServiceOf(principal string) (linkedService, bool) {
	short, ok := strings.CutSuffix(principal, ".amazonaws.com")
	if !ok || short == "" {
		return linkedService{}, false
	}
	if known, ok := linkedServices[short]; ok {
		return known, true
	}
	parts := strings.FieldsFunc(short, func(r rune) bool { return r == '.' || r == '-' })
	for i, part := range parts {
		parts[i] = strings.ToUpper(part[:1]) + part[1:]
	}
	return linkedService{role: strings.Join(parts, "")}, len(parts) > 0
}

func (s linkedService) roleName(suffix string) string {
	if suffix != "" {
		suffix = "_" + suffix
	}
	return "AWSServiceRoleFor" + s.role + suffix
}
