// Package flux has no code: its module pins the version of Flux's kustomize-controller,
// with all that it is made of, for test/gitops.
package flux
