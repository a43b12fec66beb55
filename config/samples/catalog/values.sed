# Your values for the placeholders of the catalog: replace the part after the second slash of those that you need.
#
#   kubectl kustomize config/samples/catalog/velero | sed -f values.sed | kubectl apply -f -

# AWS account ID
s/111122223333/111122223333/g
# Region of the cluster
s/xx-example-1/xx-example-1/g
# Name of the EKS cluster, which add-ons write into the tags of what they create
s/example-cluster/example-cluster/g
# external-dns, cert-manager: ID of the Route 53 hosted zone
s/ZEXAMPLE/ZEXAMPLE/g
# s3-csi: bucket to mount
s/example-mounted-bucket/example-mounted-bucket/g
# external-secrets: what the names of the secrets and parameters begin with
s/example-secret-prefix/example-secret-prefix/g
# velero: bucket of the backups
s/example-velero-bucket/example-velero-bucket/g
# loki: buckets of the chunks and of the rules
s/example-loki-chunks/example-loki-chunks/g
s/example-loki-ruler/example-loki-ruler/g
# thanos: bucket of the blocks
s/example-thanos-bucket/example-thanos-bucket/g
# adot: ID of the workspace of Amazon Managed Service for Prometheus
s/ws-example/ws-example/g
# keda: queue, stream and table that workloads are scaled by
s/example-queue/example-queue/g
s/example-stream/example-stream/g
s/example-table/example-table/g
# argo-workflows: bucket of the artifacts
s/example-artifact-bucket/example-artifact-bucket/g

# In AWS China or GovCloud, uncomment one.
# s/arn:aws:/arn:aws-cn:/g
# s/arn:aws:/arn:aws-us-gov:/g
