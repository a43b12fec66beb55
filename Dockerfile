# syntax=docker/dockerfile:1
# For those who have a container engine; `make image` needs none:
#
#	docker build --build-arg VERSION=v0.1.0 --build-arg REVISION=$(git rev-parse HEAD) .
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src

COPY go.mod go.sum ./
RUN go mod download

COPY main.go ./
COPY api api
COPY controllers controllers
COPY internal internal

ARG TARGETOS TARGETARCH
ARG VERSION=dev
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /manager .

# Like the image of hack/image, which needs no container engine; a test compares
# the two. No shell, no package manager, root certificates, and user 65532.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=dev
ARG REVISION=""
LABEL org.opencontainers.image.title="podidentity-operator" \
      org.opencontainers.image.description="Kubernetes operator that gives workloads AWS permissions through IAM roles for ServiceAccounts" \
      org.opencontainers.image.url="https://github.com/podidentity/podidentity-operator" \
      org.opencontainers.image.source="https://github.com/podidentity/podidentity-operator" \
      org.opencontainers.image.documentation="https://github.com/podidentity/podidentity-operator/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /manager /manager
COPY LICENSE /LICENSE
WORKDIR /
USER 65532:65532
ENTRYPOINT ["/manager"]
