# syntax=docker/dockerfile:1
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

# No shell, no package manager, root certificates, and user 65532.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /manager /manager
COPY LICENSE /LICENSE
USER 65532:65532
ENTRYPOINT ["/manager"]
