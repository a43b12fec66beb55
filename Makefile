# PodIdentity operator. `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMG ?= ghcr.io/podidentity/podidentity-operator:$(VERSION)
LDFLAGS := -X main.version=$(VERSION)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
# Images and archives state this time, so that two builds of one commit are the same, to the byte.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

KUBECTL ?= kubectl
TOOL := go tool -modfile=go.tools.mod

# Modules with their own go.mod, for dependencies that the operator does not need. They are formatted, linted and
# tested like the main module. hack/tidy.sh finds them without this list.
MODULES := hack/awstemplates hack/bench hack/chart hack/dashboard hack/image
# These take long to build: they are tested without the race detector, and test/chart/cluster and test/gitops by their own
# targets.
HEAVY_MODULES := test/chart test/gitops test/monitoring
# in_modules runs a command in each of the modules, in_all_modules in the heavy ones as well.
in_modules = set -e; for module in $(MODULES); do (cd "$$module" && $(1)); done
in_all_modules = set -e; for module in $(MODULES) $(HEAVY_MODULES); do (cd "$$module" && $(1)); done
LINT_MODULE := go tool -modfile=$(CURDIR)/go.tools.mod golangci-lint

# The race detector needs a C compiler; RACE= disables it.
RACE ?= -race
TESTFLAGS ?=

# An older minor version of Kubernetes for tests and demo, such as 1.32: those of hack/controlplane.
KUBERNETES ?=
ASSETS := go run ./hack/assets $(KUBERNETES)

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Try it locally

.PHONY: demo
demo: assets build plugin ## Run the local demo: control plane, AWS endpoint, operator. ONCE=1 exits when done.
	@go build -o bin/demo ./hack/demo
	@export KUBEBUILDER_ASSETS=$$($(ASSETS)) && exec bin/demo $(if $(ONCE),--once)

##@ Develop

.PHONY: generate
generate: ## Generate Go code.
	$(TOOL) controller-gen object paths=./api/...

.PHONY: manifests
manifests: ## Generate CRDs, RBAC, docs/api.md, docs/flags.md, the templates of config/aws, the chart and the dashboard.
	$(TOOL) controller-gen crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	$(TOOL) controller-gen rbac:roleName=manager-role paths=./controllers/... output:rbac:artifacts:config=config/rbac
	go run ./hack/apidocs config/crd/bases docs/api.md
	go run ./hack/flagdocs docs/flags.md
	go -C hack/awstemplates run . ../../config/aws
	go -C hack/chart run . ../..
	go -C hack/dashboard run . ../..

.PHONY: fmt
fmt: ## Format the Go code.
	$(TOOL) golangci-lint fmt
	@$(call in_all_modules,$(LINT_MODULE) fmt --config $(CURDIR)/.golangci.yml)

.PHONY: lint
lint: ## Lint the Go code and the workflows.
	$(TOOL) golangci-lint run
	$(TOOL) actionlint
	@$(call in_all_modules,$(LINT_MODULE) run --config $(CURDIR)/.golangci.yml)

.PHONY: tidy
tidy: ## Tidy all modules.
	hack/tidy.sh

.PHONY: verify
verify: ## Fail if generated code, go.mod files or formatting are not up to date, or if a linter finds a problem.
	hack/verify.sh
	$(MAKE) --no-print-directory lint docs-lint

##@ Test

.PHONY: assets
assets: ## Build the control plane for tests and demo into the cache directory, unless it exists.
	@$(ASSETS)

.PHONY: test
test: ## Run all tests, with the race detector, on a real control plane; KUBERNETES=1.32 on one of that version.
	@hack/check-race.sh $(RACE)
	@assets=$$($(ASSETS)) && \
		KUBEBUILDER_ASSETS=$$assets go test $(RACE) -shuffle=on -timeout 20m $(TESTFLAGS) ./...
	@# -shuffle also keeps Go from reusing results: it does not notice changes of files outside of a module.
	@$(call in_modules,go test $(RACE) -shuffle=on $(TESTFLAGS) ./...)
	go -C test/chart test -shuffle=on $(TESTFLAGS) .
	go -C test/monitoring test -shuffle=on $(TESTFLAGS) .

.PHONY: test-chart
test-chart: ## Test the Helm chart: render, lint, and install, upgrade, roll back and uninstall it on a real control plane.
	@assets=$$($(ASSETS)) && \
		KUBEBUILDER_ASSETS=$$assets go -C test/chart test -shuffle=on -timeout 20m $(TESTFLAGS) ./...

.PHONY: test-gitops
test-gitops: ## Test with the real Argo CD and Flux's kustomize-controller, which it builds once into the cache directory.
	@go run ./hack/assets argocd >/dev/null && go run ./hack/assets flux >/dev/null
	go -C hack/argocd test -shuffle=on $(TESTFLAGS) ./scripts
	@assets=$$($(ASSETS)) && \
		KUBEBUILDER_ASSETS=$$assets go -C test/gitops test -shuffle=on -timeout 30m $(TESTFLAGS) .

.PHONY: test-unit
test-unit: ## Run the tests that need no control plane.
	@packages=$$(go list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./... | \
		awk '$$1 ~ /\/controllers$$/ || !/\/test\/(controlplane|testenv)( |$$)/ { print $$1 }') && \
		go test -short -shuffle=on $(TESTFLAGS) $$packages

DURATION ?= 3m
SEED ?= 1

