module github.com/podidentity/podidentity-operator/hack/dashboard

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/grafana/grafana-foundation-sdk/go v0.0.22
)