.PHONY: chaos
chaos: ## Run randomized fault-injection tests: 100 identities, for DURATION (3m), from SEED.
	@hack/check-race.sh $(RACE)
	@assets=$$($(ASSETS)) && \
		KUBEBUILDER_ASSETS=$$assets go test $(RACE) ./controllers -run 'TestChaos_' -count=1 -timeout 60m \
		-chaos=$(DURATION) -identities=100 -seed=$(SEED)

FUZZTIME ?= 1m

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME (1m): policies, guardrails, patterns, names, sequences of reconciles.
	@hack/fuzz.sh '$(FUZZTIME)'

.PHONY: conformance
conformance: ## Compare the AWS endpoint with ENDPOINT=<URL>, or with AWS: ENDPOINT=aws ACCOUNT=<ID>, by AWS_PROFILE.
	go test ./test/awslocal -run 'TestConformance_EndpointsGiveTheSameAnswers$$' -count=1 -timeout 60m -v \
		$(if $(ENDPOINT),-conformance-endpoint='$(ENDPOINT)') $(if $(ACCOUNT),-conformance-account='$(ACCOUNT)')

##@ Measure

.PHONY: bench
bench: assets build ## Run benchmarks and write docs/benchmarks. SCALE=medium is faster; QUICK=1 writes nothing.
	@go -C hack/bench build -o ../../bin/bench .
	@KUBEBUILDER_ASSETS=$$(go run ./hack/assets) bin/bench $(if $(SCALE),--scale=$(SCALE)) $(if $(QUICK),--scale=quick) $(if $(ONLY),--only=$(ONLY))

##@ Build

.PHONY: build
build: ## Build bin/manager and bin/awslocal.
	@echo 'Compiling the operator and the AWS endpoint: minutes the first time, seconds later.' >&2
	go build -ldflags '$(LDFLAGS)' -o bin/manager .
	go build -o bin/awslocal ./cmd/awslocal

.PHONY: plugin
plugin: ## Build bin/kubectl-podidentity, the kubectl plugin.
	go build -ldflags '$(LDFLAGS)' -o bin/kubectl-podidentity ./cmd/kubectl-podidentity

.PHONY: image
image: ## Build the container image, without a container engine, into dist/image. PUSH=1 pushes it as IMG.
	@go -C hack/image run . --version '$(VERSION)' --revision '$(REVISION)' --image '$(IMG)' $(if $(PUSH),--push)

.PHONY: installer
installer: ## Write dist/install.yaml for kubectl apply, with IMG. CLUSTER_NAME and ROLE_ARN stay placeholders unless set.
	@hack/installer.sh '$(IMG)' dist/install.yaml

.PHONY: release
release: ## Build all files of VERSION=v0.1.0 into dist/release, and push image and chart. DRY_RUN=1 pushes nothing.
	@go run ./hack/release --version '$(VERSION)' $(if $(DRY_RUN),--dry-run)

.PHONY: chart
chart: ## Package the Helm chart into dist. VERSION=v1.2.3 sets its version and the tag of the image.
	@hack/package-chart.sh '$(VERSION)'

##@ Documentation

.PHONY: docs
docs: ## Build the documentation as a site, docs/.vitepress/dist. Needs Node.js.
	@command -v npm >/dev/null || { echo 'make docs: install Node.js first; the pages need no build to be read' >&2; exit 1; }
	npm --prefix docs ci --no-audit --no-fund
	npm --prefix docs run build

.PHONY: docs-lint
docs-lint: ## Lint the Markdown, links and diagrams of the pages, if npm can install the linters. make test checks links too.
	@command -v npm >/dev/null || { echo 'make docs-lint: skipped, Node.js is not installed' >&2; exit 0; }; \
		npm --prefix docs ci --prefer-offline --no-audit --no-fund --silent || \
			{ echo 'make docs-lint: skipped, npm cannot install the linters: npm --prefix docs ci' >&2; exit 0; }; \
		npm --prefix docs run lint

##@ Deploy to the cluster of your kubeconfig

.PHONY: install
install: ## Install the CustomResourceDefinitions.
	$(KUBECTL) apply --server-side -k config/crd

.PHONY: uninstall
uninstall: ## Delete the CustomResourceDefinitions, and with them every PodIdentity.
	$(KUBECTL) delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: ## Deploy the operator. Set CLUSTER_NAME=, IMG=, ROLE_ARN= (the operator's own role) and BOUNDARY_ARN=.
	@hack/deploy-overlay.sh dist/deploy '$(IMG)' '$(CLUSTER_NAME)' '$(ROLE_ARN)' '$(BOUNDARY_ARN)'
	@[[ -n '$(BOUNDARY_ARN)' ]] || printf '%s\n' \
		'BOUNDARY_ARN is not set: AWS does not limit the roles of the operator. Then the baseline and the guardrails are the' \
		'only limit of a tenant, and a process with the credentials of the operator can become administrator of the AWS' \
		'account. See docs/security.md#two-layers-of-defense.' >&2
	$(KUBECTL) apply --server-side -k dist/deploy

.PHONY: undeploy
undeploy: ## Delete the operator and its CustomResourceDefinitions. Delete the PodIdentities first.
	$(KUBECTL) delete --ignore-not-found -k config/default

.PHONY: clean
clean: ## Delete the build output. The control plane, Argo CD and Flux stay in the cache directory.
	rm -rf bin dist
